"""What an answer of Paradex proves about a command or a read. Pure.

Only positive evidence is a refusal; whatever is not documented to prove something is unknown. Error codes:
docs.paradex.trade, API reference, "Errors"; a refused token comes as 401 without a code.
"""

from __future__ import annotations

from connectors.http import Answer
from connectors.paradex.build import Listing
from connectors.paradex.parse import order_report
from connectors.paradex.wire import ErrorBody, OrderRow, read_json, shaped, violation
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
    NotOnboarded,
    ProtocolViolation,
    RateLimited,
    VenueError,
    VenueRejected,
    VenueUnavailable,
)

DEFAULT_RETRY_AFTER_S = 5.0
_TEXT_MAX = 300

# Codes about who asks. Any of them proves that nothing was accepted.
_IDENTITY = frozenset(
    {
        "INVALID_ORDER_SIGNATURE", "INVALID_STARKNET_SIGNATURE", "STARKNET_SIGNATURE_VERIFICATION_FAILED",
        "INVALID_STARKNET_ADDRESS", "PUBLIC_KEY_INVALID", "INVALID_SUBKEY", "NOT_ONBOARDED", "ACCOUNT_NOT_FOUND",
        "UNAUTHORIZED_ERROR", "IP_NOT_ALLOWED", "GEO_IP_BLOCK", "INVALID_SIGNATURE_EXPIRATION",
    }
)  # fmt: skip

# Documented refusals of a command that are about the command itself or the venue's state.
_REFUSALS = frozenset(
    {
        "VALIDATION_ERROR", "BINDING_ERROR", "INVALID_REQUEST_PARAMETER", "INVALID_TIMESTAMP", "INVALID_ORDER_SIZE",
        "INVALID_PRICE_PRECISION", "INVALID_SYMBOL", "MARKET_NOT_FOUND", "MARKET_NOT_OPEN", "NO_ACCESS_TO_MARKET",
        "MARKET_MARGIN_RESTRICTED", "BATCH_SIZE_OUT_OF_RANGE", "RPI_ACCOUNT_NOT_WHITELISTED",
        "SYSTEM_STATUS_POST_ONLY", "SYSTEM_STATUS_CANCEL_ONLY", "REQUEST_NOT_ALLOWED", "BAD_STARKNET_REQUEST",
    }
)  # fmt: skip

# Codes that say nothing about whether an order was taken, whatever the status they come with.
_INCONCLUSIVE = frozenset({"INTERNAL_ERROR", "SERVICE_UNAVAILABLE"})

# An order with this client id is there already, so "nothing rests and nothing filled" would be false.
_DUPLICATE = "DUPLICATED_CLIENT_ID"

# A lookup among open orders that ends like this has found out that there is none.
_NO_SUCH_ORDER = frozenset(
    {
        "ORDER_IS_CLOSED", "ORDER_IS_NOT_OPEN", "ORDER_IS_NOT_OPEN_YET", "ORDER_ID_NOT_FOUND",
        "CLIENT_ORDER_ID_NOT_FOUND", "NOT_FOUND",
    }
)  # fmt: skip
_DOCUMENTED = _IDENTITY | _REFUSALS | _NO_SUCH_ORDER

OPEN_BY_WALLET = "onboard the account once (log in with its wallet on the venue's site), then try again"
OPEN_BY_KEY = (
    "onboard the account once (`hedge account onboard` does it with this key and the wallet's address, or log in with "
    "the wallet on the venue's site), then try again"
)


def place_outcome(answer: Answer, account_id: str, listing: Listing, client_order_id: str) -> PlaceOutcome:
    """Say what the answer to POST /orders proves.

    201 is Accepted: queued, not yet through the risk check, which may still close the order with a reason. A 4xx
    with a documented code is Rejected; 401 proves it too, with no code in its body. 429 is Rejected as well: the
    request was counted, not taken. Everything else is Unknown.
    """
    if answer.status in (200, 201):
        return _accepted(answer, account_id, listing, client_order_id)
    refusal = error_of(answer.body)
    text = _said(answer.status, refusal)
    if answer.status == 429:
        return Rejected(text, code="RATE_LIMITED")
    if answer.status == 401:
        return Rejected(text, code="AUTH")
    if refusal.error == _DUPLICATE:
        return Unknown(f"paradex answered {text}: an order with this client order id exists; ask for it")
    if not 400 <= answer.status < 500 or answer.status == 408 or not is_conclusive(refusal.error):
        return Unknown(f"paradex answered {text} to an order; that proves nothing")
    return Rejected(text, code=rejection_code(refusal.error))


def is_conclusive(code: str) -> bool:
    """True for a documented code that proves that a command was not taken.

    New codes appear without notice: one with no meaning here is kept in the text and proves nothing. A duplicate's
    order exists, so it proves the contrary.
    """
    return code in _DOCUMENTED


def rejection_code(code: str) -> str:
    """Return the code a rejection carries: AUTH for all that are about who asks."""
    return "AUTH" if code in _IDENTITY else code


def cancel_outcome(answer: Answer) -> CancelOutcome:
    """Say what the answer to a cancel proves. 204 means queued; a fill may still come before it."""
    if 200 <= answer.status < 300:
        return CancelTaken()
    refusal = error_of(answer.body)
    text = _said(answer.status, refusal)
    if answer.status in (401, 429):
        return NotSent(f"paradex did not take the cancel: {text}")
    if 400 <= answer.status < 500 and answer.status != 408 and is_conclusive(refusal.error):
        return CancelRefused(text)
    return Unknown(f"paradex answered {text} to a cancel")


def says_no_such_order(answer: Answer) -> bool:
    """True when a lookup was answered with "no such open order", which is positive knowledge."""
    return answer.status in (400, 404) and error_of(answer.body).error in _NO_SUCH_ORDER


def require_ok(answer: Answer, what: str) -> bytes:
    """Return the body of a successful read, else raise what the answer proves."""
    if 200 <= answer.status < 300:
        return answer.body
    refusal = error_of(answer.body)
    text = f"paradex: {what} was answered {_said(answer.status, refusal)}"
    if answer.status == 429:
        raise RateLimited(text, venue="paradex", retry_after_s=retry_after_s(answer.headers, DEFAULT_RETRY_AFTER_S))
    if answer.status >= 500 or answer.status == 408 or refusal.error in _INCONCLUSIVE:
        raise VenueUnavailable(text, venue="paradex", status=answer.status)
    if answer.status in (401, 403) or refusal.error in _IDENTITY:
        raise AuthenticationFailed(text, venue="paradex", status=answer.status)
    if 400 <= answer.status < 500:
        raise VenueRejected(text, venue="paradex", status=answer.status)
    raise violation(f"{what} was answered with status {answer.status}")


def auth_failure(answer: Answer, account_text: str, opening: str = OPEN_BY_WALLET) -> VenueError:
    """Say why no token came, and what to do about it; `opening`: how an account that is not there is opened."""
    refusal = error_of(answer.body)
    text = _said(answer.status, refusal)
    if answer.status == 429:
        wait_s = retry_after_s(answer.headers, DEFAULT_RETRY_AFTER_S)
        return RateLimited(f"paradex: token request answered {text}", venue="paradex", retry_after_s=wait_s)
    if answer.status >= 500 or answer.status == 408 or refusal.error in _INCONCLUSIVE:
        return VenueUnavailable(f"paradex: token request answered {text}", venue="paradex", status=answer.status)
    if refusal.error == "NOT_ONBOARDED":
        said = f"paradex: no token for account {account_text}: {text}; {opening}"
        return NotOnboarded(said, venue="paradex", status=answer.status)
    if refusal.error in ("IP_NOT_ALLOWED", "GEO_IP_BLOCK"):
        advice = "the venue does not serve this address; check the key's list of allowed networks"
    else:
        advice = "check that the key belongs to this account (or is a subkey of it that is active) and the clock"
    return AuthenticationFailed(
        f"paradex: no token for account {account_text}: {text}; {advice}", venue="paradex", status=answer.status
    )


def error_of(body: bytes) -> ErrorBody:
    """Read {error, message}; a body that is something else has neither."""
    try:
        return shaped(ErrorBody, read_json(body, "refusal"), "refusal")
    except ProtocolViolation:
        return ErrorBody()


def _accepted(answer: Answer, account_id: str, listing: Listing, client_order_id: str) -> PlaceOutcome:
    try:
        row = shaped(OrderRow, read_json(answer.body, "order"), "order")
        if row.client_id not in ("", client_order_id):
            return Unknown("paradex answered with an order that is not the one that was sent")
        report = order_report(row, account_id, listing, answer.received_at)
    except ProtocolViolation as unreadable:
        return Unknown(f"{unreadable.message}, in an answer that took the order")
    return Accepted(report)


def _said(status: int, refusal: ErrorBody) -> str:
    words = " ".join(f"{refusal.error} {refusal.message}".split())
    return f"{status} {words}"[:_TEXT_MAX].strip()
