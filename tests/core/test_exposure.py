"""Exposure counts every order that may still fill, in the direction that hurts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from planning_world import NOW, D, account

from core.exposure import Exposure, gross_notional, net_delta, net_notional
from core.instrument import Venue
from core.order import Order, OrderIntent, OrderStatus, OrderType, Side, TimeInForce

ACCOUNT = account("a", Venue.PACIFICA)


def order(side: Side, quantity: str, *, filled: str = "0", status: OrderStatus = OrderStatus.ACCEPTED) -> Order:
    intent = OrderIntent(
        client_order_id=f"{side}-{quantity}",
        session_id="s",
        pair_id="p",
        account_id="a",
        venue=Venue.PACIFICA,
        symbol="ETH/USD",
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=D(quantity),
        price=D(2500),
        reference_price=D(2500),
        reduce_only=False,
        created_at=NOW,
        valid_until=NOW + timedelta(seconds=5),
    )
    return Order(intent, status=status, filled_quantity=D(filled))


@pytest.mark.parametrize("status", [OrderStatus.INTENDED, OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.ACCEPTED])
def test_an_order_that_is_not_final_counts_with_what_is_left_of_it(status: OrderStatus) -> None:
    found = Exposure.of(ACCOUNT, "ETH/USD", D("0.5"), [order(Side.BUY, "0.3", filled="0.1", status=status)])

    assert found.worst_long == D("0.7")
    assert found.worst_short == D("0.5")
    assert found.in_flight


def test_buys_and_sells_do_not_cancel_each_other_out() -> None:
    found = Exposure.of(ACCOUNT, "ETH/USD", D("-0.1"), [order(Side.BUY, "0.5"), order(Side.SELL, "0.5")])

    assert (found.worst_long, found.worst_short, found.worst) == (D("0.4"), D("-0.6"), D("0.6"))


def test_final_orders_and_those_of_others_count_nothing() -> None:
    other = account("b", Venue.PARADEX)

    assert not Exposure.of(
        ACCOUNT, "ETH/USD", D(0), [order(Side.BUY, "0.5", status=OrderStatus.CANCELLED)]
    ).in_flight  # fmt: skip
    assert not Exposure.of(other, "ETH/USD", D(0), [order(Side.BUY, "0.5")]).in_flight


def test_net_delta_and_notionals_with_worked_numbers() -> None:
    held = [
        Exposure(ACCOUNT, "ETH/USD", D("0.5")),
        Exposure(account("b", Venue.PARADEX), "ETH/USD", D("-0.4")),
    ]
    marks = {"a": D(2500), "b": D(2510)}

    assert net_delta(held) == D("0.1")
    assert net_notional(held, marks) == D("246")  # 1250 - 1004
    assert gross_notional(held, marks) == D("2254")


def test_an_exposure_without_a_mark_is_an_error_not_zero() -> None:
    with pytest.raises(KeyError):
        net_notional([Exposure(ACCOUNT, "ETH/USD", Decimal(1))], {})
