"""A small signing client for tests of the Pacifica twin, written from docs.pacifica.fi (Signing)."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import base58
import httpx
from engine_world import START_US
from nacl.signing import SigningKey
from starlette.applications import Starlette

from sandbox.clock import VirtualClock
from sandbox.dialects.pacifica import create_app
from sandbox.exchange import Exchange
from sandbox.model import OrderKind, OrderRequest, Side
from sandbox.world import World

MAKER = "maker"


class Signer:
    """One Ed25519 key; signs operations for its own account or, as an agent, for another."""

    def __init__(self, seed: int) -> None:
        self._key = SigningKey(bytes([seed]) * 32)
        self.public = base58.b58encode(bytes(self._key.verify_key)).decode()

    def sign(
        self, operation: str, timestamp: int, *, account: str | None = None, expiry: int = 5000, **fields: object
    ) -> dict[str, object]:
        """Build a signed body; `account` given means that this key is the account's agent."""
        header: dict[str, object] = {
            "account": account or self.public,
            "signature": self.signature(operation, timestamp, fields, expiry=expiry),
            "timestamp": timestamp,
            "expiry_window": expiry,
        }
        if account is not None:
            header["agent_wallet"] = self.public
        return header | fields

    def signature(self, operation: str, timestamp: int, fields: dict[str, object], *, expiry: int = 5000) -> str:
        """Sign an operation's fields."""
        message = {"type": operation, "timestamp": timestamp, "expiry_window": expiry, "data": fields}
        text = json.dumps(message, sort_keys=True, separators=(",", ":"))
        return base58.b58encode(self._key.sign(text.encode()).signature).decode()


class Twin:
    """The Pacifica twin in process: virtual clock, a still maker book, one funded account."""

    def __init__(self, balance: str = "10000") -> None:
        self.world = World(seed=1, clock=VirtualClock(START_US), with_makers=False)
        self.exchange: Exchange = self.world.exchanges["pacifica"]
        self.app: Starlette = create_app(self.world, self.exchange)
        self.signer = Signer(1)
        self.exchange.open_account(self.signer.public, Decimal(balance))
        self.exchange.open_internal_account(MAKER)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://twin/api/v1")
        self.quote("2499.5", "2500.5")

    @property
    def now_ms(self) -> int:
        """The venue's wall clock."""
        return self.world.wall_us() // 1000

    def quote(self, bid: str, ask: str, quantity: str = "5") -> None:
        """Put one maker level on each side of ETH."""
        self.exchange.quote(
            MAKER,
            "ETH/USD",
            {Decimal(bid): Decimal(quantity)},
            {Decimal(ask): Decimal(quantity)},
        )

    def take(self, side: Side, quantity: str, price: str) -> None:
        """Let the outside world send an order against the book."""
        self.exchange.open_internal_account("outsider")
        self.exchange.submit(
            OrderRequest("outsider", "ETH/USD", side, OrderKind.LIMIT, Decimal(quantity), Decimal(price))
        )

    async def post(self, path: str, operation: str, **fields: object) -> httpx.Response:
        """Send a signed operation of the account's own key."""
        return await self.http.post(path, json=self.signer.sign(operation, self.now_ms, **fields))

    async def limit(self, price: str, **changes: object) -> httpx.Response:
        """Create a limit order, by default to buy 0.1 ETH good till cancelled."""
        return await self.post("/orders/create", "create_order", **limit_fields(price, **changes))

    async def market(self, side: str = "bid", amount: str = "0.1", **changes: object) -> httpx.Response:
        """Create a market order."""
        fields: dict[str, object] = {
            "symbol": "ETH",
            "amount": amount,
            "side": side,
            "slippage_percent": "0.5",
            "reduce_only": False,
        }
        return await self.post("/orders/create_market", "create_market_order", **(fields | changes))

    async def get(self, path: str, **params: object) -> httpx.Response:
        """Read with the account as parameter."""
        return await self.http.get(path, params={"account": self.signer.public} | params)


def limit_fields(price: str, **changes: object) -> dict[str, object]:
    """Fields of a limit order with a fresh client order id."""
    fields: dict[str, object] = {
        "symbol": "ETH",
        "price": price,
        "amount": "0.1",
        "side": "bid",
        "tif": "GTC",
        "reduce_only": False,
        "client_order_id": str(uuid.uuid4()),
    }
    return fields | changes
