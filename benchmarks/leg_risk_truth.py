"""How naked somebody's legs stood, from the twins' own truth and a list of what was wanted. Measures, runs nothing.

The integral itself is the product's own (core.pnl); here a twin's executions are turned into its fills, and every order
into the intent it served. What the trader itself believes about its orders does not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.instrument import Venue
from core.numbers import ZERO
from core.order import Fill, Liquidity, Side
from core.pnl import naked_usd_seconds, net_points

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DUST_USD = Decimal(1)  # less than this counts as hedged when stretches and what is left are looked at
TWICE = Decimal("1.5")  # an intent executed at so many times its quantity was executed twice

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """One leg that was wanted: quantity in base units, and the client order ids, on the wire, of all that served it."""

    pair: int
    venue: str
    side: Side
    quantity: Decimal
    client_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of a run.

    naked_usd_seconds: integral of |net notional| (USD) over seconds, up to the time of the state. duplicates: intents
    that were executed twice. residual_usd: |net notional| that is left. stretch_s: the longest time from uneven to even
    legs; None when they were never even again. turnover_usd: notional of all executions, repairs included.
    even_pairs: pairs whose legs are filled equally. unexplained: executions that no intent asked for.
    span_s: seconds from the first execution to the last.
    """

    naked_usd_seconds: Decimal
    duplicates: int
    residual_usd: Decimal
    stretch_s: Decimal | None
    turnover_usd: Decimal
    even_pairs: int
    unexplained: int
    span_s: Decimal


def intents_of(lines: Iterable[Mapping[str, Any]]) -> list[Intent]:
    """Gather a trader's lines, one for each order it was about to send, into what it wanted."""
    ids: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    wanted: dict[tuple[int, str, str], Decimal] = {}
    for line in lines:
        key = (int(line["pair"]), str(line["venue"]), str(line["side"]))
        ids[key].add(str(line["id"]))
        wanted[key] = Decimal(str(line["quantity"]))
    return [Intent(p, v, Side(s), wanted[p, v, s], frozenset(ids[p, v, s])) for p, v, s in ids]


def measure(state: State, intents: Sequence[Intent], symbol: str) -> Figures:
    """Work out a run's figures from `GET /control/state`; raises ValueError when fills and positions disagree."""
    fills, now = fills_of(state, symbol), _at(state["now_us"])
    _require_positions(state, fills, symbol)
    turnover = sum((f.quantity * f.price for f in fills), ZERO)
    price = turnover / sum((f.quantity for f in fills), ZERO) if fills else ZERO
    points = net_points(fills, price)
    known = {key for intent in intents for key in intent.client_ids}
    return Figures(
        naked_usd_seconds=naked_usd_seconds(points, until=now),
        duplicates=sum(_executed(i, fills, i.side) >= i.quantity * TWICE for i in intents if i.pair),
        residual_usd=abs(points[-1][1]) if points else ZERO,
        stretch_s=longest_stretch(points),
        turnover_usd=turnover,
        even_pairs=_even_pairs(intents, fills),
        unexplained=sum(f.client_order_id not in known for f in fills),
        span_s=_seconds(points[-1][0] - points[0][0]) if points else ZERO,
    )


def fills_of(state: State, symbol: str) -> list[Fill]:
    """All executions of clients in one market, of all venues, busts and forced ones as what they did to positions."""
    return [
        _fill(Venue(venue), account, row)
        for venue, truth in state["venues"].items()
        for account, books in truth["accounts"].items()
        for row in books["fills"]
        if row["instrument"] == symbol
    ]


def longest_stretch(points: Sequence[tuple[datetime, Decimal]]) -> Decimal | None:
    """Return the longest time in seconds from uneven to even; None when the last one has no end."""
    longest, since = ZERO, None
    for at, net in points:
        if abs(net) > DUST_USD:
            since = since or at
        elif since is not None:
            longest, since = max(longest, _seconds(at - since)), None
    return longest if since is None else None


def _executed(intent: Intent, fills: Iterable[Fill], side: Side) -> Decimal:
    own = (f for f in fills if f.client_order_id in intent.client_ids and f.venue == intent.venue)
    return sum((f.quantity for f in own if f.side is side), ZERO)


def _even_pairs(intents: Sequence[Intent], fills: Sequence[Fill]) -> int:
    """Count the pairs whose two legs hold, take-backs subtracted, the same and not nothing."""
    held: dict[int, list[Decimal]] = defaultdict(list)
    for intent in intents:
        ahead, back = (_executed(intent, fills, side) for side in (intent.side, intent.side.opposite))
        held[intent.pair].append(ahead - back)
    return sum(len(legs) == 2 and legs[0] == legs[1] > 0 for pair, legs in held.items() if pair)


def _require_positions(state: State, fills: Sequence[Fill], symbol: str) -> None:
    for venue, truth in state["venues"].items():
        for account, books in truth["accounts"].items():
            name = f"{venue}/{account}"
            net = sum((f.quantity * f.side.sign for f in fills if f.account_id == name), ZERO)
            held = Decimal(books["positions"].get(symbol, {}).get("quantity", "0"))
            if net != held:
                raise ValueError(f"{venue}: the fills add up to {net} {symbol}, the position is {held}")


def _fill(venue: Venue, account: str, row: Mapping[str, Any]) -> Fill:
    at, key = _at(row["time_us"]), row["client_id"]
    return Fill(
        venue=venue, account_id=f"{venue}/{account}", symbol=row["instrument"], trade_id=str(row["id"]),
        client_order_id=None if key is None else str(key), venue_order_id=str(row["order_id"]),
        side=Side(row["side"].lower()), quantity=Decimal(row["quantity"]), price=Decimal(row["price"]),
        fee=Decimal(row["fee"]), liquidity=Liquidity(row["liquidity"].lower()), venue_time=at, received_time=at,
    )  # fmt: skip


def _at(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _seconds(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1)) / 1_000_000
