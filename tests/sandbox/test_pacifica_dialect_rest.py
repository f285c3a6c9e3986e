"""The Pacifica twin's REST surface: orders, reads, error shapes, credits."""

from __future__ import annotations

import uuid

import httpx
import pytest
from pacifica_client import Signer, Twin, limit_fields

from sandbox.faults import ConnectionDropped, FaultKind
from sandbox.funding import HOUR_US
from sandbox.model import Side


def error_of(answer: httpx.Response) -> tuple[int, object, object]:
    """Status, code and text of a JSON refusal."""
    body = answer.json()
    assert body["success"] is False
    assert body["data"] is None
    return answer.status_code, body["code"], body["error"]


async def test_a_limit_order_rests_and_shows_in_every_read() -> None:
    twin = Twin()

    answer = await twin.limit("2400")

    order_id = answer.json()["data"]["order_id"]
    assert answer.json() == {"success": True, "data": {"order_id": order_id}, "error": None, "code": None}
    (row,) = (await twin.get("/orders")).json()["data"]
    assert (row["order_id"], row["price"], row["initial_amount"], row["side"]) == (order_id, "2400", "0.1", "bid")
    (past,) = (await twin.get("/orders/history")).json()["data"]
    assert (past["order_status"], past["reason"]) == ("open", None)
    (event,) = (await twin.get("/orders/history_by_id", order_id=order_id)).json()["data"]
    assert (event["event_type"], event["order_status"]) == ("make", "open")
    assert (await twin.get("/account")).json()["data"]["orders_count"] == 1


async def test_a_market_order_fills_after_the_speed_bump() -> None:
    twin = Twin()
    started = twin.world.now_us()

    answer = await twin.market(amount="0.2")

    assert answer.status_code == 200
    (fill,) = (await twin.get("/trades/history")).json()["data"]
    assert fill["created_at"] - started // 1000 == 200
    assert (fill["price"], fill["amount"], fill["side"], fill["event_type"]) == (
        "2500.5",
        "0.2",
        "open_long",
        "fulfill_taker",
    )
    assert (fill["fee"], fill["pnl"]) == ("0.20004", "-0.20004")  # 0.2 * 2500.5 * 0.0004


@pytest.mark.parametrize(("tif", "waits_ms"), [("GTC", 200), ("IOC", 200), ("ALO", 0), ("TOB", 0)])
async def test_only_orders_that_may_take_are_held_back(tif: str, waits_ms: int) -> None:
    twin = Twin()
    started = twin.world.now_us()

    await twin.limit("2400", tif=tif)

    assert (twin.world.now_us() - started) // 1000 == waits_ms


async def test_a_crossing_post_only_order_has_an_id_and_is_rejected_in_history() -> None:
    twin = Twin()

    answer = await twin.limit("2600", tif="ALO")

    assert answer.status_code == 200
    (past,) = (await twin.get("/orders/history")).json()["data"]
    assert (past["order_id"], past["order_status"], past["reason"]) == (
        answer.json()["data"]["order_id"],
        "rejected",
        "post_only_rejected",
    )


async def test_top_of_book_is_repriced_one_tick_inside() -> None:
    twin = Twin()

    await twin.limit("2600", tif="TOB")

    (row,) = (await twin.get("/orders")).json()["data"]
    assert row["price"] == "2500.4"


@pytest.mark.parametrize(
    ("changes", "status", "code", "text"),
    [
        ({"price": "2400.05"}, 400, 400, "2400.05 is not a multiple of tick size 0.1"),
        ({"amount": "0.00015"}, 400, 400, "0.00015 is not a multiple of lot size 0.0001"),
        ({"symbol": "eth"}, 422, 3, "Book not found"),
        ({"price": "3300"}, 422, 30, "Price too far from mark: 3300 2500"),
        ({"reduce_only": True}, 422, 23, "No position found for reduce-only order: {account} ETH"),
        ({"amount": "0.003", "price": "2500"}, 422, 0, "Order amount too low for {account}: 7.500 < 10"),
        ({"take_profit": {"stop_price": "3000"}}, 422, 51, "Unsupported operation"),
        ({"builder_code": "X"}, 403, 403, "Builder code not approved"),
    ],
)
async def test_refusals_have_the_venues_status_code_and_text(
    changes: dict[str, object], status: int, code: int, text: str
) -> None:
    twin = Twin()

    answer = await twin.limit(**({"price": "2400"} | changes))  # type: ignore[arg-type]

    assert error_of(answer) == (status, code, text.format(account=twin.signer.public))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tif": "FOK"}, "unknown variant `FOK`, expected one of `GTC`, `IOC`, `ALO`, `TOB`"),
        ({"side": "long"}, "unknown variant `long`, expected one of `bid`, `ask`"),
        ({"amount": 0.1}, "invalid type: floating point `0.1`, expected a string"),
        ({"amount": "1e-1"}, 'invalid value: string "1e-1", expected a decimal'),
        ({"amount": "NaN"}, 'invalid value: string "NaN", expected a decimal'),
        ({"reduce_only": "no"}, 'invalid type: string "no", expected a boolean'),
        ({"client_order_id": "abc"}, "UUID parsing failed"),
        ({"price": None}, "missing field `price`"),
    ],
)
async def test_wrong_types_are_told_in_plain_text_before_anything_else(changes: dict[str, object], text: str) -> None:
    twin = Twin()
    body = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400")) | changes

    answer = await twin.http.post("/orders/create", json=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(f"Json deserialize error: {text} at line 1 column ")


async def test_a_body_that_is_no_json_is_told_so() -> None:
    answer = await Twin().http.post("/orders/create", content=b"{")

    assert (answer.status_code, answer.text[:23]) == (400, "Json deserialize error:")


async def test_a_client_order_id_is_never_accepted_twice() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    await twin.limit("2400", client_order_id=client_id)
    await twin.post("/orders/cancel", "cancel_order", symbol="ETH", client_order_id=client_id)

    answer = await twin.limit("2400", client_order_id=client_id)

    assert error_of(answer) == (422, 36, f"Duplicate client order id: {client_id}")


async def test_too_little_margin_is_an_insufficient_balance() -> None:
    twin = Twin(balance="10")

    status, code, text = error_of(await twin.limit("2500", amount="1"))

    assert (status, code) == (422, 5)
    assert str(text).startswith(f"Insufficient balance for {twin.signer.public}: 51.0")


async def test_no_liquidity_within_the_slippage_is_no_reasonable_price() -> None:
    twin = Twin()

    answer = await twin.market(slippage_percent="0.01")

    assert error_of(answer) == (422, 25, "No reasonable price found")


async def test_an_own_resting_order_is_cancelled_and_never_filled_by_ones_own() -> None:
    twin = Twin()
    resting = (await twin.limit("2500.4", side="ask")).json()["data"]["order_id"]

    await twin.market(amount="0.1")

    (fill,) = (await twin.get("/trades/history")).json()["data"]
    assert fill["price"] == "2500.5"
    past = {o["order_id"]: o for o in (await twin.get("/orders/history")).json()["data"]}
    assert (past[resting]["order_status"], past[resting]["reason"]) == ("rejected", "self_trade_prevented")


async def test_cancel_by_either_id_works_once() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    first = (await twin.limit("2400")).json()["data"]["order_id"]
    await twin.limit("2401", client_order_id=client_id)

    by_id = await twin.post("/orders/cancel", "cancel_order", symbol="ETH", order_id=first)
    by_client = await twin.post("/orders/cancel", "cancel_order", symbol="ETH", client_order_id=client_id)
    again = await twin.post("/orders/cancel", "cancel_order", symbol="ETH", order_id=first)

    assert by_id.json() == by_client.json() == {"success": True, "data": None, "error": None, "code": None}
    assert error_of(again) == (422, 5, "Failed to cancel order")


async def test_one_account_cannot_cancel_anothers_order() -> None:
    twin, other = Twin(), Signer(9)
    twin.exchange.open_account(other.public, twin.exchange.account(twin.signer.public).balance)
    order_id = (await twin.limit("2400")).json()["data"]["order_id"]
    body = other.sign("cancel_order", twin.now_ms, symbol="ETH", order_id=order_id)

    answer = await twin.http.post("/orders/cancel", json=body)

    assert error_of(answer)[2] == "Failed to cancel order"
    assert len((await twin.get("/orders")).json()["data"]) == 1


async def test_cancel_all_counts_and_may_spare_reduce_only_orders() -> None:
    twin = Twin()
    await twin.market(amount="0.1")
    await twin.limit("2400")
    await twin.limit("2600", side="ask", reduce_only=True)

    answer = await twin.post("/orders/cancel_all", "cancel_all_orders", all_symbols=True, exclude_reduce_only=True)

    assert answer.json()["data"] == {"cancelled_count": 1}
    (left,) = (await twin.get("/orders")).json()["data"]
    assert left["reduce_only"] is True


async def test_an_edit_gives_a_new_id_under_the_same_client_id() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    old = (await twin.limit("2400", client_order_id=client_id)).json()["data"]["order_id"]

    answer = await twin.post(
        "/orders/edit", "edit_order", symbol="ETH", price="2410", amount="0.2", client_order_id=client_id
    )

    (row,) = (await twin.get("/orders")).json()["data"]
    assert row["order_id"] == answer.json()["data"]["order_id"] != old
    assert (row["client_order_id"], row["price"], row["initial_amount"]) == (client_id, "2410", "0.2")


async def test_an_edit_that_would_cross_loses_the_order() -> None:
    twin = Twin()
    old = (await twin.limit("2400")).json()["data"]["order_id"]

    await twin.post("/orders/edit", "edit_order", symbol="ETH", price="2600", amount="0.1", order_id=old)

    assert (await twin.get("/orders")).json()["data"] == []


async def test_a_batch_runs_in_order_and_reports_each_action() -> None:
    twin = Twin()
    create = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400", tif="ALO"))
    cancel = twin.signer.sign("cancel_order", twin.now_ms, symbol="ETH", client_order_id=create["client_order_id"])
    unknown = twin.signer.sign("cancel_order", twin.now_ms, symbol="ETH", order_id=1)
    actions = [("Create", create), ("Cancel", cancel), ("Cancel", unknown)]

    answer = await twin.http.post(
        "/orders/batch", json={"actions": [{"type": name, "data": body} for name, body in actions]}
    )

    results = answer.json()["data"]["results"]
    assert [r["success"] for r in results] == [True, True, False]
    assert results[2] == {"success": False, "order_id": None, "error": "Failed to cancel order"}
    assert (await twin.get("/orders")).json()["data"] == []


async def test_one_bad_signature_spoils_a_whole_batch() -> None:
    twin = Twin()
    good = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400", tif="ALO"))
    bad = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2401", tif="ALO")) | {"amount": "9"}

    answer = await twin.http.post(
        "/orders/batch", json={"actions": [{"type": "Create", "data": body} for body in (good, bad)]}
    )

    assert answer.status_code == 400
    assert (await twin.get("/orders")).json()["data"] == []


async def test_leverage_rises_but_does_not_fall_with_an_open_position() -> None:
    twin = Twin()
    assert (await twin.post("/account/leverage", "update_leverage", symbol="ETH", leverage=10)).status_code == 200
    await twin.market()

    raised = await twin.post("/account/leverage", "update_leverage", symbol="ETH", leverage=20)
    lowered = await twin.post("/account/leverage", "update_leverage", symbol="ETH", leverage=5)

    assert raised.status_code == 200
    assert error_of(lowered) == (422, 11, "Cannot decrease leverage with open position.: 5")
    settings = (await twin.get("/account/settings")).json()["data"]["margin_settings"]
    assert [(s["symbol"], s["leverage"]) for s in settings] == [("ETH", 20)]


async def test_a_position_row_and_its_account_agree() -> None:
    twin = Twin()

    await twin.market("ask", "2")

    (row,) = (await twin.get("/positions")).json()["data"]
    assert (row["side"], row["amount"], row["entry_price"], row["margin"]) == ("ask", "2", "2499.5", "0")
    account = (await twin.get("/account")).json()["data"]
    assert account["total_margin_used"] == "100.000000"  # 2 * 2500 / 50
    assert account["balance"] == "9998.000400"  # fee 2 * 2499.5 * 0.0004


async def test_a_flip_is_told_as_a_closing_and_an_opening_fill() -> None:
    twin = Twin()
    await twin.market("bid", "1")
    await twin.market("ask", "3")

    rows = (await twin.get("/trades/history")).json()["data"]

    assert [(r["side"], r["amount"]) for r in rows] == [
        ("open_short", "2"),
        ("close_long", "1"),
        ("open_long", "1"),
    ]
    assert len({r["history_id"] for r in rows}) == 3
    assert rows[1]["pnl"] == "-1.9998"  # 2499.5 - 2500.5 - fee 0.9998


async def test_funding_is_paid_at_the_hour_with_the_accounts_sign() -> None:
    twin = Twin()
    await twin.market("bid", "2")

    twin.world.advance(HOUR_US)

    (row,) = (await twin.get("/funding/history")).json()["data"]
    assert (row["side"], row["amount"], row["rate"], row["payout"]) == ("bid", "2", "0.0000125", "-0.0625")
    (position,) = (await twin.get("/positions")).json()["data"]
    assert position["funding"] == "-0.0625"


async def test_history_pages_by_cursor_newest_first_and_stays_stable_under_new_rows() -> None:
    twin = Twin()
    for _ in range(3):
        await twin.market()
    first = (await twin.get("/trades/history", limit=2)).json()
    await twin.market()

    second = (await twin.get("/trades/history", limit=2, cursor=first["next_cursor"])).json()

    ids = [r["history_id"] for r in first["data"] + second["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)


async def test_history_can_be_cut_by_time() -> None:
    twin = Twin()
    await twin.market()
    twin.world.advance(10_000_000)
    await twin.market()
    newest = (await twin.get("/trades/history")).json()["data"][0]["created_at"]

    later = (await twin.get("/trades/history", start_time=newest)).json()["data"]
    earlier = (await twin.get("/trades/history", end_time=newest - 1)).json()["data"]

    assert (len(later), len(earlier)) == (1, 1)


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/account", {"account": "nobody"}, 404),
        ("/orders/history_by_id", {"order_id": 99}, 404),
        ("/book", {"symbol": "XYZ"}, 404),
        ("/book", {"symbol": "ETH", "agg_level": 7}, 400),
        ("/trades/history", {"limit": 0}, 400),
        ("/trades/history", {"limit": "many"}, 400),
        ("/nothing", {}, 404),
    ],
)
async def test_reads_of_what_is_not_there_are_enveloped_errors(
    path: str, params: dict[str, object], status: int
) -> None:
    answer = await Twin().get(path, **params)

    assert error_of(answer)[0] == status


async def test_markets_prices_and_book_have_the_documented_shapes() -> None:
    twin = Twin()

    info = {row["symbol"]: row for row in (await twin.get("/info")).json()["data"]}
    prices = {row["symbol"]: row for row in (await twin.get("/info/prices")).json()["data"]}
    book = (await twin.get("/book", symbol="ETH")).json()["data"]

    assert (info["ETH"]["tick_size"], info["ETH"]["lot_size"], info["ETH"]["min_order_size"]) == ("0.1", "0.0001", "10")
    assert info["BTC"]["lot_size"] == "0.00001"
    assert (prices["ETH"]["mark"], prices["ETH"]["mid"], prices["ETH"]["oracle"]) == ("2500", "2500", "2500")
    assert book["l"] == [[{"p": "2499.5", "a": "5", "n": 1}], [{"p": "2500.5", "a": "5", "n": 1}]]


async def test_an_aggregated_book_shows_the_best_price_of_each_bucket() -> None:
    twin = Twin()
    for price in ("2499.4", "2499.1", "2497.9"):
        await twin.limit(price)

    bids = (await twin.get("/book", symbol="ETH", agg_level=10)).json()["data"]["l"][0]

    assert bids == [{"p": "2499.5", "a": "5.2", "n": 3}, {"p": "2497.9", "a": "0.1", "n": 1}]


async def test_credits_are_told_times_ten_and_run_out_with_429() -> None:
    twin = Twin()

    cheap = await twin.get("/info")
    assert cheap.headers["ratelimit"] == '"credits";r=1240;t=60'
    assert cheap.headers["ratelimit-policy"] == '"credits";q=1250;w=60'
    heavy = await twin.get("/orders/history")
    assert heavy.headers["ratelimit"] == '"credits";r=1120;t=60'
    await twin.post("/orders/cancel", "cancel_order", symbol="ETH", order_id=1)
    statuses = [(await twin.get("/orders/history")).status_code for _ in range(10)]

    assert statuses == [200] * 9 + [429]
    twin.world.advance(60_000_000)
    assert (await twin.get("/orders/history")).status_code == 200


async def test_a_rate_limit_key_has_its_own_larger_quota() -> None:
    twin = Twin()
    key = (await twin.post("/account/api_keys/create", "create_api_key")).json()["data"]["api_key"]

    answer = await twin.http.get("/info", headers={"PF-API-KEY": key})

    assert answer.headers["ratelimit-policy"] == '"credits";q=3000;w=60'
    listed = (await twin.post("/account/api_keys", "list_api_keys")).json()["data"]
    assert listed == {"active_api_keys": [key], "api_key_limit": 5}


async def test_a_lost_answer_leaves_the_order_on_the_book_to_be_found_by_client_id() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    twin.world.faults.arm("pacifica", FaultKind.LOST_ANSWER)

    with pytest.raises(ConnectionDropped):
        await twin.limit("2400", client_order_id=client_id)

    (row,) = (await twin.get("/orders")).json()["data"]
    assert row["client_order_id"] == client_id


async def test_an_outside_order_fills_a_resting_one_as_maker() -> None:
    twin = Twin()
    await twin.limit("2500", amount="0.3")

    twin.take(Side.SELL, "0.1", "2500")

    (fill,) = (await twin.get("/trades/history")).json()["data"]
    assert (fill["event_type"], fill["amount"], fill["fee"]) == ("fulfill_maker", "0.1", "0.0375")
    (row,) = (await twin.get("/orders")).json()["data"]
    assert row["filled_amount"] == "0.1"
