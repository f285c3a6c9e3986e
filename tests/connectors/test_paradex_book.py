"""A streamed Paradex book: whole or admittedly not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paradex_fakes import NOW, NOW_MS

from connectors.paradex.book import DEPTH_MAX, LiveBook
from connectors.paradex.wire import BookFrame, shaped
from core.errors import ProtocolViolation
from core.market import Book


def _frame(seq: int, kind: str = "d", **changes: Any) -> BookFrame:
    raw = {"market": "ETH-USD-PERP", "seq_no": seq, "last_updated_at": NOW_MS + seq, "update_type": kind, **changes}
    return shaped(BookFrame, raw, "book frame")


def _levels(side: str, *pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"side": side, "price": price, "size": size} for price, size in pairs]


def _snapshot(seq: int = 10) -> BookFrame:
    bids = _levels("BUY", ("99", "1"), ("98", "2"))
    asks = _levels("SELL", ("101", "1"), ("102", "2"))
    return _frame(seq, "s", inserts=bids + asks)


def _prices(book: Book | None) -> tuple[list[str], list[str]]:
    assert book is not None
    return [str(level.price) for level in book.bids], [str(level.price) for level in book.asks]


def test_before_a_snapshot_there_is_no_book() -> None:
    book = LiveBook("ETH/USD")

    assert book.view() is None
    assert book.apply(_frame(5), NOW)
    assert book.view() is None


def test_a_snapshot_proves_the_book_and_changes_keep_it() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)
    assert _prices(book.view()) == (["99", "98"], ["101", "102"])

    changed = book.apply(
        _frame(
            11,
            inserts=_levels("BUY", ("99.5", "3")),
            updates=_levels("SELL", ("101", "7")),
            deletes=_levels("BUY", ("98", "0")),
        ),
        NOW + timedelta(seconds=1),
    )
    view = book.view()

    assert changed
    assert _prices(view) == (["99.5", "99"], ["101", "102"])
    assert view is not None
    assert view.asks[0].quantity == Decimal(7)
    assert (view.sequence, view.received_time) == (11, NOW + timedelta(seconds=1))
    assert view.venue_time == NOW + timedelta(milliseconds=11)


def test_an_empty_change_only_moves_the_sequence_and_an_unchanged_view_is_not_built_again() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)
    before = book.view()

    assert book.view() is before
    assert book.apply(_frame(11), NOW)
    assert book.apply(_frame(12), NOW)
    assert _prices(book.view()) == _prices(before)


@pytest.mark.parametrize("seq", [10, 9, 12, 100])
def test_a_missed_repeated_or_older_frame_makes_the_book_unproven(seq: int) -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)

    assert not book.apply(_frame(seq), NOW)
    assert book.view() is None


def test_only_a_snapshot_heals() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)
    book.apply(_frame(12), NOW)

    assert book.apply(_frame(13), NOW)
    assert book.view() is None
    assert book.apply(_snapshot(50), NOW)
    assert _prices(book.view()) == (["99", "98"], ["101", "102"])


def test_a_size_of_zero_removes_a_level() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)
    book.apply(_frame(11, updates=_levels("SELL", ("101", "0"))), NOW)

    assert _prices(book.view())[1] == ["102"]


def test_a_crossed_book_is_not_believed() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)

    assert not book.apply(_frame(11, inserts=_levels("BUY", ("101", "1"))), NOW)
    assert book.view() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"inserts": _levels("ASK", ("1", "1"))},
        {"inserts": _levels("BUY", ("0", "1"))},
        {"inserts": _levels("BUY", ("1", "-1"))},
        {"update_type": "x"},
    ],
)
def test_a_frame_that_cannot_be_is_a_violation(changes: dict[str, Any]) -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)

    with pytest.raises(ProtocolViolation):
        book.apply(_frame(11, **changes), NOW)


def test_a_frame_refused_halfway_leaves_no_proven_book() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)

    with pytest.raises(ProtocolViolation):
        book.apply(_frame(11, deletes=_levels("BUY", ("99", "0")), inserts=_levels("BUY", ("98.5", "-1"))), NOW)

    assert not book.is_proven
    assert book.view() is None


def test_a_snapshot_older_than_the_proven_book_does_not_take_it_back_in_time() -> None:
    book = LiveBook("ETH/USD")
    book.apply(_snapshot(10), NOW)
    book.apply(_frame(11, updates=_levels("SELL", ("101", "7"))), NOW)

    assert not book.apply(_snapshot(10), NOW)
    assert book.view() is None
    assert book.apply(_snapshot(10), NOW), "once unproven, the venue's numbering may start anew"


def test_only_the_top_levels_are_shown() -> None:
    book = LiveBook("ETH/USD")
    many = [(str(1000 + step), "1") for step in range(3 * DEPTH_MAX)]
    book.apply(_frame(1, "s", inserts=_levels("SELL", *many)), NOW)
    view = book.view()

    assert view is not None
    assert len(view.asks) == DEPTH_MAX
    assert view.best_ask == Decimal(1000)


@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 20), st.integers(0, 3)), max_size=40))
@settings(max_examples=80, deadline=None)
def test_a_book_of_changes_equals_the_plain_replay(changes: list[tuple[str, int, int]]) -> None:
    """Bids live at 1..20 and asks at 101..120, so that the sides never cross."""
    book, plain = LiveBook("ETH/USD"), {"BUY": {}, "SELL": {}}  # type: ignore[var-annotated]
    book.apply(_frame(0, "s"), NOW)
    for seq, (side, step, size) in enumerate(changes, start=1):
        price = step + (100 if side == "SELL" else 0)
        plain[side][price] = size
        book.apply(_frame(seq, updates=_levels(side, (str(price), str(size)))), NOW)
    view = book.view()

    assert view is not None
    assert {int(level.price): int(level.quantity) for level in view.bids} == _alive(plain["BUY"])
    assert {int(level.price): int(level.quantity) for level in view.asks} == _alive(plain["SELL"])


def _alive(side: dict[int, int]) -> dict[int, int]:
    return {price: size for price, size in side.items() if size}
