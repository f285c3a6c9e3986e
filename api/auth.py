"""API keys: making them, and telling who calls. A key is `hk_<id>_<secret>`; the store knows a digest of the secret.

Secrets are 32 random bytes, so a fast hash is enough. They are compared in constant time and never logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from api.errors import Unauthorized
from api.throttle import FailureThrottle
from store import Store
from store.api_records import ApiKey, Scope

RandomBytes = Callable[[int], bytes]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"hk_([0-9A-Za-z]{4,32})_([0-9A-Za-z]{20,64})")
_ID_BYTES, _ID_DIGITS = 8, 11
_SECRET_BYTES, _SECRET_DIGITS = 32, 43
_NOBODY = hashlib.sha256(b"nobody").hexdigest()

READERS = frozenset({Scope.READ, Scope.TRADE, Scope.ADMIN})
TRADERS = frozenset({Scope.TRADE, Scope.ADMIN})
STOPPERS = frozenset({Scope.KILL, Scope.TRADE, Scope.ADMIN})
ADMINS = frozenset({Scope.ADMIN})


def make_key(name: str, scopes: Collection[Scope], *, at: datetime, random: RandomBytes) -> tuple[ApiKey, str]:
    """Return a new key as the store keeps it, and its text, which is shown once."""
    key_id = _base62(random(_ID_BYTES), _ID_DIGITS)
    secret = make_secret(random)
    return ApiKey(key_id, name, digest(secret), frozenset(scopes), at), f"hk_{key_id}_{secret}"


def make_secret(random: RandomBytes) -> str:
    """Return 32 random bytes as text."""
    return _base62(random(_SECRET_BYTES), _SECRET_DIGITS)


def digest(secret: str) -> str:
    """Return what the store keeps of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def ensure_local_key(store: Store, path: Path, *, at: datetime, random: RandomBytes) -> bool:
    """Make an administrator's key named `local` and write it to a private file, unless there is one already.

    Returns True when a key was made. The file is written first, so that no key exists that nobody knows.
    """
    key, text = make_key("local", (Scope.ADMIN,), at=at, random=random)
    if any(known.is_valid and Scope.ADMIN in known.scopes for known in store.reads.api_keys()):
        return False
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
    if not store.journal.create_first_api_key.now(key):
        unfinished.unlink()
        return False
    unfinished.replace(path)
    return True


class Keys:
    """Tells who calls; failed attempts are throttled by address, good keys never are."""

    def __init__(self, store: Store, throttle: FailureThrottle) -> None:
        self._store = store
        self._throttle = throttle

    async def authenticate(self, text: str | None, address: str) -> ApiKey:
        """Return the valid key behind a text; raise Unauthorized, or RateLimitExceeded after many failures."""
        found = await self.look_up(text)
        if found is None:
            self._throttle.failed(address)
            raise Unauthorized
        return found

    async def look_up(self, text: str | None) -> ApiKey | None:
        """Return the valid key behind a text, None when it is none."""
        match = _KEY.fullmatch(text or "")
        if match is None:
            return None
        key_id, secret = match.groups()
        key = await asyncio.to_thread(self._store.reads.api_key, key_id)
        good = hmac.compare_digest(digest(secret), _NOBODY if key is None else key.secret_sha256)
        return key if good and key is not None and key.is_valid else None

    async def redeem(self, ticket: str, address: str, *, at: datetime) -> ApiKey:
        """Use a ticket up and return its key; raise Unauthorized, or RateLimitExceeded after many failures.

        A ticket that is none costs a read: strangers cannot make the store write.
        """
        key_id = None
        if await asyncio.to_thread(self._store.reads.has_ticket, digest(ticket)):
            key_id = await self._store.journal.redeem_ticket(digest(ticket), now=at)
        key = None if key_id is None else await self.by_id(key_id)
        if key is None:
            self._throttle.failed(address)
            raise Unauthorized
        return key

    async def by_id(self, key_id: str) -> ApiKey | None:
        """Return the valid key of an id (of a ticket, say), None when there is none."""
        key = await asyncio.to_thread(self._store.reads.api_key, key_id)
        return key if key is not None and key.is_valid else None


def bearer(header: str | None) -> str | None:
    """Return the key in an Authorization header, None when there is none in it."""
    scheme, _, text = (header or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def _base62(raw: bytes, digits: int) -> str:
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 62)
        text = _ALPHABET[rest] + text
    return text.rjust(digits, "0")
