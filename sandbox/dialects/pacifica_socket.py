"""One WebSocket connection to the Pacifica twin.

Duty: frames in, frames out: subscriptions, heartbeat, signed trading operations, limits of a connection.
Sources: docs.pacifica.fi, Websocket (heartbeat, 60 s without a client frame, 24 h of life, 20 subscriptions a
channel) and Websocket: Trading Operations. Protocol-level pings do not count as client frames.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sandbox.dialects.pacifica_desk import Desk, Outcome
from sandbox.dialects.pacifica_errors import ApiError, compact, rate_limited
from sandbox.dialects.pacifica_hub import Hub, Key
from sandbox.dialects.pacifica_limits import CreditDesk, Credits, cost_of_operation
from sandbox.dialects.pacifica_payloads import load_object, parse_batch, parse_command
from sandbox.faults import FaultKind, FrameFate
from sandbox.world import World

OPERATIONS = frozenset(
    {"create_order", "create_market_order", "edit_order", "cancel_order", "cancel_all_orders", "batch_orders"}
)
SUBSCRIPTIONS_MAX = 20  # a channel
QUEUE_MAX = 5000
IN_FLIGHT_MAX = 100
VENUE = "pacifica"


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """How long a connection may be silent and live, in real seconds."""

    idle_s: float = 60.0
    life_s: float = 86_400.0


class Connection:
    """Reads a client's frames and writes its channels."""

    def __init__(
        self,
        socket: WebSocket,
        *,
        world: World,
        hub: Hub,
        desk: Desk,
        credit_desk: CreditDesk,
        limits: SocketLimits,
    ) -> None:
        self._socket = socket
        self._world = world
        self._hub = hub
        self._desk = desk
        self._credits = credit_desk
        self._limits = limits
        self._queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue(QUEUE_MAX)
        self._keys: dict[Key, None] = {}
        self._in_flight = 0
        self._unheld = 0  # frames that go out without a further delay
        key = socket.headers.get("pf-api-key")
        self._api_key = key if desk.keys.is_api_key(key) else None

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        await self._socket.accept()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                try:
                    await self._read(group)
                finally:
                    for key in self._keys:
                        self._hub.unsubscribe(key, self)
                    self._finish()
                    await asyncio.wait([writer])
        finally:
            await self._close()

    def push(self, kind: str, text: str) -> None:
        """Queue one frame; a client that does not read is cut off."""
        try:
            self._queue.put_nowait((kind, text))
        except asyncio.QueueFull:
            self._finish()

    def _finish(self) -> None:
        """Let the writer end, dropping what is queued if there is no room for the mark."""
        while self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def _close(self) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            try:
                await self._socket.close()
            except (RuntimeError, WebSocketDisconnect):
                return  # the client was faster

    # --- writing --------------------------------------------------------------------------------
    async def _write(self) -> None:
        behind: str | None = None
        while (item := await self._queue.get()) is not None:
            kind, text = item
            await self._hold(kind)
            fate = self._world.faults.frame(VENUE, kind)
            if fate is FrameFate.DROP:
                continue
            if fate is FrameFate.BEHIND and behind is None:
                behind = text
                continue
            try:
                if fate is FrameFate.CLOSE:
                    await self._socket.close(1011)
                    return
                await self._socket.send_text(text)
                if fate is FrameFate.TWICE:
                    await self._socket.send_text(text)
                if behind is not None:
                    await self._socket.send_text(behind)
                    behind = None
            except (RuntimeError, WebSocketDisconnect):
                return  # closed by the client

    async def _hold(self, kind: str) -> None:
        """Wait as the fault desk says; what queued up meanwhile goes out right behind."""
        if self._unheld:
            self._unheld -= 1
            return
        delay_us = self._world.faults.frame_delay_us(VENUE, kind)
        if delay_us:
            await self._world.sleep(delay_us)
            self._unheld = self._queue.qsize()

    # --- reading --------------------------------------------------------------------------------
    async def _read(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.life_s
        while True:
            try:
                async with asyncio.timeout(min(self._limits.idle_s, max(0.0, end - loop.time()))):
                    text = await self._socket.receive_text()
            except (TimeoutError, WebSocketDisconnect, KeyError, RuntimeError):
                return  # silent for too long, too old, gone, or not text
            self._world.sync()
            self._take(text, group)

    def _take(self, text: str, group: asyncio.TaskGroup) -> None:
        try:
            frame = load_object(text)
        except ApiError as error:
            self._answer_error(error, None, None)
            return
        method, params = frame.get("method"), frame.get("params")
        if method == "ping":
            self.push("pong", compact({"channel": "pong"}))
        elif method == "subscribe" and isinstance(params, dict):
            self._subscribe(params)
        elif method == "unsubscribe" and isinstance(params, dict):
            self._unsubscribe(params)
        elif method is None and isinstance(params, dict) and len(params) == 1:
            self._trade(frame.get("id"), params, text, group)
        else:
            self._answer_error(ApiError(400, "Invalid request"), frame.get("id"), None)

    def _subscribe(self, params: dict[str, object]) -> None:
        key = self._hub.key_of(params)
        if key is None:
            return  # the venue leaves unknown channels and symbols unanswered
        per_source = Counter(source for source, _, _ in self._keys)
        if key not in self._keys and per_source[key[0]] >= SUBSCRIPTIONS_MAX:
            self._answer_error(ApiError(400, "Too many subscriptions"), None, "subscribe")
            return
        echo = params | ({"full": False} if key[0] == "account_info" else {})
        self.push("subscribe", compact({"channel": "subscribe", "data": echo}))
        snapshot = self._hub.snapshot(key)
        if snapshot is not None:
            self.push(key[0], snapshot)
        if key not in self._keys:
            self._keys[key] = None
            self._hub.subscribe(key, self)

    def _unsubscribe(self, params: dict[str, object]) -> None:
        key = self._hub.key_of(params)
        if key is None or key not in self._keys:
            return
        del self._keys[key]
        self._hub.unsubscribe(key, self)
        self.push("unsubscribe", compact({"channel": "unsubscribe", "data": params}))

    # --- trading --------------------------------------------------------------------------------
    def _trade(self, request_id: object, params: dict[str, object], text: str, group: asyncio.TaskGroup) -> None:
        operation, body = next(iter(params.items()))
        if operation not in OPERATIONS or not isinstance(body, dict):
            self._answer_error(ApiError(400, "Invalid request"), request_id, operation)
            return
        if self._in_flight >= IN_FLIGHT_MAX:
            self._answer_error(rate_limited(), request_id, operation)
            return
        self._in_flight += 1
        group.create_task(self._carry_out(request_id, operation, body, text))

    async def _carry_out(self, request_id: object, operation: str, body: dict[str, object], text: str) -> None:
        try:
            action = "cancel" if operation.startswith("cancel") else "place"
            if self._world.faults.take(VENUE, FaultKind.LOST_REQUEST, action):
                self._finish()
                await self._close()
                return
            answer = await self._answer(request_id, operation, body, text, action)
            if self._world.faults.take(VENUE, FaultKind.LOST_ANSWER, action):
                await self._close()
                return
            self.push("answer", answer)
        finally:
            self._in_flight -= 1

    async def _answer(self, request_id: object, operation: str, body: dict[str, object], text: str, action: str) -> str:
        credits_ = self._charge(operation)
        try:
            if credits_.is_exceeded:
                raise rate_limited()
            payload = await self._execute(operation, body, text, action)
        except ApiError as error:
            return self._error_frame(error, request_id, operation, credits_)
        answer: dict[str, object] = {
            "code": 200,
            "data": payload,
            "id": request_id,
            "t": self._world.now_us() // 1000,
            "type": operation,
        }
        return compact(answer | self._credit_member(credits_))

    async def _execute(self, operation: str, body: dict[str, object], text: str, action: str) -> dict[str, object]:
        faults = self._world.faults
        delay = faults.take(VENUE, FaultKind.DELAY, action)
        if delay:
            await self._world.sleep(delay.delay_ms * 1000)
        if faults.take(VENUE, FaultKind.HTTP_429, action):
            raise rate_limited()
        broken = faults.take(VENUE, FaultKind.HTTP_5XX, action)
        if broken and not broken.after:
            raise ApiError(500, "Unknown error")
        if operation == "batch_orders":
            outcomes = await self._desk.run_batch(parse_batch(body, text))
            payload: dict[str, object] = {"results": [_batch_row(outcome) for outcome in outcomes]}
        else:
            payload = _single(operation, await self._desk.run(parse_command(operation, body, text)))
        if broken:
            raise ApiError(500, "Unknown error")
        return payload

    def _charge(self, operation: str) -> Credits:
        if self._api_key is not None:
            return self._credits.charge(f"key:{self._api_key}", cost_of_operation(operation), has_key=True)
        address = self._socket.client.host if self._socket.client else "local"
        return self._credits.charge(f"ip:{address}", cost_of_operation(operation), has_key=False)

    def _credit_member(self, credits_: Credits | None) -> dict[str, object]:
        return {"rl": credits_.frame()} if credits_ is not None and self._api_key is not None else {}

    def _answer_error(self, error: ApiError, request_id: object, operation: str | None) -> None:
        self.push("answer", self._error_frame(error, request_id, operation, None))

    def _error_frame(self, error: ApiError, request_id: object, operation: str | None, credits_: Credits | None) -> str:
        frame: dict[str, object] = {} if request_id is None else {"id": request_id}
        if operation is not None:
            frame["type"] = operation
        frame |= {"code": error.ws_code, "err": error.text, "t": self._world.now_us() // 1000}
        return compact(frame | self._credit_member(credits_))


def _single(operation: str, outcome: Outcome) -> dict[str, object]:
    if operation == "cancel_all_orders":
        assert isinstance(outcome.payload, dict)
        return dict(outcome.payload)
    return {"I": outcome.client_order_id, "i": outcome.order_id, "s": outcome.symbol}


def _batch_row(outcome: Outcome | ApiError) -> dict[str, object]:
    if isinstance(outcome, ApiError):
        row: dict[str, object] = {"success": False, "order_id": None, "client_order_id": None, "symbol": None}
        return row | {"error": outcome.text}
    return {
        "success": True,
        "order_id": outcome.order_id,
        "client_order_id": outcome.client_order_id,
        "symbol": outcome.symbol,
    }
