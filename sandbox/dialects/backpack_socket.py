"""The WebSocket door of the Backpack twin: subscribe frames in, queued frames out.

Duty: one connection's life. Success is silent, errors are ``{"id":null,"error":{...}}`` frames and leave the
connection open. It must not decide what a stream contains.

Source: docs.backpack.exchange, "Streams" (SUBSCRIBE, UNSUBSCRIBE, signature of private streams); error codes
4002, 4003, 4005, 4006 and 4008 as recorded from the exchange. Protocol-level pings belong to the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.dialects import backpack_auth as auth
from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_errors import ApiRefusal
from sandbox.dialects.backpack_numbers import milliseconds
from sandbox.dialects.backpack_streams import Hub, StreamName, StreamRefusal, parse_stream
from sandbox.faults import FrameFate

FRAMES_QUEUED_MAX = 20_000
_GOING_AWAY = 1001
_TOO_SLOW = 1008


class Connection:
    """One client: a bounded queue between the engine's events and the socket."""

    def __init__(self, twin: Twin, socket: WebSocket) -> None:
        self._twin = twin
        self._socket = socket
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(FRAMES_QUEUED_MAX)
        self._is_overrun = False
        self._unheld = 0  # frames that go out without a further delay

    def offer(self, text: str, channel: str) -> None:
        """Queue one frame; a client that lets the queue fill is disconnected."""
        if self._queue.full():
            self._is_overrun = True
            return
        self._queue.put_nowait((text, channel))

    async def send_queued(self) -> None:
        """Send frames in order until the connection ends, as the fault desk allows."""
        behind: str | None = None
        while True:
            text, channel = await self._queue.get()
            await self._hold(channel)
            fate = self._twin.world.faults.frame(self._twin.exchange.name, channel)
            if fate is FrameFate.CLOSE or self._is_overrun:
                await self._socket.close(_TOO_SLOW if self._is_overrun else _GOING_AWAY)
                return
            if fate is FrameFate.DROP:
                continue
            if fate is FrameFate.BEHIND and behind is None:
                behind = text
                continue
            await self._socket.send_text(text)
            if fate is FrameFate.TWICE:
                await self._socket.send_text(text)
            if behind is not None:
                await self._socket.send_text(behind)
                behind = None

    async def _hold(self, channel: str) -> None:
        """Wait as the fault desk says; what queued up meanwhile goes out right behind."""
        if self._unheld:
            self._unheld -= 1
            return
        world = self._twin.world
        delay_us = world.faults.frame_delay_us(self._twin.exchange.name, channel)
        if delay_us:
            await world.sleep(delay_us)
            self._unheld = self._queue.qsize()


async def serve(twin: Twin, hub: Hub, socket: WebSocket) -> None:
    """Accept one client and serve it until either side closes."""
    await socket.accept()
    connection = Connection(twin, socket)
    reading = asyncio.create_task(_read(twin, hub, socket, connection))
    sending = asyncio.create_task(connection.send_queued())
    try:
        await asyncio.wait((reading, sending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.drop(connection)
        for task in (reading, sending):
            task.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect):
                await task


async def _read(twin: Twin, hub: Hub, socket: WebSocket, connection: Connection) -> None:
    while True:
        text = await _receive_text(socket)
        twin.world.sync()
        for refusal in handle(twin, hub, connection, text):
            connection.offer(_error_frame(refusal), "other")


async def _receive_text(socket: WebSocket) -> str:
    message = await socket.receive()
    if message["type"] != "websocket.receive":
        raise WebSocketDisconnect(message.get("code", _GOING_AWAY))
    text = message.get("text")
    return text if isinstance(text, str) else bytes(message.get("bytes") or b"").decode(errors="replace")


def handle(twin: Twin, hub: Hub, connection: Connection, text: str) -> list[StreamRefusal]:
    """Carry out one client frame and return what was refused in it; valid streams of it are served."""
    try:
        method, names, signature = _parse_frame(text)
    except StreamRefusal as refusal:
        return [refusal]
    if method == "UNSUBSCRIBE":
        for name in names:
            hub.unsubscribe(connection, name)
        return []
    refusals: list[StreamRefusal] = []
    streams: list[StreamName] = []
    for name in names:
        try:
            streams.append(parse_stream(name, twin))
        except StreamRefusal as refusal:
            refusals.append(refusal)
    account_id: str | None = None
    if any(stream.is_private for stream in streams):
        try:
            account_id = _authenticate(twin, signature)
        except StreamRefusal as refusal:
            refusals.append(refusal)
            streams = [stream for stream in streams if not stream.is_private]
    for stream in streams:
        if not stream.is_silent:
            hub.subscribe(connection, stream, account_id)
    return refusals


def _parse_frame(text: str) -> tuple[str, list[str], object]:
    try:
        frame = json.loads(text)
    except ValueError as error:
        raise StreamRefusal(4002, "Parse error") from error
    if not isinstance(frame, Mapping) or frame.get("method") not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        raise StreamRefusal(4002, "Parse error")
    names = frame.get("params")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StreamRefusal(4002, "Parse error")
    return frame["method"], names, frame.get("signature")


def _authenticate(twin: Twin, signature: object) -> str:
    """Return the account of a ``[key, signature, timestamp, window]`` member of four strings."""
    refused = StreamRefusal(4003, "Invalid signature")
    if not isinstance(signature, list) or len(signature) != 4:
        raise refused
    if not all(isinstance(part, str) for part in signature):
        raise refused
    try:
        credentials = auth.read_parts(*signature)
        auth.check_window(credentials, milliseconds(twin.wall_us()))
        text = auth.signing_text("subscribe", [{}], credentials.timestamp, credentials.window)
        if not auth.is_signed_by_key(credentials, text):
            raise refused
        return twin.account(credentials.api_key).id
    except ApiRefusal as refusal:
        raise refused from refusal


def _error_frame(refusal: StreamRefusal) -> str:
    error = {"code": refusal.code, "message": refusal.message}
    return json.dumps({"error": error, "id": None}, separators=(",", ":"), sort_keys=True)
