"""Public facts of Backpack beyond book and mark, by REST: statistics, trades, candles, funding history, status.

A cache in front of the venue may be seconds old: trades 5 s, tickers 30 s, candles 60 s. It keeps nothing and asks for
no more than it was asked. (docs.backpack.exchange, Markets, Trades, System)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from connectors.backpack import parse_market, wire
from connectors.backpack.pages import all_pages
from connectors.backpack.rest import BackpackRest
from core.instrument import Market
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics, SystemStatus

TRADES_MAX = 1000
CANDLES_A_REQUEST = 1000
FUNDING_ROWS = 1000
SECOND = timedelta(seconds=1)


class BackpackMarketData:
    """Reads of one client's markets (see VenueMarketData)."""

    def __init__(self, rest: BackpackRest, market: Callable[[str], Market]) -> None:
        """`market` gives a market by symbol and raises VenueRejected for one that is not listed."""
        self._rest = rest
        self._market = market

    async def statistics(self, symbol: str) -> Statistics:
        """Read 24 h volume, change and open interest; two requests."""
        market = self._market(symbol)
        ticker = await self._rest.read("/api/v1/ticker", {"symbol": market.venue_symbol})
        interest = await self._rest.read("/api/v1/openInterest", {"symbol": market.venue_symbol})
        return parse_market.parse_statistics(ticker.body, interest.body, market, interest.received_at)

    async def trades(self, symbol: str, limit: int = 100) -> Sequence[PublicTrade]:
        """Read the newest trades, oldest first, at most 1000."""
        market = self._market(symbol)
        params = {"symbol": market.venue_symbol, "limit": str(min(max(limit, 1), TRADES_MAX))}
        answer = await self._rest.read("/api/v1/trades", params)
        return tuple(parse_market.parse_trades(answer.body, symbol, answer.received_at))

    async def candles(
        self, symbol: str, interval: CandleInterval, since: datetime, until: datetime
    ) -> Sequence[Candle]:
        """Read candles that start in [since, until), oldest first; 30 such requests a minute are allowed."""
        length, found = timedelta(seconds=interval.seconds), {}
        begin = since
        while begin < until:
            end = min(until, begin + CANDLES_A_REQUEST * length)
            for candle in await self._candles(symbol, interval, begin, end):
                if since <= candle.start < until:
                    found[candle.start] = candle
            begin = end
        return tuple(found[start] for start in sorted(found))

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[PastFunding]:
        """Read settled funding rates since a time (inclusive), oldest first; the interval in progress is left out."""
        market, found = self._market(symbol), {}

        async def page(offset: int) -> tuple[int, int]:
            params = {"symbol": market.venue_symbol, "limit": str(FUNDING_ROWS), "offset": str(offset)}
            answer = await self._rest.read("/api/v1/fundingRates", params)
            rows = parse_market.parse_funding_rows(answer.body)
            in_progress = offset == 0 and bool(rows) and rows[0].interval_end_timestamp > self._now(answer.received_at)
            for row in rows[1:] if in_progress else rows:
                found[row.interval_end_timestamp] = parse_market.past_funding_of(row, market, answer.received_at)
            is_last = len(rows) < FUNDING_ROWS or rows[-1].interval_end_timestamp < since
            return len(rows), 0 if is_last else FUNDING_ROWS

        await all_pages(page, "funding rates")
        return tuple(found[at] for at in sorted(found) if at >= since)

    async def system_status(self) -> SystemStatus:
        """Read the venue's own state: Ok or Maintenance."""
        answer = await self._rest.read("/api/v1/status")
        return parse_market.parse_status(answer.body, answer.received_at)

    async def _candles(self, symbol: str, interval: CandleInterval, begin: datetime, end: datetime) -> list[Candle]:
        params = {
            "symbol": self._market(symbol).venue_symbol,
            "interval": interval.value,
            "startTime": str((begin - wire.EPOCH) // SECOND),
            "endTime": str((end - wire.EPOCH) // SECOND),
        }
        answer = await self._rest.read("/api/v1/klines", params)
        return parse_market.parse_candles(
            answer.body, symbol, interval, now=self._now(answer.received_at), received_time=answer.received_at
        )

    def _now(self, ours: datetime) -> datetime:
        """The venue's time at a moment of ours."""
        offset = self._rest.clock_offset
        return ours if offset is None else offset.venue_time(ours)
