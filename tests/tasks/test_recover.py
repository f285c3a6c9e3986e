"""Start-up is recovery: wherever a run died, the next one asks the venues and brings the pair to its end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.errors import VenueUnreachable
from core.order import OrderIntent
from core.pair import Done, Halt, PairStatus
from core.risk import Severity
from store import NewPair, SessionStatus
from store.records import BreachAction, CommandKind, NewBreach
from tasks.course import Course
from tasks.desk import Desk
from tasks.place_pair import open_pair, plan_document
from tasks.reconcile_fills import reconcile
from tasks.recover import load_course, resume_open_pairs
from tests.fakes.venue import LOST, LOST_ON_THE_WAY, NOTHING, REJECTED, WHOLE, Answer, Crash, Script
from tests.fakes.world import SESSION, World

D = Decimal
Make = Callable[..., World]


async def die_while_placing(world: World, **scripts: Script) -> None:
    """Start the session's first pair and let the process die in the middle of it."""
    for name, script in scripts.items():
        world.venues[name].script(script)
    desk = world.desk()
    world.activate()
    with pytest.raises(Crash):
        await open_pair(desk, world.plan(), {})
    world.die()


async def restart(world: World) -> tuple[Desk, Course, list[PairStatus]]:
    """A new run: rebuild, resume, account. Returns how the open pairs ended."""
    desk = world.desk()
    course = await load_course(desk, world.session)
    statuses = []
    async for end, reconciled in resume_open_pairs(desk, course):
        assert isinstance(end.action, Done), end.action
        desk.put_down()
        statuses.append(reconciled.status)
    return desk, course, statuses


async def test_first_start_begins_at_zero(world: World) -> None:
    desk, course, statuses = await restart(world)
    assert (course.sequence, course.volume, statuses) == (0, 0, [])
    assert desk.is_flat


async def test_intents_that_were_journalled_and_not_sent_are_proven_absent_first(world: World) -> None:
    """Neither leg left: after the proof there is nothing to repair, and nothing is sent late."""
    await die_while_placing(world, a=Script(crash="before"), b=Script(crash="before"))
    _, _, statuses = await restart(world)
    assert statuses == [PairStatus.FAILED]
    assert world.placed == 2
    assert world.positions == {"a": 0, "b": 0}
    world.check_journal()


async def test_orders_whose_answers_were_lost_with_the_process_are_found_and_not_sent_again(world: World) -> None:
    await die_while_placing(world, a=Script(crash="after"), b=Script(crash="after"))
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert world.placed == 2
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D("-0.1")}
    world.check_journal()


async def test_order_that_arrives_after_the_process_died_is_found(world: World) -> None:
    """It reaches the venue after the new run has asked for the first time."""
    world.die = lambda: world.clock.advance(1)  # type: ignore[method-assign]
    await die_while_placing(world, a=Script(crash="after", arrives_after_s=1.5), b=Script(crash="after"))
    desk = world.desk(lease=False)
    course = await load_course(desk, world.session)
    async for _ in resume_open_pairs(desk, course):
        pass
    assert world.placed == 2
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}
    world.check_journal()


async def test_lone_leg_left_by_a_dead_process_is_hedged(world: World) -> None:
    await die_while_placing(world, a=Script(crash="after"), b=Script(crash="before"))
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert len(world.venues["a"].placed) == 1
    world.check_journal()


async def test_lone_leg_left_by_a_dead_process_is_taken_back_where_it_cannot_be_hedged(world: World) -> None:
    world.venues["b"].otherwise = lambda intent: REJECTED
    await die_while_placing(world, a=Script(crash="after"), b=Script(crash="before"))
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.UNWOUND]
    assert desk.is_flat
    assert world.positions == {"a": 0, "b": 0}
    world.check_journal()


async def test_pair_that_died_between_filling_and_reconciling_is_reconciled(world: World) -> None:
    desk = world.desk()
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    world.die()
    desk, course, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert world.placed == 2
    assert desk.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert course.sequence == 1
    world.check_journal()


async def test_pair_without_orders_was_never_sent_and_is_cancelled(world: World) -> None:
    desk, plan = world.desk(), world.plan()
    await desk.store.journal.record_pair(
        NewPair(
            plan.pair_id, SESSION, 1, plan.buy.account.venue, "a", plan.sell.account.venue, "b", plan.quantity,
            plan.buy_mid, plan.sell_mid, {"plan": plan_document(plan), "lot": "0.001", "offset": "0"}, world.clock(),
        )
    )  # fmt: skip
    world.die()
    _, course, statuses = await restart(world)
    assert statuses == []
    assert world.placed == 0
    assert course.sequence == 1, "its sequence, and with it its ids, are used up"
    (pair,) = world.pairs
    assert pair.outcome.status is PairStatus.CANCELLED
    assert pair.outcome.completed_at is not None


async def test_ended_pairs_are_counted_once_more_from_the_journal(world: World) -> None:
    desk = world.desk()
    for sequence in (1, 2):
        end = await open_pair(desk, world.plan(sequence=sequence), {})
        await reconcile(desk, end)
        desk.put_down()
    volumes = dict(desk.volumes)
    world.die()
    desk, course, statuses = await restart(world)
    assert statuses == []
    assert course.sequence == 2
    assert course.pairs_filled == 2
    assert course.volume == sum(p.outcome.volume for p in world.pairs)
    assert desk.positions == {"a": D("0.2"), "b": D("-0.2")}
    assert desk.volumes == volumes


async def test_several_open_pairs_all_count_in_the_position(world: World) -> None:
    """Two pairs filled and neither was completed in the journal: the second must not hide the first."""
    desk = world.desk()
    for sequence in (1, 2):
        await open_pair(desk, world.plan(sequence=sequence), {})
        desk.put_down()
    world.die()
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED, PairStatus.FILLED]
    assert desk.positions == world.positions == {"a": D("0.2"), "b": D("-0.2")}
    world.check_journal()


async def test_execution_journalled_before_its_order_was_known_is_found_after_a_restart(world: World) -> None:
    """The old run wrote down an execution it could not explain; the new one learns the order's venue id and can."""
    world.venues["a"].script(Script(answer=Answer.UNKNOWN, anonymous=True))
    world.venues["b"].script(Script(crash="after", answer_after_s=1))
    world.activate()
    desk = world.desk()
    with pytest.raises(Crash):
        await open_pair(desk, world.plan(), {})
    await desk.absorb()
    assert desk.foreign
    world.die()
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D("-0.1")}
    world.check_journal()


async def test_halted_pair_is_worked_again_when_its_venue_is_back(world: World) -> None:
    world.venues["a"].script(LOST)
    world.venues["a"].fail("order", times=1000)
    world.venues["a"].scripts[0] = Script(answer=Answer.UNKNOWN, events_after_s=None)
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Halt)
    world.die()
    world.venues["a"].fail("order", times=0)
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert world.placed == 2
    assert desk.positions == world.positions


async def test_halt_that_cannot_be_repaired_is_told_again_by_the_next_run(world: World) -> None:
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Halt)
    world.die()
    desk = world.desk()
    course = await load_course(desk, world.session)
    ends = [end async for end, _ in resume_open_pairs(desk, course)]
    assert [(type(e.action), e.action.net) for e in ends if isinstance(e.action, Halt)] == [(Halt, D("0.1"))]
    assert desk.positions == world.positions == {"a": D("0.1"), "b": 0}


async def test_unreachable_venue_leaves_the_pair_open_for_the_next_run(world: World) -> None:
    await die_while_placing(world, a=LOST_ON_THE_WAY, b=Script(crash="after"))
    world.venues["b"].fail("fills", times=1)
    with pytest.raises(VenueUnreachable):
        await restart(world)
    assert len(world.store.reads.open_pairs(SESSION)) == 1


@pytest.mark.parametrize("deaths", [2, 3])
async def test_dying_again_and_again_sends_nothing_twice(world: World, deaths: int) -> None:
    """Every repair dies right after it reached the venue."""

    def dying(intent: OrderIntent) -> Script:
        return Script(crash="after", share=D(0))

    world.venues["b"].otherwise = dying
    await die_while_placing(world, a=WHOLE)
    for _ in range(deaths):
        with pytest.raises(Crash):
            await restart(world)
        world.die()
    world.venues["b"].otherwise = lambda intent: WHOLE
    desk, _, statuses = await restart(world)
    assert statuses == [PairStatus.FILLED]
    assert len(world.venues["b"].placed) == deaths + 2
    assert desk.positions == world.positions == {"a": D("0.1"), "b": D("-0.1")}
    world.check_journal()


async def test_stop_that_was_obeyed_is_not_forgotten_by_a_restart(world: World) -> None:
    desk = world.desk()
    journal = desk.store.journal
    command = await journal.add_command(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())
    await journal.take_command(command.command_id, at=world.clock())
    await journal.finish_command(command.command_id, "winding down", at=world.clock())
    world.die()
    _, course, _ = await restart(world)
    assert course.closing == "stopped by ops"


async def test_paused_session_comes_back_paused(world: World) -> None:
    desk = world.desk()
    pending = (SessionStatus.PENDING,)
    await desk.store.journal.set_session_status(
        SESSION, pending, SessionStatus.PAUSED, at=world.clock(), reason="paused by ops"
    )
    world.die()
    _, course, _ = await restart(world)
    assert course.paused == "paused by ops"


@pytest.mark.parametrize(("acknowledged", "paused"), [(False, True), (True, False)])
async def test_restart_opens_nothing_while_a_critical_breach_waits(
    world: World, acknowledged: bool, paused: bool
) -> None:
    journal = world.store.journal
    breach = NewBreach("breach", SESSION, None, "position_mismatch", Severity.CRITICAL, {}, world.clock())
    await journal.record_breach(breach)
    if acknowledged:
        await journal.acknowledge_breach(SESSION, "breach", BreachAction.RESOLVE, at=world.clock())
    _, course, _ = await restart(world)
    assert (course.paused is not None) is paused


async def test_restart_after_a_long_time_is_not_taken_for_a_standstill(world: World) -> None:
    await die_while_placing(world, a=Script(crash="after"), b=Script(crash="after"))
    world.clock.advance(3600)
    desk, course, _ = await restart(world)
    assert course.last_progress_at is not None
    assert (desk.now() - course.last_progress_at).total_seconds() < 60
