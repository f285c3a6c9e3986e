"""From what Paradex says about markets to our facts: trades, best prices, funding history, candles, statistics. Pure.

Every function returns a fact or raises ProtocolViolation; what the venue leaves out is None, never zero.
Source: docs.paradex.trade, API reference, Markets and System.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.paradex import parse
from connectors.paradex.wire import SummaryRow, violation
from connectors.paradex.wire_market import BestRow, CandleCells, FundingRow, SystemState, TradeRow
from connectors.surface import Best
from core.instrument import Market, Venue
from core.market import FundingRate
from core.market_data import (
    Candle,
    CandleInterval,
    PastFunding,
    PublicTrade,
    Statistics,
    SystemStatus,
    VenueState,
)

_TEXT_MAX = 300

# "paused" is the word of older documents.
_STATES = {
    "ok": VenueState.OPEN,
    "post_only": VenueState.POST_ONLY,
    "cancel_only": VenueState.CANCEL_ONLY,
    "maintenance": VenueState.MAINTENANCE,
    "paused": VenueState.MAINTENANCE,
}


def trade(row: TradeRow, symbol: str, received: datetime) -> PublicTrade:
    """Read one trade of the tape."""
    if row.price <= 0 or row.size <= 0:
        raise violation("a trade without a positive price and size")
    return PublicTrade(
        venue=Venue.PARADEX,
        symbol=symbol,
        trade_id=row.id,
        aggressor=parse.side_of(row.side),
        price=row.price,
        quantity=row.size,
        venue_time=parse.moment(row.created_at),
        received_time=received,
    )


def best(row: BestRow, symbol: str, received: datetime) -> Best | None:
    """Read the best prices; None while a side is empty."""
    if row.bid is None or row.ask is None or row.bid_size is None or row.ask_size is None:
        return None
    venue_time = parse.moment(row.last_updated_at)
    return Best(symbol, row.bid, row.bid_size, row.ask, row.ask_size, venue_time, received)


def statistics(row: SummaryRow, symbol: str, received: datetime) -> Statistics:
    """Read the day's figures. The venue tells turnover in USD, no base volume, no high and low."""
    if row.volume_24h is None:
        raise violation(f"the summary of {row.symbol} has no volume")
    return Statistics(
        venue=Venue.PARADEX,
        symbol=symbol,
        volume_quote=row.volume_24h,
        volume_base=None,
        change=row.price_change_rate_24h,
        high=None,
        low=None,
        open_interest=row.open_interest,
        venue_time=parse.moment(row.created_at),
        received_time=received,
    )


def past_funding(row: FundingRow, market: Market, received: datetime) -> PastFunding:
    """Read one sample of the running rate and its index; samples are seconds apart and never to be summed."""
    return PastFunding(
        venue=Venue.PARADEX,
        symbol=market.symbol,
        rate=row.funding_rate,
        interval_s=_interval_s(row, market),
        index=row.funding_index,
        mark=None,
        at=parse.moment(row.created_at),
        received_time=received,
    )


def funding_rate(row: FundingRow, market: Market, received: datetime) -> FundingRate:
    """Read a sample as the running rate. It accrues continuously, so there is no next time."""
    return FundingRate(
        venue=Venue.PARADEX,
        symbol=market.symbol,
        rate=row.funding_rate,
        interval_s=_interval_s(row, market),
        next_at=None,
        venue_time=parse.moment(row.created_at),
        received_time=received,
    )


def _interval_s(row: FundingRow, market: Market) -> int:
    """The period a rate was for: the row's own where it says so, for a market's period may have changed since."""
    if row.funding_period_hours is None:
        return market.funding_interval_s
    interval_s = int(row.funding_period_hours * 3600)
    if interval_s <= 0:
        raise violation(f"a funding period of {row.funding_period_hours} hours")
    return interval_s


def candle(
    cells: CandleCells, symbol: str, interval: CandleInterval, *, venue_now: datetime, received: datetime
) -> Candle:
    """Read one candle; it is closed once its span has passed by the venue's clock."""
    started, opened, high, low, closed, volume = cells
    start = parse.moment(started)
    if not 0 < low <= min(opened, closed) <= max(opened, closed) <= high or volume < 0:
        raise violation(f"a candle of {symbol} whose prices contradict each other")
    return Candle(
        venue=Venue.PARADEX,
        symbol=symbol,
        interval=interval,
        start=start,
        open=opened,
        high=high,
        low=low,
        close=closed,
        volume=volume,
        is_closed=start + timedelta(seconds=interval.seconds) <= venue_now,
        received_time=received,
    )


def system_status(row: SystemState, received: datetime) -> SystemStatus:
    """Read the venue's state; a word that is not known here is UNKNOWN, with its text."""
    state = _STATES.get(row.status.strip().lower(), VenueState.UNKNOWN)
    return SystemStatus(Venue.PARADEX, state, row.status[:_TEXT_MAX], received)
