"""What a market did in the last 24 hours.

Duty: add up the tape's minutes. A twin that is younger than a day fills the missing part of the turnover with
the plausible figure it was started with, so that limits which look at a venue's volume have something to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sandbox.candles import DAY_US, MINUTE_US, Candle, CandleTape
from sandbox.model import ZERO


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """Last-price statistics of 24 hours up to now, to the minute."""

    open: Decimal  # price of 24 hours ago; of a younger twin: the price it started with
    high: Decimal
    low: Decimal
    close: Decimal
    quantity: Decimal  # base units
    notional: Decimal  # quote units
    trades: int

    @property
    def change(self) -> Decimal:
        """Close minus open, quote units."""
        return self.close - self.open

    @property
    def change_share(self) -> Decimal:
        """Change as a fraction of the open."""
        return self.change / self.open


class DayFigures:
    """Rolling sums over the minutes of one market's tape."""

    def __init__(self, tape: CandleTape, start_price: Decimal, start_turnover: Decimal, started_us: int) -> None:
        self._tape = tape
        self._price = start_price
        self._turnover = start_turnover
        self._started_us = started_us
        self._closed: tuple[int, Candle | None] = (-1, None)  # minute, everything of the day before it

    def statistics(self, now_us: int) -> DayStatistics:
        """Statistics of the 24 hours before `now_us`; the twin's own past share of the start figure shrinks."""
        seen = self._seen(now_us)
        missing = max(ZERO, 1 - Decimal(now_us - self._started_us) / DAY_US)
        notional = self._turnover * missing
        quantity = notional / self._price
        if seen is None:
            price = self._price
            return DayStatistics(price, price, price, price, quantity, notional, 0)
        first = self._price if missing else seen.open
        return DayStatistics(
            open=first,
            high=max(seen.high, first),
            low=min(seen.low, first),
            close=seen.close,
            quantity=seen.quantity + quantity,
            notional=seen.notional + notional,
            trades=seen.trades,
        )

    def _seen(self, now_us: int) -> Candle | None:
        """Everything of the last day in one candle; all but the running minute is added up once a minute."""
        minute = now_us // MINUTE_US * MINUTE_US
        if self._closed[0] != minute:
            closed = self._tape.minutes(minute - DAY_US + MINUTE_US)
            self._closed = minute, _sum([c for c in closed if c.begin_us < minute])
        running = self._tape.minutes(minute)
        return _sum([c for c in (self._closed[1], *running) if c is not None])


def _sum(candles: list[Candle]) -> Candle | None:
    whole: Candle | None = None
    for candle in candles:
        whole = candle if whole is None else whole.merged(candle)
    return whole
