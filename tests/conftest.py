"""For every folder of tests: shared contract modules explain their assertions, and nothing hangs for ever."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from xdist.scheduler import LoadFileScheduling

pytest.register_assert_rewrite(
    "tests.contract.bench",
    "tests.contract.cards",
    "tests.contract.surface_cards",
    "tests.contract.surface_desk_cards",
    "tests.contract.surface_stream_cards",
)

END_TO_END = "tests/e2e"
OWN_INSTALLATION = ("test_planted_keys.py",)

# What the alarm of pytest-timeout cannot end (a teardown that waits, a lock held in C) ends with the process.
HARD_S = 480.0
_ERRORS = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the true standard error, as it is before a test's output is captured."""
    config.stash[_ERRORS] = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)


class _Files(LoadFileScheduling):  # type: ignore[misc]
    """Each file to one worker, and all end-to-end files that share an installation to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return END_TO_END if file.startswith(END_TO_END) and not file.endswith(OWN_INSTALLATION) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Callable[..., None]) -> LoadFileScheduling | None:
    """Schedule by files, unless the command line asks for another way with --dist."""
    return _Files(config, log) if config.getoption("dist") in ("load", "loadfile") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with what mostly waits, the end-to-end tests, and then with the files of many tests."""
    if not hasattr(config, "workerinput"):
        return
    many = Counter(item.path for item in items)
    items.sort(key=lambda item: (END_TO_END not in item.nodeid, -many[item.path], str(item.path)))


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
