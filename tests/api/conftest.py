"""Fixtures of the API's tests: a world, and one living app on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_world import Api, ApiWorld, new_home


@pytest.fixture
def world(tmp_path: Path) -> ApiWorld:
    """A data folder, a clock, venues and a Prefect of its own."""
    return ApiWorld(new_home(tmp_path / "home"))


@pytest.fixture
async def api(world: ApiWorld) -> AsyncIterator[Api]:
    """A living app with an administrator's key."""
    async with world.opened() as opened:
        yield opened
