"""What Pacifica's yes, no and silence mean: outcomes of commands, errors of reads. Pure.

Source: docs.pacifica.fi, Error codes. Two numberings of business codes are in use, so a refusal is told by its
error_id, then by its text; numbers only mark the few answers after which the engine may still have acted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from connectors.pacifica import wire, wire_surface
from connectors.ratelimit import retry_after_s
from connectors.venue import CancelOutcome, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    RateLimited,
    VenueError,
    VenueRejected,
    VenueUnavailable,
)

TEXT_MAX = 300
RETRY_AFTER_DEFAULT_S = 10.0

# A 4xx of these statuses, or a 200 that says success:false, is the venue's no. Any other status proves nothing.
_REFUSING = frozenset({200, 201, 400, 401, 403, 404, 405, 413, 415, 422})
# DATABASE_ERROR, CHANNEL_CLOSED, RESPONSE_DROPPED of the engine's numbering (the other ends at 10).
_INCONCLUSIVE_NUMBERS = frozenset({14, 26, 27})

# Fragments of error_id and text, lower case; the first match gives our stable code.
_WORDS: tuple[tuple[str, str], ...] = (
    ("duplicate client", "DUPLICATE_CLIENT_ORDER_ID"),
    ("duplicate_client", "DUPLICATE_CLIENT_ORDER_ID"),
    ("signature", "AUTH"),
    ("verification failed", "AUTH"),
    ("not authorized", "AUTH"),
    ("unauthorized", "AUTH"),
    ("invalid public key", "AUTH"),
    ("beta access", "AUTH"),
    ("not whitelisted", "AUTH"),
    ("invalid message", "REQUEST_EXPIRED"),
    ("deserialize", "MALFORMED"),
    ("rate limit", "RATE_LIMITED"),
    ("insufficient", "INSUFFICIENT_BALANCE"),
    ("reduce-only", "REDUCE_ONLY"),
    ("reduce_only", "REDUCE_ONLY"),
    ("tick size", "TICK_SIZE"),
    ("lot size", "LOT_SIZE"),
    ("amount too low", "BELOW_MINIMUM"),
    ("amount too high", "ABOVE_MAXIMUM"),
    ("no reasonable price", "NO_LIQUIDITY"),
    ("too far from mark", "PRICE_BAND"),
    ("order limit reached", "TOO_MANY_ORDERS"),
    ("postonly", "POST_ONLY_WOULD_CROSS"),
    ("post only", "POST_ONLY_WOULD_CROSS"),
    ("post_only", "POST_ONLY_WOULD_CROSS"),
    ("trading disabled", "TRADING_DISABLED"),
    ("trading is disabled", "TRADING_DISABLED"),
    ("invalid stop", "STOP_ORDER"),
    ("with open position", "POSITION_OPEN"),
    ("transfer relationship", "TRANSFER"),
    ("builder code", "BUILDER_CODE"),
    ("unused client", "UNUSED_CLIENT_ORDER_ID"),
    ("not found", "NOT_FOUND"),
    ("positionnotfound", "NOT_FOUND"),
    ("failed to cancel", "NOT_FOUND"),
)
# A cancel turned away by one of these was not looked at: the order stands, and sending again is safe.
_UNSEEN = frozenset({"AUTH", "RATE_LIMITED", "REQUEST_EXPIRED", "MALFORMED", "TRADING_DISABLED"})
_BEFORE_AN_EDIT = _UNSEEN | {"TICK_SIZE", "LOT_SIZE", "NOT_FOUND"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the venue said instead of yes: HTTP status, its words (cut), its number, and our stable code."""

    status: int
    text: str
    number: int | None
    code: str | None

    @property
    def is_inconclusive(self) -> bool:
        """True when the engine may have acted all the same (an internal failure without a named reason)."""
        if self.number in _INCONCLUSIVE_NUMBERS or self.status not in _REFUSING:
            return True
        return self.number == 0 and self.code is None


def read_refusal(status: int, body: bytes) -> Refusal:
    """Read a refusal from an envelope or from bare text (signature errors were seen as either)."""
    try:
        answer = wire.Envelope.model_validate_json(body)
    except ValidationError:
        text, number, error_id = body[:TEXT_MAX].decode("utf-8", "replace").strip(), None, ""
    else:
        text, number, error_id = answer.error or "", answer.code, answer.error_id or ""
    code = "RATE_LIMITED" if status == 429 else code_of(f"{error_id} {text}")
    return Refusal(status, text[:TEXT_MAX] or error_id[:TEXT_MAX] or f"HTTP {status}", number, code)


def code_of(words: str) -> str | None:
    """Return our stable code for the venue's words, None for words without one."""
    lowered = words.lower()
    return next((code for fragment, code in _WORDS if fragment in lowered), None)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> VenueError:
    """Name what a refused read means; details hold status, text and code."""
    refusal = read_refusal(status, body)
    said = f"pacifica answered {status}: {refusal.text}"
    details: dict[str, object] = {"venue": "pacifica", "status": status, "text": refusal.text, "code": refusal.code}
    if refusal.code == "RATE_LIMITED":
        return RateLimited(said, retry_after_s=retry_after_s(headers, RETRY_AFTER_DEFAULT_S), **details)
    if status == 408 or status >= 500:
        return VenueUnavailable(said, **details)
    if status in (401, 403) or refusal.code == "AUTH":
        return AuthenticationFailed(said, **details)
    if 300 <= status < 400 or status < 200:
        return ProtocolViolation(said, **details)
    return VenueRejected(said, **details)


def order_id_of(body: bytes) -> str | None:
    """Return the order id of a positive answer, enveloped or bare; None when the body does not prove one."""
    try:
        answer = wire.Envelope.model_validate_json(body)
    except ValidationError:
        return _bare_order_id(body)
    if not answer.success:
        return None
    try:
        return str(wire.OrderTaken.model_validate(answer.data).order_id)
    except ValidationError:
        return None


def refused_order(status: int, body: bytes) -> Rejected | Unknown:
    """Classify the answer to an order that carries no order id.

    Rejected needs positive evidence. A duplicate client order id proves that an earlier send of the same intent
    arrived, so it is Unknown, as is a 409 (conflict): ask for the order.
    """
    refusal = read_refusal(status, body)
    if refusal.code == "RATE_LIMITED" and (status == 429 or status in _REFUSING):
        return Rejected(refusal.text, "RATE_LIMITED")
    if refusal.code == "DUPLICATE_CLIENT_ORDER_ID":
        return Unknown(f"pacifica already knows this client order id ({refusal.text})")
    if refusal.is_inconclusive or not _says_no(status, body):
        return Unknown(f"pacifica answered {status} without saying what became of the order: {refusal.text}")
    return Rejected(refusal.text, refusal.code)


def cancel_outcome(status: int, body: bytes) -> CancelOutcome:
    """Classify the answer to a cancel.

    CancelRefused means that the venue found nothing to cancel. A cancel turned away before the venue looked at
    the order (rate, signature, malformed, trading halted) is NotSent: the order stands, and sending again is safe.
    Words that are new here prove neither: Unknown.
    """
    if 200 <= status < 300 and says_yes(body):
        return CancelTaken()
    refusal = read_refusal(status, body)
    if refusal.code in _UNSEEN:
        return NotSent(f"pacifica turned the cancel away ({status}): {refusal.text}")
    if refusal.code == "NOT_FOUND" and status < 500:
        return CancelRefused(refusal.text)
    return Unknown(f"pacifica answered {status} to the cancel: {refusal.text}")


def refused_edit(status: int, body: bytes) -> Rejected | Unknown:
    """Classify the answer to an edit that carries no order id.

    The venue ends the former order before it makes the new one, so only what it refuses before that, or finds no
    order for, is Rejected (the edit did nothing). Everything else may have cost the former order: Unknown.
    """
    outcome = refused_order(status, body)
    if isinstance(outcome, Rejected) and outcome.code not in _BEFORE_AN_EDIT:
        return Unknown(f"pacifica refused the edited order, the former one may be gone: {outcome.text}")
    return outcome


def place_batch(status: int, body: bytes, count: int) -> list[str | Rejected | Unknown]:
    """Return an order id or an outcome for each action; an answer that does not name them all proves nothing."""
    results = _batch_results(status, body)
    if results is None:
        return [refused_order(status, body)] * count
    if len(results) != count:
        return [Unknown(f"pacifica answered {len(results)} results to {count} orders")] * count
    return [_placed_in_batch(result) for result in results]


def cancel_batch(status: int, body: bytes, count: int) -> list[CancelOutcome]:
    """Return an outcome for each cancel; an answer that does not name them all proves nothing."""
    results = _batch_results(status, body)
    if results is None and not 200 <= status < 300:
        return [cancel_outcome(status, body)] * count
    if results is None:
        return [Unknown("pacifica answered to a batch of cancels without results")] * count
    if len(results) != count:
        return [Unknown(f"pacifica answered {len(results)} results to {count} cancels")] * count
    return [CancelTaken() if result.success else _cancel_refused(result.error or "") for result in results]


def _batch_results(status: int, body: bytes) -> Sequence[wire_surface.BatchResult] | None:
    if not 200 <= status < 300:
        return None
    try:
        answer = wire.Envelope.model_validate_json(body)
        found = wire_surface.BatchResults.model_validate(answer.data) if answer.success else None
    except ValidationError:
        return None
    return None if found is None else found.results


def _placed_in_batch(result: wire_surface.BatchResult) -> str | Rejected | Unknown:
    if result.success and result.order_id is not None:
        return str(result.order_id)
    text = (result.error or "")[:TEXT_MAX]
    code = code_of(text)
    if result.success or not text:
        return Unknown("pacifica answered to an order of a batch neither with an id nor with a reason")
    if code == "DUPLICATE_CLIENT_ORDER_ID":
        return Unknown(f"pacifica already knows this client order id ({text})")
    return Rejected(text, code) if code else Unknown(f"pacifica did not say what became of the order: {text}")


def _cancel_refused(text: str) -> CancelOutcome:
    code = code_of(text)
    if code == "NOT_FOUND":
        return CancelRefused(text[:TEXT_MAX])
    if code in _UNSEEN:
        return NotSent(f"pacifica turned a cancel of a batch away: {text[:TEXT_MAX]}")
    return Unknown(f"pacifica answered to a cancel of a batch: {text[:TEXT_MAX] or 'no reason'}")


def says_yes(body: bytes) -> bool:
    """Tell whether a body is a positive envelope, complete or just {"success":true}."""
    try:
        return wire.Envelope.model_validate_json(body).success
    except ValidationError:
        return False


def _says_no(status: int, body: bytes) -> bool:
    """Tell whether an answer is a refusal: a refusing 4xx, or an envelope that says success:false."""
    if status >= 400:
        return status in _REFUSING
    try:
        return not wire.Envelope.model_validate_json(body).success
    except ValidationError:
        return False


def _bare_order_id(body: bytes) -> str | None:
    try:
        return str(wire.OrderTaken.model_validate_json(body).order_id)
    except ValidationError:
        return None
