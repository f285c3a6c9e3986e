"""What Paradex's trading requests look like on the wire, and the first reading of them.

Written from docs.paradex.trade (REST API: Orders; Order Signing). Duty: shapes and plain values only; whether
a market, a time or a signature is good is judged elsewhere.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.dialects.paradex_auth import Signature, SignedTerms, parse_signature, short_string
from sandbox.dialects.paradex_errors import ApiError

SCALE: Final = 10**8
CLIENT_ID_MAX: Final = 64
RECV_WINDOW_MIN_MS: Final = 10
TIMESTAMP_LIMIT_MS: Final = 10**15

_PLAIN_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,8})?", re.ASCII)
_SIDE_FELTS: Final = {"BUY": 1, "SELL": 2}

OrderSide = Literal["BUY", "SELL"]
OrderType = Literal[
    "LIMIT",
    "MARKET",
    "STOP_LIMIT",
    "STOP_MARKET",
    "TAKE_PROFIT_LIMIT",
    "TAKE_PROFIT_MARKET",
    "STOP_LOSS_LIMIT",
    "STOP_LOSS_MARKET",
]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class SignedBody(_Wire):
    """What every signed order request carries. Decimals are plain text with at most eight places."""

    market: str
    side: OrderSide
    type: OrderType
    size: str
    price: str | None = None
    signature: Annotated[str, Field(repr=False)]
    signature_timestamp: int


class OrderBody(SignedBody):
    """POST /orders and each entry of a batch. Only market, side, type, size, price and time are signed."""

    instruction: Literal["", "GTC", "IOC", "POST_ONLY", "RPI"] = "GTC"
    client_id: Annotated[str, Field(max_length=CLIENT_ID_MAX)] | None = None
    flags: list[str] | None = None
    stp: Literal["", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"] = "EXPIRE_TAKER"
    recv_window: Annotated[int, Field(ge=RECV_WINDOW_MIN_MS)] | None = None
    trigger_price: str | None = None
    on_behalf_of_account: str | None = None


class ModifyBody(SignedBody):
    """PUT /orders/{id}: the new total size and the new price, signed as ModifyOrder."""

    id: str
    trigger_price: str | None = None


class CancelBatchBody(_Wire):
    """DELETE /orders/batch."""

    order_ids: list[str] = []
    client_order_ids: list[str] = []


class MarginBody(_Wire):
    """POST /account/margin/{market}."""

    leverage: int
    margin_type: Literal["CROSS", "ISOLATED"]


class SlippageBody(_Wire):
    """POST /account/profile/market_max_slippage/{market}."""

    max_slippage: str


class OnboardingBody(_Wire):
    """POST /onboarding; the optional fields concern referrals and are ignored."""

    public_key: str


class SubkeyBody(_Wire):
    """POST /account/keys/subkeys."""

    name: str
    public_key: str
    signature: Annotated[list[str], Field(repr=False)]
    timestamp: int
    expiry: int


Body = TypeVar("Body", bound=BaseModel)


def decode(raw: bytes | str) -> object:
    """Decode a JSON request body; BINDING_ERROR if it is not JSON."""
    try:
        value: object = json.loads(raw)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError("BINDING_ERROR", "the body is not valid JSON") from None
    return value


def read(model: type[Body], payload: object) -> Body:
    """Check a decoded value against a body: wrong types are BINDING_ERROR, wrong values VALIDATION_ERROR."""
    try:
        return model.model_validate(payload)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        code = "BINDING_ERROR" if first["type"].endswith("_type") else "VALIDATION_ERROR"
        place = ".".join(str(part) for part in first["loc"])
        raise ApiError(code, f"{place}: {first['msg']}" if place else first["msg"]) from None


def quantity(name: str, text: str) -> Decimal:
    """Read a positive or zero plain decimal with at most eight places (no exponent, no sign)."""
    if not _PLAIN_DECIMAL.fullmatch(text):
        raise ApiError("VALIDATION_ERROR", f"{name} must be a plain decimal with at most 8 decimal places")
    return Decimal(text)


def order_price(body: SignedBody) -> Decimal:
    """Return the price as it is signed: 0 for MARKET, above 0 for all LIMIT kinds; triggered MARKET kinds may have
    either (clients differ in it), and it bounds nothing there."""
    price = quantity("price", body.price) if body.price else Decimal(0)
    if (body.type == "MARKET" and price) or (body.type.endswith("LIMIT") and not price):
        raise ApiError("VALIDATION_ERROR", "price must be 0 for MARKET orders and above 0 for all others")
    return price


def signed_terms(body: SignedBody) -> SignedTerms:
    """Recompute the signed integers from the request's own texts."""
    if not 0 < body.signature_timestamp < TIMESTAMP_LIMIT_MS:
        raise ApiError("INVALID_TIMESTAMP", "signature_timestamp must be unix milliseconds")
    try:
        market = short_string(body.market)
    except ValueError:
        raise ApiError("INVALID_SYMBOL", "unknown market") from None
    return SignedTerms(
        timestamp=body.signature_timestamp,
        market=market,
        side=_SIDE_FELTS[body.side],
        order_type=short_string(body.type),
        size=int(quantity("size", body.size) * SCALE),
        price=int(order_price(body) * SCALE),
    )


def order_signature(body: SignedBody) -> Signature:
    """Read the signature text of an order request."""
    try:
        return parse_signature(body.signature)
    except ValueError as problem:
        raise ApiError("INVALID_ORDER_SIGNATURE", str(problem)) from None
