"""Each switch is seen in both values at the wire, and the control door lists and sets them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from asgi_socket import connect
from backpack_twin import SOL, Bench
from engine_world import still_world
from pacifica_client import Twin, limit_fields
from paradex_client import ADDRESS, ETH, PRIVATE, PUBLIC, Desk, Signer, Socket, open_client, open_world

from sandbox.control import create_control_app
from sandbox.dialects.paradex import create_app
from sandbox.funding import HOUR_US
from sandbox.model import Side
from sandbox.quirks import QUIRKS, QuirkBoard, QuirkError
from sandbox.world import World

# --- the registry and the control door ----------------------------------------------------------------


def test_every_switch_has_a_permitted_default_and_a_sentence() -> None:
    assert len({(q.venue, q.name) for q in QUIRKS}) == len(QUIRKS)
    for quirk in QUIRKS:
        assert quirk.allows(quirk.default), quirk.name
        assert quirk.meaning.endswith("."), quirk.name
        assert quirk.confidence in ("high", "medium", "low"), quirk.name


def test_defaults_leave_every_venues_rules_as_they_are() -> None:
    world = still_world()
    before = {venue: exchange.rules for venue, exchange in world.exchanges.items()}

    for quirk in QUIRKS:
        world.quirks.set(quirk.venue, quirk.name, None)

    assert {venue: exchange.rules for venue, exchange in world.exchanges.items()} == before


@pytest.mark.parametrize(
    ("venue", "name", "value", "field"),
    [
        ("nowhere", "fill_side", "own", "venue"),
        ("pacifica", "fill_side", "own", "name"),
        ("paradex", "fill_side", "both", "value"),
        ("backpack", "late_cancel_is_404", 1, "value"),
        ("backpack", "depth_lag_us", True, "value"),
        ("backpack", "depth_lag_us", -1, "value"),
    ],
)
def test_a_wrong_switch_or_value_names_its_field(venue: str, name: str, value: Any, field: str) -> None:
    with pytest.raises(QuirkError) as refused:
        QuirkBoard(lambda _venue: None).set(venue, name, value)
    assert refused.value.field == field


@pytest.fixture
async def control() -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    """The control door in process."""
    world = still_world()
    transport = httpx.ASGITransport(create_control_app(world, 7100))
    async with httpx.AsyncClient(transport=transport, base_url="http://control/control") as http:
        yield world, http


async def test_the_control_door_lists_every_switch(control: tuple[World, httpx.AsyncClient]) -> None:
    rows = (await control[1].get("/quirks")).json()["quirks"]

    assert [(row["venue"], row["name"]) for row in rows] == [(q.venue, q.name) for q in QUIRKS]
    by_name = {(row["venue"], row["name"]): row for row in rows}
    assert by_name["backpack", "depth_lag_us"]["values"] == {"least": 0, "most": 60_000_000}
    side = by_name["paradex", "fill_side"]
    assert (side["value"], side["default"], side["values"]) == ("own", "own", ["own", "taker"])


async def test_a_switch_is_set_and_null_restores_it(control: tuple[World, httpx.AsyncClient]) -> None:
    world, http = control
    body = {"venue": "backpack", "name": "late_cancel_is_404"}

    answer = await http.post("/quirks", json=body | {"value": True})
    assert (answer.status_code, answer.json()["value"]) == (200, True)
    assert world.quirks.flag("backpack", "late_cancel_is_404")

    assert (await http.post("/quirks", json=body | {"value": None})).json()["value"] is False
    assert not world.quirks.flag("backpack", "late_cancel_is_404")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"venue": "nowhere"}, "venue"),
        ({"name": "mood"}, "name"),
        ({"value": "both"}, "value"),
        ({"value": 1.5}, "value"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_bad_input_is_a_422_that_names_the_field(
    control: tuple[World, httpx.AsyncClient], change: dict[str, object], field: str
) -> None:
    body = {"venue": "paradex", "name": "fill_side", "value": "own"} | change

    answer = await control[1].post("/quirks", json=body)

    assert answer.status_code == 422
    assert any(problem["field"].startswith(field) for problem in answer.json()["fields"])


async def test_a_forgotten_value_is_not_taken_for_null(control: tuple[World, httpx.AsyncClient]) -> None:
    answer = await control[1].post("/quirks", json={"venue": "paradex", "name": "fill_side"})

    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "value")


# --- Pacifica -----------------------------------------------------------------------------------------


def pacifica(name: str, value: str | int) -> Twin:
    """The twin with one switch set."""
    twin = Twin()
    twin.world.quirks.set("pacifica", name, value)
    return twin


@pytest.mark.parametrize(
    ("value", "status", "reasons"),
    [("accept_then_reject", 200, ["post_only_rejected"]), ("refuse", 400, [])],
)
async def test_pacifica_post_only_cross(value: str, status: int, reasons: list[str]) -> None:
    twin = pacifica("post_only_cross", value)

    answer = await twin.limit("2600", tif="ALO")

    assert (answer.status_code, "PostOnly" in answer.text) == (status, value == "refuse")
    assert [row["reason"] for row in (await twin.get("/orders/history")).json()["data"]] == reasons
    assert (await twin.limit("2400", tif="ALO")).status_code == 200


@pytest.mark.parametrize("value", ["newest_first", "oldest_first"])
async def test_pacifica_orders_history_order_and_cursor(value: str) -> None:
    twin = pacifica("orders_history_order", value)
    placed = [(await twin.limit(price)).json()["data"]["order_id"] for price in ("2400", "2401", "2402")]

    first = (await twin.get("/orders/history", limit=2)).json()
    second = (await twin.get("/orders/history", limit=2, cursor=first["next_cursor"])).json()

    told = [row["order_id"] for row in first["data"] + second["data"]]
    assert told == (placed if value == "oldest_first" else placed[::-1])
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("change", [{"price": "2400.05"}, {"amount": "0.00015"}])
async def test_pacifica_step_error_status(status: int, change: dict[str, str]) -> None:
    twin = pacifica("step_error_status", status)

    answer = await twin.limit(**({"price": "2400"} | change))  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert "is not a multiple of" in answer.json()["error"]


@pytest.mark.parametrize(("value", "codes"), [("engine", (3, 5, 5, 36)), ("old", (2, 4, 5, 0))])
async def test_pacifica_business_codes(value: str, codes: tuple[int, ...]) -> None:
    twin, client_id = pacifica("business_codes", value), str(uuid.uuid4())
    await twin.limit("2400", client_order_id=client_id)

    answers = [
        await twin.limit("2400", symbol="DOGE"),
        await twin.limit("2400", amount="2000"),
        await twin.post("/orders/cancel", "cancel_order", symbol="ETH", order_id=999_999),
        await twin.limit("2400", client_order_id=client_id),
    ]

    assert [answer.status_code for answer in answers] == [422] * 4
    assert tuple(answer.json()["code"] for answer in answers) == codes


@pytest.mark.parametrize(("value", "status"), [("exempt", 200), ("enforced", 422)])
async def test_pacifica_reduce_only_min_notional(value: str, status: int) -> None:
    twin = pacifica("reduce_only_min_notional", value)
    await twin.market(amount="0.1")

    answer = await twin.market(side="ask", amount="0.001", reduce_only=True)

    assert answer.status_code == status
    assert (await twin.market(amount="0.001")).status_code == 422


@pytest.mark.parametrize("value", ["envelope", "plain_text"])
async def test_pacifica_signature_error_form(value: str) -> None:
    twin = pacifica("signature_error_form", value)
    body = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400")) | {"price": "2399"}

    answer = await twin.http.post("/orders/create", json=body)

    text = "Verification failed: signature does not match signer and canonical payload."
    assert answer.status_code == 400
    if value == "plain_text":
        assert answer.text == text
    else:
        assert (answer.json()["error"], answer.json()["error_id"]) == (text, "signature_verification_failed")


@pytest.mark.parametrize("value", ["object", "list"])
async def test_pacifica_account_shape(value: str) -> None:
    shown = (await pacifica("account_shape", value).get("/account")).json()["data"]

    if value == "list":
        (shown,) = shown
    assert Decimal(shown["balance"]) == 10_000


@pytest.mark.parametrize(("value", "status"), [("ever", 422), ("live", 200)])
async def test_pacifica_client_order_id_scope(value: str, status: int) -> None:
    twin, client_id = pacifica("client_order_id_scope", value), str(uuid.uuid4())
    await twin.limit("2400", client_order_id=client_id)
    assert (await twin.limit("2400", client_order_id=client_id)).status_code == 422
    await twin.post("/orders/cancel", "cancel_order", symbol="ETH", client_order_id=client_id)

    assert (await twin.limit("2400", client_order_id=client_id)).status_code == status


@pytest.mark.parametrize(("value", "payout"), [("oracle", "-0.24"), ("mark", "-0.25")])
async def test_pacifica_funding_price(value: str, payout: str) -> None:
    twin = pacifica("funding_price", value)
    await twin.market(amount="0.1")
    twin.exchange.set_prices("ETH/USD", Decimal(2500), Decimal(2400), Decimal(0))
    twin.exchange.set_funding_rate("ETH/USD", Decimal("0.001"))

    twin.world.advance(HOUR_US)

    (row,) = (await twin.get("/funding/history")).json()["data"]
    assert row["payout"] == payout


@pytest.mark.parametrize(("bound_ms", "status"), [(5_000, 400), (20_000, 200)])
async def test_pacifica_timestamp_ahead(bound_ms: int, status: int) -> None:
    twin = pacifica("timestamp_ahead_ms", bound_ms)

    body = twin.signer.sign("create_order", twin.now_ms + 10_000, **limit_fields("2400"))

    assert (await twin.http.post("/orders/create", json=body)).status_code == status


@pytest.mark.parametrize("bump_us", [0, 200_000, 300_000])
async def test_pacifica_speed_bump(bump_us: int) -> None:
    twin = pacifica("speed_bump_us", bump_us)
    started = twin.world.now_us()

    await twin.market()

    assert twin.world.now_us() - started == bump_us


@pytest.mark.parametrize("name", ["socket_idle_s", "socket_life_s"])
async def test_pacifica_socket_limits(name: str) -> None:
    """With the switch at 1 the silent connection is closed in a second; with the default it stays."""
    async with connect(Twin().app, "/ws") as usual, connect(pacifica(name, 1).app, "/ws") as short:
        await asyncio.wait_for(short.closed.wait(), 5.0)
        assert not usual.closed.is_set()


# --- Paradex ------------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A signed-in account with 10 000 USDC and an ETH book at 2499 / 2501."""
    world = open_world()
    with open_client(world) as client:
        desk = Desk(client, world, Signer())
        desk.exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
        desk.sign_in()
        desk.quote_around()
        yield desk


@pytest.mark.parametrize(
    ("value", "bare", "with_parameters"), [("bare", True, False), ("parameters", False, True), ("both", True, True)]
)
async def test_paradex_delta_channels(value: str, bare: bool, with_parameters: bool) -> None:
    world = open_world()
    world.quirks.set("paradex", "delta_channels", value)
    app = create_app(world, world.exchanges["paradex"])
    for name, works in (("deltas", bare), ("deltas@15@100ms", with_parameters), ("deltas@15@7ms", False)):
        async with Socket(app) as socket:
            channel = {"channel": f"order_book.{ETH}.{name}"}
            if works:
                assert await socket.result("subscribe", channel) == channel
            else:
                assert (await socket.error("subscribe", channel))[0] == -32600


@pytest.mark.parametrize(("value", "maker_side"), [("own", "BUY"), ("taker", "SELL")])
def test_paradex_fill_side(desk: Desk, value: str, maker_side: str) -> None:
    desk.world.quirks.set("paradex", "fill_side", value)
    desk.place("BUY", "0.1", "2500")
    desk.quote(Side.SELL, "0.1", "2500", account="mm2")
    desk.place("BUY", "0.1", "2501", instruction="IOC")

    fills = desk.get("/v1/fills")["results"]

    assert {row["liquidity"]: row["side"] for row in fills} == {"MAKER": maker_side, "TAKER": "BUY"}


@pytest.mark.parametrize(("value", "booked"), [("whole", ["0", "-10"]), ("pro_rata", ["-7.5", "-2.5"])])
def test_paradex_funding_realisation(desk: Desk, value: str, booked: list[str]) -> None:
    """1 ETH pays 10 USD in eight hours; a quarter is closed, then the rest in the same instant."""
    desk.world.quirks.set("paradex", "funding_realisation", value)
    desk.exchange.set_prices("ETH/USD", Decimal(2500), Decimal(2500), Decimal(0))
    desk.place("BUY", "1", "2501", instruction="IOC")
    desk.exchange.set_funding_rate("ETH/USD", Decimal("0.004"))
    desk.run(8 * 3600)
    desk.sign_in()
    desk.exchange.set_funding_rate("ETH/USD", Decimal(0))

    desk.place("SELL", "0.25", "2499", instruction="IOC")
    (position,) = desk.get("/v1/positions")["results"]
    desk.place("SELL", "0.75", "2499", instruction="IOC")

    told = [Decimal(row["payment"]) for row in desk.get("/v1/funding/payments", market=ETH)["results"]]
    assert [round(payment, 3) for payment in told] == [Decimal(text) for text in booked]
    assert round(Decimal(position["unrealized_funding_pnl"]), 3) == Decimal(booked[0])


@pytest.mark.parametrize(("value", "status"), [("live", 201), ("ever", 400)])
def test_paradex_client_id_scope(desk: Desk, value: str, status: int) -> None:
    desk.world.quirks.set("paradex", "client_id_scope", value)
    desk.place("BUY", "0.1", "2501", instruction="IOC", client_id="again")

    answer = desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2400", client_id="again"))

    assert answer.status_code == status
    assert status == 201 or answer.json()["error"] == "DUPLICATED_CLIENT_ID"


@pytest.mark.parametrize(("most", "status"), [(10, 400), (50, 201)])
def test_paradex_batch_max(desk: Desk, most: int, status: int) -> None:
    desk.world.quirks.set("paradex", "batch_max", most)

    answer = desk.client.post("/v1/orders/batch", json=[desk.body("BUY", "0.1", "2400") for _ in range(11)])

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("value", "orders", "errors"), [("apart", [True], [True]), ("aligned", [False, True], [True, False])]
)
def test_paradex_batch_lists(desk: Desk, value: str, orders: list[bool], errors: list[bool]) -> None:
    desk.world.quirks.set("paradex", "batch_lists", value)
    batch = [desk.body("BUY", "0.1", price) for price in ("2400.001", "2400")]

    answer = desk.client.post("/v1/orders/batch", json=batch).json()

    assert [row is not None for row in answer["orders"]] == orders
    assert [row is not None for row in answer["errors"]] == errors


@pytest.mark.parametrize("code", ["VALIDATION_ERROR", "INVALID_PRICE_PRECISION"])
def test_paradex_tick_error_code(desk: Desk, code: str) -> None:
    desk.world.quirks.set("paradex", "tick_error_code", code)

    answer = desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2400.001"))

    assert (answer.status_code, answer.json()["error"]) == (400, code)


@pytest.mark.parametrize("code", ["INVALID_ORDER_SIGNATURE", "STARKNET_SIGNATURE_VERIFICATION_FAILED"])
def test_paradex_order_signature_error_code(desk: Desk, code: str) -> None:
    desk.world.quirks.set("paradex", "order_signature_error_code", code)

    answer = desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2400", signer=Signer(PRIVATE + 1)))

    assert (answer.status_code, answer.json()["error"]) == (400, code)


# --- Backpack -----------------------------------------------------------------------------------------


def backpack(name: str, value: str | int) -> Bench:
    """The twin with one switch set."""
    bench = Bench()
    bench.world.quirks.set("backpack", name, value)
    return bench


@pytest.mark.parametrize("code", ["INVALID_CLIENT_REQUEST", "INVALID_SIGNATURE"])
async def test_backpack_signature_error_code(code: str) -> None:
    bench = backpack("signature_error_code", code)

    answer = await bench.http.get("/api/v1/capital", headers=bench.alice.headers("instruction=positionQuery"))

    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(("value", "status"), [(False, 400), (True, 404)])
async def test_backpack_late_cancel_is_404(value: bool, status: int) -> None:
    assert (await backpack("late_cancel_is_404", value).alice.cancel(orderId="1")).status_code == status


@pytest.mark.parametrize(("value", "status"), [(False, 200), (True, 202)])
async def test_backpack_cancel_answers_202(value: bool, status: int) -> None:
    bench = backpack("cancel_answers_202", value)
    row = await bench.alice.rest("Bid", "1", "149")

    answer = await bench.alice.cancel(orderId=row["id"])

    assert (answer.status_code, answer.text == "") == (status, value)


@pytest.mark.parametrize(("value", "status"), [("accept", 200), ("refuse", 400)])
async def test_backpack_duplicate_client_id(value: str, status: int) -> None:
    bench = backpack("duplicate_client_id", value)
    await bench.alice.rest("Bid", "1", "149", clientId=9)

    assert (await bench.alice.order("Bid", "1", "148", clientId=9)).status_code == status


@pytest.mark.parametrize("value", ["refuse", "expire"])
async def test_backpack_post_only_cross(value: str) -> None:
    bench = backpack("post_only_cross", value)
    await bench.bob.rest("Ask", "1", "150")

    answer = await bench.alice.order("Bid", "1", "151", postOnly=True)

    told = (await bench.alice.get("/wapi/v1/history/orders", symbol=SOL)).json()
    if value == "refuse":
        assert (answer.status_code, answer.json()["code"], told) == (400, "INVALID_ORDER", [])
    else:
        assert (answer.status_code, answer.json()["status"]) == (200, "Expired")
        assert [(row["status"], row["expiryReason"]) for row in told] == [("Expired", "PostOnlyTaker")]
    assert bench.exchange.fills(bench.alice.public_key) == []


@pytest.mark.parametrize("bump_us", [0, 100_000])
async def test_backpack_speed_bump(bump_us: int) -> None:
    bench = backpack("speed_bump_us", bump_us)
    started = bench.world.now_us()

    await bench.alice.order("Bid", "1", "149")

    assert bench.world.now_us() - started == bump_us


@pytest.mark.parametrize(("most", "statuses"), [(1, [200, 429]), (2_000, [200, 200])])
async def test_backpack_requests_per_minute(most: int, statuses: list[int]) -> None:
    bench = backpack("requests_per_minute", most)

    assert [(await bench.alice.get("/api/v1/capital")).status_code for _ in range(2)] == statuses


@pytest.mark.parametrize(("lag_us", "bids"), [(0, 2), (1_000_000, 1)])
async def test_backpack_depth_lag(lag_us: int, bids: int) -> None:
    bench = backpack("depth_lag_us", lag_us)
    await bench.alice.rest("Bid", "1", "149")
    bench.world.advance(1_000_000)
    await bench.alice.rest("Bid", "1", "148")

    book = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()

    assert len(book["bids"]) == bids
