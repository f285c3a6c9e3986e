"""Requests to Paradex: what is sent for an intent, and what must never be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from paradex_fakes import ACCOUNT, CID, NOW, NOW_MS, eth, intent, keys, listing

from connectors.paradex import build
from connectors.paradex.auth import StarkKey
from core.errors import VenueRejected
from core.order import OrderIntent, OrderType, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice


def _body(wanted: OrderIntent) -> dict[str, Any]:
    fields = build.order_fields(wanted, eth(), NOW_MS)
    body: dict[str, Any] = build.order_body(wanted, fields, '["1","2"]', 4000)
    return body


def test_a_market_order_is_an_ioc_limit_at_its_bound() -> None:
    assert _body(intent()) == {
        "market": "ETH-USD-PERP",
        "side": "BUY",
        "type": "LIMIT",
        "size": "0.5",
        "price": "3000.01",
        "instruction": "IOC",
        "stp": "EXPIRE_BOTH",
        "client_id": CID,
        "recv_window": 4000,
        "signature_timestamp": NOW_MS,
        "signature": '["1","2"]',
    }


@pytest.mark.parametrize(
    ("time_in_force", "instruction"),
    [(TimeInForce.GTC, "GTC"), (TimeInForce.IOC, "IOC"), (TimeInForce.POST_ONLY, "POST_ONLY")],
)
def test_limit_orders_keep_their_time_in_force(time_in_force: TimeInForce, instruction: str) -> None:
    wanted = intent(type=OrderType.LIMIT, time_in_force=time_in_force)

    assert _body(wanted)["instruction"] == instruction


def test_every_order_carries_the_strictest_self_trade_prevention() -> None:
    for order_type in OrderType:
        for time_in_force in set(TimeInForce) - {TimeInForce.FOK}:
            assert _body(intent(type=order_type, time_in_force=time_in_force))["stp"] == "EXPIRE_BOTH"


def test_fill_or_kill_cannot_be_said_and_is_never_turned_into_something_else() -> None:
    for order_type in OrderType:
        assert build.cannot_say(intent(type=order_type, time_in_force=TimeInForce.FOK)) is not None
    assert build.cannot_say(intent()) is None


def test_a_trigger_is_the_limit_kind_with_its_price_and_the_strictest_self_trade_prevention() -> None:
    order = intent(
        type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, side=Side.SELL, price=Decimal("2900"), reduce_only=True
    )
    trigger = TriggerIntent(order, TriggerKind.STOP_LOSS, Decimal("2950.5"), TriggerPrice.MARK)
    fields = build.order_fields(order, eth(), NOW_MS, build.TRIGGER_TYPES[trigger.kind])

    body = build.trigger_body(trigger, fields, "[]", 4000)

    assert (body["type"], body["trigger_price"], body["price"]) == ("STOP_LOSS_LIMIT", "2950.5", "2900")
    assert (body["flags"], body["stp"], body["instruction"]) == (["REDUCE_ONLY"], "EXPIRE_BOTH", "GTC")


def test_a_change_carries_what_is_signed_and_the_id_and_nothing_else() -> None:
    fields = build.order_fields(intent(quantity=Decimal("0.7")), eth(), NOW_MS)

    assert build.modification_body("17", fields, "[]") == {
        "id": "17",
        "market": "ETH-USD-PERP",
        "side": "BUY",
        "type": "LIMIT",
        "size": "0.7",
        "price": "3000.01",
        "signature_timestamp": NOW_MS,
        "signature": "[]",
    }


def test_reduce_only_is_a_flag_and_selling_a_side() -> None:
    body = _body(intent(reduce_only=True, side=Side.SELL))

    assert body["flags"] == ["REDUCE_ONLY"]
    assert body["side"] == "SELL"


def test_numbers_are_plain_decimal_text() -> None:
    body = _body(intent(quantity=Decimal("1E+2"), price=Decimal("3000.10")))

    assert (body["size"], body["price"]) == ("100", "3000.1")


@pytest.mark.parametrize(
    ("left_ms", "window"), [(4000, 4000), (10, 10), (9, None), (0, None), (-5, None), (3_600_000, 300_000)]
)
def test_the_window_is_what_is_left_within_the_venues_bounds_and_never_longer(left_ms: int, window: int | None) -> None:
    assert build.recv_window_ms(NOW + timedelta(milliseconds=left_ms), NOW) == window


def test_token_requests_go_to_the_public_keys_path_in_seconds() -> None:
    key = StarkKey.of(keys())

    assert build.auth_path(key) == f"/v1/auth/{ACCOUNT['l2_public_key']}"
    headers = build.auth_headers(key, "SIG", 1_700_000_000)
    assert headers["paradex-starknet-account"] == ACCOUNT["l2_address"]
    assert headers["paradex-timestamp"] == "1700000000"
    assert headers["paradex-signature-expiration"] == "1700000300"


def test_ids_cannot_escape_their_place_in_a_path() -> None:
    assert build.order_path("1/../x?y") == "/v1/orders/1%2F..%2Fx%3Fy"
    assert build.in_market(build.client_order_path("a b"), eth()) == (
        "/v1/orders/by_client_id/a%20b?market=ETH-USD-PERP"
    )


def test_symbols_are_found_both_ways_and_unknown_ones_refused() -> None:
    assert listing().market("BTC/USD").venue_symbol == "BTC-USD-PERP"
    assert listing().symbol_of("BTC-USD-PERP") == "BTC/USD"
    assert listing().symbol_of("ETH-USD-3000-C") == "ETH-USD-3000-C"
    with pytest.raises(VenueRejected, match="DOGE/USD"):
        listing().market("DOGE/USD")


def test_milliseconds_are_rounded_down_exactly() -> None:
    assert build.millis(NOW) == NOW_MS
    assert build.millis(NOW + timedelta(microseconds=1999)) == NOW_MS + 1
