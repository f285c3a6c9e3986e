"""A venue undoes an execution of a reduction, which is of no pair: it is struck, and the session goes on knowing it."""

from __future__ import annotations

from decimal import Decimal

from core.pricing import per_leg
from tasks.beat import Heart
from tasks.course import Course
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.reduce import reduce_once
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


async def test_an_undone_execution_of_a_reduction_is_struck_and_changes_no_volume(world: World) -> None:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    await reconcile(desk, await open_pair(desk, world.plan(), {}))
    desk.put_down()
    course = Course(started_at=desk.now(), last_progress_at=desk.now())
    await reduce_once(desk, per_leg(desk.strategy.max_slippage))
    assert desk.is_flat
    volume = world.pairs[0].outcome.volume
    a = world.venues["a"]
    a.bust(a.executions[-1][0])
    world.clock.advance(1)
    await Heart(desk, course, QuietBoard()).beat()  # type: ignore[arg-type]
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D(0)}
    assert [b.category for b in world.store.reads.breaches(SESSION)] == ["trade_bust"]
    assert world.pairs[0].outcome.volume == volume > 0
