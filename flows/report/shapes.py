"""What a chart is made of: ticks, paths, rules, notes and marks, ready for the template. Values only.

Horizontal places are percent of the plot's width, so that a chart fills any screen while its text keeps its size;
paths are in a box of 1000 units across and the plot's height in pixels down.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis: percent across, or pixels down. spare: left out where there is little room."""

    at: str
    label: str
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A path in the stretched box, its class, and what a pointer resting on it is told."""

    css: str
    d: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A labelled vertical line; anchor says on which side of it the label stands (start: right, end: left)."""

    at: str
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Note:
    """A text in the plot: percent across, pixels down, moved by dx pixels."""

    at: str
    y: str
    label: str
    anchor: str
    css: str = ""
    dx: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """One symbol: percent across, pixels down."""

    at: str
    y: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """Symbols of one kind; the class names the symbol."""

    css: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot area with its axes. zero: pixels down of the zero line, where there is one."""

    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    shapes: tuple[Shape, ...] = ()
    rules: tuple[Rule, ...] = ()
    notes: tuple[Note, ...] = ()
    marks: tuple[Marks, ...] = ()
    label: str = ""
    zero: str = ""
    gridded: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure: its title, what it measures (with units), a sentence for those who cannot see it, and its plots."""

    key: str
    title: str
    subtitle: str
    description: str
    plots: tuple[Plot, ...]
    x_label: str
    y_label: str
    legend: tuple[tuple[str, str], ...] = ()
