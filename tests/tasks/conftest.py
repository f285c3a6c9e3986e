"""A world of two accounts on two venues, closed and checked at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.world import World, make_world


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Build a world with changes to its request; venues=… for other accounts than a on Pacifica and b on Paradex."""
    made: list[World] = []

    def build(**changes: object) -> World:
        made.append(make_world(tmp_path / str(len(made)), **changes))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for world in made:
        world.store.close()
        world.check_venues()


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    """The plain one."""
    return make()
