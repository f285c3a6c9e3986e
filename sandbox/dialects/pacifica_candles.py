"""Pacifica's candles, by REST and stream: short keys, millisecond times.

Duty: the venue's words of intervals and the rows. Must not keep anything.
Source: docs.pacifica.fi, REST API: Get candle data, Get mark price candle data; WebSocket: Candle.
Spans without a trade have no row; mark candles have no volume; a call covers at most 4000 intervals.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.candles import DAY_US, HOUR_US, MINUTE_US, MONTH_US, WEEK_US, Candle
from sandbox.dialects.pacifica_errors import ApiError
from sandbox.dialects.pacifica_rows import ms, plain

SPAN_MAX = 4000
INTERVALS: Mapping[str, int] = {
    **{f"{n}m": n * MINUTE_US for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_US for n in (1, 2, 4, 8, 12)},
    "1d": DAY_US,
    "1w": WEEK_US,
    "1M": MONTH_US,
}


def interval_us(word: object) -> int:
    """Length of an interval by its word; 400 for others."""
    if not isinstance(word, str) or word not in INTERVALS:
        raise ApiError(400, f"Invalid interval: {word}")
    return INTERVALS[word]


def check_span(start_ms: int, end_ms: int, length_us: int) -> None:
    """Refuse a call that covers more intervals than the venue answers."""
    if (end_ms - start_ms) * 1000 > SPAN_MAX * length_us:
        raise ApiError(400, f"Too many candles requested: at most {SPAN_MAX}")


def candle_row(symbol: str, interval: str, candle: Candle, *, is_mark: bool) -> dict[str, object]:
    """Row of /kline and payload of the candle channel."""
    return {
        "t": ms(candle.begin_us),
        "T": ms(candle.end_us),
        "s": symbol,
        "i": interval,
        "o": plain(candle.open),
        "c": plain(candle.close),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "v": "0" if is_mark else plain(candle.quantity),
        "n": 0 if is_mark else candle.trades,
    }
