"""A record of sessions in memory, a server for live progress on a free loopback port, and a client that reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from api.hub import CHANNELS, Hub, Update
from api.live import Live, LiveLimits
from api.sockets import SOCKET_OPTIONS, LiveProtocol
from store import SessionNotFound, StoreBusy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATIENCE_S = 20


class MemoryRecord:
    """Sessions' updates in memory, answering as the store does; `broken` makes every read fail."""

    def __init__(self, *session_ids: str) -> None:
        self.events: dict[str, list[Update]] = {session_id: [] for session_id in session_ids}
        self.seen: dict[str, str] = {}
        self.broken = False
        self.reads = 0

    def add(self, session_id: str = "s1", channel: str = "metrics", *, padding: int = 0) -> Update:
        sequence = len(self.events[session_id]) + 1
        body = {"type": f"{channel}_update", "sessionId": session_id, "channel": channel,
                "data": {"n": sequence, "padding": "x" * padding}, "timestamp": 0, "sequence": sequence}  # fmt: skip
        update = Update(sequence, channel, json.dumps(body)[:-1])
        self.events[session_id].append(update)
        return update

    def heads(self, session_ids: Collection[str]) -> Mapping[str, int]:
        self._read()
        return {session_id: len(self.events.get(session_id, ())) for session_id in session_ids}

    def updates(self, session_id: str, after: int, limit: int) -> Sequence[Update]:
        self._read()
        return self.events[session_id][after : after + limit]

    def pictures(self, session_ids: Collection[str]) -> Mapping[str, str]:
        self._read()
        return {session_id: self.seen[session_id] for session_id in session_ids if session_id in self.seen}

    def head(self, session_id: str) -> int:
        self._read()
        if session_id not in self.events:
            raise SessionNotFound(f"no session {session_id}")
        return len(self.events[session_id])

    def snapshots(self, session_id: str, channels: Sequence[str]) -> tuple[int, list[str]]:
        head = self.head(session_id)
        return head, [json.dumps({"type": "snapshot", "channel": c, "data": {}, "sequence": head}) for c in channels]

    def _read(self) -> None:
        self.reads += 1
        if self.broken:
            raise StoreBusy("locked by a test")


class KeyRing:
    """Lets in who carries `?api_key=good`, until the key is revoked."""

    def __init__(self, record: MemoryRecord) -> None:
        self._record = record
        self.good = True

    async def admit(self, socket: WebSocket) -> KeyRing | Response:
        if socket.query_params.get("api_key") != "good":
            return JSONResponse({"success": False, "error": {"code": "UNAUTHORIZED"}}, 401)
        if socket.path_params["session_id"] not in self._record.events:
            return JSONResponse({"success": False, "error": {"code": "SESSION_NOT_FOUND"}}, 404)
        return self

    async def is_good(self) -> bool:
        return self.good


class World:
    """A running server and how to reach it."""

    def __init__(self, record: MemoryRecord, live: Live, keys: KeyRing, server: uvicorn.Server, port: int) -> None:
        self.record, self.live, self.keys, self.server = record, live, keys, server
        self.url = f"ws://127.0.0.1:{port}/ws/sessions"

    @asynccontextmanager
    async def client(self, session_id: str = "s1", key: str = "good", **options: object) -> AsyncIterator[Listener]:
        async with connect(f"{self.url}/{session_id}?api_key={key}", compression=None, **options) as socket:  # type: ignore[arg-type]
            yield Listener(socket, session_id)


class Listener:
    """A client that gives up loudly instead of waiting for ever."""

    def __init__(self, socket: ClientConnection, session_id: str) -> None:
        self.socket = socket
        self.session_id = session_id

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> dict[str, object]:
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, object] = json.loads(await self.socket.recv())
            return message

    async def subscribe(self, *channels: str, **more: object) -> list[dict[str, object]]:
        """Subscribe and return the answer and the snapshots."""
        wanted = list(channels or CHANNELS)
        await self.say(type="subscribe", sessionId=self.session_id, channels=wanted, **more)
        return [await self.hear() for _ in range(1 + len(wanted))]

    async def hear_sequences(self, count: int) -> list[object]:
        return [(await self.hear())["sequence"] for _ in range(count)]


@asynccontextmanager
async def live_server(
    *session_ids: str, limits: LiveLimits | None = None, poll_s: float = 0.01
) -> AsyncIterator[World]:
    """Serve sessions kept in memory until the end of the block; everything is stopped then."""
    record = MemoryRecord(*(session_ids or ("s1",)))
    keys = KeyRing(record)
    hub = Hub(record, poll_s=poll_s)
    live = Live(hub, record, keys.admit, now=lambda: NOW, limits=limits)

    async def serve(socket: WebSocket) -> None:
        await live.serve(socket, socket.path_params["session_id"])

    app = Starlette(routes=[WebSocketRoute("/ws/sessions/{session_id}", serve)])
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning", ws=LiveProtocol, **SOCKET_OPTIONS)
    server = uvicorn.Server(config)
    reader, serving = asyncio.create_task(hub.run()), asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0)
        yield World(record, live, keys, server, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            await serving
        reader.cancel()
        with suppress(asyncio.CancelledError):
            await reader
