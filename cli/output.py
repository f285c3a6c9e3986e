"""What a command prints: JSON for programs, aligned columns for people. Imports nothing heavy; decides nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

import typer

COLOURS = {
    "completed": "green", "active": "cyan", "paused": "yellow", "failed": "red", "pending": "white",
    "ok": "green", "warn": "yellow", "fail": "red", "valid": "green", "revoked": "red",
    "low": "green", "medium": "yellow", "high": "red", "warning": "yellow", "critical": "red",
}  # fmt: skip


def emit(document: object) -> None:
    """Print a document as JSON."""
    typer.echo(json.dumps(document, indent=2, default=str, ensure_ascii=False))


def clean(text: object) -> str:
    """Return a text as it may stand in a terminal: no control characters, whoever wrote it."""
    return "".join(c if c.isprintable() else "·" for c in str(text))


def paint(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """Colour a text when standard output is a terminal that wants colours."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return typer.style(text, fg=colour, bold=bold)


def shortened(text: object, width: int) -> str:
    """Cut a text to a width, with an ellipsis where something is missing."""
    plain = clean(text)
    return plain if len(plain) <= width else plain[: width - 1] + "…"


def columns(titles: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> str:
    """Return rows under titles, each column as wide as it needs; `right` names the columns of numbers."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max([len(title), *(len(row[n]) for row in cells)]) for n, title in enumerate(titles)]
    to_right = [title in right for title in titles]

    def line(row: Sequence[str], *, bold: bool = False) -> str:
        padded = [
            text.rjust(width) if rightward else text.ljust(width)
            for text, width, rightward in zip(row, widths, to_right, strict=True)
        ]
        shown = [paint(p, COLOURS.get(text), bold=bold) for text, p in zip(row, padded, strict=True)]
        return "  ".join(shown).rstrip()

    return "\n".join([line(titles, bold=True), *(line(row) for row in cells)])


def facts(rows: Mapping[str, object]) -> str:
    """Return names and values below each other."""
    width = max((len(name) for name in rows), default=0)
    return "\n".join(f"{paint(name.ljust(width), bold=True)}  {clean(value)}" for name, value in rows.items())
