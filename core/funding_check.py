"""Funding as it should have been, from positions and the venues' published rates, beside what was booked.

Nothing is ever booked from it: a difference is shown with the money at stake. Pacifica and Backpack pay at the full
interval, -position x price x rate; Paradex accrues by index, -position x change of index, and books when the position
changes (docs.paradex.trade, Funding mechanism).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.instrument import Venue
from core.market import FundingPayment
from core.market_data import PastFunding
from core.numbers import ZERO
from core.order import Fill

# Half a basis point of the payment, the venues' rounding of a payment, and of a published rate (nine decimals).
RELATIVE = Decimal("0.00005")
ROUNDING = Decimal("0.000001")
RATE_ROUNDING = Decimal("0.0000000005")
# How far a venue's stamps of a fill and of the payment it caused, or of the full hour, may lie apart.
NEAR = timedelta(seconds=2)
STAMPS = timedelta(milliseconds=50)
# Samples of an index further apart than this say too little about what lies between them.
GAP_MAX = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class PriceRange:
    """The lowest and highest price (mark or index, quote units) a venue showed around a moment."""

    low: Decimal
    high: Decimal

    def with_price(self, price: Decimal) -> PriceRange:
        """Return the range widened to a price."""
        return PriceRange(min(self.low, price), max(self.high, price))

    @property
    def middle(self) -> Decimal:
        """The price that is shown."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class FundingDifference:
    """One payment recomputed; expected and booked in quote units, positive received.

    Hourly venues: at is the interval's end, position what was held then (signed base units). By index: at is the end
    of a holding (from flat to flat), position the largest held; price and rate are None. is_agreed: the difference is
    no more than prices seen around the moment, published digits and rounding can make.
    """

    venue: Venue
    account_id: str
    symbol: str
    at: datetime
    position: Decimal
    price: Decimal | None
    rate: Decimal | None
    expected: Decimal
    booked: Decimal
    is_agreed: bool

    @property
    def difference(self) -> Decimal:
        """The money at stake: booked less expected, quote units; negative to our loss."""
        return self.booked - self.expected


def check_intervals(
    fills: Sequence[Fill],
    points: Iterable[PastFunding],
    payments: Sequence[FundingPayment],
    prices: Mapping[datetime, PriceRange],
    account_id: str,
) -> list[FundingDifference]:
    """Recompute one account's payments at full intervals; prices: what was seen around each interval's end.

    An end at which nothing was held and nothing booked is left out, and so is one whose price nobody saw: what cannot
    be recomputed is not judged.
    """
    found = []
    for point in points:
        half = timedelta(seconds=point.interval_s) / 2
        booked = sum((p.payment for p in payments if abs(p.paid_at - point.at) < half), ZERO)
        # A fill so near to the full hour may count as before or after it.
        held = [_held(fills, at) for at in (point.at, point.at - NEAR, point.at + NEAR)]
        seen = _price_at(prices, point.at)
        if seen is None or (booked == 0 and not any(held)):
            continue
        ways = [-q * price * point.rate for q in held for price in (seen.low, seen.high)]
        slack = max(map(abs, ways)) * RELATIVE + ROUNDING + max(map(abs, held)) * seen.high * RATE_ROUNDING
        found.append(
            FundingDifference(
                point.venue, account_id, point.symbol, point.at, held[0], seen.middle, point.rate,
                -held[0] * seen.middle * point.rate, booked, min(ways) - slack <= booked <= max(ways) + slack,
            )
        )  # fmt: skip
    return found


def check_index(
    fills: Sequence[Fill], samples: Sequence[PastFunding], payments: Sequence[FundingPayment], account_id: str
) -> list[FundingDifference]:
    """Recompute one account's funding by the index's differences, for each holding from flat to flat.

    A holding of which an end lies where no samples are is left out, and so is one that has not ended.
    """
    known = sorted((s for s in samples if s.index is not None), key=lambda s: s.at)
    holdings = _holdings(fills)
    found = []
    for number, holding in enumerate(holdings):
        since = holding[0].venue_time + STAMPS
        until = holdings[number + 1][0].venue_time + STAMPS if number + 1 < len(holdings) else None
        paid = [p.payment for p in payments if since < p.paid_at and (until is None or p.paid_at <= until)]
        reckoned = _by_index(holding, known)
        if reckoned is not None:
            expected, slack = reckoned
            slack += abs(expected) * RELATIVE + ROUNDING * (len(paid) + 1)
            booked, last = sum(paid, ZERO), holding[-1]
            found.append(
                FundingDifference(
                    last.venue, account_id, last.symbol, last.venue_time, _largest(holding), None, None,
                    expected, booked, abs(booked - expected) <= slack,
                )
            )  # fmt: skip
    return found


def _price_at(prices: Mapping[datetime, PriceRange], at: datetime) -> PriceRange | None:
    return next((seen for moment, seen in prices.items() if abs(moment - at) <= NEAR), None)


def _held(fills: Iterable[Fill], at: datetime) -> Decimal:
    return sum((f.quantity * f.side.sign for f in fills if f.venue_time <= at), ZERO)


def _holdings(fills: Sequence[Fill]) -> list[list[Fill]]:
    """Split fills into runs that begin and end flat; the last run is left out while something is held."""
    runs: list[list[Fill]] = []
    run: list[Fill] = []
    net = ZERO
    for fill in sorted(fills, key=lambda f: f.venue_time):
        run.append(fill)
        net += fill.quantity * fill.side.sign
        if net == 0:
            runs.append(run)
            run = []
    return runs


def _largest(holding: Sequence[Fill]) -> Decimal:
    net = largest = ZERO
    for fill in holding:
        net += fill.quantity * fill.side.sign
        largest = max(largest, net, key=abs)
    return largest


def _by_index(holding: Sequence[Fill], samples: Sequence[PastFunding]) -> tuple[Decimal, Decimal] | None:
    """The funding of a holding, and what not knowing the index between two samples can make of it."""
    # Sum of -position x change of index over all spans = sum of each fill's signed quantity x index at it.
    expected = slack = ZERO
    for fill in holding:
        index = _index_at(samples, fill.venue_time)
        if index is None:
            return None
        value, step = index
        expected += fill.quantity * fill.side.sign * value
        slack += fill.quantity * step
    return expected, slack


def _index_at(samples: Sequence[PastFunding], at: datetime) -> tuple[Decimal, Decimal] | None:
    """The index at a moment by a straight line between two samples, and how much it moved between them."""
    place = bisect_left(samples, at, key=lambda s: s.at)
    if place < len(samples) and samples[place].at == at and samples[place].index is not None:
        return samples[place].index or ZERO, ZERO
    if place == 0 or place == len(samples):
        return None
    before, after = samples[place - 1], samples[place]
    if before.index is None or after.index is None or after.at - before.at > GAP_MAX:
        return None
    tick, step = timedelta(microseconds=1), after.index - before.index
    return before.index + step * ((at - before.at) // tick) / ((after.at - before.at) // tick), abs(step)
