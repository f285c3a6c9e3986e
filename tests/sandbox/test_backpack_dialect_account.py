"""Accounts at the Backpack twin: settings, money, positions, settlement, history and its pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from backpack_twin import SOL, START_MS, Bench, Client


async def get(client: Client, path: str, **query: object) -> Any:
    """Return the JSON of a signed GET that must succeed."""
    answer = await client.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def move_mark(bench: Bench, price: str) -> None:
    """Publish a new SOL mark, equal to the index."""
    bench.exchange.set_prices("SOL/USD", Decimal(price), Decimal(price), Decimal(0))


async def test_the_account_shows_fees_in_basis_points_and_its_leverage_limit() -> None:
    row = await get(Bench().alice, "/api/v1/account")
    assert (row["futuresMakerFee"], row["futuresTakerFee"]) == ("2", "5")
    assert (row["leverageLimit"], row["limitOrders"], row["liquidating"]) == ("50", 0, False)


async def test_the_leverage_limit_holds_for_the_whole_account() -> None:
    bench = Bench()
    body = {"leverageLimit": "5", "autoLend": False, "autoRepayBorrows": True}
    answer = await bench.alice.send("PATCH", "/api/v1/account", body)
    assert (answer.status_code, answer.text) == (200, "")
    row = await get(bench.alice, "/api/v1/account")
    assert (row["leverageLimit"], row["autoLend"], row["autoRepayBorrows"]) == ("5", False, True)
    assert {bench.exchange.leverage(bench.alice.public_key, name) for name in bench.exchange.markets} == {5}
    assert (await bench.alice.order("Bid", "400", "149")).json()["code"] == "INSUFFICIENT_MARGIN"


@pytest.mark.parametrize("limit", ["0", "51", "2.5"])
async def test_an_impossible_leverage_limit_is_refused(limit: str) -> None:
    bench = Bench()
    answer = await bench.alice.send("PATCH", "/api/v1/account", {"leverageLimit": limit})
    assert answer.status_code == 400
    assert (await get(bench.alice, "/api/v1/account"))["leverageLimit"] == "50"


async def test_a_leverage_limit_that_needs_more_margin_than_there_is_changes_no_market() -> None:
    bench = Bench()
    await bench.alice.rest("Bid", "1000", "149")
    answer = await bench.alice.send("PATCH", "/api/v1/account", {"leverageLimit": "2"})
    assert answer.json()["code"] == "INSUFFICIENT_MARGIN"
    assert (await get(bench.alice, "/api/v1/account"))["leverageLimit"] == "50"


async def test_capital_is_a_map_of_assets_that_hold_something() -> None:
    bench = Bench()
    expected = {"USDC": {"available": "10000", "locked": "0", "staked": "0"}}
    assert await get(bench.alice, "/api/v1/capital") == expected
    assert await get(bench.client(b"\x44" * 32, "0"), "/api/v1/capital") == {}


async def test_collateral_figures_agree_with_each_other() -> None:
    bench = Bench()
    row = await get(bench.alice, "/api/v1/capital/collateral")
    assert (row["marginFraction"], row["netEquityAvailable"]) == (None, "10000")
    await bench.trade("10")
    row = await get(bench.alice, "/api/v1/capital/collateral")
    figures = {name: Decimal(value) for name, value in row.items() if isinstance(value, str)}
    assert figures["netExposureFutures"] == 1500
    assert figures["netEquityLocked"] == 30
    assert figures["netEquity"] == figures["assetsValue"] + figures["pnlUnrealized"]
    assert figures["netEquityAvailable"] == figures["netEquity"] - figures["netEquityLocked"]
    assert (figures["imf"], figures["mmf"]) == (Decimal("0.02"), Decimal("0.0135"))
    assert row["collateral"][0]["symbol"] == "USDC"


async def test_the_largest_order_is_the_largest_that_is_taken() -> None:
    bench = Bench()
    row = await get(bench.alice, "/api/v1/account/limits/order", symbol=SOL, side="Bid", price="149")
    largest = Decimal(row["maxOrderQuantity"])
    too_large = await bench.alice.order("Bid", f"{largest + Decimal('0.01'):f}", "149")
    assert too_large.json()["code"] == "INSUFFICIENT_MARGIN"
    assert (await bench.alice.order("Bid", f"{largest:f}", "149")).status_code == 200


async def test_the_largest_reduce_only_order_is_the_position() -> None:
    bench = Bench()
    await bench.trade("3")
    query = {"symbol": SOL, "price": "150", "reduceOnly": True}
    row = await get(bench.alice, "/api/v1/account/limits/order", side="Ask", **query)
    assert (row["maxOrderQuantity"], row["reduceOnly"]) == ("3", True)
    row = await get(bench.alice, "/api/v1/account/limits/order", side="Bid", **query)
    assert row["maxOrderQuantity"] == "0"


async def test_a_flat_position_is_an_empty_list_or_a_404_with_a_symbol() -> None:
    bench = Bench()
    assert await get(bench.alice, "/api/v1/position") == []
    answer = await bench.alice.get("/api/v1/position", symbol=SOL)
    assert answer.status_code == 404
    assert answer.json() == {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}


async def test_positions_are_net_and_signed() -> None:
    bench = Bench()
    await bench.trade("2", "150")
    move_mark(bench, "151")
    [long] = await get(bench.alice, "/api/v1/position")
    [short] = await get(bench.bob, "/api/v1/position")
    assert (long["netQuantity"], long["netCost"], long["pnlUnrealized"]) == ("2", "300", "2")
    assert (short["netQuantity"], short["netCost"], short["pnlUnrealized"]) == ("-2", "-300", "-2")
    assert (long["entryPrice"], long["breakEvenPrice"], long["markPrice"]) == ("150", "150.075", "151")
    assert (long["estLiquidationPrice"], long["subaccountId"]) == ("0", None)


async def test_open_orders_count_in_the_exposure_of_a_position() -> None:
    bench = Bench()
    await bench.trade("2")
    await bench.alice.rest("Bid", "3", "149")
    await bench.alice.rest("Ask", "4", "152")
    [row] = await get(bench.alice, "/api/v1/position")
    assert (row["netExposureQuantity"], row["netExposureNotional"]) == ("5", "750")


async def test_the_liquidation_price_is_given_for_one_symbol_only() -> None:
    bench = Bench()
    await bench.trade("500")
    [one] = await get(bench.alice, "/api/v1/position", symbol=SOL)
    assert Decimal(0) < Decimal(one["estLiquidationPrice"]) < 150


async def test_unrealised_pnl_moves_into_the_balance_every_ten_seconds() -> None:
    bench = Bench()
    await bench.trade("2", "150")
    bench.world.advance(10_000_000)
    move_mark(bench, "153")
    [row] = await get(bench.alice, "/api/v1/position")
    assert (row["pnlRealized"], row["pnlUnrealized"]) == ("6", "0")
    move_mark(bench, "152")
    [row] = await get(bench.alice, "/api/v1/position")
    assert (row["pnlRealized"], row["pnlUnrealized"]) == ("6", "-2")
    capital = await get(bench.alice, "/api/v1/capital")
    assert capital["USDC"]["available"] == "10005.85"
    equity = await get(bench.alice, "/api/v1/capital/collateral")
    assert Decimal(equity["netEquity"]) == bench.exchange.margin(bench.alice.public_key).equity


async def test_settlement_rows_add_up_to_the_change_of_the_balance() -> None:
    """Through settlements, a partial close, a flip and funding, money only moves with a row."""
    bench = Bench()
    await bench.trade("2", "150")
    for seconds, price in ((10, "151"), (10, "149.5"), (3600, "150.5")):
        bench.world.advance(seconds * 1_000_000)
        move_mark(bench, price)
    await bench.bob.rest("Bid", "5", "150.5")
    await bench.alice.order("Ask", "0.5", "150.5", timeInForce="IOC")
    await bench.alice.order("Ask", "3", "150.5", timeInForce="IOC")
    bench.world.advance(10_000_000)
    move_mark(bench, "149")
    for client in (bench.alice, bench.bob):
        rows = await get(client, "/wapi/v1/history/settlement")
        balance = (await get(client, "/api/v1/capital"))["USDC"]["available"]
        assert 10_000 + sum(Decimal(row["quantity"]) for row in rows) == Decimal(balance)
        assert {row["source"] for row in rows} == {"TradingFees", "RealizePnl", "FundingPayment"}
        assert all(row["positionId"] not in (None, "0") for row in rows)


async def test_settled_pnl_disappears_with_the_position() -> None:
    bench = Bench()
    await bench.trade("2", "150")
    bench.world.advance(10_000_000)
    move_mark(bench, "153")
    await bench.bob.rest("Bid", "2", "151")
    await bench.alice.order("Ask", "2", "151", reduceOnly=True)
    balance = (await get(bench.alice, "/api/v1/capital"))["USDC"]["available"]
    assert Decimal(balance) == bench.exchange.account(bench.alice.public_key).balance
    assert Decimal(balance) == Decimal("10001.699")


async def test_hourly_funding_writes_a_signed_row_for_each_side() -> None:
    bench = Bench()
    await bench.trade("10", "150")
    bench.world.advance(3_600_000_000)
    [paid] = await get(bench.alice, "/wapi/v1/history/funding", symbol=SOL)
    [received] = await get(bench.bob, "/wapi/v1/history/funding")
    assert (paid["quantity"], received["quantity"]) == ("-0.01875", "0.01875")
    assert (paid["fundingRate"], paid["intervalEndTimestamp"]) == ("0.0000125", "2023-11-14T23:00:00")
    rows = await get(bench.alice, "/wapi/v1/history/settlement", source="FundingPayment")
    assert [row["quantity"] for row in rows] == ["-0.01875"]
    [position] = await get(bench.alice, "/api/v1/position")
    assert position["cumulativeFundingPayment"] == "-0.01875"


async def test_fills_carry_a_text_client_id_a_fee_and_a_naive_time() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    await bench.alice.order("Bid", "1", "150", clientId=42)
    [row] = await get(bench.alice, "/wapi/v1/history/fills")
    assert (row["clientId"], row["fee"], row["feeSymbol"]) == ("42", "0.075", "USDC")
    assert (row["isMaker"], row["side"], row["systemOrderType"]) == (False, "Bid", None)
    assert row["timestamp"] == "2023-11-14T22:13:20.100"
    assert isinstance(row["tradeId"], int)
    [maker] = await get(bench.bob, "/wapi/v1/history/fills")
    assert (maker["isMaker"], maker["clientId"], maker["tradeId"]) == (True, None, row["tradeId"])


async def test_fill_times_are_filtered_from_inclusive_to_exclusive() -> None:
    bench = Bench()
    for _ in range(3):
        await bench.trade("1")
    path = "/wapi/v1/history/fills"
    second = START_MS + 200
    assert len(await get(bench.alice, path, **{"from": second})) == 2
    assert len(await get(bench.alice, path, to=second)) == 1
    assert len(await get(bench.alice, path, **{"from": second, "to": second + 1})) == 1
    [row] = await get(bench.alice, path, **{"from": second, "to": second + 1})
    assert len(await get(bench.alice, path, orderId=row["orderId"])) == 1
    assert await get(bench.alice, path, symbol="ETH_USDC_PERP") == []
    assert await get(bench.alice, path, marketType="SPOT") == []


async def test_history_is_paged_with_headers_newest_first_by_default() -> None:
    bench = Bench()
    for _ in range(5):
        await bench.trade("1")
    path = "/wapi/v1/history/fills"
    every = await get(bench.alice, path, sortDirection="Asc")
    assert await get(bench.alice, path) == every[::-1]
    page = await bench.alice.get(path, limit=2, offset=2, sortDirection="Asc")
    assert page.json() == every[2:4]
    names = ("X-Current-Page", "X-Page-Count", "X-Page-Size", "X-Total")
    assert [page.headers[name] for name in names] == ["2", "3", "2", "5"]


@pytest.mark.parametrize("limit", [0, 1001])
async def test_a_history_limit_out_of_range_is_a_plain_text_400(limit: int) -> None:
    answer = await Bench().alice.get("/wapi/v1/history/orders", limit=limit)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")


async def test_order_history_has_live_and_ended_orders_without_reduce_only() -> None:
    bench = Bench()
    await bench.trade("1")
    await bench.alice.rest("Bid", "1", "149")
    rows = await get(bench.alice, "/wapi/v1/history/orders")
    assert [row["status"] for row in rows] == ["New", "Filled"]
    assert not {"reduceOnly", "relatedOrderId", "triggeredAt"} & set(rows[0])
    assert rows[0]["createdAt"] == "2023-11-14T22:13:20.100"


async def test_position_history_keeps_closed_positions() -> None:
    bench = Bench()
    await bench.trade("2", "150")
    await bench.bob.rest("Bid", "2", "151")
    await bench.alice.order("Ask", "2", "151", reduceOnly=True)
    path = "/wapi/v1/history/position"
    [row] = await get(bench.alice, path, state="Closed")
    assert (row["netQuantity"], row["entryPrice"], row["closingPrice"]) == ("0", "150", "151")
    assert (row["cumulativePnlRealized"], row["closedVolume"], row["fees"]) == ("2", "302", "0.301")
    assert (row["state"], row["liquidated"], row["openedAt"]) == ("Closed", False, "2023-11-14T22:13:20.100")
    assert row["closedAt"] == "2023-11-14T22:13:20.200"
    assert await get(bench.alice, path, state="Open") == []


async def test_a_flip_closes_one_position_and_opens_another() -> None:
    bench = Bench()
    await bench.trade("1", "150")
    await bench.bob.rest("Bid", "3", "150")
    await bench.alice.order("Ask", "3", "150")
    rows = await get(bench.alice, "/wapi/v1/history/position")
    assert [(row["state"], row["netQuantity"]) for row in rows] == [("Open", "-2"), ("Closed", "0")]
    assert rows[0]["id"] != rows[1]["id"]


async def test_deleveraging_shows_as_a_system_fill() -> None:
    bench = Bench()
    await bench.trade("2")
    bench.exchange.deleverage(bench.alice.public_key, "SOL/USD")
    path = "/wapi/v1/history/fills"
    [row] = await get(bench.alice, path, fillType="Adl")
    assert row["systemOrderType"] == "LiquidatePositionOnAdl"
    assert await get(bench.alice, path, fillType="AllLiquidation") == [row]
    assert len(await get(bench.alice, path, fillType="User")) == 1
    assert await get(bench.alice, "/api/v1/position") == []


async def test_a_liquidation_closes_the_position_and_charges_its_fee() -> None:
    bench = Bench()
    await bench.bob.rest("Bid", "1000", "141")
    await bench.bob.rest("Ask", "1000", "150")
    await bench.alice.order("Bid", "1000", "150")
    move_mark(bench, "141.5")
    while bench.exchange.liquidate():
        pass
    rows = await get(bench.alice, "/wapi/v1/history/fills", fillType="BookLiquidation")
    assert {(row["systemOrderType"], row["quantity"]) for row in rows} == {("LiquidatePositionOnBook", "100")}
    [last] = await get(bench.alice, "/wapi/v1/history/fills", fillType="Backstop")
    assert last["systemOrderType"] == "LiquidatePositionOnBackstop"
    [closed] = await get(bench.alice, "/wapi/v1/history/position", state="Closed")
    assert closed["liquidated"] is True
    assert Decimal(closed["liquidationFees"]) > 0
