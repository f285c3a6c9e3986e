"""What Backpack sends about its markets beside book and mark, by REST and stream, as models (see wire.py). No meaning.

(docs.backpack.exchange, Markets, Trades, System; Streams)
"""

from __future__ import annotations

from pydantic import Field

from connectors.backpack.wire import Integer, Microseconds, Milliseconds, Moment, Number, Positive, Share, Wire


class TickerRow(Wire):
    """GET /api/v1/ticker: the last day; the change is a fraction and may be the text "N/A"."""

    symbol: str
    high: Positive
    low: Positive
    price_change_percent: Share = None
    volume: Number
    quote_volume: Number


class OpenInterestRow(Wire):
    """GET /api/v1/openInterest, one market, base units."""

    symbol: str
    open_interest: Number | None = None


class TradeRow(Wire):
    """GET /api/v1/trades, one trade."""

    id: Integer | None = None
    is_buyer_maker: bool
    price: Positive
    quantity: Positive
    timestamp: Milliseconds


class CandleRow(Wire):
    """GET /api/v1/klines, one candle; prices are null when nothing was traded."""

    start: Moment
    open: Positive | None = None
    high: Positive | None = None
    low: Positive | None = None
    close: Positive | None = None
    volume: Number
    trades: Integer


class FundingRateRow(Wire):
    """GET /api/v1/fundingRates, one interval; the first row may be the one in progress."""

    symbol: str
    funding_rate: Number
    interval_end_timestamp: Moment


class StatusRow(Wire):
    """GET /api/v1/status."""

    status: str
    message: str | None = None


class TradeEvent(Wire):
    """trade.<symbol>."""

    symbol: str = Field(alias="s")
    price: Positive = Field(alias="p")
    quantity: Positive = Field(alias="q")
    trade_id: Integer = Field(alias="t")
    is_buyer_maker: bool = Field(alias="m")
    engine_time: Microseconds = Field(alias="T")


class BestEvent(Wire):
    """bookTicker.<symbol>; an empty side is null."""

    symbol: str = Field(alias="s")
    bid: Positive | None = Field(default=None, alias="b")
    bid_quantity: Positive | None = Field(default=None, alias="B")
    ask: Positive | None = Field(default=None, alias="a")
    ask_quantity: Positive | None = Field(default=None, alias="A")
    engine_time: Microseconds = Field(alias="T")


class TickerEvent(Wire):
    """ticker.<symbol>: the last day; it has the time of the event only."""

    symbol: str = Field(alias="s")
    first: Number = Field(alias="o")
    last: Number = Field(alias="c")
    high: Number = Field(alias="h")
    low: Number = Field(alias="l")
    volume: Number = Field(alias="v")
    quote_volume: Number = Field(alias="V")
    event_time: Microseconds = Field(alias="E")


class CandleEvent(Wire):
    """kline.<interval>.<symbol>; the interval stands in the stream's name only."""

    symbol: str = Field(alias="s")
    start: Moment = Field(alias="t")
    open: Positive | None = Field(default=None, alias="o")
    high: Positive | None = Field(default=None, alias="h")
    low: Positive | None = Field(default=None, alias="l")
    close: Positive | None = Field(default=None, alias="c")
    volume: Number = Field(alias="v")
    is_closed: bool = Field(alias="X")


class PriceEvent(Wire):
    """markPrice.<symbol> with its funding estimate; the next funding is in milliseconds, unlike all else."""

    symbol: str = Field(alias="s")
    mark: Positive = Field(alias="p")
    index: Number | None = Field(default=None, alias="i")
    funding_rate: Number | None = Field(default=None, alias="f")
    next_funding: Milliseconds | None = Field(default=None, alias="n")
    engine_time: Microseconds = Field(alias="T")


class OpenInterestEvent(Wire):
    """openInterest.<symbol>, once a minute, base units."""

    symbol: str = Field(alias="s")
    open_interest: Number = Field(alias="o")
