"""The kill switch for real: a run that is killed or frozen while it holds positions, and the watchdog of `hedge up`.

A minute of waiting each, so `make test-slow` runs them; tests/deployments/test_watchdog.py has it on virtual time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from store import Session
from tests.e2e.conftest import Installation
from tests.e2e.test_sessions import assert_clean

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Lease 20 s, patience 30 s, closing; the rest is room for a slow machine.
FLAT_WITHIN_S = 150.0


@pytest.fixture
def frozen() -> Iterator[list[int]]:
    """Processes that a test stopped: none outlives it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def hold_something(installation: Installation) -> tuple[Session, int]:
    """Run a session until it holds a position; return it with its run's process."""
    strategy = {"timing": {"minInterval": 20, "maxInterval": 30, "orderSize": {"min": 100, "max": 300}}}
    session = installation.create(volumeTarget="100000", strategy=strategy)
    pid = installation.process_of(installation.run(session.session_id))

    def holds() -> bool:
        accounts = [a for truth in installation.state()["venues"].values() for a in truth["accounts"].values()]
        return any(account["positions"] for account in accounts)

    installation.wait(holds, "the session holds a position")
    return session, pid


def check_flattened(installation: Installation, session_id: str) -> None:
    ended = installation.ended(session_id, FLAT_WITHIN_S)
    assert ended.status.value == "completed", ended.status_reason
    assert "watchdog" in (ended.status_reason or "")
    assert_clean(installation, session_id)
    assert "unattended" in {b.category for b in installation.store.reads.breaches(session_id)}


@pytest.mark.slow
def test_session_of_a_killed_run_is_flattened_by_the_watchdog(installation: Installation) -> None:
    session, pid = hold_something(installation)
    os.kill(pid, signal.SIGKILL)
    check_flattened(installation, session.session_id)


@pytest.mark.slow
def test_session_of_a_frozen_run_is_flattened_and_the_run_that_wakes_sends_nothing(
    installation: Installation, frozen: list[int]
) -> None:
    session, pid = hold_something(installation)
    frozen.append(pid)
    os.kill(pid, signal.SIGSTOP)
    check_flattened(installation, session.session_id)
    orders = installation.store.reads.orders_of_session(session.session_id)
    os.kill(pid, signal.SIGCONT)
    installation.wait(lambda: not is_alive(pid), "the run that woke up stops", 60)
    assert installation.store.reads.orders_of_session(session.session_id) == orders
    assert_clean(installation, session.session_id)


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
