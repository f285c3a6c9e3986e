"""Whatever venues, operators and crashes do, a session keeps the laws, and a seed tells the same story every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.lives import inline_store
from tests.simulation.whole_sessions import run_seed, simulate

PARTS = 4
SEEDS = 32


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_every_law_is_kept(tmp_path: Path, part: int) -> None:
    with inline_store(tmp_path) as store:
        seen = simulate(range(part, SEEDS, PARTS), store)
    assert seen.violations == [], seen.table()
    assert seen.ends["completed"] > 0
    assert seen.fills > seen.pairs > 0


def test_a_seed_tells_the_same_story_line_for_line(tmp_path: Path) -> None:
    """Seed 2 has crashes and lost answers; another store, and another order of sessions before, change nothing."""
    stories = []
    for folder, before in ((tmp_path / "one", ()), (tmp_path / "two", (5,))):
        with inline_store(folder) as store:
            for seed in before:
                run_seed(seed, store)
            stories.append(run_seed(2, store)[1].lines)
    assert stories[0] == stories[1]
    assert len(stories[0]) > 50
