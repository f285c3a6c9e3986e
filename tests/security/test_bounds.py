"""Whatever comes in is bounded: oversized, endless, deflated and deeply nested, at venues' doors and at our own."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from api.sockets import MESSAGE_BYTES_MAX
from connectors.http import BODY_BYTES_MAX, HttpVenue
from connectors.settings import Outside, Timeouts
from connectors.stream import FRAME_BYTES_MAX, EventQueue, Send, Stream, StreamSettings
from connectors.venue import Unknown
from core.errors import HedgeError, ProtocolViolation, VenueUnreachable
from core.instrument import Venue
from tests.api.api_world import Api, ApiWorld, new_home
from tests.api.live_world import live_server
from tests.fuzz.campaign import client_of, streams
from tests.fuzz.replay import Said

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DEPTHS = (1_000, 60_000)
NESTS: dict[str, Callable[[int], str]] = {
    "lists": lambda depth: "[" * depth + "]" * depth,
    "open lists": lambda depth: "[" * depth,
    "objects": lambda depth: '{"a":' * depth + "1" + "}" * depth,
    "objects in the channel's place": lambda depth: '{"channel":' * depth + "1" + "}" * depth,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A living app with an administrator's key."""
    async with ApiWorld(new_home(tmp_path / "home")).opened() as opened:
        yield opened


async def briefly(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


OUTSIDE = Outside(lambda: NOW, briefly, random.Random(1))


def door(answer: httpx.Response) -> HttpVenue:
    transport = httpx.MockTransport(lambda _: answer)
    return HttpVenue(Venue.PARADEX, "https://venue.test", outside=OUTSIDE, timeouts=Timeouts(), transport=transport)


def bomb() -> httpx.Response:
    packed = gzip.compress(b"0" * (6 * BODY_BYTES_MAX), 9)
    assert len(packed) < BODY_BYTES_MAX / 100
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Once(packed))


class Once(httpx.AsyncByteStream):
    """A body in chunks as a socket hands them over."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 4096):
            yield self._content[start : start + 4096]


async def test_answer_that_grows_by_inflating_is_refused_and_a_commands_fate_is_unknown() -> None:
    with pytest.raises(ProtocolViolation, match="larger than"):
        await door(bomb()).read("/x")
    assert isinstance(await door(bomb()).command("POST", "/x", content=b"{}"), Unknown)


async def test_only_gzip_is_asked_for() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx.Response(200, content=b"{}")

    transport = httpx.MockTransport(answer)
    await HttpVenue(
        Venue.PARADEX, "https://venue.test", outside=OUTSIDE, timeouts=Timeouts(), transport=transport
    ).read("/x")
    assert asked == ["gzip"]


class Listening:
    """A handler that keeps the length of what it hears."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def opened(self, send: Send) -> None:
        await send("hello")

    def received(self, frame: str | bytes) -> None:
        self.heard.append(len(frame))

    def lost(self) -> None:
        """Nothing to forget."""

    def heartbeat(self) -> str | None:
        return None


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_frame_beyond_the_bound_ends_the_connection_unread(compression: str | None) -> None:
    codes: list[int | None] = []

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("x" * (FRAME_BYTES_MAX - 1))
        await connection.send("x" * (FRAME_BYTES_MAX + 1))
        await connection.wait_closed()
        codes.append(connection.close_code)

    handler, events = Listening(), EventQueue(OUTSIDE)
    settings = StreamSettings(connect_s=5, start_s=5, silence_s=1000, heartbeat_s=1000, age_s_max=1e6)
    async with serve(talk, "127.0.0.1", 0, compression=compression) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stream = Stream("public", Venue.PARADEX, url, handler, outside=OUTSIDE, settings=settings, events=events)
        await stream.start()
        async with asyncio.timeout(20):
            while not codes:
                await asyncio.sleep(0)
        await stream.aclose()
    assert codes[0] == 1009
    assert max(handler.heard) == FRAME_BYTES_MAX - 1


@pytest.mark.parametrize("venue", Venue, ids=str)
@pytest.mark.parametrize("nest", NESTS)
async def test_deep_nesting_from_a_venue_is_refused_on_every_stream(venue: Venue, nest: str) -> None:
    async with streams(venue) as opened:
        for tap in opened.taps:
            for depth in DEPTHS:
                assert isinstance(tap.take(NESTS[nest](depth)), ProtocolViolation), (tap.name, depth)


@pytest.mark.parametrize("venue", Venue, ids=str)
@pytest.mark.parametrize("nest", NESTS)
async def test_deep_nesting_in_an_answer_is_a_documented_error(venue: Venue, nest: str) -> None:
    client, transport, _ = client_of(venue, Said.of(venue), random.Random(1))
    await client.connect()
    for depth in DEPTHS:
        body = {"status": 200, "headers": {}, "body": NESTS[nest](depth)}
        transport.said = Said({path: [body] for path in transport.said.answers}, {})
        for ask in (client.positions, client.margin, lambda: client.fills("ETH/USD", NOW - timedelta(hours=1))):
            with pytest.raises(HedgeError) as refused:
                await ask()
            assert isinstance(refused.value, ProtocolViolation | VenueUnreachable)
    await client.aclose()


@pytest.mark.parametrize("nest", NESTS)
async def test_deep_nesting_in_a_request_is_a_plain_refusal(api: Api, nest: str) -> None:
    for path in ("/sessions", "/sessions/estimate", "/keys"):
        answer = await api.call("POST", path, content=NESTS[nest](7_000).encode(), key=api.key)
        assert 400 <= answer.status_code < 500, (path, answer.text[:200])
        assert answer.json()["success"] is False


async def test_live_message_that_is_too_long_or_too_deep_never_ends_the_service() -> None:
    async with live_server() as world:
        for message in ("x" * (MESSAGE_BYTES_MAX + 1), "[" * 60_000, '{"type":' * 8_000):
            async with world.client() as listener:
                await listener.socket.send(message)
                with contextlib.suppress(ConnectionClosed):
                    assert (await listener.hear())["type"] == "error"
                assert listener.socket.close_code in (None, 1003, 1007, 1008, 1009)
        async with world.client() as listener:
            confirmed, *_ = await listener.subscribe("status")
            assert confirmed["type"] == "subscribed"
