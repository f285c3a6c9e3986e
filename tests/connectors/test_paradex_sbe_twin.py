"""The Paradex connector's binary public stream against the twin over real sockets, and through a wire that counts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from connectors.paradex import stark
from connectors.paradex.client import ParadexClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Endpoints, Outside, ParadexKeys, Timeouts
from core.errors import VenueUnreachable
from core.instrument import Venue
from core.market import Book

pytestmark = pytest.mark.e2e

ETH, BTC = "ETH/USD", "BTC/USD"
BOUND_S = 10.0
SECRETS = iter(range(5001, 6000))


@dataclass
class Wire:
    """A relay between connector and twin that counts frames by kind, and loses the next binary book change if told.

    `refusing` answers handshakes that ask for binary frames with that HTTP status.
    """

    target: str
    url: str = ""
    lose_change: bool = False
    refusing: int | None = None
    paths: list[str] = field(default_factory=list)
    binary: dict[str, int] = field(default_factory=dict)
    notices: dict[str, int] = field(default_factory=dict)

    def gate(self, _: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if self.refusing is None or "?" not in request.path:
            return None
        return Response(self.refusing, "Refused", Headers())

    async def relay(self, near: ServerConnection) -> None:
        assert near.request is not None
        path = near.request.path
        async with connect(self.target.removesuffix("/v1") + path, proxy=None) as far:
            up = asyncio.create_task(self._up(near, far))
            try:
                async for frame in far:
                    if not self._is_lost(path, frame):
                        await near.send(frame)
            except ConnectionClosed:
                pass
            finally:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)

    async def _up(self, near: Any, far: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in near:
                await far.send(frame)
        await far.close()

    def _is_lost(self, path: str, frame: str | bytes) -> bool:
        if isinstance(frame, str):
            self.notices[path] = self.notices.get(path, 0) + ('"method":"subscription"' in frame)
            return False
        self.binary[path] = self.binary.get(path, 0) + 1
        template, kind = struct.unpack_from("<H", frame, 2)[0], frame[24]
        if self.lose_change and template == 3 and kind == 1:
            self.lose_change = False
            return True
        return False


class Relayed:
    """Opens connectors, each with an account of its own, and closes them."""

    def __init__(self, twins: Any, outside: Outside, stack: contextlib.AsyncExitStack) -> None:
        self._twins, self._outside, self._stack = twins, outside, stack

    async def wire(self, **options: Any) -> Wire:
        endpoints = sandbox_endpoints(Venue.PARADEX, self._twins.port_base)
        wire = Wire(endpoints.ws_url, **options)
        server = await self._stack.enter_async_context(serve(wire.relay, "127.0.0.1", 0, process_request=wire.gate))
        wire.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1"
        return wire

    async def client(self, wire: Wire | None = None, version: int | None = None, start_s: float = 10) -> ParadexClient:
        secret = next(SECRETS)
        account = hex(0x5BE0000 + secret)
        public_key = hex(stark.public_key(secret))
        self._twins.open_account(venue="paradex", account=account, publicKey=public_key, balance="10000")
        plain = sandbox_endpoints(Venue.PARADEX, self._twins.port_base)
        endpoints = Endpoints(plain.rest_url, wire.url if wire else plain.ws_url, binary_version=version)
        keys = ParadexKeys(account=account, private_key=SecretStr(hex(secret)))
        client = ParadexClient("par-1", keys, endpoints, self._outside, Timeouts(connect_s=1.0, stream_start_s=start_s))
        self._stack.push_async_callback(client.aclose)
        await client.connect()
        return client


@pytest.fixture
async def relayed(twins: Any, real_outside: Outside) -> AsyncIterator[Relayed]:
    twins.control("limits", venue="paradex", per_minute=100_000)
    async with contextlib.AsyncExitStack() as stack:
        yield Relayed(twins, real_outside, stack)


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.005)


async def seen_at_once(one: ParadexClient, other: ParadexClient, symbol: str, after: int = 0) -> tuple[Book, Book]:
    """The first two books of one sequence number beyond `after`, as each of the feeds shows it."""
    shown: dict[str, dict[int, Book]] = {"one": {}, "other": {}}
    async with asyncio.timeout(BOUND_S):
        while not (common := shown["one"].keys() & shown["other"].keys()):
            for name, client in (("one", one), ("other", other)):
                book = client.feed.book(symbol)
                if book is not None and book.sequence is not None and book.sequence > after:
                    shown[name][book.sequence] = book
            await asyncio.sleep(0.002)
    number = min(common)
    return shown["one"][number], shown["other"][number]


async def test_the_binary_book_equals_the_json_book_and_nothing_public_came_as_json(relayed: Relayed) -> None:
    wire = await relayed.wire()
    binary, plain = await relayed.client(wire, 2), await relayed.client()
    await asyncio.gather(binary.feed.start([ETH, BTC]), plain.feed.start([ETH, BTC]))
    for symbol in (ETH, BTC):
        # A whole book bears the time of its subscription; from the first change on both have the change's time.
        latest = max(book.sequence or 0 for feed in (binary.feed, plain.feed) if (book := feed.book(symbol)))
        for _ in range(3):
            by_binary, by_json = await seen_at_once(binary, plain, symbol, latest)
            assert by_binary == replace(by_json, received_time=by_binary.received_time)
            assert by_binary.bids
            assert by_binary.asks
            latest = by_binary.sequence or 0

    public = "/v1?sbeSchemaId=1&sbeSchemaVersion=2"
    assert set(wire.paths) == {"/v1", public}
    assert wire.binary[public] > 10
    assert wire.notices[public] == 0
    assert "/v1" not in wire.binary
    assert binary.feed.health().gaps == 0


async def test_marks_come_in_binary(relayed: Relayed, twins: Any) -> None:
    client = await relayed.client(await relayed.wire(), 2)
    await client.feed.start([ETH])
    first = client.feed.mark(ETH)
    assert first is not None
    price = (first.mark * Decimal("1.004")).quantize(Decimal("0.01"))
    twins.control("price", instrument=ETH, price=str(price))
    await until(lambda: (mark := client.feed.mark(ETH)) is not None and mark.index == price)

    streamed, read = client.feed.mark(ETH), await client.mark(ETH)
    assert streamed is not None
    assert abs(streamed.mark / read.mark - 1) < Decimal("0.005")
    assert streamed.venue_time >= first.venue_time


async def test_a_lost_binary_change_hides_the_book_until_it_was_subscribed_anew(relayed: Relayed) -> None:
    wire = await relayed.wire()
    client = await relayed.client(wire, 2)
    await client.feed.start([ETH])
    wire.lose_change = True
    await until(lambda: client.feed.health().gaps == 1)
    await until(lambda: client.feed.book(ETH) is not None)

    health = client.feed.health()
    assert (health.gaps, health.reconnects) == (1, 0)
    other = await relayed.client()
    await other.feed.start([ETH])
    healed, reference = await seen_at_once(client, other, ETH)
    assert healed.bids == reference.bids
    assert healed.asks == reference.asks


async def test_a_version_that_is_not_served_is_stepped_down_from(
    relayed: Relayed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="connectors.paradex.encoding")
    client = await relayed.client(None, 3)
    await client.feed.start([ETH])

    assert client.feed.book(ETH) is not None
    assert [record.getMessage() for record in caplog.records if record.name == "connectors.paradex.encoding"] == [
        "venue=paradex binary version 3 is not served, asking for one less"
    ]


async def test_a_venue_that_refuses_every_version_is_not_asked_for_json(relayed: Relayed) -> None:
    wire = await relayed.wire(refusing=400)
    client = await relayed.client(wire, 2, start_s=0.3)

    with pytest.raises(VenueUnreachable, match="HTTP 400"):
        await client.feed.start([ETH])
    asked = [path for path in wire.paths if "?" in path]
    assert [path[-1] for path in asked[:3]] == ["2", "1", "0"]
    assert set(asked[3:]) <= {asked[2]}


async def test_another_refusal_does_not_change_the_version(relayed: Relayed) -> None:
    wire = await relayed.wire(refusing=503)
    client = await relayed.client(wire, 2, start_s=0.3)

    with pytest.raises(VenueUnreachable, match="HTTP 503"):
        await client.feed.start([ETH])
    assert {path[-1] for path in wire.paths if "?" in path} == {"2"}


async def test_a_second_book_of_a_market_is_refused_on_a_binary_connection(twins: Any) -> None:
    url = sandbox_endpoints(Venue.PARADEX, twins.port_base).ws_url
    with pytest.raises(InvalidStatus):
        async with connect(f"{url}?sbeSchemaId=1&sbeSchemaVersion=3", proxy=None):
            pass
    async with connect(f"{url}?sbeSchemaId=1&sbeSchemaVersion=2", proxy=None) as socket:
        answers = []
        for number, kind in enumerate(("deltas", "snapshot@15@100ms")):
            call = f'{{"channel":"order_book.ETH-USD-PERP.{kind}"}}'
            await socket.send(f'{{"jsonrpc":"2.0","method":"subscribe","params":{call},"id":{number}}}')
            async with asyncio.timeout(BOUND_S):
                while isinstance(frame := await socket.recv(), bytes):
                    continue
            answers.append("error" in frame)
    assert answers == [False, True]
