"""How much: quantities that every venue of the session takes, at the open and at the close."""

from __future__ import annotations

from decimal import Decimal

from core.instrument import Market
from core.numbers import ceil_to

CLOSE_CUSHION = Decimal("1.25")


def smallest_quantity(market: Market, price: Decimal, *, lot: Decimal, cushion: Decimal = CLOSE_CUSHION) -> Decimal:
    """Return the smallest quantity (base units, on the grid of `lot`) the venue takes at `price` with a cushion."""
    by_notional = market.min_notional * cushion / price
    return max(lot, ceil_to(max(market.min_quantity, by_notional), lot))
