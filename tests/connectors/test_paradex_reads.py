"""Paradex's market data and records by REST: pages, spans, orders of rows, and what a missing answer is."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from paradex_fakes import (
    CHAIN,
    ENDPOINTS,
    NOW,
    NOW_MS,
    TIMEOUTS,
    ScriptedVenue,
    ShortSleeps,
    intent,
    keys,
    order_row,
    says,
)

from connectors.paradex.client import ParadexClient
from connectors.venue import Accepted
from core.errors import NotOffered, ProtocolViolation, VenueRejected, VenueUnavailable
from core.market_data import CandleInterval
from core.order import Side

MINUTE_MS = 60_000


@pytest.fixture
def venue() -> ScriptedVenue:
    return ScriptedVenue()


@pytest.fixture
async def client(venue: ScriptedVenue) -> AsyncIterator[ParadexClient]:
    opened = _client(venue)
    await opened.connect()
    yield opened
    await opened.aclose()


def _client(venue: ScriptedVenue) -> ParadexClient:
    return ParadexClient("par-1", keys(), ENDPOINTS, ShortSleeps().outside(), TIMEOUTS, transport=venue.transport)


def _trade(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number), "market": "ETH-USD-PERP", "side": "SELL", "price": "3000", "size": "0.1",
        "created_at": NOW_MS + number, "trade_type": "FILL", **changes,
    }  # fmt: skip


def _funding(number: int) -> dict[str, Any]:
    return {
        "market": "ETH-USD-PERP", "funding_index": f"{number}", "funding_rate": "0.0001", "funding_period_hours": 8,
        "created_at": NOW_MS + 1000 * number,
    }  # fmt: skip


# --- market data --------------------------------------------------------------------------------------


async def test_trades_are_the_newest_oldest_first(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/trades", {"results": [_trade(3), _trade(2), _trade(2), _trade(1)], "next": "more"})

    trades = await client.market_data.trades("ETH/USD", limit=2)

    assert [trade.trade_id for trade in trades] == ["2", "3"]
    assert trades[0].aggressor is Side.SELL
    assert venue.asked("GET /v1/trades")[0].url.params["page_size"] == "2"


async def test_a_trade_with_an_unknown_side_is_refused(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/trades", {"results": [_trade(1, side="BOTH")]})

    with pytest.raises(ProtocolViolation):
        await client.market_data.trades("ETH/USD")


async def test_a_long_span_of_candles_is_several_requests_without_doubles(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        begin, end = int(request.url.params["start_at"]), int(request.url.params["end_at"])
        rows = [[at, 1, 2, 1, 2, 5] for at in range(begin, end + 1, MINUTE_MS)]  # both ends included
        return httpx.Response(200, json={"results": rows})

    venue.on("GET /v1/markets/klines", answer)
    since = NOW - timedelta(minutes=1200)

    candles = await client.market_data.candles("ETH/USD", CandleInterval.MINUTE, since, NOW)

    assert len(venue.asked("GET /v1/markets/klines")) == 3
    assert [c.start for c in candles] == [since + timedelta(minutes=n) for n in range(1200)]
    assert all(candle.is_closed for candle in candles)


async def test_candles_without_a_trade_are_left_out(client: ParadexClient, venue: ScriptedVenue) -> None:
    rows = [[NOW_MS, 1, 1, 1, 1, 0], [NOW_MS + MINUTE_MS, 1, 2, 1, 2, 0.5]]
    venue.on("GET /v1/markets/klines", {"results": rows})

    (candle,) = await client.market_data.candles("ETH/USD", CandleInterval.MINUTE, NOW, NOW + timedelta(minutes=2))

    assert (candle.volume, candle.is_closed) == (Decimal("0.5"), False)


async def test_a_candle_that_another_follows_is_closed_whatever_the_clocks_say(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("GET /v1/markets/klines", {"results": [[NOW_MS + n * MINUTE_MS, 1, 1, 1, 1, 1] for n in range(3)]})

    candles = await client.market_data.candles("ETH/USD", CandleInterval.MINUTE, NOW, NOW + timedelta(minutes=3))

    assert [candle.is_closed for candle in candles] == [True, True, False]


async def test_past_funding_comes_from_all_pages_once_each_oldest_first(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(
        "GET /v1/funding/data",
        {"results": [_funding(3), _funding(2)], "next": "c1"},
        {"results": [_funding(2), _funding(1), _funding(-1)], "next": None},
    )

    rows = await client.market_data.past_funding("ETH/USD", NOW)

    assert [row.index for row in rows] == [1, 2, 3]
    first, second = venue.asked("GET /v1/funding/data")
    assert (first.url.params["page_size"], second.url.params["cursor"]) == ("5000", "c1")
    assert "authorization" not in first.headers


async def test_a_status_that_could_not_be_read_is_not_open(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/system/state", says(503, {"error": "SERVICE_UNAVAILABLE"}))

    with pytest.raises(VenueUnavailable):
        await client.market_data.system_status()


# --- records ------------------------------------------------------------------------------------------


async def test_past_orders_are_the_ended_ones_newest_first(client: ParadexClient, venue: ScriptedVenue) -> None:
    def row(number: int, **changes: Any) -> dict[str, Any]:
        return order_row(id=str(number), created_at=NOW_MS + number, **changes)

    ended = {"status": "CLOSED", "cancel_reason": "USER_CANCELED"}
    venue.on(
        "GET /v1/orders-history",
        {"results": [row(4, status="OPEN"), row(3, **ended)], "next": "c1"},
        {"results": [row(3, **ended), row(2, market="BTC-USD-PERP", **ended), row(1, **ended), row(-5, **ended)]},
    )

    reports = await client.records.order_history("ETH/USD", NOW)

    assert [report.venue_order_id for report in reports] == ["3", "1"]


async def test_transfers_are_oldest_first_since_a_time(client: ParadexClient, venue: ScriptedVenue) -> None:
    def row(number: int) -> dict[str, Any]:
        return {
            "id": f"t{number}", "token": "USDC", "amount": "1", "kind": "DEPOSIT", "direction": "IN",
            "status": "COMPLETED", "created_at": NOW_MS + number,
        }  # fmt: skip

    venue.on("GET /v1/transfers", {"results": [row(2), row(1)], "next": "c1"}, {"results": [row(1), row(-1)]})

    assert [transfer.transfer_id for transfer in await client.records.transfers(NOW)] == ["t1", "t2"]


async def test_the_quota_is_the_one_of_the_reads(client: ParadexClient, venue: ScriptedVenue) -> None:
    account = {
        "status": "ACTIVE", "account_value": "1", "free_collateral": "1", "initial_margin_requirement": "0",
        "maintenance_margin_requirement": "0",
    }  # fmt: skip
    told = {"X-RateLimit-Limit": "120", "X-RateLimit-Remaining": "117", "X-RateLimit-Reset": str(NOW_MS // 1000 + 1)}
    venue.on("GET /v1/account", says(200, account), says(200, account, **told))

    with pytest.raises(NotOffered):
        await client.records.request_quota()
    quota = await client.records.request_quota()

    assert (quota.limit, quota.remaining, quota.resets_at) == (120, 117, NOW + timedelta(seconds=1))
    assert "account" in quota.scope


async def test_leverage_of_another_market_is_not_taken(client: ParadexClient, venue: ScriptedVenue) -> None:
    other = {"market": "BTC-USD-PERP", "margin_type": "CROSS", "leverage": 3}
    venue.on("GET /v1/account/margin", {"configs": [other]})

    with pytest.raises(ProtocolViolation):
        await client.records.leverage("ETH/USD")
    with pytest.raises(VenueRejected):
        await client.records.leverage("DOGE/USD")


# --- the clock and the key ----------------------------------------------------------------------------


async def test_the_clock_is_measured_with_a_bound_and_kept(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/system/time", {"server_time": str(NOW_MS + 90_000)})

    found = await client.measure_clock()

    assert client.clock_offset == found
    assert abs(found.offset - timedelta(seconds=90)) <= found.error
    assert found.error == timedelta(microseconds=500)


async def test_signed_time_is_never_ahead_of_the_venues(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/system/time", {"server_time": str(NOW_MS + 90_000)})
    venue.on("POST /v1/orders", says(201, order_row()))
    await client.measure_clock()

    assert isinstance(await client.place(intent()), Accepted)

    (body,) = (json.loads(request.content) for request in venue.asked("POST /v1/orders"))
    assert body["signature_timestamp"] == NOW_MS + 90_000
    assert body["recv_window"] == 4000


@pytest.mark.parametrize(("key_is_main", "warned"), [(True, True), (False, False)])
async def test_a_main_key_is_warned_of_because_it_can_withdraw(
    venue: ScriptedVenue, caplog: pytest.LogCaptureFixture, key_is_main: bool, warned: bool
) -> None:
    hashes = {
        "paraclear_account_proxy_hash": "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9",
        "paraclear_account_hash": "0x41cb0280ebadaa75f996d8d92c6f265f6d040bb3ba442e5f86a554f1765244e",
    }
    if not key_is_main:
        hashes["paraclear_account_hash"] = "0x1"
    venue.on("GET /v1/system/config", {"starknet_chain_id": CHAIN, "paraclear_decimals": 8, **hashes})
    client = _client(venue)
    with caplog.at_level(logging.WARNING):
        await client.connect()
    await client.aclose()

    assert ("main key" in caplog.text) is warned
