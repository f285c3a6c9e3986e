"""The geometry of charts: round ticks, lossless downsampling, honest bins, and paths that hold only numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_world import START, at, fill, session, traded

from flows.report import charts
from flows.report.facts import Record
from flows.report.scale import (
    Scale,
    bar_path,
    downsample,
    histogram,
    line_path,
    nice_step,
    number,
    quantile,
    step_area,
    step_path,
    thin,
    tick_text,
    ticks,
    time_ticks,
    widened,
)
from flows.report.shapes import Chart

FINITE = st.floats(-1e9, 1e9, allow_nan=False, width=32)
PATH = re.compile(r"([MLHVZv]?[-0-9. ]*)*")


@pytest.mark.parametrize(
    ("low", "high", "count", "expected", "step"),
    [
        (0, 20_000, 5, [0, 5000, 10_000, 15_000, 20_000], 5000),
        (-512, 498, 6, [-400, -200, 0, 200, 400], 200),
        (0.7, 2.8, 6, [1.0, 1.5, 2.0, 2.5], 0.5),
        (2498.2, 2502.4, 5, [2499, 2500, 2501, 2502], 1),
    ],
)
def test_ticks_are_round_and_inside_the_range(
    low: float, high: float, count: int, expected: list[float], step: float
) -> None:
    found, found_step = ticks(low, high, count)

    assert found == pytest.approx(expected)
    assert found_step == pytest.approx(step)


def test_counts_never_get_fractions_of_a_pair_as_ticks() -> None:
    assert ticks(0, 1.08, 4, whole=True) == ([0.0, 1.0], 1.0)


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        (-1500, 500, "−1,500"),
        (0.30000000000000004, 0.1, "0.3"),
        (-0.0, 0.5, "0.0"),
        (2500, 1, "2,500"),
        (600_000, 200_000, "0.6M"),
        (-3e9, 1e9, "−3,000M"),
        (0, 1e6, "0"),
    ],
)
def test_a_tick_shows_the_decimals_of_its_step(value: float, step: float, expected: str) -> None:
    assert tick_text(value, step) == expected


@given(st.floats(1e-6, 1e9), st.integers(2, 12))
def test_a_nice_step_never_makes_more_steps_than_asked(span: float, count: int) -> None:
    step = nice_step(span, count)

    assert span / step <= count * (1 + 1e-6)
    assert round(step / 10 ** math.floor(math.log10(step * (1 + 1e-9)))) in (1, 2, 5)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.5, ["12:00:00", "12:00:00.1", "12:00:00.2", "12:00:00.3", "12:00:00.4", "12:00:00.5"]),
        (68, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50", "12:01:00"]),
        (3600, ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        (86_400, ["12:00", "15:00", "18:00", "21:00", "2 Mar", "03:00", "06:00", "09:00", "12:00"]),
        (86_400 * 5, ["2 Mar", "3 Mar", "4 Mar", "5 Mar", "6 Mar"]),
    ],
)
def test_time_ticks_are_round_utc_moments_labelled_as_finely_as_needed(seconds: float, labels: list[str]) -> None:
    found = time_ticks(START, at(seconds))

    assert [label for _, label in found] == labels
    assert all(START <= moment <= at(seconds) for moment, _ in found)


def test_downsampling_loses_no_spike_and_keeps_both_ends() -> None:
    points = [(float(x), 0.0) for x in range(10_000)]
    points[4321], points[8765] = (4321.0, 99.0), (8765.0, -77.0)

    kept = downsample(points, 50, 0.0, 10_000.0)

    assert len(kept) <= 4 * 50
    assert (4321.0, 99.0) in kept
    assert (8765.0, -77.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert kept == sorted(kept)


@given(st.lists(st.tuples(st.floats(0, 100), FINITE), max_size=200), st.integers(1, 20))
def test_downsampling_keeps_the_extremes_of_any_series(points: list[tuple[float, float]], columns: int) -> None:
    points = sorted(points)
    kept = downsample(points, columns, 0.0, 100.0)

    assert len(kept) <= max(4 * columns, 0)
    assert set(kept) <= set(points)
    if points:
        values, shown = [y for _, y in points], [y for _, y in kept]
        assert (min(shown), max(shown)) == (min(values), max(values))


def test_few_points_are_drawn_as_they_are() -> None:
    points = [(0.0, 1.0), (0.0, 2.0), (5.0, 0.0)]
    assert downsample(points, 1, 0.0, 10.0) == points


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 100)), max_size=300), st.integers(1, 50))
def test_thinning_keeps_to_its_limit_and_drops_nothing_below_it(points: list[tuple[float, float]], limit: int) -> None:
    kept = thin(points, limit)

    assert len(kept) <= limit
    assert sorted(set(kept)) == sorted(kept)
    assert bool(kept) == bool(points)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=100))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    low, high = widened(min(values), max(values))
    found = histogram(values, low, high)

    assert sum(found.counts) == len(values)
    assert (found.below, found.above) == (0, 0)
    assert len(found.edges) == len(found.counts) + 1
    slack = (found.edges[1] - found.edges[0]) * 1e-6
    assert found.edges[0] - slack <= min(values) <= max(values) <= found.edges[-1] + slack


def test_a_histogram_says_how_many_lie_outside() -> None:
    found = histogram([-5, 0.5, 1.5, 2.0, 99], 0, 2, count=2)

    assert found.edges == (0.0, 1.0, 2.0)
    assert found.counts == (1, 2)
    assert (found.below, found.above) == (1, 1)


@pytest.mark.parametrize(("q", "expected"), [("0", "1"), ("0.5", "2.5"), ("0.95", "3.85"), ("1", "4")])
def test_quantiles_are_linear_between_neighbours(q: str, expected: str) -> None:
    assert quantile([Decimal(n) for n in (1, 2, 3, 4)], Decimal(q)) == Decimal(expected)


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        quantile([], Decimal("0.5"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_drawn(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        number(value)


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, "1"), (1.26, "1.3"), (-0.04, "0"), (-2.5, "-2.5"), (1e6, "1000000")]
)
def test_a_coordinate_has_at_most_one_decimal(value: float, expected: str) -> None:
    assert number(value) == expected


def test_paths_hold_each_value_until_the_next() -> None:
    points = [(0.0, 10.0), (5.0, 4.0), (5.0, 10.0), (8.0, 10.0)]

    assert step_path(points, 12) == "M0 10H5V4V10H8H12"
    assert step_area(points, 12, 20) == "M0 10H5V4V10H8H12V20H0Z"
    assert line_path(points[:2]) == "M0 10L5 4"
    assert bar_path(1, 3, 4, 9) == "M1 4H3V9H1Z"
    assert (step_path([], 12), step_area([], 12, 0), line_path([])) == ("", "", "")


def test_a_flipped_scale_puts_the_largest_value_on_top() -> None:
    scale = Scale(-1.0, 3.0, 200.0, flipped=True)
    assert (scale.at(3.0), scale.at(-1.0), scale.at(0.0)) == (0.0, 200.0, 150.0)


@given(FINITE, FINITE)
def test_a_widened_range_always_has_a_width(one: float, other: float) -> None:
    low, high = widened(min(one, other), max(one, other))
    assert low < high


def test_the_net_delta_chart_starts_and_ends_at_zero_and_shows_the_largest_spike() -> None:
    record = traded(40)
    chart = charts.delta_chart(record)

    assert chart is not None
    (plot,) = chart.plots
    (shape,) = plot.shapes
    heights = [float(y) for y in re.findall(r"(?:M[\d.]+ |V)([\d.]+)", shape.d)]
    assert heights[0] == heights[-1] == float(plot.zero)
    assert min(heights) < float(plot.zero)
    assert "last 0.00 USD" in chart.subtitle


def test_the_volume_chart_ends_at_the_volume_and_shows_the_target() -> None:
    record = traded(10)
    chart = charts.volume_chart(record)

    assert chart is not None
    assert f"{record.session.volume_generated:,.2f} USD" in chart.description
    assert [note.label for note in chart.plots[0].notes] == ["target 20,000"]
    assert [shape.css for shape in chart.plots[0].shapes] == ["area", "line", "target"]
    unbound = charts.volume_chart(replace(record, session=replace(record.session, volume_target=None)))
    assert unbound is not None
    assert [shape.css for shape in unbound.plots[0].shapes] == ["area", "line"]


def test_every_fill_has_its_mark_in_its_venues_strip() -> None:
    record = traded(30)
    chart = charts.fills_chart(record)

    assert chart is not None
    for plot, venue in zip(chart.plots, ("backpack", "pacifica", "paradex"), strict=True):
        own = [f for f in record.fills if f.venue == venue]
        marks = {group.css: len(group.marks) for group in plot.marks}
        assert marks == {side: sum(f.side == side for f in own) for side in ("buy", "sell")}
        assert plot.label == f"{venue.capitalize()}: {len(own)} fills"


def test_a_mark_says_which_pair_side_size_and_price_it_stands_for() -> None:
    record = traded(1)
    chart = charts.fills_chart(record)

    assert chart is not None
    bought = record.fills[0]
    titles = [mark.title for plot in chart.plots for group in plot.marks for mark in group.marks]
    size, price = (f"{n.normalize():f}" for n in (bought.quantity, bought.price))
    assert f"pair 1: buy {size} ETH at {price}, 12:00:00.900" in titles


def test_many_fills_stay_within_the_bound_of_marks() -> None:
    chart = charts.fills_chart(traded(1500))

    assert chart is not None
    assert sum(len(group.marks) for plot in chart.plots for group in plot.marks) <= charts.MARKS_MAX


def test_the_result_adds_up_from_left_to_right() -> None:
    record = Record(session(pnl=Decimal(-4), fees=Decimal(6), funding=Decimal(1)))
    chart = charts.pnl_chart(record)

    labels = {tick.label: note.label for tick, note in zip(chart.plots[0].y_ticks, chart.plots[0].notes, strict=True)}
    assert labels == {"Price PnL": "+1.0000", "Fees": "−6.0000", "Funding": "+1.0000", "Net PnL": "−4.0000"}
    assert [s.css for s in chart.plots[0].shapes[:4]] == ["bar gain", "bar cost", "bar gain", "bar net"]


def test_one_outlier_of_many_is_named_instead_of_flattening_the_rest() -> None:
    record = traded(400)
    far = replace(record.pairs[0], slippage=Decimal("0.05"))
    chart = charts.slippage_chart(replace(record, pairs=(far, *record.pairs[1:])))

    assert chart is not None
    assert "outside the axis" in chart.subtitle
    assert len(chart.plots[0].shapes) > 8


def all_charts(record: Record) -> list[Chart]:
    made = [
        charts.volume_chart(record), charts.delta_chart(record), charts.fills_chart(record),
        charts.slippage_chart(record), charts.skew_chart(record), charts.pnl_chart(record),
    ]  # fmt: skip
    return [chart for chart in made if chart is not None]


@pytest.mark.parametrize(
    "record",
    [
        Record(session()),
        Record(session(), fills=(fill(),)),
        Record(session(started_at=START, ended_at=START, created_at=START), fills=(fill(0.0),)),
        Record(session(started_at=None, ended_at=None), fills=(fill(quantity="0"),)),
        traded(1),
        traded(2),
        traded(700),
        traded(3, every_s=90_000),
    ],
    ids=["nothing", "one fill", "no time", "no quantity", "one pair", "two pairs", "many", "days"],
)
def test_no_chart_ever_holds_what_cannot_be_drawn(record: Record) -> None:
    for chart in all_charts(record):
        for plot in chart.plots:
            places = [t.at for t in (*plot.x_ticks, *plot.y_ticks)] + [m.y for g in plot.marks for m in g.marks]
            assert all(math.isfinite(float(place.rstrip("%"))) for place in places), chart.key
            assert all(PATH.fullmatch(shape.d) for shape in plot.shapes), chart.key
            assert all(0 <= float(m.at.rstrip("%")) <= 100 for g in plot.marks for m in g.marks), chart.key


def test_a_session_without_fills_has_no_charts_but_its_result() -> None:
    assert [chart.key for chart in all_charts(Record(session()))] == ["pnl"]


def test_time_runs_from_the_first_to_the_last_moment_known() -> None:
    record = Record(session(ended_at=at(10)), fills=(fill(12.0),))
    axis = charts.time_axis(record)

    assert (axis.at(START), axis.at(at(12.0))) == (0.0, 1000.0)
    assert axis.label == "UTC, 1 Mar 2026"
    longer = charts.time_axis(replace(record, session=replace(record.session, ended_at=START + timedelta(days=2))))
    assert longer.label == "UTC, 1 Mar 2026 – 3 Mar 2026"
