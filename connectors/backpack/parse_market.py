"""From Backpack's market answers and public events to core facts beyond book and mark. Pure; nothing is guessed.

(docs.backpack.exchange, Markets, Trades, System; Streams)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.backpack import wire, wire_market
from connectors.surface import Best
from core.instrument import Market, Venue
from core.market import FundingRate, Mark
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics, SystemStatus, VenueState
from core.order import Side

# docs.backpack.exchange, Status. Anything else is UNKNOWN, which takes no new risk.
STATES = {"Ok": VenueState.OPEN, "Maintenance": VenueState.MAINTENANCE}


def parse_statistics(ticker: bytes, interest: bytes, market: Market, received_time: datetime) -> Statistics:
    """Read the day's figures and the open interest of one market. Neither answer carries its time."""
    row = wire.read(wire_market.TickerRow, wire.read_json(ticker, "ticker"), "ticker")
    return Statistics(
        Venue.BACKPACK,
        market.symbol,
        row.quote_volume,
        row.volume,
        row.price_change_percent,
        row.high,
        row.low,
        _interest(interest, market),
        None,
        received_time,
    )


def parse_trades(body: bytes, symbol: str, received_time: datetime) -> list[PublicTrade]:
    """Read public trades and return them oldest first (the venue lists the newest first)."""
    rows = wire.read_rows(wire_market.TradeRow, wire.read_json(body, "trades"), "trades")
    found = [
        PublicTrade(
            Venue.BACKPACK,
            symbol,
            None if row.id is None else str(row.id),
            _aggressor(row.is_buyer_maker),
            row.price,
            row.quantity,
            row.timestamp,
            received_time,
        )
        for row in reversed(rows)
    ]
    return sorted(found, key=lambda trade: trade.venue_time)


def parse_candles(
    body: bytes, symbol: str, interval: CandleInterval, *, now: datetime, received_time: datetime
) -> list[Candle]:
    """Read candles, oldest first, without those that saw no trade.

    A candle is closed when its time is up by the venue's clock (now), or when the venue lists one after it.
    """
    rows = wire.read_rows(wire_market.CandleRow, wire.read_json(body, "candles"), "candles")
    length = timedelta(seconds=interval.seconds)
    newest = max((row.start for row in rows), default=now)
    found = []
    for row in rows:
        if row.open is None or row.high is None or row.low is None or row.close is None or row.trades == 0:
            continue
        end = row.start + length
        found.append(
            Candle(
                Venue.BACKPACK, symbol, interval, row.start, row.open, row.high, row.low, row.close, row.volume,
                end <= now or newest >= end, received_time,
            )
        )  # fmt: skip
    return sorted(found, key=lambda candle: candle.start)


def parse_funding_rows(body: bytes) -> list[wire_market.FundingRateRow]:
    """Read one page of a market's funding rates, newest first."""
    return wire.read_rows(wire_market.FundingRateRow, wire.read_json(body, "funding rates"), "funding rates")


def past_funding_of(row: wire_market.FundingRateRow, market: Market, received_time: datetime) -> PastFunding:
    """Turn one settled interval into a fact; a rate is for the market's own interval."""
    return PastFunding(
        Venue.BACKPACK,
        market.symbol,
        row.funding_rate,
        market.funding_interval_s,
        None,
        None,
        row.interval_end_timestamp,
        received_time,
    )


def parse_status(body: bytes, received_time: datetime) -> SystemStatus:
    """Read GET /api/v1/status. The state of a single market's book stands in the markets list."""
    row = wire.read(wire_market.StatusRow, wire.read_json(body, "status"), "status")
    text = f"{row.status}: {row.message}" if row.message else row.status
    return SystemStatus(Venue.BACKPACK, STATES.get(row.status, VenueState.UNKNOWN), text[:200], received_time)


def trade_of(event: wire_market.TradeEvent, symbol: str, received_time: datetime) -> PublicTrade:
    """Turn a trade event into a public trade."""
    return PublicTrade(
        Venue.BACKPACK,
        symbol,
        str(event.trade_id),
        _aggressor(event.is_buyer_maker),
        event.price,
        event.quantity,
        event.engine_time,
        received_time,
    )


def best_of(event: wire_market.BestEvent, symbol: str, received_time: datetime) -> Best | None:
    """Turn a bookTicker event into best bid and ask; None while a side is empty."""
    bid, bid_quantity, ask, ask_quantity = event.bid, event.bid_quantity, event.ask, event.ask_quantity
    if bid is None or bid_quantity is None or ask is None or ask_quantity is None:
        return None
    return Best(symbol, bid, bid_quantity, ask, ask_quantity, event.engine_time, received_time)


def candle_of(
    event: wire_market.CandleEvent, symbol: str, interval: CandleInterval, received_time: datetime
) -> Candle | None:
    """Turn a kline event into a candle; None for one without a trade."""
    if event.open is None or event.high is None or event.low is None or event.close is None:
        return None
    return Candle(
        Venue.BACKPACK, symbol, interval, event.start, event.open, event.high, event.low, event.close, event.volume,
        event.is_closed, received_time,
    )  # fmt: skip


def statistics_of(
    event: wire_market.TickerEvent, symbol: str, open_interest: Decimal | None, received_time: datetime
) -> Statistics:
    """Turn a ticker event and the open interest heard last into the day's figures."""
    change = event.last / event.first - 1 if event.first > 0 else None
    return Statistics(
        Venue.BACKPACK, symbol, event.quote_volume, event.volume, change, event.high, event.low, open_interest,
        event.event_time, received_time,
    )  # fmt: skip


def price_of(event: wire_market.PriceEvent, symbol: str, received_time: datetime) -> Mark:
    """Turn a markPrice event into mark and index."""
    return Mark(Venue.BACKPACK, symbol, event.mark, event.index, event.engine_time, received_time)


def funding_of(event: wire_market.PriceEvent, market: Market, received_time: datetime) -> FundingRate | None:
    """Turn a markPrice event into the running funding estimate, None when it has none."""
    if event.funding_rate is None:
        return None
    return FundingRate(
        Venue.BACKPACK, market.symbol, event.funding_rate, market.funding_interval_s, event.next_funding,
        event.engine_time, received_time,
    )  # fmt: skip


def _aggressor(is_buyer_maker: bool) -> Side:
    return Side.SELL if is_buyer_maker else Side.BUY


def _interest(body: bytes, market: Market) -> Decimal | None:
    rows: Sequence[wire_market.OpenInterestRow] = wire.read_rows(
        wire_market.OpenInterestRow, wire.read_json(body, "open interest"), "open interest"
    )
    return next((row.open_interest for row in rows if row.symbol == market.venue_symbol), None)
