"""Candles and day statistics say what the tape says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import ETH, START_US, Venue
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.candles import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    MONTH_US,
    SECOND_US,
    WEEK_US,
    CandlePrice,
    CandleTape,
    filled,
    span,
)
from sandbox.price_path import TURNOVER_24H

PRICES = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 99), st.integers(1, 9)), min_size=1, max_size=60)


@given(points=PRICES, minutes=st.sampled_from([1, 5, 15, 60]))
@settings(max_examples=60, deadline=None)
def test_a_candle_holds_exactly_the_prices_of_its_span(points: list[tuple[int, int, int]], minutes: int) -> None:
    tape, time_us, tape_points = CandleTape(), START_US, []
    for wait_s, price, quantity in points:
        time_us += wait_s * SECOND_US
        tape.note(time_us, Decimal(price), Decimal(quantity), trades=1)
        tape_points.append((time_us, Decimal(price), Decimal(quantity)))

    candles = tape.candles(minutes * MINUTE_US)

    assert sum(c.trades for c in candles) == len(points)
    for candle in candles:
        inside = [(p, q) for at, p, q in tape_points if candle.begin_us <= at < candle.end_us]
        prices = [p for p, _ in inside]
        assert (candle.open, candle.close) == (prices[0], prices[-1])
        assert (candle.high, candle.low) == (max(prices), min(prices))
        assert candle.quantity == sum(q for _, q in inside)
        assert candle.notional == sum(p * q for p, q in inside)
        assert candle.begin_us % (minutes * MINUTE_US) == 0


def test_spans_without_a_price_are_absent_or_filled_with_the_close() -> None:
    tape = CandleTape()
    tape.note(START_US, Decimal(5), Decimal(1), trades=1)
    tape.note(START_US + 3 * MINUTE_US, Decimal(6), Decimal(1), trades=1)

    bare = tape.candles(MINUTE_US)
    whole = list(filled(bare))

    assert [c.begin_us - START_US for c in bare] == [0, 3 * MINUTE_US]
    assert [(c.begin_us - START_US) // MINUTE_US for c in whole] == [0, 1, 2, 3]
    assert [(c.open, c.close, c.trades) for c in whole[1:3]] == [(Decimal(5), Decimal(5), 0)] * 2


def test_seconds_are_kept_only_where_asked() -> None:
    tape = CandleTape(with_seconds=True)
    for second in range(3):
        tape.note(START_US + second * SECOND_US, Decimal(second + 1))

    assert [c.close for c in tape.candles(SECOND_US)] == [1, 2, 3]
    assert CandleTape().candles(SECOND_US) == []


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    begin, end = span(START_US, WEEK_US)
    assert (begin, end - begin) == (START_US - 8 * HOUR_US - 4 * DAY_US, WEEK_US)  # START is Friday, 08:00

    begin, end = span(START_US, MONTH_US)
    assert (begin, end - begin) == (START_US - 8 * HOUR_US - 14 * DAY_US, 31 * DAY_US)


def test_only_spans_that_begin_inside_are_answered() -> None:
    tape = CandleTape()
    for minute in range(10):
        tape.note(START_US + minute * MINUTE_US, Decimal(minute + 1))

    found = tape.candles(MINUTE_US, START_US + 2 * MINUTE_US, START_US + 4 * MINUTE_US)

    assert [c.close for c in found] == [3, 4, 5]
    newest = tape.newest(5 * MINUTE_US)
    assert newest is not None
    assert (newest.open, newest.close) == (6, 10)


def test_an_exchange_makes_candles_of_trades_marks_and_indexes() -> None:
    venue = Venue()
    venue.exchange.set_prices(ETH, Decimal(2510), Decimal(2490), Decimal(0))
    venue.sell("A", "2", "2500")
    venue.buy("B", "0.5", "2500")
    venue.buy("B", "1", "2500")

    last, mark, index = (venue.exchange.candles(ETH, HOUR_US, by=by)[0] for by in CandlePrice)

    assert (last.close, last.quantity, last.notional, last.trades) == (2500, Decimal("1.5"), 3750, 2)
    assert (mark.close, mark.quantity) == (2510, 0)
    assert index.close == 2490


def test_the_day_counts_what_was_traded_in_it_and_forgets_what_is_older() -> None:
    venue = Venue()
    start = venue.exchange.day(ETH)
    venue.sell("A", "2", "2500")
    venue.buy("B", "2", "2500")

    day = venue.exchange.day(ETH)
    assert (day.notional - start.notional, day.quantity - start.quantity, day.trades) == (5000, 2, 1)

    venue.world.advance(DAY_US + MINUTE_US)
    old = venue.exchange.day(ETH)
    assert (old.notional, old.trades) == (0, 0)


@pytest.mark.parametrize(("hours", "share"), [(0, "1"), (6, "0.75"), (24, "0")])
def test_a_young_twin_fills_the_missing_part_of_its_day_with_the_plausible_turnover(hours: int, share: str) -> None:
    venue = Venue()
    venue.world.advance(hours * HOUR_US)

    assert venue.exchange.volume_24h(ETH) == TURNOVER_24H[ETH] * Decimal(share)


def test_open_high_low_and_change_are_the_days() -> None:
    venue = Venue()
    first = venue.exchange.day_open(ETH)
    for price in ("2550", "2450", "2520"):
        venue.sell("A", "1", price)
        venue.buy("B", "1", price)

    day = venue.exchange.day(ETH)

    assert (day.high, day.low, day.close) == (max(first, Decimal(2550)), min(first, Decimal(2450)), 2520)
    assert day.change == 2520 - first
    assert day.change_share == (2520 - first) / first
