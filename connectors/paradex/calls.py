"""JSON-RPC calls on one WebSocket connection of Paradex. It knows methods and answers, no channel's meaning.

docs.paradex.trade, WebSocket API, "Error handling".
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from connectors.paradex.wire import RpcFrame
from connectors.stream import Send
from core.errors import AuthenticationFailed, VenueRejected

_AUTH_CODES = frozenset({40110, 40111, 40112, 40300})


class Calls:
    """JSON-RPC calls on one connection: answers find their caller by id."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def call(self, method: str, params: Mapping[str, Any]) -> None:
        """Call and wait for the answer; raise AuthenticationFailed or VenueRejected when it is an error."""
        number = next(self._ids)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            await self._send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": number}))
            await answered
        finally:
            self._waiting.pop(number, None)

    async def subscribe(self, *channels: str) -> None:
        """Subscribe channels; return when each is confirmed."""
        for channel in channels:
            await self.call("subscribe", {"channel": channel})

    def answer(self, frame: RpcFrame) -> None:
        """Hand an answer to whoever waits for it; one that nobody waits for is passed over."""
        waiting = self._waiting.get(frame.id) if frame.id is not None else None
        if waiting is None or waiting.done():
            return
        if frame.error is None:
            waiting.set_result(None)
            return
        kind = AuthenticationFailed if frame.error.code in _AUTH_CODES else VenueRejected
        text = f"paradex: the stream answered {frame.error.code} {frame.error.message[:200]}"
        waiting.set_exception(kind(text, venue="paradex"))

    def give_up(self) -> None:
        """End every call: the connection is gone."""
        for waiting in self._waiting.values():
            waiting.cancel()
