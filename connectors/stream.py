"""A supervised WebSocket and the bounded queue of what it reports. It knows no venue's frames and decides nothing.

The venue's part comes in as a StreamHandler: what to send on opening, what to do with a frame, how to beat. The
stream connects, watches for silence, reconnects with back-off and jitter, renews itself before the venue cuts it,
and says honestly when nothing is known: the handler is told to drop its state, the queue gets Disconnected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from connectors.settings import Outside, Timeouts
from connectors.tls import tls
from connectors.venue import Disconnected, FeedEvent, Reconnected, TradeBusted
from core.errors import AuthenticationFailed, VenueError, VenueUnreachable
from core.instrument import Venue

log = logging.getLogger(__name__)

# The library logs whole frames at DEBUG, authentication included; this keeps them out of every log.
_wire_log = logging.getLogger("connectors.stream.wire")
_wire_log.setLevel(logging.WARNING)

FRAME_BYTES_MAX = 4 * 1024 * 1024
EVENTS_MAX = 10_000
BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 30.0
CLOSE_S = 2.0

Send = Callable[[str], Awaitable[None]]
Readdress = Callable[[int], str | None]
"""From the HTTP status of a refused handshake to the URL to try instead, at once; None keeps URL and back-off."""


class EventQueue:
    """Private events in order of arrival, bounded. An overflow drops orders and fills and says so.

    What it says is a Disconnected and a Reconnected of the channel "events": read the missing by REST.
    """

    def __init__(self, outside: Outside, events_max: int = EVENTS_MAX) -> None:
        self._outside = outside
        self._events_max = events_max
        self._events: deque[FeedEvent] = deque()
        self._ready = asyncio.Event()

    def put(self, event: FeedEvent) -> None:
        """Add an event; never waits."""
        if len(self._events) >= self._events_max:
            self._overflow()
        self._events.append(event)
        self._ready.set()

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take everything, oldest first."""
        events = tuple(self._events)
        self._events.clear()
        self._ready.clear()
        return events

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something can be drained; False when outside.sleep(timeout_s) is over first."""
        if self._events or timeout_s <= 0:
            return bool(self._events)
        ready = asyncio.ensure_future(self._ready.wait())
        slept = asyncio.ensure_future(self._outside.sleep(timeout_s))
        try:
            await asyncio.wait({ready, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(ready, slept)
        return bool(self._events)

    def _overflow(self) -> None:
        lost = len(self._events)
        connection_events = [event for event in self._events if isinstance(event, Disconnected | Reconnected)]
        undone = [event for event in self._events if isinstance(event, TradeBusted)]  # told once, by no read again
        quarter = max(1, self._events_max // 4)
        self._events.clear()
        self._events.extend([*undone[-quarter:], *connection_events[-quarter:]])
        now = self._outside.clock()
        self._events.append(Disconnected("events", now, f"the event queue overflowed at {lost} events"))
        self._events.append(Reconnected("events", now))
        log.error("event queue overflowed at %d events; orders and fills in it were dropped", lost)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Bounds of one stream in seconds.

    silence_s: without any frame (or pong) for so long the connection is taken for dead. heartbeat_s: how often to
    beat. age_s_max: planned renewal before the venue's own limit (24 h at most venues). start_s bounds the opening.
    """

    connect_s: float
    start_s: float
    silence_s: float
    heartbeat_s: float = 15.0
    age_s_max: float = 23 * 3600.0

    @classmethod
    def of(cls, timeouts: Timeouts, *, heartbeat_s: float = 15.0) -> StreamSettings:
        """Take the bounds from a connector's timeouts."""
        return cls(timeouts.connect_s, timeouts.stream_start_s, timeouts.stream_silence_s, heartbeat_s)


class StreamHandler(Protocol):
    """The venue's part of a stream. Everything here runs on the stream's own task."""

    async def opened(self, send: Send) -> None:
        """Authenticate and subscribe; return when the venue has confirmed. Frames flow to received() meanwhile.

        Called for every connection, within StreamSettings.start_s. Raises AuthenticationFailed or another
        VenueError when the venue refuses.
        """

    def received(self, frame: str | bytes) -> None:
        """Take one frame. A VenueError (ProtocolViolation) ends the connection: its state cannot be proven."""

    def lost(self) -> None:
        """Forget what only a living connection can prove (books, marks)."""

    def heartbeat(self) -> str | None:
        """Return the frame to beat with, or None for a WebSocket ping (whose pong then counts as life)."""


class Stream:
    """One supervised WebSocket connection to one venue."""

    def __init__(
        self,
        name: str,
        venue: Venue,
        url: str,
        handler: StreamHandler,
        *,
        outside: Outside,
        settings: StreamSettings,
        events: EventQueue,
        headers: Mapping[str, str] | None = None,
        readdress: Readdress | None = None,
    ) -> None:
        """Prepare without connecting. `name` is the channel in Disconnected and Reconnected, e.g. "private".

        readdress must come to an end: every URL that it names is tried without a pause.
        """
        self._name = name
        self._venue = venue
        self._url = url
        self._handler = handler
        self._outside = outside
        self._settings = settings
        self._events = events
        self._headers = dict(headers or {})
        self._readdress = readdress
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._first_up: asyncio.Future[None] | None = None
        self._up = False
        self._was_up = False
        self._last_failure = "not connected yet"
        self.last_message_at: datetime | None = None
        self.reconnects = 0

    @property
    def is_up(self) -> bool:
        """True while connected, opened and not silent."""
        return self._up

    async def start(self) -> None:
        """Connect and open; return once up.

        Raises AuthenticationFailed when the venue refuses the key, VenueUnreachable when it is not up in start_s.
        Nothing is left running after a raise.
        """
        if self._task is not None:
            raise RuntimeError(f"stream {self._name} was already started")
        self._first_up = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"{self._venue}-{self._name}-stream")
        self._task.add_done_callback(self._died)
        try:
            async with asyncio.timeout(self._settings.connect_s + self._settings.start_s):
                await asyncio.shield(self._first_up)
        except TimeoutError:
            await self.aclose()
            raise VenueUnreachable(
                f"{self._venue}: the {self._name} stream did not come up in time ({self._last_failure})",
                venue=str(self._venue),
            ) from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection and end the task; safe to call twice."""
        if self._task is not None:
            await _end(self._task)
        if self._first_up is not None and not self._first_up.done():
            self._first_up.cancel()

    async def send(self, frame: str) -> None:
        """Send one frame on the living connection; raise VenueUnreachable when there is none."""
        if self._socket is None:
            raise VenueUnreachable(f"{self._venue}: the {self._name} stream is not connected", venue=str(self._venue))
        await self._send_on(self._socket, frame)

    async def renew(self, reason: str) -> None:
        """Drop the connection so that the supervisor opens a fresh one (state could not be proven)."""
        self._last_failure = reason
        if self._socket is not None:
            await self._socket.close()

    async def _run(self) -> None:
        """Keep one connection after another alive until cancelled. Attempts are unbounded, their rate is not."""
        failures = 0
        while True:
            began = self._outside.clock()
            try:
                reason = await self._one_connection()
            except AuthenticationFailed as refused:
                reason = refused.message
                if not self._was_up:
                    self._report_first(refused)
                    return
            except InvalidStatus as refused:
                reason = f"{type(refused).__name__}: {refused}"
                if self._took_other_address(refused.response.status_code):
                    self._lost(reason)
                    continue
            except (OSError, TimeoutError, WebSocketException, VenueError) as failure:
                reason = f"{type(failure).__name__}: {failure}"
            self._lost(reason)
            lived_s = (self._outside.clock() - began).total_seconds()
            failures = 0 if lived_s > BACKOFF_MAX_S else failures + 1
            ceiling_s = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** min(failures, 10))
            await self._outside.sleep(ceiling_s * self._outside.rng.uniform(0.5, 1.0))

    def _took_other_address(self, status: int) -> bool:
        other = self._readdress(status) if self._readdress is not None else None
        if other is None or other == self._url:
            return False
        self._url = other
        return True

    async def _one_connection(self) -> str:
        """Live through one connection; return why it ended."""
        async with connect(
            self._url,
            additional_headers=self._headers,
            proxy=None,
            ssl=tls() if self._url.startswith("wss:") else None,
            open_timeout=self._settings.connect_s,
            close_timeout=CLOSE_S,
            ping_interval=None,
            max_size=FRAME_BYTES_MAX,
            logger=_wire_log,
        ) as socket:
            self._socket = socket
            self.last_message_at = self._outside.clock()
            reader = asyncio.create_task(self._read(socket))
            keeper = asyncio.create_task(self._keep(socket))
            opener = asyncio.create_task(self._open(socket))
            try:
                done, _ = await asyncio.wait({reader, keeper, opener}, return_when=asyncio.FIRST_COMPLETED)
                if opener in done:
                    opener.result()
                    if not {reader, keeper} & done:
                        self._came_up()
                    done, _ = await asyncio.wait({reader, keeper}, return_when=asyncio.FIRST_COMPLETED)
                return next(task.result() for task in (reader, keeper) if task in done)
            finally:
                self._socket = None
                await _end(reader, keeper, opener)

    async def _open(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(self._settings.start_s):
                await self._handler.opened(lambda frame: self._send_on(socket, frame))
        except TimeoutError:
            raise VenueUnreachable(
                f"{self._venue}: the {self._name} stream's subscriptions were not confirmed in time",
                venue=str(self._venue),
            ) from None

    async def _read(self, socket: ClientConnection) -> str:
        try:
            while True:
                frame = await socket.recv()
                self.last_message_at = self._outside.clock()
                self._handler.received(frame)
        except ConnectionClosed as closed:
            return f"closed by the other side ({closed.rcvd.code if closed.rcvd else 'no close frame'})"

    async def _keep(self, socket: ClientConnection) -> str:
        """Beat, and say when the connection is silent or old."""
        born = self._outside.clock()
        while True:
            await self._outside.sleep(min(self._settings.heartbeat_s, self._settings.silence_s / 2))
            now = self._outside.clock()
            if (now - born).total_seconds() > self._settings.age_s_max:
                return "planned renewal"
            silent_s = (now - (self.last_message_at or born)).total_seconds()
            if silent_s > self._settings.silence_s:
                return f"silent for {silent_s:.0f} s"
            try:
                await self._beat(socket)
            except ConnectionClosed:
                return "closed while beating"

    async def _beat(self, socket: ClientConnection) -> None:
        frame = self._handler.heartbeat()
        if frame is not None:
            await socket.send(frame)
            return
        asyncio.ensure_future(await socket.ping()).add_done_callback(self._ponged)

    def _ponged(self, pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self.last_message_at = self._outside.clock()

    async def _send_on(self, socket: ClientConnection, frame: str) -> None:
        try:
            await socket.send(frame)
        except ConnectionClosed:
            raise VenueUnreachable(
                f"{self._venue}: the {self._name} stream closed while sending", venue=str(self._venue)
            ) from None

    def _came_up(self) -> None:
        self._up = True
        if self._was_up:
            self.reconnects += 1
            self._events.put(Reconnected(self._name, self._outside.clock()))
            log.info("venue=%s stream=%s reconnected", self._venue, self._name)
        self._was_up = True
        self._report_first(None)

    def _lost(self, reason: str) -> None:
        self._last_failure = reason
        self._handler.lost()
        if self._up:
            self._up = False
            self._events.put(Disconnected(self._name, self._outside.clock(), reason))
        log.warning("venue=%s stream=%s down: %s", self._venue, self._name, reason)

    def _report_first(self, refused: AuthenticationFailed | None) -> None:
        if self._first_up is None or self._first_up.done():
            return
        if refused is None:
            self._first_up.set_result(None)
        else:
            self._first_up.set_exception(refused)

    def _died(self, task: asyncio.Task[None]) -> None:
        """Never let the supervisor end unseen: a defect in a handler shows as a loss and in the log."""
        self._socket = None
        if task.cancelled():
            self._up = False
            return
        failure = task.exception()
        if failure is None:
            return
        self._lost(f"the stream's task ended: {type(failure).__name__}")
        log.error("venue=%s stream=%s task ended by a defect", self._venue, self._name, exc_info=failure)
        if self._first_up is not None and not self._first_up.done():
            self._first_up.set_exception(failure)


async def _end(*tasks: asyncio.Future[None] | asyncio.Future[str] | asyncio.Future[Literal[True]]) -> None:
    """Cancel and await tasks; their own failures were seen by whoever looked at their result."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["EventQueue", "Readdress", "Send", "Stream", "StreamHandler", "StreamSettings"]
