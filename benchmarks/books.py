"""Book frames per second for each venue, and whether disturbed frames ever yield a false book that is called proven.

    python -m benchmarks.books [--frames 500] [--slices 3] [--steps 800] [--seed 1]

Exits with 1 when a proven book differs from the true one.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import sys
import time

from benchmarks.book_check import FAULTS, Verdict, run
from benchmarks.book_receivers import BACKPACK, DIALECTS, PACIFICA, PARADEX, Dialect
from benchmarks.book_tape import record
from benchmarks.machine import machine, table


def main() -> int:
    """Measure, check, print both tables."""
    options = _options()
    logging.disable(logging.WARNING)  # each gap is logged by the feeds; here they are counted
    print(f"{machine()}; seed {options.seed}\n")
    print(f"Decode and apply, clean frames, 50 levels a side; median of {options.slices} slices of {options.frames}\n")
    heads = ("venue", "bytes/frame", "frames/s", "us/frame", "frames/s, book shown each frame", "us/frame")
    print(table(heads, [_speed(dialect, options) for dialect in (PACIFICA, PARADEX, BACKPACK)]))
    print(f"\nDisturbed frames, {options.steps} steps of the true book\n")
    heads = ("venue, frames", "delivered", "proven", "gaps", "resyncs", "back in time", "corrupt, undetected")
    verdicts = [
        (dialect, faults, run(dialect, faults, seed=options.seed, steps=options.steps))
        for dialect in DIALECTS
        for faults in FAULTS
    ]
    print(table(heads, [_row(dialect.name, faults.name, verdict) for dialect, faults, verdict in verdicts]))
    return 1 if any(verdict.corrupt for _, _, verdict in verdicts) else 0


def _speed(dialect: Dialect, options: argparse.Namespace) -> tuple[str, ...]:
    tape = record(options.seed, options.frames)
    texts = [packet.text for packet in dialect.packets(tape, random.Random(options.seed))]
    start = dialect.snapshot(tape, 0)
    plain = [_slice(dialect, start, texts, is_shown=False) for _ in range(options.slices)]
    shown = [_slice(dialect, start, texts, is_shown=True) for _ in range(options.slices)]
    size = f"{sum(map(len, texts)) / len(texts):,.0f}"
    figures = [figure for rates in (plain, shown) for figure in _figures(statistics.median(rates))]
    return dialect.name, size, *figures


def _slice(dialect: Dialect, start: str, texts: list[str], *, is_shown: bool) -> float:
    """Return frames per second of one pass over all frames."""
    receiver = dialect.receiver()
    if receiver.wants_snapshot:
        receiver.snapshot(start)
    began = time.perf_counter()
    for text in texts:
        receiver.take(text)
        if is_shown:
            receiver.book()
    took_s = time.perf_counter() - began
    assert receiver.book() is not None, "an undisturbed book must be proven at the end"
    return len(texts) / took_s


def _figures(rate: float) -> tuple[str, str]:
    return f"{rate:,.0f}", f"{1e6 / rate:,.0f}"


def _row(venue: str, faults: str, verdict: Verdict) -> tuple[str, ...]:
    counts = (verdict.frames, verdict.proven, verdict.gaps, verdict.resyncs, verdict.backward, verdict.corrupt)
    return f"{venue}, {faults}", *(f"{count:,}" for count in counts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=500, help="frames of one timed slice")
    parser.add_argument("--slices", type=int, default=3, help="timed slices of each kind")
    parser.add_argument("--steps", type=int, default=800, help="steps of the disturbed runs")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
