"""Whether open positions can all be closed across venues. Arithmetic on signed positions; knows no price and no order.

Positions of a session can be closed in pairs whose legs are on different venues if, and only if, no venue holds more
than half of all that is open: a venue's longs and shorts together must find their counterparts elsewhere. Opening
pairs across venues never break this; closing pairs can, so each one is bounded by `closable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from core.instrument import Venue
from core.numbers import ZERO

Holding = tuple[Venue, Decimal]
"""A venue and one account's signed position on it, base units."""


def open_quantity(holdings: Sequence[Holding]) -> Decimal:
    """Return the larger of all longs and all shorts: what closing pairs must trade at least, base units."""
    longs = sum((quantity for _, quantity in holdings if quantity > 0), ZERO)
    shorts = sum((-quantity for _, quantity in holdings if quantity < 0), ZERO)
    return max(longs, shorts)


def can_close(holdings: Sequence[Holding]) -> bool:
    """Tell whether pairs across venues can close everything (a net exposure left over counts as matched elsewhere)."""
    total = open_quantity(holdings)
    return all(_gross(holdings, venue) <= total for venue, _ in holdings)


def closable(holdings: Sequence[Holding], long_index: int, short_index: int) -> Decimal:
    """Return how much a pair of a long and a short may close so that all the rest can still be closed across venues.

    Zero for two accounts on one venue, and for positions of the wrong sign.
    """
    (long_venue, long), (short_venue, short) = holdings[long_index], holdings[short_index]
    if long_venue == short_venue or long <= 0 or short >= 0:
        return ZERO
    total = open_quantity(holdings)
    others = {venue for venue, _ in holdings} - {long_venue, short_venue}
    slack = [total - _gross(holdings, venue) for venue in others]
    return max(ZERO, min([long, -short, *slack]))


def _gross(holdings: Sequence[Holding], venue: Venue) -> Decimal:
    return sum((abs(quantity) for at, quantity in holdings if at == venue), ZERO)
