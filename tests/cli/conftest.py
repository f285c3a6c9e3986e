"""A machine of its own for every test of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import FakePrefect, Machine, served


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    """An empty data folder, ports that nobody listens on, no secrets in the environment."""
    made = Machine(tmp_path / "home", monkeypatch, capsys)
    for name in ("HEDGE_PASSPHRASE", "HEDGE_PASSPHRASE_FILE", "HEDGE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made.set(HEDGE_HOME=str(made.home), HEDGE_PORT_BASE="27390", HEDGE_PREFECT_PORT="27399", HEDGE_API_PORT="27398")
    return made


@pytest.fixture
def prefect(machine: Machine) -> Iterator[FakePrefect]:
    """A Prefect for that machine."""
    with served(FakePrefect()) as running:
        machine.set(HEDGE_PREFECT_PORT=str(running.port))
        yield running
