"""What answers prove: accepted, refused by positive evidence, or unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paradex_fakes import CID, NOW, listing, order_row

from connectors.http import Answer
from connectors.paradex import outcomes
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, PlaceOutcome, Rejected, Unknown
from core.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    RateLimited,
    VenueError,
    VenueRejected,
    VenueUnavailable,
)
from core.order import OrderStatus


def _answer(status: int, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, raw, headers, NOW)


def _refusal(status: int, code: str) -> Answer:
    return _answer(status, {"error": code, "message": "words"})


def _placed(answer: Answer) -> PlaceOutcome:
    return outcomes.place_outcome(answer, "par-1", listing(), CID)


def test_created_is_accepted_and_only_queued() -> None:
    outcome = _placed(_answer(201, order_row()))

    assert isinstance(outcome, Accepted)
    assert outcome.report.status is OrderStatus.ACCEPTED
    assert outcome.report.venue_order_id == order_row()["id"]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "VALIDATION_ERROR", "VALIDATION_ERROR"),
        (400, "INVALID_TIMESTAMP", "INVALID_TIMESTAMP"),
        (400, "MARKET_NOT_OPEN", "MARKET_NOT_OPEN"),
        (400, "SYSTEM_STATUS_CANCEL_ONLY", "SYSTEM_STATUS_CANCEL_ONLY"),
        (404, "MARKET_NOT_FOUND", "MARKET_NOT_FOUND"),
        (400, "INVALID_ORDER_SIGNATURE", "AUTH"),
        (400, "NOT_ONBOARDED", "AUTH"),
        (403, "IP_NOT_ALLOWED", "AUTH"),
        (429, "TOO_MANY_REQUESTS", "RATE_LIMITED"),
        (429, "", "RATE_LIMITED"),
    ],
)
def test_documented_refusals_are_rejections(status: int, code: str, expected: str) -> None:
    outcome = _placed(_refusal(status, code))

    assert isinstance(outcome, Rejected)
    assert outcome.code == expected
    assert code in outcome.text


def test_a_refused_token_has_no_code_and_still_proves_that_nothing_was_taken() -> None:
    outcome = _placed(_answer(401, {"message": "missing or malformed jwt: token is expired by 2s"}))

    assert outcome == Rejected("401 missing or malformed jwt: token is expired by 2s", code="AUTH")


@pytest.mark.parametrize(
    "answer",
    [
        _answer(500, {"error": "INTERNAL_ERROR"}),
        _answer(503, b"timed out"),
        _answer(504, b""),
        _answer(408, {"error": "VALIDATION_ERROR"}),
        _answer(400, b"<html>proxy</html>"),
        _answer(403, b"<html>denied by a proxy</html>"),
        _refusal(400, "INTERNAL_ERROR"),
        _refusal(400, "SERVICE_UNAVAILABLE"),
        _answer(302, b""),
        _answer(201, b"{"),
        _answer(201, {}),
        _answer(201, order_row(status="WEIRD")),
        _answer(201, order_row(client_id="somebody-else")),
    ],
)
def test_what_proves_nothing_is_unknown(answer: Answer) -> None:
    assert isinstance(_placed(answer), Unknown)


def test_a_duplicate_client_id_is_no_rejection_because_such_an_order_exists() -> None:
    assert isinstance(_placed(_refusal(400, "DUPLICATED_CLIENT_ID")), Unknown)


@given(st.integers(100, 599), st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_arbitrary_answers_are_never_taken_for_an_acceptance(status: int, body: bytes) -> None:
    outcome = _placed(_answer(status, body))

    assert not isinstance(outcome, Accepted)
    assert isinstance(outcome, Unknown) or status in (401, 429)


@pytest.mark.parametrize("status", [200, 204])
def test_a_queued_cancel_is_taken(status: int) -> None:
    assert outcomes.cancel_outcome(_answer(status, b"")) == CancelTaken()


@pytest.mark.parametrize("code", ["ORDER_IS_CLOSED", "ORDER_ID_NOT_FOUND", "CLIENT_ORDER_ID_NOT_FOUND"])
def test_nothing_to_cancel_is_a_refused_cancel(code: str) -> None:
    assert isinstance(outcomes.cancel_outcome(_refusal(400, code)), CancelRefused)


def test_a_cancel_without_a_conclusive_answer_is_unknown_and_one_not_taken_was_not_sent() -> None:
    assert isinstance(outcomes.cancel_outcome(_answer(503, b"")), Unknown)
    assert isinstance(outcomes.cancel_outcome(_answer(400, b"")), Unknown)
    assert isinstance(outcomes.cancel_outcome(_refusal(429, "")), NotSent)
    assert isinstance(outcomes.cancel_outcome(_answer(401, {"message": "expired"})), NotSent)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_answer(429, {}), RateLimited),
        (_answer(503, b""), VenueUnavailable),
        (_answer(408, b""), VenueUnavailable),
        (_refusal(400, "INTERNAL_ERROR"), VenueUnavailable),
        (_answer(401, {"message": "expired"}), AuthenticationFailed),
        (_refusal(403, "IP_NOT_ALLOWED"), AuthenticationFailed),
        (_refusal(400, "VALIDATION_ERROR"), VenueRejected),
        (_answer(302, b""), ProtocolViolation),
    ],
)
def test_a_failed_read_raises_what_it_proves(answer: Answer, kind: type[VenueError]) -> None:
    with pytest.raises(kind):
        outcomes.require_ok(answer, "a read")


def test_retry_after_is_carried() -> None:
    with pytest.raises(RateLimited) as limited:
        outcomes.require_ok(_answer(429, {}, **{"retry-after": "7"}), "a read")

    assert limited.value.details["retry_after_s"] == 7


@pytest.mark.parametrize(
    ("answer", "kind", "advice"),
    [
        (_refusal(400, "NOT_ONBOARDED"), AuthenticationFailed, "onboard the account"),
        (_refusal(403, "IP_NOT_ALLOWED"), AuthenticationFailed, "allowed networks"),
        (_refusal(400, "STARKNET_SIGNATURE_VERIFICATION_FAILED"), AuthenticationFailed, "check that the key belongs"),
        (_answer(401, {"message": "no"}), AuthenticationFailed, "check that the key belongs"),
        (_answer(429, {}), RateLimited, "429"),
        (_answer(503, b""), VenueUnavailable, "503"),
    ],
)
def test_a_token_that_was_not_given_says_why_and_what_to_do(
    answer: Answer, kind: type[VenueError], advice: str
) -> None:
    failure = outcomes.auth_failure(answer, "0x123")

    assert isinstance(failure, kind)
    assert advice in failure.message
