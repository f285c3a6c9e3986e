"""Trigger orders wait for their price and then are orders like any other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from engine_world import ETH, Venue

from sandbox.events import OrderChanged
from sandbox.model import (
    EndReason,
    Order,
    OrderChange,
    OrderStatus,
    Refusal,
    RefusalReason,
    Side,
    Trigger,
    TriggerPrice,
    TriggerWhen,
    VenueMode,
)


def stop(price: str, by: TriggerPrice = TriggerPrice.MARK, **more: object) -> Trigger:
    """A trigger that goes off when the market falls to `price`."""
    return replace(Trigger(Decimal(price), TriggerWhen.AT_OR_BELOW, by), **more)  # type: ignore[arg-type]


def long_venue(name: str = "pacifica") -> Venue:
    """A long 1 ETH at 2500, with a bid of C's at 2400 for whatever A must sell."""
    venue = Venue(name)
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    venue.buy("C", "5", "2400")
    return venue


def place(venue: Venue, trigger: Trigger, quantity: str = "1", price: str | None = None) -> Order:
    """Let A's reduce-only sell wait."""
    return venue.exchange.place_trigger(
        venue.request("A", Side.SELL, quantity, price, reduce_only=True, bound="2300"), trigger
    )


def move(venue: Venue, mark: str, index: str | None = None) -> None:
    """Publish new prices."""
    venue.exchange.set_prices(ETH, Decimal(mark), Decimal(index or mark), Decimal(0))


def test_a_stop_waits_outside_the_book_until_its_mark_price_comes() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"))
    free = venue.exchange.margin("A").free

    move(venue, "2450.1")
    assert order.status is OrderStatus.WAITING
    assert venue.exchange.open_orders("A") == []
    assert venue.exchange.waiting_orders("A") == [order]
    assert venue.exchange.margin("A").free < free  # the mark moved; the waiting order itself reserves nothing

    move(venue, "2450")
    assert (order.status, order.filled, order.triggered_at) == (OrderStatus.FILLED, Decimal(1), Decimal(2450))
    assert venue.held("A") == 0
    assert venue.exchange.waiting_orders("A") == []


@pytest.mark.parametrize("by", [TriggerPrice.LAST, TriggerPrice.INDEX, TriggerPrice.MID])
def test_a_stop_looks_only_at_the_price_it_was_told_to(by: TriggerPrice) -> None:
    venue = long_venue()
    order = place(venue, stop("2420", by))

    move(venue, "2410", index="2500")
    assert order.status is OrderStatus.WAITING

    match by:
        case TriggerPrice.INDEX:
            move(venue, "2500", index="2420")
        case TriggerPrice.LAST:
            venue.sell("B", "0.1", "2400")
        case _:
            venue.sell("B", "0.1", "2430")
    assert order.status is OrderStatus.FILLED


def test_the_owner_hears_that_an_order_waits_and_goes_off() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"))
    move(venue, "2400")

    changes = [e.change for e in venue.events if isinstance(e, OrderChanged) and e.order.id == order.id]

    assert changes == [OrderChange.WAITING, OrderChange.TRIGGERED, OrderChange.FILLED]


def test_a_price_that_is_there_already_sets_the_order_off_at_once() -> None:
    venue = long_venue()

    assert place(venue, stop("2600")).status is OrderStatus.FILLED


def test_a_trigger_without_a_position_left_ends_with_its_reason() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"))
    venue.sell("A", "1", "2400")

    move(venue, "2440")

    assert (order.status, order.end_reason) == (OrderStatus.REJECTED, EndReason.REDUCE_ONLY)
    assert order.triggered_us is not None


def test_a_trigger_never_meets_an_own_resting_order() -> None:
    venue = long_venue()
    own = venue.buy("A", "1", "2410")
    order = place(venue, stop("2450"))

    move(venue, "2450")

    assert venue.exchange.self_trades == 0
    assert own.end_reason is EndReason.SELF_TRADE
    assert order.filled_notional == Decimal(2400)


def test_a_share_of_the_position_is_taken_when_the_price_comes() -> None:
    venue = long_venue()
    order = place(venue, stop("2450", share=Decimal("0.5")), quantity="9")
    venue.sell("B", "0.5", "2500")
    venue.buy("A", "0.5", "2500")

    move(venue, "2450")

    assert order.quantity == order.filled == Decimal("0.75")


def test_when_one_of_a_group_goes_off_the_other_ends() -> None:
    venue = long_venue()
    loss = place(venue, stop("2450", group="x"))
    gain = place(venue, replace(stop("2600", group="x"), when=TriggerWhen.AT_OR_ABOVE))

    move(venue, "2450")

    assert loss.status is OrderStatus.FILLED
    assert (gain.status, gain.end_reason) == (OrderStatus.CANCELLED, EndReason.LINKED)


def test_a_trigger_sleeps_until_its_parent_has_a_fill_and_ends_with_an_unfilled_one() -> None:
    venue = long_venue()
    parent, other = venue.buy("A", "1", "2390"), venue.buy("A", "1", "2380")
    child, orphan = place(venue, stop("2450", parent_id=parent.id)), place(venue, stop("2450", parent_id=other.id))

    move(venue, "2440")
    assert {child.status, orphan.status} == {OrderStatus.WAITING}

    venue.exchange.cancel("A", order_id=other.id)
    assert orphan.end_reason is EndReason.LINKED

    venue.sell("B", "5.1", "2390")
    assert child.triggered_us is not None


def test_a_waiting_order_can_be_cancelled_by_either_id_and_keeps_its_client_id_taken() -> None:
    venue = long_venue("backpack")
    request = replace(venue.request("A", Side.SELL, "1", reduce_only=True), client_id="7")
    order = venue.exchange.place_trigger(request, stop("2450"))

    with pytest.raises(Refusal) as refused:
        venue.exchange.place_trigger(request, stop("2440"))
    assert refused.value.reason is RefusalReason.DUPLICATE_CLIENT_ID

    venue.exchange.cancel("A", client_id="7")
    move(venue, "2400")
    assert (order.status, venue.held("A")) == (OrderStatus.CANCELLED, Decimal(1))


def test_cancel_all_leaves_waiting_orders_to_cancel_waiting() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"))

    assert venue.exchange.cancel_all("A") == []
    assert venue.exchange.cancel_waiting("A") == [order]


@pytest.mark.parametrize("price", ["0", "-1", "2450.05"])
def test_a_trigger_price_must_be_positive_and_on_a_tick(price: str) -> None:
    with pytest.raises(Refusal) as refused:
        place(long_venue(), stop(price))

    assert refused.value.reason is RefusalReason.TRIGGER


def test_triggers_rest_while_the_venue_is_post_only_and_look_again_when_it_opens() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"))
    venue.exchange.set_mode(VenueMode.POST_ONLY)

    move(venue, "2440")
    assert order.status is OrderStatus.WAITING

    venue.exchange.set_mode(VenueMode.OPEN)
    assert order.status is OrderStatus.FILLED


def test_an_amended_waiting_order_goes_off_at_its_new_price() -> None:
    venue = long_venue()
    order = place(venue, stop("2450"), price="2350")

    venue.exchange.amend("A", order.id, price=Decimal(2400), quantity=Decimal("0.4"), trigger=stop("2420"))
    move(venue, "2430")
    assert order.status is OrderStatus.WAITING

    move(venue, "2420")
    assert (order.filled, order.status) == (Decimal("0.4"), OrderStatus.FILLED)
