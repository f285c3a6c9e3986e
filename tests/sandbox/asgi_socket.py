"""A WebSocket client that talks ASGI to an app in process: no ports, no threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

PATIENCE_S = 2.0


class AsgiSocket:
    """One connection; `frame()` waits for the next JSON frame, bounded."""

    def __init__(self) -> None:
        self.closed: asyncio.Event = asyncio.Event()
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, frame: object) -> None:
        """Send one JSON frame (or raw text)."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        await self._to_app.put({"type": "websocket.receive", "text": text})

    async def frame(self) -> dict[str, Any]:
        """Next frame, whatever its channel."""
        text = await asyncio.wait_for(self._from_app.get(), PATIENCE_S)
        loaded = json.loads(text["text"])
        assert isinstance(loaded, dict)
        return loaded

    async def frame_of(self, channel: str) -> dict[str, Any]:
        """Next frame of a channel; others are skipped."""
        while (frame := await self.frame()).get("channel") != channel:
            pass
        return frame

    async def settle(self) -> None:
        """Let the app work off what was sent."""
        for _ in range(20):
            await asyncio.sleep(0)

    def waiting(self) -> list[dict[str, Any]]:
        """Frames that have arrived and were not read."""
        return [json.loads(self._from_app.get_nowait()["text"]) for _ in range(self._from_app.qsize())]

    async def _receive(self) -> dict[str, Any]:
        return await self._to_app.get()

    async def _send(self, message: Any) -> None:
        match message["type"]:
            case "websocket.send":
                await self._from_app.put(dict(message))
            case "websocket.close":
                self.closed.set()
                await self._to_app.put({"type": "websocket.disconnect", "code": 1000})
            case _:
                return


@asynccontextmanager
async def connect(app: ASGIApp, path: str, headers: dict[str, str] | None = None) -> AsyncIterator[AsgiSocket]:
    """Open a connection to the app and end it at the end of the block."""
    socket = AsgiSocket()
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "subprotocols": [],
        "scheme": "ws",
        "root_path": "",
    }
    await socket._to_app.put({"type": "websocket.connect"})
    serving = asyncio.create_task(app(scope, socket._receive, socket._send))  # type: ignore[arg-type]
    try:
        yield socket
    finally:
        await socket._to_app.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(serving, PATIENCE_S)
