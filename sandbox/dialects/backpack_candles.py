"""Candles of the Backpack twin: GET /api/v1/klines and the kline streams.

Duty: name the intervals and render the engine's candles. Times in queries are whole seconds; a span without a
trade is a row with null prices.

Source: docs.backpack.exchange, API reference "Get K-lines" (interval, startTime, endTime, priceType) and
"Streams", K-line; the text of `start` and `end` as recorded from the exchange ("2026-09-01 16:52:00", UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.candles import DAY_US, HOUR_US, MINUTE_US, MONTH_US, SECOND_US, WEEK_US, Candle, CandlePrice, span
from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_door import json_answer, query_members
from sandbox.dialects.backpack_numbers import trimmed
from sandbox.dialects.backpack_wire import Json
from sandbox.model import MarketSpec

INTERVALS: Mapping[str, int] = {
    "1s": SECOND_US,
    "1m": MINUTE_US,
    "3m": 3 * MINUTE_US,
    "5m": 5 * MINUTE_US,
    "15m": 15 * MINUTE_US,
    "30m": 30 * MINUTE_US,
    "1h": HOUR_US,
    "2h": 2 * HOUR_US,
    "4h": 4 * HOUR_US,
    "6h": 6 * HOUR_US,
    "8h": 8 * HOUR_US,
    "12h": 12 * HOUR_US,
    "1d": DAY_US,
    "3d": 3 * DAY_US,
    "1w": WEEK_US,
    "1month": MONTH_US,
}
PRICES: Mapping[str, CandlePrice] = {
    "Last": CandlePrice.LAST,
    "Index": CandlePrice.INDEX,
    "Mark": CandlePrice.MARK,
}
ROWS_MAX = 10_000  # a bound of the twin's own


class CandleRoutes:
    """The public candle endpoint."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def routes(self) -> list[Route]:
        """Return the routing table."""
        return [Route("/api/v1/klines", self.klines)]

    async def klines(self, request: Request) -> Response:
        """Answer the candles that begin in the span, oldest first, with rows for spans without a trade."""
        self._twin.spend_historical()
        members = query_members(self._twin, request)
        symbol, interval = members.text("symbol"), members.required_choice("interval", INTERVALS)
        by = PRICES[members.choice("priceType", PRICES) or "Last"]
        since_s, until_s = members.unsigned("startTime"), members.unsigned("endTime")
        if symbol is None or since_s is None:
            raise members.missing("symbol" if symbol is None else "startTime")
        if symbol not in self._twin.by_symbol:
            raise errors.bad_request("Invalid market symbol")
        until_us = self._twin.world.now_us() if until_s is None else until_s * SECOND_US
        return json_answer(self._rows(self._twin.spec(symbol), by, INTERVALS[interval], since_s * SECOND_US, until_us))

    def _rows(self, spec: MarketSpec, by: CandlePrice, length: int, since_us: int, until_us: int) -> list[Json]:
        exchange = self._twin.exchange
        last_us = min(until_us, self._twin.world.now_us())
        begin, end = span(since_us, length)
        if begin < since_us:
            begin, end = span(end, length)
        if (last_us - begin) // length > ROWS_MAX:
            raise errors.bad_request("Invalid time range")
        known = {
            candle.begin_us: candle
            for candle in exchange.candles(spec.instrument, length, by=by, since_us=begin, until_us=last_us)
        }
        rows = []
        while begin <= last_us:
            rows.append(candle_row(begin, end, known.get(begin)))
            begin, end = span(end, length)
        return rows


def candle_row(begin_us: int, end_us: int, candle: Candle | None) -> Json:
    """Return one row; prices are null when nothing was traded."""
    prices = ("open", "high", "low", "close")
    row: Json = dict.fromkeys(prices)
    row |= {"start": _text(begin_us), "end": _text(end_us), "volume": "0", "quoteVolume": "0", "trades": "0"}
    if candle is None:
        return row
    row |= {name: trimmed(getattr(candle, name)) for name in prices}
    return row | {
        "volume": trimmed(candle.quantity),
        "quoteVolume": trimmed(candle.notional),
        "trades": str(candle.trades),
    }


def candle_frame(spec: MarketSpec, candle: Candle, *, is_closed: bool, now_us: int) -> Json:
    """Return a kline payload: begin and end as ISO text, `X` tells whether the candle is closed."""
    return {
        "E": now_us,
        "T": _text(candle.end_us, "T"),
        "X": is_closed,
        "c": trimmed(candle.close),
        "e": "kline",
        "h": trimmed(candle.high),
        "l": trimmed(candle.low),
        "n": candle.trades,
        "o": trimmed(candle.open),
        "s": spec.symbol,
        "t": _text(candle.begin_us, "T"),
        "v": trimmed(candle.quantity),
    }


def _text(at_us: int, separator: str = " ") -> str:
    at = datetime.fromtimestamp(at_us // SECOND_US, UTC)
    return at.replace(tzinfo=None).isoformat(sep=separator, timespec="seconds")
