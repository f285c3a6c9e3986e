"""Worlds for whole sessions, and Prefect's test harness for the tests that run a real flow."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.world import World, make_world


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    """A Prefect server with a database of its own, quiet: no heartbeats, no logs over the wire, no telemetry.

    Its client leaves sockets to the garbage collector, so what it left is collected here and not in another test.
    """
    from prefect import settings
    from prefect.testing.utilities import prefect_test_harness

    quiet = {
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
        settings.PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with settings.temporary_settings(quiet), prefect_test_harness(server_startup_timeout=60):
            yield
        gc.collect()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Build worlds in folders of their own; the flow writes its report there too."""
    made: list[World] = []

    def build(**changes: Any) -> World:
        folder = tmp_path / str(len(made))
        made.append(make_world(folder, **changes))
        monkeypatch.setenv("HEDGE_HOME", str(folder / "home"))
        return made[-1]

    yield build
    for world in made:
        world.store.close()
        world.check_venues()
