"""An execution that its venue undid before anybody learnt of it: its order says that it filled, no list says by what.

Only the position tells; where it does not, nothing is assumed.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.errors import ReconciliationFailed
from core.order import FillCause
from core.pair import Done
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.place_pair import PairEnd, open_pair
from tasks.reconcile_fills import reconcile
from tasks.recover import load_course
from tests.fakes.venue import Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
UNLISTED = Script(events_after_s=None, rest_after_s=10_000)


async def filled_unlisted(world: World) -> tuple[Desk, Course, PairEnd]:
    """A pair of which b says that it sold, and lists no execution yet."""
    world.venues["b"].script(UNLISTED)
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    return desk, Course(started_at=desk.now(), last_progress_at=desk.now()), end


async def beat(world: World, desk: Desk, course: Course) -> None:
    world.clock.advance(1)
    await Heart(desk, course, QuietBoard()).beat()  # type: ignore[arg-type]


@pytest.mark.parametrize("is_told", [False, True], ids=["silently", "told"])
async def test_it_is_noted_as_undone_and_its_leg_stands_alone(world: World, is_told: bool) -> None:
    desk, course, end = await filled_unlisted(world)
    b = world.venues["b"]
    b.feed.is_up = is_told
    b.bust(b.executions[-1][0])
    b.feed.is_up = True
    await reconcile(desk, end)
    desk.put_down()
    await beat(world, desk, course)
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D(0)}
    assert [x.category for x in world.store.reads.breaches(SESSION)] == ["trade_bust"]
    assert [f.account_id for f in world.store.reads.fills_of_session(SESSION)] == ["a"]
    (pair,) = world.pairs
    assert (pair.outcome.volume, world.session.status.value) == (0, "paused")
    assert not desk.busts


async def test_a_run_that_dies_right_after_leaves_it_to_the_next_one(world: World) -> None:
    desk, _, end = await filled_unlisted(world)
    world.venues["b"].executions.pop()
    await reconcile(desk, end)
    world.die()
    desk = world.desk()
    course = await load_course(desk, world.session)
    heart = Heart(desk, course, QuietBoard())  # type: ignore[arg-type]
    await heart.compare_positions()
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D(0)}
    assert [x.category for x in world.store.reads.breaches(SESSION)] == ["trade_bust"]


async def test_what_the_venue_did_besides_does_not_hide_it(world: World) -> None:
    desk, course, end = await filled_unlisted(world)
    b = world.venues["b"]
    b.executions.pop()
    b.meddle(D("-0.02"), cause=FillCause.ADL)
    await reconcile(desk, end)
    desk.put_down()
    await beat(world, desk, course)
    assert {x.category for x in world.store.reads.breaches(SESSION)} == {"adl", "trade_bust"}
    assert desk.positions["b"] == world.positions["b"] == D("-0.02")


async def test_a_position_that_shows_it_proves_that_only_the_list_is_late(world: World) -> None:
    desk, _, end = await filled_unlisted(world)
    with pytest.raises(ReconciliationFailed, match=r"0\.1 filled, executions of 0 known"):
        await reconcile(desk, end)
    assert not desk.busts


async def test_a_position_that_neither_shows_nor_lacks_it_proves_nothing(world: World) -> None:
    desk, _, end = await filled_unlisted(world)
    b = world.venues["b"]
    b.feed.is_up = False
    b.meddle(D("0.03"))
    b.executions[-1] = (b.executions[-1][0], b.executions[0][1])  # somebody's trade, as late on the list
    with pytest.raises(ReconciliationFailed):
        await reconcile(desk, end)
    assert world.store.reads.breaches(SESSION) == []
