"""The Paradex twin over REST: identities, refusals with the venue's own shapes, order life, money."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fast_stark_crypto as stark
import pytest
from paradex_client import ADDRESS, ETH, PUBLIC, START_S, Desk, Signer, chain_hash, open_client, open_world

from sandbox.dialects.paradex_auth import account_address
from sandbox.dialects.paradex_limits import Allowance, RateLimits
from sandbox.faults import ConnectionDropped, FaultKind
from sandbox.model import Side


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


def error(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error", "message"}
    assert body["message"]
    return answer.status_code, body["error"]


# --- public -------------------------------------------------------------------------------------------


def test_system_paths_tell_the_chain_and_the_clock(desk: Desk):
    config = desk.get("/v1/system/config")
    assert config["starknet_chain_id"] == "PRIVATE_SN_POTC_SEPOLIA"
    assert config["paraclear_decimals"] == 8
    assert config["paraclear_account_hash"].startswith("0x41cb0280")
    assert desk.get("/v1/system/state") == {"status": "ok"}
    assert desk.get("/v1/system/time") == {"server_time": str(START_S * 1000)}


def test_market_rules_are_decimal_texts(desk: Desk):
    (market,) = desk.get("/v1/markets", market=ETH)["results"]
    assert (market["price_tick_size"], market["order_size_increment"], market["min_notional"]) == (
        "0.01",
        "0.001",
        "10",
    )
    assert market["asset_kind"] == "PERP"
    assert market["delta1_cross_margin_params"] == {
        "imf_base": "0.02",
        "imf_factor": "0",
        "imf_shift": "0",
        "mmf_factor": "0.5",
    }
    assert market["fee_config"]["api_fee"]["taker_fee"]["fee"] == "0.00045"
    assert len(desk.get("/v1/markets")["results"]) == 3


def test_book_and_bbo_agree_and_put_price_before_size(desk: Desk):
    book = desk.get(f"/v1/orderbook/{ETH}", depth=5)
    assert book["bids"] == [["2499", "10"]]
    assert book["asks"] == [["2501", "10"]]
    assert book["best_bid_api"] == ["2499", "10"]
    bbo = desk.get(f"/v1/bbo/{ETH}")
    assert (bbo["bid"], bbo["ask"], bbo["seq_no"]) == ("2499", "2501", book["seq_no"])


def test_an_empty_side_is_an_empty_text(desk: Desk):
    bbo = desk.get("/v1/bbo/BTC-USD-PERP")
    assert (bbo["bid"], bbo["bid_size"]) == ("", "")


def test_summary_answers_one_market_or_all(desk: Desk):
    (row,) = desk.get("/v1/markets/summary", market=ETH)["results"]
    assert (row["symbol"], row["bid"], row["ask"]) == (ETH, "2499", "2501")
    assert Decimal(row["mark_price"]) > 0
    assert len(desk.get("/v1/markets/summary", market="ALL")["results"]) == 3


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/markets?market=XXX-USD-PERP", (404, "MARKET_NOT_FOUND")),
        ("/v1/markets/summary", (400, "VALIDATION_ERROR")),
        ("/v1/markets/summary?market=XXX", (404, "MARKET_NOT_FOUND")),
        ("/v1/orderbook/XXX", (404, "MARKET_NOT_FOUND")),
        ("/v1/orderbook/ETH-USD-PERP?depth=0", (400, "VALIDATION_ERROR")),
        ("/v1/orderbook/ETH-USD-PERP?price_tick=1", (400, "VALIDATION_ERROR")),
        ("/v1/bbo/XXX", (404, "MARKET_NOT_FOUND")),
        ("/v1/trades", (400, "VALIDATION_ERROR")),
        ("/v1/trades?market=ETH-USD-PERP&page_size=1001", (400, "VALIDATION_ERROR")),
        ("/v1/funding/data", (400, "VALIDATION_ERROR")),
        ("/v1/funding/data?market=ETH-USD-PERP&cursor=zzz", (400, "INVALID_REQUEST_PARAMETER")),
        ("/v1/funding/data?market=ETH-USD-PERP&start_at=-1", (400, "VALIDATION_ERROR")),
        ("/v1/funding/payments", (400, "VALIDATION_ERROR")),
        ("/v1/account/margin", (400, "VALIDATION_ERROR")),
        ("/v1/orders/12", (400, "ORDER_ID_NOT_FOUND")),
        ("/v1/orders/by_client_id/none", (400, "CLIENT_ORDER_ID_NOT_FOUND")),
        ("/v1/nowhere", (404, "NOT_FOUND")),
    ],
)
def test_reads_refuse_with_the_venues_shape(desk: Desk, path: str, expected: tuple[int, str]):
    assert error(desk.client.get(path)) == expected


def test_a_wrong_method_has_the_venues_shape(desk: Desk):
    assert error(desk.client.put("/v1/markets")) == (405, "NOT_FOUND")


# --- tokens -----------------------------------------------------------------------------------------


@pytest.fixture
def newcomer() -> Signer:
    """An account nobody opened yet, with the address that follows from its key."""
    private = 0x5EED5EED
    return Signer(private, hex(account_address(stark.get_public_key(private))))


def test_auth_takes_the_path_with_and_without_the_key_and_without_an_expiration(desk: Desk):
    for path in ("/v1/auth", f"/v1/auth/{PUBLIC}"):
        for expires_in in (300, None):
            headers = Signer().auth(START_S, expires_in=expires_in)
            answer = desk.client.post(path, headers=headers)
            assert answer.status_code == 200
            assert answer.json()["jwt_token"].count(".") == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PARADEX-STARKNET-ACCOUNT": ""}, "INVALID_REQUEST_PARAMETER"),
        ({"PARADEX-STARKNET-ACCOUNT": "hello"}, "INVALID_STARKNET_ADDRESS"),
        ({"PARADEX-STARKNET-ACCOUNT": "0x99"}, "NOT_ONBOARDED"),
        ({"PARADEX-STARKNET-SIGNATURE": ""}, "INVALID_REQUEST_PARAMETER"),
        ({"PARADEX-STARKNET-SIGNATURE": "[1,2]"}, "INVALID_STARKNET_SIGNATURE"),
        ({"PARADEX-STARKNET-SIGNATURE": '["5","7"]'}, "STARKNET_SIGNATURE_VERIFICATION_FAILED"),
        ({"PARADEX-TIMESTAMP": "soon"}, "INVALID_TIMESTAMP"),
        ({"PARADEX-TIMESTAMP": str(START_S + 61)}, "INVALID_TIMESTAMP"),
        ({"PARADEX-TIMESTAMP": str(START_S * 1000)}, "INVALID_TIMESTAMP"),
        ({"PARADEX-SIGNATURE-EXPIRATION": str(START_S + 299)}, "STARKNET_SIGNATURE_VERIFICATION_FAILED"),
        ({"PARADEX-SIGNATURE-EXPIRATION": str(START_S)}, "INVALID_SIGNATURE_EXPIRATION"),
        ({"PARADEX-SIGNATURE-EXPIRATION": str(START_S + 604_801)}, "INVALID_SIGNATURE_EXPIRATION"),
    ],
)
def test_auth_refuses_what_is_not_signed_for_now(desk: Desk, change: dict[str, str], code: str):
    answer = desk.client.post("/v1/auth", headers=Signer().auth(START_S) | change)
    assert error(answer) == (400, code)


def test_auth_refuses_an_expired_signature(desk: Desk):
    headers = Signer().auth(START_S, expires_in=30)
    desk.run(30)
    assert error(desk.client.post("/v1/auth", headers=headers)) == (400, "INVALID_SIGNATURE_EXPIRATION")


def test_auth_refuses_a_key_of_somebody_else_in_the_path(desk: Desk, newcomer: Signer):
    answer = desk.client.post(f"/v1/auth/{newcomer.public}", headers=Signer().auth(START_S))
    assert error(answer) == (400, "INVALID_SUBKEY")
    assert error(desk.client.post("/v1/auth/0x5", headers=Signer().auth(START_S)))[1] == "PUBLIC_KEY_INVALID"


def test_interactive_tokens_are_refused_plainly(desk: Desk):
    answer = desk.client.post("/v1/auth?token_usage=interactive", headers=Signer().auth(START_S))
    assert error(answer) == (400, "INVALID_REQUEST_PARAMETER")


def test_an_expired_token_is_401_without_an_error_field(desk: Desk):
    desk.run(299)
    assert desk.client.get("/v1/account").status_code == 200
    desk.run(2)
    answer = desk.client.get("/v1/account")
    assert answer.status_code == 401
    assert answer.json() == {"message": "missing or malformed jwt: token is expired by 1s"}
    desk.sign_in()
    assert desk.client.get("/v1/account").status_code == 200


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer x.y.z", "Basic abc"])
def test_no_or_broken_token_is_401(desk: Desk, value: str):
    answer = desk.client.get("/v1/account", headers={"Authorization": value})
    assert answer.status_code == 401
    assert set(answer.json()) == {"message"}


def test_an_account_opened_with_another_spelling_of_its_address_can_sign_in(newcomer: Signer):
    world = open_world()
    with open_client(world) as client:
        padded = "0x" + newcomer.address[2:].upper().rjust(64, "0")
        world.exchanges["paradex"].open_account(padded, Decimal(5), attributes={"public_key": newcomer.public})
        desk = Desk(client, world, newcomer)
        desk.sign_in()
        assert desk.get("/v1/balance")["results"][0]["size"] == "5"


# --- subkeys ------------------------------------------------------------------------------------------


def subkey_body(desk: Desk, subkey: Signer, **change: Any) -> dict[str, Any]:
    now_s = desk.now_ms // 1000
    digest = chain_hash(int(ADDRESS, 16), int(subkey.public, 16), now_s, now_s + 300)
    signature = [hex(part) for part in stark.sign(subkey.private, digest)]
    body = {"name": "desk", "public_key": subkey.public, "signature": signature}
    return body | {"timestamp": now_s, "expiry": now_s + 300} | change


def test_a_registered_subkey_signs_in_and_trades_for_the_main_account_until_revoked(desk: Desk):
    subkey = Signer(0xABCDEF, ADDRESS)
    foreign = desk.body("BUY", "0.1", "2400", signer=subkey)
    assert error(desk.client.post("/v1/orders", json=foreign)) == (400, "INVALID_ORDER_SIGNATURE")
    answer = desk.client.post("/v1/account/keys/subkeys", json=subkey_body(desk, subkey))
    assert answer.status_code == 201, answer.text
    assert desk.get("/v1/account/keys/subkeys")["results"][0]["state"] == "active"
    answer = desk.client.post(f"/v1/auth/{subkey.public}", headers=subkey.auth(START_S))
    assert answer.status_code == 200
    desk.place("BUY", "0.1", "2400", signer=subkey)
    assert desk.client.delete(f"/v1/account/keys/subkeys/{subkey.public}").status_code == 204
    again = desk.body("BUY", "0.1", "2401", signer=subkey)
    assert error(desk.client.post("/v1/orders", json=again)) == (400, "INVALID_ORDER_SIGNATURE")


def test_subkey_registration_checks_proof_times_and_repetition(desk: Desk):
    subkey = Signer(0xABCDEF, ADDRESS)

    def register(**change: Any) -> tuple[int, str]:
        return error(desk.client.post("/v1/account/keys/subkeys", json=subkey_body(desk, subkey, **change)))

    assert register(signature=["5", "7"]) == (400, "STARKNET_SIGNATURE_VERIFICATION_FAILED")
    assert register(signature=["x", "7"]) == (400, "INVALID_STARKNET_SIGNATURE")
    assert register(timestamp=START_S + 100) == (400, "INVALID_TIMESTAMP")
    assert register(expiry=START_S + 601) == (400, "INVALID_SIGNATURE_EXPIRATION")
    assert register(public_key="0x5") == (400, "PUBLIC_KEY_INVALID")
    assert register(name=5) == (400, "BINDING_ERROR")
    desk.client.post("/v1/account/keys/subkeys", json=subkey_body(desk, subkey))
    assert register() == (400, "INVALID_SUBKEY")
    assert error(desk.client.delete(f"/v1/account/keys/subkeys/{PUBLIC}")) == (400, "INVALID_SUBKEY")


# --- orders at the door -------------------------------------------------------------------------------


def test_an_order_is_new_then_open_and_has_a_28_digit_id(desk: Desk):
    order = desk.place("BUY", "0.1", "2400", client_id="c-1")
    assert (order["status"], order["remaining_size"], order["cancel_reason"]) == ("NEW", "0.1", "")
    assert (len(order["id"]), order["id"].isdigit(), int(order["id"]) > 2**64) == (28, True, True)
    assert order["timestamp"] == START_S * 1000
    (row,) = desk.get("/v1/orders")["results"]
    assert (row["id"], row["status"], row["client_id"]) == (order["id"], "OPEN", "c-1")
    assert desk.get(f"/v1/orders/{order['id']}")["status"] == "OPEN"
    assert desk.get("/v1/orders/by_client_id/c-1")["id"] == order["id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"market": "XXX-USD-PERP"}, "INVALID_SYMBOL"),
        ({"market": "X" * 40}, "INVALID_SYMBOL"),
        ({"market": 5}, "BINDING_ERROR"),
        ({"side": "LONG"}, "VALIDATION_ERROR"),
        ({"type": "ICEBERG"}, "VALIDATION_ERROR"),
        ({"type": "STOP_LIMIT"}, "VALIDATION_ERROR"),
        ({"type": "MARKET"}, "VALIDATION_ERROR"),
        ({"instruction": "FOK"}, "VALIDATION_ERROR"),
        ({"instruction": "RPI"}, "RPI_ACCOUNT_NOT_WHITELISTED"),
        ({"stp": "NONE"}, "VALIDATION_ERROR"),
        ({"flags": ["MMP"]}, "VALIDATION_ERROR"),
        ({"flags": "REDUCE_ONLY"}, "BINDING_ERROR"),
        ({"client_id": "x" * 65}, "VALIDATION_ERROR"),
        ({"recv_window": 9}, "VALIDATION_ERROR"),
        ({"on_behalf_of_account": "0x1"}, "VALIDATION_ERROR"),
        ({"size": 0.1}, "BINDING_ERROR"),
        ({"size": "0"}, "INVALID_ORDER_SIZE"),
        ({"size": "-1"}, "VALIDATION_ERROR"),
        ({"size": "1E-1"}, "VALIDATION_ERROR"),
        ({"size": "0.1000000001"}, "VALIDATION_ERROR"),
        ({"size": "0.1005"}, "INVALID_ORDER_SIZE"),
        ({"size": "0.004"}, "INVALID_ORDER_SIZE"),
        ({"size": "1001"}, "INVALID_ORDER_SIZE"),
        ({"price": "2400.005"}, "VALIDATION_ERROR"),
        ({"price": "0"}, "VALIDATION_ERROR"),
        ({"price": "NaN"}, "VALIDATION_ERROR"),
        ({"signature_timestamp": START_S * 1000 - 300_001}, "INVALID_TIMESTAMP"),
        ({"signature_timestamp": START_S * 1000 + 60_001}, "INVALID_TIMESTAMP"),
        ({"signature_timestamp": START_S}, "INVALID_TIMESTAMP"),
        ({"signature_timestamp": str(START_S)}, "BINDING_ERROR"),
        ({"signature": ""}, "INVALID_ORDER_SIGNATURE"),
        ({"signature": '["5","7"]'}, "INVALID_ORDER_SIGNATURE"),
        ({"signature": ["5", "7"]}, "BINDING_ERROR"),
    ],
)
def test_a_bad_order_is_refused_at_the_door(desk: Desk, change: dict[str, Any], code: str):
    body = desk.body("BUY", "0.1", "2400") | change
    assert error(desk.client.post("/v1/orders", json=body)) == (400, code)
    assert desk.get("/v1/orders-history")["results"] == []


@pytest.mark.parametrize("field", ["market", "side", "size", "price", "signature_timestamp"])
def test_every_signed_field_is_protected(desk: Desk, field: str):
    values = {
        "market": "SOL-USD-PERP",
        "side": "SELL",
        "size": "0.2",
        "price": "2400.1",
        "signature_timestamp": START_S * 1000 - 1,
    }
    body = desk.body("BUY", "0.1", "2400") | {field: values[field]}
    assert error(desk.client.post("/v1/orders", json=body)) == (400, "INVALID_ORDER_SIGNATURE")


def test_another_spelling_of_the_same_number_is_the_same_signed_integer(desk: Desk):
    body = desk.body("BUY", "0.1", "2400") | {"size": "0.100", "price": "2400.00"}
    assert desk.client.post("/v1/orders", json=body).status_code == 201


def test_hexadecimal_signature_parts_are_accepted(desk: Desk):
    body = desk.body("BUY", "0.1", "2400")
    body["signature"] = json.dumps([hex(int(part)) for part in json.loads(body["signature"])])
    assert desk.client.post("/v1/orders", json=body).status_code == 201


@pytest.mark.parametrize(
    ("raw", "code"), [(b"{", "BINDING_ERROR"), (b"[]", "BINDING_ERROR"), (b"{}", "VALIDATION_ERROR")]
)
def test_a_body_of_another_shape_is_refused(desk: Desk, raw: bytes, code: str):
    assert error(desk.client.post("/v1/orders", content=raw)) == (400, code)


def test_a_recv_window_is_kept_to_the_millisecond(desk: Desk):
    body = desk.body("BUY", "0.1", "2400", recv_window=1000)
    desk.run(1)
    assert desk.client.post("/v1/orders", json=body).status_code == 201
    desk.run(0.001)
    assert error(desk.client.post("/v1/orders", json=body)) == (400, "INVALID_TIMESTAMP")


def test_a_client_id_is_taken_while_its_order_lives(desk: Desk):
    order = desk.place("BUY", "0.1", "2400", client_id="c-1")
    body = desk.body("BUY", "0.1", "2401", client_id="c-1")
    assert error(desk.client.post("/v1/orders", json=body)) == (400, "DUPLICATED_CLIENT_ID")
    desk.client.delete(f"/v1/orders/{order['id']}")
    desk.run()
    desk.place("BUY", "0.1", "2401", client_id="c-1")


def test_a_hundred_open_orders_per_market_are_the_most(desk: Desk):
    for _ in range(10):
        bodies = [desk.body("BUY", "0.01", "2000") for _ in range(10)]
        assert len(desk.client.post("/v1/orders/batch", json=bodies).json()["orders"]) == 10
    answer = desk.client.post("/v1/orders", json=desk.body("BUY", "0.01", "2000"))
    assert error(answer) == (400, "VALIDATION_ERROR")


# --- risk after the answer ----------------------------------------------------------------------------


def test_a_marketable_order_fills_and_closes_without_a_reason(desk: Desk):
    order = desk.final(desk.place("BUY", "0.1", "2501", client_id="c-2"))
    assert (order["status"], order["remaining_size"], order["cancel_reason"]) == ("CLOSED", "0", "")
    assert order["avg_fill_price"] == "2501"
    assert error(desk.client.get(f"/v1/orders/{order['id']}")) == (400, "ORDER_ID_NOT_FOUND")
    assert error(desk.client.get("/v1/orders/by_client_id/c-2")) == (400, "CLIENT_ORDER_ID_NOT_FOUND")
    (fill,) = desk.get("/v1/fills", market=ETH)["results"]
    assert (fill["order_id"], fill["client_id"], fill["side"]) == (order["id"], "c-2", "BUY")
    assert (fill["price"], fill["size"], fill["liquidity"]) == ("2501", "0.1", "TAKER")
    assert fill["fee"] == "0.112545"
    (position,) = desk.get("/v1/positions")["results"]
    assert (position["side"], position["size"], position["average_entry_price"]) == ("LONG", "0.1", "2501")
    assert (position["status"], position["id"]) == ("OPEN", f"{ADDRESS}-{ETH}")


def test_a_short_position_has_a_negative_size(desk: Desk):
    desk.place("SELL", "0.1", kind="MARKET")
    (position,) = desk.get("/v1/positions")["results"]
    assert (position["side"], position["size"]) == ("SHORT", "-0.1")


def hold_long(desk: Desk) -> None:
    desk.place("BUY", "1", "2501")


def rest_a_sell(desk: Desk) -> None:
    desk.place("SELL", "1", "2500")


@pytest.mark.parametrize(
    ("prepare", "order", "reason", "remaining"),
    [
        (None, ("BUY", "1000", "2400", {}), "NOT_ENOUGH_MARGIN", "1000"),
        (None, ("BUY", "0.1", "2501", {"instruction": "POST_ONLY"}), "POST_ONLY_WOULD_CROSS", "0.1"),
        (None, ("BUY", "0.1", "2700", {}), "PRICE_OUTSIDE_BANDS", "0.1"),
        (None, ("SELL", "0.1", "2300", {}), "PRICE_OUTSIDE_BANDS", "0.1"),
        (None, ("BUY", "0.1", "2400", {"instruction": "IOC"}), "REMAINING_IOC_CANCEL", "0.1"),
        (None, ("BUY", "12", "2501", {"instruction": "IOC"}), "REMAINING_IOC_CANCEL", "2"),
        (None, ("SELL", "0.1", "2499", {"flags": ["REDUCE_ONLY"]}), "REDUCE_ONLY_WILL_INCREASE", "0.1"),
        (hold_long, ("BUY", "0.1", "2499", {"flags": ["REDUCE_ONLY"]}), "REDUCE_ONLY_WILL_INCREASE", "0.1"),
        (hold_long, ("SELL", "2", "2499", {"flags": ["REDUCE_ONLY"]}), "REDUCE_ONLY_WILL_INCREASE", "2"),
        (rest_a_sell, ("BUY", "0.1", "2501", {}), "SELF_TRADE", "0.1"),
    ],
)
def test_risk_is_told_by_a_closed_order_after_201(
    desk: Desk, prepare: Any, order: tuple[Any, ...], reason: str, remaining: str
):
    if prepare is not None:
        prepare(desk)
    side, size, price, rest = order
    final = desk.final(desk.place(side, size, price, **rest))
    assert (final["status"], final["cancel_reason"], final["remaining_size"]) == ("CLOSED", reason, remaining)


def test_a_market_order_into_an_empty_book_closes_with_empty_market(desk: Desk):
    order = desk.final(desk.place("BUY", "0.01", kind="MARKET", market="BTC-USD-PERP"))
    assert (order["cancel_reason"], order["price"], order["remaining_size"]) == ("EMPTY_MARKET", "0", "0.01")


@pytest.mark.parametrize("instruction", ["GTC", "IOC", ""])
def test_market_orders_take_any_taking_instruction(desk: Desk, instruction: str):
    order = desk.final(desk.place("BUY", "0.1", kind="MARKET", instruction=instruction))
    assert order["remaining_size"] == "0"


def test_a_market_order_stops_at_the_slippage_cap(desk: Desk):
    desk.quote(Side.SELL, "5", "2504")
    order = desk.final(desk.place("BUY", "12", kind="MARKET"))
    assert (order["status"], order["remaining_size"]) == ("CLOSED", "2")
    path = f"/v1/account/profile/market_max_slippage/{ETH}"
    answer = desk.client.post(path, json={"max_slippage": "0.01"})
    assert answer.json()["market_max_slippage"] == {ETH: "0.01"}
    desk.quote(Side.SELL, "1", "2501")
    order = desk.final(desk.place("BUY", "3", kind="MARKET"))
    assert (order["remaining_size"], order["avg_fill_price"]) == ("0", "2503")
    assert error(desk.client.post(path, json={"max_slippage": "0.06"})) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("stp", "own_remaining", "maker_status"),
    [("EXPIRE_TAKER", "1", "OPEN"), ("EXPIRE_MAKER", "0", "CLOSED"), ("EXPIRE_BOTH", "1", "CLOSED")],
)
def test_own_orders_never_meet(desk: Desk, stp: str, own_remaining: str, maker_status: str):
    maker = desk.place("SELL", "1", "2500.5")
    taker = desk.final(desk.place("BUY", "1", "2501", stp=stp))
    assert taker["remaining_size"] == own_remaining
    assert desk.final(maker)["status"] == maker_status
    assert all(fill["order_id"] != maker["id"] for fill in desk.get("/v1/fills")["results"])
    assert desk.exchange.self_trades == 0


def test_reduce_only_below_the_minimum_must_close_everything(desk: Desk):
    desk.place("BUY", "0.005", "2501")
    small = desk.body("SELL", "0.003", kind="MARKET", flags=["REDUCE_ONLY"])
    assert error(desk.client.post("/v1/orders", json=small)) == (400, "INVALID_ORDER_SIZE")
    desk.place("SELL", "0.005", kind="MARKET", flags=["REDUCE_ONLY"])
    assert desk.get("/v1/positions")["results"] == []


# --- cancel and change --------------------------------------------------------------------------------


def test_cancel_is_queued_then_told_by_the_history(desk: Desk):
    order = desk.place("BUY", "0.1", "2400")
    answer = desk.client.delete(f"/v1/orders/{order['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert desk.get(f"/v1/orders/{order['id']}")["status"] == "OPEN"
    desk.run()
    assert desk.final(order)["cancel_reason"] == "USER_CANCELED"
    assert error(desk.client.delete(f"/v1/orders/{order['id']}")) == (400, "ORDER_IS_CLOSED")
    assert error(desk.client.delete("/v1/orders/1795230134000")) == (400, "ORDER_ID_NOT_FOUND")


def test_an_order_still_in_the_risk_queue_can_be_cancelled(desk: Desk):
    answer = desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2501"))
    assert desk.client.delete(f"/v1/orders/{answer.json()['id']}").status_code == 204
    desk.run()
    assert desk.final(answer.json())["status"] == "CLOSED"


def test_a_fill_may_overtake_a_cancel_and_the_last_row_is_the_truth(desk: Desk):
    order = desk.place("BUY", "0.1", "2499.5")
    desk.client.delete(f"/v1/orders/{order['id']}")
    desk.quote(Side.SELL, "0.1", "2499.5", account="mm2")
    desk.run()
    final = desk.final(order)
    assert (final["status"], final["remaining_size"], final["cancel_reason"]) == ("CLOSED", "0", "")


def test_cancel_by_client_id_knows_the_market(desk: Desk):
    desk.place("BUY", "0.1", "2400", client_id="c/1 x")
    path = "/v1/orders/by_client_id/c/1 x"
    wrong = desk.client.delete(path, params={"market": "SOL-USD-PERP"})
    assert error(wrong) == (400, "CLIENT_ORDER_ID_NOT_FOUND")
    assert desk.client.delete(path, params={"market": ETH}).status_code == 204
    desk.run()
    assert error(desk.client.delete(path)) == (400, "ORDER_IS_CLOSED")


def test_cancel_all_takes_the_orders_of_that_moment(desk: Desk):
    desk.place("BUY", "0.1", "2400")
    desk.place("BUY", "1", "100", market="SOL-USD-PERP")
    answer = desk.client.delete("/v1/orders", params={"market": ETH})
    assert (answer.status_code, answer.content) == (200, b"")
    desk.place("BUY", "0.1", "2401")
    assert {row["price"] for row in desk.get("/v1/orders")["results"]} == {"100", "2401"}
    assert error(desk.client.delete("/v1/orders", params={"market": "X"})) == (400, "INVALID_SYMBOL")


def test_batch_cancel_answers_each_entry(desk: Desk):
    first = desk.place("BUY", "0.1", "2400", client_id="b-1")
    second = desk.place("BUY", "0.1", "2401", client_id="b-2")
    body = {"order_ids": [first["id"], "77"], "client_order_ids": ["b-2", "b-3"]}
    results = desk.client.request("DELETE", "/v1/orders/batch", json=body).json()["results"]
    assert [row["status"] for row in results] == [
        "QUEUED_FOR_CANCELLATION",
        "NOT_FOUND",
        "QUEUED_FOR_CANCELLATION",
        "NOT_FOUND",
    ]
    assert (results[2]["id"], results[2]["market"]) == (second["id"], ETH)
    desk.run()
    again = desk.client.request("DELETE", "/v1/orders/batch", json={"order_ids": [first["id"]]})
    assert again.json()["results"][0]["status"] == "ALREADY_CLOSED"
    empty = desk.client.request("DELETE", "/v1/orders/batch", json={})
    assert error(empty) == (400, "BATCH_SIZE_OUT_OF_RANGE")


def test_a_batch_with_one_bad_signature_is_refused_whole(desk: Desk):
    good, bad = desk.body("BUY", "0.1", "2400"), desk.body("BUY", "0.1", "2401") | {"price": "2402"}
    answer = desk.client.post("/v1/orders/batch", json=[good, bad])
    assert error(answer) == (400, "INVALID_ORDER_SIGNATURE")
    assert desk.get("/v1/orders")["results"] == []


def test_in_a_batch_of_good_signatures_each_order_stands_alone(desk: Desk):
    bodies = [desk.body("BUY", "0.1", "2400", client_id="b-1"), desk.body("BUY", "0.1", "2400.001")]
    answer = desk.client.post("/v1/orders/batch", json=bodies)
    assert answer.status_code == 201
    assert [row["client_id"] for row in answer.json()["orders"]] == ["b-1"]
    assert [row["error"] for row in answer.json()["errors"]] == ["VALIDATION_ERROR"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [([], "BATCH_SIZE_OUT_OF_RANGE"), ([{}] * 11, "BATCH_SIZE_OUT_OF_RANGE"), ({}, "BINDING_ERROR")],
)
def test_a_batch_has_one_to_ten_entries(desk: Desk, payload: Any, code: str):
    assert error(desk.client.post("/v1/orders/batch", json=payload)) == (400, code)


def test_modify_keeps_the_id_and_loses_the_place_in_the_queue(desk: Desk):
    order = desk.place("BUY", "0.1", "2400")
    body = desk.body("BUY", "0.2", "2410", modified_id=order["id"])
    answer = desk.client.put(f"/v1/orders/{order['id']}", json=body)
    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert (row["id"], row["size"], row["price"], row["status"]) == (order["id"], "0.2", "2410", "OPEN")
    assert row["request_info"]["request_type"] == "MODIFY_ORDER"


def test_modify_refuses_what_it_may_not_change(desk: Desk):
    order = desk.place("BUY", "0.1", "2400")
    path = f"/v1/orders/{order['id']}"

    def modify(**change: Any) -> tuple[int, str]:
        body = desk.body("BUY", "0.2", "2410", modified_id=order["id"])
        return error(desk.client.put(path, json=body | change))

    assert modify(price="2411") == (400, "INVALID_ORDER_SIGNATURE")
    assert modify(side="SELL") == (400, "VALIDATION_ERROR")
    assert modify(id="5") == (400, "VALIDATION_ERROR")
    assert modify(price="2410.001") == (400, "VALIDATION_ERROR")
    assert modify(signature_timestamp=START_S * 1000 - 300_001) == (400, "INVALID_TIMESTAMP")
    plain = desk.body("BUY", "0.2", "2410") | {"id": order["id"]}
    assert error(desk.client.put(path, json=plain)) == (400, "INVALID_ORDER_SIGNATURE")
    fresh = desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2400")).json()
    early = desk.body("BUY", "0.2", "2410", modified_id=fresh["id"])
    assert error(desk.client.put(f"/v1/orders/{fresh['id']}", json=early)) == (400, "ORDER_IS_NOT_OPEN")
    desk.client.delete(path)
    desk.run()
    assert modify() == (400, "ORDER_IS_CLOSED")


# --- account, money, lists ----------------------------------------------------------------------------


def test_account_rows_tell_margin_fees_and_settings(desk: Desk):
    desk.place("BUY", "0.1", "2501")
    row = desk.get("/v1/account")
    mark = Decimal(desk.get("/v1/markets/summary", market=ETH)["results"][0]["mark_price"])
    assert (row["status"], row["settlement_asset"]) == ("ACTIVE", "USDC")
    running = Decimal(desk.get("/v1/positions")["results"][0]["unrealized_pnl"])  # price and funding
    assert Decimal(row["account_value"]) == Decimal(row["total_collateral"]) + running
    assert abs(running - (mark - 2501) / 10) < Decimal("1E-6")
    assert Decimal(row["maintenance_margin_requirement"]) * 2 == Decimal(row["initial_margin_requirement"])
    free = Decimal(row["account_value"]) - Decimal(row["initial_margin_requirement"])
    assert Decimal(row["free_collateral"]) == min(free, Decimal(row["total_collateral"]))
    (info,) = desk.get("/v1/account/info")["results"]
    assert (info["kind"], info["public_key"], info["fees"]["taker_rate"]) == ("main", PUBLIC, "0.00045")
    assert desk.get("/v1/account/profile") == {"username": "", "market_max_slippage": {}}


def test_leverage_is_chosen_per_market(desk: Desk):
    path = f"/v1/account/margin/{ETH}"
    answer = desk.client.post(path, json={"leverage": 5, "margin_type": "CROSS"})
    assert answer.json() == {"account": ADDRESS, "market": ETH, "leverage": 5, "margin_type": "CROSS"}
    assert desk.get("/v1/account/margin", market=ETH)["configs"][0]["leverage"] == 5

    def choose(**body: Any) -> tuple[int, str]:
        return error(desk.client.post(path, json=body))

    assert choose(leverage=51, margin_type="CROSS") == (400, "VALIDATION_ERROR")
    assert choose(leverage=5, margin_type="ISOLATED") == (400, "VALIDATION_ERROR")
    assert choose(leverage="5", margin_type="CROSS") == (400, "BINDING_ERROR")
    desk.place("BUY", "10", "2501")
    assert choose(leverage=1, margin_type="CROSS") == (400, "MARKET_MARGIN_RESTRICTED")


def test_funding_runs_by_index_and_is_paid_when_the_position_changes(desk: Desk):
    desk.exchange.set_funding_rate("ETH/USD", Decimal("0.0003"))
    desk.place("BUY", "0.5", "2501")
    (opened,) = desk.get("/v1/positions")["results"]
    for _ in range(6):
        desk.run(10)
    assert desk.get("/v1/funding/payments", market=ETH)["results"] == []
    (held,) = desk.get("/v1/positions")["results"]
    before = Decimal(opened["cached_funding_index"])
    now = desk.exchange.funding_index("ETH/USD")
    expected = -Decimal("0.5") * (now - before)
    assert Decimal(held["unrealized_funding_pnl"]) == expected.quantize(Decimal("1E-8"))
    assert expected < 0
    desk.place("SELL", "0.2", "2499")
    (payment,) = desk.get("/v1/funding/payments", market=ETH)["results"]
    fill = desk.get("/v1/fills")["results"][0]
    assert (payment["fill_id"], payment["payment"]) == (fill["id"], fill["realized_funding"])
    realised = -Decimal("0.5") * (Decimal(payment["index"]) - before)
    assert Decimal(payment["payment"]) == realised.quantize(Decimal("1E-8"))
    (after,) = desk.get("/v1/positions")["results"]
    assert after["cached_funding_index"] == payment["index"]


def test_funding_observations_tell_rate_and_premium(desk: Desk):
    row = desk.get("/v1/funding/data", market=ETH)["results"][0]
    assert row["funding_period_hours"] == 8
    assert row["funding_rate"] == row["funding_rate_8h"]
    assert set(row) == {
        "market",
        "funding_index",
        "funding_premium",
        "funding_rate",
        "funding_rate_8h",
        "funding_period_hours",
        "created_at",
    }


def test_lists_are_paged_newest_first_without_gap_or_repeat(desk: Desk):
    placed = [desk.place("BUY", "0.1", f"{2400 + n}")["id"] for n in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        answer = desk.get("/v1/orders-history", page_size=2, cursor=cursor)
        seen += [row["id"] for row in answer["results"]]
        cursor = answer["next"]
    assert seen == placed[::-1]


def test_history_can_be_narrowed(desk: Desk):
    desk.place("BUY", "0.1", "2400", client_id="h-1")
    desk.run(10)
    late_ms = desk.now_ms
    desk.place("SELL", "0.1", "2499", client_id="h-2")

    def ids(**query: Any) -> list[str]:
        return [row["client_id"] for row in desk.get("/v1/orders-history", **query)["results"]]

    assert ids(client_id="h-1") == ["h-1"]
    assert ids(side="SELL") == ids(status="CLOSED") == ids(start_at=late_ms) == ["h-2"]
    assert ids(end_at=late_ms - 1) == ids(status="OPEN") == ["h-1"]
    assert ids(type="MARKET") == ids(market="SOL-USD-PERP") == []


def test_nobody_sees_another_accounts_orders(desk: Desk):
    order = desk.place("BUY", "0.1", "2400", client_id="mine")
    stranger = Signer(0xBEEF, "0x77")
    desk.exchange.open_account("0x77", Decimal(100), attributes={"public_key": stranger.public})
    desk.signer = stranger
    desk.sign_in()
    assert desk.get("/v1/orders")["results"] == desk.get("/v1/orders-history")["results"] == []
    assert error(desk.client.delete(f"/v1/orders/{order['id']}")) == (400, "ORDER_ID_NOT_FOUND")
    assert error(desk.client.delete("/v1/orders/by_client_id/mine")) == (400, "CLIENT_ORDER_ID_NOT_FOUND")


def test_a_deposit_is_a_transfer_and_a_second_one_another(desk: Desk):
    desk.exchange.open_account(desk.signer.address, Decimal("12.5"))
    newest, oldest = desk.get("/v1/transfers")["results"]
    assert (newest["amount"], oldest["amount"]) == ("12.5", "10000")
    assert {(row["kind"], row["direction"], row["status"]) for row in (newest, oldest)} == {
        ("DEPOSIT", "IN", "COMPLETED")
    }
    assert newest["id"] != oldest["id"]
    desk.quote_around()
    desk.place("BUY", "0.1", "2501")
    assert len(desk.get("/v1/transfers")["results"]) == 2


@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/tradebusts"])
def test_what_did_not_happen_is_an_empty_page(desk: Desk, path: str):
    assert desk.get(path) == {"next": None, "prev": None, "results": []}


def test_a_busted_fill_is_announced_and_its_undoing_is_no_fill(desk: Desk):
    desk.place("BUY", "0.1", "2501")
    (fill,) = desk.get("/v1/fills")["results"]
    (number,) = [f.id for f in desk.exchange.fills(ADDRESS)]
    desk.exchange.bust(number)
    (bust,) = desk.get("/v1/tradebusts")["results"]
    assert (bust["account"], bust["busted_fill_id"]) == (ADDRESS, fill["id"])
    assert [row["id"] for row in desk.get("/v1/fills")["results"]] == [fill["id"]]
    assert desk.get("/v1/positions")["results"] == []
    (funding,) = desk.get("/v1/funding/payments", market=ETH)["results"]
    balance = Decimal(desk.get("/v1/balance")["results"][0]["size"])
    assert balance == 10_000 + Decimal(funding["payment"])


def test_a_forced_close_is_told_like_any_order(desk: Desk):
    desk.place("BUY", "0.1", "2501")
    desk.exchange.deleverage(ADDRESS, "ETH/USD")
    fill = desk.get("/v1/fills")["results"][0]
    assert (fill["fill_type"], fill["side"]) == ("LIQUIDATION", "SELL")
    assert desk.get("/v1/orders-history")["results"][0]["id"] == fill["order_id"]


def test_public_trades_name_the_takers_side(desk: Desk):
    desk.place("SELL", "0.1", "2499")
    trade = desk.get("/v1/trades", market=ETH)["results"][0]
    assert (trade["side"], trade["price"], trade["size"]) == ("SELL", "2499", "0.1")
    assert trade["trade_type"] == "FILL"


def test_ids_of_two_runs_of_the_twin_differ(desk: Desk):
    first = desk.place("BUY", "0.1", "2400")["id"]
    world = open_world()
    world.advance(1_000_000)
    with open_client(world) as client:
        other = Desk(client, world, Signer())
        other.exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
        other.sign_in()
        assert other.place("BUY", "0.1", "2400")["id"][:10] != first[:10]


# --- limits and faults --------------------------------------------------------------------------------


def test_answers_tell_the_tightest_bucket(desk: Desk):
    headers = desk.client.get("/v1/account").headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-window"]) == ("120", "1")
    assert headers["x-ratelimit-remaining"] == "119"
    assert int(headers["x-ratelimit-reset"]) >= START_S
    assert desk.client.get("/v1/markets").headers["x-ratelimit-limit"] == "1500"


def test_an_empty_bucket_is_429_and_refills_with_time():
    world = open_world()
    limits = RateLimits(account_orders=(Allowance(2, 1), Allowance(4, 60)), ip_auth=(Allowance(3, 60),))
    with open_client(world, limits) as client:
        desk = Desk(client, world, Signer())
        desk.exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
        desk.sign_in()
        codes = [client.delete("/v1/orders").status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        answer = client.delete("/v1/orders")
        assert error(answer) == (429, "RATE_LIMIT_EXCEEDED")
        assert answer.headers["retry-after"] == "1"
        assert client.get("/v1/account").status_code == 200
        desk.run(1)
        assert [client.delete("/v1/orders").status_code for _ in range(3)] == [200, 200, 429]
        for _ in range(2):
            desk.sign_in()
        assert client.post("/v1/auth", headers=Signer().auth(START_S + 1)).status_code == 429


def test_the_address_limit_counts_all_accounts_together():
    world = open_world()
    with open_client(world, RateLimits(ip_private=(Allowance(2, 60),))) as client:
        desk = Desk(client, world, Signer())
        desk.exchange.open_account(ADDRESS, Decimal(1), attributes={"public_key": PUBLIC})
        desk.sign_in()
        assert [client.get("/v1/account").status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/v1/markets").status_code == 200


def test_http_faults_speak_the_venues_words(desk: Desk):
    desk.world.faults.arm("paradex", FaultKind.HTTP_429)
    desk.world.faults.arm("paradex", FaultKind.HTTP_5XX, status=503)
    body = desk.body("BUY", "0.1", "2400", client_id="f-1")
    assert error(desk.client.post("/v1/orders", json=body)) == (429, "RATE_LIMIT_EXCEEDED")
    assert error(desk.client.post("/v1/orders", json=body)) == (503, "SERVICE_UNAVAILABLE")
    assert desk.get("/v1/orders")["results"] == []
    desk.world.faults.arm("paradex", FaultKind.HTTP_5XX, status=500, after=True)
    assert error(desk.client.post("/v1/orders", json=body)) == (500, "INTERNAL_ERROR")
    assert desk.get("/v1/orders/by_client_id/f-1")["status"] in ("NEW", "OPEN")


def test_a_lost_answer_leaves_an_order_that_its_client_id_finds(desk: Desk):
    desk.world.faults.arm("paradex", FaultKind.LOST_ANSWER)
    with pytest.raises(ConnectionDropped):
        desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2501", client_id="lost"))
    desk.run()
    (row,) = desk.get("/v1/orders-history", client_id="lost")["results"]
    assert (row["status"], row["remaining_size"]) == ("CLOSED", "0")


def test_a_lost_request_leaves_nothing(desk: Desk):
    desk.world.faults.arm("paradex", FaultKind.LOST_REQUEST)
    with pytest.raises(ConnectionDropped):
        desk.client.post("/v1/orders", json=desk.body("BUY", "0.1", "2501", client_id="lost"))
    assert desk.get("/v1/orders-history", client_id="lost")["results"] == []
