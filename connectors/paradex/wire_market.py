"""What Paradex sends about markets beyond book and mark: trades, best prices, funding rows, candles, system state.

Shapes only, as in wire.py. Source: docs.paradex.trade, API reference, Markets and System; WebSocket, trades.*, bbo.*,
funding_data.*.
"""

from __future__ import annotations

from connectors.paradex.wire import Id, MaybeNumber, Millis, Number, Text, Wire

CandleCells = tuple[Millis, Number, Number, Number, Number, Number]


class TradeRow(Wire):
    """One row of GET /trades and of the channel trades.{market}; side is the taker's."""

    id: Id
    market: Id
    side: Text
    price: Number
    size: Number
    created_at: Millis


class BestRow(Wire):
    """GET /bbo/{market} and the channel bbo.{market}; an empty side has empty texts."""

    market: Id
    bid: MaybeNumber = None
    bid_size: MaybeNumber = None
    ask: MaybeNumber = None
    ask_size: MaybeNumber = None
    last_updated_at: Millis


class FundingRow(Wire):
    """One observation of the funding index, from GET /funding/data and the channel funding_data.{market}."""

    market: Id
    funding_index: Number
    funding_rate: Number
    funding_period_hours: MaybeNumber = None
    created_at: Millis


class Candles(Wire):
    """GET /markets/klines: rows of [start in ms, open, high, low, close, volume in base units]."""

    results: list[CandleCells]


class SystemState(Wire):
    """GET /system/state."""

    status: Id
