"""Results killed with -9 in the middle of their making are exactly the operational store's after the next try."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import SegmentCorrupt, open_store
from tests.simulation.results_kills import WORKS, differences, make_home, walk


@pytest.mark.parametrize(("name", "point"), [("compact", 36), ("retain from merged", 13)])
def test_work_killed_between_registering_and_removing_is_simply_done_again(
    tmp_path: Path, name: str, point: int
) -> None:
    (work,) = (one for one in WORKS if one.name == name)
    done = walk(tmp_path, works=[work], first=point, every=1000)
    assert done.held == {name: [1, 1]}, done.table()


def test_a_rebuild_killed_before_its_swap_is_simply_done_again(tmp_path: Path) -> None:
    done = walk(tmp_path, works=[WORKS[-1]], first=31, every=1000)
    assert done.held == {"rebuild": [1, 1]}, done.table()


def test_a_file_removed_before_its_successor_is_registered_is_found(tmp_path: Path) -> None:
    """The comparison itself: a lost segment cannot pass, however the folder came about."""
    make_home(tmp_path / "home")
    with open_store(tmp_path / "home") as store:
        victim = next(segment for segment in store.segments.sealed().segments if segment.table == "pairs")
        (store.home / "segments" / victim.path).unlink()
        with pytest.raises(SegmentCorrupt, match="missing"):
            differences(store, WORKS[3])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_kill_point_holds(tmp_path: Path) -> None:
    done = walk(tmp_path)
    assert done.broken == [], done.table()
    assert sum(of for _, of in done.held.values()) > 150
