"""An event loop whose time jumps: when nothing is ready, the next timer is due at once.

Duty: run real clients and real servers over loopback sockets through hours in minutes. Time stands still while
anything can be read or written, so what a socket carries never takes time, and every wait is free.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")
LOOKS = 3  # looks at the sockets before time jumps


class HastySelector(selectors.DefaultSelector):
    """Never waits for a timer: moves the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0  # seconds since the loop began

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, let `timeout` seconds pass in no time."""
        for _ in range(LOOKS):
            ready = super().select(0)
            if ready:
                return ready
        if timeout is None:
            return super().select(None)
        self.now += max(timeout, 0.0)
        return []


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop on the selector's time."""

    def __init__(self) -> None:
        self._hasty = HastySelector()
        super().__init__(self._hasty)

    def time(self) -> float:
        """Seconds since the loop began, in its own time."""
        return self._hasty.now


def run(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine on a hasty loop of its own."""
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(main)
