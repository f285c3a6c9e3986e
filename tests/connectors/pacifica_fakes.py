"""A small Pacifica at the transport's hole: answers by path, and what goes with it (rows, keys, intents)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import base58
import httpx
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.pacifica.client import PacificaClient
from connectors.settings import Endpoints, Outside, PacificaKeys, Timeouts
from core.instrument import Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce

SEED = bytes(range(32))
ACCOUNT = base58.b58encode(bytes(SigningKey(SEED).verify_key)).decode()
CLIENT_ID = "12345678-1234-1234-1234-123456789abc"
OTHER_ID = "87654321-1234-1234-1234-123456789abc"
T = 1748970123456

MARKET_ROW = {
    "symbol": "ETH", "tick_size": "0.1", "lot_size": "0.001", "max_leverage": 50, "min_order_size": "10",
    "max_order_size": "5000000", "instrument_type": "perpetual",
}  # fmt: skip
ACCOUNT_ROW = {
    "account_equity": "1000", "available_to_spend": "900", "total_margin_used": "100", "cross_mmr": "50",
    "maker_fee": "0.00015", "taker_fee": "0.0004",
}  # fmt: skip
PRICE_ROW = {"symbol": "ETH", "mark": "3000", "oracle": "3001", "next_funding": "0.0000125", "timestamp": T}
OPEN_ROW = {
    "order_id": 7, "client_order_id": CLIENT_ID, "symbol": "ETH", "side": "bid", "price": "3000",
    "initial_amount": "0.5", "filled_amount": "0.2", "cancelled_amount": "0", "updated_at": T,
}  # fmt: skip
EVENT_ROW = {
    "history_id": 3, "order_id": 7, "client_order_id": CLIENT_ID, "symbol": "ETH", "filled_amount": "0.5",
    "event_type": "fulfill_limit", "order_status": "filled", "created_at": T,
}  # fmt: skip
NO_EVENTS = httpx.Response(
    404, json={"success": False, "error": "Order history not found for order ID: 7", "code": 404}
)


def history_row(number: int, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "order_id": number, "client_order_id": f"c{number}", "symbol": "ETH", "filled_amount": "0.5",
        "average_filled_price": "2999", "order_status": "filled", "reason": None, "created_at": T, "updated_at": T,
    }  # fmt: skip
    return row | changes


def trade_row(number: int, **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "history_id": number, "order_id": 7, "client_order_id": CLIENT_ID, "symbol": "ETH", "amount": "0.1",
        "price": "3000", "entry_price": "3000", "fee": "0.1", "event_type": "fulfill_taker", "side": "open_long",
        "created_at": T + number,
    }  # fmt: skip
    return row | changes


def ok(data: object, **more: object) -> httpx.Response:
    return httpx.Response(200, json={"success": True, "data": data, "error": None, "code": None, **more})


def no(status: int, text: str, code: int) -> httpx.Response:
    return httpx.Response(status, json={"success": False, "data": None, "error": text, "code": code})


Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class SmallVenue(httpx.AsyncBaseTransport):
    """Answers by path: one fixed reply each, or a list of replies in turn. Everything that arrives is kept."""

    def __init__(self, **clock: datetime) -> None:
        self.requests: list[httpx.Request] = []
        self.headers: dict[str, str] = {}
        self.replies: dict[str, Reply | list[Reply]] = {
            "/info": ok([MARKET_ROW]),
            "/info/prices": ok([PRICE_ROW]),
            "/account": ok(ACCOUNT_ROW),
            "/orders": ok([]),
            "/orders/history_by_id": NO_EVENTS,
            "/orders/history": ok([], has_more=False, next_cursor=None),
            "/orders/create": ok({"order_id": 7}),
            "/orders/cancel": ok(None),
            "/orders/cancel_all": ok({"cancelled_count": 2}),
        }
        self.now: Callable[[], datetime] = lambda: datetime.fromtimestamp(T / 1000, UTC)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies[request.url.path.removeprefix("/api/v1")]
        if isinstance(reply, list):
            reply = reply.pop(0)
        if isinstance(reply, Exception):
            raise reply
        answer = reply(request) if callable(reply) else reply
        stamp = format_datetime(self.now(), usegmt=True)
        return httpx.Response(answer.status_code, content=answer.content, headers={"date": stamp, **self.headers})

    def asked(self, path: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path == f"/api/v1{path}"]

    def sent(self, path: str) -> dict[str, object]:
        (request,) = self.asked(path)
        body = json.loads(request.content)
        assert isinstance(body, dict)
        return body


def client_of(venue: SmallVenue, outside: Outside, **keys: object) -> PacificaClient:
    secret = SecretStr(base58.b58encode(SEED).decode())
    return PacificaClient(
        "acc-1",
        PacificaKeys(account=ACCOUNT, secret_key=secret, **keys),
        Endpoints("https://venue.test", "wss://venue.test/ws"),
        outside,
        Timeouts(connect_s=1, read_s=1, command_s=1),
        transport=venue,
    )


def intent(**changes: object) -> OrderIntent:
    now = datetime.fromtimestamp(T / 1000, UTC)
    wanted = OrderIntent(
        CLIENT_ID, "s", "p", "acc-1", Venue.PACIFICA, "ETH/USD", Side.BUY, OrderType.LIMIT, TimeInForce.IOC,
        quantity=Decimal("0.5"), price=Decimal("3000.1"), reference_price=Decimal("3000"), reduce_only=False,
        created_at=now, valid_until=now + timedelta(seconds=4),
    )  # fmt: skip
    return replace(wanted, **changes)
