"""The Backpack twin's HTTP door: signatures over whole requests, error shapes, limits, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from backpack_twin import SOL, START_MS, Bench, signed_pairs

from sandbox.clock import VirtualClock
from sandbox.dialects.backpack_context import BackpackSwitches
from sandbox.faults import ConnectionDropped, FaultKind

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors_backpack.json").read_text())
BY_NAME: dict[str, Any] = {vector["name"]: vector for vector in VECTORS["vectors"]}
REFUSED: list[dict[str, Any]] = VECTORS["must_be_refused"]

# What an accepted signature leads to on an empty twin; the two unknown symbols fail before the signature.
OUTCOMES: dict[str, tuple[int, str]] = {
    "account_no_params": (200, "leverageLimit"),
    "balances_default_window": (200, "USDC"),
    "position_symbol": (404, "RESOURCE_NOT_FOUND"),
    "order_query_client_id": (404, "RESOURCE_NOT_FOUND"),
    "fills_query": (200, "[]"),
    "max_order_quantity_bool_query": (200, "maxOrderQuantity"),
    "order_limit_booleans": (200, '"clientId":42'),
    "order_limit_post_only": (200, '"clientId":7'),
    "order_market_ioc_reduce_only": (400, "Reduce only order not reduced"),
    "order_market_quote_quantity_spot": (400, 'failed to parse "MarketSymbol"'),
    "cancel_by_order_id": (400, "Order not found"),
    "cancel_by_client_id": (400, "Order not found"),
    "cancel_all_symbol": (200, "[]"),
    "open_orders_query": (200, "[]"),
    "batch_two_orders": (200, '"operation":"Ok"'),
    "docs_batch_example": (200, '"operation":"Ok"'),
    "docs_cancel_example": (400, 'failed to parse "MarketSymbol"'),
    "account_update_patch": (200, ""),
    "funding_history_query": (200, "[]"),
    "settlement_history_query": (200, "[]"),
}


async def send_vector(bench: Bench, vector: dict[str, Any], **changed: str) -> httpx.Response:
    """Send exactly the bytes of a vector, with some headers replaced."""
    query = vector.get("query_string_sent")
    url = vector["path"] + (f"?{query}" if query else "")
    body = vector.get("body_json_sent")
    return await bench.http.request(vector["method"], url, content=body, headers=dict(vector["headers"]) | changed)


def bench_at(timestamp_ms: int) -> Bench:
    """Return a bench whose clock stands at the given time."""
    return Bench(clock=VirtualClock(timestamp_ms * 1000))


@pytest.mark.parametrize("name", [name for name in BY_NAME if name in OUTCOMES])
async def test_every_signed_request_gets_past_the_signature_check(name: str) -> None:
    vector = BY_NAME[name]
    answer = await send_vector(bench_at(vector["timestamp"]), vector)
    status, text = OUTCOMES[name]
    assert answer.status_code == status
    assert text in answer.text
    assert "ignature" not in answer.text


def test_every_rest_vector_has_an_expected_outcome() -> None:
    assert set(OUTCOMES) == {name for name, vector in BY_NAME.items() if vector["method"] != "WS"}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
async def test_every_wrongly_signed_request_is_refused_and_places_nothing(case: dict[str, Any]) -> None:
    vector = BY_NAME[case["based_on"]]
    bench = bench_at(case.get("server_time_ms", vector["timestamp"]))
    answer = await send_vector(bench, vector, **{"X-Signature": case["signature"]}, **case["headers"])
    message = {"request has expired": "Request has expired", "refused: window above the maximum": "Invalid window"}
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "INVALID_CLIENT_REQUEST",
        "message": message.get(case["expect"], "Invalid signature"),
    }
    assert bench.exchange.order_history(bench.alice.public_key) == []


async def test_the_other_spelling_of_a_bad_signature_can_be_chosen() -> None:
    bench = Bench(BackpackSwitches(signature_error_code="INVALID_SIGNATURE"))
    headers = bench.alice.headers("instruction=orderCancel")
    answer = await bench.http.get("/api/v1/account", headers=headers)
    assert answer.json() == {"code": "INVALID_SIGNATURE", "message": "Invalid signature"}


async def test_an_unknown_key_with_a_good_signature_is_unauthorized() -> None:
    bench = Bench()
    answer = await bench.stranger(b"\x55" * 32).get("/api/v1/account")
    assert answer.status_code == 401
    assert answer.json() == {"code": "UNAUTHORIZED", "message": "Unauthorized"}


async def test_a_signed_member_the_exchange_does_not_know_breaks_the_signature() -> None:
    bench = Bench()
    answer = await bench.alice.order("Bid", "1", "140", leverage="5")
    assert answer.json()["message"] == "Invalid signature"


async def test_order_id_and_client_id_together_break_the_signature() -> None:
    bench = Bench()
    row = await bench.alice.rest("Bid", "1", "140", clientId=5)
    answer = await bench.alice.cancel(orderId=row["id"], clientId=5)
    assert answer.json()["message"] == "Invalid signature"
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == 1


async def test_key_order_and_white_space_of_the_body_do_not_matter() -> None:
    bench = Bench()
    pairs = {"side": "Bid", "symbol": SOL, "orderType": "Limit", "price": "140.00", "quantity": "1.50"}
    headers = bench.alice.headers(signed_pairs("orderExecute", pairs))
    body = json.dumps(dict(reversed(pairs.items())), indent=4)
    answer = await bench.http.post("/api/v1/order", content=body, headers=headers)
    assert answer.status_code == 200


async def test_a_null_member_is_neither_signed_nor_read() -> None:
    bench = Bench()
    pairs = {"side": "Bid", "symbol": SOL, "orderType": "Limit", "price": "140", "quantity": "1"}
    headers = bench.alice.headers(signed_pairs("orderExecute", pairs))
    answer = await bench.http.post("/api/v1/order", json=pairs | {"clientId": None}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["clientId"] is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": "DOGE_USDC_PERP"}, 'failed to parse "MarketSymbol": Invalid market symbol'),
        ({"side": "Buy"}, 'failed to parse "Side": Expect a valid enumeration value.'),
        ({"selfTradePrevention": "Allow"}, 'failed to parse "SelfTradePrevention"'),
        ({"timeInForce": "GTX"}, 'failed to parse "TimeInForce"'),
        ({"price": 140.5}, 'Expected input type "string", found'),
        ({"price": "1e2"}, 'failed to parse "Decimal"'),
        ({"quantity": "NaN"}, 'failed to parse "Decimal"'),
        ({"postOnly": "true"}, 'Expected input type "boolean", found "true"'),
        ({"clientId": "7"}, 'Expected input type "integer", found "7"'),
        ({"clientId": 2**32}, "Only integers from 0 to 4294967295 are accepted."),
        ({"clientId": -1}, "Only integers from 0 to 4294967295 are accepted."),
        ({"clientId": True}, 'Expected input type "integer", found true'),
    ],
)
async def test_a_malformed_member_is_a_plain_text_400(change: dict[str, object], text: str) -> None:
    bench = Bench()
    body = {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"} | change
    pairs = {name: value for name, value in body.items() if value is not None}
    headers = bench.alice.headers(signed_pairs("orderExecute", pairs))
    answer = await bench.http.post("/api/v1/order", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("parse request payload error: ")
    assert answer.text.endswith('(occurred while parsing "OrderExecutePayload")')
    assert text in answer.text


@pytest.mark.parametrize("name", ["symbol", "side", "orderType"])
async def test_a_missing_required_member_is_a_plain_text_400(name: str) -> None:
    bench = Bench()
    body = {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"}
    del body[name]
    answer = await bench.alice.send("POST", "/api/v1/order", body)
    assert answer.status_code == 400
    assert f"field `{name}` is required" in answer.text


@pytest.mark.parametrize("content", ["", "{", "[1", "\xff", '{"price":NaN}'])
async def test_a_body_that_is_not_json_is_a_plain_text_400(content: str) -> None:
    bench = Bench()
    answer = await bench.http.post("/api/v1/order", content=content.encode("latin-1"))
    assert answer.status_code == 400
    assert answer.text.startswith("parse request payload error: parse JSON error")


async def test_an_array_sent_to_the_single_order_route_is_a_parse_error() -> None:
    bench = Bench()
    body = [{"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "1"}]
    answer = await bench.alice.send("POST", "/api/v1/order", body)
    assert answer.status_code == 400
    assert "parse request payload error" in answer.text


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("/api/v1/depth", {"symbol": SOL, "limit": "7"}, "Expect a valid enumeration value."),
        ("/api/v1/depth", {}, "failed to parse parameter `symbol`"),
        ("/api/v1/trades", {"symbol": SOL, "limit": "1001"}, "failed to parse parameter `limit`"),
        ("/api/v1/trades", {"symbol": SOL, "limit": "x"}, "failed to parse parameter `limit`"),
        ("/api/v1/markets", {"marketType": "perp"}, "Expect a valid enumeration value."),
    ],
)
async def test_a_malformed_parameter_is_a_plain_text_400(path: str, query: dict[str, str], text: str) -> None:
    answer = await Bench().http.get(path, params=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert text in answer.text


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/", "//api/v1/time", "/api/v1/rfqs", "/wapi/v1/history/pnl"])
async def test_an_unknown_path_is_a_plain_text_404(path: str) -> None:
    answer = await Bench().http.get(httpx.URL("http://twin", raw_path=path.encode()))
    assert (answer.status_code, answer.text) == (404, "not found")


async def test_the_minute_limit_answers_429_for_one_account_and_ends_with_the_minute() -> None:
    bench = Bench(BackpackSwitches(requests_per_minute=3))
    for _ in range(3):
        assert (await bench.alice.get("/api/v1/capital")).status_code == 200
    refused = await bench.alice.get("/api/v1/capital")
    assert refused.status_code == 429
    assert refused.json()["code"] == "TOO_MANY_REQUESTS"
    assert (await bench.bob.get("/api/v1/capital")).status_code == 200
    bench.world.advance(60_000_000)
    assert (await bench.alice.get("/api/v1/capital")).status_code == 200


async def test_the_default_limit_is_2000_requests_a_minute() -> None:
    assert BackpackSwitches().requests_per_minute == 2000


async def test_a_wrong_venue_clock_makes_requests_expire() -> None:
    bench = Bench()
    headers = bench.alice.headers("instruction=balanceQuery")
    bench.world.shift_wall("backpack", 5_001_000)
    answer = await bench.http.get("/api/v1/capital", headers=headers)
    assert answer.json()["message"] == "Request has expired"
    assert (await bench.http.get("/api/v1/time")).text == str(START_MS + 5001)


@pytest.mark.parametrize(("kind", "reached"), [(FaultKind.LOST_REQUEST, 0), (FaultKind.LOST_ANSWER, 1)])
async def test_a_dropped_connection_leaves_the_order_placed_only_when_the_answer_was_lost(
    kind: FaultKind, reached: int
) -> None:
    bench = Bench()
    bench.world.faults.arm("backpack", kind)
    with pytest.raises(ConnectionDropped):
        await bench.alice.order("Bid", "1", "140", clientId=1)
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == reached


@pytest.mark.parametrize(("after", "reached"), [(False, 0), (True, 1)])
async def test_a_503_may_come_before_or_after_the_engine_took_the_order(after: bool, reached: int) -> None:
    bench = Bench()
    bench.world.faults.arm("backpack", FaultKind.HTTP_5XX, after=after)
    answer = await bench.alice.order("Bid", "1", "140")
    assert answer.status_code == 503
    assert answer.json()["code"] == "MAINTENANCE"
    assert len(bench.exchange.open_orders(bench.alice.public_key)) == reached


async def test_an_injected_429_has_the_venues_own_body() -> None:
    bench = Bench()
    bench.world.faults.arm("backpack", FaultKind.HTTP_429, action="cancel")
    answer = await bench.alice.cancel(orderId="1")
    assert answer.status_code == 429
    assert answer.json()["code"] == "TOO_MANY_REQUESTS"
