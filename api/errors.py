"""Errors on the wire: one envelope for every failure, with stable codes. Nothing of the server's inside leaves here.

HedgeError (core.errors)
└── ApiError
    ├── Unauthorized           UNAUTHORIZED 401: no, bad or revoked key
    ├── Forbidden              FORBIDDEN 403: the key lacks the scope
    ├── NotThere               NOT_FOUND 404
    ├── NotAllowedHere         METHOD_NOT_ALLOWED 405
    ├── RateLimitExceeded      RATE_LIMIT_EXCEEDED 429: carries retry_after_s
    ├── IdempotencyConflict    IDEMPOTENCY_CONFLICT 409
    └── ServiceUnavailable     SERVICE_UNAVAILABLE 503: nothing was changed
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import ClassVar

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from api.documents.common import iso
from core.errors import HedgeError, RequestRefused, VenueError
from core.numbers import plain
from store.errors import RecordNotFound, StoreError
from store.wording import field_of, problem_of


class ApiError(HedgeError):
    """Base of what only the API can say."""

    headers: ClassVar[Mapping[str, str]] = {}

    def answer_headers(self) -> dict[str, str]:
        """Return the headers that go with the answer."""
        told = self.details.get("retryAfter")
        return dict(self.headers) if told is None else {**self.headers, "Retry-After": str(told)}


class Unauthorized(ApiError):
    """No key, one that is not known, or one that was revoked; which of them is not told."""

    code = "UNAUTHORIZED"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="hedging"'}

    def __init__(self) -> None:
        super().__init__("give a valid API key as `Authorization: Bearer <key>`")


class Forbidden(ApiError):
    """The key may not do this."""

    code = "FORBIDDEN"


class NotThere(ApiError):
    """There is nothing at this address."""

    code = "NOT_FOUND"


class NotAllowedHere(ApiError):
    """The address is known, but not with this method."""

    code = "METHOD_NOT_ALLOWED"


class RateLimitExceeded(ApiError):
    """Too many calls; come back after retry_after_s seconds."""

    code = "RATE_LIMIT_EXCEEDED"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, retryAfter=retry_after_s)


class IdempotencyConflict(ApiError):
    """The Idempotency-Key was used for something else, or its call is still being carried out."""

    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message, **({} if retry_after_s is None else {"retryAfter": retry_after_s}))


class ServiceUnavailable(ApiError):
    """Database or Prefect cannot be reached; nothing was changed."""

    code = "SERVICE_UNAVAILABLE"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


STATUS = {
    "VALIDATION_ERROR": 422,
    "INVALID_STRATEGY": 422,
    "SELF_TRADE_RISK": 422,
    "INSUFFICIENT_ACCOUNTS": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "SESSION_NOT_FOUND": 404,
    "BREACH_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "INVALID_SESSION_STATUS": 409,
    "ACCOUNT_NOT_ACTIVE": 409,
    "INSUFFICIENT_BALANCE": 409,
    "RISK_LIMIT_EXCEEDED": 409,
    "IDEMPOTENCY_CONFLICT": 409,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "ORDER_EXECUTION_FAILED": 502,
    "MARKET_DATA_UNAVAILABLE": 503,
    "SERVICE_UNAVAILABLE": 503,
}
_ROUTING = {404: NotThere, 405: NotAllowedHere}
_STRATEGY_PREFIX = "strategy."


def error_response(error: Exception, *, now: datetime, request_id: str) -> JSONResponse:
    """Return the answer to a failure; one that nobody foresaw says only its id, which is in the log."""
    known = translated(error)
    if known is None:
        known = HedgeError("something went wrong here; the id is in the log", requestId=request_id)
    headers = known.answer_headers() if isinstance(known, ApiError) else {}
    return JSONResponse(envelope(known, now), STATUS[known.code], headers=headers)


def envelope(error: HedgeError, now: datetime) -> dict[str, object]:
    """Return the body of a refusal."""
    told = {"code": error.code, "message": error.message, "details": _jsonable(dict(error.details))}
    return {"success": False, "error": told, "timestamp": iso(now)}


def translated(error: Exception) -> HedgeError | None:
    """Return the error whose code the contract knows; None for what nobody foresaw."""
    match error:
        case RequestValidationError():
            return _refused_input(error)
        case HTTPException():
            return _of_routing(error)
        case RecordNotFound():
            return error
        case StoreError():
            return ServiceUnavailable("the database cannot be used now; nothing was changed", cause=error.code)
        case VenueError():
            return _of_venue(error)
        case HedgeError() if error.code in STATUS and error.code != HedgeError.code:
            return error
        case _:
            return None


class VenueNotRead(HedgeError):
    """A venue could not be read; nothing is known, and nothing was changed."""

    code = "MARKET_DATA_UNAVAILABLE"


def _of_venue(error: VenueError) -> HedgeError:
    where = {key: str(error.details[key]) for key in ("venue", "account") if key in error.details}
    return VenueNotRead(f"a venue could not be read, nothing was changed: {error.message}", cause=error.code, **where)


def _of_routing(error: HTTPException) -> HedgeError | None:
    kind = _ROUTING.get(error.status_code)
    if kind is not None:
        return kind("no such address" if error.status_code == 404 else "this address does not take that method")
    if error.status_code < 500:
        return RequestRefused("the request could not be read", field="body")
    return None


def _refused_input(error: RequestValidationError) -> RequestRefused:
    """One sentence that names every field; inputs are not echoed."""
    items = [(field_of(item["loc"][1:]) or str(item["loc"][0]), item) for item in error.errors()]
    problems = [f"{field}: {problem_of(item, echoes=False)}" for field, item in items]
    return RequestRefused("; ".join(problems), field=items[0][0])


def _jsonable(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case dict():
            return {str(key): _jsonable(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_jsonable(item) for item in value]
        case datetime():
            return iso(value)
        case Decimal():
            return plain(value)
        case _:
            return str(value)
