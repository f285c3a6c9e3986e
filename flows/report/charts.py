"""The report's charts as plain shapes: what to draw where, from a session's facts. Writes no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from flows.report import figures, text
from flows.report.facts import FillFacts, Record
from flows.report.scale import (
    Scale,
    bar_path,
    downsample,
    histogram,
    line_path,
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
from flows.report.shapes import Chart, Mark, Marks, Note, Plot, Rule, Shape, Tick

WIDTH = 1000.0
COLUMNS = 600
MARKS_MAX = 1_000
TITLED_MARKS_MAX = 240
SMALL_MARKS_FROM = 480
_TRIM_FROM = 200


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Time across the plot; the first moment is at 0."""

    start: datetime
    scale: Scale
    ticks: tuple[Tick, ...]
    label: str

    def at(self, moment: datetime) -> float:
        """Return the unit of a moment."""
        return self.scale.at((moment - self.start).total_seconds())


def time_axis(record: Record, count: int = 8) -> TimeAxis:
    """Return the axis all charts over time share, with at most about `count` ticks."""
    start, end = figures.extent(record)
    scale = Scale(0.0, (end - start).total_seconds(), WIDTH)
    found = time_ticks(start, end, count)
    places = [(scale.at((moment - start).total_seconds()), label) for moment, label in found]
    shown = tuple(Tick(_percent(x), label, spare=i % 2 == 1) for i, (x, label) in enumerate(places))
    day = f"{start.day} {start:%b %Y}"
    if start.date() != end.date():
        day = f"{day} – {end.day} {end:%b %Y}"
    return TimeAxis(start, scale, shown, f"UTC, {day}")


def volume_chart(record: Record, height: int = 200) -> Chart | None:
    """Hedged volume over time against its target; None without any volume."""
    points = figures.volume_points(record)
    if not points:
        return None
    session, axis = record.session, time_axis(record, 5)
    target = session.volume_target
    top = float(max(points[-1][1], target or points[-1][1])) * 1.06
    y, y_ticks = _value_axis(0.0, top, height)
    drawn = [(0.0, y.at(0.0)), *((axis.at(t), y.at(float(v))) for t, v in points)]
    drawn = downsample(drawn, COLUMNS, 0.0, WIDTH)
    shapes = [Shape("area", step_area(drawn, WIDTH, height)), Shape("line", step_path(drawn, WIDTH))]
    notes: list[Note] = []
    if target is not None:
        level = y.at(float(target))
        shapes.append(Shape("target", line_path([(0.0, level), (WIDTH, level)])))
        notes.append(Note("0", number(level - 10), f"target {text.usd(target, 0)}", "start", "muted", 6))
    reached = f"{text.usd(points[-1][1])} {session.quote}"
    return Chart(
        key="volume",
        title="Volume against target",
        subtitle=f"Cumulative hedged volume, {session.quote}; a pair counts once",
        description=f"Hedged volume rises in {len(points)} steps to {reached}.",
        plots=(Plot(height, axis.ticks, y_ticks, tuple(shapes), notes=tuple(notes)),),
        x_label=axis.label,
        y_label=session.quote,
    )


def delta_chart(record: Record, height: int = 200) -> Chart | None:
    """Net delta over time after every fill; None without fills."""
    points = figures.delta_points(record)
    if not points:
        return None
    session, axis = record.session, time_axis(record)
    values = [float(v) for _, v in points]
    low, high = widened(min(0.0, *values), max(0.0, *values), 0.06)
    y, y_ticks = _value_axis(low, high, height, count=6)
    drawn = [(0.0, y.at(0.0)), *((axis.at(t), y.at(v)) for (t, _), v in zip(points, values, strict=True))]
    drawn = downsample(drawn, COLUMNS, 0.0, WIDTH)
    zero = y.at(0.0)
    largest = max((abs(v) for _, v in points), default=Decimal(0))
    last = text.usd(points[-1][1])
    return Chart(
        key="delta",
        title="Net delta",
        subtitle=(
            f"Net position of all accounts after each fill, valued at its price; largest "
            f"{text.usd(largest)}, last {last} {session.quote}"
        ),
        description=f"Net delta after {len(points)} fills: largest {text.usd(largest)}, last {last} {session.quote}.",
        plots=(
            Plot(
                height,
                axis.ticks,
                y_ticks,
                (Shape("area line dense" if len(drawn) > COLUMNS else "area line", step_area(drawn, WIDTH, zero)),),
                zero=number(zero),
            ),
        ),
        x_label=axis.label,
        y_label=session.quote,
    )


def fills_chart(record: Record, height: int = 104) -> Chart | None:
    """Every fill on its price and time, one strip for each venue under one price scale; None without fills."""
    if not record.fills:
        return None
    session, axis = record.session, time_axis(record)
    dense = len(record.fills) > SMALL_MARKS_FROM
    height = height * 3 // 2 if dense else height
    names = figures.venues(record)
    mids = {name: figures.mid_points(record, name) for name in names}
    prices = [float(f.price) for f in record.fills] + [float(m) for points in mids.values() for _, m in points]
    y, y_ticks = _value_axis(*widened(min(prices), max(prices), 0.08), height)
    plots = []
    for name in names:
        own = [f for f in record.fills if f.venue == name]
        middle = downsample([(axis.at(t), y.at(float(m))) for t, m in mids[name]], COLUMNS, 0.0, WIDTH)
        plots.append(
            Plot(
                height,
                (),
                y_ticks,
                (Shape("mid", line_path(middle)),),
                marks=tuple(_side_marks(record, own, side, axis, y) for side in ("buy", "sell")),
                label=f"{text.venue_name(name)}: {len(own):,} {'fill' if len(own) == 1 else 'fills'}",
            )
        )
    plots[-1] = replace(plots[-1], x_ticks=axis.ticks)
    return Chart(
        key="fills",
        title="Fills on the price",
        subtitle=(
            f"Both legs, {session.quote} per {session.base}; the line is the venue's own mid when a pair was planned"
            + ("; marks that would hide each other are drawn once" if dense else "")
        ),
        description=f"{len(record.fills)} fills on {len(names)} venues between {min(prices)} and {max(prices)}.",
        plots=tuple(plots),
        x_label=axis.label,
        y_label=session.quote,
        legend=(("buy", "buy"), ("sell", "sell"), ("mid", "arrival mid")),
    )


def _side_marks(record: Record, fills: Sequence[FillFacts], side: str, axis: TimeAxis, y: Scale) -> Marks:
    own = [f for f in fills if f.side == side]
    points = [(axis.at(f.venue_time), y.at(float(f.price))) for f in own]
    titled = len(record.fills) <= TITLED_MARKS_MAX
    sequences = {p.pair_id: p.sequence for p in record.pairs} if titled else {}
    return Marks(
        f"{side}-small" if len(record.fills) > SMALL_MARKS_FROM else side,
        tuple(
            Mark(
                _percent(points[i][0]),
                number(points[i][1]),
                _fill_title(record, own[i], sequences.get(own[i].pair_id or "")) if titled else "",
            )
            for i in thin(points, MARKS_MAX // 6)
        ),
    )


def _fill_title(record: Record, fill: FillFacts, sequence: int | None) -> str:
    pair = "no pair" if sequence is None else f"pair {sequence}"
    quantity = f"{text.exact(fill.quantity)} {record.session.base}"
    return f"{pair}: {fill.side} {quantity} at {text.exact(fill.price)}, {text.clock(fill.venue_time)}"


def slippage_chart(record: Record, height: int = 170) -> Chart | None:
    """Slippage by pair in bps; None when no pair has one."""
    return _distribution_chart(
        figures.slippage_bps(record),
        key="slippage",
        title="Slippage",
        unit="bps",
        meaning="By pair, bps of volume paid against arrival mid",
        height=height,
    )


def skew_chart(record: Record, height: int = 170) -> Chart | None:
    """Leg skew by pair in milliseconds; None when no pair has one."""
    return _distribution_chart(
        figures.leg_skew_ms(record),
        key="skew",
        title="Leg skew",
        unit="ms",
        meaning="By pair, ms between both legs' first fills",
        height=height,
    )


def _distribution_chart(
    found: figures.Distribution, *, key: str, title: str, unit: str, meaning: str, height: int
) -> Chart | None:
    if found.p50 is None or found.p95 is None:
        return None
    low, high = widened(*(float(v) for v in _shown_range(found.values)))
    binned = histogram([float(v) for v in found.values], low, high)
    x = Scale(binned.edges[0], binned.edges[-1], WIDTH)
    y, y_ticks = _value_axis(0.0, max(1, *binned.counts) * 1.08, height, count=4, whole=True)
    x_values, x_step = ticks(x.low, x.high, 6)
    shapes = tuple(
        Shape(
            "bar", bar_path(x.at(left) + 1, x.at(right) - 1, y.at(count), height), _bin_title(left, right, count, unit)
        )
        for left, right, count in zip(binned.edges, binned.edges[1:], binned.counts, strict=False)
        if count
    )
    outside = binned.below + binned.above
    left_out = f"; {outside} outside the axis" if outside else ""
    return Chart(
        key=key,
        title=title,
        subtitle=f"{meaning}; p50 {text.bps(found.p50)}, p95 {text.bps(found.p95)}{left_out}",
        description=f"{len(found.values)} pairs: p50 {found.p50:.2f} {unit}, p95 {found.p95:.2f} {unit}.",
        plots=(
            Plot(
                height,
                tuple(Tick(_percent(x.at(v)), tick_text(v, x_step), spare=i % 2 == 1) for i, v in enumerate(x_values)),
                y_ticks,
                shapes,
                rules=(
                    Rule(_percent(x.at(float(found.p50))), "p50", "end"),
                    Rule(_percent(x.at(float(found.p95))), "p95", "start"),
                ),
            ),
        ),
        x_label=unit,
        y_label="",
    )


def _bin_title(left: float, right: float, count: int, unit: str) -> str:
    step = right - left
    return f"{tick_text(left, step)} to {tick_text(right, step)} {unit}: {count}"


def _shown_range(values: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """The range of the axis: all values, or for many the middle 99 %, so that one outlier does not flatten the rest."""
    if len(values) < _TRIM_FROM:
        return values[0], values[-1]
    return quantile(values, Decimal("0.005")), quantile(values, Decimal("0.995"))


def pnl_chart(record: Record, row: int = 46) -> Chart:
    """How price PnL, fees and funding add up to the net result, step by step."""
    parts = figures.split(record)
    steps = (("Price PnL", parts.price_pnl), ("Fees", -parts.fees), ("Funding", parts.funding))
    edges: list[tuple[Decimal, Decimal]] = []
    done = Decimal(0)
    for _, change in steps:
        edges.append((done, done + change))
        done += change
    edges.append((Decimal(0), parts.net))
    corners = [float(edge) for pair in edges for edge in pair]
    x_low, x_high = widened(min(corners), max(corners), 0.02)
    x = Scale(x_low, x_high, WIDTH)
    rows = [*steps, ("Net PnL", parts.net)]
    places = 4 if max(map(abs, corners)) < 1_000 else 2
    values, step = ticks(x_low, x_high, 5)
    shapes = [_pnl_bar(x, edges[i], i, row, name) for i, (name, _) in enumerate(rows)]
    links = "".join(
        f"M{number(x.at(float(edges[i][1])))} {i * row + row - 11}v22" for i in range(len(rows) - 1)
    )  # fmt: skip
    return Chart(
        key="pnl",
        title="PnL split",
        subtitle=f"How the net result comes about, {record.session.quote}; what is paid is negative",
        description="; ".join(f"{name} {text.signed(value)}" for name, value in rows),
        plots=(
            Plot(
                row * len(rows),
                tuple(Tick(_percent(x.at(v)), tick_text(v, step), spare=i % 2 == 1) for i, v in enumerate(values)),
                tuple(Tick(str(i * row + row // 2), name) for i, (name, _) in enumerate(rows)),
                (
                    *shapes,
                    Shape("link", links),
                    Shape("zero", line_path([(x.at(0.0), 0), (x.at(0.0), row * len(rows))])),
                ),
                notes=tuple(
                    Note("100%", str(i * row + row // 2), text.signed(value, places), "start", "value", 8)
                    for i, (_, value) in enumerate(rows)
                ),
                gridded=False,
            ),
        ),
        x_label=record.session.quote,
        y_label="",
    )


def _pnl_bar(x: Scale, edge: tuple[Decimal, Decimal], index: int, row: int, name: str) -> Shape:
    start, end = x.at(float(edge[0])), x.at(float(edge[1]))
    side = "net" if name == "Net PnL" else "gain" if edge[1] >= edge[0] else "cost"
    # A result too small for one unit is still a hairline, not nothing.
    if start != end and abs(start - end) < 1.5:
        end = start + (1.5 if end > start else -1.5)
    return Shape(f"bar {side}", bar_path(start, end, index * row + 11, index * row + row - 11), name)


def _value_axis(
    low: float, high: float, height: int, *, count: int = 5, whole: bool = False
) -> tuple[Scale, tuple[Tick, ...]]:
    scale = Scale(low, high, height, flipped=True)
    values, step = ticks(low, high, count, whole=whole)
    return scale, tuple(Tick(number(scale.at(v)), tick_text(v, step)) for v in values)


def _percent(units: float) -> str:
    """Write units of the box as percent of its width, two decimals."""
    number(units)
    shown = f"{units / WIDTH * 100:.2f}".rstrip("0").rstrip(".")
    return f"{'0' if shown == '-0' else shown}%"
