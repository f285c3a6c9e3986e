"""The accounts this process can use, read anew only when the files that list them change.

Opening the keystore costs most of a second and much memory on purpose; no caller may have that done at will.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from flows.directory import Directory, read_directory
from store.home import Home
from store.keystore import NAME as KEYSTORE

_FILES = ("accounts.yaml", KEYSTORE)

Stamp = tuple[tuple[int, int, int] | None, ...]


class Roster:
    """The directory of accounts, kept until accounts.yaml or the keystore is another one."""

    def __init__(self, home: Home, environ: Mapping[str, str]) -> None:
        self._home = home
        self._environ = environ
        self._lock = asyncio.Lock()
        self._known: tuple[Stamp, Directory] | None = None

    async def directory(self) -> Directory:
        """Return the accounts as the files list them now."""
        async with self._lock:
            stamp = await asyncio.to_thread(self._stamp)
            if self._known is None or self._known[0] != stamp:
                self._known = (stamp, await asyncio.to_thread(read_directory, self._home, self._environ))
            return self._known[1]

    def _stamp(self) -> Stamp:
        return tuple(self._stamp_of(name) for name in _FILES)

    def _stamp_of(self, name: str) -> tuple[int, int, int] | None:
        try:
            told = (self._home.path / name).stat()
        except FileNotFoundError:
            return None
        return told.st_ino, told.st_mtime_ns, told.st_size
