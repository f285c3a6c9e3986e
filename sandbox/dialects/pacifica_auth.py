"""Pacifica's signatures: rebuild the signed message from a body and verify it.

Duty: the fields each operation signs, the canonical message, expiry, and who may sign for an account.
Sources: docs.pacifica.fi, API Documentation: Signing, Implementation; Operation Types; API Agent Keys.
The signed text is {"data": fields, "expiry_window", "timestamp", "type"}, keys sorted at every depth,
compact separators; Ed25519 over its UTF-8 bytes, base58. The header members never stand inside `data`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import base58
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from sandbox.dialects.pacifica_errors import (
    agent_not_authorized,
    invalid_message,
    invalid_public_key,
    invalid_signature,
    verification_failed,
)

EXPIRY_WINDOW_MS = 30_000  # inserted when a body leaves expiry_window out

ORDER_FIELDS = ("symbol", "price", "amount", "side", "tif", "reduce_only", "client_order_id")
BRACKET_FIELDS = ("take_profit", "stop_loss", "builder_code")
REFERENCE_FIELDS = ("symbol", "order_id", "client_order_id")

# Signed fields by operation type.
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "create_order": (*ORDER_FIELDS, *BRACKET_FIELDS),
    "create_market_order": (
        "symbol",
        "amount",
        "side",
        "slippage_percent",
        "reduce_only",
        "client_order_id",
        *BRACKET_FIELDS,
    ),
    "create_stop_order": ("symbol", "side", "reduce_only", "stop_order", "builder_code"),
    "cancel_order": REFERENCE_FIELDS,
    "cancel_stop_order": REFERENCE_FIELDS,
    "cancel_all_orders": ("all_symbols", "exclude_reduce_only", "symbol"),
    "edit_order": ("symbol", "price", "amount", "order_id", "client_order_id"),
    "set_position_tpsl": ("symbol", "side", *BRACKET_FIELDS),
    "update_leverage": ("symbol", "leverage"),
    "update_margin_mode": ("symbol", "is_isolated"),
    "withdraw": ("amount",),
    "subaccount_initiate": ("account",),
    "subaccount_confirm": ("signature",),
    "transfer_funds": ("to_account", "amount"),
    "list_subaccounts": (),
    "bind_agent_wallet": ("agent_wallet",),
    "revoke_agent_wallet": ("agent_wallet",),
    "list_agent_wallets": (),
    "revoke_all_agent_wallets": (),
    "create_api_key": (),
    "list_api_keys": (),
    "revoke_api_key": ("api_key",),
}
OWNER_ONLY = frozenset(
    {
        "bind_agent_wallet",
        "revoke_agent_wallet",
        "list_agent_wallets",
        "revoke_all_agent_wallets",
        "create_api_key",
        "list_api_keys",
        "revoke_api_key",
    }
)


@dataclass(frozen=True, slots=True)
class Header:
    """The unsigned part of a signed body, already of the right JSON types."""

    account: str
    signature: str
    timestamp: int
    expiry_window: int
    agent_wallet: str | None


def canonical_message(operation: str, *, timestamp: int, expiry_window: int, fields: Mapping[str, object]) -> bytes:
    """Text that is signed, as UTF-8 bytes."""
    message = {"type": operation, "timestamp": timestamp, "expiry_window": expiry_window, "data": fields}
    return json.dumps(message, sort_keys=True, separators=(",", ":")).encode()


def signed_fields(operation: str, body: Mapping[str, object]) -> dict[str, object]:
    """The operation's own fields as the body carries them; unknown members are not part of the message."""
    return {name: body[name] for name in OPERATIONS[operation] if name in body}


def verify(
    operation: str,
    header: Header,
    fields: Mapping[str, object],
    *,
    now_ms: int,
    ahead_ms_max: int = 5_000,
    is_agent: Callable[[str, str], bool],
) -> None:
    """Check expiry, keys, signature and the agent's binding, in this order; raise ApiError.

    `ahead_ms_max` is how far in the future a timestamp may lie, which the documents do not say.
    `is_agent(account, agent)` says whether the agent wallet is bound. Agent management is the owner's alone.
    """
    if header.timestamp + header.expiry_window < now_ms or header.timestamp > now_ms + ahead_ms_max:
        raise invalid_message()
    _decode_key(header.account)
    signer = header.account
    if header.agent_wallet is not None and operation not in OWNER_ONLY:
        signer = header.agent_wallet
    message = canonical_message(
        operation, timestamp=header.timestamp, expiry_window=header.expiry_window, fields=fields
    )
    try:
        VerifyKey(_decode_key(signer)).verify(message, _decode_signature(header.signature))
    except BadSignatureError:
        raise verification_failed() from None
    if signer != header.account and not is_agent(header.account, signer):
        raise agent_not_authorized()


def is_public_key(text: str) -> bool:
    """Whether a text is base58 of 32 bytes."""
    try:
        return len(base58.b58decode(text)) == 32
    except ValueError:
        return False


def _decode_key(text: str) -> bytes:
    if not is_public_key(text):
        raise invalid_public_key()
    return bytes(base58.b58decode(text))


def _decode_signature(text: str) -> bytes:
    try:
        raw = bytes(base58.b58decode(text))
    except ValueError:
        raise invalid_signature() from None
    if len(raw) != 64:
        raise invalid_signature()
    return raw
