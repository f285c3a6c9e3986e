"""Orders a second through each twin's whole HTTP surface, and how fast the three venues' time can run.

    python -m benchmarks.twins [--orders 80] [--slices 5] [--minutes 60]

One process, one core. The orders are post-only limit orders that the connectors signed, sent to the twin's ASGI app
with a book of 50 levels a side: routing, parsing, signature check, limits, matching engine, answer. Time standing
still between two orders, no speed bump is waited for. The hour is 14,400 steps of a quarter second of all three
venues and their apps with makers, prices, takers, funding and liquidation checks, nobody connected: makers' quotes
that nobody sees are worked out only where a taker meets them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import random
import statistics
import sys
import time
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from starlette.types import ASGIApp

from benchmarks.machine import machine, table
from benchmarks.soak import keys_of
from connectors.backpack.client import BackpackClient
from connectors.pacifica.client import PacificaClient
from connectors.paradex.client import ParadexClient
from connectors.settings import BackpackKeys, Endpoints, Keys, Outside, PacificaKeys, ParadexKeys, Timeouts
from connectors.venue import VenueClient
from core.instrument import Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce
from sandbox.clock import VirtualClock
from sandbox.world import World

SYMBOL = "ETH/USD"
START_US = 1_800_000_000_000_000
LEVELS = 50
STEP_US = 250_000
ORDER_PATHS = ("/api/v1/orders/create", "/v1/orders", "/api/v1/order")


class Recorder(httpx.AsyncBaseTransport):
    """Passes questions on to a twin and keeps orders back, so that they can be sent later, many at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = httpx.ASGITransport(app)
        self.kept: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep an order, answering that nothing is known; pass everything else on."""
        if request.method == "POST" and request.url.path in ORDER_PATHS:
            await request.aread()
            self.kept.append(request)
            return httpx.Response(503, request=request)
        answer = await self._app.handle_async_request(request)
        answer.headers["date"] = "Fri, 15 Jan 2027 08:00:00 GMT"
        return answer


class Bench:
    """One twin with a deep book, an account, and a client that signs for it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._clock = VirtualClock(START_US)
        self.world = World(seed=1, clock=self._clock, with_makers=False)
        self.world.quotas = {str(v): 10_000_000 for v in Venue}
        self.exchange = self.world.exchanges[str(venue)]
        dialect = importlib.import_module(f"sandbox.dialects.{venue}")
        self.app: ASGIApp = dialect.create_app(self.world, self.exchange)
        self._recorder = Recorder(self.app)
        keys, known = keys_of(venue)
        self.account = known.get("account", known["publicKey"])
        self.exchange.open_account(self.account, Decimal(100_000_000), attributes={"public_key": known["publicKey"]})
        self._outside = Outside(self._now, self._sleep, random.Random(1))
        self.client = client_of(venue, keys, self._outside, self._recorder)
        self._fill_book()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._clock.now_us())

    async def _sleep(self, seconds: float) -> None:
        self.world.advance(int(seconds * 1_000_000))
        await asyncio.sleep(0)

    def _fill_book(self) -> None:
        mark, tick = self.exchange.mark(SYMBOL), self.exchange.markets[SYMBOL].tick
        self.exchange.open_internal_account("deep")
        steps = range(1, LEVELS + 1)
        bids = {mark // tick * tick - n * tick: Decimal(5) for n in steps}
        asks = {mark // tick * tick + n * tick: Decimal(5) for n in steps}
        self.exchange.quote("deep", SYMBOL, bids, asks)

    async def sign(self, orders: int) -> list[httpx.Request]:
        """Let the connector sign so many resting buys, each at its own instant."""
        market = (await self.client.markets())[SYMBOL]
        self._recorder.kept.clear()
        for number in range(orders):
            self._clock.advance(1000)
            price = self.exchange.mark(SYMBOL) // market.tick * market.tick - (number % LEVELS + 1) * market.tick
            await self.client.place(self._intent(number, price, market.lot * 100))
        return list(self._recorder.kept)

    def _intent(self, number: int, price: Decimal, quantity: Decimal) -> OrderIntent:
        now = self._now()
        return OrderIntent(
            client_order_id=f"00000000-0000-4000-8000-{self._clock.now_us() % 10**12:012d}", session_id="s",
            pair_id=str(number), account_id=self.client.account_id, venue=self._venue, symbol=SYMBOL, side=Side.BUY,
            type=OrderType.LIMIT, time_in_force=TimeInForce.POST_ONLY, quantity=quantity, price=price,
            reference_price=price, reduce_only=False, created_at=now, valid_until=now + timedelta(seconds=20),
        )  # fmt: skip

    def clear(self) -> None:
        """Take the account's orders out of the book again."""
        self.exchange.cancel_all(self.account)


def client_of(venue: Venue, keys: Keys, outside: Outside, transport: httpx.AsyncBaseTransport) -> VenueClient:
    """A venue's client whose HTTP goes through `transport`."""
    endpoints, timeouts = Endpoints(f"https://{venue}", f"wss://{venue}"), Timeouts()
    match keys:
        case PacificaKeys():
            return PacificaClient("a", keys, endpoints, outside, timeouts, transport=transport)
        case ParadexKeys():
            return ParadexClient("a", keys, endpoints, outside, timeouts, transport=transport)
        case BackpackKeys():
            return BackpackClient("a", keys, endpoints, outside, timeouts, transport=transport)


async def send(app: ASGIApp, request: httpx.Request) -> int:
    """Hand one request to an app; return the status."""
    scope: MutableMapping[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method,
        "headers": [(k.lower(), v) for k, v in request.headers.raw], "path": request.url.path,
        "raw_path": request.url.raw_path, "query_string": request.url.query, "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "root_path": "", "extensions": {},
    }  # fmt: skip
    body, statuses = [request.content], []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body.pop() if body else b"", "more_body": False}

    async def answer(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, answer)
    return int(statuses[0])


async def orders_per_second(venue: Venue, orders: int, slices: int) -> tuple[float, int, int]:
    """Median over slices of orders a second of CPU time, how many were taken in all, and how many were sent.

    A connector keeps an order to itself when its own request budget is spent; those are not sent.
    """
    bench = Bench(venue)
    await bench.client.connect()
    rates, taken, sent = [], 0, 0
    for _ in range(slices):
        requests = await bench.sign(orders)
        began = time.process_time()
        statuses = [await send(bench.app, request) for request in requests]
        rates.append(len(requests) / (time.process_time() - began))
        sent += len(requests)
        taken += sum(200 <= status < 300 for status in statuses)
        bench.clear()
    await bench.client.aclose()
    return statistics.median(rates), taken, sent


def hour(minutes: float) -> tuple[float, int]:
    """CPU seconds that so many virtual minutes of all three venues take, and their public trades."""
    world = World(seed=1, clock=VirtualClock(START_US))
    apps = [importlib.import_module(f"sandbox.dialects.{v}").create_app(world, e) for v, e in world.exchanges.items()]
    began = time.process_time()
    for _ in range(int(minutes * 60_000_000 / STEP_US)):
        world.advance(STEP_US)
    spent = time.process_time() - began
    assert len(apps) == len(world.exchanges)
    return spent, sum(e.day(i).trades for e in world.exchanges.values() for i in e.markets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print both tables; 1 when a twin did not take an order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=80, help="in a slice; Paradex takes no more than 100 at a time")
    parser.add_argument("--slices", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    print(f"{machine()}\n\nOrders through each twin's HTTP surface, {LEVELS} levels a side; CPU time of one core\n")
    rows, is_whole = [], True
    for venue in Venue:
        rate, taken, sent = asyncio.run(orders_per_second(venue, options.orders, options.slices))
        is_whole = is_whole and taken == sent
        rows.append((str(venue), f"{rate:,.0f}", f"{1e6 / rate:,.0f}", f"{taken}/{sent}"))
    print(table(("twin", "orders/s", "us/order", "taken"), rows))
    spent, trades = hour(options.minutes)
    times = options.minutes * 60 / spent
    print(f"\n{options.minutes:g} virtual minutes of three venues: {spent:.1f} s, {times:,.0f} times as fast as time")
    print(f"{trades:,} trades")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
