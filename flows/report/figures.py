"""What a report says in numbers: results by account, series over time, distributions. Draws nothing.

Nothing unknown is turned into a number: a result that needs a mark price nobody recorded is None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.numbers import ZERO
from flows.report.facts import PairFacts, PositionFacts, Record
from flows.report.scale import quantile

BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class AccountResult:
    """One account's part. traded is the notional of all its fills; price_pnl and net None: not known (see findings).

    net_quantity is what the fills leave, signed base units; fees positive when paid, funding when received.
    """

    venue: str
    account_id: str
    orders: int
    fills: int
    maker_fills: int
    traded: Decimal
    net_quantity: Decimal
    price_pnl: Decimal | None
    fees: Decimal
    funding: Decimal

    @property
    def net(self) -> Decimal | None:
        """Price PnL minus fees plus funding."""
        return None if self.price_pnl is None else self.price_pnl - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class Split:
    """The session's net result taken apart, from its own row: price_pnl - fees + funding = net."""

    price_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values in ascending order and their quantiles; all None when there are no values."""

    values: tuple[Decimal, ...]
    p50: Decimal | None
    p95: Decimal | None


def split(record: Record) -> Split:
    """Take the session's net PnL apart."""
    s = record.session
    return Split(s.pnl + s.fees - s.funding, s.fees, s.funding, s.pnl)


def distribution(values: Iterable[Decimal | None]) -> Distribution:
    """Sort what is known and take the median and the 95th percentile."""
    ordered = tuple(sorted(value for value in values if value is not None))
    if not ordered:
        return Distribution((), None, None)
    return Distribution(ordered, quantile(ordered, Decimal("0.5")), quantile(ordered, Decimal("0.95")))


def slippage_bps(record: Record) -> Distribution:
    """Slippage of each pair that has one, in basis points of its volume, positive when a cost."""
    return distribution(None if p.slippage is None else p.slippage * BPS for p in record.pairs)


def leg_skew_ms(record: Record) -> Distribution:
    """Milliseconds between the first fills of both legs, by pair."""
    return distribution(p.leg_skew_ms for p in record.pairs)


def extent(record: Record) -> tuple[datetime, datetime]:
    """Return the first and last moment of the session, never the same: what the time axes show."""
    s = record.session
    times = [s.started_at or s.created_at, *(f.venue_time for f in record.fills), *map(pair_time, record.pairs)]
    if s.ended_at is not None:
        times.append(s.ended_at)
    start, end = min(times), max(times)
    return (start, end) if end > start else (start - timedelta(seconds=1), end + timedelta(seconds=1))


def pair_time(pair: PairFacts) -> datetime:
    """When a pair counts: its last fill, else its end, else its plan."""
    return pair.executed_at or pair.completed_at or pair.created_at


def volume_points(record: Record) -> list[tuple[datetime, Decimal]]:
    """Return (time, hedged volume so far in quote units) after each pair that made some; a pair counts once."""
    done, points = ZERO, []
    for pair in sorted(record.pairs, key=pair_time):
        if pair.volume:
            done += pair.volume
            points.append((pair_time(pair), done))
    return points


def delta_points(record: Record) -> list[tuple[datetime, Decimal]]:
    """Return (venue time, net delta from then on in quote units): signed base units over all accounts x fill price."""
    net, points = ZERO, []
    for fill in record.fills:
        net += fill.signed
        points.append((fill.venue_time, net * fill.price))
    return points


def mid_points(record: Record, venue: str) -> list[tuple[datetime, Decimal]]:
    """Return (time, the venue's own mid) at each pair planned there."""
    points = []
    for pair in record.pairs:
        mid = pair.buy_arrival_mid if pair.buy_venue == venue else None
        mid = pair.sell_arrival_mid if pair.sell_venue == venue else mid
        if mid is not None:
            points.append((pair.created_at, mid))
    return points


def venues(record: Record) -> list[str]:
    """Name the venues of the session in order of the alphabet."""
    named = {venue for p in record.pairs for venue in (p.buy_venue, p.sell_venue)}
    return sorted(named | {a.venue for a in account_results(record)})


def closing_positions(record: Record) -> dict[tuple[str, str], PositionFacts]:
    """Return the last position stated for each (venue, account)."""
    return {(p.venue, p.account_id): p for p in record.positions}


def account_results(record: Record) -> list[AccountResult]:
    """Return each account's part, by venue and account, over all accounts that have any row."""
    places = {(f.venue, f.account_id) for f in record.fills}
    places |= {(p.venue, p.account_id) for p in record.payments}
    places |= {(p.venue, p.account_id) for p in record.positions}
    places |= {(o.venue, o.account_id) for o in record.orders}
    last = closing_positions(record)
    return [_account_result(record, place, last.get(place)) for place in sorted(places)]


def _account_result(record: Record, place: tuple[str, str], last: PositionFacts | None) -> AccountResult:
    fills = [f for f in record.fills if (f.venue, f.account_id) == place]
    net = sum((f.signed for f in fills), ZERO)
    cash = -sum((f.signed * f.price for f in fills), ZERO)
    return AccountResult(
        venue=place[0],
        account_id=place[1],
        orders=sum((o.venue, o.account_id) == place for o in record.orders),
        fills=len(fills),
        maker_fills=sum(f.liquidity == "maker" for f in fills),
        traded=sum((f.quantity * f.price for f in fills), ZERO),
        net_quantity=net,
        price_pnl=_price_pnl(cash, net, last),
        fees=sum((f.fee for f in fills), ZERO),
        funding=sum((p.payment for p in record.payments if (p.venue, p.account_id) == place), ZERO),
    )


def _price_pnl(cash: Decimal, net: Decimal, last: PositionFacts | None) -> Decimal | None:
    """Cash from fills when flat, plus the venue's own value of what is open; None when nobody stated that value."""
    if net == 0:
        return cash
    if last is None or last.quantity != net or last.unrealized_pnl is None:
        return None
    return cash + net * last.entry_price + last.unrealized_pnl
