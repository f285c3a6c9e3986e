"""Pacifica's request bodies: JSON types first, with serde's wording when they are wrong.

Duty: turn a raw JSON body into a header and typed fields. Nothing is rounded or defaulted but
expiry_window. Must not verify signatures or know the engine.
Sources: docs.pacifica.fi, REST API: Orders (create, market, cancel, cancel all, edit, batch), Account.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sandbox.dialects.pacifica_auth import EXPIRY_WINDOW_MS, OWNER_ONLY, Header, signed_fields
from sandbox.dialects.pacifica_errors import ApiError, deserialize_error

Body = Mapping[str, object]
Check = Callable[[object], str | None]

SIDES = ("bid", "ask")
TIFS = ("GTC", "IOC", "ALO", "TOB")


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed, not yet verified operation. `fields` are the signed ones, as received."""

    operation: str
    header: Header
    fields: dict[str, object]

    def text(self, name: str) -> str:
        """A string field."""
        return str(self.fields[name])

    def decimal(self, name: str) -> Decimal:
        """A decimal string field."""
        return Decimal(self.text(name))

    def optional_text(self, name: str) -> str | None:
        """A string field that may be absent or null."""
        value = self.fields.get(name)
        return None if value is None else str(value)

    def object(self, name: str) -> Body:
        """A nested object."""
        value = self.fields[name]
        assert isinstance(value, dict)
        return value

    def flag(self, name: str) -> bool:
        """A boolean field."""
        return self.fields[name] is True

    def optional_int(self, name: str) -> int | None:
        """An integer field that may be absent or null."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else None


def load_object(raw: bytes | str) -> Body:
    """Parse a JSON object; ApiError in serde's words."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise deserialize_error("expected value", raw) from None
    if not isinstance(body, dict):
        raise deserialize_error(f"invalid type: {_kind(body)}, expected a map", raw)
    return body


def parse_command(operation: str, body: Body, raw: bytes | str) -> Command:
    """Check the JSON types of header and fields, then keep what the operation signs."""
    problem = _first_problem(HEADER_CHECKS, body) or _first_problem(FIELD_CHECKS.get(operation, {}), body)
    if problem is None and operation in REFERENCES:
        problem = _reference_problem(body)
    if problem is not None:
        raise deserialize_error(problem, raw)
    expiry = body.get("expiry_window")
    agent = body.get("agent_wallet")
    header = Header(
        account=str(body["account"]),
        signature=str(body["signature"]),
        timestamp=_as_int(body["timestamp"]),
        expiry_window=EXPIRY_WINDOW_MS if expiry is None else _as_int(expiry),
        agent_wallet=None if agent is None or operation in OWNER_ONLY else str(agent),
    )
    return Command(operation, header, signed_fields(operation, body))


def _as_int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _first_problem(checks: Mapping[str, tuple[Check, bool]], body: Body) -> str | None:
    for name, (check, is_required) in checks.items():
        if body.get(name) is None:
            if is_required:
                return f"missing field `{name}`"
            continue
        problem = check(body[name])
        if problem is not None:
            return problem
    return None


def _reference_problem(body: Body) -> str | None:
    given = [name for name in ("order_id", "client_order_id") if body.get(name) is not None]
    return None if len(given) == 1 else "expected exactly one of `order_id` and `client_order_id`"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f'string "{value}"'
        case list():
            return "sequence"
        case _:
            return "map"


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else f"invalid type: {_kind(value)}, expected a string"


def _decimal(value: object) -> str | None:
    problem = _text(value)
    if problem is not None:
        return problem
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return f"invalid value: {_kind(value)}, expected a decimal"
    is_plain = number.is_finite() and "e" not in str(value).lower()
    return None if is_plain else f"invalid value: {_kind(value)}, expected a decimal"


def _integer(value: object) -> str | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if is_integer else f"invalid type: {_kind(value)}, expected u64"


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else f"invalid type: {_kind(value)}, expected a boolean"


def _object(value: object) -> str | None:
    return None if isinstance(value, dict) else f"invalid type: {_kind(value)}, expected a map"


def _uuid(value: object) -> str | None:
    problem = _text(value)
    if problem is not None:
        return problem
    try:
        is_plain = str(uuid.UUID(str(value))) == str(value).lower()
    except ValueError:
        is_plain = False
    return None if is_plain else "UUID parsing failed"


def _one_of(*variants: str) -> Check:
    def check(value: object) -> str | None:
        if value in variants:
            return None
        wanted = ", ".join(f"`{v}`" for v in variants)
        return _text(value) or f"unknown variant `{value}`, expected one of {wanted}"

    return check


REQUIRED, OPTIONAL = True, False
TRIGGER_PRICE_TYPES = ("mark_price", "last_trade_price", "mid_price")
_STOP: Mapping[str, tuple[Check, bool]] = {
    "stop_price": (_decimal, REQUIRED),
    "limit_price": (_decimal, OPTIONAL),
    "client_order_id": (_uuid, OPTIONAL),
    "trigger_price_type": (_one_of(*TRIGGER_PRICE_TYPES), OPTIONAL),
}


def _stop_order(value: object) -> str | None:
    return _shape(value, {**_STOP, "amount": (_decimal, REQUIRED)})


def _protection(value: object) -> str | None:
    return _shape(value, {**_STOP, "amount": (_decimal, OPTIONAL)})


def _shape(value: object, checks: Mapping[str, tuple[Check, bool]]) -> str | None:
    return _first_problem(checks, value) if isinstance(value, dict) else _object(value)


HEADER_CHECKS: Mapping[str, tuple[Check, bool]] = {
    "account": (_text, REQUIRED),
    "signature": (_text, REQUIRED),
    "timestamp": (_integer, REQUIRED),
    "expiry_window": (_integer, OPTIONAL),
    "agent_wallet": (_text, OPTIONAL),
}
_SYMBOL: Mapping[str, tuple[Check, bool]] = {"symbol": (_text, REQUIRED)}
_REFERENCE: Mapping[str, tuple[Check, bool]] = {
    **_SYMBOL,
    "order_id": (_integer, OPTIONAL),
    "client_order_id": (_uuid, OPTIONAL),
}
_BRACKETS: Mapping[str, tuple[Check, bool]] = {
    "client_order_id": (_uuid, OPTIONAL),
    "take_profit": (_object, OPTIONAL),
    "stop_loss": (_object, OPTIONAL),
    "builder_code": (_text, OPTIONAL),
}
FIELD_CHECKS: Mapping[str, Mapping[str, tuple[Check, bool]]] = {
    "create_order": {
        **_SYMBOL,
        "price": (_decimal, REQUIRED),
        "amount": (_decimal, REQUIRED),
        "side": (_one_of(*SIDES), REQUIRED),
        "tif": (_one_of(*TIFS), REQUIRED),
        "reduce_only": (_boolean, REQUIRED),
        **_BRACKETS,
    },
    "create_market_order": {
        **_SYMBOL,
        "amount": (_decimal, REQUIRED),
        "side": (_one_of(*SIDES), REQUIRED),
        "slippage_percent": (_decimal, REQUIRED),
        "reduce_only": (_boolean, REQUIRED),
        **_BRACKETS,
    },
    "create_stop_order": {
        **_SYMBOL,
        "side": (_one_of(*SIDES), REQUIRED),
        "reduce_only": (_boolean, REQUIRED),
        "stop_order": (_stop_order, REQUIRED),
    },
    "set_position_tpsl": {
        **_SYMBOL,
        "side": (_one_of(*SIDES), REQUIRED),
        "take_profit": (_protection, OPTIONAL),
        "stop_loss": (_protection, OPTIONAL),
    },
    "cancel_order": _REFERENCE,
    "cancel_stop_order": _REFERENCE,
    "edit_order": {**_REFERENCE, "price": (_decimal, REQUIRED), "amount": (_decimal, REQUIRED)},
    "cancel_all_orders": {
        "all_symbols": (_boolean, REQUIRED),
        "exclude_reduce_only": (_boolean, REQUIRED),
        "symbol": (_text, OPTIONAL),
    },
    "update_leverage": {**_SYMBOL, "leverage": (_integer, REQUIRED)},
    "update_margin_mode": {**_SYMBOL, "is_isolated": (_boolean, REQUIRED)},
    "bind_agent_wallet": {"agent_wallet": (_text, REQUIRED)},
    "revoke_agent_wallet": {"agent_wallet": (_text, REQUIRED)},
    "revoke_api_key": {"api_key": (_text, REQUIRED)},
    "withdraw": {"amount": (_decimal, REQUIRED)},
    "transfer_funds": {"to_account": (_text, REQUIRED), "amount": (_decimal, REQUIRED)},
}
REFERENCES = frozenset({"cancel_order", "cancel_stop_order", "edit_order"})

BATCH_OPERATIONS: Mapping[str, str] = {
    "Create": "create_order",
    "CreateMarket": "create_market_order",
    "Cancel": "cancel_order",
    "Edit": "edit_order",
    "SetPositionTpsl": "set_position_tpsl",
    "CancelStopOrder": "cancel_stop_order",
}
BATCH_MAX = 10
_SUBACCOUNT_CHECKS: Mapping[str, tuple[Check, bool]] = {
    **dict.fromkeys(("main_account", "subaccount", "main_signature", "sub_signature"), (_text, REQUIRED)),
    "timestamp": (_integer, REQUIRED),
    "expiry_window": (_integer, OPTIONAL),
}


def parse_batch(body: Body, raw: bytes | str) -> list[Command]:
    """Parse the actions of a batch; each is signed alone. One bad action spoils the batch."""
    actions = body.get("actions")
    if not isinstance(actions, list):
        raise deserialize_error("missing field `actions`", raw)
    if not 1 <= len(actions) <= BATCH_MAX:
        raise ApiError(400, f"Batch must hold 1 to {BATCH_MAX} actions")
    commands = []
    for action in actions:
        if not isinstance(action, dict) or not isinstance(action.get("data"), dict):
            raise deserialize_error("missing field `data`", raw)
        operation = BATCH_OPERATIONS.get(str(action.get("type")))
        if operation is None:
            raise deserialize_error(f"unknown variant `{action.get('type')}`", raw)
        commands.append(parse_command(operation, action["data"], raw))
    return commands


def parse_subaccount(body: Body, raw: bytes | str) -> tuple[Command, Command]:
    """Read the two signed halves of a new subaccount: the subaccount's, then its main account's."""
    problem = _first_problem(_SUBACCOUNT_CHECKS, body)
    if problem is not None:
        raise deserialize_error(problem, raw)
    main, sub, sub_signature = (str(body[name]) for name in ("main_account", "subaccount", "sub_signature"))
    expiry = body.get("expiry_window")
    window = EXPIRY_WINDOW_MS if expiry is None else _as_int(expiry)
    timestamp = _as_int(body["timestamp"])
    initiate = Header(sub, sub_signature, timestamp, window, None)
    confirm = Header(main, str(body["main_signature"]), timestamp, window, None)
    return (
        Command("subaccount_initiate", initiate, {"account": main}),
        Command("subaccount_confirm", confirm, {"signature": sub_signature}),
    )
