"""Backpack as a script: answers by method and path, frames at will, every request kept, the venue's clock in hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import httpx
from backpack_samples import ACCOUNT, ACCOUNT_ID, KEYS, MARKETS, mark_event
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from connectors.backpack.client import BackpackClient
from connectors.settings import Endpoints, Timeouts

ABSENT = httpx.Response(404, json={"code": "RESOURCE_NOT_FOUND", "message": "Not Found"})
Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class ScriptedVenue(httpx.AsyncBaseTransport):
    """Answers by method and path; the last reply to a path is repeated. Keeps every request. `skew` is its clock."""

    def __init__(self, clock: Callable[[], datetime], skew: timedelta = timedelta(0)) -> None:
        self.requests: list[httpx.Request] = []
        self._clock = clock
        self._skew = skew
        self._replies: dict[str, list[Reply]] = {}
        self.on("GET /api/v1/account", httpx.Response(200, json=ACCOUNT))
        self.on("GET /api/v1/markets", httpx.Response(200, json=MARKETS))
        self.on("GET /api/v1/time", lambda _: httpx.Response(200, text=str(self.now_ms())))

    def now_ms(self) -> int:
        return int((self._clock() + self._skew).timestamp() * 1000)

    def on(self, where: str, *replies: Reply) -> None:
        self._replies[where] = list(replies)

    def asked(self, where: str) -> list[httpx.Request]:
        return [request for request in self.requests if f"{request.method} {request.url.path}" == where]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        replies = self._replies[f"{request.method} {request.url.path}"]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            return reply(request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


async def connected(stepped, venue) -> BackpackClient:
    client = BackpackClient(
        ACCOUNT_ID,
        KEYS,
        Endpoints("https://venue.test", "wss://venue.test"),
        stepped.outside(),
        Timeouts(),
        transport=venue,
    )
    await client.connect()
    return client


def query(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}


class ScriptedStreams:
    """The venue's stream door: answers a SUBSCRIBE with `greeting` frames and then sends what it is told to."""

    def __init__(self) -> None:
        self.subscriptions: list[dict] = []
        self.greeting: list[object] = [frame("markPrice.ETH_USDC_PERP", mark_event())]
        self.connections: list[ServerConnection] = []

    async def serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        try:
            async for text in connection:
                self.subscriptions.append(json.loads(text))
                for greeting in self.greeting:
                    await connection.send(json.dumps(greeting))
        except ConnectionClosed:
            pass

    async def say(self, *frames: object) -> None:
        for one in frames:
            await self.connections[-1].send(json.dumps(one))


def frame(stream: str, payload: dict) -> dict:
    return {"stream": stream, "data": payload}
