"""Progress of sessions over WebSocket: `/ws/sessions/{id}`. Reads the record; can change nothing.

The client subscribes to channels and gets `subscribed`, one snapshot a channel, then what it missed (`since`) and
what happens. A message that cannot be understood is answered with a typed error. Everything is bounded: the size of
a message, how often one may be wrong, how long a socket may stay without a subscription, how much waits for a reader.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol, assert_never

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.hub import (
    BATCH_MAX,
    CHANNELS,
    INTERNAL_ERROR,
    MARKET,
    QUEUE_MAX,
    SLOW_READER,
    TRY_AGAIN_LATER,
    Channel,
    Hub,
    Seat,
    SeatEnded,
)
from core.errors import HedgeError, RequestRefused
from store import SessionNotFound, StoreError

_log = logging.getLogger("hedging.api.live")

Channels = Annotated[tuple[Channel, ...], Field(min_length=1, max_length=16)]

POLICY_VIOLATION = 1008
TOO_BIG = 1009
UNAUTHORIZED = 4401
NOT_FOUND = 4404


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Bounds of one socket, and how many there may be in this process."""

    message_chars: int = 4096
    mistakes: int = 20
    idle_s: float = 60.0
    send_s: float = 10.0
    recheck_s: float = 30.0
    queue: int = QUEUE_MAX
    sockets: int = 2000


class Record(Protocol):
    """What a socket asks of the store; all calls block and raise StoreError."""

    def head(self, session_id: str) -> int:
        """Return the last sequence of a session; raise SessionNotFound."""
        ...

    def snapshots(self, session_id: str, channels: Sequence[str]) -> tuple[int, list[str]]:
        """Return the sequence at which they stand and one encoded message a channel."""
        ...


class Admission(Protocol):
    """A caller who may listen."""

    async def is_good(self) -> bool:
        """Tell whether the key still opens this door."""
        ...


Admit = Callable[[WebSocket], Awaitable[Admission | Response]]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    session_id: Annotated[str | None, Field(alias="sessionId", max_length=64)] = None


class Subscribe(_Message):
    """Listen to channels (all that have events when none is named), replaying what came after `since`."""

    type: Literal["subscribe"]
    channels: Channels = CHANNELS
    since: Annotated[int | None, Field(ge=0, le=2**53, strict=True)] = None


class Unsubscribe(_Message):
    """Stop listening to channels; to all when none is named."""

    type: Literal["unsubscribe"]
    channels: Channels = CHANNELS


class Ping(BaseModel):
    """Ask for a `pong`; other fields are ignored."""

    type: Literal["ping"]


Incoming = Subscribe | Unsubscribe | Ping
_INCOMING: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


class Live:
    """The door to live progress of one API process."""

    def __init__(
        self, hub: Hub, record: Record, admit: Admit, *, now: Callable[[], datetime], limits: LiveLimits | None = None
    ) -> None:
        self.hub = hub
        self.record = record
        self.limits = limits or LiveLimits()
        self.now = now
        self._admit = admit
        self._sockets = 0

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return self._sockets

    async def serve(self, socket: WebSocket, session_id: str) -> None:
        """Refuse the handshake, or accept it and serve the socket to its end."""
        admission = await self._admit(socket)
        if isinstance(admission, Response):
            await socket.send_denial_response(admission)
            return
        self._sockets += 1
        try:
            await socket.accept()
            await _Connection(self, socket, session_id, admission).serve()
        finally:
            self._sockets -= 1


class _Gone(Exception):
    """The peer is not there any more."""


class _Connection:
    def __init__(self, live: Live, socket: WebSocket, session_id: str, admission: Admission) -> None:
        self._live, self._socket, self._session_id, self._admission = live, socket, session_id, admission
        self._sending = asyncio.Lock()
        self._seat: Seat | None = None
        self._pump: asyncio.Task[None] | None = None
        self._verdict: asyncio.Future[SeatEnded | None] = asyncio.get_running_loop().create_future()
        self._mistakes = 0

    async def serve(self) -> None:
        listener = asyncio.create_task(self._guard(self._listen()))
        watcher = asyncio.create_task(self._guard(self._recheck()))
        try:
            verdict = await self._verdict
        finally:
            # The listener first: it might be subscribing anew, and what it takes after this nobody gives up.
            for task in (listener, watcher):
                task.cancel()
            await asyncio.gather(listener, watcher, return_exceptions=True)
            await self._leave()
        if verdict is not None:
            with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(1):
                    await self._socket.close(verdict.code, verdict.reason)

    async def _guard(self, work: Awaitable[None]) -> None:
        """Run one of the socket's tasks; how the first of them ends is the verdict on the socket."""
        verdict: SeatEnded | None = None
        try:
            await work
        except SeatEnded as end:
            verdict = end
        except (_Gone, WebSocketDisconnect):
            pass
        except StoreError:
            verdict = SeatEnded(TRY_AGAIN_LATER, "the record cannot be read now; connect again")
        except Exception:  # noqa: BLE001 - one socket's edge; the others go on
            _log.exception("session %s: a socket failed", self._session_id)
            verdict = SeatEnded(INTERNAL_ERROR, "something went wrong here; it is in the log")
        if not self._verdict.done():
            self._verdict.set_result(verdict)

    async def _recheck(self) -> None:
        """Close the socket of a key that was revoked meanwhile."""
        while True:
            await asyncio.sleep(self._live.limits.recheck_s)
            if not await self._admission.is_good():
                raise SeatEnded(UNAUTHORIZED, "the key is not good any more")

    async def _listen(self) -> None:
        while True:
            text = await self._receive()
            try:
                message = _parse(text, self._session_id)
            except HedgeError as error:
                await self._complain(error)
                continue
            match message:
                case Subscribe():
                    await self._subscribe(message)
                case Unsubscribe():
                    await self._unsubscribe(message)
                case Ping():
                    await self._say({"type": "pong"})
                case _:
                    assert_never(message)

    async def _receive(self) -> str:
        idle_s = self._live.limits.idle_s if self._seat is None else None
        try:
            async with asyncio.timeout(idle_s):
                message = await self._socket.receive()
        except TimeoutError:
            raise SeatEnded(POLICY_VIOLATION, "nothing was subscribed to; connect again when you want to") from None
        if message["type"] == "websocket.disconnect":
            raise _Gone
        text = message.get("text")
        if text is None:
            return "a binary frame"
        if len(text) > self._live.limits.message_chars:
            raise SeatEnded(TOO_BIG, f"a message may have {self._live.limits.message_chars} characters")
        return str(text)

    async def _subscribe(self, wish: Subscribe) -> None:
        """Replace the subscription there was by the one that is wished for."""
        head = await asyncio.to_thread(self._live.record.head, self._session_id)
        if wish.since is not None and wish.since > head:
            await self._complain(RequestRefused(f"since: the session is at {head}", field="since", sequence=head))
            return
        await self._leave()
        self._seat = Seat(self._session_id, wish.channels, room=self._live.limits.queue)
        self._pump = asyncio.create_task(self._guard(self._feed(self._seat, wish.since)))

    async def _unsubscribe(self, wish: Unsubscribe) -> None:
        left: frozenset[str] = frozenset()
        if self._seat is not None:
            left = self._seat.channels - set(wish.channels)
            self._seat.channels = left
        if not left:
            await self._leave()
        await self._say({"type": "unsubscribed", "channels": _in_order(left)})

    async def _feed(self, seat: Seat, since: int | None) -> None:
        """Send the snapshots, what was missed, and from then on what happens."""
        channels = _in_order(seat.channels)
        sequence, snapshots = await asyncio.to_thread(self._live.record.snapshots, self._session_id, channels)
        seat.stand_at(sequence if since is None else since)
        await self._say({"type": "subscribed", "channels": channels, "head": sequence})
        for text in snapshots:
            await self._send(text)
        hub, before = self._live.hub, -BATCH_MAX
        while seat.position - before >= BATCH_MAX or not hub.attach(seat):
            before = seat.position
            for text in await hub.history(seat):
                await self._send(text)
        while True:
            for text in await seat.take():
                await self._send(text)

    async def _leave(self) -> None:
        """Give up the seat, if there is one."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if self._seat is not None:
            self._live.hub.detach(self._seat)
        self._pump = self._seat = None

    async def _complain(self, error: HedgeError) -> None:
        self._mistakes += 1
        if self._mistakes > self._live.limits.mistakes:
            raise SeatEnded(POLICY_VIOLATION, "too many messages that cannot be understood")
        problem = {"code": error.code, "message": str(error), "details": dict(error.details)}
        await self._say({"type": "error", "error": problem})

    async def _say(self, message: Mapping[str, object]) -> None:
        stamp = round(self._live.now().timestamp() * 1000)
        full = {"type": message["type"], "sessionId": self._session_id, **message, "timestamp": stamp}
        await self._send(json.dumps(full, separators=(",", ":")))

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._live.limits.send_s), self._sending:
                await self._socket.send_text(text)
        except TimeoutError:
            raise SeatEnded(SLOW_READER, "read faster, or subscribe again with since") from None
        except RuntimeError:
            raise _Gone from None  # the server closed the socket beneath us, e.g. no pong came


def _parse(text: str, session_id: str) -> Incoming:
    try:
        message = _INCOMING.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "message"
        raise RequestRefused(f"{field}: {first['msg']}", field=field) from None
    if not isinstance(message, Ping) and message.session_id not in (None, session_id):
        raise SessionNotFound(
            f"this socket is for session {session_id}; open another one", sessionId=message.session_id
        )  # fmt: skip
    return message


def _in_order(channels: Collection[str]) -> list[str]:
    return [channel for channel in (*CHANNELS, MARKET) if channel in channels]
