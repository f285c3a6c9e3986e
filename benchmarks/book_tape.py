"""A seeded order book that changes step by step, with the truth of every step. It knows no venue and no connector."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

LEVELS = 50
MID_TICKS = 30_000  # prices are whole ticks of 0.1
REPLACED, CROSSED = 0.15, 0.15  # how often a change removes a level, or moves the best price; the rest are new sizes

Pair = tuple[Decimal, Decimal]
Picture = tuple[tuple[Pair, ...], tuple[Pair, ...]]
Change = tuple[str, int, int]  # "bid" or "ask", price in ticks, size in hundredths (0 removes)


@dataclass(frozen=True, slots=True)
class Tape:
    """pictures[i] is the true book after step i (bids and asks, best first); changes[i] led there from step i - 1."""

    pictures: tuple[Picture, ...]
    changes: tuple[tuple[Change, ...], ...]


def price_text(ticks: int) -> str:
    """Write a price given in ticks."""
    return f"{ticks // 10}.{ticks % 10}"


def size_text(hundredths: int) -> str:
    """Write a size given in hundredths of a base unit, zero padded as venues pad it."""
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def record(seed: int, steps: int) -> Tape:
    """Make a tape: fifty levels a side at every step, never crossed, the same for the same seed."""
    rng = random.Random(seed)
    sides = {
        "bid": {MID_TICKS - n: rng.randint(1, 9999) for n in range(LEVELS)},
        "ask": {MID_TICKS + 1 + n: rng.randint(1, 9999) for n in range(LEVELS)},
    }
    pictures, changes = [_picture(sides)], [()]
    for _ in range(steps - 1):
        step: dict[tuple[str, int], int] = {}
        for _ in range(rng.randint(1, 4)):
            _change(sides, step, rng)
        changes.append(tuple((side, ticks, size) for (side, ticks), size in step.items()))
        pictures.append(_picture(sides))
    return Tape(tuple(pictures), tuple(changes))


def _change(sides: dict[str, dict[int, int]], step: dict[tuple[str, int], int], rng: random.Random) -> None:
    side = rng.choice(("bid", "ask"))
    levels, outward = sides[side], -1 if side == "bid" else 1
    best, worst = (max(levels), min(levels)) if side == "bid" else (min(levels), max(levels))
    kind = rng.random()
    if kind >= REPLACED + CROSSED:
        _put(sides, step, side, rng.choice(sorted(levels)), rng.randint(1, 9999))
        return
    gone = best if kind < CROSSED else rng.choice(sorted(levels))
    _put(sides, step, side, gone, 0)
    _put(sides, step, side, worst + outward, rng.randint(1, 9999))
    if kind < CROSSED:
        other = "ask" if side == "bid" else "bid"
        _put(sides, step, other, min(sides[other]) if other == "bid" else max(sides[other]), 0)
        _put(sides, step, other, gone, rng.randint(1, 9999))


def _put(sides: dict[str, dict[int, int]], step: dict[tuple[str, int], int], side: str, ticks: int, size: int) -> None:
    if size:
        sides[side][ticks] = size
    else:
        del sides[side][ticks]
    step[side, ticks] = size


def _picture(sides: dict[str, dict[int, int]]) -> Picture:
    bids, asks = sides["bid"], sides["ask"]
    return (
        tuple(_pair(ticks, bids[ticks]) for ticks in sorted(bids, reverse=True)),
        tuple(_pair(ticks, asks[ticks]) for ticks in sorted(asks)),
    )


def _pair(ticks: int, size: int) -> Pair:
    return Decimal(price_text(ticks)), Decimal(size_text(size))
