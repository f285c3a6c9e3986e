"""Secrets on their way in: from a hidden prompt or a private file, never from an argument, never shown again."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from pathlib import Path

from pydantic import SecretStr

from core.errors import ConfigurationError
from store.keystore import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE, Keystore, passphrase_from, private_text


def read_key(prompt: str, key_file: Path | None) -> SecretStr:
    """Return a key from the first line of a file that only its owner may read, or from a hidden prompt."""
    if key_file is not None:
        return private_text(key_file, "--key-file")
    return _asked(prompt, "give it with --key-file FILE where nobody can type")


def read_passphrase(keystore: Keystore) -> SecretStr:
    """Return the passphrase from the environment, a file, or a hidden prompt; a new one is asked for twice."""
    found = passphrase_from(os.environ)
    if found is not None:
        return found
    remedy = f"set {PASSPHRASE_VARIABLE} or {PASSPHRASE_FILE_VARIABLE} where nobody can type"
    if keystore.exists:
        return _asked("passphrase of the keystore", remedy)
    first = _asked("passphrase for the new keystore", remedy)
    if _asked("the same again", remedy) != first:
        raise ConfigurationError("the two passphrases differ; nothing was written", field="passphrase")
    return first


def _asked(prompt: str, remedy: str) -> SecretStr:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{prompt}: standard input is no terminal; {remedy}", field="key")
    try:
        with warnings.catch_warnings():
            # Python would read on with a visible key where a terminal cannot hide it; that is refused here.
            warnings.simplefilter("error", getpass.GetPassWarning)
            typed = getpass.getpass(f"{prompt}: ", stream=sys.stderr).strip()
    except (EOFError, getpass.GetPassWarning):
        raise ConfigurationError(
            f"{prompt}: it cannot be read here without being shown; {remedy}", field="key"
        ) from None
    if not typed:
        raise ConfigurationError(f"{prompt}: nothing was typed", field="key")
    return SecretStr(typed)
