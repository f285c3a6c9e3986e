"""The sealed keystore: venue keys at rest, opened by a passphrase. One file, nothing of it readable without that.

argon2id makes a key of the passphrase; each secret is sealed on its own with XChaCha20-Poly1305, with environment,
venue and account as associated data, so that no sealed text works in another's place. A sealed word at the head tells
a wrong passphrase from an altered entry. Parameters: libsodium documentation, "Password hashing" and "AEAD", moderate
limits (read 2026-11). Logs nothing; errors name accounts, never secrets.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from nacl import bindings, pwhash
from nacl.exceptions import CryptoError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from core.errors import ConfigurationError

NAME = "keystore.json"
PASSPHRASE_VARIABLE = "HEDGE_PASSPHRASE"  # noqa: S105  (the variable's name)
PASSPHRASE_FILE_VARIABLE = "HEDGE_PASSPHRASE_FILE"  # noqa: S105
PASSPHRASE_LENGTH_MIN = 8
_VERSION = 1
_NONCE_BYTES, _KEY_BYTES = 24, 32
_seal = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt
_open = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt
_WORD = b"this keystore was opened with its own passphrase"
# What a file may ask for: never weaker than interactive use, never so much that opening it is an attack.
_OPS = (pwhash.argon2id.OPSLIMIT_INTERACTIVE, 16)
_MEMORY = (pwhash.argon2id.MEMLIMIT_INTERACTIVE, 2**30)


class WrongPassphrase(ConfigurationError):
    """The passphrase does not open the keystore."""

    code = "WRONG_PASSPHRASE"


class KeystoreDamaged(ConfigurationError):
    """The keystore is not what this system wrote: cut off, altered, or entries moved about."""

    code = "KEYSTORE_DAMAGED"


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """Whose secret an entry is; bound to the sealed text."""

    environment: str
    venue: str
    account_id: str

    def __str__(self) -> str:
        return f"account {self.account_id} ({self.venue}, {self.environment})"


@dataclass(frozen=True, slots=True)
class Cost:
    """What deriving the key costs: passes, and bytes of memory."""

    passes: int = pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = pwhash.argon2id.MEMLIMIT_MODERATE


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sealed(_Model):
    nonce: str
    text: str


class _Derivation(_Model):
    name: Annotated[str, Field(pattern="^argon2id$")] = "argon2id"
    salt: str
    passes: Annotated[int, Field(ge=_OPS[0], le=_OPS[1])]
    memory_bytes: Annotated[int, Field(ge=_MEMORY[0], le=_MEMORY[1])]


class _Entry(_Model):
    environment: str
    venue: str
    account_id: str
    sealed: _Sealed

    @property
    def label(self) -> Label:
        return Label(self.environment, self.venue, self.account_id)


class _File(_Model):
    version: Annotated[int, Field(ge=_VERSION, le=_VERSION)] = _VERSION
    derivation: _Derivation
    word: _Sealed
    entries: list[_Entry] = []


class Keystore:
    """The keystore of one data folder. Every call reads the file anew; writes replace it in one step."""

    def __init__(self, home: Path, *, cost: Cost | None = None) -> None:
        self._path = home / NAME
        self._cost = cost or Cost()

    @property
    def exists(self) -> bool:
        """True once something was sealed."""
        return self._path.exists()

    def labels(self) -> list[Label]:
        """Return whose secrets there are, in order; needs no passphrase. Raises KeystoreDamaged."""
        found = self._read()
        return [] if found is None else sorted(entry.label for entry in found.entries)

    def check(self, passphrase: SecretStr) -> None:
        """Raise WrongPassphrase unless the passphrase opens the keystore, KeystoreDamaged when an entry is altered."""
        found = self._read()
        if found is not None:
            key = self._key(found, passphrase)
            for entry in found.entries:
                self._opened(entry, key)

    def get(self, label: Label, passphrase: SecretStr) -> SecretStr | None:
        """Return a secret, None when there is none under the label; raises WrongPassphrase, KeystoreDamaged."""
        found = self._read()
        entry = None if found is None else next((e for e in found.entries if e.label == label), None)
        if found is None or entry is None:
            return None
        return SecretStr(self._opened(entry, self._key(found, passphrase)).decode())

    def put(self, label: Label, secret: SecretStr, passphrase: SecretStr) -> None:
        """Seal a secret under a label, in place of an older one; the first one makes the file.

        Raises WrongPassphrase (nothing is written), KeystoreDamaged, ConfigurationError.
        """
        with self._alone():
            found = self._read() or self._fresh(passphrase)
            entry = _Entry(
                environment=label.environment, venue=label.venue, account_id=label.account_id,
                sealed=_sealed(secret.get_secret_value().encode(), _bound(label), self._key(found, passphrase)),
            )  # fmt: skip
            kept = [e for e in found.entries if e.label != label]
            self._write(found.model_copy(update={"entries": [*kept, entry]}))

    def remove(self, label: Label) -> bool:
        """Forget a secret; False when there was none. Needs no passphrase: nothing is revealed."""
        with self._alone():
            found = self._read()
            if found is None or all(entry.label != label for entry in found.entries):
                return False
            self._write(found.model_copy(update={"entries": [e for e in found.entries if e.label != label]}))
            return True

    def _fresh(self, passphrase: SecretStr) -> _File:
        if len(passphrase.get_secret_value()) < PASSPHRASE_LENGTH_MIN:
            raise ConfigurationError(
                f"a passphrase needs at least {PASSPHRASE_LENGTH_MIN} characters; choose a longer one",
                field="passphrase",
            )
        salt = _text(secrets.token_bytes(pwhash.argon2id.SALTBYTES))
        derivation = _Derivation(salt=salt, passes=self._cost.passes, memory_bytes=self._cost.memory_bytes)
        key = _derived(passphrase.get_secret_value(), salt, derivation.passes, derivation.memory_bytes)
        return _File(derivation=derivation, word=_sealed(_WORD, _bound(None), key))

    def _key(self, found: _File, passphrase: SecretStr) -> bytes:
        how = found.derivation
        key = _derived(passphrase.get_secret_value(), how.salt, how.passes, how.memory_bytes)
        try:
            word = _open(_raw(found.word.text), _bound(None), _raw(found.word.nonce), key)
        except CryptoError:
            word = b""
        if word != _WORD:
            raise WrongPassphrase(f"the passphrase does not open {NAME} (or its head was altered)", field="passphrase")
        return key

    def _opened(self, entry: _Entry, key: bytes) -> bytes:
        try:
            return _open(_raw(entry.sealed.text), _bound(entry.label), _raw(entry.sealed.nonce), key)
        except CryptoError:
            raise KeystoreDamaged(
                f"{NAME}: the sealed key of {entry.label} was altered or belongs to another account; "
                "remove the account and add it again with its key",
                field="keystore", accountId=entry.account_id,
            ) from None  # fmt: skip

    def _read(self) -> _File | None:
        try:
            text = self._path.read_bytes()
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{NAME} cannot be read: {error.strerror}", field="keystore") from None
        if mode & 0o077:
            raise ConfigurationError(f"{NAME} can be read by others; `chmod 600 {self._path}`", field="keystore")
        try:
            return _checked(_File.model_validate_json(text))
        except (ValidationError, ValueError):
            raise KeystoreDamaged(
                f"{NAME} is not what this system wrote; bring it back from a copy or move it away and add the accounts "
                "again",
                field="keystore",
            ) from None

    def _write(self, content: _File) -> None:
        """Write beside, flush to disk, rename: readers see the old file or the new one, never a part."""
        beside = self._path.with_name(f".{NAME}.{os.getpid()}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content.model_dump(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out; the lock dies with its process."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path.with_name(NAME + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{NAME} cannot be written: {error.strerror}", field="keystore") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def passphrase_from(environ: Mapping[str, str]) -> SecretStr | None:
    """Return the passphrase that HEDGE_PASSPHRASE holds or HEDGE_PASSPHRASE_FILE points to, None without either.

    Raises ConfigurationError when the file cannot be read, is empty, or can be read by others.
    """
    if environ.get(PASSPHRASE_VARIABLE):
        return SecretStr(environ[PASSPHRASE_VARIABLE])
    where = environ.get(PASSPHRASE_FILE_VARIABLE)
    return None if not where else private_text(Path(where), PASSPHRASE_FILE_VARIABLE)


def private_text(path: Path, field: str) -> SecretStr:
    """Return the first line of a file that only its owner may read; `field` names it in errors."""
    try:
        mode, lines = path.stat().st_mode, path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(f"{field}: {path} cannot be read: {reason}", field=field) from None
    if mode & 0o077:
        raise ConfigurationError(f"{field}: {path} can be read by others; `chmod 600 {path}`", field=field)
    if not lines or not lines[0].strip():
        raise ConfigurationError(f"{field}: {path} is empty; put the secret on its first line", field=field)
    return SecretStr(lines[0].strip())


@lru_cache(maxsize=4)
def _derived(passphrase: str, salt: str, passes: int, memory_bytes: int) -> bytes:
    """Kept for the life of the process: deriving takes most of a second, and the process holds the keys anyway."""
    return pwhash.argon2id.kdf(_KEY_BYTES, passphrase.encode(), _raw(salt), opslimit=passes, memlimit=memory_bytes)


def _sealed(plain: bytes, bound: bytes, key: bytes) -> _Sealed:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _Sealed(nonce=_text(nonce), text=_text(_seal(plain, bound, nonce, key)))


def _bound(label: Label | None) -> bytes:
    whose = ["word"] if label is None else [label.environment, label.venue, label.account_id]
    return json.dumps(["hedge keystore", _VERSION, *whose]).encode()


def _checked(content: _File) -> _File:
    """Raise ValueError for lengths that no writer of ours makes."""
    for sealed in (content.word, *(entry.sealed for entry in content.entries)):
        if len(_raw(sealed.nonce)) != _NONCE_BYTES or not _raw(sealed.text):
            raise ValueError("sealed")
    if len(_raw(content.derivation.salt)) != pwhash.argon2id.SALTBYTES:
        raise ValueError("salt")
    if len({entry.label for entry in content.entries}) != len(content.entries):
        raise ValueError("doubles")
    return content


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
