"""What the engine does with single orders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import ETH, Venue

from sandbox.events import FillHappened, OrderChanged
from sandbox.model import (
    EndReason,
    OrderChange,
    OrderStatus,
    Refusal,
    RefusalReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


def refused(venue: Venue, reason: RefusalReason, account: str = "A", **request: object) -> Refusal:
    """Submit and expect one refusal that leaves no trace."""
    before = len(venue.events)
    with pytest.raises(Refusal) as caught:
        venue.exchange.submit(venue.request(account, **request))  # type: ignore[arg-type]
    assert caught.value.reason is reason
    assert len(venue.events) == before
    return caught.value


def test_an_order_fills_across_levels_at_the_makers_prices() -> None:
    venue = Venue()
    venue.sell("A", "1", "2500")
    venue.sell("B", "1", "2501")

    order = venue.buy("C", "1.5", "2502")

    assert [(f.price, f.quantity) for f in venue.exchange.fills("C")] == [
        (Decimal(2500), Decimal(1)),
        (Decimal(2501), Decimal("0.5")),
    ]
    assert order.status is OrderStatus.FILLED


def test_the_rest_of_a_gtc_order_waits_and_of_an_ioc_order_ends() -> None:
    venue = Venue()
    venue.sell("A", "1", "2500")

    resting = venue.buy("B", "1.5", "2500")
    ended = venue.sell("A", "2", "2500", tif=TimeInForce.IOC)

    assert (resting.status, resting.filled) == (OrderStatus.FILLED, Decimal("1.5"))
    assert (ended.status, ended.filled) == (OrderStatus.CANCELLED, Decimal("0.5"))
    assert ended.end_reason is EndReason.IOC_REMAINDER


@pytest.mark.parametrize(
    ("stp", "maker", "taker"),
    [
        (SelfTradePrevention.CANCEL_MAKER, OrderStatus.CANCELLED, OrderStatus.OPEN),
        (SelfTradePrevention.CANCEL_TAKER, OrderStatus.OPEN, OrderStatus.CANCELLED),
        (SelfTradePrevention.CANCEL_BOTH, OrderStatus.CANCELLED, OrderStatus.CANCELLED),
    ],
)
def test_self_trade_prevention_ends_the_chosen_side(
    stp: SelfTradePrevention, maker: OrderStatus, taker: OrderStatus
) -> None:
    venue = Venue()
    own = venue.sell("A", "1", "2500")

    incoming = venue.buy("A", "1", "2500", stp=stp)

    assert (own.status, incoming.status) == (maker, taker)
    assert venue.exchange.fills("A") == []
    assert venue.exchange.state()["self_trades_prevented"] == 1


def test_prevention_lets_the_order_go_on_to_other_accounts() -> None:
    venue = Venue()
    venue.sell("A", "1", "2500")
    venue.sell("B", "1", "2500")

    venue.buy("A", "1", "2500", stp=SelfTradePrevention.CANCEL_MAKER)

    assert [f.counterparty for f in venue.exchange.fills("A")] == ["B"]


@pytest.mark.parametrize(
    ("reason", "request_"),
    [
        (RefusalReason.TICK, {"side": Side.BUY, "quantity": "1", "price": "2500.05"}),
        (RefusalReason.LOT, {"side": Side.BUY, "quantity": "1.00001", "price": "2500"}),
        (RefusalReason.QUANTITY, {"side": Side.BUY, "quantity": "0", "price": "2500"}),
        (RefusalReason.QUANTITY, {"side": Side.BUY, "quantity": "-1", "price": "2500"}),
        (RefusalReason.PRICE, {"side": Side.BUY, "quantity": "1", "price": "0"}),
        (RefusalReason.MIN_NOTIONAL, {"side": Side.BUY, "quantity": "0.0039", "price": "2500"}),
        (RefusalReason.MAX_NOTIONAL, {"side": Side.BUY, "quantity": "2001", "price": "2500"}),
        (RefusalReason.PRICE_BAND, {"side": Side.BUY, "quantity": "1", "price": "3251"}),
        (RefusalReason.PRICE_BAND, {"side": Side.SELL, "quantity": "1", "price": "1749"}),
        (RefusalReason.MARGIN, {"side": Side.BUY, "quantity": "1999", "price": "2500"}),
        (RefusalReason.NO_LIQUIDITY, {"side": Side.BUY, "quantity": "1"}),
        (RefusalReason.REDUCE_ONLY_NO_POSITION, {"side": Side.BUY, "quantity": "1", "reduce_only": True}),
    ],
)
def test_a_wrong_order_is_refused_and_leaves_no_trace(reason: RefusalReason, request_: dict[str, object]) -> None:
    venue = Venue()

    refused(venue, reason, **request_)

    assert venue.exchange.order_history("A") == []


def test_post_only_that_would_cross_is_refused() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")

    refused(
        venue,
        RefusalReason.POST_ONLY_CROSS,
        side=Side.BUY,
        quantity="1",
        price="2500",
        tif=TimeInForce.POST_ONLY,
    )


def test_an_accepted_post_only_that_crosses_ends_rejected_with_an_id() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")

    order = venue.exchange.accept(venue.request("A", Side.BUY, "1", "2500", tif=TimeInForce.POST_ONLY))
    assert order.status is OrderStatus.NEW
    venue.exchange.execute(order.id)

    assert (order.status, order.end_reason) == (OrderStatus.REJECTED, EndReason.POST_ONLY_CROSS)
    assert venue.exchange.order("A", order_id=order.id) is order


def test_fill_or_kill_fills_in_full_or_not_at_all() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")

    refused(venue, RefusalReason.FOK_UNFILLED, side=Side.BUY, quantity="1.1", price="2500", tif=TimeInForce.FOK)
    order = venue.buy("A", "1", "2500", tif=TimeInForce.FOK)

    assert order.status is OrderStatus.FILLED


def test_fill_or_kill_does_not_count_own_liquidity() -> None:
    venue = Venue()
    venue.sell("A", "1", "2500")

    refused(venue, RefusalReason.FOK_UNFILLED, side=Side.BUY, quantity="1", price="2500", tif=TimeInForce.FOK)


def test_a_market_order_stops_at_its_bound() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")
    venue.sell("B", "1", "2520")

    order = venue.buy("A", "2", bound="2510")

    assert (order.filled, order.end_reason) == (Decimal(1), EndReason.IOC_REMAINDER)


def test_a_client_id_stays_taken_for_ever_on_pacifica_and_while_live_elsewhere() -> None:
    pacifica, paradex = Venue("pacifica"), Venue("paradex")
    for venue in (pacifica, paradex):
        venue.buy("A", "1", "2400", client_id="x")
        refused(
            venue,
            RefusalReason.DUPLICATE_CLIENT_ID,
            side=Side.BUY,
            quantity="1",
            price="2400",
            client_id="x",
        )
        venue.exchange.cancel("A", client_id="x")

    refused(pacifica, RefusalReason.DUPLICATE_CLIENT_ID, side=Side.BUY, quantity="1", price="2400", client_id="x")
    assert paradex.buy("A", "1", "2400", client_id="x").status is OrderStatus.OPEN


def test_reduce_only_larger_than_the_position_is_refused_on_pacifica_and_cut_on_backpack() -> None:
    for name in ("pacifica", "backpack"):
        venue = Venue(name)
        venue.sell("B", "1", "2500")
        venue.buy("A", "1", "2500")
        venue.buy("B", "3", "2490")
        if name == "pacifica":
            refused(
                venue,
                RefusalReason.REDUCE_ONLY_QUANTITY,
                side=Side.SELL,
                quantity="2",
                price="2490",
                reduce_only=True,
            )
        else:
            order = venue.sell("A", "2", "2490", reduce_only=True)
            assert (order.status, order.filled) == (OrderStatus.FILLED, Decimal(1))
            assert venue.held("A") == 0


def test_a_resting_reduce_only_order_ends_when_the_position_is_gone() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    resting = venue.sell("A", "1", "2600", reduce_only=True)
    venue.buy("B", "1", "2500")

    venue.sell("A", "1", "2500")

    assert (resting.status, resting.end_reason) == (OrderStatus.CANCELLED, EndReason.REDUCE_ONLY)


def test_a_resting_reduce_only_order_shrinks_with_the_position_on_backpack() -> None:
    venue = Venue("backpack")
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")
    resting = venue.sell("A", "2", "2600", reduce_only=True)
    venue.buy("B", "1", "2500")

    venue.sell("A", "1", "2500")

    assert resting.remaining == 1
    assert venue.exchange.book(ETH).asks[0].quantity == 1


def test_cancel_says_whether_an_order_is_unknown_or_over() -> None:
    venue = Venue()
    order = venue.buy("A", "1", "2400")
    venue.exchange.cancel("A", order_id=order.id)

    with pytest.raises(Refusal) as over:
        venue.exchange.cancel("A", order_id=order.id)
    with pytest.raises(Refusal) as unknown:
        venue.exchange.cancel("B", order_id=order.id)

    assert over.value.reason is RefusalReason.ORDER_CLOSED
    assert unknown.value.reason is RefusalReason.ORDER_NOT_FOUND


def test_an_amended_order_keeps_its_id_and_loses_its_place() -> None:
    venue = Venue()
    first = venue.buy("A", "1", "2400")
    second = venue.buy("B", "1", "2400")
    venue.exchange.amend("A", first.id, price=Decimal(2400), quantity=Decimal(2))

    venue.sell("C", "1", "2400")

    assert (first.filled, second.filled) == (0, 1)
    assert first.quantity == 2


def test_an_amended_order_that_crosses_trades() -> None:
    venue = Venue()
    order = venue.buy("A", "1", "2400")
    venue.sell("B", "1", "2450")

    venue.exchange.amend("A", order.id, price=Decimal(2450), quantity=Decimal(1))

    assert order.status is OrderStatus.FILLED
    assert venue.exchange.fills("A")[0].price == 2450


def test_margin_of_a_reducing_order_is_never_refused() -> None:
    venue = Venue(balance="1100")
    venue.exchange.open_account("rich", Decimal(1_000_000))
    venue.sell("rich", "20", "2500")
    venue.buy("A", "20", "2500")  # needs 1000 of 1100 initial margin
    venue.exchange.set_prices(ETH, Decimal(2480), Decimal(2480), Decimal(0))
    venue.buy("rich", "20", "2480")
    refused(venue, RefusalReason.MARGIN, side=Side.BUY, quantity="1", price="2480")

    assert venue.sell("A", "20", "2480").status is OrderStatus.FILLED


def test_an_order_update_comes_before_its_fill() -> None:
    venue = Venue()
    venue.sell("A", "1", "2500")
    venue.events.clear()

    venue.buy("B", "1", "2500")

    seen = [
        ("update", e.order.account) if isinstance(e, OrderChanged) else ("fill", e.fill.account)
        for e in venue.events
        if (isinstance(e, OrderChanged) and e.change is OrderChange.FILLED) or isinstance(e, FillHappened)
    ]
    assert seen == [("update", "A"), ("fill", "A"), ("update", "B"), ("fill", "B")]


def test_a_listener_may_give_commands_and_sees_events_in_order() -> None:
    venue = Venue()

    def hedge(event: object) -> None:
        if isinstance(event, FillHappened) and event.fill.account == "A":
            venue.exchange.cancel_all("B")

    venue.exchange.subscribe(hedge)
    venue.buy("B", "1", "2300")
    venue.sell("C", "1", "2500")

    venue.buy("A", "1", "2500")

    assert venue.exchange.open_orders("B") == []


def test_quoting_never_crosses_its_own_ladders_and_fills_who_is_in_the_way() -> None:
    venue = Venue()
    venue.exchange.open_internal_account("maker")
    venue.exchange.quote("maker", ETH, {Decimal(2490): Decimal(1)}, {Decimal(2510): Decimal(1)})
    order = venue.buy("A", "1", "2500")

    venue.exchange.quote("maker", ETH, {Decimal(2480): Decimal(1)}, {Decimal(2485): Decimal(3)})

    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal(2500))
    book = venue.exchange.book(ETH)
    assert [(level.price, level.quantity) for level in book.asks] == [(Decimal(2485), Decimal(2))]
