"""Paradex's WebSocket: JSON-RPC control plane, subscriptions, and order commands over the socket.

Written from docs.paradex.trade (WebSocket API: Introduction, Authentication, Error Handling, Rate Limits;
Binary Encoding (SBE); order.create and its kin). One `Connection` is one client. Calls, answers and private
channels are JSON text; public channels are too, unless the handshake asked for binary frames, where a version that
is not served is answered HTTP 400. Must not decide about orders: that is the desk's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.dialects import paradex_bodies as bodies
from sandbox.dialects import paradex_sbe as sbe
from sandbox.dialects.paradex_auth import TokenError, TokenMint
from sandbox.dialects.paradex_bodies import CancelBatchBody, ModifyBody, OrderBody
from sandbox.dialects.paradex_channels import Channel, ChannelError, Feed, read_channel
from sandbox.dialects.paradex_errors import ApiError, TooManyRequests, error_response, of_refusal
from sandbox.dialects.paradex_limits import RateLimiter
from sandbox.dialects.paradex_orders import OrderDesk
from sandbox.dialects.paradex_private import cancel_row
from sandbox.dialects.paradex_rows import VENUE, Row, millis
from sandbox.dialects.paradex_views import Views
from sandbox.faults import FrameFate
from sandbox.model import Order, Refusal

UNREAD_MAX: Final = 2_000
CHANNELS_MAX: Final = 500
NODE_ID: Final = "twin-1"
BOOK_TOPICS: Final = frozenset({"deltas", "snapshot"})
CLOSE_GOING_AWAY: Final = 1001
CLOSE_TOO_SLOW: Final = 1008

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
METHOD_ERROR: Final = 100
MALFORMED_BEARER: Final = 40110
INVALID_BEARER: Final = 40111
NO_PERMISSION: Final = 40300
RATE_LIMITED: Final = 42901


class RpcError(Exception):
    """A JSON-RPC error answer."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(f"{code} {message} {data}")
        self.code = code
        self.message = message
        self.data = data

    def row(self) -> Row:
        """Return the `error` member."""
        row: Row = {"code": self.code, "message": self.message}
        return {**row, "data": self.data} if self.data else row


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
        self._frames: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self._is_closing = False
        self._cancels_on_disconnect = False
        self._own_orders: set[str] = set()
        self._methods: dict[str, Callable[[Any], Row]] = {
            "auth": self._auth,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "order.create": self._create,
            "order.create_batch": self._create_batch,
            "order.modify": self._modify,
            "order.cancel": self._cancel,
            "order.cancel_batch": self._cancel_batch,
            "order.cancel_all": self._cancel_all,
            "order.cancel_on_disconnect": self._cancel_on_disconnect,
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
            case FrameFate.SEND:
                copies = 1
        frame = self._notification(channel, row)
        for _ in range(copies):
            self._queue(frame)

    def _notification(self, channel: str, row: Row) -> str | bytes:
        binary = None if self._sbe_version is None else sbe.frame_of(channel, row, self._sbe_version)
        if binary is not None:
            return binary
        params = {"channel": channel, "data": row}
        return _encode({"jsonrpc": "2.0", "method": "subscription", "params": params})

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
            self._queue(self._answer(text if text is not None else message.get("bytes") or b""))

    def _leave(self) -> None:
        for name in self._channels:
            self._gate.feed.unsubscribe(self, name)
        if not self._cancels_on_disconnect:
            return
        for wire_id in self._own_orders:
            try:
                self._gate.desk.cancel(self.account, wire_id)
            except ApiError:
                continue  # closed meanwhile

    # --- JSON-RPC ---------------------------------------------------------------------------------
    def _answer(self, raw: str | bytes) -> str:
        received_us = self._world.wall_us(VENUE)
        request_id: object = None
        try:
            request = _decode(raw)
            request_id = request.get("id")
            outcome: Row = {"result": self._call(request)}
        except RpcError as error:
            outcome = {"error": error.row()}
        sent_us = self._world.wall_us(VENUE)
        clock = {"usIn": received_us, "usDiff": sent_us - received_us, "usOut": sent_us}
        return _encode({"jsonrpc": "2.0", **outcome, **clock, "id": request_id})

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
        name = _channel_name(params)
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
        name = _channel_name(params)
        if name not in self._channels:
            raise RpcError(INVALID_REQUEST, "invalid request", "not subscribed")
        self._channels.discard(name)
        self._gate.feed.unsubscribe(self, name)
        return {"channel": name}

    # --- orders -----------------------------------------------------------------------------------
    def _create(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        order = self._gate.desk.place(account, bodies.read(OrderBody, params))
        return self._accepted(order)

    def _create_batch(self, params: Any) -> Row:
        account = self._require_order_budget()
        entries = params.get("orders") if isinstance(params, dict) else params
        if not isinstance(entries, list):
            raise RpcError(INVALID_PARAMS, "invalid params", "orders must be a list")
        outcome = self._gate.desk.place_batch(account, [bodies.read(OrderBody, entry) for entry in entries])
        results = [self._accepted(order) for order in outcome.orders]
        return {"results": results + [{"error": error.row()} for error in outcome.errors]}

    def _modify(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        body = bodies.read(ModifyBody, params)
        return {"order": self._gate.views.order(self._gate.desk.modify(account, body.id, body))}

    def _cancel(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        wire_id, client_id, market = (params.get(name) for name in ("id", "client_id", "market"))
        if isinstance(wire_id, str) and wire_id:
            order = self._gate.desk.cancel(account, wire_id)
        elif isinstance(client_id, str) and client_id:
            symbol = market if isinstance(market, str) and market else None
            order = self._gate.desk.cancel_by_client_id(account, client_id, symbol)
        else:
            raise RpcError(INVALID_PARAMS, "invalid params", "id or client_id is needed")
        return {"order_id": self._gate.views.ids.order(order.id), "status": "QUEUED_FOR_CANCELLATION"}

    def _cancel_batch(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        outcomes = self._gate.desk.cancel_batch(account, bodies.read(CancelBatchBody, params))
        return {"results": [cancel_row(self._gate.views, outcome) for outcome in outcomes]}

    def _cancel_all(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        market = params.get("market")
        self._gate.desk.cancel_all(account, market if isinstance(market, str) and market else None)
        return {"status": "ok"}

    def _cancel_on_disconnect(self, params: dict[str, Any]) -> Row:
        self._require_account()
        enabled = params.get("enabled")
        if not isinstance(enabled, bool):
            raise RpcError(INVALID_PARAMS, "invalid params", "enabled must be true or false")
        self._cancels_on_disconnect = enabled
        return {"enabled": enabled}

    def _accepted(self, order: Order) -> Row:
        self._own_orders.add(self._gate.views.ids.order(order.id))
        return {
            "order": self._gate.views.order(order),
            "created_at": millis(order.created_us),
            "received_at": millis(order.created_us),
        }

    def _require_account(self) -> str:
        if not self.account:
            raise RpcError(NO_PERMISSION, "no permission", "authenticate first")
        return self.account

    def _require_order_budget(self) -> str:
        """Draw from the same buckets as REST order commands."""
        account, limiter = self._require_account(), self._gate.limiter
        now_us = self._world.wall_us(VENUE)
        limiter.take(f"orders/{account}", limiter.limits.account_orders, now_us=now_us)
        return account


def _channel_name(params: dict[str, Any]) -> str:
    name = params.get("channel")
    if not isinstance(name, str):
        raise RpcError(INVALID_PARAMS, "invalid params", "channel must be a text")
    return name


def _decode(raw: str | bytes) -> dict[str, Any]:
    try:
        request = json.loads(raw)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "parse error") from None
    if not isinstance(request, dict):
        raise RpcError(INVALID_REQUEST, "invalid request", "one JSON object for each frame")
    return request


def _encode(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"))
