"""A Backpack client for tests, written from the published signing rule and sharing no code with the twin.

``Bench`` is a world on a virtual clock with empty books, the twin's app, and funded clients.
``Client`` signs requests and sends them through ASGI, no socket in between.
``Socket`` drives the twin's WebSocket door through ASGI and reads frames with a bound on the wait.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Self

import httpx
from nacl.signing import SigningKey

from sandbox.clock import Clock, VirtualClock
from sandbox.dialects.backpack import create_app
from sandbox.dialects.backpack_context import BackpackSwitches, Twin, build_twin
from sandbox.exchange import Exchange
from sandbox.world import World

START_MS = 1_700_000_000_000
FRAME_WAIT_S = 2.0
SOL = "SOL_USDC_PERP"

INSTRUCTIONS = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
    ("GET", "/wapi/v1/history/settlement"): "settlementHistoryQueryAll",
    ("GET", "/wapi/v1/history/position"): "positionHistoryQueryAll",
    ("GET", "/wapi/v1/capital/deposits"): "depositQueryAll",
    ("GET", "/wapi/v1/capital/withdrawals"): "withdrawalQueryAll",
}


def signed_pairs(instruction: str, pairs: Mapping[str, object]) -> str:
    """Return ``instruction=...&k=v`` with sorted keys and lower-case booleans."""
    texts = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in pairs.items()}
    return "&".join([f"instruction={instruction}", *(f"{k}={texts[k]}" for k in sorted(texts))])


class Client:
    """One API key."""

    def __init__(self, http: httpx.AsyncClient, seed: bytes, now_ms: Any) -> None:
        self.key = SigningKey(seed)
        self.public_key = base64.b64encode(bytes(self.key.verify_key)).decode()
        self._http = http
        self._now_ms = now_ms

    def sign(self, text: str) -> str:
        """Return the base64 signature of a text."""
        return base64.b64encode(self.key.sign(text.encode()).signature).decode()

    def headers(self, text: str, window: int = 5000) -> dict[str, str]:
        """Return the four headers for signed pairs ``text``, at the present time."""
        timestamp = self._now_ms()
        signature = self.sign(f"{text}&timestamp={timestamp}&window={window}")
        return {
            "X-API-Key": self.public_key,
            "X-Signature": signature,
            "X-Timestamp": str(timestamp),
            "X-Window": str(window),
        }

    def signature_member(self, window: int = 5000) -> list[str]:
        """Return the ``signature`` member of a SUBSCRIBE frame."""
        headers = self.headers("instruction=subscribe", window)
        return [headers[name] for name in ("X-API-Key", "X-Signature", "X-Timestamp", "X-Window")]

    async def get(self, path: str, **query: object) -> httpx.Response:
        """Send a signed GET; booleans are written ``true`` / ``false``."""
        texts = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in query.items()}
        headers = self.headers(signed_pairs(INSTRUCTIONS["GET", path], query))
        return await self._http.get(path, params=texts, headers=headers)

    async def send(self, method: str, path: str, body: Any) -> httpx.Response:
        """Send a signed request with a JSON body; a list is signed as a batch."""
        instruction = INSTRUCTIONS[method, path]
        groups = body if isinstance(body, list) else [body]
        text = "&".join(signed_pairs(instruction, group) for group in groups)
        return await self._http.request(method, path, json=body, headers=self.headers(text))

    async def order(self, side: str, quantity: str, price: str | None = None, **more: object) -> httpx.Response:
        """Place an order in SOL: a limit order with a price, a market order without."""
        body: dict[str, object] = {"symbol": SOL, "side": side, "quantity": quantity, **more}
        body["orderType"] = "Market" if price is None else "Limit"
        if price is not None:
            body["price"] = price
        return await self.send("POST", "/api/v1/order", body)

    async def rest(self, side: str, quantity: str, price: str, **more: object) -> dict[str, Any]:
        """Place a post-only order that must rest, and return it."""
        answer = await self.order(side, quantity, price, postOnly=True, **more)
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()
        assert row["status"] == "New"
        return row

    async def cancel(self, **reference: object) -> httpx.Response:
        """Cancel one SOL order by ``orderId`` or ``clientId``."""
        return await self.send("DELETE", "/api/v1/order", {"symbol": SOL, **reference})


class Socket:
    """One in-process WebSocket connection."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.close_code: int | None = None

    async def __aenter__(self) -> Self:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "scheme": "ws",
            "subprotocols": [],
            "client": ("test", 1),
            "server": ("test", 80),
        }
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._app(scope, self._in.get, self._out.put))
        accepted = await asyncio.wait_for(self._out.get(), FRAME_WAIT_S)
        assert accepted["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._task is not None
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._task, FRAME_WAIT_S)

    def send(self, frame: object) -> None:
        """Send one frame: text as it is, anything else as JSON."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    async def subscribe(self, *streams: str, client: Client | None = None) -> None:
        """Subscribe, signed when a client is given, and let the twin read the frame."""
        frame: dict[str, object] = {"method": "SUBSCRIBE", "params": list(streams)}
        if client is not None:
            frame["signature"] = client.signature_member()
        self.send(frame)
        await self.settle()

    async def settle(self) -> None:
        """Give the twin's tasks turns enough to read and write what is queued."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def next(self) -> dict[str, Any]:
        """Return the next frame as JSON; fail when none comes in time or the twin closes."""
        message = await asyncio.wait_for(self._out.get(), FRAME_WAIT_S)
        if message["type"] == "websocket.close":
            self.close_code = message.get("code")
            raise ConnectionError(f"closed with {self.close_code}")
        frame: dict[str, Any] = json.loads(message["text"])
        return frame

    async def waiting(self) -> list[dict[str, Any]]:
        """Return the frames that have arrived; none is a fine answer."""
        await self.settle()
        frames = []
        while not self._out.empty():
            frames.append(await self.next())
        return frames


class Bench:
    """World, twin and clients. Prices stand still; books hold what the clients put there."""

    def __init__(
        self,
        switches: BackpackSwitches | None = None,
        *,
        clock: Clock | None = None,
        with_makers: bool = False,
    ) -> None:
        self.clock = clock or VirtualClock(START_MS * 1000)
        self.world = World(seed=7, clock=self.clock, with_makers=with_makers)
        self.exchange: Exchange = self.world.exchanges["backpack"]
        self.app = create_app(self.world, self.exchange, switches)
        transport = httpx.ASGITransport(app=self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://twin")
        self.alice = self.client(bytes(range(32)))
        self.bob = self.client(bytes(range(1, 33)))

    def client(self, seed: bytes, balance: str = "10000") -> Client:
        """Open a funded account for a new key."""
        client = self.stranger(seed)
        self.exchange.open_account(client.public_key, Decimal(balance))
        return client

    def stranger(self, seed: bytes) -> Client:
        """Return a client whose key has no account."""
        return Client(self.http, seed, lambda: self.world.wall_us("backpack") // 1000)

    def stranger_with_money(self) -> Client:
        """Return a third funded client that does not trade."""
        return self.client(b"\x33" * 32)

    def twin(self) -> Twin:
        """Return a second twin over the same exchange, for parts that are tested alone."""
        return build_twin(self.world, self.exchange)

    def socket(self) -> Socket:
        """Return a connection to the twin's WebSocket door."""
        return Socket(self.app)

    async def trade(self, quantity: str = "1", price: str = "150") -> None:
        """Let Alice buy ``quantity`` SOL from Bob at ``price``."""
        await self.bob.rest("Ask", quantity, price)
        answer = await self.alice.order("Bid", quantity, price, timeInForce="IOC")
        assert answer.json()["status"] == "Filled"
