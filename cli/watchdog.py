"""`hedge watchdog`: flatten sessions that nobody drives any more, from a process of its own, until told to stop."""

from __future__ import annotations

import os

from deployments.watchdog import PATIENCE_VARIABLE, main


def run(patience_s: float | None) -> int:
    """Watch in the foreground; patience_s in place of HEDGE_WATCHDOG_S. Returns the exit code."""
    if patience_s is not None:
        os.environ[PATIENCE_VARIABLE] = str(patience_s)
    return main()
