"""Seeded market makers and background flow: they make the twins' books live.

Duty: quote a ladder around each venue's mark and now and then take. Two separate internal accounts for each
venue, so that no order ever meets another of its own account. Must not see clients' orders.
"""

from __future__ import annotations

import random
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sandbox.exchange import Exchange
from sandbox.model import MarketSpec, OrderKind, OrderRequest, Refusal, RefusalReason, Side, TimeInForce

MAKER_ACCOUNT = "market-maker"
FLOW_ACCOUNT = "background-flow"
ONE = Decimal(1)
HALF_SPREAD_BPS: dict[str, float] = {"pacifica": 0.9, "paradex": 0.6, "backpack": 1.1}
LEVEL_GAP_BPS = 0.8
LEVEL_NOTIONALS = (1_200, 3_000, 6_000, 10_000, 15_000, 20_000, 25_000, 30_000)  # quote, before noise
RESIZE_CHANCE = 0.08  # of a level getting a new size at a requote
TAKES_PER_SECOND = 0.35
TAKE_NOTIONAL_MAX = 900.0


class MarketMaker:
    """Quotes and background takers of one market of one venue."""

    def __init__(self, exchange: Exchange, instrument: str, seed: int) -> None:
        self._exchange = exchange
        self._instrument = instrument
        self._spec: MarketSpec = exchange.markets[instrument]
        self._random = random.Random(f"{seed}/maker/{exchange.name}/{instrument}")
        self._half_spread_bps = HALF_SPREAD_BPS[exchange.name]
        self._skew_bps = 0.0
        self._notionals: dict[Side, list[Decimal]] = {
            side: [self._notional(level) for level in LEVEL_NOTIONALS] for side in Side
        }
        away = [self._half_spread_bps + LEVEL_GAP_BPS * n * (1 + 0.15 * n) for n in range(len(LEVEL_NOTIONALS))]
        self._away = [Decimal(f"{bps:.4f}") / 10_000 for bps in away]  # of the centre, for each level

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self._exchange.name

    def requote(self, depth_share: Decimal = ONE) -> None:
        """Move both ladders to the present mark, with `depth_share` of the usual sizes."""
        self._skew_bps = 0.9 * self._skew_bps + self._random.gauss(0.0, 0.08)
        for sizes in self._notionals.values():
            for level, base in enumerate(LEVEL_NOTIONALS):
                if self._random.random() < RESIZE_CHANCE:
                    sizes[level] = self._notional(base)
        mark = self._exchange.mark(self._instrument)
        centre = mark * (1 + Decimal(f"{self._skew_bps:.4f}") / 10_000)
        self._exchange.quote(
            MAKER_ACCOUNT,
            self._instrument,
            self._ladder(Side.BUY, centre, depth_share),
            self._ladder(Side.SELL, centre, depth_share),
        )

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
            quantity=max(lots, Decimal(1)) * self._spec.lot,
            tif=TimeInForce.IOC,
        )
        try:
            self._exchange.submit(request)
        except Refusal as refusal:
            if refusal.reason not in (RefusalReason.MIN_NOTIONAL, RefusalReason.VENUE_MODE):
                raise

    def _ladder(self, side: Side, centre: Decimal, depth_share: Decimal) -> dict[Decimal, Decimal]:
        spec, sign, ladder = self._spec, side.sign, {}
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        last: Decimal | None = None
        for level, notional in enumerate(self._notionals[side]):
            price = centre * (1 - sign * self._away[level])
            price = (price / spec.tick).to_integral_value(rounding) * spec.tick
            if last is not None and (price - last) * sign >= 0:
                price = last - sign * spec.tick
            if price <= 0:
                break
            last = price
            lots = (notional * depth_share / price / spec.lot).to_integral_value()
            ladder[price] = max(lots, Decimal(1)) * spec.lot
        return ladder

    def _notional(self, base: float) -> Decimal:
        return Decimal(f"{base * self._random.uniform(0.15, 1.6):.2f}")
