"""Requests to Backpack: the fields that are sent are the fields that are signed, and nothing can match our own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from backpack_samples import intent, listing

from connectors.backpack import build
from connectors.backpack.client_ids import ClientIds
from core.errors import PrecisionRefused
from core.ids import uint32_of
from core.order import OrderType, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice

ETH = listing().market("ETH/USD")


def placed(**changes) -> dict:
    return json.loads(build.place_order(intent(**changes), ETH, 42).body())


def test_an_ioc_order_says_all_that_matters_and_no_more() -> None:
    assert placed() == {
        "symbol": "ETH_USDC_PERP",
        "side": "Bid",
        "orderType": "Limit",
        "price": "3000.1",
        "quantity": "0.5",
        "clientId": 42,
        "selfTradePrevention": "RejectBoth",
        "timeInForce": "IOC",
    }


def test_a_market_order_is_bounded_by_its_price() -> None:
    sent = placed(type=OrderType.MARKET, time_in_force=TimeInForce.GTC)
    assert (sent["orderType"], sent["timeInForce"], sent["price"]) == ("Limit", "IOC", "3000.1")


def test_a_post_only_order_rests_or_is_refused() -> None:
    sent = placed(time_in_force=TimeInForce.POST_ONLY, side=Side.SELL)
    assert (sent["postOnly"], sent["timeInForce"], sent["side"]) == (True, "GTC", "Ask")


@pytest.mark.parametrize("time_in_force", list(TimeInForce))
@pytest.mark.parametrize("reduce_only", [True, False])
def test_every_order_carries_the_strictest_self_trade_prevention(time_in_force, reduce_only) -> None:
    sent = placed(time_in_force=time_in_force, reduce_only=reduce_only)
    assert sent["selfTradePrevention"] == "RejectBoth"
    assert sent.get("reduceOnly", False) is reduce_only


@pytest.mark.parametrize(
    "changes",
    [
        {"price": Decimal("3000.105")},
        {"price": Decimal("-1")},
        {"quantity": Decimal("0.50005")},
        {"quantity": Decimal("0.0001")},
    ],
)
def test_what_is_off_the_grid_is_refused_before_it_is_signed(changes) -> None:
    with pytest.raises(PrecisionRefused):
        placed(**changes)


def test_a_cancel_names_one_id_only() -> None:
    """With both the venue takes the order id and the signature check fails."""
    by_venue_id = build.cancel_order("ETH_USDC_PERP", venue_order_id="77", client_id=42)
    by_client_id = build.cancel_order("ETH_USDC_PERP", venue_order_id=None, client_id=42)
    assert (by_venue_id.method, by_venue_id.body()) == ("DELETE", b'{"symbol":"ETH_USDC_PERP","orderId":"77"}')
    assert by_client_id.body() == b'{"symbol":"ETH_USDC_PERP","clientId":42}'


def test_a_query_carries_the_texts_that_are_signed() -> None:
    request = build.fill_history("ETH_USDC_PERP", from_ms=1_700_000_000_000, offset=2000)
    assert request.query() == {
        "symbol": "ETH_USDC_PERP",
        "from": "1700000000000",
        "limit": "1000",
        "offset": "2000",
        "sortDirection": "Asc",
    }


def test_a_window_is_what_is_left_of_the_validity() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert build.window_ms(noon.replace(microsecond=1500), noon) == 1
    assert build.window_ms(noon, noon) is None


def test_a_client_id_leads_back_to_its_order_until_it_is_the_oldest() -> None:
    ids = ClientIds(ids_max=2)
    assert all(ids.remember(name) for name in ("a", "b", "a", "c"))
    assert [ids.name(uint32_of(name)) for name in ("a", "b", "c")] == ["a", None, "c"]
    assert ids.name(None) is None


def test_two_orders_never_share_a_client_id() -> None:
    """Two names with one 32-bit form, found by trying: the second is refused."""
    first, second = "order-19537", "order-32133"
    assert uint32_of(first) == uint32_of(second)
    ids = ClientIds()
    assert ids.remember(first)
    assert not ids.remember(second)


# docs.backpack.exchange, the instruction of each call; money is never moved from here, so those calls are not built.
INSTRUCTIONS = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/wapi/v1/capital/deposits"): "depositQueryAll",
    ("GET", "/wapi/v1/capital/withdrawals"): "withdrawalQueryAll",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
    ("GET", "/wapi/v1/history/funding"): "fundingHistoryQueryAll",
}
STOP = TriggerIntent(intent(side=Side.SELL), TriggerKind.STOP_LOSS, Decimal(2900), TriggerPrice.LAST)
EVERY_REQUEST = [
    build.place_order(intent(), ETH, 42),
    build.place_batch([(intent(), ETH, 42)]),
    build.place_trigger(STOP, ETH, 42),
    build.cancel_order("ETH_USDC_PERP", venue_order_id="1", client_id=42),
    build.cancel_all("ETH_USDC_PERP"),
    build.resting_order("ETH_USDC_PERP", venue_order_id=None, client_id=42),
    build.resting_orders("ETH_USDC_PERP"),
    build.order_history("ETH_USDC_PERP", venue_order_id=None, offset=0),
    build.fill_history("ETH_USDC_PERP", from_ms=1, offset=0),
    build.funding_history("ETH_USDC_PERP", offset=0),
    build.position(),
    build.account(),
    build.collateral(),
    build.leverage_limit(Decimal(5)),
    build.balances(),
    build.deposits(from_ms=1, offset=0),
    build.withdrawals(from_ms=1, offset=0),
]


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda request: f"{request.method} {request.path}")
def test_a_request_names_the_instruction_of_its_call(request_: build.Request) -> None:
    assert request_.instruction == INSTRUCTIONS[request_.method, request_.path]


def test_every_call_of_the_table_is_built() -> None:
    assert {(request.method, request.path) for request in EVERY_REQUEST} == INSTRUCTIONS.keys()


def test_a_batch_is_an_array_of_the_orders_as_they_would_be_sent_alone() -> None:
    request = build.place_batch([(intent(), ETH, 1), (intent(price=Decimal(2999)), ETH, 2)])
    alone = [build.place_order(intent(), ETH, 1), build.place_order(intent(price=Decimal(2999)), ETH, 2)]
    assert json.loads(request.body()) == [json.loads(one.body()) for one in alone]
    assert request.groups() == tuple(one.params for one in alone)


@pytest.mark.parametrize("number", [0, build.BATCH_MAX + 1])
def test_a_batch_is_bounded(number: int) -> None:
    with pytest.raises(ValueError, match="20"):
        build.place_batch([(intent(), ETH, 1)] * number)


def test_a_trigger_carries_its_quantity_only_as_the_triggers() -> None:
    sent = json.loads(build.place_trigger(STOP, ETH, 42).body())
    assert (sent["triggerQuantity"], sent["triggerPrice"], sent["triggerBy"]) == ("0.5", "2900", "LastPrice")
    assert "quantity" not in sent
    assert (sent["reduceOnly"], sent["selfTradePrevention"]) == (True, "RejectBoth")
