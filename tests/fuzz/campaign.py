"""The fuzzing campaign: changed frames and answers against one venue's connector, and what must hold after each.

Never another error than the documented ones, never a hang; a book that is shown is in order and not crossed; a fill
says what stood in its frame; after a refused frame a fresh connection comes up with the venue's ordinary words.

`python -m tests.fuzz.campaign <venue> [frames] [seed]` prints frames per second; a failing seed prints itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from benchmarks.soak import keys_of
from connectors.registry import sandbox_endpoints
from connectors.settings import Timeouts
from connectors.surface import WholeClient
from connectors.venue import Accepted, FillUpdate
from core.errors import PrecisionRefused, VenueError
from core.instrument import Venue
from core.market import Book
from core.order import Fill
from tests.fuzz.calls import CHANNELS, COMMANDS, READS, SYMBOL, Scene
from tests.fuzz.mutations import mutated
from tests.fuzz.record import CLIENTS, STREAM_USERS
from tests.fuzz.replay import Replay, Said, StillTime, Tap, confirmations

FRAME_S_MAX = 3.0
CALL_S_MAX = 10.0
CALLS_PER_CLIENT = 100
TRADES_MAX = 1000
BINARY_VERSION = 2


class Broken(AssertionError):
    """Something that must hold after every frame does not; the message reproduces it."""


@dataclass(frozen=True)
class Toll:
    """What a run did."""

    frames: int
    refused: Counter[str]
    seconds: float


def client_of(
    venue: Venue, said: Said, rng: random.Random, *, binary: bool = False
) -> tuple[WholeClient, Replay, StillTime]:
    """A connector on a replaying venue."""
    time_, transport = StillTime(said.time), Replay(said, rng)
    endpoints = sandbox_endpoints(venue, 9)
    if binary:
        endpoints = type(endpoints)(endpoints.rest_url, endpoints.ws_url, BINARY_VERSION)
    keys, _ = keys_of(venue)
    client = CLIENTS[venue]("acc-1", keys, endpoints, time_.outside(), Timeouts(), transport=transport)
    return client, transport, time_


# ---- streams ---------------------------------------------------------------------------------------------------


class Streams:
    """One connector's feed and tape, open, with a tap on each connection."""

    def __init__(self, venue: Venue, client: WholeClient, said: Said, taps: Sequence[Tap], *, binary: bool) -> None:
        self._client = client
        self._names = {tap: ("binary " if binary else "") + tap.name for tap in taps}
        self.taps = taps
        self._frames = said.frames
        self.refused: Counter[str] = Counter()

    async def step(self, rng: random.Random) -> None:
        """Take one frame, changed or as it was said; raise Broken."""
        tap = rng.choice(self.taps)
        frame = rng.choice(self._frames[self._names[tap]])
        if rng.random() < 0.8:
            frame = mutated(frame, rng)
        await self.take(tap, frame)

    async def take(self, tap: Tap, frame: str | bytes) -> None:
        """Hand a frame to a connection and check what must hold."""
        began = time.process_time()
        try:
            violation = tap.take(frame)
            if violation is not None:
                self.refused[type(violation).__name__] += 1
                self._check_gone(tap)
            self._check(frame)
            await asyncio.sleep(0)
            if violation is not None or tap.closed_by_feed:
                await tap.open()
        except Broken:
            raise
        except Exception as crash:
            raise Broken(
                f"{tap.venue} {tap.name}: {type(crash).__name__}: {crash!s:.300}; frame {frame!r:.3000}"
            ) from crash
        took = time.process_time() - began
        if took > FRAME_S_MAX:
            raise Broken(f"{tap.venue} {tap.name}: {took:.1f} s for frame {frame!r:.3000}")

    def fills(self) -> list[FillUpdate]:
        """The executions told since the last frame."""
        return [event for event in self._client.feed.drain() if isinstance(event, FillUpdate)]

    def _check_gone(self, tap: Tap) -> None:
        if tap.name in ("public", "private") and not (tap.venue is not Venue.BACKPACK and tap.name == "private"):
            must(self._client.feed.book(SYMBOL) is None, "a book outlived its connection")
            must(self._client.feed.mark(SYMBOL) is None, "a mark outlived its connection")

    def _check(self, frame: str | bytes) -> None:
        book, mark = self._client.feed.book(SYMBOL), self._client.feed.mark(SYMBOL)
        if book is not None:
            check_book(book)
        if mark is not None:
            must(mark.mark.is_finite() and mark.mark > 0, f"a mark of {mark.mark}")
        for event in self._client.feed.drain():
            check_facts(event)
            if isinstance(event, FillUpdate):
                check_fill(event.fill, [frame])
        for fact in (self._client.tape.best(SYMBOL), self._client.tape.candle(SYMBOL), self._client.tape.mark(SYMBOL)):
            check_facts(fact)
        trades = self._client.tape.trades(SYMBOL)
        must(len(trades) <= TRADES_MAX, "the tape keeps more than it may")


@asynccontextmanager
async def streams(venue: Venue, *, binary: bool = False):  # type: ignore[no-untyped-def]
    """Open a connector's streams on taps; closed at the end."""
    said = Said.of(venue)
    Tap.opened, Tap.answers = [], staticmethod(confirmations(venue, said))  # type: ignore[assignment]
    before = [(module, module.Stream) for module in STREAM_USERS[venue]]
    try:
        for module, _ in before:
            module.Stream = Tap  # type: ignore[attr-defined]
        client, _, _ = client_of(venue, said, random.Random(0), binary=binary)
        await client.connect()
        await client.feed.start([SYMBOL])
        await client.tape.start([SYMBOL], CHANNELS[venue])
        yield Streams(venue, client, said, tuple(Tap.opened), binary=binary)
    finally:
        for module, stream in before:
            module.Stream = stream  # type: ignore[attr-defined]
        await client.tape.aclose()
        await client.aclose()


# ---- answers ---------------------------------------------------------------------------------------------------


async def call_round(venue: Venue, said: Said, seed: str, calls: int, refused: Counter[str]) -> None:
    """Make calls, named by the seed, whose answers are changed; raise Broken."""
    rng = random.Random(seed)
    client, transport, clock = client_of(venue, said, rng)
    await client.connect()
    try:
        market = (await client.markets())[SYMBOL]
        scene = Scene(client, clock.now, (await client.mark(SYMBOL)).mark, market.tick, market.lot)
        table = COMMANDS | READS
        transport.spoil = 0.7
        for _ in range(calls):
            name = rng.choice(list(table))
            transport.last.clear()
            await _call(f"{venue} {name}", table[name](scene), transport, refused)
            clock.now = max(clock.now, scene.now)
    finally:
        transport.spoil = 0.0
        await client.aclose()


async def _call(what: str, call: Any, transport: Replay, refused: Counter[str]) -> None:
    began = time.process_time()
    try:
        found = await call
    except (VenueError, PrecisionRefused) as failure:
        refused[type(failure).__name__] += 1
        return
    except Exception as crash:
        raise Broken(f"{what}: {type(crash).__name__}: {crash!s:.300}; answers {transport.last!r:.3000}") from crash
    try:
        check_facts(found)
        for fill in _all(found, Fill):
            check_fill(fill, [body for _, body in transport.last])
        if _all(found, Accepted):
            must(any(200 <= status < 300 for status, _ in transport.last), "accepted without a good answer")
    except Broken as broken:
        raise Broken(f"{what}: {broken}; answers {transport.last!r:.3000}") from None
    took = time.process_time() - began
    if took > CALL_S_MAX:
        raise Broken(f"{what}: {took:.1f} s; answers {transport.last!r:.3000}")


# ---- what must hold ----------------------------------------------------------------------------------------------


def must(claim: bool, otherwise: str) -> None:
    """Raise Broken unless a claim holds."""
    if not claim:
        raise Broken(otherwise)


def check_book(book: Book) -> None:
    """A book that is shown is in order, not crossed, and holds only sizes above zero."""
    for side, sign in ((book.bids, -1), (book.asks, 1)):
        prices = [sign * level.price for level in side]
        must(prices == sorted(set(prices)), f"a side out of order: {side[:3]}")
        must(all(level.price > 0 and level.quantity > 0 for level in side), "a level at or below zero")
        must(all(level.price.is_finite() and level.quantity.is_finite() for level in side), "a level without end")
        must(len(side) <= 50, "more levels than are promised")
    if book.bids and book.asks:
        must(book.bids[0].price < book.asks[0].price, "a crossed book")


def check_facts(found: Any) -> None:
    """Every number in a fact is finite and every time has a zone."""
    for value in _values(found):
        if isinstance(value, Decimal):
            must(value.is_finite(), f"a number that is none: {value}")
            must(abs(value.adjusted()) < 120, f"a number beyond money: {value}")
        elif isinstance(value, datetime):
            must(value.tzinfo is not None, "a time without a zone")


def check_fill(fill: Fill, told: Sequence[str | bytes]) -> None:
    """A fill has a positive size and price, and both stood in what the venue said."""
    must(fill.quantity > 0 and fill.price > 0, f"a fill of {fill.quantity} at {fill.price}")
    must(bool(fill.trade_id), "a fill without an id")
    numbers = {number for text in told for number in _numbers(text)}
    must(fill.price in numbers, f"an invented price {fill.price}")
    must(fill.quantity in numbers, f"an invented quantity {fill.quantity}")


def _numbers(text: str | bytes) -> Iterator[Decimal]:
    try:
        tree = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return
    for leaf in _leaves(tree):
        if isinstance(leaf, str | int | Decimal):
            try:
                number = Decimal(leaf)
            except (InvalidOperation, ValueError):
                continue
            if number.is_finite():
                yield number


def _leaves(tree: Any) -> Iterator[Any]:
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
        else:
            yield one


def _values(found: Any) -> Iterator[Any]:
    waiting = [found]
    while waiting:
        one = waiting.pop()
        yield one
        if is_dataclass(one) and not isinstance(one, type):
            waiting.extend(getattr(one, field.name) for field in fields(one))
        elif isinstance(one, list | tuple | set | frozenset):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())


def _all(found: Any, kind: type) -> list[Any]:
    return [value for value in _values(found) if isinstance(value, kind)]


# ---- running -----------------------------------------------------------------------------------------------------


async def frames_run(venue: Venue, frames: int, seed: int, *, binary: bool = False) -> Toll:
    """Take so many frames; raise Broken with the number of the frame that broke it."""
    began = time.perf_counter()
    async with streams(venue, binary=binary) as opened:
        for number in range(frames):
            try:
                await opened.step(random.Random(f"{seed}/{number}"))
            except Broken as broken:
                raise Broken(f"seed {seed}, frame {number}: {broken}") from broken
        return Toll(frames, opened.refused, time.perf_counter() - began)


async def answers_run(venue: Venue, calls: int, seed: int) -> Toll:
    """Make so many calls; raise Broken with the seed of the round that broke it."""
    began, refused, said = time.perf_counter(), Counter[str](), Said.of(venue)
    for number in range(0, calls, CALLS_PER_CLIENT):
        try:
            await call_round(venue, said, f"{seed}/{number}", min(CALLS_PER_CLIENT, calls - number), refused)
        except Broken as broken:
            raise Broken(f"seed {seed}, round {number}: {broken}") from broken
    return Toll(calls, refused, time.perf_counter() - began)


def main(arguments: Sequence[str]) -> int:
    """Run frames and, for each thirty of them, one call; 1 when something broke."""
    logging.disable(logging.CRITICAL)
    venue = Venue(arguments[0])
    frames = int(arguments[1]) if len(arguments) > 1 else 100_000
    seed = int(arguments[2]) if len(arguments) > 2 else random.SystemRandom().randrange(2**31)
    print(f"{venue} seed {seed}", flush=True)
    runs = {"frames": frames_run(venue, frames, seed), "calls": answers_run(venue, max(frames // 30, 100), seed)}
    if venue is Venue.PARADEX:
        runs["binary frames"] = frames_run(venue, frames // 2, seed, binary=True)
    status = 0
    for what, run in runs.items():
        try:
            toll = asyncio.run(run)
        except Broken as broken:
            print(f"  BROKEN {what}: {broken}", flush=True)
            status = 1
            continue
        print(
            f"  {toll.frames} {what} in {toll.seconds:.0f} s, {toll.frames / toll.seconds:.0f} a second; "
            f"refused {dict(toll.refused)}"
        )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
