"""From Pacifica's rows to market facts beyond book and mark: statistics, trades, candles, past funding. Pure.

Source: docs.pacifica.fi, REST API: Get prices, Get recent trades, Get candle data, Get historical funding;
WebSocket: Prices, BBO, Trades, Candle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.pacifica import wire, wire_surface
from connectors.pacifica.build import symbol_of
from connectors.pacifica.parse import FUNDING_INTERVAL_S
from connectors.pacifica.parse_orders import TRADE_SIDES
from connectors.pacifica.reading import moment, positive, violation, word_of
from connectors.surface import Best
from core.instrument import Venue
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics

_INTERVALS = {interval.value: interval for interval in CandleInterval}
_PARTIES = {"fulfill_taker": True, "fulfill_maker": False}


def statistics(row: wire.PriceRow, received: datetime) -> Statistics:
    """Turn a price row into statistics; the venue tells neither high and low nor the volume in base units.

    The change is that of the mark; a price of yesterday that is not positive stands for none. The unit of
    open_interest is not stated in words; the venue's own examples are base units.
    """
    if row.volume_24h is None:
        raise violation(f"the prices hold no volume for {row.symbol}")
    before = row.yesterday_price
    return Statistics(
        venue=Venue.PACIFICA,
        symbol=symbol_of(row.symbol),
        volume_quote=row.volume_24h,
        volume_base=None,
        change=row.mark / before - 1 if before is not None and before > 0 else None,
        high=None,
        low=None,
        open_interest=row.open_interest,
        venue_time=moment(row.timestamp),
        received_time=received,
    )


def public_trade(symbol: str, row: wire_surface.PublicTradeRow, received: datetime) -> PublicTrade:
    """Turn a row of GET /trades into a trade; the aggressor is the other side of a row that shows the maker."""
    side = word_of(TRADE_SIDES, row.side, "trade side")
    return PublicTrade(
        venue=Venue.PACIFICA,
        symbol=symbol,
        trade_id=None,
        aggressor=side if word_of(_PARTIES, row.event_type, "trade event") else side.opposite,
        price=positive(row.price, "trade price"),
        quantity=positive(row.amount, "trade quantity"),
        venue_time=moment(row.created_at),
        received_time=received,
    )


def tape_trade(row: wire_surface.TapeTradeRow, received: datetime) -> PublicTrade:
    """Turn a row of the trades channel into a trade; d is the taker's direction."""
    return PublicTrade(
        venue=Venue.PACIFICA,
        symbol=symbol_of(row.s),
        trade_id=str(row.h),
        aggressor=word_of(TRADE_SIDES, row.d, "trade side"),
        price=positive(row.p, "trade price"),
        quantity=positive(row.a, "trade quantity"),
        venue_time=moment(row.t),
        received_time=received,
    )


def candle(row: wire_surface.CandleRow, venue_now: datetime, received: datetime) -> Candle:
    """Turn a row into a candle; it is closed once its whole length is over by the venue's clock."""
    interval, start = word_of(_INTERVALS, row.i, "candle interval"), moment(row.t)
    low, high = positive(row.l, "candle low"), row.h
    if not low <= min(row.o, row.c) <= max(row.o, row.c) <= high or row.v < 0:
        raise violation(f"a candle of {row.s} does not embrace its own prices")
    return Candle(
        venue=Venue.PACIFICA,
        symbol=symbol_of(row.s),
        interval=interval,
        start=start,
        open=row.o,
        high=high,
        low=low,
        close=row.c,
        volume=row.v,
        is_closed=start + timedelta(seconds=interval.seconds) <= venue_now,
        received_time=received,
    )


def past_funding(symbol: str, row: wire_surface.FundingPointRow, received: datetime) -> PastFunding:
    """Turn a settled hourly rate into a point of the history; the venue tells no mark price there."""
    at = moment(row.created_at)
    return PastFunding(Venue.PACIFICA, symbol, row.funding_rate, FUNDING_INTERVAL_S, None, None, at, received)


def best(row: wire_surface.BestRow, received: datetime) -> Best | None:
    """Turn a bbo row into best bid and ask; None while a side is empty (shown as zero)."""
    if min(row.b, row.a) < 0 or (row.b > 0 and row.a > 0 and row.b >= row.a):
        raise violation(f"the best bid and ask of {row.s} cannot be")
    if min(row.b, row.B, row.a, row.A) <= 0:
        return None
    return Best(symbol_of(row.s), row.b, row.B, row.a, row.A, moment(row.t), received)


def in_order(candles: Iterable[Candle]) -> list[Candle]:
    """Sort candles by their start; whatever a later one follows is closed, whatever the clocks say."""
    ordered = sorted(candles, key=lambda candle: candle.start)
    return [replace(candle, is_closed=True) for candle in ordered[:-1]] + ordered[-1:]


def running(candle: Candle) -> Candle:
    """Take a streamed candle for the one that runs: the venue sends it for as long as trades fall into it."""
    return replace(candle, is_closed=False)
