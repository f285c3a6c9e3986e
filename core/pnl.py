"""What was made and what it cost: by leg, pair, account and session, from fills and booked payments. Values nothing
that has no price: an open position needs a mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.market import FundingPayment
from core.numbers import ZERO
from core.order import Fill, Side
from core.plan import LegPlan, PairPlan


@dataclass(frozen=True, slots=True)
class Cost:
    """An average-cost position: signed quantity (base), what it cost (quote, negative for a short), realised PnL."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal | None:
        """Average entry price in quote units per base unit; None when flat."""
        return self.cost / self.quantity if self.quantity else None

    def unrealized(self, mark: Decimal) -> Decimal:
        """PnL of what is still open at a mark price, quote units."""
        return self.quantity * mark - self.cost

    def after(self, fill: Fill) -> Cost:
        """Return the position after a fill; what reduces realises against average cost, what turns opens anew."""
        change = fill.quantity * fill.side.sign
        if self.quantity * change >= 0:
            return replace(self, quantity=self.quantity + change, cost=self.cost + change * fill.price)
        closed = min(abs(self.quantity), fill.quantity)
        released = self.cost if closed == abs(self.quantity) else self.cost * closed / abs(self.quantity)
        left = replace(
            self,
            quantity=self.quantity + closed * fill.side.sign,
            cost=self.cost - released,
            realized=self.realized - closed * fill.side.sign * fill.price - released,
        )
        rest = fill.quantity - closed
        return left.after(replace(fill, quantity=rest)) if rest else left


@dataclass(frozen=True, slots=True)
class Pnl:
    """A result in quote units. Price PnL is realised and unrealised; fees are positive when paid, funding when
    received; volume is the notional traded by all legs.
    """

    realized: Decimal = ZERO
    unrealized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    volume: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """What is left: price PnL minus fees plus funding."""
        return self.realized + self.unrealized - self.fees + self.funding

    def __add__(self, other: Pnl) -> Pnl:
        return Pnl(
            self.realized + other.realized,
            self.unrealized + other.unrealized,
            self.fees + other.fees,
            self.funding + other.funding,
            self.volume + other.volume,
        )


def account_pnl(fills: Iterable[Fill], payments: Iterable[FundingPayment], mark: Decimal | None) -> Pnl:
    """Return one account's result in one market; fills in order of execution.

    Raises ValueError when a position is open and there is no mark: what cannot be valued is not zero.
    """
    cost, fees, volume = Cost(), ZERO, ZERO
    for fill in fills:
        cost, fees, volume = cost.after(fill), fees + fill.fee, volume + fill.quantity * fill.price
    if cost.quantity != 0 and mark is None:
        raise ValueError("an open position cannot be valued without a mark price")
    unrealized = ZERO if mark is None else cost.unrealized(mark)
    return Pnl(cost.realized, unrealized, fees, sum((p.payment for p in payments), ZERO), volume)


def session_pnl(
    fills: Sequence[Fill], payments: Sequence[FundingPayment], marks: Mapping[str, Decimal]
) -> dict[str, Pnl]:
    """Return each account's result by account id, over every account that has a fill or a payment.

    marks by account id; an account with an open position and no mark raises ValueError. Sum with `total`.
    """
    accounts = dict.fromkeys([*(f.account_id for f in fills), *(p.account_id for p in payments)])
    return {
        account_id: account_pnl(
            sorted((f for f in fills if f.account_id == account_id), key=lambda f: f.venue_time),
            [p for p in payments if p.account_id == account_id],
            marks.get(account_id),
        )
        for account_id in accounts
    }


def total(results: Iterable[Pnl]) -> Pnl:
    """Add results up."""
    return sum(results, Pnl())


@dataclass(frozen=True, slots=True)
class LegResult:
    """One leg of a pair after its fills.

    filled: base units in the leg's direction that remained (a take-back is subtracted). average_price: of the fills in
    the leg's direction, None without one. slippage_paid: quote units paid against the leg's arrival mid by every fill,
    take-backs included; positive is a cost. fees in quote units as the venue charged them.
    """

    filled: Decimal
    average_price: Decimal | None
    slippage_paid: Decimal
    fees: Decimal
    first_fill_at: datetime | None
    last_fill_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hedged:
    """What two legs make together; the figures are those of PairResult."""

    quantity: Decimal
    volume: Decimal
    price: Decimal | None
    slippage_paid: Decimal
    slippage: Decimal | None
    fees: Decimal


def hedged(buy: LegResult, sell: LegResult) -> Hedged:
    """Put two legs together: what the smaller one filled is hedged, and counts once."""
    smaller = min((buy, sell), key=lambda leg: leg.filled)
    quantity = max(ZERO, smaller.filled)
    volume = ZERO if smaller.average_price is None else quantity * smaller.average_price
    averages = [leg.average_price for leg in (buy, sell) if leg.average_price is not None]
    paid = buy.slippage_paid + sell.slippage_paid
    return Hedged(
        quantity, volume, sum(averages, ZERO) / 2 if len(averages) == 2 else None, paid,
        paid / volume if volume else None, buy.fees + sell.fees,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairResult:
    """A pair after its fills.

    quantity: the hedged one, the smaller filled leg (base). volume: that quantity times that leg's average price
    (quote); a pair counts once. price: mean of both average prices. slippage: slippage_paid of both legs as a fraction
    of volume, None without volume. leg_skew_ms: between the legs' first fills. max_net_exposure_usd: largest unhedged
    notional on the way.
    """

    buy: LegResult
    sell: LegResult
    quantity: Decimal
    volume: Decimal
    price: Decimal | None
    slippage_paid: Decimal
    slippage: Decimal | None
    fees: Decimal
    leg_skew_ms: Decimal | None
    naked_usd_seconds: Decimal
    max_net_exposure_usd: Decimal
    executed_at: datetime | None


def pair_result(plan: PairPlan, fills: Sequence[Fill], *, completed_at: datetime) -> PairResult:
    """Work out a pair's figures from all its fills, those of repairs and take-backs included.

    Fills of other accounts are ignored. completed_at ends the time that a lone rest counts as naked.
    """
    buy = leg_result(plan.buy, plan.buy_mid, fills)
    sell = leg_result(plan.sell, plan.sell_mid, fills)
    both = hedged(buy, sell)
    points = exposure_points(plan, fills)
    return PairResult(
        buy=buy,
        sell=sell,
        quantity=both.quantity,
        volume=both.volume,
        price=both.price,
        slippage_paid=both.slippage_paid,
        slippage=both.slippage,
        fees=both.fees,
        leg_skew_ms=_skew_ms(buy.first_fill_at, sell.first_fill_at),
        naked_usd_seconds=naked_usd_seconds(points, until=completed_at),
        max_net_exposure_usd=max((abs(net) for _, net in points), default=ZERO),
        executed_at=max((at for leg in (buy, sell) if (at := leg.last_fill_at) is not None), default=None),
    )


def leg_result(leg: LegPlan, arrival_mid: Decimal, fills: Iterable[Fill]) -> LegResult:
    """Work out one leg's figures from its account's fills."""
    return side_result(leg.account.account_id, leg.side, arrival_mid, fills)


def side_result(account_id: str, side: Side, arrival_mid: Decimal, fills: Iterable[Fill]) -> LegResult:
    """Work out the figures of one leg, known by its account and its side, from its account's fills."""
    own = [f for f in fills if f.account_id == account_id]
    ahead = [f for f in own if f.side is side]
    taken = sum((f.quantity for f in ahead), ZERO)
    returned = sum((f.quantity for f in own if f.side is not side), ZERO)
    notional = sum((f.quantity * f.price for f in ahead), ZERO)
    times = [f.venue_time for f in own]
    return LegResult(
        filled=taken - returned,
        average_price=notional / taken if taken else None,
        slippage_paid=sum(((f.price - arrival_mid) * f.side.sign * f.quantity for f in own), ZERO),
        fees=sum((f.fee for f in own), ZERO),
        first_fill_at=min(times, default=None),
        last_fill_at=max(times, default=None),
    )


def exposure_points(plan: PairPlan, fills: Iterable[Fill]) -> list[tuple[datetime, Decimal]]:
    """Return the pair's net notional (quote, long positive) after each moment with fills, in order of venue time.

    It is valued at the mean of both arrival mids.
    """
    accounts = {leg.account.account_id for leg in plan.legs}
    return net_points((f for f in fills if f.account_id in accounts), (plan.buy_mid + plan.sell_mid) / 2)


def net_points(fills: Iterable[Fill], price: Decimal) -> list[tuple[datetime, Decimal]]:
    """Return the net notional (quote, long positive) of all fills after each moment with some, in order of venue time.

    The net is reckoned in base units, so that even legs are exactly zero, and valued at one price (quote per base).
    """
    net, points = ZERO, dict[datetime, Decimal]()
    for fill in sorted(fills, key=lambda f: f.venue_time):
        net += fill.quantity * fill.side.sign
        points[fill.venue_time] = net * price
    return list(points.items())


def naked_usd_seconds(points: Sequence[tuple[datetime, Decimal]], *, until: datetime) -> Decimal:
    """Integrate absolute net notional (quote) over time in seconds.

    points: (time, net notional from then on), in order of time; the last one holds until `until`. A point after
    `until` (a venue's clock ahead of ours) adds nothing.
    """
    spent = ZERO
    ends = [at for at, _ in points[1:]] + [until]
    for (start, net), end in zip(points, ends, strict=True) if points else ():
        spent += abs(net) * max(ZERO, _seconds(end - start))
    return spent


def _skew_ms(first: datetime | None, second: datetime | None) -> Decimal | None:
    if first is None or second is None:
        return None
    return abs(_seconds(first - second)) * 1000


def _seconds(span: timedelta) -> Decimal:
    microseconds = span // timedelta(microseconds=1)
    return Decimal(microseconds) / 1_000_000
