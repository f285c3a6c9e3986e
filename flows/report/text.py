"""How numbers and times are written on the page: fixed decimals, thousands, a true minus sign, UTC. Escapes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from core.numbers import canonical

NONE = "–"
_PLACES_MAX = 18


def usd(value: Decimal | None, places: int = 2) -> str:
    """Write quote units; a value too small for its places gets two digits of its own instead of looking like zero."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{places}f}"
    if value and not any(digit in text for digit in "123456789"):
        text = f"{abs(value):,.{min(_PLACES_MAX, 1 - value.adjusted())}f}"
    return f"−{text}" if value < 0 else text


def signed(value: Decimal | None, places: int = 4) -> str:
    """Write quote units with their sign, plus included."""
    text = usd(value, places)
    return f"+{text}" if value is not None and value > 0 else text


def bps(value: Decimal | None) -> str:
    """Write basis points."""
    return usd(value, 2)


def plain(value: Decimal) -> str:
    """Write all digits of a number, with a true minus sign."""
    return canonical(value).replace("-", "−")


def exact(value: Decimal | None) -> str:
    """Write a number for machines: all its digits, no exponent; empty when unknown."""
    return "" if value is None else canonical(value)


def venue_name(venue: str) -> str:
    """Write a venue's name as a name."""
    return venue[:1].upper() + venue[1:]


def quantity_places(values: Iterable[Decimal]) -> int:
    """Return how many decimals a column of quantities needs."""
    return max((len(canonical(v).partition(".")[2]) for v in values), default=0)


def price_places(values: Iterable[Decimal]) -> int:
    """Return how many decimals a column of prices needs: as many as they have, but no more than 7 digits in all."""
    prices = [v for v in values if v]
    if not prices:
        return 2
    enough = max(2, 6 - max(v.adjusted() for v in prices))
    return max(2, min(enough, quantity_places(prices)))


def fixed(value: Decimal | None, places: int) -> str:
    """Write a number with exactly so many decimals."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{places}f}"
    return f"−{text}" if value < 0 and any(digit in text for digit in "123456789") else text


def moment(value: datetime | None) -> str:
    """Write a UTC moment to the second: 2026-11-21 03:13:39."""
    return NONE if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def clock(value: datetime | None, *, dated: bool = False) -> str:
    """Write the time of day to the millisecond, with month and day when asked."""
    if value is None:
        return NONE
    text = f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"
    return f"{value:%m-%d} {text}" if dated else text


def duration(span: timedelta | None) -> str:
    """Write a length of time with the units that matter: 5.5 s, 2 min 05 s, 3 h 07 min, 2 d 4 h."""
    if span is None:
        return NONE
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
