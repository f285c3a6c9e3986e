"""What Pacifica sends beyond trading a pair: tape, candles, funding points, balances, subaccounts, batches.

Shapes only, as in wire.py. Source: docs.pacifica.fi, REST API: Markets, Account, Subaccounts, Batch order;
WebSocket: BBO, Trades, Candle, Account positions, Account info.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.pacifica.wire import Dated, Leverage, Millis, Number, Wire


class PublicTradeRow(Wire):
    """One row of GET /trades, seen from the party that event_type names; there is no trade id."""

    event_type: str
    price: Number
    amount: Number
    side: str
    created_at: Millis


class CandleRow(Wire):
    """One row of GET /kline and data of the candle channel: t start, T end, v base units."""

    t: Millis
    s: str
    i: str
    o: Number
    h: Number
    l: Number  # noqa: E741
    c: Number
    v: Number


class FundingPointRow(Dated):
    """One row of GET /funding_rate/history: the rate settled at created_at, a fraction per hour."""

    funding_rate: Number


class SpotBalance(Wire):
    """One spot asset of GET /account."""

    symbol: str
    amount: Number
    available_to_withdraw: Number | None = None


class AccountMoney(Wire):
    """Cash, spot assets, tier and fees of GET /account. balance is USD before unrealised PnL."""

    balance: Number
    available_to_withdraw: Number | None = None
    spot_balances: tuple[SpotBalance, ...] = ()
    fee_level: int
    maker_fee: Number
    taker_fee: Number


class BalanceChangeRow(Dated):
    """One row of GET /account/balance/history: amount is the change, balance what there was afterwards."""

    amount: Number
    balance: Number
    event_type: str


class MarginSetting(Wire):
    """One market's setting; markets on their defaults (cross, the highest leverage) are not listed."""

    symbol: str
    isolated: bool
    leverage: Leverage


class AccountSettings(Wire):
    """data of GET /account/settings (older answers are the bare list of margin settings)."""

    margin_settings: tuple[MarginSetting, ...] = ()


class SubaccountRow(Wire):
    """One subaccount."""

    address: str


class SubaccountList(Wire):
    """data of POST /account/subaccount/list."""

    subaccounts: list[SubaccountRow]


class BatchResult(Wire):
    """What became of one action of a batch."""

    success: bool
    order_id: int | None = None
    error: str | None = None


class BatchResults(Wire):
    """data of POST /orders/batch, in the order of the actions."""

    results: list[BatchResult]


class BestRow(Wire):
    """data of the bbo channel: b and B bid price and size, a and A ask."""

    s: str
    b: Number
    B: Number
    a: Number
    A: Number
    t: Millis


class TapeTradeRow(Wire):
    """One row of the trades channel: h history id, d the taker's direction."""

    h: int
    s: str
    a: Number
    p: Number
    d: str
    t: Millis


class PositionFrameRow(Wire):
    """One row of the account_positions channel, which always holds the full set: d side, p entry price."""

    s: str
    d: str
    a: Number
    p: Number
    l: Number | None = None  # noqa: E741
    t: Millis


class AccountInfo(Wire):
    """data of the account_info channel: equity, available to spend and to withdraw, margin used, maintenance."""

    ae: Number
    spendable: Annotated[Number, Field(alias="as")]
    aw: Number | None = None
    b: Number
    mu: Number
    cm: Number
    t: Millis
