"""Soak: real connectors trade on the three twins over real sockets while every fault script plays, in virtual time.

Claim: what the connectors saw of their executions (stream, and REST after each gap; one trade id counts once) is what
the twins know: none lost, none doubled, none changed. Orders without an answer are asked about until known. Each
account has at most one order at a time, so that own orders never meet.

`python -m benchmarks.soak [seed] [minutes]`; a failing seed prints itself. A short slice runs in the test suite.
"""

from __future__ import annotations

import asyncio
import base64
import random
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import base58
import httpx
from nacl.signing import SigningKey
from pydantic import SecretStr

from benchmarks import hasty_loop
from connectors.paradex import stark
from connectors.registry import open_client, sandbox_endpoints
from connectors.settings import BackpackKeys, Keys, Outside, PacificaKeys, ParadexKeys, Timeouts
from connectors.venue import Accepted, FillUpdate, NotFound, Reconnected, TradeBusted, Unknown, VenueClient
from core.errors import HedgeError
from core.instrument import Market, Venue
from core.numbers import ceil_to, floor_to
from core.order import Fill, OrderIntent, OrderReport, OrderType, Side, TimeInForce
from sandbox import scenarios
from sandbox.server import serve

SYMBOL = "ETH/USD"
START = datetime(2027, 1, 15, 8, tzinfo=UTC)
BALANCE = "1000000"
LATE = timedelta(seconds=30)  # a fill may be told so much later than it happened; catching up looks back as far
CATCH_UP_S = 20.0
CALM_S = 15.0
SCRIPT_S = (20.0, 90.0)  # between two scripts
PAUSE_S = (0.3, 3.0)  # between two orders of one account
TRIES = 60
TIMEOUTS = Timeouts(connect_s=2.0, read_s=4.0, command_s=2.0, stream_start_s=10.0, stream_silence_s=15.0)
Row = tuple[str, Decimal, Decimal]


@dataclass
class Found:
    """What one account's connector saw and did."""

    fills: dict[str, Fill] = field(default_factory=dict)
    busted: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    told_again: int = 0
    by_stream: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def take(self, fill: Fill) -> None:
        """Count an execution once; one trade id must always tell the same."""
        known = self.fills.setdefault(fill.trade_id, fill)
        if known is not fill:
            self.told_again += 1
        if (known.side, known.quantity, known.price) != (fill.side, fill.quantity, fill.price):
            self.changed.append(fill.trade_id)

    def rows(self) -> Counter[Row]:
        """All executions as (side, quantity, price)."""
        return Counter((fill.side.value.upper(), fill.quantity, fill.price) for fill in self.fills.values())


@dataclass(frozen=True)
class Verdict:
    """How a venue's truth and a connector's findings differ; all empty when the claim holds."""

    venue: Venue
    executions: int
    by_stream: int
    lost: Counter[Row]
    invented: Counter[Row]
    changed: Sequence[str]
    outcomes: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not (self.lost or self.invented or self.changed)


class Trader:
    """One account at one venue: an order, a while, a cancel, the next order; and ears for everything."""

    def __init__(self, client: VenueClient, outside: Outside, rng: random.Random) -> None:
        self.found = Found()
        self._client = client
        self._outside = outside
        self._rng = rng
        self._stale = asyncio.Event()
        self._caught_up = START

    async def trade(self, until: datetime) -> None:
        """Place one order after the other; a venue in trouble is met again after the pause."""
        market = (await self._client.markets())[SYMBOL]
        while self._outside.clock() < until:
            await self._outside.sleep(self._rng.uniform(*PAUSE_S))
            intent = self._intent(market)
            if intent is not None:
                await self._one(intent)

    async def _one(self, intent: OrderIntent) -> None:
        outcome = await self._client.place(intent)
        self.found.outcomes[type(outcome).__name__] += 1
        venue_order_id = outcome.report.venue_order_id if isinstance(outcome, Accepted) else None
        if isinstance(outcome, Accepted | Unknown):
            await self._outside.sleep(self._rng.uniform(0.1, 2.0))
            await self._end(intent, venue_order_id)

    async def _end(self, intent: OrderIntent, venue_order_id: str | None) -> None:
        """Cancel until the venue says how the order ended: never two orders at a time."""
        said: object = None
        for _ in range(TRIES):
            try:
                await self._client.cancel(intent, venue_order_id)
                said = report = await self._client.order(intent, venue_order_id)
            except HedgeError as failure:
                said = failure
                await self._outside.sleep(2.0)
                continue
            if isinstance(report, OrderReport) and report.status.is_final:
                return
            if isinstance(report, NotFound) and self._outside.clock() > intent.valid_until + LATE:
                return  # never arrived, and may no longer
            await self._outside.sleep(1.0)
        raise AssertionError(f"{intent.venue}: the end of {intent.client_order_id} never became known: {said!r}")

    def _intent(self, market: Market) -> OrderIntent | None:
        book, now = self._client.feed.book(SYMBOL), self._outside.clock()
        if book is None or book.mid is None:
            return None
        held = sum((f.side.sign * f.quantity for f in self.found.fills.values()), Decimal(0))
        side = self._rng.choice(tuple(Side)) if abs(held) < 3 else (Side.SELL if held > 0 else Side.BUY)
        tif, through = self._rng.choice(
            [
                (TimeInForce.IOC, "0.004"),
                (TimeInForce.GTC, "0.0005"),
                (TimeInForce.GTC, "-0.0001"),
                (TimeInForce.POST_ONLY, "-0.0002"),
            ]
        )
        least = max(market.min_quantity, market.min_notional * 2 / book.mid)
        return OrderIntent(
            client_order_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)), session_id="soak", pair_id="p",
            account_id=self._client.account_id, venue=self._client.venue, symbol=SYMBOL, side=side,
            type=OrderType.LIMIT, time_in_force=tif,
            quantity=ceil_to(least * Decimal(self._rng.randint(1, 30)), market.lot),
            price=floor_to(book.mid * (1 + side.sign * Decimal(through)), market.tick), reference_price=book.mid,
            reduce_only=False, created_at=now, valid_until=now + timedelta(seconds=4),
        )  # fmt: skip

    async def listen(self) -> None:
        """Take what the stream tells, for ever."""
        while True:
            await self._client.feed.wait(1.0)
            for event in self._client.feed.drain():
                if isinstance(event, FillUpdate):
                    self.found.by_stream += event.fill.trade_id not in self.found.fills
                    self.found.take(event.fill)
                elif isinstance(event, TradeBusted):
                    self.found.busted.add(event.trade_id)
                elif isinstance(event, Reconnected):
                    self._stale.set()

    async def catch_up_often(self) -> None:
        """Read what the stream may have missed after each reconnection, and now and then, for ever."""
        while True:
            try:
                async with asyncio.timeout(CATCH_UP_S):
                    await self._stale.wait()
            except TimeoutError:
                pass
            self._stale.clear()
            try:
                await self.catch_up()
            except HedgeError:
                self._stale.set()
                await self._outside.sleep(2.0)

    async def catch_up(self) -> None:
        """Read the executions since the last time, and a little before."""
        began = self._outside.clock()
        for fill in await self._client.fills(SYMBOL, self._caught_up - LATE):
            self.found.take(fill)
        self._caught_up = began

    async def catch_up_surely(self) -> None:
        """Catch up, again until the venue answers."""
        for _ in range(TRIES):
            try:
                await self.catch_up()
            except HedgeError:
                await self._outside.sleep(5.0)
            else:
                return
        raise AssertionError("the executions could not be read to the end")


Gap = tuple[float, float]


class Soak:
    """One run: twins, three traders, and scripts one after the other."""

    def __init__(self, seed: int, minutes: float, gap_s: Gap) -> None:
        self._gap_s = gap_s
        self._rng = random.Random(f"{seed}/soak")
        self._seed = seed
        self._end = START + timedelta(minutes=minutes)
        self._loop = asyncio.get_running_loop()
        self._outside = Outside(self._now, asyncio.sleep, random.Random(f"{seed}/outside"))
        self._control = ""
        self._accounts: dict[Venue, str] = {}

    def _now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time())

    def _wall_us(self) -> int:
        return int(START.timestamp()) * 1_000_000 + int(self._loop.time() * 1_000_000)

    async def run(self) -> list[Verdict]:
        """Trade through all scripts, let the venues calm down, and compare."""
        port_base, ready, stop = free_ports(4), asyncio.Event(), asyncio.Event()
        self._control = f"http://127.0.0.1:{port_base}"
        serving = asyncio.create_task(
            serve(seed=self._seed, port_base=port_base, speed=1.0, ready=ready.set, stop=stop, wall_us=self._wall_us)
        )
        await ready.wait()
        try:
            return await self._with_twins(port_base)
        finally:
            stop.set()
            await serving

    async def _with_twins(self, port_base: int) -> list[Verdict]:
        clients = [await self._client(venue, port_base) for venue in Venue]
        traders = [Trader(c, self._outside, random.Random(f"{self._seed}/{c.venue}")) for c in clients]
        ears = [asyncio.create_task(job) for t in traders for job in (t.listen(), t.catch_up_often())]
        try:
            async with asyncio.TaskGroup() as group:
                trading = [group.create_task(trader.trade(self._end)) for trader in traders]
                group.create_task(self._trouble(trading))
            await self._calm()
            await asyncio.sleep(CALM_S)
            await self._calm()  # of what a script still had in store
            for trader in traders:
                await trader.catch_up_surely()
            return [await self._verdict(c.venue, t.found) for c, t in zip(clients, traders, strict=True)]
        finally:
            for ear in ears:
                ear.cancel()
            await asyncio.gather(*ears, return_exceptions=True)
            for client in clients:
                await client.feed.aclose()
                await client.aclose()

    async def _client(self, venue: Venue, port_base: int) -> VenueClient:
        keys, known = keys_of(venue)
        self._accounts[venue] = known.get("account", known["publicKey"])
        await self._post("accounts", venue=str(venue), balance=BALANCE, **known)
        await self._post("limits", venue=str(venue), per_minute=100_000)
        endpoints = sandbox_endpoints(venue, port_base)
        client = open_client(f"soak-{venue}", keys, endpoints, self._outside, TIMEOUTS)
        await client.connect()
        await client.feed.start([SYMBOL])
        return client

    async def _trouble(self, trading: Sequence[asyncio.Task[None]]) -> None:
        """Play all scripts in a seeded order, again and again, while anybody trades."""
        names: list[str] = []
        while self._now() < self._end and not all(task.done() for task in trading):
            if not names:
                names = scenarios.names()
                self._rng.shuffle(names)
            await self._post("scenario", name=names.pop())
            rest_s = (self._end - self._now()).total_seconds()
            await asyncio.sleep(min(self._rng.uniform(*self._gap_s), max(rest_s, 0.0)))
        await self._calm()

    async def _calm(self) -> None:
        for venue in Venue:
            await self._post("faults", venue=str(venue), kind="clear")
            await self._post("clock", venue=str(venue), skew_ms=0)
            await self._post("status", venue=str(venue), mode="open")

    async def _post(self, door: str, **body: object) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            answer = await http.post(f"{self._control}/control/{door}", json=body)
            assert answer.is_success, answer.text

    async def _verdict(self, venue: Venue, found: Found) -> Verdict:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            state: dict[str, Any] = (await http.get(f"{self._control}/control/state")).json()
        fills = state["venues"][str(venue)]["accounts"][self._accounts[venue]]["fills"]
        truth = truth_rows(venue, fills)
        assert state["venues"][str(venue)]["self_trades"] == 0
        rows = found.rows()
        return Verdict(venue, truth.total(), found.by_stream, truth - rows, rows - truth, found.changed, found.outcomes)


def truth_rows(venue: Venue, fills: Sequence[Mapping[str, str]]) -> Counter[Row]:
    """A twin's own executions as the venue would list them: Pacifica tells one that flips a position as two."""
    rows: Counter[Row] = Counter()
    held = Decimal(0)
    for fill in fills:
        quantity, sign = Decimal(fill["quantity"]), 1 if fill["side"] == "BUY" else -1
        closing = min(quantity, max(-held * sign, Decimal(0)))
        held += sign * quantity
        if fill["cause"] == "BUST":
            continue
        parts = (closing, quantity - closing) if venue is Venue.PACIFICA else (quantity,)
        rows.update((fill["side"], part, Decimal(fill["price"])) for part in parts if part)
    return rows


def keys_of(venue: Venue) -> tuple[Keys, dict[str, str]]:
    """Keys of the soak's account, and what the twin has to know of it."""
    seed = SigningKey(b"soak of the connectors by twins!")
    public = bytes(seed.verify_key)
    match venue:
        case Venue.PACIFICA:
            account = base58.b58encode(public).decode()
            secret = SecretStr(base58.b58encode(bytes(seed) + public).decode())
            return PacificaKeys(account=account, secret_key=secret), {"publicKey": account}
        case Venue.PARADEX:
            known = {"account": hex(0x5AFE001), "publicKey": hex(stark.public_key(4711))}
            return ParadexKeys(account=known["account"], private_key=SecretStr(hex(4711))), known
        case Venue.BACKPACK:
            api_key = base64.b64encode(public).decode()
            secret = SecretStr(base64.b64encode(bytes(seed)).decode())
            return BackpackKeys(api_key=api_key, api_secret=secret), {"publicKey": api_key}


def free_ports(width: int) -> int:
    """First of `width` neighbouring free loopback ports."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            base = int(probe.getsockname()[1])
        if base + width < 65_536 and all(_is_free(base + offset) for offset in range(width)):
            return base
    raise RuntimeError("no free block of ports was found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _soak(seed: int, minutes: float, gap_s: Gap) -> list[Verdict]:
    return await Soak(seed, minutes, gap_s).run()


def soak(seed: int, minutes: float, gap_s: Gap = SCRIPT_S) -> list[Verdict]:
    """Run `minutes` of virtual time with a seed, a script every `gap_s` seconds; one verdict for each venue."""
    return hasty_loop.run(_soak(seed, minutes, gap_s))


def main(arguments: Sequence[str]) -> int:
    """Print what was found; the status is 1 when anything was lost, doubled or changed."""
    seed = int(arguments[0]) if arguments else 1
    minutes = float(arguments[1]) if len(arguments) > 1 else 60.0
    began = time.perf_counter()
    verdicts = soak(seed, minutes)
    print(f"seed {seed}: {minutes:g} virtual minutes in {time.perf_counter() - began:.0f} s")
    for verdict in verdicts:
        said = "none lost, none doubled" if verdict.holds else f"WRONG: {verdict}"
        told = f"{verdict.executions} executions, {verdict.by_stream} first told by the stream"
        print(f"  {verdict.venue:<9} {told}; orders {dict(verdict.outcomes)}; {said}")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
