"""What Paradex sends, as far as this connector reads it. Shapes only: no meaning, no arithmetic.

Source: docs.paradex.trade, API reference (REST) and WebSocket channels. Unknown fields are ignored and enum members
stay open text, because new ones appear without notice; what each text means is decided in parse.py.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.numbers import decimal

_EXPONENT_MAX = 40


def _number(value: object) -> Decimal:
    """Read decimal text or a JSON number that was parsed without a float, within sane magnitude."""
    if not isinstance(value, str | int | Decimal):
        raise ValueError(f"expected decimal text, got {type(value).__name__}")
    number = decimal(value)
    if number and abs(number.adjusted()) > _EXPONENT_MAX:
        raise ValueError("a number of impossible magnitude")
    return number


def _number_or_none(value: object) -> Decimal | None:
    """An empty text stands for "no value"."""
    return None if value is None or value == "" else _number(value)


def _text(value: object) -> object:
    """Ids are text, yet some arrive as bare integers; null stands for an empty text."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = Annotated[Decimal, BeforeValidator(_number)]
MaybeNumber = Annotated[Decimal | None, BeforeValidator(_number_or_none)]
Text = Annotated[str, BeforeValidator(_text), Field(max_length=2000)]
Id = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=200)]
Millis = Annotated[int, Field(ge=0, le=32_503_680_000_000)]  # until the year 3000
PriceAndSize = tuple[Number, Number]


class Wire(BaseModel):
    """Base of every shape: extra fields ignored, values never changed after reading."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ErrorBody(Wire):
    """A refusal. A refused token comes with a message only."""

    error: Text = ""
    message: Text = ""


class TokenBody(Wire):
    """The answer of POST /auth/{public_key}."""

    jwt_token: str = Field(min_length=1, max_length=10_000, repr=False)


class SystemConfig(Wire):
    """The part of GET /system/config that signing depends on."""

    starknet_chain_id: Id
    paraclear_decimals: int


class SystemTime(Wire):
    """GET /system/time; milliseconds as text."""

    server_time: Millis


class MarginParams(Wire):
    """Margin fractions of a perpetual: initial = imf_base, maintenance = imf_base * mmf_factor."""

    imf_base: Number
    mmf_factor: Number


class MarketRow(Wire):
    """One row of GET /markets; the list also holds options and spot, which lack some of these."""

    symbol: Id
    base_currency: Text = ""
    quote_currency: Text = ""
    asset_kind: Text = ""
    trading_mode: Text = "STANDARD"
    order_size_increment: MaybeNumber = None
    price_tick_size: MaybeNumber = None
    min_notional: MaybeNumber = None
    max_order_size: MaybeNumber = None
    price_bands_width: MaybeNumber = None
    funding_period_hours: MaybeNumber = None
    delta1_cross_margin_params: MarginParams | None = None
    fee_config: dict[str, Any] | None = None


class AccountFees(Wire):
    """Fee rates charged to an account, as fractions of notional."""

    maker_rate: MaybeNumber = None
    taker_rate: MaybeNumber = None


class AccountInfoRow(Wire):
    """One row of GET /account/info."""

    account: Id
    fees: AccountFees | None = None


class SummaryRow(Wire):
    """One row of GET /markets/summary and of the channel markets_summary.{market}."""

    symbol: Id
    mark_price: MaybeNumber = None
    underlying_price: MaybeNumber = None
    funding_rate: MaybeNumber = None
    created_at: Millis


class BookBody(Wire):
    """GET /orderbook/{market}: levels as [price, size]."""

    market: Id
    seq_no: int
    last_updated_at: Millis
    bids: list[PriceAndSize]
    asks: list[PriceAndSize]


class AccountRow(Wire):
    """GET /account."""

    account: Text = ""
    status: Text
    account_value: Number
    free_collateral: Number
    initial_margin_requirement: Number
    maintenance_margin_requirement: Number


class PositionRow(Wire):
    """One row of GET /positions; size is signed, side says the same in words."""

    market: Id
    side: Text
    status: Text
    size: Number
    average_entry_price: MaybeNumber = None
    unrealized_pnl: MaybeNumber = None
    liquidation_price: MaybeNumber = None


class OrderRow(Wire):
    """An order as REST and the channel orders.{market} have it. There is no filled size."""

    id: Id
    market: Id
    side: Text
    size: Number
    remaining_size: Number
    status: Text
    avg_fill_price: MaybeNumber = None
    cancel_reason: Text = ""
    client_id: Text = ""
    created_at: Millis | None = None
    last_updated_at: Millis | None = None


class FillRow(Wire):
    """An execution as REST and the channel fills.{market} have it."""

    id: Id
    order_id: Text
    client_id: Text = ""
    market: Id
    side: Text
    price: Number
    size: Number
    liquidity: Text
    fee: Number
    fee_currency: Text = ""
    fill_type: Text = ""
    created_at: Millis


class FundingPaymentRow(Wire):
    """One row of GET /funding/payments."""

    id: Id
    market: Id
    payment: Number
    created_at: Millis


class LevelChange(Wire):
    """One level of a book message."""

    side: Text
    price: Number
    size: Number


class BookFrame(Wire):
    """A message of the channel order_book.{market}.deltas: update_type "s" is the whole book, "d" a change."""

    market: Id
    seq_no: int
    last_updated_at: Millis
    update_type: Text
    inserts: list[LevelChange] = []
    updates: list[LevelChange] = []
    deletes: list[LevelChange] = []


class SubscriptionParams(Wire):
    """Where a notification belongs and what it says."""

    channel: Text
    data: dict[str, Any]


class RpcError(Wire):
    """JSON-RPC's error member."""

    code: int = 0
    message: Text = ""


class RpcFrame(Wire):
    """Any text frame: a notification (method, params) or an answer (id, result or error)."""

    id: int | None = None
    method: Text = ""
    params: SubscriptionParams | None = None
    error: RpcError | None = None
