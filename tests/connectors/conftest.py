"""Shared fixtures of the connector tests: a clock that sleeping moves, and the venue twins as one process."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from connectors.settings import Outside

REPO = Path(__file__).resolve().parents[2]
TWINS_START_S = 30.0


@dataclass
class SteppedTime:
    """Time under the test's hand: sleeping moves the clock at once, yields to the loop, and is written down."""

    now: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def outside(self, seed: int = 1) -> Outside:
        return Outside(self.clock, self.sleep, random.Random(seed))


@pytest.fixture
def stepped() -> SteppedTime:
    """A clock that only sleeping moves."""
    return SteppedTime()


@pytest.fixture
def real_outside() -> Outside:
    """The machine's clock and sleep, for tests that speak over real sockets."""
    return Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))


@dataclass(frozen=True)
class Twins:
    """The running venue twins: where they listen, and their control door."""

    port_base: int

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.port_base}"

    def open_account(self, **request: object) -> dict[str, object]:
        """Open a funded account, e.g. venue="pacifica", publicKey="...", balance="10000"."""
        return self.control("accounts", **request)

    def arm(self, venue: str, kind: str, **request: object) -> None:
        """Arm a fault of one venue, e.g. kind="lost_answer", action="place", count=1."""
        self.control("faults", venue=venue, kind=kind, **request)

    def control(self, door: str, **request: object) -> dict[str, object]:
        """POST to one of the control doors (accounts, price, funding, clock, limits, faults)."""
        answer = httpx.post(
            f"{self.control_url}/control/{door}", json=request, timeout=10, trust_env=False, verify=False
        )
        assert answer.is_success, answer.text
        said = answer.json()
        assert isinstance(said, dict)
        return said


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Start `python -m sandbox.server` once for a module, on a free block of ports, and stop it afterwards."""
    port_base = free_port_block(4)
    log = tmp_path_factory.mktemp("twins") / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.server", "--port-base", str(port_base)],
            cwd=REPO,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_listening(process, port_base, log)
            yield Twins(port_base)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, by force when it does not go by itself."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port_block(width: int) -> int:
    """Find `width` neighbouring free loopback ports and return the first."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            base = int(probe.getsockname()[1])
        if base + width < 65_536 and all(is_free(base + offset) for offset in range(width)):
            return base
    raise RuntimeError("no free block of ports was found")


def is_free(port: int) -> bool:
    """Tell whether a loopback port can be bound now."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_listening(process: subprocess.Popen[bytes], port_base: int, log: Path) -> None:
    """Return once the control door and the three twins accept connections; fail with the server's own words."""
    deadline = time.monotonic() + TWINS_START_S
    pending = {port_base + offset for offset in range(4)}
    while pending:
        if process.poll() is not None:
            pytest.fail(f"sandbox.server ended with {process.returncode}: {log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            pytest.fail(f"sandbox.server does not listen on {sorted(pending)}: {log.read_text()[-2000:]}")
        for port in sorted(pending):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
                pending.discard(port)
        if pending:
            time.sleep(0.05)
