"""Pacifica's signatures: Ed25519 over compact, key-sorted JSON. Pure: no clock, no network, no logging.

Source: docs.pacifica.fi, API > Signing (message construction), Operation types, API agent keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import base58
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from pydantic import JsonValue

from connectors.settings import PacificaKeys
from core.errors import ConfigurationError

Payload = Mapping[str, JsonValue]

# Header fields of a signed body; everything else in it is the operation's payload.
_HEADER_FIELDS = frozenset({"account", "agent_wallet", "signature", "timestamp", "expiry_window"})


class Signer:
    """Signs for one account, with its own key or with an agent key bound to it. Its repr shows no key."""

    def __init__(self, keys: PacificaKeys) -> None:
        """Read the keys; raise ConfigurationError when the secret does not belong to the address it should."""
        self.account = keys.account
        self.agent_wallet = keys.agent_wallet
        self._key = _signing_key(keys.secret_key.get_secret_value())
        expected, name = (keys.agent_wallet, "agent_wallet") if keys.agent_wallet else (keys.account, "account")
        if base58.b58encode(bytes(self._key.verify_key)).decode() != expected:
            raise ConfigurationError(
                f"pacifica: the secret key does not belong to {name} {expected}; check which key was given",
                field="secret_key",
            )

    def __repr__(self) -> str:
        return f"Signer(account={self.account!r}, agent_wallet={self.agent_wallet!r})"

    def signature(self, operation: str, payload: Payload, *, timestamp_ms: int, expiry_window_ms: int) -> str:
        """Return base58 of the Ed25519 signature over the canonical message."""
        message = canonical_message(operation, payload, timestamp_ms=timestamp_ms, expiry_window_ms=expiry_window_ms)
        return base58.b58encode(self._key.sign(message).signature).decode()

    def signed_body(
        self, operation: str, payload: Payload, *, timestamp_ms: int, expiry_window_ms: int
    ) -> dict[str, JsonValue]:
        """Return the flattened body of a POST: header fields, then the very payload that was signed."""
        body: dict[str, JsonValue] = {"account": self.account}
        if self.agent_wallet:
            body["agent_wallet"] = self.agent_wallet
        body["signature"] = self.signature(
            operation, payload, timestamp_ms=timestamp_ms, expiry_window_ms=expiry_window_ms
        )
        body["timestamp"] = timestamp_ms
        body["expiry_window"] = expiry_window_ms
        return {**body, **payload}


def canonical_message(operation: str, payload: Payload, *, timestamp_ms: int, expiry_window_ms: int) -> bytes:
    """Return the bytes that are signed: {data, expiry_window, timestamp, type}, keys sorted at every depth.

    No whitespace, ASCII only (how the venue treats other characters is not documented, and no field needs them):
    anything else raises ValueError. `data` is present even when empty.
    """
    message = {"type": operation, "timestamp": timestamp_ms, "expiry_window": expiry_window_ms, "data": dict(payload)}
    return json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("ascii")


def encode_body(body: Payload) -> bytes:
    """Return a body as it goes over the wire; values are written exactly as they were signed."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def verifies(operation: str, body: Payload) -> bool:
    """Tell whether a body's signature fits its own fields, checked the way the venue documents it.

    The signer is agent_wallet when present, else account. For agent management, whose payload holds the
    agent_wallet itself, this is not the right check.
    """
    signer = body.get("agent_wallet") or body.get("account")
    timestamp_ms, expiry_window_ms, signature = (body.get(k) for k in ("timestamp", "expiry_window", "signature"))
    if not (isinstance(signer, str) and isinstance(signature, str)):
        return False
    if not (isinstance(timestamp_ms, int) and isinstance(expiry_window_ms, int)):
        return False
    payload = {key: value for key, value in body.items() if key not in _HEADER_FIELDS}
    try:
        message = canonical_message(operation, payload, timestamp_ms=timestamp_ms, expiry_window_ms=expiry_window_ms)
        VerifyKey(base58.b58decode(signer)).verify(message, base58.b58decode(signature))
    except (BadSignatureError, ValueError):
        return False
    return True


def _signing_key(secret: str) -> SigningKey:
    """Read base58 of the 32-byte seed or of the 64-byte wallet form (seed, then public key)."""
    try:
        raw = base58.b58decode(secret)
    except ValueError:
        raise ConfigurationError("pacifica: the secret key is not base58", field="secret_key") from None
    if len(raw) not in (32, 64):
        raise ConfigurationError("pacifica: the secret key must hold 32 or 64 bytes", field="secret_key")
    key = SigningKey(raw[:32])
    if len(raw) == 64 and raw[32:] != bytes(key.verify_key):
        raise ConfigurationError("pacifica: the two halves of the secret key do not fit together", field="secret_key")
    return key
