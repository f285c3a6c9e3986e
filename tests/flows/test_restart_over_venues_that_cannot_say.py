"""A run that begins while a venue cannot say who traded: it waits for the answer, and accuses nobody before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import VenueUnreachable
from core.pair import Done
from flows.steps import PLAIN
from flows.story import COMPARE_S, run_session
from store.records import CommandKind
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tests.fakes.venue import FakeVenue
from tests.fakes.world import SESSION, QuietBoard, World

Make = Callable[..., World]


async def run(world: World) -> dict[str, Any]:
    return await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


async def hold_a_pair(world: World) -> FakeVenue:
    """An earlier run bought 0.1 on a and sold 0.1 on b; the venue then undoes the sale, and nobody listens."""
    desk, b = world.desk(), world.venues["b"]
    await check_funds.fn()
    world.activate()
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    world.store.journal.release_many.now(desk.lease.scopes, desk.lease.holder, attempt=desk.lease.attempt)
    b.bust(b.executions[-1][0])
    world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())
    return b


async def test_executions_that_cannot_be_read_at_once_are_waited_for(make: Make) -> None:
    world = make()
    b = await hold_a_pair(world)
    world.clock.advance(30)
    b.fail("fills", 4)
    await run(world)
    assert [breach.category for breach in world.store.reads.breaches(SESSION)] == ["trade_bust"]
    assert world.session.status.value == "completed"
    assert set(world.positions.values()) == {0}


async def test_an_execution_that_lists_may_still_be_late_with_is_waited_for(make: Make) -> None:
    world = make()
    await hold_a_pair(world)
    world.clock.advance(1)
    await run(world)
    assert [breach.category for breach in world.store.reads.breaches(SESSION)] == ["trade_bust"]
    assert set(world.positions.values()) == {0}


async def test_executions_that_stay_unreadable_end_the_run_as_an_unreachable_venue(make: Make) -> None:
    world = make()
    b = await hold_a_pair(world)
    world.clock.advance(30)
    b.fail("fills", 1000)
    began, placed = world.clock(), world.placed
    with pytest.raises(VenueUnreachable):
        await run(world)
    assert COMPARE_S <= (world.clock() - began).total_seconds() <= 2 * COMPARE_S
    assert (world.placed, world.store.reads.breaches(SESSION)) == (placed, [])
