"""What Backpack sends, as Pydantic models: tolerant of additions, strict about numbers, times and ids. No meaning here.

Decimals travel as JSON strings; order ids as strings; client ids as integers, in fills as strings. There are three
clocks: milliseconds in live orders and marks, microseconds in streams and the depth snapshot, ISO text without a
zone (UTC) in history. (docs.backpack.exchange, REST and Streams)
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from core.errors import ProtocolViolation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_END = datetime(3000, 1, 1, tzinfo=UTC)
UINT32_MAX = 2**32 - 1
_DIGITS_MAX = 40
_NUMBER = re.compile(rf"-?[0-9]{{1,{_DIGITS_MAX}}}(\.[0-9]{{1,{_DIGITS_MAX}}})?", re.ASCII)
_ID_CHARS_MAX = 64

M = TypeVar("M", bound="Wire")


def _number(value: object) -> Decimal:
    """Take decimal text without an exponent; a bare JSON number is taken too, since the documents print some."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_DIGITS_MAX:
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _DIGITS_MAX:
        return value
    raise ValueError("expected a plain decimal number")


def _share(value: object) -> Decimal | None:
    """Take a number, or the venue's own words for none."""
    return None if value == "N/A" else _number(value)


def _integer(value: object) -> int:
    """Take an integer that may be written as text."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_DIGITS_MAX:
        return value
    if isinstance(value, str) and len(value) <= _DIGITS_MAX and value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("expected an integer")


def _client_id(value: object) -> int | None:
    if value is None or value == "":
        return None
    number = _integer(value)
    if not 0 <= number <= UINT32_MAX:
        raise ValueError("expected an unsigned 32-bit client id")
    return number


def _identity(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not 0 < len(text) <= _ID_CHARS_MAX:
        raise ValueError("expected an id")
    return text


def _since_epoch(value: object, unit: timedelta) -> datetime:
    try:
        return sane(EPOCH + _integer(value) * unit)
    except OverflowError:
        raise ValueError("time out of range") from None


def sane(moment: datetime) -> datetime:
    """Take a time that an interval can be added to or taken from: between 1970 and 3000."""
    if not EPOCH <= moment < _TIME_END:
        raise ValueError("time out of range")
    return moment


def _milliseconds(value: object) -> datetime:
    return _since_epoch(value, timedelta(milliseconds=1))


def _microseconds(value: object) -> datetime:
    return _since_epoch(value, timedelta(microseconds=1))


def _moment(value: object) -> datetime:
    """Take ISO text (without a zone it is UTC) or integer milliseconds."""
    if not isinstance(value, str):
        return _milliseconds(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        return sane(moment.replace(tzinfo=UTC))
    try:
        return sane(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError("time out of range") from None


def _level(value: object) -> tuple[Decimal, Decimal]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("expected a [price, quantity] pair")
    price, quantity = _number(value[0]), _number(value[1])
    if price <= 0 or quantity < 0:
        raise ValueError("expected a positive price and a quantity that is not negative")
    return price, quantity


Number = Annotated[Decimal, BeforeValidator(_number)]
Positive = Annotated[Decimal, BeforeValidator(_number), Field(gt=0)]
Share = Annotated[Decimal | None, BeforeValidator(_share)]
Integer = Annotated[int, BeforeValidator(_integer)]
ClientId = Annotated[int | None, BeforeValidator(_client_id)]
Identity = Annotated[str, BeforeValidator(_identity)]
Milliseconds = Annotated[datetime, BeforeValidator(_milliseconds)]
Microseconds = Annotated[datetime, BeforeValidator(_microseconds)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Levels = list[Annotated[tuple[Decimal, Decimal], BeforeValidator(_level)]]


class Wire(BaseModel):
    """Base of every model: frozen, camelCase on the wire, unknown members ignored, null the same as missing."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Problem(Wire):
    """An error answer. Parse failures and the network in front of the venue answer plain text instead."""

    code: str
    message: str = ""


class Band(Wire):
    """Allowed range around the mean mark price, as multipliers."""

    max_multiplier: Number | None = None
    min_multiplier: Number | None = None


class PriceFilter(Wire):
    """Price grid and bands of a market."""

    tick_size: Number
    max_multiplier: Number | None = None
    min_multiplier: Number | None = None
    mean_mark_price_band: Band | None = None


class QuantityFilter(Wire):
    """Quantity grid of a market, base units."""

    step_size: Number
    min_quantity: Number
    max_quantity: Number | None = None


class Filters(Wire):
    """Both grids."""

    price: PriceFilter
    quantity: QuantityFilter


class MarginFunction(Wire):
    """fraction(notional) = max(base, factor * sqrt(notional)) for type "sqrt"."""

    type: str
    base: Number
    factor: Number


class MarketName(Wire):
    """What is needed to know which market a row is about, even when the rest of the row cannot be read."""

    symbol: str
    base_symbol: str
    quote_symbol: str
    market_type: str


class MarketRow(MarketName):
    """GET /api/v1/markets, one market."""

    order_book_state: str
    filters: Filters
    imf_function: MarginFunction | None = None
    mmf_function: MarginFunction | None = None
    funding_interval: Integer | None = None


class AccountRow(Wire):
    """GET /api/v1/account: fees in basis points, one leverage limit for the whole account."""

    leverage_limit: Number
    futures_maker_fee: Number
    futures_taker_fee: Number
    liquidating: bool


class DepthRow(Wire):
    """GET /api/v1/depth: both sides ascending by price; the time is in microseconds."""

    asks: Levels
    bids: Levels
    last_update_id: Integer
    timestamp: Microseconds


class MarkRow(Wire):
    """GET /api/v1/markPrices, one market."""

    symbol: str
    mark_price: Number
    index_price: Number | None = None
    funding_rate: Number | None = None
    next_funding_timestamp: Milliseconds | None = None


class CollateralRow(Wire):
    """GET /api/v1/capital/collateral without the assets; money in USD terms, imf and mmf as fractions."""

    net_equity: Number
    net_equity_available: Number
    net_equity_locked: Number
    net_exposure_futures: Number
    margin_fraction: Number | None = None
    mmf: Number


class PositionRow(Wire):
    """GET /api/v1/position, one position; net_quantity is signed."""

    symbol: str
    net_quantity: Number
    entry_price: Number
    pnl_unrealized: Number | None = None
    est_liquidation_price: Number | None = None


class OrderRow(Wire):
    """An order as any REST call shows it; created_at is an integer in live orders and ISO text in history."""

    id: Identity
    client_id: ClientId = None
    symbol: str
    side: str
    status: str
    executed_quantity: Number
    executed_quote_quantity: Number | None = None
    price: Number | None = None
    created_at: Moment
    expiry_reason: str | None = None


class FillRow(Wire):
    """GET /wapi/v1/history/fills, one execution."""

    client_id: ClientId = None
    fee: Number
    fee_symbol: str
    is_maker: bool
    order_id: Identity
    price: Number
    quantity: Number
    side: str
    symbol: str
    timestamp: Moment
    trade_id: Integer | None = None
    system_order_type: str | None = None


class FundingRow(Wire):
    """GET /wapi/v1/history/funding, one payment: quantity in USDC, positive received."""

    funding_rate: Number | None = None
    interval_end_timestamp: Moment
    quantity: Number
    symbol: str


class StreamProblem(Wire):
    """The error member of a stream's error frame."""

    code: Integer
    message: str = ""


class Frame(Wire):
    """Any stream frame: stream and payload (key "data" on the wire), or an error."""

    stream: str | None = None
    payload: object = Field(default=None, alias="data")
    error: StreamProblem | None = None


class DepthEvent(Wire):
    """depth.<symbol>: absolute quantities, zero removes; first and last update id it covers."""

    asks: Levels = Field(alias="a")
    bids: Levels = Field(alias="b")
    first_id: Integer = Field(alias="U")
    last_id: Integer = Field(alias="u")
    symbol: str = Field(alias="s")
    engine_time: Microseconds = Field(alias="T")


class MarkEvent(Wire):
    """markPrice.<symbol>."""

    symbol: str = Field(alias="s")
    mark: Positive = Field(alias="p")
    index: Number | None = Field(default=None, alias="i")
    engine_time: Microseconds = Field(alias="T")


class OrderEvent(Wire):
    """account.orderUpdate: the order's state and, for an orderFill, the execution."""

    event: str = Field(alias="e")
    symbol: str = Field(alias="s")
    side: str = Field(alias="S")
    order_id: Identity = Field(alias="i")
    client_id: ClientId = Field(default=None, alias="c")
    status: str = Field(alias="X")
    executed_quantity: Number | None = Field(default=None, alias="z")
    executed_quote_quantity: Number | None = Field(default=None, alias="Z")
    expiry_reason: str | None = Field(default=None, alias="R")
    fill_quantity: Number | None = Field(default=None, alias="l")
    fill_price: Number | None = Field(default=None, alias="L")
    fee: Number | None = Field(default=None, alias="n")
    fee_symbol: str | None = Field(default=None, alias="N")
    is_maker: bool | None = Field(default=None, alias="m")
    trade_id: Integer | None = Field(default=None, alias="t")
    origin: str | None = Field(default=None, alias="O")
    engine_time: Microseconds = Field(alias="T")


def read_json(text: bytes | str, what: str) -> object:
    """Decode JSON without floats; raise ProtocolViolation when it is none. `what` names it in the message."""
    try:
        decoded: object = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        raise ProtocolViolation(f"backpack: {what} is not JSON", venue="backpack") from None
    return decoded


def read(model: type[M], value: object, what: str) -> M:
    """Read decoded JSON as a model; raise ProtocolViolation naming the member that does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = _violation(error, what)
    # Not from the except clause: pydantic's error would stay as context, and with it memory that is never collected.
    raise found


def read_rows(model: type[M], value: object, what: str) -> list[M]:
    """Read a decoded JSON array of rows; raise ProtocolViolation when it is none or a row does not fit."""
    try:
        return TypeAdapter(list[model]).validate_python(value)  # type: ignore[valid-type]
    except ValidationError as error:
        found = _violation(error, what)
    raise found


def _violation(error: ValidationError, what: str) -> ProtocolViolation:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"]) or "the whole"
    return ProtocolViolation(
        f"backpack: {what} is not what the venue documents ({where[:80]}: {first['msg'][:120]})", venue="backpack"
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
