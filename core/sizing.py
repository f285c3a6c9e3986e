"""How much: quantities that every venue of the session takes, at the open and at the close. Chooses no account."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.exposure import Exposure
from core.instrument import Market
from core.numbers import ONE, ZERO, ceil_to, common_step, floor_to, steps
from core.order import Side

CLOSE_CUSHION = Decimal("1.25")
SEND_CUSHION = Decimal("1.1")


def session_lot(markets: Iterable[Market]) -> Decimal:
    """Return the smallest step that lies on the lot grid of every market of a session."""
    return common_step(*(market.lot for market in markets))


def smallest_quantity(market: Market, price: Decimal, *, lot: Decimal, cushion: Decimal = CLOSE_CUSHION) -> Decimal:
    """Return the smallest quantity (base units, on the grid of `lot`) the venue takes at `price` with a cushion."""
    by_notional = market.min_notional * cushion / price
    return max(lot, ceil_to(max(market.min_quantity, by_notional), lot))


def send_cushion(max_slippage: Decimal) -> Decimal:
    """Return the factor over a venue's minimum notional that holds even when it is reckoned at a sell's bound price."""
    return SEND_CUSHION / (ONE - max_slippage)


def close_cushion(max_slippage: Decimal) -> Decimal:
    """Return the factor over a venue's minimum notional that a position needs to be closable after a fall in price."""
    return max(CLOSE_CUSHION, send_cushion(max_slippage))


class CapCode(StrEnum):
    """What limits a quantity."""

    POSITION_LIMIT = "position_limit"
    MARGIN = "margin"
    DEPTH = "depth"
    PARTICIPATION = "participation"
    VENUE_LIMIT = "venue_limit"
    ORDER_SIZE = "order_size"


@dataclass(frozen=True, slots=True)
class Cap:
    """An upper bound on a pair's quantity, base units, and where it comes from."""

    code: CapCode
    quantity: Decimal
    account_id: str


@dataclass(frozen=True, slots=True)
class NoSize:
    """No quantity fits: the tightest cap leaves less than the smallest that may be traded."""

    cap: Cap
    least: Decimal


def position_cap(exposure: Exposure, side: Side, max_position: Decimal) -> Cap:
    """Return what the account may still take on a side with everything in flight counted against it."""
    room = max_position - exposure.worst_long if side is Side.BUY else max_position + exposure.worst_short
    return Cap(CapCode.POSITION_LIMIT, max(ZERO, room), exposure.account.account_id)


def margin_cap(account_id: str, market: Market, free_margin: Decimal, price: Decimal) -> Cap:
    """Return what free margin carries: initial margin with a cushion, and the taker fee of the open and an unwind."""
    per_unit = price * (market.initial_margin * SEND_CUSHION + 2 * max(ZERO, market.taker_fee))
    return Cap(CapCode.MARGIN, max(ZERO, free_margin) / per_unit, account_id)


def participation_cap(
    account_id: str, *, venue_volume_24h: Decimal, share: Decimal, committed: Decimal, price: Decimal
) -> Cap:
    """Return what the session may still open on a venue.

    committed: quote units it traded there plus what closing its positions there will trade. Half of the rest, since
    what is opened is closed as well.
    """
    rest = max(ZERO, venue_volume_24h * share - committed)
    return Cap(CapCode.PARTICIPATION, rest / (2 * price), account_id)


def venue_caps(account_id: str, market: Market, price: Decimal) -> tuple[Cap, ...]:
    """Return the venue's own largest order, by quantity and by notional, where it has one."""
    caps = []
    if market.max_quantity is not None:
        caps.append(Cap(CapCode.VENUE_LIMIT, market.max_quantity, account_id))
    if market.max_notional is not None:
        caps.append(Cap(CapCode.VENUE_LIMIT, market.max_notional / price, account_id))
    return tuple(caps)


@dataclass(frozen=True, slots=True)
class SizeRange:
    """The operator's size range in base units and the smallest quantity that can be closed again; all on `lot`."""

    low: Decimal
    high: Decimal
    smallest: Decimal
    lot: Decimal

    @classmethod
    def at(
        cls,
        price: Decimal,
        *,
        quote_min: Decimal,
        quote_max: Decimal,
        max_position: Decimal,
        smallest: Decimal,
        lot: Decimal,
    ) -> SizeRange:
        """Turn a range in quote units into lots, rounding down: a pair is never larger than asked for.

        Where the price has fallen so far that the smallest order passes the position limit, the limit is the order.
        """
        low = min(floor_to(quote_min / price, lot), floor_to(max_position, lot))
        return cls(max(low, smallest), floor_to(quote_max / price, lot), smallest, lot)


def opening_quantity(
    sizes: SizeRange, caps: Sequence[Cap], rng: random.Random, *, wanted: Decimal | None
) -> Decimal | NoSize:
    """Draw a quantity uniformly on the lot grid between the range's low and the smaller of its high and every cap.

    wanted: the quantity that would just reach the goal; taken instead of a draw when it fits (at least the low).
    """
    tightest = min([Cap(CapCode.ORDER_SIZE, sizes.high, "any"), *caps], key=lambda cap: cap.quantity)
    high = floor_to(tightest.quantity, sizes.lot)
    if high < sizes.low:
        return NoSize(tightest, sizes.low)
    if wanted is not None and wanted <= high:
        return max(sizes.low, wanted)
    return draw(rng, sizes.low, high, sizes.lot)


def draw(rng: random.Random, low: Decimal, high: Decimal, lot: Decimal) -> Decimal:
    """Return a uniformly random grid point in [low, high]; both ends are on the grid."""
    return rng.randint(steps(low, lot), steps(high, lot)) * lot


def reducing_quantity(holdings: Sequence[Decimal], *, limit: Decimal, sizes: SizeRange, least: Decimal) -> Decimal:
    """Return the largest quantity up to `limit` that leaves each holding (base units, >= 0) zero or closable again.

    Zero when there is none. least: the smallest quantity the venues take now.
    """
    ends = [limit, *holdings, *(holding - sizes.smallest for holding in holdings)]
    found = [floor_to(end, sizes.lot) for end in ends]
    fitting = [q for q in found if least <= q <= limit and all(_leaves_closable(h, q, sizes) for h in holdings)]
    return max(fitting, default=ZERO)


def _leaves_closable(holding: Decimal, quantity: Decimal, sizes: SizeRange) -> bool:
    rest = holding - quantity
    return rest == 0 or rest >= sizes.smallest
