"""At what price: slippage-bounded taking prices, resting prices, and what taking would cost. Knows no strategy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.instrument import Market
from core.market import Book
from core.numbers import ONE, ZERO, ceil_to, floor_to
from core.order import Side


def marketable_price(
    market: Market, mid: Decimal, side: Side, max_slippage: Decimal, *, mark: Decimal | None = None
) -> Decimal:
    """Return the worst price (quote units, on the tick grid) at which an immediate order may trade.

    max_slippage is this leg's own bound, a fraction of its arrival mid: a buy pays at most mid * (1 + max_slippage),
    a sell takes at least mid * (1 - max_slippage). With a mark, the price also stays inside the venue's price band
    around it. Rounding goes toward mid, so the price is never worse than the bound.
    """
    bound = mid * (ONE + max_slippage * side.sign)
    if mark is not None and market.price_band is not None:
        band = mark * (ONE + market.price_band * side.sign)
        bound = band if side.is_worse(bound, than=band) else bound
    if side is Side.BUY:
        return floor_to(bound, market.tick)
    return max(ceil_to(bound, market.tick), market.tick)


def per_leg(max_slippage: Decimal) -> Decimal:
    """Return one leg's share of a pair's slippage bound: half, so that both legs together cannot exceed it.

    A pair's slippage is what both legs paid against their own arrival mids as a fraction of the pair's volume.
    """
    return max_slippage / 2


def passive_price(
    market: Market, book: Book, side: Side, offset: Decimal, *, offset_max: Decimal | None = None
) -> Decimal:
    """Return a resting price `offset` (a fraction, >= 0) away from mid on the passive side, never crossing.

    Rounded away from mid, unless that would pass offset_max; then toward mid. It stays at least one tick off the
    other side's best price. Raises ValueError for a one-sided book: there is no reference to rest against.
    """
    mid = book.mid
    if mid is None:
        raise ValueError(f"{book.venue} {book.symbol}: no mid, the book has one side only")
    target = mid * (ONE - offset * side.sign)
    away, toward = (floor_to, ceil_to) if side is Side.BUY else (ceil_to, floor_to)
    price = away(target, market.tick)
    if offset_max is not None and side.is_worse(mid * (ONE - offset_max * side.sign), than=price):
        price = toward(target, market.tick)
    return _uncrossed(market, book, side, price)


def _uncrossed(market: Market, book: Book, side: Side, price: Decimal) -> Decimal:
    if side is Side.BUY:
        return max(min(price, ceil_to(book.asks[0].price, market.tick) - market.tick), market.tick)
    return max(price, floor_to(book.bids[0].price, market.tick) + market.tick)


def depth_within(book: Book, side: Side, limit: Decimal) -> Decimal:
    """Return the base units a taker on `side` finds at the limit price or better."""
    return book.walk(side, Decimal("Infinity"), limit).filled


@dataclass(frozen=True, slots=True)
class TakingCost:
    """What taking a quantity would cost now. filled in base units, average in quote units per base unit.

    slippage: quote units paid against mid (>= 0 in an uncrossed book); fee: taker fee in quote units.
    """

    filled: Decimal
    average: Decimal
    slippage: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal:
        """Slippage and fee together, quote units."""
        return self.slippage + self.fee

    @property
    def slippage_fraction(self) -> Decimal:
        """Slippage as a fraction of the notional taken."""
        return self.slippage / (self.filled * self.average)


def taking_cost(market: Market, book: Book, side: Side, quantity: Decimal) -> TakingCost | None:
    """Walk the book for `quantity` base units; None when the book has no mid or not that much in it."""
    mid = book.mid
    walk = book.walk(side, quantity)
    if mid is None or walk.average is None or walk.filled < quantity or quantity <= ZERO:
        return None
    slippage = (walk.average - mid) * side.sign * quantity
    return TakingCost(quantity, walk.average, slippage, walk.average * quantity * market.taker_fee)
