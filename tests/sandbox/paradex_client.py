"""A small Paradex client for tests of the twin: signs with its own Pedersen chain, knows no connector.

`Signer` makes the signed texts. `LoopClient` calls the app through ASGI, no socket in between, from plain
functions. `Desk` adds a world on a virtual clock, one account and a token. `Socket` drives the WebSocket door
through ASGI. Internal accounts `mm` and `mm2` make books by hand, so every price in a test is chosen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Self

import fast_stark_crypto as stark
import httpx
from starlette.applications import Starlette

from sandbox.clock import VirtualClock
from sandbox.dialects.paradex import create_app
from sandbox.dialects.paradex_limits import RateLimits
from sandbox.model import Order, OrderKind, OrderRequest, Side, TimeInForce
from sandbox.world import World

START_S = 1_795_000_000
CHAIN = "PRIVATE_SN_POTC_SEPOLIA"
# The account published in the tests of the venue's own SDK; never to be funded.
PRIVATE = 0x543B6CF6C91817A87174AAEA4FB370AC1C694E864D7740D728F8344D53E815
PUBLIC = "0x2c144d2f2d4fc61b6f8967f3ba0012a87d90140bcfe5a3e92e8df83258c960f"
ADDRESS = "0x129c135ed63df9353885e292be4426b8ed6122b13c6c0e1bb787288a1f5adfa"
DOMAIN_TYPE = 0x98D1932052FC5137543DE5ED85B7A88555A4CD1FF5D5BFEDB62ED9B9A1F0DB
ORDER_TYPE = 0xA56D5225B97B257C15AE2CB1CC0EA605381A886CD75463DB45FD2EF9FBC255
MODIFY_TYPE = 0x201789BB587C17B251FD38DAF43B14807010EA721C2929A8C2FC33BF15C2E2C
REQUEST_TYPE = 0x186CDEF6B179923C411C13C11B8A825F12BF34203BDDA0A984DA9D6F2313C2
CONSTANT_TYPE = 0xE84BBCB68E0F7C73A9058BA82B6DA9C1FFDC502EFCF034E78B0C003C22ECC9
ETH = "ETH-USD-PERP"


def felt(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def chain_hash(*elements: int) -> int:
    state = 0
    for element in elements:
        state = stark.pedersen_hash(state, element)
    return stark.pedersen_hash(state, len(elements))


class Signer:
    """Signs for one account with one key."""

    def __init__(self, private: int = PRIVATE, address: str = ADDRESS) -> None:
        self.private, self.address = private, address
        self.public = hex(stark.get_public_key(private))

    def sign(self, *struct: int) -> str:
        domain = chain_hash(DOMAIN_TYPE, felt("Paradex"), felt(CHAIN), 1)
        digest = chain_hash(felt("StarkNet Message"), domain, int(self.address, 16), chain_hash(*struct))
        return json.dumps([str(part) for part in stark.sign(self.private, digest)])

    def onboarding(self) -> dict[str, str]:
        return {
            "PARADEX-ETHEREUM-ACCOUNT": "0x511671d631CEA1E4C66f8b93bc467646C8e994B9",
            "PARADEX-STARKNET-ACCOUNT": self.address,
            "PARADEX-STARKNET-SIGNATURE": self.sign(CONSTANT_TYPE, felt("Onboarding")),
        }

    def auth(self, now_s: int, *, expires_in: int | None = 300) -> dict[str, str]:
        expiration = now_s + (1800 if expires_in is None else expires_in)
        signature = self.sign(REQUEST_TYPE, felt("POST"), felt("/v1/auth"), 0, now_s, expiration)
        headers = {
            "PARADEX-STARKNET-ACCOUNT": self.address,
            "PARADEX-STARKNET-SIGNATURE": signature,
            "PARADEX-TIMESTAMP": str(now_s),
        }
        if expires_in is not None:
            headers["PARADEX-SIGNATURE-EXPIRATION"] = str(expiration)
        return headers

    def order(
        self,
        side: str,
        size: str,
        price: str = "0",
        *,
        at_ms: int,
        kind: str = "LIMIT",
        market: str = ETH,
        modified_id: str | None = None,
        **unsigned: Any,
    ) -> dict[str, Any]:
        terms = [at_ms, felt(market), {"BUY": 1, "SELL": 2}[side], felt(kind)]
        terms += [int(Decimal(text) * 10**8) for text in (size, price)]
        struct = [ORDER_TYPE, *terms] if modified_id is None else [MODIFY_TYPE, *terms, int(modified_id)]
        body = {
            "market": market,
            "side": side,
            "type": kind,
            "size": size,
            "price": price,
            "signature": self.sign(*struct),
            "signature_timestamp": at_ms,
        }
        extra = {"instruction": "GTC"} if modified_id is None else {"id": modified_id}
        return {**body, **extra, **unsigned}


class LoopClient:
    """Blocking calls to an ASGI app, all on one event loop of its own."""

    def __init__(self, app: Starlette, runner: asyncio.Runner) -> None:
        self.app, self._runner = app, runner
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://twin")
        self.headers = self._http.headers

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **rest))

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("POST", path, **rest)

    def put(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("PUT", path, **rest)

    def delete(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("DELETE", path, **rest)


class Desk:
    """A twin in this process, its world, and one signed-in account."""

    def __init__(self, client: LoopClient, world: World, signer: Signer) -> None:
        self.client, self.world, self.signer = client, world, signer
        self.exchange = world.exchanges["paradex"]
        self.token = ""

    @property
    def now_ms(self) -> int:
        return self.world.wall_us("paradex") // 1000

    def sign_in(self) -> str:
        answer = self.client.post("/v1/auth", headers=self.signer.auth(self.now_ms // 1000))
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["jwt_token"]
        self.client.headers["Authorization"] = f"Bearer {self.token}"
        return self.token

    def run(self, seconds: float = 0.01) -> None:
        """Let venue time pass."""
        self.world.advance(round(seconds * 1_000_000))

    def body(self, side: str, size: str, price: str = "0", **rest: Any) -> dict[str, Any]:
        signer = rest.pop("signer", self.signer)
        return signer.order(side, size, price, at_ms=rest.pop("at_ms", self.now_ms), **rest)

    def place(self, side: str, size: str, price: str = "0", **rest: Any) -> dict[str, Any]:
        """Place an order that must be accepted, and let the risk queue run."""
        answer = self.client.post("/v1/orders", json=self.body(side, size, price, **rest))
        assert answer.status_code == 201, answer.text
        self.run()
        return answer.json()

    def final(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as the history tells it now."""
        rows = self.get("/v1/orders-history")["results"]
        return next(row for row in rows if row["id"] == order["id"])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def quote(self, side: Side, quantity: str, price: str, account: str = "mm") -> Order:
        """Rest a market maker's order in the ETH book."""
        request = OrderRequest(
            account=account,
            instrument="ETH/USD",
            side=side,
            kind=OrderKind.LIMIT,
            quantity=Decimal(quantity),
            price=Decimal(price),
            tif=TimeInForce.GTC,
        )
        return self.exchange.submit(request)

    def quote_around(self, mid: str = "2500", size: str = "10") -> None:
        """One level each side, one dollar from the middle."""
        self.quote(Side.BUY, size, str(Decimal(mid) - 1))
        self.quote(Side.SELL, size, str(Decimal(mid) + 1))


def open_world() -> World:
    """A world that stands still, without market makers."""
    world = World(seed=7, clock=VirtualClock(START_S * 1_000_000), with_makers=False)
    for name in ("mm", "mm2"):
        world.exchanges["paradex"].open_internal_account(name)
    return world


@contextmanager
def open_client(world: World, limits: RateLimits | None = None) -> Iterator[LoopClient]:
    with asyncio.Runner() as runner:
        yield LoopClient(create_app(world, world.exchanges["paradex"], limits=limits), runner)


class Denied(Exception):
    """The handshake was answered with an HTTP status."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


class Socket:
    """One WebSocket client of the app, driven through ASGI; every wait is bounded."""

    WAIT_S = 5.0

    def __init__(self, app: Starlette, query: str = "", bearer: str = "", host: str = "127.0.0.1") -> None:
        headers = [(b"authorization", f"Bearer {bearer}".encode())] if bearer else []
        self._scope = {
            "type": "websocket",
            "path": "/v1",
            "query_string": query.encode(),
            "headers": headers,
            "client": (host, 5),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._count = 0
        self.notices: list[dict[str, Any]] = []  # params of the notifications read so far
        self.binary: list[bytes] = []  # binary frames read so far
        self.closed_with: int | None = None

    async def __aenter__(self) -> Self:
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(
            self._app(self._scope, self._to_app.get, self._from_app.put)  # type: ignore[arg-type]
        )
        first = await self._next()
        if first["type"] == "websocket.http.response.start":
            body = (await self._next())["body"]
            await self._hang_up()
            raise Denied(first["status"], body)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()

    async def _hang_up(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(self.WAIT_S):
            await self._task

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(self.WAIT_S):
            return await self._from_app.get()

    async def frame(self) -> dict[str, Any]:
        """The next text frame, decoded; notifications are also kept in `notices`, binary frames in `binary`."""
        message = await self._next()
        while message.get("bytes") is not None:
            self.binary.append(message["bytes"])
            message = await self._next()
        return self._read(message)

    def _read(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["type"] == "websocket.close":
            self.closed_with = message["code"]
            raise ConnectionError(f"closed with {self.closed_with}")
        frame: dict[str, Any] = json.loads(message["text"])
        if frame.get("method") == "subscription":
            self.notices.append(frame["params"])
        return frame

    async def raw(self, text: str) -> dict[str, Any]:
        """Send a text and return the answer to it."""
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})
        while "usIn" not in (frame := await self.frame()):
            continue
        return frame

    def say(self, method: str, params: Any = None) -> None:
        """Call a method without waiting for its answer."""
        self._to_app.put_nowait({"type": "websocket.receive", "text": self._request(method, params)})

    def _request(self, method: str, params: Any) -> str:
        self._count += 1
        request = {"jsonrpc": "2.0", "method": method, "id": self._count}
        return json.dumps(request if params is None else {**request, "params": params})

    async def call(self, method: str, params: Any = None) -> dict[str, Any]:
        """Call a method; the answer's id must be ours."""
        answer = await self.raw(self._request(method, params))
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", self._count)
        return answer

    async def result(self, method: str, params: Any = None) -> Any:
        answer = await self.call(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, params: Any = None) -> tuple[int, str]:
        answer = await self.call(method, params)
        assert "result" not in answer, answer
        return answer["error"]["code"], answer["error"].get("data", "")

    async def subscribe(self, *channels: str) -> None:
        for channel in channels:
            assert await self.result("subscribe", {"channel": channel}) == {"channel": channel}

    async def settle(self) -> None:
        """Take every frame that is on its way."""
        for _ in range(20):
            await asyncio.sleep(0)
            while not self._from_app.empty():
                await self._take()

    async def _take(self) -> None:
        message = await self._next()
        if message.get("bytes") is not None:
            self.binary.append(message["bytes"])
        else:
            self._read(message)

    def rows(self, channel: str) -> list[dict[str, Any]]:
        """The rows of one channel read so far."""
        return [notice["data"] for notice in self.notices if notice["channel"] == channel]
