"""What the Backpack twin offers beyond a pair of orders: candles, statistics, status, transfers, triggers, streams."""

from __future__ import annotations

from decimal import Decimal

import pytest
from backpack_twin import SOL, START_MS, Bench

from sandbox.dialects.backpack_context import BackpackSwitches
from sandbox.liquidation import Tier
from sandbox.model import VenueMode

MINUTE_MS = 60_000
ETH = "ETH_USDC_PERP"
D = Decimal


def mark_at(bench: Bench, price: str) -> None:
    """Publish a new mark and index of SOL."""
    bench.exchange.set_prices("SOL/USD", D(price), D(price), D(0))


async def test_candles_hold_the_trades_and_empty_minutes_have_null_prices() -> None:
    bench = Bench()
    await bench.trade("1", "150")
    bench.world.advance(2 * MINUTE_MS * 1000)
    await bench.trade("2", "152")
    begin_s = START_MS // 1000 // 60 * 60
    query = {"symbol": SOL, "interval": "1m", "startTime": begin_s, "endTime": begin_s + 130}
    rows = (await bench.http.get("/api/v1/klines", params=query)).json()
    assert [(row["open"], row["close"], row["volume"]) for row in rows] == [
        ("150", "150", "1"), (None, None, "0"), ("152", "152", "2")
    ]  # fmt: skip
    assert (rows[0]["start"], rows[0]["end"]) == ("2023-11-14 22:13:00", "2023-11-14 22:14:00")
    assert (rows[2]["quoteVolume"], rows[2]["trades"]) == ("304", "1")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"symbol": SOL, "interval": "7m", "startTime": 1}, "Expect a valid enumeration value."),
        ({"symbol": SOL, "interval": "1m"}, "parameter is missing"),
        ({"symbol": "NO_USDC_PERP", "interval": "1m", "startTime": 1}, "Invalid market symbol"),
        ({"symbol": SOL, "interval": "1m", "startTime": 1}, "Invalid time range"),
    ],
)
async def test_candles_of_a_bad_span_are_refused(query: dict[str, object], text: str) -> None:
    answer = await Bench().http.get("/api/v1/klines", params=query)
    assert answer.status_code == 400
    assert text in answer.text


@pytest.mark.parametrize("path", ["/api/v1/klines", "/api/v1/trades/history"])
async def test_historical_data_has_a_limit_of_its_own(path: str) -> None:
    bench = Bench(BackpackSwitches(historical_requests_per_minute=2))
    query = {"symbol": SOL, "interval": "1m", "startTime": START_MS // 1000}
    statuses = [(await bench.http.get(path, params=query)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await bench.http.get("/api/v1/trades", params={"symbol": SOL})).status_code == 200
    bench.world.advance(MINUTE_MS * 1000)
    assert (await bench.http.get(path, params=query)).status_code == 200


async def test_the_status_follows_the_venue_and_a_market_its_own_book() -> None:
    bench = Bench()
    assert (await bench.http.get("/api/v1/status")).json() == {"message": None, "status": "Ok"}
    bench.exchange.set_mode(VenueMode.CANCEL_ONLY, "SOL/USD")
    rows = {row["symbol"]: row["orderBookState"] for row in (await bench.http.get("/api/v1/markets")).json()}
    assert (rows[SOL], rows[ETH]) == ("CancelOnly", "Open")
    refused = await bench.alice.order("Bid", "1", "150", postOnly=True)
    assert (refused.status_code, refused.json()["code"]) == (400, "TRADING_PAUSED")
    bench.exchange.set_mode(VenueMode.MAINTENANCE)
    assert (await bench.http.get("/api/v1/status")).json()["status"] == "Maintenance"
    refused = await bench.alice.order("Bid", "1", "150", postOnly=True)
    assert (refused.status_code, refused.json()["code"]) == (503, "MAINTENANCE")


async def test_nothing_can_be_cancelled_in_maintenance() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1", "149")
    bench.exchange.set_mode(VenueMode.MAINTENANCE)
    assert (await bench.alice.cancel(orderId=row["id"])).status_code == 503
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == 1


async def test_each_payment_into_the_account_is_a_deposit() -> None:
    bench = Bench()
    bench.world.advance(MINUTE_MS * 1000)
    bench.exchange.open_account(bench.alice.public_key, D(250))
    await bench.trade()
    rows = (await bench.alice.get("/wapi/v1/capital/deposits")).json()
    assert [(row["quantity"], row["symbol"], row["status"]) for row in rows] == [
        ("250", "USDC", "confirmed"), ("10000", "USDC", "confirmed")
    ]  # fmt: skip
    since = {"from": START_MS + 1}
    assert [row["quantity"] for row in (await bench.alice.get("/wapi/v1/capital/deposits", **since)).json()] == ["250"]
    assert (await bench.alice.get("/wapi/v1/capital/withdrawals")).json() == []


async def stop(bench: Bench, **more: object) -> dict[str, object]:
    """Let Alice, who is long 1 SOL, place a stop at 140 by mark."""
    trigger = {"triggerPrice": "140", "triggerQuantity": "1", "triggerBy": "MarkPrice", **more}
    answer = await bench.alice.order("Ask", "1", "135", reduceOnly=True, timeInForce="IOC", clientId=7, **trigger)
    assert answer.status_code == 200, answer.text
    row: dict[str, object] = answer.json()
    return row


async def test_a_trigger_waits_until_the_mark_reaches_it() -> None:
    bench = Bench()
    await bench.trade()
    mark_at(bench, "150")
    row = await stop(bench)
    assert (row["status"], row["triggerPrice"], row["quantity"]) == ("TriggerPending", "140", None)
    assert [one["id"] for one in (await bench.alice.get("/api/v1/orders", symbol=SOL)).json()] == [row["id"]]
    assert (await bench.alice.get("/api/v1/account")).json()["triggerOrders"] == 1
    await bench.bob.rest("Bid", "1", "139")
    mark_at(bench, "140.01")
    assert (await bench.alice.get("/api/v1/position")).json()[0]["netQuantity"] == "1"
    mark_at(bench, "140")
    assert (await bench.alice.get("/api/v1/position")).json() == []
    (fill,) = (await bench.alice.get("/wapi/v1/history/fills", orderId=row["id"])).json()
    assert (fill["price"], fill["clientId"], fill["systemOrderType"]) == ("139", "7", None)


async def test_a_percentage_closes_its_share_of_the_position() -> None:
    bench = Bench()
    await bench.trade("4")
    mark_at(bench, "150")
    await stop(bench, triggerQuantity="25%")
    await bench.bob.rest("Bid", "4", "139")
    mark_at(bench, "139.9")
    assert (await bench.alice.get("/api/v1/position")).json()[0]["netQuantity"] == "3"


async def test_conditional_orders_are_cancelled_apart_from_resting_ones() -> None:
    bench = Bench()
    await bench.trade()
    mark_at(bench, "150")
    waiting, resting = await stop(bench), await bench.alice.rest("Bid", "1", "149")
    body = {"symbol": SOL, "orderType": "ConditionalOrder"}
    gone = (await bench.alice.send("DELETE", "/api/v1/orders", body)).json()
    assert [(row["id"], row["status"]) for row in gone] == [(waiting["id"], "Cancelled")]
    assert [row["id"] for row in (await bench.alice.get("/api/v1/orders")).json()] == [resting["id"]]


async def test_a_trigger_tells_its_life_on_the_order_stream() -> None:
    bench = Bench()
    await bench.trade()
    mark_at(bench, "150")
    async with bench.socket() as socket:
        await socket.subscribe("account.orderUpdate", client=bench.alice)
        await stop(bench)
        await bench.bob.rest("Bid", "1", "139")
        mark_at(bench, "139.5")
        told = [frame["data"] for frame in await socket.waiting()]
    assert [frame["e"] for frame in told] == ["triggerPlaced", "orderAccepted", "orderFill"]
    assert (told[0]["X"], told[0]["P"], told[0]["B"], told[0]["Y"]) == ("TriggerPending", "140", "MarkPrice", "1")


async def test_ticker_kline_and_open_interest_are_streamed() -> None:
    bench = Bench()
    await bench.trade("1", "150")
    async with bench.socket() as socket:
        await socket.subscribe(f"ticker.{SOL}", f"kline.1m.{SOL}", f"openInterest.{SOL}")
        mark_at(bench, "151")
        await bench.trade("1", "152")
        bench.world.advance(MINUTE_MS * 1000)
        await bench.trade("1", "149")
        told = [frame["data"] for frame in await socket.waiting()]
    kinds = [frame["e"] for frame in told]
    assert kinds == ["ticker", "openInterest", "kline", "kline", "kline"]
    assert (told[0]["c"], told[0]["n"]) == ("150.00", 1)
    assert told[1]["o"] == "1"
    assert [(frame["X"], frame["c"], frame["t"]) for frame in told[2:]] == [
        (False, "152", "2023-11-14T22:13:00"),
        (True, "152", "2023-11-14T22:13:00"),
        (False, "149", "2023-11-14T22:14:00"),
    ]


@pytest.mark.parametrize("name", ["kline.7m.SOL_USDC_PERP", "kline.1m", "liquidation.SOL_USDC_PERP"])
async def test_a_stream_that_is_not_there_is_an_error_frame(name: str) -> None:
    async with Bench().socket() as socket:
        await socket.subscribe(name)
        (frame,) = await socket.waiting()
    assert frame["error"]["code"] == 4006


@pytest.mark.parametrize(
    ("tier", "kind", "fill_type", "origin"),
    [
        (Tier.BOOK, "LiquidatePositionOnBook", "BookLiquidation", "LIQUIDATION_AUTOCLOSE"),
        (Tier.BACKSTOP, "LiquidatePositionOnBackstop", "Backstop", "BACKSTOP_LIQUIDITY_PROVIDER"),
        (Tier.ADL, "LiquidatePositionOnAdl", "Adl", "ADL_AUTOCLOSE"),
    ],
)
async def test_a_forced_execution_says_which_it_was(tier: Tier, kind: str, fill_type: str, origin: str) -> None:
    bench = Bench()
    await bench.trade("4")
    await bench.stranger_with_money().rest("Bid", "4", "149")
    async with bench.socket() as socket:
        await socket.subscribe("account.orderUpdate", client=bench.alice)
        bench.exchange.force_liquidation(bench.alice.public_key, tier)
        told = [frame["data"] for frame in await socket.waiting() if frame["data"]["e"] == "orderFill"]
    rows = (await bench.alice.get("/wapi/v1/history/fills", fillType=fill_type)).json()
    assert {row["systemOrderType"] for row in rows} == {kind}
    assert {(frame["O"], frame["S"]) for frame in told} == {(origin, "Ask")}
    assert {frame["t"] for frame in told} == {row["tradeId"] for row in rows}
    assert all(row["clientId"] is None for row in rows)
    everything = (await bench.alice.get("/wapi/v1/history/fills")).json()
    assert len(everything) == len(rows) + 1, "without a fillType all executions are listed"


async def test_only_forced_book_orders_are_on_the_liquidation_stream() -> None:
    bench = Bench()
    await bench.trade("4")
    await bench.stranger_with_money().rest("Bid", "4", "149")
    async with bench.socket() as socket:
        await socket.subscribe("liquidation")
        bench.exchange.force_liquidation(bench.alice.public_key, Tier.BOOK)
        bench.exchange.force_liquidation(bench.alice.public_key, Tier.BACKSTOP)
        told = [frame["data"] for frame in await socket.waiting()]
    assert {(frame["s"], frame["S"], frame["p"]) for frame in told} == {(SOL, "Ask", "149.00")}
