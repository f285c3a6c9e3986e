"""One shared clock, price path, fault desk and three exchanges: the world the twins live in.

Duty: let time pass. Timers run in order of their due time at that time, so the same seed and the same
commands at the same times give the same events. Makers draw the same numbers at each tick whether or not anybody
looks, and their quotes are worked out only for somebody (sandbox/quotes.py). Must not do I/O or know a wire.

For a dialect (`create_app(world, exchange) -> Starlette` in sandbox/dialects/<venue>.py):
* `world.sync()` first in every request and WebSocket frame: runs what became due.
* `world.now_us()` is venue time: order, fill and funding times. It can be sped up or advanced.
* `world.wall_us()` is the unscaled time that clients also have: signature windows, JWT expiry, server-time
  endpoints. A fault script may shift it for one venue: pass the venue's name.
* `world.call_later(delay_us, fn)` for speed bumps; `await world.sleep(delay_us)` inside handlers.
* `world.quirks`: what the documents leave open, see sandbox/quirks.py; read at each request.
* `world.faults`: see sandbox/faults.py (`HttpFaults` middleware and `faults.frame(...)` for WebSockets).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from sandbox.clock import Clock
from sandbox.exchange import Exchange
from sandbox.faults import FaultDesk, FaultKind
from sandbox.funding import next_hour_us
from sandbox.market_makers import FLOW_ACCOUNT, MAKER_ACCOUNT, MarketMaker
from sandbox.markets import INSTRUMENTS, MARKETS, RULES, VENUES
from sandbox.price_path import PATHS, TURNOVER_24H, ReferencePath, VenueBasis
from sandbox.quirks import QuirkBoard, rules_under

TICK_US = 250_000
SECOND_US = 1_000_000
COALESCE_AFTER = 20  # a periodic job this many periods behind skips what it missed


class World:
    """Clock, timers, prices, faults and the exchanges by venue name.

    `with_makers=False` leaves books empty and prices still, for tests of the engine and of dialects.
    """

    def __init__(self, *, seed: int, clock: Clock, with_makers: bool = True) -> None:
        self.seed = seed
        self.clock = clock
        self.woken = asyncio.Event()  # set when a timer was added; the driver waits on it
        self._now_us = clock.now_us()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._wall_shift_us: dict[str, int] = {}
        self.quotas: dict[str, int] = {}  # requests (credits) per minute that replace a venue's own limit
        self.faults = FaultDesk(seed, self.now_us)
        prices = {instrument: PATHS[instrument].start for instrument in INSTRUMENTS}
        self.exchanges = {
            venue: Exchange(RULES[venue], MARKETS[venue], prices, TURNOVER_24H, self.now_us) for venue in VENUES
        }
        self.paths = {i: ReferencePath(i, PATHS[i], seed) for i in INSTRUMENTS}
        self.quirks = QuirkBoard(self._follow_quirks)
        self._bases = {(v, i): VenueBasis(v, i, seed) for v in VENUES for i in INSTRUMENTS}
        self._makers: list[MarketMaker] = []
        self._ticked_us = self._now_us
        self._at_full_hours()
        for exchange in self.exchanges.values():
            self.every(exchange.rules.liquidation_period_s * SECOND_US, partial(_liquidate, exchange))
        if with_makers:
            self._open_makers()
            self.every(TICK_US, self._tick)

    # --- time -----------------------------------------------------------------------------------
    def now_us(self) -> int:
        """Venue time in microseconds; constant between two calls of `sync` or `advance_to`."""
        return self._now_us

    def wall_us(self, venue: str | None = None) -> int:
        """Unscaled time in microseconds, as `venue`'s own clock shows it."""
        return self.clock.wall_us() + (self._wall_shift_us.get(venue, 0) if venue else 0)

    def shift_wall(self, venue: str, shift_us: int) -> None:
        """Let one venue's clock go wrong by `shift_us` (signature windows notice)."""
        self._wall_shift_us[venue] = shift_us

    def sync(self) -> None:
        """Run everything that became due."""
        self.advance_to(self.clock.now_us())

    def advance(self, delta_us: int) -> None:
        """Move the clock forward and run everything that became due."""
        self.clock.advance(delta_us)
        self.sync()

    def advance_to(self, target_us: int) -> None:
        """Let venue time reach `target_us`, timers first."""
        while self._timers and self._timers[0][0] <= target_us:
            due_us, _, run = heapq.heappop(self._timers)
            self._now_us = max(self._now_us, due_us)
            run()
        self._now_us = max(self._now_us, target_us)

    def next_due_us(self) -> int | None:
        """When the next timer is due."""
        return self._timers[0][0] if self._timers else None

    def call_later(self, delay_us: int, run: Callable[[], None]) -> None:
        """Run `run` once, `delay_us` of venue time from now."""
        self._timer_count += 1
        heapq.heappush(self._timers, (self._now_us + delay_us, self._timer_count, run))
        self.woken.set()

    def every(self, period_us: int, job: Callable[[], None]) -> None:
        """Run `job` each `period_us` of wall time; far behind, it runs once and skips the rest."""

        def run() -> None:
            job()
            behind = self.clock.now_us() - self._now_us
            period = int(period_us * max(1.0, self.clock.speed))
            self.call_later(behind if behind > COALESCE_AFTER * period else period, run)

        self.call_later(period_us, run)

    async def sleep(self, delay_us: int) -> None:
        """Wait `delay_us` of venue time; on a virtual clock, advance it instead."""
        if self.clock.is_virtual:
            self.advance(delay_us)
            await asyncio.sleep(0)
            return
        done = asyncio.Event()
        self.call_later(delay_us, done.set)
        await done.wait()

    # --- prices ---------------------------------------------------------------------------------
    def set_reference(self, instrument: str, price: Decimal) -> None:
        """Put an instrument's reference price somewhere else; all venues follow at once."""
        self.paths[instrument].price = price
        self._publish(instrument)

    def reference(self, instrument: str) -> Decimal:
        """Reference (index) price."""
        return self.paths[instrument].price

    def _open_makers(self) -> None:
        for exchange in self.exchanges.values():
            exchange.open_internal_account(MAKER_ACCOUNT)
            exchange.open_internal_account(FLOW_ACCOUNT)
            self._makers += [MarketMaker(exchange, i, self.seed) for i in exchange.markets]
        for instrument in self.paths:
            self._publish(instrument)
        for maker in self._makers:
            maker.requote()

    def _tick(self) -> None:
        elapsed_s = (self._now_us - self._ticked_us) / 1_000_000
        self._ticked_us = self._now_us
        for instrument, path in self.paths.items():
            path.step(elapsed_s)
            for venue in self.exchanges:
                self._bases[venue, instrument].step(elapsed_s)
            self._publish(instrument)
        shares = {venue: self.faults.depth_share(venue) for venue in self.exchanges}
        for maker in self._makers:
            maker.requote(shares[maker.venue])
            maker.maybe_take(elapsed_s / max(1.0, self.clock.speed))

    def _publish(self, instrument: str) -> None:
        reference = self.paths[instrument].price
        for venue, exchange in self.exchanges.items():
            if self.faults.is_active(venue, FaultKind.STALE_MARK):
                continue
            basis = self._bases[venue, instrument]
            exchange.set_prices(instrument, basis.mark(reference), reference, basis.premium)

    def _follow_quirks(self, venue: str) -> None:
        self.exchanges[venue].change_rules(rules_under(RULES[venue], self.quirks))

    # --- the venues' own duties -----------------------------------------------------------------
    def _at_full_hours(self) -> None:
        def settle() -> None:
            for exchange in self.exchanges.values():
                exchange.settle_funding()
            self._at_full_hours()

        self.call_later(next_hour_us(self._now_us) - self._now_us, settle)


def _liquidate(exchange: Exchange) -> None:
    exchange.liquidate()
