"""Process groups on this machine: who is in one, ending one. A dead leader's group may still hold running sessions."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

_OURS = (b"hedge", b"sandbox.server", b"deployments.service", b"deployments.watchdog", b"api.server", b"prefect")
_LOOK_S = 0.1


def signal_group(pgid: int, number: int) -> None:
    """Send a signal to every process of a group; one that is gone is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def is_ours(pid: int) -> bool:
    """Tell whether a process mentions us: a recorded pid may have been given to a stranger since."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(word in words for word in _OURS)


def members(pgid: int) -> list[int]:
    """The live processes of ours in a group, without those that only wait to be reaped."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(group) == pgid and state != "Z" and is_ours(int(folder.name)):
            found.append(int(folder.name))
    return found


def wait_empty(
    pgid: int, timeout_s: float, monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
) -> bool:  # fmt: skip
    """Wait until no process of ours is left in a group; False when one is, after timeout_s seconds."""
    deadline = monotonic() + timeout_s
    while members(pgid):
        if monotonic() >= deadline:
            return False
        sleep(_LOOK_S)
    return True


def end_group(pgid: int, grace_s: float) -> None:
    """SIGTERM to what is left of a group whose leader is dead, SIGKILL after the grace; a stranger's is left alone."""
    if members(pgid):
        signal_group(pgid, signal.SIGTERM)
        if not wait_empty(pgid, grace_s):
            signal_group(pgid, signal.SIGKILL)
