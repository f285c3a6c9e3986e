"""The installation's own limit on naked dollar-seconds in a UTC day, from the environment. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from core.errors import ConfigurationError
from core.limits import NAKED_DAY_MAX_DEFAULT

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
