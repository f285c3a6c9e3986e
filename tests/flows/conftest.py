"""Prefect's test harness, started once and only for the tests that run a flow."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
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
