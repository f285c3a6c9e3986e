"""The clock offset: the venue's clock minus ours, with a bound within which the truth lies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clock import ROUNDS, ClockOffset, measure
from core.errors import VenueUnreachable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Wire:
    """A venue whose clock is off by `offset`, and the way there and back of every round."""

    def __init__(self, offset: float, ways: list[tuple[float, float]], *, cut_to: float = 0.0) -> None:
        self.now = NOW
        self._offset = seconds(offset)
        self._ways = iter(ways)
        self._cut_to = cut_to
        self.asked = 0

    def clock(self) -> datetime:
        return self.now

    async def ask(self) -> datetime:
        there, back = next(self._ways)
        self.asked += 1
        self.now += seconds(there)
        said = self.now + self._offset
        self.now += seconds(back)
        if self._cut_to:
            fraction = (said - NOW) % seconds(self._cut_to)
            return said - fraction
        return said


async def test_an_even_way_there_and_back_shows_the_offset_exactly() -> None:
    wire = Wire(2.5, [(0.1, 0.1)] * ROUNDS)
    found = await measure(wire.ask, wire.clock)
    assert (found.offset, found.error, found.measured_at) == (seconds(2.5), seconds(0.1), NOW + seconds(0.2))


async def test_the_round_with_the_smallest_bound_is_kept() -> None:
    wire = Wire(-1, [(0.4, 2.0), (0.05, 0.05), (3.0, 0.1)])
    found = await measure(wire.ask, wire.clock)
    assert (found.offset, found.error) == (seconds(-1), seconds(0.05))
    assert wire.asked == 3


async def test_a_clock_that_cuts_off_fractions_is_given_the_middle_and_the_doubt() -> None:
    wire = Wire(0, [(0.0, 0.0)], cut_to=1.0)
    wire.now = NOW + seconds(0.9)
    found = await measure(wire.ask, wire.clock, resolution=seconds(1), rounds=1)
    assert (found.offset, found.error) == (seconds(-0.4), seconds(0.5))


async def test_no_answer_is_no_measurement() -> None:
    async def silent() -> datetime:
        raise VenueUnreachable("no answer")

    with pytest.raises(VenueUnreachable):
        await measure(silent, lambda: NOW)


@pytest.mark.parametrize(
    ("offset", "error", "is_safe"), [(1.0, 1.0, True), (-1.0, 1.0, True), (1.0, 1.001, False), (-2.001, 0.0, False)]
)
def test_safety_counts_the_bounds_worse_end(offset: float, error: float, is_safe: bool) -> None:
    assert ClockOffset(seconds(offset), seconds(error), NOW).is_safe(tolerance=seconds(2)) is is_safe


def test_the_venues_time_is_ours_and_the_offset() -> None:
    assert ClockOffset(seconds(-3), seconds(0), NOW).venue_time(NOW) == NOW - seconds(3)


ways = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=5)


@given(offset=st.floats(-100, 100), ways=ways, cut_to=st.sampled_from([0.0, 0.001, 1.0]))
async def test_the_truth_lies_within_the_bound(offset: float, ways: list[tuple[float, float]], cut_to: float) -> None:
    wire = Wire(offset, ways, cut_to=cut_to)
    ask: Callable[[], Awaitable[datetime]] = wire.ask
    found = await measure(ask, wire.clock, resolution=seconds(cut_to), rounds=len(ways))
    assert abs(found.offset - seconds(offset)) <= found.error + timedelta(microseconds=5)
