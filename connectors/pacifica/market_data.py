"""Pacifica's public facts by REST, beyond book and mark. It asks; parse_market.py understands.

Source: docs.pacifica.fi, REST API: Markets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.pacifica import build, parse, parse_market, reading, wire, wire_surface
from connectors.pacifica.rest import PacificaRest
from core.errors import NotOffered
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics, SystemStatus

# The venue answers about 4000 candles at once and fails beyond that.
CANDLES_MAX = 1000


class PacificaMarketData:
    """See connectors.surface.VenueMarketData for the contract; here stand only Pacifica's own traits."""

    def __init__(self, rest: PacificaRest) -> None:
        """Ask over one account's REST door."""
        self._rest = rest

    async def statistics(self, symbol: str) -> Statistics:
        """Read the market's row of the prices: volume in USD, open interest, yesterday's price; no high and low."""
        answer, received = await self._rest.read("/info/prices")
        row = parse.price_row(reading.rows(wire.PriceRow, answer), build.venue_symbol_of(symbol))
        return parse_market.statistics(row, received)

    async def trades(self, symbol: str, limit: int = 100) -> Sequence[PublicTrade]:
        """Read the newest trades, oldest first; the venue takes no limit and its rows carry no id."""
        answer, received = await self._rest.read("/trades", {"symbol": build.venue_symbol_of(symbol)})
        rows = reading.rows(wire_surface.PublicTradeRow, answer)
        if rows and rows[0].created_at > rows[-1].created_at:
            rows = rows[::-1]
        rows.sort(key=lambda row: row.created_at)
        return [parse_market.public_trade(symbol, row, received) for row in rows[max(len(rows) - limit, 0) :]]

    async def candles(
        self, symbol: str, interval: CandleInterval, since: datetime, until: datetime
    ) -> Sequence[Candle]:
        """Read candles by spans that the venue takes, each once; spans without a trade have none."""
        found: dict[datetime, Candle] = {}
        begin, step = since, timedelta(seconds=interval.seconds * CANDLES_MAX)
        while begin < until:
            end = min(begin + step, until)
            query = {
                "symbol": build.venue_symbol_of(symbol),
                "interval": interval.value,
                "start_time": str(build.millis_of(begin)),
                "end_time": str(build.millis_of(end)),
            }
            answer, received = await self._rest.read("/kline", query)
            for row in reading.rows(wire_surface.CandleRow, answer):
                candle = parse_market.candle(row, self._rest.venue_now, received)
                if since <= candle.start < until:
                    found[candle.start] = candle
            begin = end
        return parse_market.in_order(found.values())

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[PastFunding]:
        """Read the hourly settled rates since a time, oldest first."""
        query = {"symbol": build.venue_symbol_of(symbol), "limit": str(build.PAGE_ROWS)}
        path, model = "/funding_rate/history", wire_surface.FundingPointRow
        listed, received = await self._rest.pages(path, query, model, back_to=since)
        floor_ms = build.millis_of(since)
        points = {row.created_at: row for row in listed if row.created_at >= floor_ms}
        return [parse_market.past_funding(symbol, points[at], received) for at in sorted(points)]

    async def system_status(self) -> SystemStatus:
        """Raise NotOffered: no such endpoint is documented; a halt shows as a refusal of orders."""
        raise NotOffered("pacifica publishes no system status; a halt shows as refused orders", venue="pacifica")
