"""A law that no bug can break is no law: one bug planted for each is found by the first seeds of the slice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.lives import inline_store
from tests.simulation.planted import PLANTED
from tests.simulation.session_laws import LAWS, check
from tests.simulation.test_whole_sessions import SEEDS
from tests.simulation.whole_sessions import run_seed

# Where a bug was found last; only where another change of the sessions moved it are the others tried.
LIKELY = {
    "own orders never meet": 12,
    "a reduction only reduces": 7,
    "naked time is bounded": 2,
    "no order is sent twice": 2,
}


@pytest.mark.parametrize("law", LAWS)
def test_a_bug_against_the_law_is_found_within_the_slice(tmp_path: Path, law: str) -> None:
    with inline_store(tmp_path) as store:
        seeds = (LIKELY.get(law, 0), *range(SEEDS))
        found = next((seed for seed in seeds if law in check(run_seed(seed, store, PLANTED[law])[1])), None)
    assert found is not None
