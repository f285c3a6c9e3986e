"""Every error the documents name or recordings show, and what it proves: of an order, of a cancel, of a read.

The rows are the venue's (docs.backpack.exchange, ApiErrorCode; support pages; public recordings), not our parser's.
"""

from __future__ import annotations

import json

import pytest
from backpack_samples import NOW, facts, intent, order_row

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

CODES = [
    "ACCOUNT_DEACTIVATED", "ACCOUNT_LIQUIDATING", "BORROW_LIMIT", "BORROW_REQUIRES_LEND_REDEEM", "FORBIDDEN",
    "INSUFFICIENT_FUNDS", "INSUFFICIENT_MARGIN", "INSUFFICIENT_SUPPLY", "INVALID_ASSET", "INVALID_CLIENT_REQUEST",
    "INVALID_MARKET", "INVALID_ORDER", "INVALID_PRICE", "INVALID_POSITION_ID", "INVALID_QUANTITY", "INVALID_RANGE",
    "INVALID_SIGNATURE", "INVALID_SOURCE", "INVALID_SYMBOL", "INVALID_TWO_FACTOR_CODE", "LEND_LIMIT",
    "LEND_REQUIRES_BORROW_REPAY", "MAINTENANCE", "MAX_LEVERAGE_REACHED", "NOT_IMPLEMENTED", "ORDER_LIMIT",
    "POSITION_LIMIT", "PRECONDITION_FAILED", "RESOURCE_NOT_FOUND", "SERVER_ERROR", "TIMEOUT", "TOO_EARLY",
    "TOO_MANY_REQUESTS", "TRADING_PAUSED", "UNAUTHORIZED",
]  # fmt: skip
AMBIGUOUS = {"SERVER_ERROR", "TIMEOUT", "TOO_EARLY"}
AUTHENTICATION = {"INVALID_SIGNATURE", "UNAUTHORIZED", "FORBIDDEN"}
CLIENT_ID = uint32_of(intent().client_order_id)


def body(code: str, message: str = "text") -> bytes:
    return json.dumps({"code": code, "message": message}).encode()


def answer(status: int, content: bytes = b"") -> Answer:
    return Answer(status, content, {}, NOW)


def placed(given: Answer) -> object:
    return verdict.place_outcome(given, intent(), CLIENT_ID, facts())


@pytest.mark.parametrize("code", CODES)
def test_each_documented_code_in_a_400_is_a_refusal_unless_the_engine_may_have_acted(code: str) -> None:
    outcome = placed(answer(400, body(code)))
    if code in AMBIGUOUS:
        assert isinstance(outcome, Unknown)
        assert code in outcome.reason
        return
    assert isinstance(outcome, Rejected)
    ours = {"TOO_MANY_REQUESTS": "RATE_LIMITED"} | dict.fromkeys(AUTHENTICATION, "AUTH")
    assert (outcome.code, outcome.text) == (ours.get(code, code), "text")


# status, body, outcome of a placed order, of a cancel, and the error of a read
TABLE = [
    ("bad signature", 400, body("INVALID_CLIENT_REQUEST", "Invalid signature"), "AUTH", NotSent, AuthenticationFailed),
    ("bad signature, other code", 400, body("INVALID_SIGNATURE", "no"), "AUTH", NotSent, AuthenticationFailed),
    (
        "malformed signature", 400, body("INVALID_CLIENT_REQUEST", "Invalid X-Signature header"),
        "AUTH", NotSent, AuthenticationFailed,
    ),
    ("unknown key", 401, body("UNAUTHORIZED", "Unauthorized"), "AUTH", NotSent, AuthenticationFailed),
    (
        "too late", 400, body("INVALID_CLIENT_REQUEST", "Request has expired"),
        "REQUEST_EXPIRED", NotSent, AuthenticationFailed,
    ),
    (
        "too many decimals", 400, body("INVALID_CLIENT_REQUEST", "Quantity decimal too long"),
        "INVALID_CLIENT_REQUEST", NotSent, VenueRejected,
    ),
    (
        "post-only would cross", 400, body("INVALID_ORDER", "Order would immediately match and take"),
        "INVALID_ORDER", NotSent, VenueRejected,
    ),
    (
        "price outside the band", 400, body("INVALID_PRICE", "Price is too far from the last active price"),
        "INVALID_PRICE", NotSent, VenueRejected,
    ),
    (
        "gone, first spelling", 400, body("INVALID_CLIENT_REQUEST", "Order not found"),
        "INVALID_CLIENT_REQUEST", CancelRefused, VenueRejected,
    ),
    (
        "gone, second spelling", 404, body("RESOURCE_NOT_FOUND", "Not Found"),
        "RESOURCE_NOT_FOUND", CancelRefused, VenueRejected,
    ),
    (
        "unknown symbol in an order", 400,
        b'parse request payload error: failed to parse "MarketSymbol": Invalid market symbol (occurred while parsing'
        b' "OrderExecutePayload")',
        "UNPARSABLE_REQUEST", NotSent, VenueRejected,
    ),
    (
        "bad parameter", 400, b'failed to parse parameter `limit`: failed to parse "u64": Expect a valid value.',
        "UNPARSABLE_REQUEST", NotSent, VenueRejected,
    ),
    ("no such path", 404, b"not found", "NO_SUCH_PATH", NotSent, VenueRejected),
    ("no margin", 400, body("INSUFFICIENT_MARGIN", "?"), "INSUFFICIENT_MARGIN", NotSent, VenueRejected),
    ("no money", 400, body("INSUFFICIENT_FUNDS", "?"), "INSUFFICIENT_FUNDS", NotSent, VenueRejected),
    ("leverage", 400, body("MAX_LEVERAGE_REACHED", "?"), "MAX_LEVERAGE_REACHED", NotSent, VenueRejected),
    ("liquidation", 400, body("ACCOUNT_LIQUIDATING", "?"), "ACCOUNT_LIQUIDATING", NotSent, VenueRejected),
    ("restricted market", 400, body("TRADING_PAUSED", "?"), "TRADING_PAUSED", NotSent, VenueRejected),
    ("too fast", 429, body("TOO_MANY_REQUESTS", "Too many requests"), "RATE_LIMITED", NotSent, RateLimited),
    ("too fast, plain", 429, b"slow down", "RATE_LIMITED", NotSent, RateLimited),
    ("a wall in front", 403, b"<html>blocked</html>", "FORBIDDEN", NotSent, VenueRejected),
    ("maintenance", 503, body("MAINTENANCE", "Service unavailable"), None, Unknown, VenueUnavailable),
    ("engine timeout", 408, body("TIMEOUT", "?"), None, Unknown, VenueUnreachable),
    ("engine timeout, as 500", 500, body("TIMEOUT", "?"), None, Unknown, VenueUnavailable),
    ("engine error", 500, body("SERVER_ERROR", "Internal server error"), None, Unknown, VenueUnavailable),
    ("bad gateway", 502, b"<html>bad gateway</html>", None, Unknown, VenueUnavailable),
    ("conflict", 409, body("PRECONDITION_FAILED", "?"), None, Unknown, ProtocolViolation),
    (
        "perhaps this very order", 400, body("INVALID_CLIENT_REQUEST", "Client order id is already in use"),
        None, Unknown, ProtocolViolation,
    ),
    ("a code nobody knows", 400, body("MOON_PHASE", "Not tonight"), None, Unknown, ProtocolViolation),
    ("a text nobody knows", 400, b"nope", None, Unknown, ProtocolViolation),
    ("a list", 400, b"[1]", None, Unknown, ProtocolViolation),
]  # fmt: skip


@pytest.mark.parametrize(("status", "content", "code", "cancelled", "error"), [row[1:] for row in TABLE], ids=[
    row[0] for row in TABLE
])  # fmt: skip
def test_what_an_error_proves(status: int, content: bytes, code: str | None, cancelled: type, error: type) -> None:
    given = answer(status, content)
    outcome = placed(given)
    assert type(outcome) is (Unknown if code is None else Rejected)
    assert not isinstance(outcome, Rejected) or outcome.code == code
    assert type(verdict.cancel_outcome(given)) is cancelled
    assert type(verdict.read_error(given, "GET /x", "acc-1")) is error


@pytest.mark.parametrize("given", [answer(400, body("MOON_PHASE", "Not tonight")), answer(409, body("INVALID_ORDER"))])
def test_words_that_prove_nothing_are_kept(given: Answer) -> None:
    said = json.loads(given.body)
    assert said["code"] in placed(given).reason
    assert said["code"] in verdict.read_error(given, "GET /x", "acc-1").message


@pytest.mark.parametrize(("status", "taken"), [(200, CancelTaken), (202, CancelTaken)])
def test_a_cancel_is_taken_with_and_without_a_body(status: int, taken: type) -> None:
    assert type(verdict.cancel_outcome(answer(status))) is taken


# ---- batches ---------------------------------------------------------------------------------------------------------

ORDERS = [(intent(), CLIENT_ID), (intent(client_order_id="other"), uint32_of("other"))]
OK = {"operation": "Ok"} | order_row()


def batch(*items: object, status: int = 200) -> list[object]:
    return list(verdict.batch_outcomes(answer(status, json.dumps(items).encode()), ORDERS, facts()))


def test_each_order_of_a_batch_has_its_own_outcome() -> None:
    first, second = batch(OK, {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "no"})
    assert isinstance(first, Accepted)
    assert first.report.client_order_id == intent().client_order_id
    assert (type(second), second.code, second.text) == (Rejected, "INSUFFICIENT_MARGIN", "no")


@pytest.mark.parametrize(
    "items",
    [
        (OK,),
        (OK, OK, OK),
        (OK, {"operation": "Err", "code": "SERVER_ERROR", "message": "?"}),
        (OK, {"operation": "Perhaps"}),
        (OK, None),
        (OK, OK),
    ],
)
def test_an_order_of_a_batch_without_a_clear_item_of_its_own_is_unknown(items: tuple[object, ...]) -> None:
    assert isinstance(batch(*items)[1], Unknown)


def test_a_batch_that_was_refused_as_a_whole_took_no_order() -> None:
    refused = answer(400, body("INVALID_CLIENT_REQUEST", "Quantity decimal too long"))
    assert {type(one) for one in verdict.batch_outcomes(refused, ORDERS, facts())} == {Rejected}
    assert {type(one) for one in verdict.batch_outcomes(answer(503), ORDERS, facts())} == {Unknown}
    assert {type(one) for one in verdict.batch_outcomes(answer(200, b"{"), ORDERS, facts())} == {Unknown}
