"""Orders at the Backpack twin: life, refusals, time in force, speed bump, self-trade prevention, batches."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
import pytest
from backpack_twin import SOL, START_MS, Bench, Client

from sandbox.clock import ScaledClock
from sandbox.dialects.backpack_context import BackpackSwitches, DuplicateClientId
from sandbox.model import EndReason


class SteppedWall:
    """A wall clock that a test moves by hand; behind a ``ScaledClock`` venue time is not virtual."""

    def __init__(self) -> None:
        self.us = START_MS * 1000

    def __call__(self) -> int:
        return self.us


async def turns() -> None:
    """Let tasks that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and message of a JSON refusal."""
    body = answer.json()
    return answer.status_code, body["code"], body["message"]


async def history(client: Client, order_id: str) -> dict[str, object]:
    """Return the one history row of an order."""
    rows = (await client.get("/wapi/v1/history/orders", orderId=order_id)).json()
    assert len(rows) == 1
    row: dict[str, object] = rows[0]
    return row


async def test_a_resting_order_is_found_by_both_ids_and_listed_until_cancelled() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1.50", "149.90", clientId=4294967295)
    assert (row["price"], row["quantity"], row["clientId"]) == ("149.9", "1.5", 4294967295)
    assert (row["createdAt"], row["postOnly"], row["triggerPrice"]) == (START_MS, True, None)
    by_order = await bench.alice.get("/api/v1/order", symbol=SOL, orderId=row["id"])
    by_client = await bench.alice.get("/api/v1/order", symbol=SOL, clientId=4294967295)
    assert by_order.json() == by_client.json() == row
    assert (await bench.alice.get("/api/v1/orders")).json() == [row]
    cancelled = await bench.alice.cancel(clientId=4294967295)
    assert (cancelled.json()["status"], cancelled.json()["executedQuantity"]) == ("Cancelled", "0")
    gone = await bench.alice.get("/api/v1/order", symbol=SOL, orderId=row["id"])
    assert refusal(gone) == (404, "RESOURCE_NOT_FOUND", "Not Found")
    assert (await bench.alice.get("/api/v1/orders")).json() == []
    past = await history(bench.alice, row["id"])
    assert (past["status"], past["createdAt"]) == ("Cancelled", "2023-11-14T22:13:20")


async def test_orders_of_another_account_are_not_there() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1", "149")
    assert (await bench.bob.get("/api/v1/order", symbol=SOL, orderId=row["id"])).status_code == 404
    assert refusal(await bench.bob.cancel(orderId=row["id"]))[2] == "Order not found"
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == 1


async def test_an_order_is_not_found_under_another_symbol() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1", "149")
    answer = await bench.alice.get("/api/v1/order", symbol="ETH_USDC_PERP", orderId=row["id"])
    assert answer.status_code == 404


async def test_the_answer_to_an_aggressive_order_holds_what_it_executed() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150.10")
    await bench.bob.rest("Ask", "1", "150.20")
    row = (await bench.alice.order("Bid", "1.5", "150.20")).json()
    assert (row["status"], row["executedQuantity"], row["executedQuoteQuantity"]) == ("Filled", "1.5", "225.2")
    assert (await bench.alice.get("/api/v1/order", symbol=SOL, orderId=row["id"])).status_code == 404


async def test_a_market_order_shows_gtc_and_no_price() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    row = (await bench.alice.order("Bid", "1", timeInForce="IOC")).json()
    assert row["status"] == "Filled"
    assert "price" not in row
    assert row["quoteQuantity"] == "150"


@pytest.mark.parametrize(
    ("tif", "status", "executed", "reason"),
    [
        ("GTC", "PartiallyFilled", "1", None),
        ("IOC", "Expired", "1", "ImmediateOrCancel"),
        ("FOK", "Expired", "0", "FillOrKill"),
    ],
)
async def test_time_in_force_decides_what_becomes_of_the_rest(
    tif: str, status: str, executed: str, reason: str | None
) -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    row = (await bench.alice.order("Bid", "3", "150", timeInForce=tif)).json()
    assert (row["status"], row["executedQuantity"]) == (status, executed)
    assert (await history(bench.alice, row["id"]))["expiryReason"] == reason


async def test_a_market_order_without_a_counterpart_expires() -> None:
    bench = Bench()
    row = (await bench.alice.order("Bid", "1")).json()
    assert (row["status"], row["executedQuantity"]) == ("Expired", "0")
    assert (await history(bench.alice, row["id"]))["expiryReason"] == "InsufficientLiquidity"


async def test_a_market_order_stops_one_percent_from_the_best_price() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    await bench.bob.rest("Ask", "1", "151.51")
    row = (await bench.alice.order("Bid", "2")).json()
    assert (row["status"], row["executedQuantity"]) == ("Expired", "1")
    assert (await history(bench.alice, row["id"]))["expiryReason"] == "PriceImpact"


@pytest.mark.parametrize(("tolerance", "kind"), [("0.1", "Percent"), ("15", "TickSize")])
async def test_a_slippage_tolerance_bounds_a_market_order(tolerance: str, kind: str) -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150.15")
    await bench.bob.rest("Ask", "1", "150.31")
    row = (await bench.alice.order("Bid", "2", slippageTolerance=tolerance, slippageToleranceType=kind)).json()
    assert (row["executedQuantity"], row["slippageTolerance"], row["slippageToleranceType"]) == (
        "1",
        tolerance,
        kind,
    )
    assert (await history(bench.alice, row["id"]))["expiryReason"] == "SlippageToleranceExceeded"


async def test_a_quote_quantity_buys_no_more_than_it_pays_for() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    await bench.bob.rest("Ask", "1", "151")
    body = {"symbol": SOL, "side": "Bid", "orderType": "Market", "quoteQuantity": "200"}
    row = (await bench.alice.send("POST", "/api/v1/order", body)).json()
    assert (row["status"], row["quantity"], row["executedQuoteQuantity"]) == ("Filled", "1.33", "199.83")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"quantity": "1.001", "price": "140"}, (400, "INVALID_CLIENT_REQUEST", "Quantity decimal too long")),
        ({"quantity": "1", "price": "140.001"}, (400, "INVALID_CLIENT_REQUEST", "Price decimal too long")),
        (
            {"quantity": "1", "price": "162"},
            (400, "INVALID_CLIENT_REQUEST", "Price is too far from the last active price"),
        ),
        (
            {"quantity": "1", "price": "37"},
            (400, "INVALID_CLIENT_REQUEST", "Price is too far from the last active price"),
        ),
        ({"quantity": "2000", "price": "150"}, (400, "INSUFFICIENT_MARGIN", "Insufficient margin")),
        (
            {"quantity": "1", "price": "150", "reduceOnly": True},
            (400, "INVALID_ORDER", "Reduce only order not reduced"),
        ),
        (
            {"quantity": "0", "price": "150"},
            (400, "INVALID_QUANTITY", "Quantity is below the minimum quantity"),
        ),
        (
            {"quantity": "1", "price": "0"},
            (400, "INVALID_PRICE", "Price is outside the market's price filter"),
        ),
        (
            {"quantity": "1", "price": "140", "postOnly": True, "timeInForce": "IOC"},
            (400, "INVALID_ORDER", "Post only orders must be GTC"),
        ),
        (
            {"quantity": "1", "price": "140", "triggerPrice": "145"},
            (
                400,
                "INVALID_CLIENT_REQUEST",
                "Must specify both `triggerPrice` and `triggerQuantity` or neither",
            ),
        ),
        (
            {"price": "140", "triggerPrice": "145.001", "triggerQuantity": "1"},
            (400, "INVALID_CLIENT_REQUEST", "Price decimal too long"),
        ),
        (
            {"quantity": "1", "price": "140", "stopLossTriggerPrice": "130"},
            (400, "NOT_IMPLEMENTED", "Attached triggers are not offered by this exchange twin"),
        ),
    ],
)
async def test_a_refused_order_says_why_and_leaves_nothing(
    order: dict[str, object], expected: tuple[int, str, str]
) -> None:
    bench = Bench()
    body = {"symbol": SOL, "side": "Bid", "orderType": "Limit"} | order
    answer = await bench.alice.send("POST", "/api/v1/order", body)
    assert refusal(answer) == expected
    assert bench.exchange.order_history(bench.alice.public_key) == []


@pytest.mark.parametrize(
    "body",
    [
        {"orderType": "Limit", "quantity": "1"},
        {"orderType": "Limit", "price": "140"},
        {"orderType": "Limit", "price": "140", "quantity": "1", "quoteQuantity": "140"},
        {"orderType": "Market"},
        {"orderType": "Market", "quantity": "1", "quoteQuantity": "150"},
        {"orderType": "Market", "quantity": "1", "price": "150"},
        {"orderType": "Market", "quantity": "1", "postOnly": True},
        {"orderType": "Market", "quantity": "1", "slippageTolerance": "1"},
    ],
)
async def test_contradicting_members_are_refused(body: dict[str, object]) -> None:
    bench = Bench()
    answer = await bench.alice.send("POST", "/api/v1/order", {"symbol": SOL, "side": "Bid"} | body)
    assert refusal(answer)[:2] == (400, "INVALID_CLIENT_REQUEST")
    assert bench.exchange.order_history(bench.alice.public_key) == []


async def test_a_post_only_order_that_would_match_is_refused_and_not_recorded() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    answer = await bench.alice.order("Bid", "1", "150", postOnly=True)
    assert refusal(answer) == (400, "INVALID_ORDER", "Order would immediately match and take")
    assert bench.exchange.order_history(bench.alice.public_key) == []


async def test_no_minimum_notional_is_enforced() -> None:
    bench = Bench()
    assert (await bench.alice.order("Bid", "0.01", "140")).status_code == 200


async def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    bench = Bench()
    await bench.trade("1")
    await bench.bob.rest("Bid", "5", "150")
    row = (await bench.alice.order("Ask", "3", "150", reduceOnly=True)).json()
    assert (row["status"], row["quantity"], row["reduceOnly"]) == ("Filled", "1", True)
    assert bench.exchange.positions(bench.alice.public_key) == []


async def test_a_repeated_client_id_is_a_second_order_by_default() -> None:
    bench = Bench()
    first = await bench.alice.rest("Bid", "1", "149", clientId=9)
    second = await bench.alice.rest("Bid", "1", "148", clientId=9)
    assert first["id"] != second["id"]
    assert (second["clientId"], len((await bench.alice.get("/api/v1/orders")).json())) == (9, 2)
    newest = await bench.alice.get("/api/v1/order", symbol=SOL, clientId=9)
    assert newest.json()["id"] == second["id"]


async def test_a_repeated_client_id_of_a_live_order_can_be_refused() -> None:
    bench = Bench(BackpackSwitches(duplicate_client_id=DuplicateClientId.REFUSE))
    await bench.alice.rest("Bid", "1", "149", clientId=9)
    answer = await bench.alice.order("Bid", "1", "148", clientId=9)
    assert answer.status_code == 400
    await bench.alice.cancel(clientId=9)
    assert (await bench.alice.order("Bid", "1", "148", clientId=9)).status_code == 200


@pytest.mark.parametrize(
    ("is_404", "expected"),
    [
        (False, (400, "INVALID_CLIENT_REQUEST", "Order not found")),
        (True, (404, "RESOURCE_NOT_FOUND", "Not Found")),
    ],
)
async def test_a_late_cancel_is_refused_in_either_spelling(is_404: bool, expected: tuple[int, str, str]) -> None:
    bench = Bench(BackpackSwitches(late_cancel_is_404=is_404))
    row = await bench.alice.rest("Bid", "1", "149")
    await bench.alice.cancel(orderId=row["id"])
    assert refusal(await bench.alice.cancel(orderId=row["id"])) == expected


async def test_a_cancel_may_answer_202_without_a_body() -> None:
    bench = Bench(BackpackSwitches(cancel_answers_202=True))
    row = await bench.alice.rest("Bid", "1", "149")
    answer = await bench.alice.cancel(orderId=row["id"])
    assert (answer.status_code, answer.text) == (202, "")
    assert bench.exchange.open_orders(bench.alice.public_key) == []


async def test_a_cancel_without_an_id_is_refused() -> None:
    answer = await Bench().alice.cancel()
    assert refusal(answer)[:2] == (400, "INVALID_CLIENT_REQUEST")


async def test_cancel_all_needs_a_symbol_and_touches_only_its_market() -> None:
    bench = Bench()
    await bench.alice.rest("Bid", "1", "149")
    await bench.alice.rest("Ask", "1", "151")
    eth = {"symbol": "ETH_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "2400", "quantity": "0.1"}
    await bench.alice.send("POST", "/api/v1/order", eth)
    missing = await bench.alice.send("DELETE", "/api/v1/orders", {})
    assert (missing.status_code, missing.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    conditional = await bench.alice.send("DELETE", "/api/v1/orders", {"symbol": SOL, "orderType": "ConditionalOrder"})
    assert conditional.json() == []
    rows = (await bench.alice.send("DELETE", "/api/v1/orders", {"symbol": SOL})).json()
    assert [row["status"] for row in rows] == ["Cancelled", "Cancelled"]
    left = (await bench.alice.get("/api/v1/orders")).json()
    assert [row["symbol"] for row in left] == ["ETH_USDC_PERP"]
    assert (await bench.alice.get("/api/v1/orders", marketType="SPOT")).json() == []


async def test_a_batch_answers_item_by_item_in_order() -> None:
    bench = Bench()
    orders = [
        {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "149", "quantity": "1", "clientId": 1},
        {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "149", "quantity": "1.001"},
        {
            "symbol": SOL,
            "side": "Ask",
            "orderType": "Limit",
            "price": "151",
            "quantity": "1",
            "postOnly": True,
        },
    ]
    rows = (await bench.alice.send("POST", "/api/v1/orders", orders)).json()
    assert [row["operation"] for row in rows] == ["Ok", "Err", "Ok"]
    assert (rows[0]["clientId"], rows[0]["status"]) == (1, "New")
    assert rows[1] == {
        "operation": "Err",
        "code": "INVALID_CLIENT_REQUEST",
        "message": "Quantity decimal too long",
    }
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == 2


async def test_one_malformed_member_refuses_the_whole_batch() -> None:
    bench = Bench()
    good = {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "149", "quantity": "1"}
    answer = await bench.alice.send("POST", "/api/v1/orders", [good, good | {"side": "Buy"}])
    assert answer.status_code == 400
    assert bench.exchange.order_history(bench.alice.public_key) == []


@pytest.mark.parametrize(
    ("prevention", "taker_status", "maker_lives"),
    [("RejectTaker", "Expired", True), ("RejectMaker", "New", False), ("RejectBoth", "Expired", False)],
)
async def test_own_orders_never_meet(prevention: str, taker_status: str, maker_lives: bool) -> None:
    """Whatever the prevention mode, no fill happens between two orders of one account."""
    bench = Bench()
    maker = await bench.alice.rest("Ask", "1", "150")
    row = (await bench.alice.order("Bid", "1", "150", selfTradePrevention=prevention)).json()
    assert (row["status"], row["executedQuantity"]) == (taker_status, "0")
    live = {order.id for order in bench.exchange.open_orders(bench.alice.public_key)}
    assert (int(maker["id"]) in live) is maker_lives
    assert bench.exchange.fills(bench.alice.public_key) == []
    ended = row["id"] if taker_status == "Expired" else maker["id"]
    assert (await history(bench.alice, ended))["expiryReason"] == "SelfTradePrevention"


async def test_the_default_prevention_ends_the_incoming_order() -> None:
    bench = Bench()
    await bench.alice.rest("Ask", "1", "150")
    row = (await bench.alice.order("Bid", "1", "150")).json()
    assert (row["selfTradePrevention"], row["status"]) == ("RejectTaker", "Expired")


async def test_an_order_that_is_not_post_only_is_held_for_100_ms() -> None:
    wall = SteppedWall()
    bench = Bench(clock=ScaledClock(wall))
    await bench.bob.rest("Ask", "1", "150")
    answer = asyncio.create_task(bench.alice.order("Bid", "1", "150", timeInForce="IOC"))
    await turns()
    wall.us += 99_999
    bench.world.sync()
    await turns()
    assert not answer.done()
    assert bench.exchange.order_history(bench.alice.public_key) == []
    wall.us += 1
    bench.world.sync()
    row = (await answer).json()
    assert (row["status"], row["createdAt"]) == ("Filled", START_MS + 100)


async def test_post_only_orders_and_cancels_are_not_held() -> None:
    wall = SteppedWall()
    bench = Bench(clock=ScaledClock(wall))
    row = await bench.alice.rest("Bid", "1", "149")
    assert (await bench.alice.cancel(orderId=row["id"])).json()["status"] == "Cancelled"
    assert wall.us == START_MS * 1000


async def test_a_quote_can_be_cancelled_while_the_taker_is_held() -> None:
    wall = SteppedWall()
    bench = Bench(clock=ScaledClock(wall))
    maker = await bench.bob.rest("Ask", "1", "150")
    answer = asyncio.create_task(bench.alice.order("Bid", "1", "150", timeInForce="IOC"))
    await turns()
    await bench.bob.cancel(orderId=maker["id"])
    wall.us += 100_000
    bench.world.sync()
    assert (await answer).json()["status"] == "Expired"


async def test_an_order_reaches_the_book_even_when_its_sender_goes_away() -> None:
    wall = SteppedWall()
    bench = Bench(clock=ScaledClock(wall))
    sending = asyncio.create_task(bench.alice.order("Bid", "1", "149"))
    await turns()
    sending.cancel()
    await turns()
    wall.us += 100_000
    bench.world.sync()
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == 1


async def test_margin_lost_during_the_speed_bump_ends_the_order_as_expired() -> None:
    wall = SteppedWall()
    bench = Bench(clock=ScaledClock(wall))
    big = asyncio.create_task(bench.alice.order("Bid", "1500", "149"))
    await turns()
    await bench.alice.rest("Bid", "1500", "148")
    wall.us += 100_000
    bench.world.sync()
    row = (await big).json()
    assert row["status"] == "Expired"
    assert (await history(bench.alice, row["id"]))["expiryReason"] == "InsufficientMargin"


async def test_a_venue_cancel_in_a_liquidation_shows_as_expired() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1", "149")
    bench.exchange.cancel_all(bench.alice.public_key, reason=EndReason.LIQUIDATION)
    past = await history(bench.alice, row["id"])
    assert (past["status"], past["expiryReason"]) == ("Expired", "Liquidation")


async def test_fees_are_two_and_five_basis_points() -> None:
    bench = Bench()
    await bench.trade("2", "150")
    taker = bench.exchange.fills(bench.alice.public_key)[0]
    maker = bench.exchange.fills(bench.bob.public_key)[0]
    assert (taker.fee, maker.fee) == (Decimal("0.15"), Decimal("0.06"))
