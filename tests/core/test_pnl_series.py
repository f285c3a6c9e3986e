"""Drawdown is the largest fall from a peak; value at risk is a quantile of the changes that were seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.pnl_series import SAMPLES_MAX, PnlSeries

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def series(*results: int, every: timedelta = MINUTE) -> PnlSeries:
    made = PnlSeries()
    for n, pnl in enumerate(results):
        made.note(START + n * every, Decimal(pnl))
    return made


def test_drawdown_is_the_largest_fall_from_a_peak_and_the_start_is_a_peak() -> None:
    assert series(-3).max_drawdown == 3
    assert series(5, 2, 9, 4, 8).max_drawdown == 5


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=60))
def test_drawdown_is_that_of_every_pair_of_moments(results: list[int]) -> None:
    path = [0, *results]
    worst = max(max(path[: n + 1]) - pnl for n, pnl in enumerate(path))
    assert series(*results).max_drawdown == worst


def test_value_at_risk_is_unknown_before_there_is_enough_to_tell() -> None:
    assert series(*range(20)).value_at_risk() is None
    assert series(*range(21)).value_at_risk() == 0


def test_value_at_risk_is_the_loss_that_one_minute_in_twenty_passes() -> None:
    losses = list(range(1, 101))
    results = [0]
    for loss in losses:
        results.append(results[-1] - loss)
    assert series(*results).value_at_risk() == 96


def test_samples_are_a_minute_apart_and_a_day_at_most() -> None:
    quick = series(*range(600), every=timedelta(seconds=1))
    assert quick.since == START
    assert quick.value_at_risk() is None
    assert series(*range(SAMPLES_MAX + 5)).since == START + 5 * MINUTE


def test_a_moment_before_the_last_is_ignored() -> None:
    made = series(1, 2)
    made.note(START, Decimal(-50))
    assert made.max_drawdown == 0
