"""For every folder of tests: shared contract modules explain their assertions, and nothing hangs for ever."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "tests.contract.bench",
    "tests.contract.cards",
    "tests.contract.surface_cards",
    "tests.contract.surface_desk_cards",
    "tests.contract.surface_stream_cards",
)

# What the alarm of pytest-timeout cannot end (a teardown that waits, a lock held in C) ends with the process.
HARD_S = 480.0
_ERRORS = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the true standard error, as it is before a test's output is captured."""
    config.stash[_ERRORS] = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a process that a test hangs in, its fixtures and their teardown included, with every thread's stack."""
    guard = threading.Timer(HARD_S, _give_up, (item.nodeid, item.config.stash[_ERRORS]))
    guard.daemon = True
    guard.start()
    try:
        return (yield)
    finally:
        guard.cancel()


def _give_up(nodeid: str, errors: int) -> None:
    os.write(errors, f"\n{nodeid} has hung for {HARD_S:.0f} s; where every thread is:\n".encode())
    faulthandler.dump_traceback(errors, all_threads=True)
    os._exit(70)
