"""Every error of Paradex that its documents name, and what it proves about an order, a cancel and a read."""

from __future__ import annotations

import json

import pytest
from paradex_fakes import CID, NOW, listing

from connectors.http import Answer
from connectors.paradex import outcomes
from connectors.venue import CancelOutcome, CancelRefused, NotSent, PlaceOutcome, Rejected, Unknown
from core.errors import AuthenticationFailed, RateLimited, VenueError, VenueRejected, VenueUnavailable

IDENTITY = [
    "INVALID_ORDER_SIGNATURE",
    "INVALID_STARKNET_SIGNATURE",
    "STARKNET_SIGNATURE_VERIFICATION_FAILED",
    "INVALID_STARKNET_ADDRESS",
    "PUBLIC_KEY_INVALID",
    "INVALID_SUBKEY",
    "NOT_ONBOARDED",
    "ACCOUNT_NOT_FOUND",
    "UNAUTHORIZED_ERROR",
    "IP_NOT_ALLOWED",
    "GEO_IP_BLOCK",
    "INVALID_SIGNATURE_EXPIRATION",
]
REFUSALS = [
    "VALIDATION_ERROR",
    "BINDING_ERROR",
    "INVALID_REQUEST_PARAMETER",
    "INVALID_TIMESTAMP",
    "INVALID_ORDER_SIZE",
    "INVALID_PRICE_PRECISION",
    "INVALID_SYMBOL",
    "MARKET_NOT_FOUND",
    "MARKET_NOT_OPEN",
    "NO_ACCESS_TO_MARKET",
    "MARKET_MARGIN_RESTRICTED",
    "BATCH_SIZE_OUT_OF_RANGE",
    "RPI_ACCOUNT_NOT_WHITELISTED",
    "SYSTEM_STATUS_POST_ONLY",
    "SYSTEM_STATUS_CANCEL_ONLY",
    "REQUEST_NOT_ALLOWED",
    "BAD_STARKNET_REQUEST",
]
NO_SUCH_ORDER = [
    "ORDER_ID_NOT_FOUND",
    "CLIENT_ORDER_ID_NOT_FOUND",
    "ORDER_IS_CLOSED",
    "ORDER_IS_NOT_OPEN",
    "ORDER_IS_NOT_OPEN_YET",
    "NOT_FOUND",
]
INCONCLUSIVE = ["INTERNAL_ERROR", "SERVICE_UNAVAILABLE"]
NEW = "A_CODE_OF_NEXT_YEAR"

Row = tuple[int, str, type[PlaceOutcome], str | None, type[CancelOutcome], type[VenueError]]
TABLE: list[Row] = [
    *((400, code, Rejected, "AUTH", CancelRefused, AuthenticationFailed) for code in IDENTITY),
    *((400, code, Rejected, code, CancelRefused, VenueRejected) for code in REFUSALS + NO_SUCH_ORDER),
    *((404, code, Rejected, code, CancelRefused, VenueRejected) for code in ("MARKET_NOT_FOUND", "NOT_FOUND")),
    *((status, code, Unknown, None, Unknown, VenueUnavailable) for code in INCONCLUSIVE for status in (400, 500, 503)),
    (400, "DUPLICATED_CLIENT_ID", Unknown, None, Unknown, VenueRejected),
    (400, NEW, Unknown, None, Unknown, VenueRejected),
    (400, "", Unknown, None, Unknown, VenueRejected),
    (401, "", Rejected, "AUTH", NotSent, AuthenticationFailed),
    (401, "UNAUTHORIZED_ERROR", Rejected, "AUTH", NotSent, AuthenticationFailed),
    (403, "", Unknown, None, Unknown, AuthenticationFailed),
    (408, "VALIDATION_ERROR", Unknown, None, Unknown, VenueUnavailable),
    (429, "RATE_LIMIT_EXCEEDED", Rejected, "RATE_LIMITED", NotSent, RateLimited),
    (429, "", Rejected, "RATE_LIMITED", NotSent, RateLimited),
    (502, "", Unknown, None, Unknown, VenueUnavailable),
    (503, "VALIDATION_ERROR", Unknown, None, Unknown, VenueUnavailable),
]


def refusal(status: int, code: str) -> Answer:
    """The venue's error shape; a refused token has no code in it."""
    body = {"error": code, "message": "its own words"} if code else {"message": "its own words"}
    return Answer(status, json.dumps(body).encode(), {}, NOW)


@pytest.mark.parametrize(("status", "code", "placed", "our_code", "cancelled", "read"), TABLE)
def test_what_an_error_proves(
    status: int,
    code: str,
    placed: type[PlaceOutcome],
    our_code: str | None,
    cancelled: type[CancelOutcome],
    read: type[VenueError],
) -> None:
    answer = refusal(status, code)

    outcome, ended = outcomes.place_outcome(answer, "par-1", listing(), CID), outcomes.cancel_outcome(answer)

    assert isinstance(outcome, placed)
    assert isinstance(ended, cancelled)
    if isinstance(outcome, Rejected):
        assert outcome.code == our_code
        assert "its own words" in outcome.text
    else:
        assert isinstance(outcome, Unknown)
        assert code in outcome.reason
    with pytest.raises(read) as raised:
        outcomes.require_ok(answer, "a read")
    assert type(raised.value) is read


@pytest.mark.parametrize("code", NO_SUCH_ORDER)
def test_a_lookup_answered_like_this_found_that_there_is_none(code: str) -> None:
    assert outcomes.says_no_such_order(refusal(400, code))


@pytest.mark.parametrize("code", [*IDENTITY, *REFUSALS, *INCONCLUSIVE, NEW, ""])
def test_a_lookup_answered_otherwise_found_nothing_out(code: str) -> None:
    assert not outcomes.says_no_such_order(refusal(400, code))
