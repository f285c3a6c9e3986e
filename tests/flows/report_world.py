"""Sessions to report on: facts made from a seed whose sums agree, and small changes that break one thing at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.numbers import ZERO
from flows.report.facts import FillFacts, OrderFacts, PairFacts, PaymentFacts, PositionFacts, Record, SessionFacts

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACES = (("pacifica", "a1"), ("paradex", "a2"), ("backpack", "a3"))
FEE = Decimal("0.00045")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def session(**changes: object) -> SessionFacts:
    """A completed session without any trade."""
    empty = SessionFacts(
        session_id="s1", name="evening run", symbol="ETH/USD", status="completed",
        status_reason="the volume target is reached", environment="sandbox", accounts=("a1", "a2", "a3"),
        strategy='{"symbol":"ETH/USD","timing":{"minInterval":0.1,"orderSize":{"min":"100"}}}',
        volume_target=Decimal(20_000), duration_s=None, volume_generated=ZERO, pnl=ZERO, fees=ZERO, funding=ZERO,
        slippage=ZERO, pairs_filled=0, pairs_unwound=0, max_net_exposure_usd=ZERO, naked_usd_seconds=ZERO, seed=7,
        attempt=1, flow_run_id="run-1", created_at=at(-5), started_at=START, ended_at=at(60),
    )  # fmt: skip
    return replace(empty, **changes)  # type: ignore[arg-type]


def fill(
    seconds: float = 1.0, side: str = "buy", quantity: str = "0.1", price: str = "2500", **changes: object
) -> FillFacts:
    """One execution on pacifica."""
    size, paid = Decimal(quantity), Decimal(price)
    one = FillFacts("pacifica", "a1", "p1", side, size, paid, size * paid * FEE, "taker", at(seconds))
    return replace(one, **changes)  # type: ignore[arg-type]


def traded(pairs: int, *, seed: int = 1, every_s: float = 0.8) -> Record:
    """A session of so many pairs, opened and closed in turn, flat at the end, with all its sums right."""
    rng = random.Random(seed)
    found: list[PairFacts] = []
    fills: list[FillFacts] = []
    mid = Decimal(2500)
    for number in range(1, pairs + 1):
        mid += Decimal(rng.randint(-40, 40)) / 100
        pair, legs = _pair(number, mid, rng, every_s, found[-1] if number % 2 == 0 else None)
        found.append(pair)
        fills += legs
    fills.sort(key=lambda f: f.venue_time)
    return _summed(found, fills, pairs * every_s + 1)


def _pair(
    number: int, mid: Decimal, rng: random.Random, every_s: float, opened: PairFacts | None
) -> tuple[PairFacts, list[FillFacts]]:
    buy, sell = rng.sample(PLACES, 2)
    size = Decimal(rng.randint(40, 200)) / 1000
    if opened is not None:
        by_venue = {place[0]: place for place in PLACES}
        buy, sell, size = by_venue[opened.sell_venue], by_venue[opened.buy_venue], opened.quantity
    begun = number * every_s
    skew = Decimal(rng.randint(40, 240))
    costs = [Decimal(rng.randint(5, 60)) / 100 for _ in range(2)]
    legs = [
        fill(begun + 0.1, "buy", str(size), str(mid + costs[0]), venue=buy[0], account_id=buy[1], pair_id=f"p{number}"),
        fill(
            begun + 0.1 + float(skew) / 1000, "sell", str(size), str(mid - costs[1]),
            venue=sell[0], account_id=sell[1], pair_id=f"p{number}",
        ),
    ]  # fmt: skip
    volume = size * legs[0].price
    pair = PairFacts(
        pair_id=f"p{number}", sequence=number, status="filled", buy_venue=buy[0], sell_venue=sell[0], quantity=size,
        volume=volume, price=mid, slippage=sum(costs) * size / volume, fees=legs[0].fee + legs[1].fee,
        leg_skew_ms=skew, naked_usd_seconds=volume * skew / 1000, buy_arrival_mid=mid, sell_arrival_mid=mid,
        created_at=at(begun), executed_at=legs[1].venue_time, completed_at=at(begun + 0.5),
    )  # fmt: skip
    return pair, legs


def _summed(pairs: list[PairFacts], fills: list[FillFacts], length_s: float) -> Record:
    payments = [
        PaymentFacts("paradex", "a2", Decimal("0.0125"), at(2)),
        PaymentFacts("pacifica", "a1", Decimal("-0.01"), at(3)),
    ]
    fees = sum((f.fee for f in fills), ZERO)
    funding = sum((p.payment for p in payments), ZERO)
    # An odd number of pairs leaves one open: its price PnL is cash alone here, the position rows below say so too.
    net = {place: sum((f.signed for f in fills if (f.venue, f.account_id) == place), ZERO) for place in PLACES}
    cash = -sum((f.signed * f.price for f in fills), ZERO)
    volume = sum((p.volume for p in pairs), ZERO)
    paid = sum((p.volume * (p.slippage or ZERO) for p in pairs), ZERO)
    row = session(
        volume_generated=volume, pnl=cash - fees + funding, fees=fees, funding=funding,
        slippage=paid / volume if volume else ZERO, pairs_filled=len(pairs),
        max_net_exposure_usd=max((p.volume for p in pairs), default=ZERO),
        naked_usd_seconds=sum((p.naked_usd_seconds for p in pairs), ZERO), ended_at=at(length_s),
    )  # fmt: skip
    positions = [PositionFacts(v, a, net[v, a], ZERO, ZERO if net[v, a] else None, at(length_s)) for v, a in PLACES]
    orders = [OrderFacts(f.venue, f.account_id, "filled") for f in fills]
    return Record(row, tuple(pairs), tuple(fills), tuple(payments), tuple(positions), (), tuple(orders))


def outcomes(record: Record, *statuses: str) -> Record:
    """The same session whose first pairs ended otherwise."""
    changed = [replace(p, status=s) for p, s in zip(record.pairs, statuses, strict=False)]
    return replace(record, pairs=(*changed, *record.pairs[len(changed) :]))


__all__ = ["PLACES", "START", "at", "fill", "outcomes", "session", "traded"]
