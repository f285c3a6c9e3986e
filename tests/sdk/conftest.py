"""A real service for the clients: the API's own world of tests, served on a loopback port."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its world of tests imports its neighbours by name

from tests.api.api_world import ApiWorld, new_home
from tests.fakes.served_api import ServedApi, served


@pytest.fixture
def world(tmp_path: Path) -> ApiWorld:
    """A data folder, a clock, venues and a Prefect of its own."""
    return ApiWorld(new_home(tmp_path / "home"))


@pytest.fixture
async def service(world: ApiWorld) -> AsyncIterator[ServedApi]:
    """The API on a free port, with an administrator's key."""
    async with served(world) as running:
        yield running
