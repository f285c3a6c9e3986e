"""Strict reading of Backpack request members: JSON bodies and query parameters, with plain-text refusals.

Duty: turn the members of one request into typed values and remember exactly which documented members were
present, because the signed text is rebuilt from these and from nothing else (an undocumented member, or
``clientId`` beside ``orderId``, therefore breaks the signature). It must not check trading rules.

Source: docs.backpack.exchange, API reference: schemas OrderExecutePayload, OrderCancelPayload,
OrderCancelAllPayload, UpdateAccountSettingsRequest and the query parameters of each operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_auth import SignedValue

CLIENT_ID_MAX = 2**32 - 1
BATCH_ORDERS_MAX = 50
_DECIMAL = re.compile(r"-?[0-9]{1,28}(\.[0-9]{1,28})?")
_TRIGGER_QUANTITY = re.compile(_DECIMAL.pattern.removeprefix("-?") + "%?")
_DIGITS = re.compile(r"[0-9]{1,20}")
_UINT64_MAX = 2**64 - 1

SIDES = ("Bid", "Ask")
ORDER_TYPES = ("Limit", "Market")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
SELF_TRADE_PREVENTIONS = ("RejectTaker", "RejectMaker", "RejectBoth")
MARKET_TYPES = ("SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ")
SORT_DIRECTIONS = ("Asc", "Desc")
_TRIGGER_BY = ("MarkPrice", "LastPrice", "IndexPrice")


class Members:
    """The members of one JSON object or query string, read one by one by name and type.

    ``signed`` holds every member that was read and present, with the characters (or JSON value) as sent.
    """

    def __init__(self, raw: Mapping[str, object], *, symbols: Collection[str], schema: str | None = None) -> None:
        """Read from ``raw``; ``schema`` names the JSON schema, None means query parameters (all texts)."""
        self._raw = raw
        self._symbols = symbols
        self._schema = schema
        self.signed: dict[str, SignedValue] = {}

    def text(self, name: str) -> str | None:
        """Return a string member, or None when it is absent or null."""
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.refusal(name, "string", f'Expected input type "string", found {_shown(value)}.')
        return value

    def boolean(self, name: str) -> bool | None:
        """Return a boolean member, or None."""
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return value
        if self._schema is None and value in ("true", "false"):
            return value == "true"
        raise self.refusal(name, "boolean", f'Expected input type "boolean", found {_shown(value)}.')

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal member (a JSON string, plain notation), or None."""
        value = self.text(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise self.refusal(name, "Decimal", f"Invalid decimal: {value}")
        return Decimal(value)

    def unsigned(self, name: str, maximum: int = _UINT64_MAX) -> int | None:
        """Return an unsigned integer member (a JSON number, digits in a query), or None."""
        value = self._take(name)
        if value is None:
            return None
        if self._schema is None and isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refusal(name, "integer", f'Expected input type "integer", found {_shown(value)}.')
        if not 0 <= value <= maximum:
            raise self.refusal(name, "integer", f"Only integers from 0 to {maximum} are accepted.")
        return value

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """Return a member that must be one of ``options``, or None."""
        value = self.text(name)
        if value is not None and value not in options:
            raise self.refusal(name, _enum_name(name), "Expect a valid enumeration value.")
        return value

    def symbol(self, name: str = "symbol") -> str | None:
        """Return a known market symbol, or None."""
        value = self.text(name)
        if value is not None and value not in self._symbols:
            raise self.refusal(name, "MarketSymbol", "Invalid market symbol")
        return value

    def required_symbol(self, name: str = "symbol") -> str:
        """Return a known market symbol; a missing one is a parse refusal."""
        value = self.symbol(name)
        if value is None:
            raise self.missing(name)
        return value

    def required_choice(self, name: str, options: Collection[str]) -> str:
        """Return one of ``options``; a missing one is a parse refusal."""
        value = self.choice(name, options)
        if value is None:
            raise self.missing(name)
        return value

    def missing(self, name: str) -> errors.ParseRefusal:
        """Return the refusal of a request without a required member."""
        if self._schema is None:
            return errors.parameter_parse_refusal(name, _enum_name(name), "parameter is missing")
        return errors.body_parse_refusal(f"field `{name}` is required", self._schema, self._schema)

    def refusal(self, name: str, expected: str, reason: str) -> errors.ParseRefusal:
        """Return the plain-text refusal of one member."""
        if self._schema is None:
            return errors.parameter_parse_refusal(name, expected, reason)
        return errors.body_parse_refusal(reason, expected, self._schema)

    def _take(self, name: str) -> object:
        value = self._raw.get(name)
        if isinstance(value, str | int):
            self.signed[name] = value
        return value


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """One parsed ``OrderExecutePayload``; quantities in base units, ``quote_quantity`` in quote units."""

    symbol: str
    side: str
    order_type: str
    price: Decimal | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    time_in_force: str
    post_only: bool | None
    reduce_only: bool | None
    client_id: int | None
    self_trade_prevention: str
    slippage_tolerance: Decimal | None
    slippage_tolerance_type: str | None
    trigger_price: Decimal | None
    trigger_quantity: str | None
    trigger_by: str | None
    has_attached_triggers: bool
    signed: Mapping[str, SignedValue]


@dataclass(frozen=True, slots=True)
class OrderReference:
    """Which resting order a query or cancel means; exactly one of the two ids is set."""

    symbol: str
    order_id: str | None
    client_id: int | None
    signed: Mapping[str, SignedValue]


def decode_json(body: bytes, schema: str) -> object:
    """Return the JSON value of a request body; raise the plain-text refusal when it is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise errors.ParseRefusal(f"parse request payload error: parse JSON error: {schema}") from error


def json_object(value: object, schema: str) -> Mapping[str, object]:
    """Return ``value`` as a JSON object or raise the plain-text refusal."""
    if not isinstance(value, dict):
        raise errors.body_parse_refusal('Expected input type "object".', schema, schema)
    return value


def parse_place_order(value: object, symbols: Collection[str]) -> PlaceOrder:
    """Read one ``OrderExecutePayload``. Raises ``ParseRefusal`` for wrong types, symbols or enum values."""
    schema = "OrderExecutePayload"
    members = Members(json_object(value, schema), symbols=symbols, schema=schema)
    for name in ("autoLend", "autoLendRedeem", "autoBorrow", "autoBorrowRepay"):
        members.boolean(name)
    members.unsigned("brokerId", 2**16 - 1)
    return PlaceOrder(
        symbol=members.required_symbol(),
        side=members.required_choice("side", SIDES),
        order_type=members.required_choice("orderType", ORDER_TYPES),
        price=members.decimal("price"),
        quantity=members.decimal("quantity"),
        quote_quantity=members.decimal("quoteQuantity"),
        time_in_force=members.choice("timeInForce", TIMES_IN_FORCE) or "GTC",
        post_only=members.boolean("postOnly"),
        reduce_only=members.boolean("reduceOnly"),
        client_id=members.unsigned("clientId", CLIENT_ID_MAX),
        self_trade_prevention=members.choice("selfTradePrevention", SELF_TRADE_PREVENTIONS) or "RejectTaker",
        slippage_tolerance=members.decimal("slippageTolerance"),
        slippage_tolerance_type=members.choice("slippageToleranceType", ("TickSize", "Percent")),
        trigger_price=members.decimal("triggerPrice"),
        trigger_quantity=_read_trigger_quantity(members),
        trigger_by=members.choice("triggerBy", _TRIGGER_BY),
        has_attached_triggers=_read_attached_triggers(members),
        signed=members.signed,
    )


def parse_batch(value: object, symbols: Collection[str]) -> list[PlaceOrder]:
    """Read the array of ``POST /api/v1/orders``; one malformed member refuses the whole batch."""
    if not isinstance(value, list) or not value:
        raise errors.body_parse_refusal('Expected input type "array".', "array", "OrderExecutePayload")
    if len(value) > BATCH_ORDERS_MAX:
        raise errors.bad_request(f"Batch size exceeds {BATCH_ORDERS_MAX}")
    return [parse_place_order(item, symbols) for item in value]


def parse_order_reference(members: Members) -> OrderReference:
    """Read ``symbol`` and one id. With both ids ``orderId`` wins and ``clientId`` counts as not sent."""
    symbol = members.required_symbol()
    order_id = members.text("orderId")
    client_id = None if order_id is not None else members.unsigned("clientId", CLIENT_ID_MAX)
    if order_id is None and client_id is None:
        raise errors.bad_request("Must specify either `orderId` or `clientId`")
    return OrderReference(symbol, order_id, client_id, members.signed)


def _read_trigger_quantity(members: Members) -> str | None:
    """Return a decimal of base units or a percentage of the position, as text."""
    value = members.text("triggerQuantity")
    if value is not None and not _TRIGGER_QUANTITY.fullmatch(value):
        raise members.refusal("triggerQuantity", "TriggerQuantity", f"Invalid trigger quantity: {value}")
    return value


def _read_attached_triggers(members: Members) -> bool:
    present = False
    for prefix in ("stopLoss", "takeProfit"):
        present |= members.decimal(f"{prefix}TriggerPrice") is not None
        present |= members.choice(f"{prefix}TriggerBy", _TRIGGER_BY) is not None
        present |= members.decimal(f"{prefix}LimitPrice") is not None
    return present


def _shown(value: object) -> str:
    return json.dumps(value, default=str)


def _enum_name(name: str) -> str:
    return name[:1].upper() + name[1:]


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
