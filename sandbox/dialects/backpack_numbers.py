"""Backpack's number and time formats: trimmed decimals in REST, padded ones on streams, three clock units.

Pure functions from ``Decimal`` and integer microseconds to wire text. It must not round a price or quantity
that the engine gave: values are printed as they are, only zeros are trimmed or added.

Source: docs.backpack.exchange, API reference and "Streams"; public recordings of both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

US_PER_MS = 1_000
US_PER_S = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMPUTED_PLACES = Decimal(1).scaleb(-12)


def trimmed(value: Decimal) -> str:
    """Print without exponent and without trailing zeros, as REST answers do (``86700``, not ``86700.0``)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def padded(value: Decimal, step: Decimal) -> str:
    """Print with the places of ``step``, as stream frames do (``0.00`` for a removed level)."""
    places = max(0, -int(step.normalize().as_tuple().exponent))
    text = trimmed(value)
    whole, _, fraction = text.partition(".")
    fraction = fraction.ljust(places, "0")
    return f"{whole}.{fraction}" if fraction else whole


def computed(value: Decimal) -> str:
    """Print a computed figure (ratios, mean prices) with at most twelve places, trimmed."""
    return trimmed(value.quantize(_COMPUTED_PLACES))


def naive_iso(at_us: int) -> str:
    """Print an instant as history rows do: ISO 8601 in UTC, without a zone, milliseconds when not zero."""
    at = _EPOCH + timedelta(microseconds=at_us)
    spec = "milliseconds" if at_us // US_PER_MS % 1_000 else "seconds"
    return at.replace(tzinfo=None).isoformat(timespec=spec)


def milliseconds(at_us: int) -> int:
    """Return whole milliseconds since the epoch."""
    return at_us // US_PER_MS
