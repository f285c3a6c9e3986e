"""What Backpack's answers to commands prove, and what they do not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from backpack_samples import NOW, body, facts, intent, order_row

from connectors.backpack import verdict
from connectors.http import Answer
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
    VenueUnreachable,
)
from core.ids import uint32_of
from core.order import OrderStatus

CLIENT_ID = uint32_of(intent().client_order_id)


def answer(status: int, content: object = b"", **headers: str) -> Answer:
    return Answer(status, content if isinstance(content, bytes) else body(content), headers, NOW)


def problem(code: str, message: str = "text", status: int = 400) -> Answer:
    return answer(status, {"code": code, "message": message})


def placed(given: Answer):
    return verdict.place_outcome(given, intent(), CLIENT_ID, facts())


def test_an_order_in_the_answer_is_accepted_with_what_it_executed() -> None:
    outcome = placed(answer(200, order_row(status="Filled", executedQuantity="0.5", executedQuoteQuantity="1499.75")))
    assert isinstance(outcome, Accepted)
    assert (outcome.report.status, outcome.report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.5"))
    assert outcome.report.average_price == Decimal("2999.5")
    assert outcome.report.venue_time == NOW


def test_an_order_that_expired_at_once_was_taken_and_is_final() -> None:
    outcome = placed(answer(200, order_row(status="Expired", expiryReason="ImmediateOrCancel")))
    assert isinstance(outcome, Accepted)
    assert outcome.report.status is OrderStatus.EXPIRED


@pytest.mark.parametrize(
    "given",
    [
        answer(200, b"<html>"),
        answer(200, b""),
        answer(200, order_row(clientId=None)),
        answer(200, order_row(clientId=7)),
        answer(200, order_row(side="Ask")),
        answer(200, order_row(symbol="SOL_USDC_PERP")),
        answer(200, order_row(status="Melted")),
        answer(202),
        answer(302),
        answer(400, b"<html>bad gateway</html>"),
        answer(408, {"code": "TIMEOUT", "message": "timeout"}),
        answer(409, {"code": "INVALID_ORDER", "message": "conflict"}),
        problem("TIMEOUT"),
        problem("SERVER_ERROR"),
        problem("SOMETHING_NEW"),
        problem("INVALID_ORDER", "clientId already exists"),
        answer(500, {"code": "SERVER_ERROR", "message": "no"}),
        answer(502, b"<html>"),
        answer(503, {"code": "MAINTENANCE", "message": "soon"}),
        answer(504),
    ],
    ids=lambda given: f"{given.status} {given.body[:40]!r}",
)
def test_whatever_proves_neither_is_unknown(given) -> None:
    assert isinstance(placed(given), Unknown)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (problem("INVALID_ORDER", "Order would immediately match and take"), "INVALID_ORDER"),
        (problem("INSUFFICIENT_MARGIN"), "INSUFFICIENT_MARGIN"),
        (problem("INVALID_CLIENT_REQUEST", "Quantity decimal too long"), "INVALID_CLIENT_REQUEST"),
        (problem("INVALID_CLIENT_REQUEST", "Invalid signature"), "AUTH"),
        (problem("INVALID_SIGNATURE", ""), "AUTH"),
        (problem("INVALID_CLIENT_REQUEST", "Invalid X-Signature header"), "AUTH"),
        (problem("UNAUTHORIZED", status=401), "AUTH"),
        (problem("INVALID_CLIENT_REQUEST", "Request has expired"), "REQUEST_EXPIRED"),
        (problem("TOO_MANY_REQUESTS", status=429), "RATE_LIMITED"),
        (answer(429, b"slow down"), "RATE_LIMITED"),
        (answer(400, b"parse request payload error: failed to parse MarketSymbol"), "UNPARSABLE_REQUEST"),
        (answer(403, b"<html>blocked</html>"), "FORBIDDEN"),
        (answer(404, b"not found"), "NO_SUCH_PATH"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_needs_and_has_positive_evidence(given, code) -> None:
    outcome = placed(given)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize("given", [answer(202), answer(200, order_row(status="Cancelled")), answer(200, [])])
def test_a_cancel_that_was_taken_is_not_yet_the_end(given) -> None:
    assert verdict.cancel_outcome(given) == CancelTaken()


@pytest.mark.parametrize(
    "given",
    [
        problem("RESOURCE_NOT_FOUND", "Not Found", 404),
        problem("INVALID_CLIENT_REQUEST", "Order not found"),
    ],
)
def test_both_spellings_of_a_dead_order_mean_nothing_to_cancel(given) -> None:
    assert isinstance(verdict.cancel_outcome(given), CancelRefused)


@pytest.mark.parametrize("given", [answer(500), answer(503, b"x"), problem("TIMEOUT"), answer(404, b"")])
def test_a_cancel_without_a_clear_answer_says_nothing_about_the_order(given) -> None:
    assert not isinstance(verdict.cancel_outcome(given), CancelTaken | CancelRefused)


def test_a_cancel_refused_at_the_door_did_nothing() -> None:
    assert isinstance(verdict.cancel_outcome(problem("INVALID_SIGNATURE")), NotSent)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (problem("INVALID_SIGNATURE"), AuthenticationFailed),
        (problem("INVALID_CLIENT_REQUEST", "Request has expired"), AuthenticationFailed),
        (answer(429, **{"retry-after": "7"}), RateLimited),
        (answer(503), VenueUnavailable),
        (answer(408), VenueUnreachable),
        (problem("INVALID_MARKET"), VenueRejected),
        (answer(400, b"what?"), ProtocolViolation),
        (answer(204), VenueUnavailable),
        (answer(302), ProtocolViolation),
    ],
)
def test_a_read_that_failed_says_which_way(given, kind) -> None:
    error = verdict.read_error(given, "GET /x", "acc-1")
    assert type(error) is kind
    assert error.details["account"] == "acc-1"
    if kind is RateLimited:
        assert error.details["retry_after_s"] == 7.0
