"""Every difference between journal and venue is found and named, and own orders that met are recognised."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from planning_world import NOW, D

from core.instrument import Venue
from core.order import (
    Fill,
    Liquidity,
    Order,
    OrderIntent,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from core.reconcile import DifferenceKind, JournalRecord, VenueRecord, compare, own_matches

INTENT = OrderIntent(
    client_order_id="c1",
    session_id="s",
    pair_id="p",
    account_id="a",
    venue=Venue.PACIFICA,
    symbol="ETH/USD",
    side=Side.BUY,
    type=OrderType.MARKET,
    time_in_force=TimeInForce.IOC,
    quantity=D("0.1"),
    price=D(2510),
    reference_price=D(2500),
    reduce_only=False,
    created_at=NOW,
    valid_until=NOW + timedelta(seconds=5),
)
ORDER = Order(INTENT, status=OrderStatus.FILLED, venue_order_id="v1", filled_quantity=D("0.1"))
REPORT = OrderReport(
    Venue.PACIFICA, "a", "ETH/USD", "c1", "v1", OrderStatus.FILLED, D("0.1"), D(2501), None, NOW, NOW
)  # fmt: skip
FILL = Fill(
    venue=Venue.PACIFICA,
    account_id="a",
    symbol="ETH/USD",
    trade_id="t1",
    client_order_id="c1",
    venue_order_id="v1",
    side=Side.BUY,
    quantity=D("0.1"),
    price=D(2501),
    fee=D("0.1"),
    liquidity=Liquidity.TAKER,
    venue_time=NOW,
    received_time=NOW,
)
JOURNAL = JournalRecord([ORDER], [FILL], {"a": D("0.1")})
VENUE = VenueRecord([REPORT], [FILL], {"a": D("0.1")})
LOTS = {"a": D("0.001")}
LIVE = replace(ORDER, status=OrderStatus.ACCEPTED, filled_quantity=D(0))


def test_what_agrees_has_no_difference() -> None:
    assert compare(JOURNAL, VENUE, lots=LOTS) == ()


K = DifferenceKind


@pytest.mark.parametrize(
    ("journal", "venue", "kinds"),
    [
        (replace(JOURNAL, fills=[]), VENUE, [K.MISSING_FILL, K.FILLS_INCOMPLETE]),
        (JOURNAL, replace(VENUE, fills=[]), [K.EXTRA_FILL]),
        (JOURNAL, replace(VENUE, fills=[replace(FILL, price=D(2502))]), [K.FILL_CONFLICT]),
        (JOURNAL, replace(VENUE, orders=[REPORT, replace(REPORT, client_order_id=None, venue_order_id="v9")]),
         [K.UNKNOWN_ORDER]),
        (JOURNAL, replace(VENUE, orders=[replace(REPORT, filled_quantity=D("0.09"))]), [K.ORDER_CONFLICT]),
        (JOURNAL, replace(VENUE, orders=[replace(REPORT, status=OrderStatus.ACCEPTED)]), [K.ORDER_CONFLICT]),
        (JOURNAL, replace(VENUE, orders=[replace(REPORT, client_order_id=None)]), []),
        (JOURNAL, replace(VENUE, orders=[]), []),
        (replace(JOURNAL, orders=[LIVE], fills=[]), replace(VENUE, orders=[], fills=[]), [K.ORDER_GONE]),
        (replace(JOURNAL, orders=[replace(LIVE, status=OrderStatus.UNKNOWN)], fills=[]),
         replace(VENUE, orders=[], fills=[]), [K.ORDER_GONE]),
        (replace(JOURNAL, orders=[replace(LIVE, status=OrderStatus.INTENDED)], fills=[]),
         replace(VENUE, orders=[], fills=[]), []),
        (JOURNAL, replace(VENUE, positions={"a": D("0.097")}), [K.POSITION_MISMATCH]),
        (JOURNAL, replace(VENUE, positions={"a": D("0.1"), "b": D("0.1")}), [K.POSITION_MISMATCH]),
        (JOURNAL, replace(VENUE, positions={}), [K.POSITION_UNREAD]),
    ],
)  # fmt: skip
def test_each_difference_is_named(journal: JournalRecord, venue: VenueRecord, kinds: list[DifferenceKind]) -> None:
    found = compare(journal, venue, lots=LOTS | {"b": D("0.01")})

    assert [difference.kind for difference in found] == kinds


def test_a_position_difference_is_told_in_lots_venue_minus_journal() -> None:
    found = compare(JOURNAL, replace(VENUE, positions={"a": D("0.097")}), lots=LOTS)

    assert found[0].lots == -3
    assert found[0].text == "journal 0.1, venue 0.097"


COUNTER = replace(
    FILL, account_id="b", trade_id="t2", client_order_id="c2", venue_order_id="v2", side=Side.SELL,
    liquidity=Liquidity.MAKER, venue_time=NOW + timedelta(milliseconds=3),
)  # fmt: skip


@pytest.mark.parametrize(
    "counter", [COUNTER, replace(COUNTER, account_id="a"), replace(COUNTER, account_id="a", trade_id="t1")]
)
def test_own_orders_that_met_are_recognised_on_two_accounts_and_on_one(counter: Fill) -> None:
    found = own_matches([FILL, counter, FILL])

    assert len(found) == 1
    assert (found[0].buy, found[0].sell) == (FILL, counter)


@pytest.mark.parametrize(
    "changes",
    [
        {"venue": Venue.PARADEX},
        {"symbol": "BTC/USD"},
        {"price": D("2501.1")},
        {"quantity": D("0.11")},
        {"side": Side.BUY},
        {"venue_time": NOW + timedelta(milliseconds=251)},
        {"liquidity": Liquidity.TAKER},
    ],
)
def test_fills_that_differ_in_anything_are_no_match(changes: dict[str, object]) -> None:
    assert own_matches([FILL, replace(COUNTER, **changes)]) == ()  # type: ignore[arg-type]


def test_each_fill_belongs_to_one_match_only() -> None:
    again = replace(COUNTER, trade_id="t3", venue_time=NOW + timedelta(milliseconds=4))

    assert len(own_matches([FILL, COUNTER, again])) == 1
