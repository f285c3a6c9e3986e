"""A run that dies while one leg follows another is simply run again: nothing is reduced twice, nothing stays alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.lives import inline_store
from tests.simulation.reduction_kills import walk


@pytest.mark.parametrize("cause", ["deleveraging", "undone trade", "by hand"])
def test_a_run_that_dies_while_a_leg_follows_is_simply_run_again(tmp_path: Path, cause: str) -> None:
    with inline_store(tmp_path) as store:
        kills = walk(store, causes=[cause], fates=["answer lost"], every=7)
    assert kills.broken == []
    assert sum(kills.cells.values()) >= 4


def test_a_run_that_dies_as_an_undone_trade_is_journalled_leaves_no_volume_of_it(tmp_path: Path) -> None:
    with inline_store(tmp_path) as store:
        kills = walk(store, causes=["undone trade"], fates=["whole"], only=("journal bust_fill",))
    assert kills.broken == []
    assert kills.cells == {"none": 1, "journal bust_fill": 2}
