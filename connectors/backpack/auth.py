"""Signing of Backpack requests: the text, the Ed25519 signature, the headers. It knows no request and sends nothing.

Source: docs.backpack.exchange, "Authentication" and, for the WebSocket, "Streams / Private".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from nacl.signing import SigningKey

from connectors.settings import BackpackKeys
from core.errors import ConfigurationError

Scalar = str | int | bool
Params = Mapping[str, Scalar]

WINDOW_MS_DEFAULT = 5_000
WINDOW_MS_MAX = 60_000
SEED_BYTES = 32
SUBSCRIBE = "subscribe"


def scalar_text(value: Scalar) -> str:
    """Write one value as it is signed and as a query carries it: true and false in lower case, decimals as sent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def signing_text(instruction: str, parts: Sequence[Params], *, timestamp_ms: int, window_ms: int) -> str:
    """Return the text to sign: the instruction and the sorted pairs of every part, then timestamp and window.

    A part is the query of a GET or the JSON body of anything else; only a batch of orders has several, and repeats
    the instruction for each. No part is the same as one empty part. Nulls must not be among the values: the venue
    knows no null fields. Raises ValueError for a window outside 1..60000 ms. (docs.backpack.exchange, Authentication)
    """
    if not 0 < window_ms <= WINDOW_MS_MAX:
        raise ValueError(f"the window must be 1 to {WINDOW_MS_MAX} ms, got {window_ms}")
    words = []
    for part in parts or ({},):
        words.append(f"instruction={instruction}")
        words += [f"{name}={scalar_text(part[name])}" for name in sorted(part)]
    words += [f"timestamp={timestamp_ms}", f"window={window_ms}"]
    return "&".join(words)


class Signer:
    """Signs for one API key. The seed never leaves this object and appears in no text of it."""

    __slots__ = ("_key", "public_key")

    def __init__(self, keys: BackpackKeys) -> None:
        """Read the keys; raise ConfigurationError when they are malformed or do not belong together."""
        try:
            seed = base64.b64decode(keys.api_secret.get_secret_value(), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError("backpack: the API secret is not base64; copy it again from the venue") from None
        if len(seed) != SEED_BYTES:
            raise ConfigurationError(f"backpack: the API secret must be {SEED_BYTES} bytes in base64, not {len(seed)}")
        self._key = SigningKey(seed)
        self.public_key = base64.b64encode(bytes(self._key.verify_key)).decode()
        if self.public_key != keys.api_key.strip():
            raise ConfigurationError("backpack: API key and API secret do not belong together; check both")

    def sign(self, text: str) -> str:
        """Return the signature of a text in base64."""
        return base64.b64encode(self._key.sign(text.encode()).signature).decode()

    def headers(
        self, instruction: str, parts: Sequence[Params], *, timestamp_ms: int, window_ms: int = WINDOW_MS_DEFAULT
    ) -> dict[str, str]:
        """Return the headers of one signed request; timestamp_ms is the venue's time."""
        text = signing_text(instruction, parts, timestamp_ms=timestamp_ms, window_ms=window_ms)
        return {
            "X-API-Key": self.public_key,
            "X-Signature": self.sign(text),
            "X-Timestamp": str(timestamp_ms),
            "X-Window": str(window_ms),
        }

    def subscription(self, *, timestamp_ms: int, window_ms: int = WINDOW_MS_DEFAULT) -> list[str]:
        """Return the four texts of a SUBSCRIBE frame's signature; stream names are not part of what is signed."""
        text = signing_text(SUBSCRIBE, (), timestamp_ms=timestamp_ms, window_ms=window_ms)
        return [self.public_key, self.sign(text), str(timestamp_ms), str(window_ms)]
