"""Mutations of what a venue said: hostile values in a tree, cuts and noise in a text, extremes in a binary frame.

Pure and seeded: the same random numbers make the same frame.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable
from typing import Any

TEXTS = (
    "", " ", "NaN", "nan", "Infinity", "-Infinity", "sNaN", "1e999", "1e-999", "-1", "0", "-0", "0.0", "1" * 5000,
    "9" * 41, "0." + "0" * 60 + "1", "1_000", "١٢٣", "0x10", "null", "true", "\x00", "\ud800", "x" * 3000,
    "ETH", "BUY", "../../etc", "2026-13-45T99:99:99", "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+14:00",
    "1e40", "1e41", "1e-40", "12345678901234567890123456789012345678901",
)  # fmt: skip
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1E400",
    "-0",
    "-0.0",
    "0e0",
    "1e-999",
    "9" * 400,
    "1." + "9" * 400,
)
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 253_402_300_799_999,
    253_402_300_800_000, 32_503_680_000_000, 1.5, -0.5, 1e308, [], {}, [None], [[]], {"": None},
)  # fmt: skip
DEPTHS = (5, 100, 1_000, 20_000)
WORDS_64 = (0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_MARK = "\u0001raw%d\u0001"

Tree = Any
Spot = tuple[Any, Any]


def mutated(good: str | bytes, rng: random.Random) -> str | bytes:
    """Return what was said with one to three things wrong; binary frames stay bytes, text stays text."""
    if isinstance(good, bytes):
        return _binary(good, rng)
    if rng.random() < 0.25:
        return _text(good, rng)
    try:
        tree = json.loads(good)
    except ValueError:
        return _text(good, rng)
    raws: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _tree(tree, rng, raws)
    text = json.dumps(tree)
    for number, raw in enumerate(raws):
        text = text.replace(json.dumps(_MARK % number), raw)
    return text


def _tree(tree: Tree, rng: random.Random, raws: list[str]) -> Tree:
    spots = list(_spots(tree))
    if not spots:
        return _hostile(rng, raws)
    holder, key = rng.choice(spots)
    match rng.randrange(9):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, holder[key])
        case 2:
            other, elsewhere = rng.choice(spots)
            holder[key] = json.loads(json.dumps(other[elsewhere]))
        case 3 if isinstance(holder[key], str | int) and not isinstance(holder[key], bool):
            holder[key] = _near(holder[key], rng)
        case 4 if isinstance(holder, dict):
            raws.append(f"{json.dumps(_hostile(rng, raws))}, {json.dumps(str(key))}: {json.dumps(holder[key])}")
            holder[key] = _MARK % (len(raws) - 1)  # the key stands there twice
        case _:
            holder[key] = _hostile(rng, raws)
    return tree


def _spots(tree: Tree) -> list[Spot]:
    """Every place in a tree, as (holder, key); the depth of venue answers is small."""
    found: list[Spot] = []
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, value in pairs:
            found.append((one, key))
            waiting.append(value)
    return found


def _hostile(rng: random.Random, raws: list[str]) -> Tree:
    match rng.randrange(4):
        case 0:
            return rng.choice(TEXTS)
        case 1:
            raws.append(rng.choice(RAW))
            return _MARK % (len(raws) - 1)
        case 2 if rng.random() < 0.1:
            depth = rng.choice(DEPTHS)
            raws.append("[" * depth + "]" * depth if rng.random() < 0.5 else '{"a":' * depth + "1" + "}" * depth)
            return _MARK % (len(raws) - 1)
        case _:
            return copy.deepcopy(rng.choice(SCALARS))


def _near(value: str | int, rng: random.Random) -> Tree:
    """Something a careless venue could say instead: another sign, case, type, or a number beside it."""
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, str(value), value * 1000, value // 1000, float(value)))
    return rng.choice((value.upper(), value.lower(), f"-{value}", f"{value}0", value[:-1], f" {value}", [value]))


def _text(good: str, rng: random.Random) -> str:
    at, to = sorted((rng.randrange(len(good) + 1), rng.randrange(len(good) + 1)))
    ways: tuple[Callable[[], str], ...] = (
        lambda: good[:at],
        lambda: good[:at] + good[to:],
        lambda: good[:to] + good[at:],
        lambda: good[:at] + chr(rng.randrange(0x250)) + good[at + 1 :],
        lambda: good + rng.choice(("", " ", "\n", "}", "x", good)),
        lambda: "[" * rng.choice(DEPTHS),
        lambda: rng.choice(("", "null", "7", '"text"', "[]", "{}", "<html>", "\ufeff" + good, "true")),
    )
    return rng.choice(ways)()


def _binary(good: bytes, rng: random.Random) -> bytes:
    frame = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if len(frame) < 10:
            break
        at = rng.randrange(len(frame))
        match rng.randrange(6):
            case 0:
                frame[at] ^= 1 << rng.randrange(8)
            case 1:
                frame[at:] = b""
            case 2:
                frame[at:at] = rng.randbytes(rng.randrange(1, 20))
            case 3:
                start = rng.randrange(0, max(1, len(frame) - 8))
                frame[start : start + 8] = struct.pack("<Q", rng.choice(WORDS_64))
            case 4:
                struct.pack_into(
                    "<H", frame, rng.choice((0, 2, 4, 6)), rng.choice((0, 1, 2, 3, 4, 5, 20, 23, 2**16 - 1))
                )
            case _:
                frame[at] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF))
    return bytes(frame)
