"""One whole installation on free ports for the tests that need it: twins, Prefect server, service."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.runs import start_run
from connectors.settings import Environment
from deployments.local import start
from deployments.processes import Family
from flows.wiring import create_session
from store import Session, Store, open_store
from store.home import Home
from store.requests import parse_request


@dataclass(frozen=True)
class Installation:
    """What `hedge up` starts, with shortcuts for tests. Everything is real and on loopback."""

    home: Home
    store: Store

    def create(self, **changes: Any) -> Session:
        """Create a small, quick ETH session over the three sandbox accounts."""
        request = parse_request(small_request(**changes))
        return create_session(self.store, request, Environment.SANDBOX, self.home, os.environ)

    def run(self, session_id: str, attempt: int = 1) -> str:
        """Ask Prefect to run a session; returns the flow run id."""
        return start_run(self.home, environment="sandbox", session_id=session_id, attempt=attempt)

    def state(self) -> dict[str, Any]:
        """The twins' own truth."""
        answer = httpx.get(f"{self.home.sandbox_url}/control/state", trust_env=False, timeout=30)
        return dict(answer.json())

    def fault(self, **body: Any) -> None:
        """Arm a fault at a twin."""
        answer = httpx.post(f"{self.home.sandbox_url}/control/faults", json=body, trust_env=False, timeout=10)
        assert answer.is_success, answer.text

    def prefect(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the Prefect server's API."""
        url = f"{self.home.prefect_url}/api{path}"
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.get(url) if body is None else client.post(url, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def prefect_rows(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask the Prefect server for a list."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"{self.home.prefect_url}/api{path}", json=body)
        assert answer.is_success, answer.text
        return list(answer.json())

    def wait(self, condition: Callable[[], Any], what: str, timeout_s: float = 90.0) -> Any:
        """Wait until something is true (or not None); fail saying what did not happen."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout_s:.0f} s: {what}")

    def ended(self, session_id: str, timeout_s: float = 120.0) -> Session:
        """Wait for a session's end and return it."""

        def look() -> Session | None:
            session = self.store.reads.session(session_id)
            on_record = any(e.type == "settled" for e in self.store.reads.events_since(session_id, 0))
            return session if session.status.is_final and (on_record or not session.started_at) else None

        found: Session = self.wait(look, f"session {session_id} ended and is on record", timeout_s)
        return found

    def process_of(self, flow_run_id: str) -> int:
        """The process that executes a flow run."""
        marker = f"PREFECT__FLOW_RUN_ID={flow_run_id}".encode()

        def look() -> int | None:
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if marker in (folder / "environ").read_bytes().split(b"\0"):
                        return int(folder.name)
                except OSError:
                    continue
            return None

        return int(self.wait(look, "the flow run's process"))


def small_request(**changes: Any) -> dict[str, Any]:
    """A session of a few pairs without pauses."""
    strategy: dict[str, Any] = {
        "symbol": "ETH/USD",
        "volumeDistribution": "equal",
        "priceRange": {"min": "0.0001", "max": "0.0005"},
        "timing": {"minInterval": 0.05, "maxInterval": 0.1, "orderSize": {"min": 100, "max": 300}},
        "riskLimits": {"maxPositionSize": "0.5", "stopLossThreshold": "0.05", "maxSlippage": "0.01"},
        "orderTypes": {"primary": "market", "fallback": "market"},
    }
    strategy |= changes.pop("strategy", {})
    return {
        "accounts": ["account1", "account2", "account3"], "volumeTarget": "1200", "strategy": strategy,
    } | changes  # fmt: skip


def free_block(count: int) -> int:
    """Find a run of free loopback ports and return the first; each worker of pytest looks in a range of its own."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 8
    for first in range(12_000 + 1_000 * worker, 13_000 + 1_000 * worker, 16):
        sockets = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                sockets.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return first
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError("no free ports")


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start everything once for all e2e tests and stop it at the end."""
    with installed(tmp_path_factory.mktemp("home")) as made:
        yield made


@contextmanager
def installed(folder: Path, prepare: Callable[[Home], Mapping[str, str]] = lambda _: {}) -> Iterator[Installation]:
    """Start an installation in a folder, in an environment with what `prepare` adds; stop it at the end."""
    first = free_block(6)
    home = Home(folder, first, first + 4, first + 5)
    before = dict(os.environ)
    os.environ.update({**prepare(home), **home.environ()})
    family = start(home, seed=11, speed=1.0, say=print, family=Family(home))
    try:
        limits = {"venue": "pacifica", "per_minute": 100_000}
        httpx.post(f"{home.sandbox_url}/control/limits", json=limits, trust_env=False, timeout=10).raise_for_status()
        with open_store(home.path) as store:
            yield Installation(home, store)
    finally:
        family.stop()
        os.environ.clear()
        os.environ.update(before)


def kill(pid: int) -> None:
    """SIGKILL: no handler, no finally, no goodbye."""
    os.kill(pid, signal.SIGKILL)


def hedge(home: Home, *arguments: str, timeout_s: float = 60.0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as an operator would."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, timeout=timeout_s,
        env={**os.environ, **home.environ(), **environ}, check=False,
    )  # fmt: skip
