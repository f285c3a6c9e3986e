"""Public facts of Paradex by REST beyond book and mark (see VenueMarketData).

docs.paradex.trade, API reference: Trades, Markets (summary, klines), Funding data, System state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.paradex import build, parse_market
from connectors.paradex.rest import ParadexRest
from connectors.paradex.wire import SummaryRow, shaped
from connectors.paradex.wire_market import Candles, FundingRow, SystemState, TradeRow
from connectors.settings import Outside
from core.errors import VenueUnavailable
from core.instrument import Market, Venue
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics, SystemStatus

TRADES_MAX = 1000
CANDLES_A_REQUEST = 500
FUNDING_ROWS_A_PAGE = 5000


class ParadexMarketData:
    """Reads that need no account."""

    def __init__(self, rest: ParadexRest, listing: Callable[[], build.Listing], outside: Outside) -> None:
        self._rest = rest
        self._listing = listing
        self._outside = outside

    async def summary(self, market: Market) -> SummaryRow:
        """Read the market's summary row; VenueUnavailable when the venue has none now."""
        rows = await self._rest.results("/v1/markets/summary", "summary", {"market": market.venue_symbol}, public=True)
        for row in (shaped(SummaryRow, raw, "summary") for raw in rows):
            if row.symbol == market.venue_symbol:
                return row
        raise VenueUnavailable(f"paradex: there is no summary of {market.venue_symbol}", venue=str(Venue.PARADEX))

    async def statistics(self, symbol: str) -> Statistics:
        """Read turnover in USD, change and open interest."""
        row = await self.summary(self._listing().market(symbol))
        return parse_market.statistics(row, symbol, self._outside.clock())

    async def trades(self, symbol: str, limit: int = 100) -> Sequence[PublicTrade]:
        """Read the newest trades, oldest first; at most 1,000, which is one page."""
        market = self._listing().market(symbol)
        params = {"market": market.venue_symbol, "page_size": str(min(max(limit, 1), TRADES_MAX))}
        raws = await self._rest.results("/v1/trades", "trades", params, public=True)
        received = self._outside.clock()
        rows = (shaped(TradeRow, raw, "trade") for raw in raws)
        read = {row.id: parse_market.trade(row, symbol, received) for row in rows if row.market == market.venue_symbol}
        return tuple(sorted(read.values(), key=lambda trade: trade.venue_time)[-limit:]) if limit > 0 else ()

    async def candles(
        self, symbol: str, interval: CandleInterval, since: datetime, until: datetime
    ) -> Sequence[Candle]:
        """Read candles of last prices that start in [since, until), 500 a request; those without a trade are left out.

        Whatever a later candle follows is closed, whatever the clocks say.
        """
        market = self._listing().market(symbol)
        span = timedelta(seconds=interval.seconds) * CANDLES_A_REQUEST
        found: dict[datetime, Candle] = {}
        begin = since
        while begin < until:
            end = min(begin + span, until)
            for candle in await self._candles(market, interval, begin, end):
                if since <= candle.start < until and candle.volume > 0:
                    found[candle.start] = candle
            begin = end
        ordered = [found[start] for start in sorted(found)]
        return (*(replace(candle, is_closed=True) for candle in ordered[:-1]), *ordered[-1:])

    async def _candles(
        self, market: Market, interval: CandleInterval, begin: datetime, end: datetime
    ) -> Sequence[Candle]:
        params = {
            "symbol": market.venue_symbol,
            "resolution": str(interval.seconds // 60),
            "start_at": str(build.millis(begin)),
            "end_at": str(build.millis(end)),
            "price_kind": "last",
        }
        body = await self._rest.fetch(Candles, "/v1/markets/klines", "candles", params, public=True)
        received, venue_now = self._outside.clock(), self._rest.venue_now()
        return [
            parse_market.candle(cells, market.symbol, interval, venue_now=venue_now, received=received)
            for cells in body.results
        ]

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[PastFunding]:
        """Read samples of the running rate with the funding index since a time, oldest first, all pages.

        The venue keeps one a second: ask for minutes or hours. What was paid over a span is the index's difference,
        never a sum of these rates.
        """
        market = self._listing().market(symbol)
        params = {"market": market.venue_symbol, "start_at": str(build.millis(since))}
        raws = await self._rest.all_pages(
            "/v1/funding/data", "funding history", params, public=True, page_size=FUNDING_ROWS_A_PAGE
        )
        received = self._outside.clock()
        rows = (shaped(FundingRow, raw, "funding row") for raw in raws)
        read = (parse_market.past_funding(row, market, received) for row in rows if row.market == market.venue_symbol)
        once = {row.at: row for row in read if row.at >= since}
        return tuple(once[at] for at in sorted(once))

    async def system_status(self) -> SystemStatus:
        """Read whether the venue is open, takes post-only orders, cancels only, or is closed."""
        body = await self._rest.fetch(SystemState, "/v1/system/state", "system state", public=True)
        return parse_market.system_status(body, self._outside.clock())
