"""Locks beside results.duckdb, held through the kernel so that they die with their process. Guards no money.

`results.lock` is the keeper's: shared by readers, exclusive for whoever writes or replaces the file. `upkeep.lock`
keeps rebuilding, compacting and retiring apart; whoever holds both took `upkeep.lock` first.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from store.errors import StoreBusy

Pause = Callable[[float], object]

RESULTS = "results.duckdb"
WAIT_S = 30.0
_PAUSE_S = 0.05
wait: Pause = threading.Event().wait


def kept(home: Path, wait_s: float = WAIT_S, pause: Pause = wait) -> AbstractContextManager[None]:
    """Be the keeper: alone with results.duckdb. Raises StoreBusy after wait_s."""
    busy = f"{RESULTS} in {home} was in use for {wait_s:.0f} s; try again when that is done"
    return _held(home / "results.lock", fcntl.LOCK_EX, busy, wait_s, pause)


def shared(home: Path, wait_s: float = WAIT_S, pause: Pause = wait) -> AbstractContextManager[None]:
    """Read results.duckdb beside other readers; the keeper waits meanwhile. Raises StoreBusy after wait_s."""
    busy = f"{RESULTS} in {home} was in use for {wait_s:.0f} s; try again when that is done"
    return _held(home / "results.lock", fcntl.LOCK_SH, busy, wait_s, pause)


def upkeep(home: Path, wait_s: float = WAIT_S, pause: Pause = wait) -> AbstractContextManager[None]:
    """Be the only one who rebuilds, compacts or retires; loading goes on meanwhile. Raises StoreBusy after wait_s."""
    busy = f"another rebuild, compact or retain was at work in {home} for {wait_s:.0f} s; try again when it is done"
    return _held(home / "upkeep.lock", fcntl.LOCK_EX, busy, wait_s, pause)


@contextmanager
def _held(path: Path, kind: int, busy: str, wait_s: float, pause: Pause) -> Iterator[None]:
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        for _ in range(max(1, round(wait_s / _PAUSE_S))):
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pause(_PAUSE_S)
        else:
            raise StoreBusy(busy)
        yield
    finally:
        os.close(handle)
