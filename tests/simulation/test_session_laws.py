"""The laws themselves: what keeps them is not accused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import AccountNotActive
from core.pair import Done
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tests.fakes.venue import Script
from tests.fakes.world import World, make_world
from tests.simulation.session_laws import LAWS
from tests.simulation.session_run import Lived

D = Decimal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A session that has started."""
    made = make_world(tmp_path)
    yield made
    made.store.close()


async def sit_down(world: World) -> Desk:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    return desk


async def trade(world: World, desk: Desk, sequence: int) -> None:
    end = await open_pair(desk, world.plan(sequence=sequence), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()


async def test_a_leg_whose_execution_is_undone_later_was_not_naked_before(world: World) -> None:
    desk = await sit_down(world)
    for sequence in (1, 2):
        world.venues["b"].script(Script(events_after_s=None))
        await trade(world, desk, sequence)
        world.clock.advance(2)
    law = LAWS["naked time is bounded"]
    told = Lived(world, naked_budget=D(30), ends=[AccountNotActive("stands still")])
    assert list(law(told)) == []
    b = world.venues["b"]
    b.bust(b.executions[0][0])
    assert list(law(told)) == []


async def test_a_leg_that_stood_alone_counts_though_another_execution_was_undone(world: World) -> None:
    desk = await sit_down(world)
    for sequence in (1, 2):
        world.venues["b"].script(Script(answer_after_s=3, fill_after_s=2))
        await trade(world, desk, sequence)
        world.clock.advance(2)
    a = world.venues["a"]
    a.bust(a.executions[-1][0])
    told = Lived(world, naked_budget=D(30), ends=[AccountNotActive("stands still")])
    assert "pair 2 opened with" in next(LAWS["naked time is bounded"](told))
