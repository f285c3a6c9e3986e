"""The supervised stream, against a real WebSocket server on loopback; and the queue of its events."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from connectors.settings import Outside
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.venue import Disconnected, Reconnected, TradeBusted
from core.errors import AuthenticationFailed, ProtocolViolation, VenueUnreachable
from core.instrument import Venue

BOUND_S = 30.0  # for a hang; a busy machine may take its time
QUICK = StreamSettings(connect_s=1.0, start_s=1.0, silence_s=30.0, heartbeat_s=10.0)


async def briefly(seconds: float) -> None:
    """A sleep a hundred times as fast, so that back-off costs milliseconds."""
    await asyncio.sleep(seconds / 100)


def hurried() -> Outside:
    return Outside(lambda: datetime.now(UTC), briefly, random.Random(1))


class Echoing:
    """A handler that logs in with one frame, waits for the venue's "welcome", and keeps what it hears."""

    def __init__(self, beat: str | None = None) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.welcomed = asyncio.Event()
        self.losses = 0
        self.beat = beat

    async def opened(self, send: Send) -> None:
        self.welcomed.clear()
        await send("hello")
        await self.welcomed.wait()

    def received(self, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode()
        if text == "welcome":
            self.welcomed.set()
        elif text == "garbage":
            raise ProtocolViolation("not a frame of this venue")
        elif text == "defect":
            raise KeyError("a defect of the handler")
        else:
            self.heard.put_nowait(text)

    def lost(self) -> None:
        self.losses += 1

    def heartbeat(self) -> str | None:
        return self.beat


Talk = Callable[[ServerConnection, int], Awaitable[None]]


@asynccontextmanager
async def venue(talk: Talk) -> AsyncIterator[str]:
    """A venue that speaks with its n-th caller (from 1) as `talk` says; yields its address."""
    calls = 0

    async def answer(connection: ServerConnection) -> None:
        nonlocal calls
        calls += 1
        try:
            await talk(connection, calls)
        except ConnectionClosed:
            return

    server: Server
    async with serve(answer, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def greet(connection: ServerConnection) -> None:
    assert await connection.recv() == "hello"
    await connection.send("welcome")


def stream_to(url: str, handler: Echoing, events: EventQueue, settings: StreamSettings = QUICK) -> Stream:
    return Stream("private", Venue.PACIFICA, url, handler, outside=hurried(), settings=settings, events=events)


async def next_events(events: EventQueue, count: int) -> list[object]:
    got: list[object] = []
    async with asyncio.timeout(BOUND_S):
        while len(got) < count:
            await events.wait(10)
            got.extend(events.drain())
    return got


async def test_a_refused_address_is_replaced_at_once_and_no_other_refusal_replaces_it() -> None:
    """The handler names another address for 400 only; the clock of back-off never runs between the two."""
    paths: list[str] = []
    slept: list[float] = []

    def gate(_: ServerConnection, request: Request) -> Response | None:
        paths.append(request.path)
        answers = {"/new": 400, "/old": 503 if paths.count("/old") == 1 else None}
        status = answers[request.path]
        return None if status is None else Response(status, "Refused", Headers())

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await briefly(seconds)

    async def talk(connection: ServerConnection) -> None:
        await greet(connection)
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0, process_request=gate) as server:
        base = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        outside = Outside(lambda: datetime.now(UTC), sleep, random.Random(1))
        stream = Stream(
            "public", Venue.PARADEX, base + "/new", Echoing(), outside=outside, settings=QUICK,
            events=EventQueue(outside), readdress=lambda status: base + "/old" if status == 400 else None,
        )  # fmt: skip
        await stream.start()
        await stream.aclose()

    assert paths == ["/new", "/old", "/old"]
    assert [seconds for seconds in slept if seconds < QUICK.heartbeat_s / 2] == slept[:1]


async def test_start_returns_when_the_venue_has_confirmed_and_frames_flow() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        await connection.send("book")
        await connection.wait_closed()

    async with venue(talk) as url:
        handler, events = Echoing(), EventQueue(hurried())
        stream = stream_to(url, handler, events)
        await stream.start()
        assert stream.is_up
        assert await asyncio.wait_for(handler.heard.get(), BOUND_S) == "book"
        await stream.aclose()
        await stream.aclose()
        assert not stream.is_up
        assert events.drain() == ()


async def test_a_cut_connection_is_reported_reopened_and_reported_again() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        if call > 1:
            await connection.wait_closed()

    async with venue(talk) as url:
        handler, events = Echoing(), EventQueue(hurried())
        stream = stream_to(url, handler, events)
        await stream.start()
        down, up = await next_events(events, 2)
        assert isinstance(down, Disconnected)
        assert down.channel == "private"
        assert isinstance(up, Reconnected)
        assert (stream.is_up, stream.reconnects, handler.losses) == (True, 1, 1)
        await stream.aclose()


async def test_a_frame_that_cannot_be_read_ends_the_connection() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        if call == 1:
            await connection.send(str(await connection.recv()))
        await connection.wait_closed()

    async with venue(talk) as url:
        events = EventQueue(hurried())
        stream = stream_to(url, Echoing(), events)
        await stream.start()
        await stream.send("garbage")
        down, _ = await next_events(events, 2)
        assert isinstance(down, Disconnected)
        assert "not a frame of this venue" in down.reason
        await stream.aclose()


async def test_silence_is_taken_for_death() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        async for _ in connection:
            pass

    async with venue(talk) as url:
        events = EventQueue(hurried())
        settings = StreamSettings(connect_s=1, start_s=1, silence_s=0.05, heartbeat_s=1.0)
        stream = stream_to(url, Echoing(beat="beat"), events, settings)
        await stream.start()
        down, _ = await next_events(events, 2)
        assert isinstance(down, Disconnected)
        assert "silent" in down.reason
        await stream.aclose()


@pytest.mark.parametrize("beat", ["beat", None])
async def test_an_answered_heartbeat_keeps_a_quiet_stream_alive(beat: str | None) -> None:
    beats = asyncio.Semaphore(0)

    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        async for frame in connection:
            await connection.send(f"answer to {frame}")
            beats.release()

    async with venue(talk) as url:
        events = EventQueue(hurried())
        settings = StreamSettings(connect_s=1, start_s=1, silence_s=1.0, heartbeat_s=1.0)
        stream = stream_to(url, Echoing(beat), events, settings)
        await stream.start()
        began = stream.last_message_at
        assert began is not None
        async with asyncio.timeout(BOUND_S):
            while (stream.last_message_at - began).total_seconds() < 0.1:
                await asyncio.sleep(0)
        assert stream.is_up
        assert events.drain() == ()
        await stream.aclose()


async def test_an_old_connection_is_renewed_before_the_venue_cuts_it() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        await connection.wait_closed()

    async with venue(talk) as url:
        events = EventQueue(hurried())
        settings = StreamSettings(connect_s=1, start_s=1, silence_s=30, heartbeat_s=1.0, age_s_max=0.02)
        stream = stream_to(url, Echoing(), events, settings)
        await stream.start()
        down, up = await next_events(events, 2)
        assert isinstance(down, Disconnected)
        assert down.reason == "planned renewal"
        assert isinstance(up, Reconnected)
        await stream.aclose()


async def test_a_refused_key_ends_the_start_at_once() -> None:
    class Refused(Echoing):
        async def opened(self, send: Send) -> None:
            raise AuthenticationFailed("the venue does not know this key")

    async def talk(connection: ServerConnection, call: int) -> None:
        await connection.wait_closed()

    async with venue(talk) as url:
        stream = stream_to(url, Refused(), EventQueue(hurried()))
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(AuthenticationFailed):
                await stream.start()
        assert not stream.is_up


async def test_a_venue_that_never_confirms_is_unreachable_within_the_bound() -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await connection.wait_closed()

    async with venue(talk) as url:
        settings = StreamSettings(connect_s=0.1, start_s=0.1, silence_s=30)
        stream = stream_to(url, Echoing(), EventQueue(hurried()), settings)
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(VenueUnreachable, match="did not come up"):
                await stream.start()


async def test_a_defect_in_a_handler_is_reported_and_logged_not_swallowed(caplog) -> None:
    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        await connection.send(str(await connection.recv()))
        await connection.wait_closed()

    async with venue(talk) as url:
        events = EventQueue(hurried())
        stream = stream_to(url, Echoing(), events)
        await stream.start()
        await stream.send("defect")
        (down,) = await next_events(events, 1)
        assert isinstance(down, Disconnected)
        assert "KeyError" in down.reason
        assert not stream.is_up
        assert "ended by a defect" in caplog.text
        await stream.aclose()


async def test_frames_stay_out_of_the_logs_even_at_debug(caplog) -> None:
    caplog.set_level(logging.DEBUG)

    async def talk(connection: ServerConnection, call: int) -> None:
        await greet(connection)
        await connection.wait_closed()

    async with venue(talk) as url:
        stream = stream_to(url, Echoing(), EventQueue(hurried()))
        await stream.start()
        await stream.aclose()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.server")]
    assert not any("hello" in message for message in ours)


async def test_sending_while_down_raises_instead_of_losing_the_frame() -> None:
    stream = stream_to("ws://127.0.0.1:1", Echoing(), EventQueue(hurried()))
    with pytest.raises(VenueUnreachable, match="not connected"):
        await stream.send(json.dumps({}))


def note(number: int) -> Reconnected:
    return Reconnected(str(number), datetime(2026, 1, 1, tzinfo=UTC))


async def test_the_queue_hands_out_events_once_and_in_order(stepped) -> None:
    queue = EventQueue(stepped.outside())
    queue.put(note(1))
    queue.put(note(2))
    assert await queue.wait(0)
    assert queue.drain() == (note(1), note(2))
    assert queue.drain() == ()
    assert not await queue.wait(0)


async def test_waiting_ends_when_the_time_is_up_by_the_given_clock(stepped) -> None:
    queue = EventQueue(stepped.outside())
    assert not await queue.wait(3)
    assert stepped.slept == [3]


async def test_an_event_wakes_the_waiter_before_its_time(real_outside) -> None:
    queue = EventQueue(real_outside)
    waiter = asyncio.create_task(queue.wait(60))
    await asyncio.sleep(0)
    queue.put(note(1))
    assert await asyncio.wait_for(waiter, BOUND_S)


async def test_an_overflow_says_what_is_lost_and_stays_bounded(stepped) -> None:
    queue = EventQueue(stepped.outside(), events_max=4)
    for number in range(50):
        queue.put(note(number))
    events = queue.drain()
    assert len(events) <= 6
    assert any(isinstance(event, Disconnected) and event.channel == "events" for event in events)
    assert events[-1] == note(49)


async def test_an_overflow_loses_no_undone_trade(stepped) -> None:
    queue = EventQueue(stepped.outside(), events_max=4)
    busted = TradeBusted(Venue.PARADEX, "par-1", "ETH/USD", "t-1", stepped.now)
    queue.put(busted)
    for number in range(50):
        queue.put(note(number))
    assert busted in queue.drain()
