"""Check of Backpack's Ed25519 request signatures: headers, clock window, text, bytes.

Duty: rebuild the text a client must have signed and verify it. It must not look up accounts, read the clock
or know what a route does.

Source: docs.backpack.exchange, "Authentication" (text, sorted pairs, repeated instruction of a batch, default
window 5000 ms, largest window 60000 ms) and "Streams, Private" (subscribe signature).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from sandbox.dialects import backpack_errors as errors

WINDOW_MS_DEFAULT = 5_000
WINDOW_MS_MAX = 60_000
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIMESTAMP_DIGITS_MAX = 19

SignedValue = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented: its key, its signature, and the two numbers that bound the replay window.

    ``timestamp`` and ``window`` keep the characters that were sent, because these are what was signed.
    """

    api_key: str
    timestamp: str
    window: str
    signature: bytes = field(repr=False)


def read_headers(headers: Mapping[str, str]) -> Credentials:
    """Return the credentials of a REST request.

    ``headers`` must be case-insensitive or lower-case. Raises ``ApiRefusal`` when one is missing or malformed.
    """
    parts: list[str] = []
    for name in ("x-api-key", "x-signature", "x-timestamp"):
        value = headers.get(name)
        if value is None:
            raise errors.bad_request(f"Missing {_header_name(name)} header")
        parts.append(value)
    window = headers.get("x-window", str(WINDOW_MS_DEFAULT))
    return read_parts(parts[0], parts[1], parts[2], window)


def read_parts(api_key: str, signature: str, timestamp: str, window: str) -> Credentials:
    """Return credentials from their four texts (the order of a WebSocket ``signature`` member)."""
    if _decode(api_key, _KEY_BYTES) is None:
        raise errors.bad_request("Invalid X-API-Key header")
    decoded = _decode(signature, _SIGNATURE_BYTES)
    if decoded is None:
        raise errors.malformed_signature()
    if not _is_plain_integer(timestamp):
        raise errors.bad_request("Invalid timestamp")
    if not _is_plain_integer(window) or int(window) > WINDOW_MS_MAX:
        raise errors.bad_request("Invalid window")
    return Credentials(api_key, timestamp, window, decoded)


def check_window(credentials: Credentials, now_ms: int) -> None:
    """Refuse a request older than its window, or one from further in the future than its window."""
    age_ms = now_ms - int(credentials.timestamp)
    if age_ms > int(credentials.window):
        raise errors.request_expired()
    if age_ms < -int(credentials.window):
        raise errors.bad_request("Invalid timestamp")


def signing_text(instruction: str, groups: Sequence[Mapping[str, SignedValue]], timestamp: str, window: str) -> str:
    """Return the text that is signed.

    Each group is one set of pairs and repeats the instruction before it: a batch has one group for each
    order, every other request exactly one (possibly empty). Pairs are sorted by key; null members are left out.
    """
    parts: list[str] = []
    for group in groups:
        parts.append(f"instruction={instruction}")
        parts.extend(f"{key}={_plain(group[key])}" for key in sorted(group) if group[key] is not None)
    parts.append(f"timestamp={timestamp}")
    parts.append(f"window={window}")
    return "&".join(parts)


def is_signed_by_key(credentials: Credentials, text: str) -> bool:
    """Tell whether the credentials' signature is that of their own key over ``text``."""
    public_key = _decode(credentials.api_key, _KEY_BYTES)
    if public_key is None:
        return False
    try:
        VerifyKey(public_key).verify(text.encode(), credentials.signature)
    except BadSignatureError:
        return False
    return True


def _plain(value: SignedValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _decode(text: str, size: int) -> bytes | None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == size else None


def _is_plain_integer(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _TIMESTAMP_DIGITS_MAX


def _header_name(name: str) -> str:
    return {"x-api-key": "X-API-Key", "x-signature": "X-Signature", "x-timestamp": "X-Timestamp"}[name]
