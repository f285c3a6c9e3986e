"""The journal of orders: intents once, ids on the wire once, fills once, and own orders never meet."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_world import NOW, entry, fill, later, new_session, report

from core.errors import SelfTradeRisk
from core.instrument import Venue
from core.order import OrderStatus, OutcomeLost, Reported, Side, WasSent, apply
from store import RecordNotFound, Store, StoreError, WireIdTaken
from store.operations.orders import could_match


def test_an_intent_comes_back_as_it_was_planned(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry()])

    assert recorded.is_new
    assert recorded.order.intent == entry().intent
    assert recorded.order.status is OrderStatus.INTENDED
    known = store.reads.journal_order("c1")
    assert (known.leg, known.attempt, known.wire_client_id, known.fees) == ("buy", 1, "wire-c1", 0)
    assert str(known.order.intent.quantity) == "0.10"


def test_a_retry_gets_the_first_intent_and_its_state_back(store: Store) -> None:
    (first,) = store.journal.record_intents.now([entry()])
    store.journal.record_order.now(apply(first.order, WasSent(later(1))))

    (again,) = store.journal.record_intents.now([entry(price="9999", wire_id="other")])

    assert not again.is_new
    assert again.order.status is OrderStatus.SENT
    assert again.order.intent.price == Decimal("2500")


def test_a_wire_id_taken_on_the_account_leaves_nothing_of_the_call_behind(store: Store) -> None:
    store.journal.record_intents.now([entry("c1", wire_id="77")])

    with pytest.raises(WireIdTaken, match="attempt 2") as taken:
        store.journal.record_intents.now([entry("c2"), entry("c3", wire_id="77")])

    assert taken.value.details["clientOrderId"] == "c3"
    assert [order.intent.client_order_id for order in store.reads.orders_of_session("s1")] == ["c1"]
    other = entry("c3", wire_id="77", account_id="a2", venue=Venue.PARADEX)
    assert store.journal.record_intents.now([other])[0].is_new


def test_an_intent_that_could_match_an_own_live_order_of_another_session_is_refused(store: Store) -> None:
    store.journal.create_session.now(new_session("s2"))
    (resting,) = store.journal.record_intents.now([entry("c1", side=Side.BUY, price="2500")])
    crossing = entry("c2", side=Side.SELL, price="2500", session_id="s2", account_id="a9")

    with pytest.raises(SelfTradeRisk, match="own intended order c1 of session s1"):
        store.journal.record_intents.now([crossing])

    assert store.journal.record_intents.now([replace_price(crossing, "2500.1", "c3")])[0].is_new
    store.journal.record_order.now(apply(resting.order, Reported(report(OrderStatus.CANCELLED))))
    assert store.journal.record_intents.now([crossing])[0].is_new


def replace_price(planned, price: str, order_id: str):  # type: ignore[no-untyped-def]
    intent = replace(planned.intent, price=Decimal(price), client_order_id=order_id)
    return replace(planned, intent=intent, wire_client_id=order_id)


def test_an_order_whose_outcome_is_unknown_still_counts_as_live(store: Store) -> None:
    (sent,) = store.journal.record_intents.now([entry("c1")])
    store.journal.record_order.now(apply(sent.order, OutcomeLost(NOW, "timeout")))

    with pytest.raises(SelfTradeRisk):
        store.journal.record_intents.now([entry("c2", side=Side.SELL, price="2400", account_id="a9")])


def test_two_intents_of_one_call_cannot_match_each_other(store: Store) -> None:
    with pytest.raises(SelfTradeRisk):
        store.journal.record_intents.now([entry("c1"), entry("c2", side=Side.SELL, account_id="a2")])
    assert store.reads.orders_of_session("s1") == []


async def test_of_two_crossing_intents_at_once_one_is_refused(store: Store) -> None:
    outcomes = await asyncio.gather(
        store.journal.record_intents([entry("c1", side=Side.BUY)]),
        store.journal.record_intents([entry("c2", side=Side.SELL, account_id="a9")]),
        return_exceptions=True,
    )

    assert [isinstance(outcome, SelfTradeRisk) for outcome in outcomes].count(True) == 1
    assert len(store.reads.open_orders_of("s1")) == 1


@given(
    st.sampled_from(list(Venue)), st.sampled_from(list(Venue)), st.sampled_from(["ETH/USD", "BTC/USD"]),
    st.sampled_from(list(Side)), st.sampled_from(list(Side)), st.integers(1, 50), st.integers(1, 50),
)  # fmt: skip
def test_orders_could_match_exactly_when_a_venue_would_cross_them(
    venue: Venue, other_venue: Venue, symbol: str, side: Side, other_side: Side, price: int, other_price: int
) -> None:
    one = entry(venue=venue, side=side, price=str(price)).intent
    two = entry(venue=other_venue, symbol=symbol, side=other_side, price=str(other_price)).intent
    bid, ask = (price, other_price) if side is Side.BUY else (other_price, price)

    crossing = venue is other_venue and symbol == "ETH/USD" and side is not other_side and bid >= ask
    assert could_match(one, two) == could_match(two, one) == crossing


def test_the_firewall_sees_live_orders_of_all_sessions_on_one_market(store: Store) -> None:
    store.journal.create_session.now(new_session("s2"))
    store.journal.record_intents.now(
        [
            entry("c1"),
            entry("c2", session_id="s2", price="2400"),
            entry("c3", venue=Venue.PARADEX, account_id="a2"),
            entry("c4", symbol="BTC/USD"),
        ]
    )
    (_, done) = store.journal.record_intents.now([entry("c1"), entry("c5")])
    store.journal.record_order.now(apply(done.order, Reported(report(OrderStatus.REJECTED))))

    own = store.reads.own_live_orders(Venue.PACIFICA, "ETH/USD")
    assert [(order.client_order_id, order.remaining) for order in own] == [
        ("c1", Decimal("0.1")),
        ("c2", Decimal("0.1")),
    ]


def test_an_order_is_followed_to_its_end_and_late_news_changes_nothing(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry()])
    sent = apply(recorded.order, WasSent(later(1)))
    partly = apply(sent, Reported(report(OrderStatus.ACCEPTED, filled="0.04", average="2499.5", at=later(2))))
    filled = apply(partly, Reported(report(OrderStatus.FILLED, filled="0.10", average="2499.8", at=later(3))))

    for order in (sent, partly, filled, partly, sent):
        store.journal.record_order.now(order)

    known = store.reads.journal_order("c1")
    assert known.order == filled
    assert (known.sent_at, known.completed_at) == (later(1), later(3))
    assert store.reads.open_orders_of("s1") == []


def test_an_order_that_was_never_journalled_cannot_be_updated(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry()])
    foreign = replace(recorded.order, intent=replace(recorded.order.intent, client_order_id="c9"))

    with pytest.raises(RecordNotFound, match="record its intent first"):
        store.journal.record_order.now(foreign)


def test_a_fill_is_new_once_and_belongs_to_its_order(store: Store) -> None:
    store.journal.record_intents.now([entry()])

    assert store.journal.record_fills.now([fill("t1"), fill("t1"), fill("t2", fee="-0.005")]) == [
        fill("t1"),
        fill("t2", fee="-0.005"),
    ]
    assert store.journal.record_fills.now([fill("t1"), fill("t2", fee="-0.005")]) == []
    assert store.reads.fills_of_pair("s1-p1") == store.reads.fills_of_session("s1")
    assert store.reads.journal_order("c1").fees == Decimal("0.010")
    totals = store.reads.totals("s1")
    assert totals.volume_by_account == {"a1": Decimal("199.96")}
    assert totals.net_by_account == {"a1": Decimal("0.08")}
    assert totals.fees == Decimal("0.010")


def test_a_fill_finds_its_order_by_either_client_id_or_by_the_venues(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry("c1", wire_id="77")])
    store.journal.record_order.now(apply(recorded.order, Reported(report(OrderStatus.ACCEPTED, venue_order_id="v1"))))

    by_wire = fill("t1", client_order_id="77", venue_order_id="other")
    by_venue = fill("t2", client_order_id=None, venue_order_id="v1")

    assert [new.client_order_id for new in store.journal.record_fills.now([by_wire, by_venue])] == ["c1", "c1"]


def test_a_fill_that_comes_before_its_orders_venue_id_is_attributed_later(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry()])
    early = fill("t1", client_order_id=None, venue_order_id="v1")
    assert store.journal.record_fills.now([early]) == [early]
    assert store.reads.unexplained_fills("a1", NOW) == [early]

    store.journal.record_order.now(apply(recorded.order, Reported(report(OrderStatus.ACCEPTED, venue_order_id="v1"))))

    assert store.reads.unexplained_fills("a1", NOW) == []
    assert store.reads.fills_of_pair("s1-p1") == [replace(early, client_order_id="c1")]
    assert store.reads.journal_order("c1").fees == early.fee


def test_a_fill_that_was_undone_before_its_orders_venue_id_is_known_counts_for_nothing(store: Store) -> None:
    (recorded,) = store.journal.record_intents.now([entry()])
    early = fill("t1", client_order_id=None, venue_order_id="v1")
    store.journal.record_fills.now([early])
    store.journal.bust_fill.now(early.venue, early.account_id, early.trade_id, at=later(3))
    assert store.reads.unexplained_fills("a1", NOW) == []

    store.journal.record_order.now(apply(recorded.order, Reported(report(OrderStatus.ACCEPTED, venue_order_id="v1"))))

    assert store.reads.journal_order("c1").fees == 0
    assert store.reads.fills_of_pair("s1-p1") == []


def test_the_same_trade_id_on_another_account_is_another_fill(store: Store) -> None:
    assert len(store.journal.record_fills.now([fill("t1"), fill("t1", account_id="a2")])) == 2


def test_a_trade_that_comes_back_different_is_not_swallowed(store: Store) -> None:
    store.journal.record_fills.now([fill("t1")])
    with pytest.raises(StoreError, match="compare with the venue"):
        store.journal.record_fills.now([fill("t1", quantity="0.05")])


async def test_fills_from_stream_and_rest_at_once_are_new_exactly_once(store: Store) -> None:
    store.journal.record_intents.now([entry(quantity="10")])
    fills = [fill(f"t{n}") for n in range(50)]

    answers = await asyncio.gather(*(store.journal.record_fills(fills[n : n + 10]) for n in range(0, 45, 5)))

    new = [one.trade_id for answer in answers for one in answer]
    assert sorted(new) == sorted(one.trade_id for one in fills)
    assert len(store.reads.fills_of_session("s1")) == 50


@pytest.mark.parametrize("quantity", ["1e20", "0.0000000000000000001", "NaN"])
def test_a_number_that_cannot_be_kept_exactly_is_refused(store: Store, quantity: str) -> None:
    with pytest.raises(StoreError, match="DECIMAL"):
        store.journal.record_intents.now([entry(quantity=quantity)])
