"""What an answer of Backpack proves: an order taken, refused or unknown; a cancel; a read that failed. Pure.

A refusal needs positive evidence: a documented error body, or a status that by itself says that the request was not
acted on. Everything else about a command (5xx, 408, engine timeouts, unreadable answers) is unknown.
(docs.backpack.exchange, Errors; support.backpack.exchange, API FAQ)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.backpack import parse, wire
from connectors.http import Answer
from connectors.ratelimit import retry_after_s
from connectors.venue import (
    Accepted,
    CancelOutcome,
    CancelRefused,
    CancelTaken,
    NotSent,
    PlaceOutcome,
    Rejected,
    Unknown,
)
from core.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    RateLimited,
    VenueError,
    VenueRejected,
    VenueUnavailable,
    VenueUnreachable,
)
from core.order import OrderIntent

AUTH = "AUTH"
RATE_LIMITED = "RATE_LIMITED"
REQUEST_EXPIRED = "REQUEST_EXPIRED"
NOT_FOUND = "RESOURCE_NOT_FOUND"
PAUSE_S_DEFAULT = 2.0
TEXT_CHARS_MAX = 200

# docs.backpack.exchange, ApiErrorCode (read October 2026). A code that is not here proves nothing until it is known.
KNOWN_CODES = frozenset({
    "ACCOUNT_DEACTIVATED", "ACCOUNT_LIQUIDATING", "BORROW_LIMIT", "BORROW_REQUIRES_LEND_REDEEM", "FORBIDDEN",
    "INSUFFICIENT_FUNDS", "INSUFFICIENT_MARGIN", "INSUFFICIENT_SUPPLY", "INVALID_ASSET", "INVALID_CLIENT_REQUEST",
    "INVALID_MARKET", "INVALID_ORDER", "INVALID_PRICE", "INVALID_POSITION_ID", "INVALID_QUANTITY", "INVALID_RANGE",
    "INVALID_SIGNATURE", "INVALID_SOURCE", "INVALID_SYMBOL", "INVALID_TWO_FACTOR_CODE", "LEND_LIMIT",
    "LEND_REQUIRES_BORROW_REPAY", "MAINTENANCE", "MAX_LEVERAGE_REACHED", "NOT_IMPLEMENTED", "ORDER_LIMIT",
    "POSITION_LIMIT", "PRECONDITION_FAILED", "RESOURCE_NOT_FOUND", "SERVER_ERROR", "TIMEOUT", "TOO_EARLY",
    "TOO_MANY_REQUESTS", "TRADING_PAUSED", "UNAUTHORIZED",
})  # fmt: skip
_AUTH_CODES = frozenset({"INVALID_SIGNATURE", "UNAUTHORIZED", "FORBIDDEN"})
# A bad signature comes as INVALID_CLIENT_REQUEST as well; only the text tells.
_AUTH_TEXT = re.compile(r"signature|X-API-Key|X-Timestamp|X-Window|invalid timestamp|api key", re.IGNORECASE)
_AHEAD_TEXT = re.compile(r"invalid timestamp", re.IGNORECASE)
_EXPIRED_TEXT = re.compile(r"request has expired", re.IGNORECASE)
# The engine may have acted although the door says no.
_AMBIGUOUS_CODES = frozenset({"TIMEOUT", "SERVER_ERROR", "TOO_EARLY"})
# "There is one already" may be about the very order that is asked for.
_DUPLICATE_TEXT = re.compile(r"duplicate|already (exists|in use|used)|not unique", re.IGNORECASE)
_PARSE_TEXT = re.compile(r"^\s*(parse request payload error|failed to parse)", re.IGNORECASE)
_GONE_TEXT = re.compile(r"order not found|^not found$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Positive evidence that a request was not acted on. code is ours for authentication, pace and lateness."""

    code: str
    text: str


def refusal(answer: Answer) -> Refusal | None:
    """Return the refusal that an answer proves, None when it proves none."""
    if answer.status == 429:
        return Refusal(RATE_LIMITED, "429 too many requests")
    if not 400 <= answer.status < 500 or answer.status in (408, 409):
        return None
    problem = problem_of(answer)
    if problem is None:
        return _plain_refusal(answer)
    text = problem.message[:TEXT_CHARS_MAX] or problem.code
    if problem.code in _AMBIGUOUS_CODES or _DUPLICATE_TEXT.search(problem.message):
        return None
    if problem.code == "TOO_MANY_REQUESTS":
        return Refusal(RATE_LIMITED, text)
    if _EXPIRED_TEXT.search(problem.message):
        return Refusal(REQUEST_EXPIRED, text)
    if answer.status == 401 or problem.code in _AUTH_CODES or _AUTH_TEXT.search(problem.message):
        return Refusal(AUTH, text)
    return Refusal(problem.code, text) if problem.code in KNOWN_CODES else None


def is_ahead(refused: Refusal) -> bool:
    """Tell whether the venue took the request's time for one of its own future."""
    return refused.code == AUTH and _AHEAD_TEXT.search(refused.text) is not None


def problem_of(answer: Answer) -> wire.Problem | None:
    """Return the documented error body of an answer, None when it is something else (plain text, a CDN page)."""
    try:
        return wire.read(wire.Problem, wire.read_json(answer.body, "error"), "error")
    except ProtocolViolation:
        return None


def is_absent(answer: Answer) -> bool:
    """Tell whether the venue positively says that there is no such thing, in its own error body.

    Two spellings are in use: 404 RESOURCE_NOT_FOUND and 400 INVALID_CLIENT_REQUEST "Order not found".
    """
    problem = problem_of(answer) if answer.status in (400, 404) else None
    if problem is None:
        return False
    return problem.code == NOT_FOUND or bool(_GONE_TEXT.search(problem.message))


def is_expired(answer: Answer) -> bool:
    """Tell whether a request was refused because it came too late by the venue's clock."""
    refused = refusal(answer)
    return refused is not None and refused.code == REQUEST_EXPIRED


def place_outcome(answer: Answer, intent: OrderIntent, client_id: int, facts: parse.Facts) -> PlaceOutcome:
    """Say what the answer to a new order proves. Accepted needs an order in it that is ours."""
    if answer.status == 200:
        return _accepted(answer, intent, client_id, facts)
    refused = refusal(answer)
    if refused is not None:
        return Rejected(refused.text, refused.code)
    return Unknown(_no_proof(answer, "the order"))


def batch_outcomes(answer: Answer, orders: Sequence[tuple[OrderIntent, int]], facts: parse.Facts) -> list[PlaceOutcome]:
    """Say what the answer to a batch (intent, client id) proves of each order, in the same order.

    A refused request took none of them. An answer that is not one item an order proves nothing of any.
    """
    if answer.status != 200:
        refused = refusal(answer)
        whole = Unknown(_no_proof(answer, "the batch")) if refused is None else Rejected(refused.text, refused.code)
        return [whole for _ in orders]
    try:
        items = wire.read_json(answer.body, "batch")
    except ProtocolViolation as violation:
        return [Unknown(f"the answer could not be read: {violation.message}") for _ in orders]
    if not isinstance(items, list) or len(items) != len(orders):
        return [Unknown("backpack answered a batch with something else than one item an order") for _ in orders]
    return [_item_outcome(item, order, answer, facts) for item, order in zip(items, orders, strict=True)]


def _item_outcome(item: object, order: tuple[OrderIntent, int], answer: Answer, facts: parse.Facts) -> PlaceOutcome:
    """Judge one item as if it had come alone: `operation` tells whether it is an order or an error body."""
    operation = item.get("operation") if isinstance(item, dict) else None
    status = {"Ok": 200, "Err": 400}.get(str(operation))
    if status is None:
        return Unknown("backpack answered an order of a batch with neither Ok nor Err")
    alone = Answer(status, json.dumps(item, default=str).encode(), answer.headers, answer.received_at)
    return place_outcome(alone, *order, facts)


def cancel_outcome(answer: Answer) -> CancelOutcome:
    """Say what the answer to a cancel proves; 200 and 202 (taken, not yet done) both leave the final state to read.

    A refusal that says nothing about the order (key, pace, lateness) is NotSent: nothing was done.
    """
    if answer.status in (200, 202):
        return CancelTaken()
    if is_absent(answer):
        problem = problem_of(answer)
        return CancelRefused(problem.message[:TEXT_CHARS_MAX] if problem else NOT_FOUND)
    refused = refusal(answer)
    if refused is not None:
        return NotSent(f"backpack refused the cancel, nothing was done: {refused.code}: {refused.text}")
    return Unknown(_no_proof(answer, "the cancel"))


def read_error(answer: Answer, what: str, account_id: str) -> VenueError:
    """Return the error of a read that was not answered with 200."""
    named = {"venue": "backpack", "account": account_id, "status": answer.status}
    refused = refusal(answer)
    if refused is None:
        if answer.status == 204:
            return VenueUnavailable(f"backpack: {what} has nothing to tell at present", **named)
        if answer.status == 408:
            return VenueUnreachable(f"backpack: {what} timed out at the venue", **named)
        if answer.status >= 500:
            return VenueUnavailable(f"backpack: {what} answered {answer.status}; the venue is not serving", **named)
        problem = problem_of(answer)
        said = f" ({problem.code}: {problem.message[:TEXT_CHARS_MAX]})" if problem else ""
        return ProtocolViolation(f"backpack: {what} answered {answer.status}{said} with nothing documented", **named)
    if refused.code == RATE_LIMITED:
        pause_s = retry_after_s(answer.headers, PAUSE_S_DEFAULT)
        return RateLimited(f"backpack: {what} was refused: {refused.text}", retry_after_s=pause_s, **named)
    if refused.code == AUTH:
        return AuthenticationFailed(f"backpack: {what} was refused: {refused.text}; check the API key", **named)
    if refused.code == REQUEST_EXPIRED:
        return AuthenticationFailed(f"backpack: {what} came too late: {refused.text}; check the clock", **named)
    return VenueRejected(f"backpack: {what} was refused: {refused.code}: {refused.text}", **named)


def _accepted(answer: Answer, intent: OrderIntent, client_id: int, facts: parse.Facts) -> PlaceOutcome:
    try:
        row = parse.parse_order(answer.body)
        report = parse.report_of(row, facts, answer.received_at, venue_time=row.created_at)
        is_ours = (row.client_id, parse.side_of(row.side), report.symbol) == (client_id, intent.side, intent.symbol)
    except ProtocolViolation as violation:
        return Unknown(f"the answer could not be read: {violation.message}")
    if not is_ours:
        return Unknown(f"backpack answered with order {row.id}, which is not the one sent")
    return Accepted(report)


def _plain_refusal(answer: Answer) -> Refusal | None:
    text = answer.body[: 2 * TEXT_CHARS_MAX].decode("utf-8", "replace").strip()[:TEXT_CHARS_MAX]
    if answer.status == 401:
        return Refusal(AUTH, "401 without a documented body")
    if answer.status == 403:
        return Refusal("FORBIDDEN", "403 without a documented body: blocked in front of the venue")
    if answer.status == 404:
        return Refusal("NO_SUCH_PATH", "404 without a documented body: no such path")
    if answer.status in (400, 422) and _PARSE_TEXT.search(text):
        return Refusal("UNPARSABLE_REQUEST", text)
    return None


def _no_proof(answer: Answer, what: str) -> str:
    problem = problem_of(answer)
    said = f" {problem.code}: {problem.message[:TEXT_CHARS_MAX]}" if problem else ""
    return f"backpack answered {answer.status}{said}, which does not say what became of {what}"
