"""Geometry of charts: ticks, downsampling, bins and SVG path texts from plain numbers. Knows no session and no markup.

Floats live here and in `charts` only: what is drawn is a picture, the figures beside it stay decimal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

Point = tuple[float, float]

_TIME_STEPS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
)  # fmt: skip
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear way from values in [low, high] to units in [0, size]; low is never equal to high."""

    low: float
    high: float
    size: float
    flipped: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies; a flipped scale grows downwards, as SVG's y does."""
        share = (value - self.low) / (self.high - self.low)
        return self.size * (1 - share if self.flipped else share)


@dataclass(frozen=True, slots=True)
class Bins:
    """A histogram: edges are one more than counts; below and above count what lies outside the edges."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0


def quantile(ordered: Sequence[Decimal], q: Decimal) -> Decimal:
    """Return the q-quantile (0..1) of ascending values, linear between neighbours; raises ValueError when empty."""
    if not ordered:
        raise ValueError("there is no quantile of nothing")
    position = (len(ordered) - 1) * q
    index = int(position)
    if index + 1 >= len(ordered):
        return ordered[-1]
    return ordered[index] + (ordered[index + 1] - ordered[index]) * (position - index)


def widened(low: float, high: float, pad: float = 0.0) -> tuple[float, float]:
    """Return a range that has a width: padded by a share of itself, or opened around its one value.

    A width below a billionth of the values counts as none: labels could not tell its ends apart.
    """
    size = max(abs(low), abs(high))
    if high - low > size * 1e-9:
        return low - (high - low) * pad, high + (high - low) * pad
    half = size * 1e-3 or 1.0
    return low - half, high + half


def nice_step(span: float, count: int) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that divides a span into at most `count` steps."""
    if span <= 0 or not math.isfinite(span):
        raise ValueError(f"a span must be positive and finite, got {span}")
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(m * power for m in (1, 2, 5, 10, 20) if span / (m * power) <= count * (1 + 1e-9))


def ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> tuple[list[float], float]:
    """Return round values within [low, high] and their step; `whole` keeps the step at 1 or more."""
    step = nice_step(high - low, count)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)], step


def tick_text(value: float, step: float) -> str:
    """Write a tick with the decimals its step needs and a true minus sign: (-1500, 500) -> '−1,500'; millions as M."""
    if step >= 100_000:
        return f"{tick_text(value / 1e6, step / 1e6)}M" if value else "0"
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{abs(value):,.{places}f}"
    return f"−{text}" if value < 0 and any(c not in "0.," for c in text) else text


def time_ticks(start: datetime, end: datetime, count: int = 8) -> list[tuple[datetime, str]]:
    """Return round UTC moments within [start, end] with their labels; the finest needed unit, no more."""
    span_s = (end - start).total_seconds()
    step_s = next((s for s in _TIME_STEPS_S if span_s / s <= count), _TIME_STEPS_S[-1])
    step = timedelta(seconds=step_s)
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    moment = origin + -((origin - start) // step) * step
    found: list[tuple[datetime, str]] = []
    while moment <= end and len(found) < 100:
        found.append((moment, time_text(moment, step_s)))
        moment += step
    return found


def time_text(moment: datetime, step_s: float) -> str:
    """Write a moment as finely as a step of that many seconds asks for; midnight shows its date."""
    if step_s >= _DAY_S or (step_s >= 60 and (moment.hour, moment.minute) == (0, 0)):
        return f"{moment.day} {moment:%b}"
    if step_s >= 60:
        return f"{moment:%H:%M}"
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".") if step_s < 1 else ""
    return f"{moment:%H:%M:%S}{fraction}"


def downsample(points: Sequence[Point], columns: int, low: float, high: float) -> list[Point]:
    """Keep the first, lowest, highest and last point of each of `columns` equal columns of [low, high].

    points in order of x. What is drawn from the rest is the same picture at that width: no spike is lost.
    """
    if len(points) <= 4 * columns:
        return list(points)
    kept: list[Point] = []
    column: list[Point] = []
    number = -1
    for point in points:
        its = min(columns - 1, max(0, int((point[0] - low) / (high - low) * columns)))
        if its != number and column:
            kept += _extremes(column)
            column = []
        number = its
        column.append(point)
    return kept + (_extremes(column) if column else [])


def _extremes(column: Sequence[Point]) -> list[Point]:
    indexes = range(len(column))
    lowest = min(indexes, key=lambda i: column[i][1])
    highest = max(indexes, key=lambda i: column[i][1])
    return [column[i] for i in sorted({0, lowest, highest, len(column) - 1})]


def thin(points: Iterable[Point], limit: int, cell: tuple[float, float] = (4.0, 3.0)) -> list[int]:
    """Return the indexes of points that look different: one for each cell of the picture, cells growing to `limit`."""
    drawn = list(points)
    width, height = cell
    while True:
        seen: dict[tuple[int, int], int] = {}
        for index, (x, y) in enumerate(drawn):
            seen.setdefault((int(x // width), int(y // height)), index)
        if len(seen) <= limit:
            return list(seen.values())
        width, height = width * 1.5, height * 1.5


def histogram(values: Sequence[float], low: float, high: float, count: int = 24) -> Bins:
    """Count values in bins of one round width over [low, high]; the last bin includes its upper edge."""
    step = nice_step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    edges = tuple(index * step for index in range(first, last + 1))
    counts = [0] * (last - first)
    below = above = 0
    for value in values:
        index = math.floor(value / step + 1e-9) - first
        if index == len(counts) and value <= edges[-1] + step * 1e-9:
            index -= 1
        if index < 0:
            below += 1
        elif index >= len(counts):
            above += 1
        else:
            counts[index] += 1
    return Bins(edges, tuple(counts), below, above)


def number(value: float) -> str:
    """Write a coordinate with at most one decimal; raises ValueError for what cannot be drawn."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be drawn")
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def line_path(points: Sequence[Point]) -> str:
    """Return a path through points; empty for none."""
    return "".join(f"{'L' if i else 'M'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))


def step_path(points: Sequence[Point], end: float) -> str:
    """Return a path that holds each value until the next point, and the last until x = `end`."""
    if not points:
        return ""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    x, y = (number(c) for c in points[0])
    for point in points[1:]:
        next_x, next_y = (number(c) for c in point)
        if next_x != x:
            parts.append(f"H{next_x}")
        if next_y != y:
            parts.append(f"V{next_y}")
        x, y = next_x, next_y
    if number(end) != x:
        parts.append(f"H{number(end)}")
    return "".join(parts)


def step_area(points: Sequence[Point], end: float, base: float) -> str:
    """Return the closed area between a step path and y = `base`."""
    if not points:
        return ""
    return f"{step_path(points, end)}V{number(base)}H{number(points[0][0])}Z"


def bar_path(left: float, right: float, top: float, bottom: float) -> str:
    """Return a rectangle; its corners may come in any order."""
    return f"M{number(left)} {number(top)}H{number(right)}V{number(bottom)}H{number(left)}Z"
