"""Seeded market makers and background flow: they make the twins' books live.

Duty: quote a ladder around each venue's mark and now and then take. Two separate internal accounts for each
venue, so that no order ever meets another of its own account. Must not see clients' orders.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sandbox.exchange import Exchange
from sandbox.model import MarketSpec, OrderKind, OrderRequest, Refusal, RefusalReason, Side, TimeInForce
from sandbox.quotes import Promise, Rung

MAKER_ACCOUNT = "market-maker"
FLOW_ACCOUNT = "background-flow"
ONE = Decimal(1)
HALF_SPREAD_BPS: dict[str, float] = {"pacifica": 0.9, "paradex": 0.6, "backpack": 1.1}
LEVEL_GAP_BPS = 0.8
LEVEL_NOTIONALS = (1_200, 3_000, 6_000, 10_000, 15_000, 20_000, 25_000, 30_000)  # quote, before noise
LEVELS = len(LEVEL_NOTIONALS)
RESIZE_CHANCE = 0.08  # of a level getting a new size at a requote
TAKES_PER_SECOND = 0.35
TAKE_NOTIONAL_MAX = 900.0


class MarketMaker:
    """Quotes and background takers of one market of one venue.

    Each requote draws the same numbers whether or not anybody looks; the ladders are worked out only for a look, a
    take, or an order, trigger or listener that could notice them.
    """

    def __init__(self, exchange: Exchange, instrument: str, seed: int) -> None:
        self._exchange = exchange
        self._instrument = instrument
        self._spec: MarketSpec = exchange.markets[instrument]
        self._random = random.Random(f"{seed}/maker/{exchange.name}/{instrument}")
        self._half_spread_bps = HALF_SPREAD_BPS[exchange.name]
        self._skew_bps = 0.0
        self._sizes = [self._size(n) for n in range(2 * LEVELS)]
        self._next_resize = self._gap()
        # What the ladders of the last requote are made of, beside skew and sizes.
        self._mark, self._depth_share, self._first_id = exchange.mark(instrument), ONE, 0
        self._promise = Promise(MAKER_ACCOUNT, instrument, self._ladder)
        away = [self._half_spread_bps + LEVEL_GAP_BPS * n * (1 + 0.15 * n) for n in range(LEVELS)]
        self._away = [Decimal(f"{bps:.4f}") / 10_000 for bps in away]  # of the centre, for each level

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self._exchange.name

    def requote(self, depth_share: Decimal = ONE) -> None:
        """Move both ladders to the present mark, with `depth_share` of the usual sizes."""
        self._skew_bps = 0.9 * self._skew_bps + self._random.gauss(0.0, 0.08)
        self._resize()
        exchange = self._exchange
        self._mark, self._depth_share = exchange.mark(self._instrument), depth_share
        self._first_id = exchange.reserve(2 * LEVELS)
        exchange.promise(self._promise)
        if exchange.is_seen(MAKER_ACCOUNT, self._instrument, self._reach):
            exchange.look(self._instrument)

    def maybe_take(self, elapsed_s: float) -> None:
        """Send a small marketable order with the chance that belongs to `elapsed_s` seconds."""
        if self._random.random() >= 1 - (1 - TAKES_PER_SECOND) ** min(elapsed_s, 5.0):
            return
        side = self._random.choice((Side.BUY, Side.SELL))
        notional = Decimal(f"{self._random.uniform(20.0, TAKE_NOTIONAL_MAX):.2f}")
        mark = self._exchange.mark(self._instrument)
        lots = (max(notional, self._spec.min_notional * 2) / mark / self._spec.lot).to_integral_value()
        request = OrderRequest(
            account=FLOW_ACCOUNT,
            instrument=self._instrument,
            side=side,
            kind=OrderKind.MARKET,
            quantity=max(lots, ONE) * self._spec.lot,
            tif=TimeInForce.IOC,
        )
        try:
            self._exchange.take(request)
        except Refusal as refusal:
            if refusal.reason not in (RefusalReason.MIN_NOTIONAL, RefusalReason.VENUE_MODE):
                raise

    def _centre(self) -> Decimal:
        return self._mark * (1 + Decimal(f"{self._skew_bps:.4f}") / 10_000)

    def _reach(self) -> tuple[Decimal, Decimal]:
        """Prices between which both ladders surely are: levels that meet on a coarse tick step aside by one each."""
        centre, aside = self._centre(), (LEVELS + 1) * self._spec.tick
        return centre * (1 - self._away[-1]) - aside, centre * (1 + self._away[-1]) + aside

    def _ladder(self, side: Side) -> Iterator[Rung]:
        spec, sign, centre = self._spec, side.sign, self._centre()
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        first = 0 if side is Side.BUY else LEVELS
        last: Decimal | None = None
        for level in range(LEVELS):
            price = centre * (1 - sign * self._away[level])
            price = (price / spec.tick).to_integral_value(rounding) * spec.tick
            if last is not None and (price - last) * sign >= 0:
                price = last - sign * spec.tick
            if price <= 0:
                return
            last = price
            notional = Decimal(f"{self._sizes[first + level]:.2f}")
            lots = (notional * self._depth_share / price / spec.lot).to_integral_value()
            yield Rung(price, max(lots, ONE) * spec.lot, self._first_id + first + level)

    def _resize(self) -> None:
        """Give each level a new size with RESIZE_CHANCE; how many keep theirs in between is drawn instead of each."""
        while self._next_resize < 2 * LEVELS:
            self._sizes[self._next_resize] = self._size(self._next_resize)
            self._next_resize += 1 + self._gap()
        self._next_resize -= 2 * LEVELS

    def _gap(self) -> int:
        return int(math.log(1.0 - self._random.random()) / math.log(1 - RESIZE_CHANCE))

    def _size(self, number: int) -> float:
        return LEVEL_NOTIONALS[number % LEVELS] * self._random.uniform(0.15, 1.6)
