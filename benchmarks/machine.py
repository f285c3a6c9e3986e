"""What the figures were measured on, and how a table is written. No host names."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Name the processor, the number of cores and the Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table: words to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    rule = [("-" * width if column == 0 else "-" * (width - 1) + ":") for column, width in enumerate(widths)]
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(_cell(row, widths)) + " |" for row in lines)


def _cell(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.ljust(width) if n == 0 else text.rjust(width)
        for n, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
