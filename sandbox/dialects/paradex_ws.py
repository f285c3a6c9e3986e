"""Paradex's WebSocket: handshake, JSON-RPC control plane, subscriptions, and the queue of frames to send.

Written from docs.paradex.trade (WebSocket API: Introduction, Authentication, Error Handling, Rate Limits;
Binary Encoding (SBE)). Order commands are in paradex_ws_orders.py. One `Connection` is one client. Calls, answers
and private channels are JSON text; public channels are too, unless the handshake asked for binary frames, where a
version that is not served is answered HTTP 400. Must not decide about orders: that is the desk's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.dialects import paradex_sbe as sbe
from sandbox.dialects.paradex_auth import TokenError, TokenMint
from sandbox.dialects.paradex_channels import Channel, ChannelError, Feed, read_channel
from sandbox.dialects.paradex_errors import ApiError, TooManyRequests, error_response, of_refusal
from sandbox.dialects.paradex_limits import RateLimiter
from sandbox.dialects.paradex_orders import OrderDesk
from sandbox.dialects.paradex_rows import VENUE, Row
from sandbox.dialects.paradex_rpc import (
    INVALID_BEARER,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MALFORMED_BEARER,
    METHOD_ERROR,
    METHOD_NOT_FOUND,
    NO_PERMISSION,
    RATE_LIMITED,
    RpcError,
    channel_name,
    decode,
    encode,
)
from sandbox.dialects.paradex_views import Views
from sandbox.dialects.paradex_ws_orders import OrderCalls
from sandbox.faults import FaultKind, FrameFate
from sandbox.model import Refusal

UNREAD_MAX: Final = 2_000
CHANNELS_MAX: Final = 500
NODE_ID: Final = "twin-1"
BOOK_TOPICS: Final = frozenset({"deltas", "snapshot"})
CLOSE_GOING_AWAY: Final = 1001
CLOSE_TOO_SLOW: Final = 1008


class Gate:
    """What every connection shares, and the handshake."""

    def __init__(self, views: Views, feed: Feed, desk: OrderDesk, mint: TokenMint, limiter: RateLimiter) -> None:
        self.views = views
        self.feed = feed
        self.desk = desk
        self.mint = mint
        self.limiter = limiter

    async def endpoint(self, socket: WebSocket) -> None:
        """Serve one client from handshake to end."""
        refusal = self._refusal(socket)
        if refusal is not None:
            await socket.receive()
            await socket.send_denial_response(refusal)
            await asyncio.sleep(0)  # the server closes its socket next; ending earlier, it logs an error
            return
        await socket.accept()
        await Connection(socket, self, sbe.asked_version(socket.query_params)).run()

    def _refusal(self, socket: WebSocket) -> Response | None:
        try:
            sbe.asked_version(socket.query_params)
        except sbe.NoSuchSchema as problem:
            return error_response(ApiError("INVALID_REQUEST_PARAMETER", str(problem)))
        owner = f"connects/{socket.client.host if socket.client else 'local'}"
        try:
            now_us = self.views.world.wall_us(VENUE)
            self.limiter.take(owner, self.limiter.limits.ip_connects, now_us=now_us)
        except TooManyRequests as error:
            return error_response(error)
        return None


class Connection:
    """One client: its account, its channels, and a bounded queue of frames to send.

    `sbe_version` is the version of binary frames that public channels come in; None for JSON.
    """

    def __init__(self, socket: WebSocket, gate: Gate, sbe_version: int | None = None) -> None:
        self.account = ""
        self._socket = socket
        self._gate = gate
        self._world = gate.views.world
        self._channels: set[str] = set()
        self._sbe_version = sbe_version
        self._behind: str | bytes | None = None  # a frame that the next one overtakes
        self._frames: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self._is_closing = False
        self._orders = OrderCalls(gate.views, gate.desk, gate.limiter, self._require_account)
        self._methods: dict[str, Callable[[Any], Row]] = {
            "auth": self._auth,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            **self._orders.methods,
        }

    async def run(self) -> None:
        """Read and write until either side ends; then forget the subscriptions."""
        self._auth_by_header()
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            self._leave()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def notify(self, channel: str, row: Row, lane: str) -> None:
        """Queue one notification, as the fault desk decides. A client that does not read is dropped."""
        match self._world.faults.frame(VENUE, lane):
            case FrameFate.DROP:
                return
            case FrameFate.CLOSE:
                self._close(CLOSE_GOING_AWAY)
                return
            case FrameFate.TWICE:
                copies = 2
            case FrameFate.BEHIND if self._behind is None:
                self._behind = self._notification(channel, row)
                return
            case FrameFate.SEND | FrameFate.BEHIND:
                copies = 1
        frame = self._notification(channel, row)
        for _ in range(copies):
            self._queue(frame)
        if self._behind is not None:
            self._queue(self._behind)
            self._behind = None

    def _notification(self, channel: str, row: Row) -> str | bytes:
        binary = None if self._sbe_version is None else sbe.frame_of(channel, row, self._sbe_version)
        if binary is not None:
            return binary
        params = {"channel": channel, "data": row}
        return encode({"jsonrpc": "2.0", "method": "subscription", "params": params})

    def _queue(self, frame: str | bytes) -> None:
        if self._is_closing:
            return
        if self._frames.qsize() >= UNREAD_MAX:
            self._close(CLOSE_TOO_SLOW)
            return
        self._frames.put_nowait(frame)

    def _close(self, code: int) -> None:
        """End the connection; frames still waiting are lost, as with a real drop."""
        if self._is_closing:
            return
        self._is_closing = True
        while not self._frames.empty():
            self._frames.get_nowait()
        self._frames.put_nowait(code)

    async def _write(self) -> None:
        while True:
            frame = await self._frames.get()
            try:
                if isinstance(frame, int):
                    await self._socket.close(frame)
                    return
                if isinstance(frame, bytes):
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_text(frame)
            except (WebSocketDisconnect, RuntimeError):
                return  # the client is gone; the reader sees the same

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._world.sync()
            text = message.get("text")
            answer = self._answer(text if text is not None else message.get("bytes") or b"")
            if not self._world.faults.is_active(VENUE, FaultKind.HALF_OPEN):
                self._queue(answer)  # half open, the call is heard and acted on, and its answer never leaves

    def _leave(self) -> None:
        for name in self._channels:
            self._gate.feed.unsubscribe(self, name)
        self._orders.leave()

    # --- JSON-RPC ---------------------------------------------------------------------------------
    def _answer(self, raw: str | bytes) -> str:
        received_us = self._world.wall_us(VENUE)
        request_id: object = None
        try:
            request = decode(raw)
            request_id = request.get("id")
            outcome: Row = {"result": self._call(request)}
        except RpcError as error:
            outcome = {"error": error.row()}
        sent_us = self._world.wall_us(VENUE)
        clock = {"usIn": received_us, "usDiff": sent_us - received_us, "usOut": sent_us}
        return encode({"jsonrpc": "2.0", **outcome, **clock, "id": request_id})

    def _call(self, request: dict[str, Any]) -> Row:
        if request.get("jsonrpc") != "2.0" or not isinstance(request.get("method"), str):
            raise RpcError(INVALID_REQUEST, "invalid request", "jsonrpc 2.0 and a method are needed")
        handler = self._methods.get(request["method"])
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, "method does not exist")
        params = request.get("params", {})
        if not isinstance(params, dict) and request["method"] != "order.create_batch":
            raise RpcError(INVALID_PARAMS, "invalid params", "params must be an object")
        try:
            return handler(params)
        except TooManyRequests:
            raise RpcError(RATE_LIMITED, "rate limit exceeded") from None
        except ApiError as error:
            raise RpcError(METHOD_ERROR, error.message, error.code) from None
        except Refusal as refusal:
            spelled = of_refusal(refusal)
            raise RpcError(METHOD_ERROR, spelled.message, spelled.code) from None

    def _auth_by_header(self) -> None:
        """Take the bearer of the handshake if it is good; a bad one leaves the connection anonymous."""
        words = self._socket.headers.get("authorization", "").split()
        if len(words) == 2 and words[0].lower() == "bearer":
            try:
                self._sign_in(words[1])
            except TokenError:
                return

    def _auth(self, params: dict[str, Any]) -> Row:
        bearer = params.get("bearer")
        if not isinstance(bearer, str) or bearer.count(".") != 2:
            raise RpcError(MALFORMED_BEARER, "Malformed Bearer Token")
        try:
            self._sign_in(bearer)
        except TokenError:
            raise RpcError(INVALID_BEARER, "Invalid Bearer Token") from None
        return {"node_id": NODE_ID}

    def _sign_in(self, token: str) -> None:
        """Bind the connection to the token's account; it stays bound when the token expires."""
        now_s = self._world.wall_us(VENUE) // 1_000_000
        account = self._gate.mint.check(token, now_s=now_s).account
        if self.account not in ("", account):
            raise TokenError("the connection belongs to another account")
        self.account = account

    def _subscribe(self, params: dict[str, Any]) -> Row:
        name = channel_name(params)
        try:
            channel = read_channel(name, self._gate.views)
        except ChannelError as problem:
            raise RpcError(INVALID_REQUEST, "invalid request", str(problem)) from None
        if channel.is_private:
            self._require_account()
        if name in self._channels or len(self._channels) >= CHANNELS_MAX:
            raise RpcError(INVALID_REQUEST, "invalid request", "already subscribed")
        if self._sbe_version is not None and channel.topic in BOOK_TOPICS:
            self._require_only_book(channel)
        self._channels.add(name)
        # The answer must come before the first book of a book channel: it is queued by the caller.
        asyncio.get_running_loop().call_soon(self._start, name)
        return {"channel": name}

    def _start(self, name: str) -> None:
        if name in self._channels and not self._is_closing:
            self._gate.feed.subscribe(self, read_channel(name, self._gate.views))

    def _require_only_book(self, wanted: Channel) -> None:
        """Refuse a market's second book: a binary frame names its market only, nobody could tell the two apart."""
        taken = (read_channel(name, self._gate.views) for name in self._channels)
        if any(channel.topic in BOOK_TOPICS and channel.market == wanted.market for channel in taken):
            problem = "a binary connection has one order_book channel for each market"
            raise RpcError(INVALID_REQUEST, "invalid request", problem)

    def _unsubscribe(self, params: dict[str, Any]) -> Row:
        name = channel_name(params)
        if name not in self._channels:
            raise RpcError(INVALID_REQUEST, "invalid request", "not subscribed")
        self._channels.discard(name)
        self._gate.feed.unsubscribe(self, name)
        return {"channel": name}

    def _require_account(self) -> str:
        if not self.account:
            raise RpcError(NO_PERMISSION, "no permission", "authenticate first")
        return self.account
