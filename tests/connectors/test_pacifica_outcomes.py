"""Every refusal that Pacifica is known to give, and what a read, an order and a cancel make of it."""

from __future__ import annotations

import json

import pytest

from connectors.pacifica import outcomes
from connectors.venue import CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.errors import AuthenticationFailed, RateLimited, VenueRejected, VenueUnavailable

ACC = "FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"

# status, text, business code, error_id, our code, a read's error, an order's outcome, a cancel's outcome
KNOWN: list[tuple[int, str, int | None, str | None, str | None, type, type, type]] = [
    (400, "Invalid signature", 400, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (400, "Invalid message", 400, None, "REQUEST_EXPIRED", VenueRejected, Rejected, NotSent),
    (400, "Invalid public key", 400, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (400, "Verification failed", 400, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (400, "Verification failed: signature does not match signer and canonical payload.", 400,
     "signature_verification_failed", "AUTH", AuthenticationFailed, Rejected, NotSent),
    (400, "Agent not authorized for account", 400, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (401, "Unauthorized", 401, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (403, "Beta access required. Signer must redeem a valid beta code.", 403, None, "AUTH", AuthenticationFailed,
     Rejected, NotSent),
    (403, "Signer not whitelisted", 403, None, "AUTH", AuthenticationFailed, Rejected, NotSent),
    (403, "Builder code not approved", 403, None, "BUILDER_CODE", AuthenticationFailed, Rejected, Unknown),
    (400, "Json deserialize error: missing field `slippage_percent` at line 1 column 9", 400, None, "MALFORMED",
     VenueRejected, Rejected, NotSent),
    (400, "100.5 is not a multiple of tick size 1", 400, None, "TICK_SIZE", VenueRejected, Rejected, Unknown),
    (400, "0.15 is not a multiple of lot size 0.1", 400, None, "LOT_SIZE", VenueRejected, Rejected, Unknown),
    (422, f"Order amount too low for {ACC}: 7.81140 < 10", 0, "invalid_amount", "BELOW_MINIMUM", VenueRejected,
     Rejected, Unknown),
    (422, f"Order amount too high for {ACC}: 7 > 5", 8, None, "ABOVE_MAXIMUM", VenueRejected, Rejected, Unknown),
    (422, "No reasonable price found", 25, None, "NO_LIQUIDITY", VenueRejected, Rejected, Unknown),
    (422, "Order not found", 6, None, "NOT_FOUND", VenueRejected, Rejected, CancelRefused),
    (422, "PositionNotFound", 13, None, "NOT_FOUND", VenueRejected, Rejected, CancelRefused),
    (422, "Failed to cancel order", 5, None, "NOT_FOUND", VenueRejected, Rejected, CancelRefused),
    (420, "Failed to cancel order", 5, None, "NOT_FOUND", VenueRejected, Unknown, CancelRefused),
    (422, f"No position found for reduce-only order: {ACC} BTC", 23, None, "REDUCE_ONLY", VenueRejected, Rejected,
     Unknown),
    (422, "Invalid reduce-only order side: must be opposite to position side", 21, None, "REDUCE_ONLY", VenueRejected,
     Rejected, Unknown),
    (422, "Invalid reduce-only order amount: 2 exceeds position amount 1", 22, None, "REDUCE_ONLY", VenueRejected,
     Rejected, Unknown),
    (422, "Invalid stop order side", 17, None, "STOP_ORDER", VenueRejected, Rejected, Unknown),
    (422, f"Insufficient balance for {ACC}: 10 (account value: 1)", 5, None, "INSUFFICIENT_BALANCE", VenueRejected,
     Rejected, Unknown),
    (422, "Duplicate client order id: c", 36, None, "DUPLICATE_CLIENT_ORDER_ID", VenueRejected, Unknown, Unknown),
    (422, "Unused client order id: c", 37, None, "UNUSED_CLIENT_ORDER_ID", VenueRejected, Rejected, Unknown),
    (422, "Price too far from mark: 1 100", 30, None, "PRICE_BAND", VenueRejected, Rejected, Unknown),
    (422, "Cannot decrease leverage with open position.: 3", 11, None, "POSITION_OPEN", VenueRejected, Rejected,
     Unknown),
    (422, f"Cannot update margin with open position for {ACC}: isolated true", 12, None, "POSITION_OPEN",
     VenueRejected, Rejected, Unknown),
    (422, f"Open order limit reached for {ACC}: 100", 10, None, "TOO_MANY_ORDERS", VenueRejected, Rejected, Unknown),
    (422, "Trading disabled", 38, None, "TRADING_DISABLED", VenueRejected, Rejected, NotSent),
    (422, f"Invalid transfer relationship: {ACC} -> {ACC}", 33, "unspecified", "TRANSFER", VenueRejected, Rejected,
     Unknown),
    (404, "Order history not found for order ID: 7", 404, None, "NOT_FOUND", VenueRejected, Rejected, CancelRefused),
    (404, "Account not found", 404, None, "NOT_FOUND", VenueRejected, Rejected, CancelRefused),
    (409, "conflict", 409, None, None, VenueRejected, Unknown, Unknown),
    (429, "Rate limit exceeded", 429, None, "RATE_LIMITED", RateLimited, Rejected, NotSent),
    (500, "Internal server error", 500, None, None, VenueUnavailable, Unknown, Unknown),
    (503, "upstream rate limit exceeded", 503, None, "RATE_LIMITED", RateLimited, Unknown, NotSent),
    (503, "Service unavailable", 503, None, None, VenueUnavailable, Unknown, Unknown),
    (504, "Request timed out", 504, None, None, VenueUnavailable, Unknown, Unknown),
    (422, "DATABASE_ERROR", 14, None, None, VenueRejected, Unknown, Unknown),
    (422, "CHANNEL_CLOSED", 26, None, None, VenueRejected, Unknown, Unknown),
    (422, "RESPONSE_DROPPED", 27, None, None, VenueRejected, Unknown, Unknown),
    (422, "words nobody has seen", 121, None, None, VenueRejected, Rejected, Unknown),
    (418, "words nobody has seen", 418, None, None, VenueRejected, Unknown, Unknown),
]  # fmt: skip


def enveloped(text: str, number: int | None, error_id: str | None) -> bytes:
    body: dict[str, object] = {"success": False, "data": None, "error": text, "code": number}
    return json.dumps(body | ({"error_id": error_id} if error_id else {})).encode()


@pytest.mark.parametrize(
    ("status", "text", "number", "error_id", "code", "read", "order", "cancel"),
    KNOWN,
    ids=lambda value: str(value)[:30],
)
def test_what_is_made_of_a_known_refusal(status, text, number, error_id, code, read, order, cancel) -> None:
    body = enveloped(text, number, error_id)

    error, ended, cancelled = (
        outcomes.read_error(status, {}, body), outcomes.refused_order(status, body),
        outcomes.cancel_outcome(status, body),
    )  # fmt: skip

    assert type(error) is read
    assert (error.details["code"], error.details["text"]) == (code, text)
    assert type(ended) is order
    assert not isinstance(ended, Rejected) or (ended.code, ended.text) == (code, text)
    assert type(cancelled) is cancel


@pytest.mark.parametrize("row", [row for row in KNOWN if row[4]], ids=lambda row: row[1][:30])
def test_bare_text_is_understood_like_an_envelope(row) -> None:
    status, text, _, _, code, *_ = row
    refusal = outcomes.read_refusal(status, text.encode())
    assert refusal.code == code
    assert refusal.text == text


@pytest.mark.parametrize("number", [5, 4])
def test_two_numberings_never_change_what_the_words_say(number: int) -> None:
    """5 is an unknown order in the one table and a lack of balance in the other."""
    words = enveloped("Failed to cancel order", number, None)
    assert outcomes.read_refusal(422, words).code == "NOT_FOUND"


# ---- batches and edits


def batch(*results: dict[str, object]) -> bytes:
    return json.dumps({"success": True, "data": {"results": list(results)}, "error": None, "code": None}).encode()


def test_each_order_of_a_batch_has_its_own_end() -> None:
    said = outcomes.place_batch(
        200,
        batch(
            {"success": True, "order_id": 7, "error": None},
            {"success": False, "order_id": None, "error": "No reasonable price found"},
            {"success": False, "order_id": None, "error": "Duplicate client order id: c"},
            {"success": False, "order_id": None, "error": "words nobody has seen"},
            {"success": True, "order_id": None, "error": None},
            {"success": False, "order_id": None, "error": None},
        ),
        6,
    )
    assert said[0] == "7"
    assert said[1] == Rejected("No reasonable price found", "NO_LIQUIDITY")
    assert [type(outcome) for outcome in said[2:]] == [Unknown] * 4


def test_each_cancel_of_a_batch_has_its_own_end() -> None:
    said = outcomes.cancel_batch(
        200,
        batch(
            {"success": True, "order_id": 7},
            {"success": False, "error": "Failed to cancel order"},
            {"success": False, "error": "Trading disabled"},
            {"success": False, "error": "words nobody has seen"},
            {"success": False},
        ),
        5,
    )
    assert [type(outcome) for outcome in said] == [CancelTaken, CancelRefused, NotSent, Unknown, Unknown]


@pytest.mark.parametrize("count", [0, 2])
def test_a_batch_answer_that_does_not_name_every_action_proves_nothing(count: int) -> None:
    one = batch({"success": True, "order_id": 7})
    assert [type(outcome) for outcome in outcomes.place_batch(200, one, count)] == [Unknown] * count
    assert [type(outcome) for outcome in outcomes.cancel_batch(200, one, count)] == [Unknown] * count


@pytest.mark.parametrize(("status", "body", "order", "cancel"), [
    (400, b"Verification failed", Rejected, NotSent),
    (429, b"", Rejected, NotSent),
    (500, b"", Unknown, Unknown),
    (200, b"<html>", Unknown, Unknown),
    (200, b'{"success":true,"data":null}', Unknown, Unknown),
])  # fmt: skip
def test_a_batch_turned_away_whole_ends_every_action_alike(status: int, body: bytes, order: type, cancel: type) -> None:
    assert [type(outcome) for outcome in outcomes.place_batch(status, body, 3)] == [order] * 3
    assert [type(outcome) for outcome in outcomes.cancel_batch(status, body, 3)] == [cancel] * 3


@pytest.mark.parametrize("text", ["PostOnly order would cross the book", "Price too far from mark: 1 100", "new words"])
def test_a_refused_edit_may_have_cost_the_former_order(text: str) -> None:
    assert isinstance(outcomes.refused_edit(422, enveloped(text, None, None)), Unknown)


def test_an_edit_refused_before_the_former_order_was_touched_is_rejected() -> None:
    assert isinstance(outcomes.refused_edit(400, enveloped("Verification failed", 400, None)), Rejected)
    assert isinstance(outcomes.refused_edit(422, enveloped("Order not found", 6, None)), Rejected)
    assert isinstance(outcomes.refused_edit(500, b""), Unknown)
