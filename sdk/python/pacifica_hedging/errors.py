"""What can go wrong, one class for each code of the API.

HedgingError                    code, message, details, status, request_id
├── ValidationFailed            VALIDATION_ERROR
│   └── InvalidStrategy         INVALID_STRATEGY
├── InsufficientAccounts        INSUFFICIENT_ACCOUNTS
├── SelfTradeRisk               SELF_TRADE_RISK
├── Unauthorized                UNAUTHORIZED
├── Forbidden                   FORBIDDEN
├── NotFound                    NOT_FOUND
│   ├── SessionNotFound         SESSION_NOT_FOUND
│   └── BreachNotFound          BREACH_NOT_FOUND
├── MethodNotAllowed            METHOD_NOT_ALLOWED
├── InvalidSessionStatus        INVALID_SESSION_STATUS
├── IdempotencyConflict         IDEMPOTENCY_CONFLICT
├── AccountNotActive            ACCOUNT_NOT_ACTIVE
├── InsufficientBalance         INSUFFICIENT_BALANCE
├── RiskLimitExceeded           RISK_LIMIT_EXCEEDED
├── RateLimitExceeded           RATE_LIMIT_EXCEEDED; retry_after_s says when to come back
├── OrderExecutionFailed        ORDER_EXECUTION_FAILED
├── MarketDataUnavailable       MARKET_DATA_UNAVAILABLE
├── ServiceUnavailable          SERVICE_UNAVAILABLE; nothing was changed
├── InternalError               INTERNAL_ERROR
├── ConnectionFailed            no answer came: what became of the call is unknown
└── UnexpectedAnswer            an answer that this client cannot read; nothing is guessed from it
"""

from __future__ import annotations

from collections.abc import Mapping


class HedgingError(Exception):
    """Base of every error of this package.

    `code` is stable; `details` depend on it; `status` is the HTTP status and `request_id` the id in the service's log
    (both None when there was no answer).
    """

    code = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, object] | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.details: Mapping[str, object] = details or {}
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ValidationFailed(HedgingError):
    """The body or query is malformed; the message names the field."""

    code = "VALIDATION_ERROR"


class InvalidStrategy(ValidationFailed):
    """The strategy's parameters contradict each other or the market's rules."""

    code = "INVALID_STRATEGY"


class InsufficientAccounts(HedgingError):
    """Fewer than two usable accounts."""

    code = "INSUFFICIENT_ACCOUNTS"


class SelfTradeRisk(HedgingError):
    """The accounts could only be paired on one venue; own orders never meet."""

    code = "SELF_TRADE_RISK"


class Unauthorized(HedgingError):
    """No key, a wrong one, or one that was revoked."""

    code = "UNAUTHORIZED"


class Forbidden(HedgingError):
    """The key lacks the scope for this."""

    code = "FORBIDDEN"


class NotFound(HedgingError):
    """There is no such thing."""

    code = "NOT_FOUND"


class SessionNotFound(NotFound):
    """There is no session with this id."""

    code = "SESSION_NOT_FOUND"


class BreachNotFound(NotFound):
    """The session has no breach with this id."""

    code = "BREACH_NOT_FOUND"


class MethodNotAllowed(HedgingError):
    """The address does not take this method: an older or another service."""

    code = "METHOD_NOT_ALLOWED"


class InvalidSessionStatus(HedgingError):
    """The session is not in a status from which this can be done; details: currentStatus, requiredStatus."""

    code = "INVALID_SESSION_STATUS"


class IdempotencyConflict(HedgingError):
    """The Idempotency-Key was used for another call before."""

    code = "IDEMPOTENCY_CONFLICT"


class AccountNotActive(HedgingError):
    """The account is in liquidation, disabled, or held by another running session."""

    code = "ACCOUNT_NOT_ACTIVE"


class InsufficientBalance(HedgingError):
    """An account lacks margin; details: required and available for each account."""

    code = "INSUFFICIENT_BALANCE"


class RiskLimitExceeded(HedgingError):
    """A risk limit stands against it; details: limit, requested, accountId."""

    code = "RISK_LIMIT_EXCEEDED"


class RateLimitExceeded(HedgingError):
    """Too many calls with this key; `retry_after_s` says when to come back."""

    code = "RATE_LIMIT_EXCEEDED"


class OrderExecutionFailed(HedgingError):
    """A venue refused or lost an order for good."""

    code = "ORDER_EXECUTION_FAILED"


class MarketDataUnavailable(HedgingError):
    """There is no fresh book."""

    code = "MARKET_DATA_UNAVAILABLE"


class ServiceUnavailable(HedgingError):
    """The service cannot reach its database or Prefect; nothing was changed."""

    code = "SERVICE_UNAVAILABLE"


class InternalError(HedgingError):
    """Something is wrong in the service; its log has more under the request id."""

    code = "INTERNAL_ERROR"


class ConnectionFailed(HedgingError):
    """No answer came, also after trying again: what became of the call is unknown, so ask before acting on it."""

    code = "CONNECTION_FAILED"


class UnexpectedAnswer(HedgingError):
    """An answer that this client cannot read: another service, a proxy's page, or a newer API."""

    code = "UNEXPECTED_ANSWER"


def error_for(
    code: str,
    message: str,
    *,
    details: Mapping[str, object] | None = None,
    status: int | None = None,
    request_id: str | None = None,
    retry_after_s: float | None = None,
) -> HedgingError:
    """Return the error of a code; HedgingError itself, with the code, for one that is newer than this client."""
    return ERRORS.get(code, HedgingError)(
        message, code=code, details=details, status=status, request_id=request_id, retry_after_s=retry_after_s
    )


def _family(base: type[HedgingError]) -> list[type[HedgingError]]:
    return [kind for child in base.__subclasses__() for kind in (child, *_family(child))]


ERRORS: Mapping[str, type[HedgingError]] = {kind.code: kind for kind in _family(HedgingError)}
