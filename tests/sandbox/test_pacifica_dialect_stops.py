"""The Pacifica twin's stop orders and position TP/SL: they wait, go off by price, and are cancelled."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from pacifica_client import Twin

from sandbox.model import VenueMode

ETH = "ETH/USD"


def stop(price: str, **changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "stop_price": price, "amount": "0.1", "client_order_id": str(uuid.uuid4()), "trigger_price_type": "mark_price",
    }  # fmt: skip
    return fields | changes


async def create(twin: Twin, price: str, *, side: str = "ask", **changes: object) -> dict[str, object]:
    answer = await twin.post(
        "/orders/stop/create", "create_stop_order", symbol="ETH", side=side, reduce_only=True,
        stop_order=stop(price, **changes),
    )  # fmt: skip
    said: dict[str, object] = answer.json()
    return said


def mark(twin: Twin, price: str) -> None:
    twin.exchange.set_prices(ETH, Decimal(price), Decimal(price), Decimal(0))


async def long(twin: Twin) -> None:
    assert (await twin.market()).status_code == 200


async def test_a_stop_waits_among_the_open_orders_and_sells_when_the_mark_falls_to_it() -> None:
    twin = Twin()
    await long(twin)

    order_id = (await create(twin, "2450", limit_price="2400"))["data"]["order_id"]

    (row,) = (await twin.get("/orders")).json()["data"]
    assert (row["order_id"], row["order_type"], row["stop_price"], row["price"]) == (
        order_id, "stop_limit", "2450", "2400",
    )  # fmt: skip
    assert (row["trigger_price_type"], row["reduce_only"]) == ("mark_price", True)
    assert (await twin.get("/account")).json()["data"]["stop_orders_count"] == 1
    mark(twin, "2450.1")
    assert len((await twin.get("/positions")).json()["data"]) == 1
    mark(twin, "2450")
    assert (await twin.get("/positions")).json()["data"] == []
    events = (await twin.get("/orders/history_by_id", order_id=order_id)).json()["data"]
    assert [event["event_type"] for event in events] == ["fulfill_limit", "stop_triggered", "stop_created"]


@pytest.mark.parametrize(("leg", "price", "reached"), [("take_profit", "2600", "2600"), ("stop_loss", "2400", "2399")])
async def test_a_position_is_closed_whole_by_its_take_profit_or_stop_loss(leg: str, price: str, reached: str) -> None:
    twin = Twin()
    await long(twin)
    answer = await twin.post(
        "/positions/tpsl", "set_position_tpsl", symbol="ETH", side="ask",
        **{leg: {"stop_price": price, "trigger_price_type": "mark_price"}},
    )  # fmt: skip
    assert answer.json() == {"success": True, "data": None, "error": None, "code": None}

    mark(twin, reached)

    assert (await twin.get("/positions")).json()["data"] == []


async def test_a_stop_is_cancelled_by_either_id_and_an_ended_one_is_refused() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    first = (await create(twin, "2450"))["data"]["order_id"]
    await create(twin, "2440", client_order_id=client_id)

    for reference in ({"order_id": first}, {"client_order_id": client_id}):
        answer = await twin.post("/orders/stop/cancel", "cancel_stop_order", symbol="ETH", **reference)
        assert answer.status_code == 200

    assert (await twin.get("/orders")).json()["data"] == []
    again = await twin.post("/orders/stop/cancel", "cancel_stop_order", symbol="ETH", order_id=first)
    assert (again.status_code, again.json()["error"]) == (422, "Failed to cancel order")


async def test_cancel_all_takes_stops_too() -> None:
    twin = Twin()
    await create(twin, "2450")

    answer = await twin.post("/orders/cancel_all", "cancel_all_orders", all_symbols=True, exclude_reduce_only=False)

    assert answer.json()["data"] == {"cancelled_count": 1}


async def test_what_protects_nothing_is_refused() -> None:
    twin = Twin()
    fields = {"symbol": "ETH", "stop_loss": {"stop_price": "2400"}}

    flat = await twin.post("/positions/tpsl", "set_position_tpsl", side="ask", **fields)
    await long(twin)
    wrong_side = await twin.post("/positions/tpsl", "set_position_tpsl", side="bid", **fields)
    off_tick = await create(twin, "2450.01")

    assert (flat.status_code, flat.json()["code"]) == (422, 13)
    assert (wrong_side.json()["error"], wrong_side.json()["code"]) == ("Invalid stop order side", 17)
    assert (off_tick["error"], off_tick["code"]) == ("Invalid stop tick", 16)


async def test_a_stop_without_size_rests_although_nothing_checked_it() -> None:
    twin = Twin()

    assert (await create(twin, "2450", amount="0"))["success"] is True


async def test_a_closed_venue_says_trading_disabled() -> None:
    twin = Twin()
    twin.exchange.set_mode(VenueMode.MAINTENANCE)

    answer = await twin.limit("2400")

    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (422, 38, "Trading disabled")
