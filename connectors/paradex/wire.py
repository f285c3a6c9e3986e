"""What Paradex sends, as far as this connector reads it: shapes and their reading. No meaning, no arithmetic.

Source: docs.paradex.trade, API reference (REST) and WebSocket channels. Unknown fields are ignored and enum members
stay open text, because new ones appear without notice; what each text means is decided in parse.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.errors import ProtocolViolation
from core.numbers import decimal

_EXPONENT_MAX = 40
# What a query can carry; a cursor goes back to the venue as it came.
_CURSOR = re.compile(r"[ -~]{0,4096}")


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


Shape = TypeVar("Shape", bound="Wire")


class Wire(BaseModel):
    """Base of every shape: extra fields ignored, values never changed after reading."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ErrorBody(Wire):
    """A refusal. A refused token comes with a message only."""

    error: Text = ""
    message: Text = ""


class TokenBody(Wire):
    """The answer of POST /auth/{public_key}."""

    jwt_token: str = Field(pattern="^[!-~]+$", max_length=10_000, repr=False)  # what a header can carry


class SystemConfig(Wire):
    """The part of GET /system/config that signing and account addresses depend on."""

    starknet_chain_id: Id
    paraclear_decimals: int
    paraclear_account_hash: Text = ""
    paraclear_account_proxy_hash: Text = ""


class OnboardingBody(Wire):
    """GET /onboarding: the account that a public key derives to, and whether the venue has it; may say less."""

    address: Text = ""
    exists: bool | None = None


class SystemTime(Wire):
    """GET /system/time; milliseconds as text."""

    server_time: Millis


class MarginParams(Wire):
    """Margin fractions of a perpetual: initial = imf_base, maintenance = imf_base * mmf_factor."""

    imf_base: Number
    mmf_factor: Number


class Fee(Wire):
    """One fee as a fraction of notional, a negative one is a rebate."""

    fee: Number


class ApiFee(Wire):
    """Fees of orders that come by API."""

    maker_fee: Fee
    taker_fee: Fee


class FeeConfig(Wire):
    """A market's published fees, by the door an order comes through."""

    api_fee: ApiFee | None = None


class MarketRow(Wire):
    """One perpetual of GET /markets (the list also holds options and spot, which look different)."""

    symbol: Id
    base_currency: Id
    quote_currency: Id
    order_size_increment: Number
    price_tick_size: Number
    min_notional: Number
    max_order_size: MaybeNumber = None
    price_bands_width: MaybeNumber = None
    funding_period_hours: Number
    delta1_cross_margin_params: MarginParams
    fee_config: FeeConfig | None = None


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
    volume_24h: MaybeNumber = None
    open_interest: MaybeNumber = None
    price_change_rate_24h: MaybeNumber = None
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
    price: MaybeNumber = None
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


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its rows as parsed JSON, and the cursor of the next page if there is one."""

    rows: tuple[dict[str, Any], ...]
    next_cursor: str | None


def read_json(body: bytes | str, what: str) -> Any:
    """Parse JSON without ever making a float."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise violation(f"{what} is not JSON") from None


def shaped(model: type[Shape], value: object, what: str) -> Shape:
    """Read a parsed value into a shape; the error names fields, never their content."""
    try:
        return model.model_validate(value)
    except ValidationError as failure:
        fields = ", ".join(sorted({".".join(map(str, error["loc"])) or "(whole)" for error in failure.errors()})[:5])
    # Not from the except clause: pydantic's error would stay as context, and with it memory that is never collected.
    raise violation(f"{what} has an unexpected shape at: {fields}")


def page(body: bytes, what: str) -> Page:
    """Read {"results": [...], "next": cursor}."""
    envelope = read_json(body, what)
    rows = envelope.get("results") if isinstance(envelope, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise violation(f"{what} has no list of results")
    cursor = envelope.get("next")
    if cursor is not None and not (isinstance(cursor, str) and _CURSOR.fullmatch(cursor)):
        raise violation(f"{what} has a cursor that cannot be asked with")
    return Page(tuple(rows), cursor or None)


def rpc_frame(frame: str) -> RpcFrame:
    """Read a text frame; binary ones are read in sbe.py."""
    return shaped(RpcFrame, read_json(frame, "stream frame"), "stream frame")


def violation(text: str) -> ProtocolViolation:
    """An answer that cannot be what the venue documents."""
    return ProtocolViolation(f"paradex: {text}", venue="paradex")
