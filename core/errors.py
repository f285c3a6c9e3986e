"""The one tree of errors. Codes are stable and documented; a message says what, which, and what to do.

HedgeError
├── ConfigurationError          a setting, key, port or file is missing or wrong; nothing was started
├── RequestRefused              what was asked for cannot be done as asked (names the field)
│   ├── InvalidStrategy         INVALID_STRATEGY
│   ├── InsufficientAccounts    INSUFFICIENT_ACCOUNTS
│   ├── SelfTradeRisk           SELF_TRADE_RISK
│   └── InvalidSessionStatus    INVALID_SESSION_STATUS
├── AccountNotActive            ACCOUNT_NOT_ACTIVE: held by another session, disabled, in liquidation
├── InsufficientBalance         INSUFFICIENT_BALANCE
├── RiskLimitExceeded           RISK_LIMIT_EXCEEDED: more than a limit allows (limit, requested, accountId)
├── LeaseLost                   another run drives this session now; stop ordering
├── MarketDataUnavailable       no fresh, proven book or mark
├── SessionHalted               naked exposure that could not be removed; the exposure is in the details
├── ReconciliationFailed        journal and venue disagree and the difference could not be explained
├── PrecisionRefused            a price or quantity off the market's grid, refused before it was signed
└── VenueError                  one venue, one account
    ├── VenueUnreachable        a read did not come back; nothing is known
    ├── VenueUnavailable        the venue says it is closed (maintenance, 5xx on a read)
    ├── VenueRejected           positive evidence of a refusal
    ├── AuthenticationFailed    key, signature or token not accepted
    │   └── NotOnboarded        the venue has no such account yet; it must be opened once
    ├── RateLimited             budget spent; carries retry_after_s
    ├── NotOffered              this venue has no such thing; the capability table says so
    └── ProtocolViolation       an answer that cannot be what the venue documents
"""

from __future__ import annotations

from collections.abc import Mapping


class HedgeError(Exception):
    """Base of every error this system raises on purpose."""

    code = "INTERNAL_ERROR"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details

    def __str__(self) -> str:
        return self.message


class ConfigurationError(HedgeError):
    """A setting, key, port or file is missing or wrong; nothing was started."""

    code = "CONFIGURATION_ERROR"


class RequestRefused(HedgeError):
    """What was asked for cannot be done as asked; `details["field"]` names the field."""

    code = "VALIDATION_ERROR"


class InvalidStrategy(RequestRefused):
    """Strategy parameters contradict each other or the market's rules."""

    code = "INVALID_STRATEGY"


class InsufficientAccounts(RequestRefused):
    """Fewer than two usable accounts."""

    code = "INSUFFICIENT_ACCOUNTS"


class SelfTradeRisk(RequestRefused):
    """The accounts could only be paired on one venue; own orders must never meet."""

    code = "SELF_TRADE_RISK"


class InvalidSessionStatus(RequestRefused):
    """The session is not in a status from which this can be done."""

    code = "INVALID_SESSION_STATUS"


class AccountNotActive(HedgeError):
    """The account is held by another running session, disabled, or in liquidation."""

    code = "ACCOUNT_NOT_ACTIVE"


class InsufficientBalance(HedgeError):
    """An account cannot carry the margin that the session may need."""

    code = "INSUFFICIENT_BALANCE"


class RiskLimitExceeded(HedgeError):
    """More is asked for than a limit allows; details: limit, requested, accountId."""

    code = "RISK_LIMIT_EXCEEDED"


class LeaseLost(HedgeError):
    """Another run drives this session now; this one must not send orders any more."""

    code = "LEASE_LOST"


class MarketDataUnavailable(HedgeError):
    """No fresh book or mark whose continuity is proven."""

    code = "MARKET_DATA_UNAVAILABLE"


class SessionHalted(HedgeError):
    """Exposure is left that could not be removed; it is stated in the details."""

    code = "ORDER_EXECUTION_FAILED"


class ReconciliationFailed(HedgeError):
    """Journal and venue disagree and the difference could not be explained."""

    code = "RECONCILIATION_FAILED"


class PrecisionRefused(HedgeError):
    """A price or quantity is off the market's grid; refused locally, before it was signed."""

    code = "INVALID_PRECISION"


class VenueError(HedgeError):
    """Something about one venue; `details` holds venue, account and, where known, status and body text."""

    code = "VENUE_ERROR"


class VenueUnreachable(VenueError):
    """A read did not come back; nothing is known."""

    code = "VENUE_UNREACHABLE"


class VenueUnavailable(VenueError):
    """The venue answers that it is closed, overloaded or in maintenance."""

    code = "VENUE_UNAVAILABLE"


class VenueRejected(VenueError):
    """The venue refused, with positive evidence."""

    code = "VENUE_REJECTED"


class AuthenticationFailed(VenueError):
    """Key, signature or token was not accepted."""

    code = "AUTHENTICATION_FAILED"


class NotOnboarded(AuthenticationFailed):
    """The venue has no such account yet: it must be opened there once, and this system never does so unasked."""


class RateLimited(VenueError):
    """The request budget is spent; `details["retry_after_s"]` says when to come back."""

    code = "VENUE_RATE_LIMITED"


class NotOffered(VenueError):
    """The venue has no such thing; `docs/venues` says what it has instead."""

    code = "VENUE_NOT_OFFERED"


class ProtocolViolation(VenueError):
    """An answer that cannot be what the venue documents; it is never guessed at."""

    code = "VENUE_PROTOCOL_VIOLATION"
