"""How Paradex says no: error codes, HTTP statuses and bodies.

Written from docs.paradex.trade (REST API, Errors). Duty: one exception for every refusal at the door and the
translation of the engine's refusals. Must not decide whether something is refused.

Bodies are ``{"error": CODE, "message": text}``, except 401 for a bad token, which has no ``error`` field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from sandbox.model import EndReason, Refusal, RefusalReason


class ApiError(Exception):
    """A refusal with the venue's code; `status` is the HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def row(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"error": self.code, "message": self.message}


class Unauthorized(ApiError):
    """A missing, broken or expired token: 401 and a body without ``error``."""

    def __init__(self, message: str) -> None:
        super().__init__("UNAUTHORIZED_ERROR", message, status=401)

    def row(self) -> dict[str, object]:
        """Return the JSON body, which names no code."""
        return {"message": self.message}


class TooManyRequests(ApiError):
    """A token bucket is empty; `retry_after_s` is when it has one unit again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("RATE_LIMIT_EXCEEDED", "rate limit exceeded", status=429)
        self.retry_after_s = retry_after_s


# What no public page fixes (bad tick, bad step, limits) takes the closest code of the published list.
_REFUSALS: Final[Mapping[RefusalReason, str]] = {
    RefusalReason.UNKNOWN_MARKET: "INVALID_SYMBOL",
    RefusalReason.UNKNOWN_ACCOUNT: "ACCOUNT_NOT_FOUND",
    RefusalReason.TICK: "VALIDATION_ERROR",
    RefusalReason.LOT: "INVALID_ORDER_SIZE",
    RefusalReason.QUANTITY: "INVALID_ORDER_SIZE",
    RefusalReason.PRICE: "VALIDATION_ERROR",
    RefusalReason.MIN_NOTIONAL: "INVALID_ORDER_SIZE",
    RefusalReason.MAX_NOTIONAL: "INVALID_ORDER_SIZE",
    RefusalReason.ORDER_LIMIT: "VALIDATION_ERROR",
    RefusalReason.MARGIN: "MARKET_MARGIN_RESTRICTED",
    RefusalReason.DUPLICATE_CLIENT_ID: "DUPLICATED_CLIENT_ID",
    RefusalReason.ORDER_NOT_FOUND: "ORDER_ID_NOT_FOUND",
    RefusalReason.ORDER_CLOSED: "ORDER_IS_CLOSED",
    RefusalReason.LEVERAGE: "VALIDATION_ERROR",
}

_CANCEL_REASONS: Final[Mapping[EndReason, str]] = {
    EndReason.USER_CANCEL: "USER_CANCELED",
    EndReason.IOC_REMAINDER: "REMAINING_IOC_CANCEL",
    EndReason.FOK_UNFILLED: "REMAINING_IOC_CANCEL",
    EndReason.NO_LIQUIDITY: "EMPTY_MARKET",
    EndReason.SELF_TRADE: "SELF_TRADE",
    EndReason.POST_ONLY_CROSS: "POST_ONLY_WOULD_CROSS",
    EndReason.REDUCE_ONLY: "REDUCE_ONLY_WILL_INCREASE",
    EndReason.MARGIN: "NOT_ENOUGH_MARGIN",
    EndReason.PRICE_BAND: "PRICE_OUTSIDE_BANDS",
    EndReason.LIQUIDATION: "IN_LIQUIDATION",
    EndReason.DELEVERAGE: "DELEVERAGE",
    EndReason.TRIGGER_FAILED: "UNEXPECTED_FAILURE",
    EndReason.LINKED: "USER_CANCELED",
    EndReason.SYSTEM: "UNEXPECTED_FAILURE",
}


def of_refusal(refusal: Refusal) -> ApiError:
    """Translate a refusal that the engine raised while the request was at the door."""
    return ApiError(_REFUSALS.get(refusal.reason, "VALIDATION_ERROR"), refusal.text)


def cancel_reason(reason: EndReason | None) -> str:
    """Spell why an order closed; empty for a live or completely filled one."""
    return "" if reason is None else _CANCEL_REASONS[reason]


def json_response(payload: object, status: int = 200) -> Response:
    """Render a payload as compact JSON."""
    body = json.dumps(payload, separators=(",", ":"))
    return Response(body, status_code=status, media_type="application/json")


def error_response(error: ApiError) -> Response:
    """Render a refusal."""
    response = json_response(error.row(), error.status)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def fault_response(status: int) -> Response:
    """Render the answer of a scripted fault: 429, 503 (also what a venue timeout looks like) or another 5xx."""
    if status == 429:
        return error_response(TooManyRequests(1))
    code = "SERVICE_UNAVAILABLE" if status == 503 else "INTERNAL_ERROR"
    return error_response(ApiError(code, "the request could not be completed", status=status))
