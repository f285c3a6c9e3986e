"""Limits on naked dollar-seconds: the installation's in a UTC day, from the environment, and a session's own.

Measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from core.errors import ConfigurationError, RequestRefused
from core.limits import NAKED_DAY_MAX_DEFAULT, RiskLimits
from store.requests import parse_request

VARIABLE = "HEDGE_NAKED_DAY_MAX"
_HIGHEST = Decimal("1e12")


def naked_day_max(environ: Mapping[str, str]) -> Decimal:
    """Read HEDGE_NAKED_DAY_MAX: what legs of all sessions may stand alone in a UTC day, USD x seconds.

    Raises ConfigurationError for what is no positive number.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return NAKED_DAY_MAX_DEFAULT
    try:
        limit = Decimal(text)
    except InvalidOperation:
        limit = Decimal("NaN")
    if not limit.is_finite() or not 0 < limit <= _HIGHEST:
        raise ConfigurationError(
            f"{VARIABLE} must be a positive number of USD x seconds up to {_HIGHEST:f}, got {text[:20]!r}",
            field=VARIABLE,
        )
    return limit


def naked_limit(strategy: Mapping[str, object] | str, accounts: Sequence[str]) -> Decimal | None:
    """Return what a session's legs may stand alone, USD x seconds, by its stored strategy (a document or its JSON).

    None for a strategy that cannot be read (any more).
    """
    try:
        told = json.loads(strategy) if isinstance(strategy, str) else strategy
        # A duration stands for whichever goal the session has: limits do not depend on it.
        request = parse_request({"strategy": told, "accounts": list(accounts), "duration": 1000})
    except (ValueError, RequestRefused):
        return None
    return RiskLimits.of(request.to_strategy()).naked_usd_seconds_max
