"""Services that do as a test tells them: HTTP answers in a row, and WebSocket connections that break."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

ROOT = "http://service"


@dataclass
class ScriptedHttp:
    """Answers calls one after the other: a status and document, or an exception. Keeps what it was asked."""

    answers: list[tuple[int, Any, dict[str, str]] | Exception] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def then(self, status: int, document: Any = None, **headers: str) -> ScriptedHttp:
        """Add an answer; headers with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, document, named))
        return self

    def then_fail(self, error: Exception) -> ScriptedHttp:
        """Add a failure of the connection."""
        self.answers.append(error)
        return self

    def transport(self) -> httpx.MockTransport:
        """Both a blocking and an asynchronous transport."""
        return httpx.MockTransport(self._answer)

    def sleep(self, seconds: float) -> None:
        """Note a pause instead of making it."""
        self.pauses.append(seconds)

    async def asleep(self, seconds: float) -> None:
        """Note a pause instead of making it."""
        self.pauses.append(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, document, headers = answer
        text = document if isinstance(document, str) else json.dumps(document)
        return httpx.Response(status, text=text, headers=headers)


def refused(code: str, message: str = "no", **details: object) -> dict[str, object]:
    """The envelope of a refusal."""
    error = {"code": code, "message": message, "details": details}
    return {"success": False, "error": error, "timestamp": "2026-03-01T12:00:00.000Z"}


Play = Callable[["ScriptedSocket", dict[str, Any]], Any]


class ScriptedSocket:
    """One connection of a scripted live stream."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def snapshots(self, sequence: int, *channels: str, status: str = "active") -> None:
        """Say that the subscription holds, and show every channel."""
        await self.send(type="subscribed", sessionId="s1", channels=list(channels), head=sequence, timestamp=0)
        for channel in channels:
            data = {"status": status} if channel == "status" else {}
            await self.send(type="snapshot", sessionId="s1", channel=channel, data=data, timestamp=0, sequence=sequence)

    async def update(self, sequence: int, previous: int | None = None, **more: Any) -> None:
        """Send one update; it follows the one before unless told otherwise."""
        message = {"type": "metrics_update", "sessionId": "s1", "channel": "metrics", "data": {"n": sequence},
                   "timestamp": 0, "sequence": sequence,
                   "previousSequence": sequence - 1 if previous is None else previous}  # fmt: skip
        await self.send(**{**message, **more})

    async def send(self, **message: Any) -> None:
        """Send any message."""
        await self._connection.send(json.dumps(message))

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        await self._connection.close(code, reason)

    def cut(self) -> None:
        """Break the connection without a word."""
        self._connection.transport.abort()


@dataclass
class ScriptedLive:
    """A live stream: each connection plays the next act; refusals come before, one per handshake."""

    acts: Sequence[Play]
    refusals: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    wishes: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedLive]:
        """Serve on a free loopback port."""
        async with serve(self._play, "127.0.0.1", 0, process_request=self._refuse) as server:
            self.url = _url(server)
            yield self

    async def _play(self, connection: ServerConnection) -> None:
        wish = json.loads(await connection.recv())
        self.wishes.append(wish)
        await self.acts[len(self.wishes) - 1](ScriptedSocket(connection), wish)

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.authorizations.append(request.headers.get("Authorization"))
        if not self.refusals:
            return None
        status, document = self.refusals.pop(0)
        return connection.respond(HTTPStatus(status), json.dumps(document))


def _url(server: Server) -> str:
    return f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
