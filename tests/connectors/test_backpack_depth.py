"""A Backpack book is shown only while every update since its snapshot is known."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from backpack_samples import DEPTH, NOW, depth_event
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.backpack import wire
from connectors.backpack.depth import DepthBook, Joined
from core.errors import ProtocolViolation


def snapshot(**changes) -> wire.DepthRow:
    return wire.read(wire.DepthRow, DEPTH | changes, "depth")


def delta(first: int, last: int, **sides) -> wire.DepthEvent:
    return wire.read(wire.DepthEvent, depth_event(first, last, **sides), "depth event")


def book_at(last_id: int = 1000, *, snapshot_rows: int = 1000) -> DepthBook:
    book = DepthBook("ETH/USD", snapshot_rows=snapshot_rows)
    assert book.join(snapshot(lastUpdateId=str(last_id)), NOW) is Joined.LIVE
    return book


def test_nothing_is_shown_before_a_snapshot() -> None:
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    assert book.apply(delta(1001, 1001), NOW) is Joined.WAITING
    assert book.book() is None


def test_buffered_deltas_are_laid_over_the_snapshot_and_older_ones_dropped() -> None:
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    book.apply(delta(999, 1000, bids=[["2999", "99"]]), NOW)
    book.apply(delta(1001, 1002, bids=[["2999.00", "3"]]), NOW)
    assert book.join(snapshot(), NOW) is Joined.LIVE
    assert [(level.price, level.quantity) for level in book.book().bids] == [
        (Decimal(2999), Decimal(3)),
        (Decimal(2998), Decimal(7)),
    ]
    assert book.book().sequence == 1002


def test_the_first_delta_may_span_the_snapshot() -> None:
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    book.apply(delta(995, 1004, asks=[["2999.5", "0.00"]]), NOW)
    assert book.join(snapshot(), NOW) is Joined.LIVE
    assert book.book().best_ask == Decimal(3000)


def test_a_snapshot_older_than_the_stream_does_not_join() -> None:
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    book.apply(delta(1002, 1002), NOW)
    assert book.join(snapshot(), NOW) is Joined.WAITING
    assert book.book() is None
    assert book.join(snapshot(lastUpdateId="1001"), NOW) is Joined.LIVE


def test_padded_and_trimmed_prices_are_one_level() -> None:
    book = book_at()
    book.apply(delta(1001, 1001, asks=[["3000.00", "0.000"]]), NOW)
    assert [level.price for level in book.book().asks] == [Decimal("2999.5")]


@pytest.mark.parametrize("gap", [(1003, 1003), (1000, 1003)])
def test_a_gap_hides_the_book_until_a_new_snapshot_joins(gap) -> None:
    book = book_at()
    assert book.apply(delta(1001, 1001), NOW) is Joined.LIVE
    assert book.apply(delta(*gap), NOW) is Joined.GAP
    assert book.book() is None
    assert book.join(snapshot(lastUpdateId="1002"), NOW) is Joined.LIVE
    assert book.book().sequence == 1003


def test_a_repeated_delta_changes_nothing() -> None:
    book = book_at()
    book.apply(delta(1001, 1002, bids=[["2999", "5"]]), NOW)
    assert book.apply(delta(1001, 1002, bids=[["2999", "8"]]), NOW) is Joined.LIVE
    assert book.book().bids[0].quantity == 5


def test_a_gap_inside_the_buffer_waits_for_another_snapshot() -> None:
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    for event in (delta(1001, 1001), delta(1003, 1003), delta(1004, 1004)):
        book.apply(event, NOW)
    assert book.join(snapshot(), NOW) is Joined.WAITING
    assert book.join(snapshot(lastUpdateId="1003"), NOW) is Joined.LIVE
    assert book.book().sequence == 1004


def test_a_crossed_book_is_not_shown_but_heals() -> None:
    book = book_at()
    book.apply(delta(1001, 1001, bids=[["2999.5", "1"]]), NOW)
    assert book.book() is None
    book.apply(delta(1002, 1002, asks=[["2999.5", "0"]]), NOW)
    assert (book.book().best_bid, book.book().best_ask) == (Decimal("2999.5"), Decimal(3000))


def test_a_lost_connection_leaves_no_book() -> None:
    book = book_at()
    book.reset()
    assert book.book() is None


def test_levels_beyond_a_full_snapshot_are_not_pretended_to_be_known() -> None:
    """A side as long as was asked for may go on: what appears beyond its last level is not shown."""
    book = book_at(snapshot_rows=2)
    book.apply(delta(1001, 1001, asks=[["3001", "9"]], bids=[["2997", "9"]]), NOW)
    assert [level.price for level in book.book().asks] == [Decimal("2999.5"), Decimal(3000)]
    assert [level.price for level in book.book().bids] == [Decimal(2999), Decimal(2998)]


def test_a_price_that_left_the_snapshots_range_asks_for_a_new_one() -> None:
    book = book_at(snapshot_rows=2)
    assert book.apply(delta(1001, 1001, asks=[["2999.5", "0"], ["3000", "0"], ["3001", "9"]]), NOW) is Joined.GAP
    assert book.book() is None


def test_the_book_is_built_once_and_again_after_a_change() -> None:
    book = book_at()
    first = book.book()
    assert book.book() is first
    later = NOW + timedelta(seconds=1)
    book.apply(delta(1001, 1001), later)
    assert book.book().received_time == later


def test_no_more_than_fifty_levels_are_shown() -> None:
    book = book_at()
    book.apply(delta(1001, 1001, asks=[[str(3001 + n), "1"] for n in range(80)]), NOW)
    assert len(book.book().asks) == 50


def test_ids_that_run_backwards_are_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        book_at().apply(delta(1002, 1001), NOW)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), min_size=1, max_size=30), st.integers(0, 30))
def test_wherever_the_snapshot_falls_the_book_ends_the_same(changes, cut) -> None:
    """Deltas before the snapshot, after it, or buffered across it: one outcome."""
    truth: dict[int, int] = {}
    states = [dict(truth)]
    events = []
    for number, (price, size) in enumerate(changes, start=1):
        truth = {**truth, price: size}
        states.append(dict(truth))
        events.append(delta(number, number, asks=[[str(price), str(size)]]))
    cut = min(cut, len(changes))
    asks = [[str(price), str(size)] for price, size in sorted(states[cut].items()) if size]
    book = DepthBook("ETH/USD", snapshot_rows=1000)
    for event in events:
        book.apply(event, NOW)
    assert book.join(snapshot(asks=asks, bids=[], lastUpdateId=str(cut)), NOW) is Joined.LIVE
    expected = [(Decimal(price), Decimal(size)) for price, size in sorted(truth.items()) if size]
    assert [(level.price, level.quantity) for level in book.book().asks] == expected
