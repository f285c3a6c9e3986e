"""What a round of a reduction did is the session's, also where that round was not seen to its end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.instrument import Market
from core.order import FillCause
from core.pair import Done
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.follow import Follower
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.recover import load_course
from tasks.reduce import finish_reductions
from tests.fakes.venue import LOST_ON_THE_WAY, Crash, Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]


class Run:
    """A session that holds one pair, long 0.1 on a and short 0.1 on b, and whose legs follow."""

    def __init__(self, world: World, desk: Desk) -> None:
        self.world, self.desk = world, desk
        self.course = Course(started_at=desk.now(), last_progress_at=desk.now())
        self.heart = Heart(desk, self.course, QuietBoard())  # type: ignore[arg-type]
        self.follower = Follower(desk, self.course, self.heart)

    async def step(self) -> bool:
        self.world.clock.advance(1)
        await self.heart.beat()
        return await self.follower.keep_even()


async def holding(world: World) -> Run:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    run = Run(world, desk)
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()
    return run


async def test_a_leg_that_followed_stays_followed_though_its_executions_could_not_be_read_at_once(world: World) -> None:
    run = await holding(world)
    b = world.venues["b"]
    b.script(Script(events_after_s=None))
    world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    b.fail("fills", times=100)
    for _ in range(3):
        await run.step()
    assert run.desk.positions == world.positions == {"a": D("0.06"), "b": D("-0.06")}
    b.fail("fills", times=0)
    for _ in range(3):
        await run.step()
    assert run.desk.working == {}
    end = await open_pair(run.desk, world.plan("0.02", sequence=2), {})
    await reconcile(run.desk, end)
    run.desk.put_down()
    assert run.desk.positions == world.positions == {"a": D("0.08"), "b": D("-0.08")}
    world.check_journal()


async def test_an_order_of_unknown_outcome_makes_no_other_leg_follow_twice(world: World) -> None:
    """Both sides trade, so that what is left lies on the common lot; one of them stays unknown for long."""
    run = await holding(world)
    a, b = world.venues["a"], world.venues["b"]
    b.script(LOST_ON_THE_WAY)
    b.fail("order", times=10_000)
    sent = len(a.placed)
    a.meddle(D("-0.0405"), cause=FillCause.ADL)
    for _ in range(3):
        await run.step()
    assert run.course.halted is not None
    assert len(a.placed) == sent + 1
    assert run.desk.positions == world.positions
    b.fail("order", times=0)
    for _ in range(10):
        await run.step()
    assert run.course.halted is None
    assert len(a.placed) == sent + 1
    assert run.desk.positions == world.positions
    assert sum(world.positions.values()) == 0
    assert world.store.reads.open_orders_of(SESSION) == []
    world.check_journal()


async def test_a_reduction_that_died_unknown_long_ago_is_asked_about_by_the_next_run(world: World) -> None:
    run = await holding(world)
    b = world.venues["b"]
    b.script(Script(crash="before"))
    world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    with pytest.raises(Crash):
        await run.step()
    world.die()
    world.clock.advance(3600)
    desk = world.desk()
    await load_course(desk, world.session)
    await finish_reductions(desk)
    assert desk.positions == world.positions == {"a": D("0.06"), "b": D("-0.1")}
    assert world.store.reads.open_orders_of(SESSION) == []
    world.check_journal()


async def test_a_leg_that_stands_alone_does_not_wait_for_the_reading_of_terms(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That reading may take as long as a hanging venue is waited for, and nothing about a lone leg depends on it."""
    run = await holding(world)
    asked: list[bool] = []

    async def markets() -> dict[str, Market]:
        asked.append(sum(world.positions.values()) == 0)
        return {}

    monkeypatch.setattr(world.venues["a"], "markets", markets)
    world.venues["a"].meddle(D("-0.04"), cause=FillCause.ADL)
    await run.step()
    await run.step()
    assert asked == [True]
