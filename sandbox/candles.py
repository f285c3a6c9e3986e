"""Candles of one market: every price of the tape, gathered in minutes (and the newest in seconds).

Duty: remember bars and merge them into longer ones. A bar begins at a multiple of its length since the epoch;
weeks begin on Monday and months on the first, UTC. Must not know how a venue spells intervals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from sandbox.model import ZERO

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
MONTH_US = 30 * DAY_US  # stands for a calendar month
MONDAY_US = 4 * DAY_US  # 1970-01-05, the first Monday of the epoch
MINUTES_KEPT = 7 * 24 * 60
SECONDS_KEPT = 3_600


class CandlePrice(StrEnum):
    """Which price a candle is made of. Only LAST has quantities."""

    LAST = "LAST"
    MARK = "MARK"
    INDEX = "INDEX"


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices of one span of time. `end_us` is the first microsecond after it."""

    begin_us: int
    end_us: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    quantity: Decimal  # base units
    notional: Decimal  # quote units
    trades: int

    def merged(self, later: Candle) -> Candle:
        """This candle with a later one of the same longer span in it."""
        return Candle(
            begin_us=self.begin_us,
            end_us=self.end_us,
            open=self.open,
            high=max(self.high, later.high),
            low=min(self.low, later.low),
            close=later.close,
            quantity=self.quantity + later.quantity,
            notional=self.notional + later.notional,
            trades=self.trades + later.trades,
        )


@dataclass(slots=True)
class _Bar:
    """A bar that still grows."""

    begin_us: int
    end_us: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    trades: int = 0

    def add(self, price: Decimal, quantity: Decimal, trades: int) -> None:
        """Take one more price in."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        if trades:
            self.quantity += quantity
            self.notional += price * quantity
            self.trades += trades


class CandleTape:
    """Bars of one price of one market, bounded: a week of minutes and, if asked for, an hour of seconds."""

    def __init__(self, *, with_seconds: bool = False) -> None:
        self._minutes: deque[_Bar] = deque(maxlen=MINUTES_KEPT)
        self._seconds: deque[_Bar] = deque(maxlen=SECONDS_KEPT)
        self._lengths = [(self._minutes, MINUTE_US)] + ([(self._seconds, SECOND_US)] if with_seconds else [])

    def note(self, time_us: int, price: Decimal, quantity: Decimal = ZERO, trades: int = 0) -> None:
        """Add one price; times never go back."""
        for bars, length in self._lengths:
            if not bars or time_us >= bars[-1].end_us:
                begin = time_us - time_us % length
                bars.append(_Bar(begin, begin + length, price, price, price, price))
            bars[-1].add(price, quantity, trades)

    def candles(self, interval_us: int, since_us: int = 0, until_us: int | None = None) -> list[Candle]:
        """Candles that begin from `since_us` to `until_us` inclusive, oldest first; no price, no candle."""
        bars = self._seconds if interval_us < MINUTE_US else self._minutes
        wanted = _newest(bars, span(since_us, interval_us)[0])
        whole = _merge(wanted, interval_us)
        return [c for c in whole if c.begin_us >= since_us and (until_us is None or c.begin_us <= until_us)]

    def newest(self, interval_us: int) -> Candle | None:
        """The running (or last) candle; None before the first price."""
        bars = self._seconds if interval_us < MINUTE_US else self._minutes
        if not bars:
            return None
        return self.candles(interval_us, span(bars[-1].begin_us, interval_us)[0])[-1]

    def minutes(self, since_us: int) -> list[Candle]:
        """Minute bars that begin at or after `since_us`, oldest first."""
        return _newest(self._minutes, since_us)


def span(time_us: int, interval_us: int) -> tuple[int, int]:
    """First microsecond of the span that holds a time, and of the next one."""
    if interval_us == MONTH_US:
        at = datetime.fromtimestamp(time_us // SECOND_US, UTC)
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        then = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        return int(first.timestamp()) * SECOND_US, int(then.timestamp()) * SECOND_US
    offset = MONDAY_US if interval_us == WEEK_US else 0
    begin = time_us - (time_us - offset) % interval_us
    return begin, begin + interval_us


def filled(candles: Iterable[Candle]) -> Iterator[Candle]:
    """The same candles with flat ones (the close before, nothing traded) where a span has no price."""
    before: Candle | None = None
    for candle in candles:
        while before is not None and before.end_us < candle.begin_us:
            begin, end = before.end_us, span(before.end_us, before.end_us - before.begin_us)[1]
            close = before.close
            before = Candle(begin, end, close, close, close, close, ZERO, ZERO, 0)
            yield before
        before = candle
        yield candle


def _newest(bars: deque[_Bar], since_us: int) -> list[Candle]:
    """Copies of the bars from `since_us` on; walks back from the newest, so that short reads stay cheap."""
    found = []
    for bar in reversed(bars):
        if bar.begin_us < since_us:
            break
        found.append(_candle(bar, bar.begin_us, bar.end_us))
    return found[::-1]


def _merge(bars: Iterable[Candle], interval_us: int) -> list[Candle]:
    merged: list[Candle] = []
    for bar in bars:
        if merged and bar.begin_us < merged[-1].end_us:
            merged[-1] = merged[-1].merged(bar)
            continue
        begin, end = span(bar.begin_us, interval_us)
        merged.append(_candle(bar, begin, end))
    return merged


def _candle(bar: _Bar | Candle, begin_us: int, end_us: int) -> Candle:
    return Candle(begin_us, end_us, bar.open, bar.high, bar.low, bar.close, bar.quantity, bar.notional, bar.trades)
