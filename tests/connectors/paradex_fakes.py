"""What the Paradex tests share: rows as the venue documents them, a venue behind httpx, a clock, one account."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from connectors.paradex import parse
from connectors.paradex.build import Listing
from connectors.settings import Endpoints, Outside, ParadexKeys, Timeouts
from core.instrument import Market, Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "fixtures" / "vectors_paradex.json").read_text())
ACCOUNT = VECTORS["accounts"][0]
CHAIN = "PRIVATE_SN_POTC_SEPOLIA"
CID = "0e0f3a52-6f7b-5a0e-9a6e-3a8d1c1f0001"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = 1_795_176_000_000
ENDPOINTS = Endpoints("https://api.testnet.paradex.trade", "wss://ws.api.testnet.paradex.trade/v1")
TIMEOUTS = Timeouts(connect_s=1, read_s=1, command_s=1, stream_start_s=2, stream_silence_s=30)


def keys() -> ParadexKeys:
    """The venue's published test account."""
    return ParadexKeys.model_validate({"account": ACCOUNT["l2_address"], "private_key": ACCOUNT["l2_private_key"]})


def market_row(base: str = "ETH", **changes: Any) -> dict[str, Any]:
    """One row of GET /markets."""
    return {
        "symbol": f"{base}-USD-PERP", "base_currency": base, "quote_currency": "USD", "settlement_currency": "USDC",
        "order_size_increment": "0.001", "price_tick_size": "0.01", "min_notional": "10", "max_order_size": "500",
        "position_limit": "5000", "price_bands_width": "0.05", "asset_kind": "PERP", "trading_mode": "STANDARD",
        "funding_period_hours": 8,
        "delta1_cross_margin_params": {"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.5"},
        "fee_config": {"api_fee": {"maker_fee": {"fee": "0.00003"}, "taker_fee": {"fee": "0.00045"}}},
        **changes,
    }  # fmt: skip


def order_row(**changes: Any) -> dict[str, Any]:
    """An order as REST and streams have it."""
    return {
        "id": "1795176000000201709460640000", "account": ACCOUNT["l2_address"], "market": "ETH-USD-PERP",
        "side": "BUY", "type": "LIMIT", "size": "0.5", "remaining_size": "0.5", "price": "3000.01",
        "avg_fill_price": "", "status": "NEW", "cancel_reason": "", "client_id": CID, "instruction": "IOC",
        "flags": [], "stp": "EXPIRE_BOTH", "created_at": NOW_MS, "last_updated_at": NOW_MS + 5,
        "seq_no": 1795176000000000001,
        **changes,
    }  # fmt: skip


def fill_row(**changes: Any) -> dict[str, Any]:
    """An execution as REST and streams have it."""
    return {
        "id": "8615262148007718462", "order_id": "1795176000000201709460640000", "client_id": CID,
        "account": ACCOUNT["l2_address"], "market": "ETH-USD-PERP", "side": "BUY", "price": "3000.00", "size": "0.2",
        "remaining_size": "0.3", "liquidity": "TAKER", "fee": "0.27", "fee_currency": "USDC", "fill_type": "FILL",
        "realized_pnl": "0", "realized_funding": "0", "created_at": NOW_MS + 3,
        **changes,
    }  # fmt: skip


def summary_row(**changes: Any) -> dict[str, Any]:
    """One row of GET /markets/summary."""
    return {
        "symbol": "ETH-USD-PERP", "mark_price": "3000.12", "underlying_price": "3000.5", "bid": "2999.9",
        "ask": "3000.3", "funding_rate": "0.00008", "created_at": NOW_MS,
        **changes,
    }  # fmt: skip


def listing() -> Listing:
    """ETH and BTC perpetuals."""
    return Listing.of(parse.markets([market_row("ETH"), market_row("BTC", price_tick_size="0.1")], None))


def eth() -> Market:
    """The ETH perpetual of the listing."""
    return listing().market("ETH/USD")


def intent(**changes: Any) -> OrderIntent:
    """A marketable buy of 0.5 ETH, bounded at 3000.01, valid for four seconds."""
    plain = OrderIntent(
        client_order_id=CID, session_id="s1", pair_id="p1", account_id="par-1", venue=Venue.PARADEX,
        symbol="ETH/USD", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.5"), price=Decimal("3000.01"), reference_price=Decimal("3000"), reduce_only=False,
        created_at=NOW, valid_until=NOW + timedelta(seconds=4),
    )  # fmt: skip
    return replace(plain, **changes)


@dataclass
class ShortSleeps:
    """A clock that short sleeps move at once; a sleep of a minute or more (token renewal) lasts until cancelled."""

    now: datetime = NOW
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds >= 60:
            await asyncio.get_running_loop().create_future()
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def outside(self) -> Outside:
        return Outside(self.clock, self.sleep, random.Random(1))


Answering = Callable[[httpx.Request], httpx.Response]


class ScriptedVenue:
    """Paradex behind httpx's transport: answers what is written for "METHOD /path", keeps every request."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.tokens = 0
        self.token_life_s = 300
        self._answers: dict[str, list[Answering]] = {}
        self.on("GET /v1/system/config", {"starknet_chain_id": CHAIN, "paraclear_decimals": 8})
        self.on("GET /v1/system/time", {"server_time": str(NOW_MS)})
        self.on(f"POST /v1/auth/{ACCOUNT['l2_public_key']}", self._token)
        fees = {"maker_rate": "0.00002", "taker_rate": "0.0003"}
        self.on("GET /v1/account/info", {"results": [{"account": ACCOUNT["l2_address"], "fees": fees}]})
        self.on("GET /v1/markets", {"results": [market_row("ETH"), market_row("BTC", price_tick_size="0.1")]})

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def on(self, route: str, *answers: Any) -> None:
        """Write the answers of a route, one after another, the last for ever: a JSON body, or a function."""
        self._answers[route] = [answer if callable(answer) else says(200, answer) for answer in answers]

    def asked(self, route: str) -> list[httpx.Request]:
        """Every request to a route so far."""
        return [request for request in self.requests if f"{request.method} {request.url.path}" == route]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self._answers.get(f"{request.method} {request.url.path}")
        if answers is None:
            return httpx.Response(404, json={"error": "NOT_FOUND", "message": "no such route in this script"})
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    def _token(self, _: httpx.Request) -> httpx.Response:
        self.tokens += 1
        return httpx.Response(200, json={"jwt_token": f"token-{self.tokens}"})


def says(status: int, body: Any = None, **headers: str) -> Answering:
    """An answer with a JSON body."""
    return lambda _: httpx.Response(status, json=body, headers=headers)


def refuses(status: int, code: str, message: str = "no") -> Answering:
    """The venue's error shape."""
    return says(status, {"error": code, "message": message})
