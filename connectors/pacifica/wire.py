"""What Pacifica sends, as it sends it. Shapes only: no meaning is given here and nothing is computed.

Unknown fields are ignored and words are kept as text (their meaning is decided in parse.py); numbers are decimal
text and never floats. Field names are the venue's own. Source: docs.pacifica.fi, REST API and WebSocket pages.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator

from core.numbers import NotANumber, decimal

MAGNITUDE_MAX = 40


def number(value: str | int | Decimal) -> Decimal:
    """Read a decimal of a size that money can have; raise NotANumber otherwise."""
    found = decimal(value)
    exponent = found.as_tuple().exponent
    if abs(found.adjusted()) > MAGNITUDE_MAX or not isinstance(exponent, int) or exponent < -MAGNITUDE_MAX:
        raise NotANumber("a number of impossible size")
    return found


Number = Annotated[Decimal, PlainValidator(number)]
Millis = Annotated[int, Field(ge=0, le=32_503_680_000_000)]  # until the year 3000: an interval can be added to it
Leverage = Annotated[int, Field(ge=1, le=10_000)]  # more is no leverage of any market, and its inverse no margin


class Wire(BaseModel):
    """Base of all shapes: frozen, extra fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Envelope(Wire):
    """Around every REST answer; `code` is a business code on 422 and mostly the HTTP status elsewhere."""

    success: bool
    data: JsonValue = None
    error: str | None = None
    code: int | None = None
    error_id: str | None = None
    next_cursor: str | None = None
    has_more: bool | None = None
    last_order_id: int | None = None


class OrderTaken(Wire):
    """data of POST /orders/create."""

    order_id: int


class MarketRow(Wire):
    """One row of GET /info. Order sizes are USD notionals; rows without instrument_type are perpetuals."""

    symbol: str = Field(min_length=1)
    tick_size: Number
    lot_size: Number
    max_leverage: Leverage
    min_order_size: Number
    max_order_size: Number
    instrument_type: str = "perpetual"
    isolated_only: bool = False


class PriceRow(Wire):
    """One row of GET /info/prices and of the prices channel. next_funding is the running hourly estimate.

    Spot markets are among the rows and may lack what only a perpetual has.
    """

    symbol: str
    mark: Number
    oracle: Number | None = None
    next_funding: Number | None = None
    open_interest: Number | None = None
    volume_24h: Number | None = None
    yesterday_price: Number | None = None
    timestamp: Millis


class BookLevel(Wire):
    """One aggregated level: price, amount in base units."""

    p: Number
    a: Number


class BookSnapshot(Wire):
    """data of GET /book and of the book channel: bids and asks, always the full picture of ten levels."""

    s: str
    l: Annotated[list[list[BookLevel]], Field(min_length=2, max_length=2)]  # noqa: E741
    t: Millis
    li: int | None = None


class AccountState(Wire):
    """data of GET /account (an object today, a list of one in older answers). cross_mmr is in USD."""

    account_equity: Number
    available_to_spend: Number
    total_margin_used: Number
    cross_mmr: Number
    maker_fee: Number
    taker_fee: Number


class PositionRow(Wire):
    """One row of GET /positions; amount is positive, side carries the sign."""

    symbol: str
    side: str
    amount: Number
    entry_price: Number
    liquidation_price: Number | None = None


class OpenOrderRow(Wire):
    """One row of GET /orders; stop_price tells a stop from an order in the book."""

    order_id: int
    client_order_id: str | None = None
    symbol: str
    side: str | None = None
    price: Number | None = None
    filled_amount: Number
    stop_price: Number | None = None
    updated_at: Millis


class Dated(Wire):
    """Base of the rows that histories page through."""

    created_at: Millis


class OrderHistoryRow(Dated):
    """One row of GET /orders/history: an order with its last known state."""

    order_id: int
    client_order_id: str | None = None
    symbol: str
    filled_amount: Number
    average_filled_price: Number | None = None
    order_status: str
    reason: str | None = None
    updated_at: Millis


class OrderEventRow(Wire):
    """One row of GET /orders/history_by_id: one event in an order's life; filled_amount is cumulative."""

    history_id: int
    order_id: int
    client_order_id: str | None = None
    symbol: str
    filled_amount: Number
    event_type: str
    order_status: str
    created_at: Millis


class TradeRow(Dated):
    """One row of GET /trades/history. price is the execution price; fee in USD, positive paid."""

    history_id: int
    order_id: int
    client_order_id: str | None = None
    symbol: str
    amount: Number
    price: Number
    fee: Number
    event_type: str
    side: str
    cause: str = "normal"


class FundingRow(Dated):
    """One row of GET /funding/history; payout in USD, positive received."""

    history_id: int
    symbol: str
    payout: Number
    rate: Number


class FrameEnvelope(Wire):
    """Around every WebSocket message of a channel."""

    channel: str
    data: JsonValue = None


class ErrorFrame(Wire):
    """An error without a channel. The text is in `err`."""

    code: int
    err: str | None = None


class SubscriptionEcho(Wire):
    """data of a subscription's acknowledgement; the echo may add or leave out parameters."""

    source: str
    symbol: str | None = None


class OrderUpdateRow(Wire):
    """One row of the account_order_updates channel: p average filled price, f filled, oe event, os status."""

    i: int
    I: str | None = None  # noqa: E741
    u: str
    s: str
    p: Number | None = None
    f: Number
    oe: str
    os: str
    ut: Millis


class TradeUpdateRow(Wire):
    """One row of the account_trades channel: h history id, te liquidity, ts side, f fee."""

    h: int
    i: int
    I: str | None = None  # noqa: E741
    u: str
    s: str
    p: Number
    a: Number
    te: str
    ts: str
    tc: str = "normal"
    f: Number
    t: Millis
