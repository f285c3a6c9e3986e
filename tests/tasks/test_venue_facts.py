"""What venues say about themselves reaches the gate and the planner; what they do not say is never made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from connectors.clock import ClockOffset
from core.market_data import VenueState
from core.plan import Nothing, NothingCode, plan_pair
from core.risk import RefusalCode, Refused, RiskDecision, Severity
from store.records import BreachAction, NewBreach
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.risk_gate import check_risk, session_view
from tasks.venue_facts import CLOCK_AGE_MAX, CLOCK_EVERY_S, CLOCK_TOLERANCE
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


async def begun(world: World) -> tuple[Desk, Heart, Course]:
    """A session that has beaten once."""
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    course = Course(started_at=desk.now(), last_progress_at=desk.now())
    heart = Heart(desk, course, QuietBoard())  # type: ignore[arg-type]
    await heart.beat()
    return desk, heart, course


async def decision(world: World) -> RiskDecision:
    return await check_risk.fn(world.plan(), D(0), D(0))


async def refusal(world: World) -> RefusalCode | None:
    decided = await decision(world)
    return decided.code if isinstance(decided, Refused) else None


def notices(world: World) -> list[str]:
    return [str(e.payload["text"]) for e in world.store.reads.events_since(SESSION, 0) if e.type == "notice"]


def off_by(world: World, name: str, offset: timedelta, error: timedelta = timedelta(0)) -> None:
    """Let a venue's clock be measured as this far from ours."""
    world.venues[name].offset = ClockOffset(offset, error, world.clock())


async def test_clocks_that_agree_are_safe(world: World) -> None:
    await begun(world)
    assert await refusal(world) is None


async def test_a_clock_is_unsafe_by_its_offset_and_doubt_together(world: World) -> None:
    await begun(world)
    off_by(world, "b", -CLOCK_TOLERANCE / 2, CLOCK_TOLERANCE / 2)
    assert await refusal(world) is None
    off_by(world, "b", -CLOCK_TOLERANCE / 2, CLOCK_TOLERANCE / 2 + timedelta(milliseconds=1))
    assert await refusal(world) is RefusalCode.CLOCK_UNSAFE


async def test_a_clock_never_measured_is_not_taken_for_right(world: World) -> None:
    await begun(world)
    world.venues["a"].offset = None
    assert await refusal(world) is RefusalCode.CLOCK_UNSAFE


async def test_a_clock_is_measured_about_once_a_minute(world: World) -> None:
    _, heart, _ = await begun(world)
    for _ in range(5):
        world.clock.advance(CLOCK_EVERY_S / 2)
        await heart.beat()
    offset = world.venues["a"].offset
    assert offset is not None
    assert world.clock() - offset.measured_at <= timedelta(seconds=CLOCK_EVERY_S)


async def test_a_measurement_that_fails_keeps_the_last_until_it_is_too_old(world: World) -> None:
    _, heart, _ = await begun(world)
    world.venues["a"].fail("measure_clock", 10**6)
    end = world.clock() + CLOCK_AGE_MAX
    while world.clock() + timedelta(seconds=CLOCK_EVERY_S) <= end:
        world.clock.advance(CLOCK_EVERY_S)
        await heart.beat()
        assert await refusal(world) is not RefusalCode.CLOCK_UNSAFE
    world.clock.advance(2 * CLOCK_EVERY_S)
    await heart.beat()
    assert await refusal(world) is RefusalCode.CLOCK_UNSAFE
    assert any("the clock could not be measured" in text for text in notices(world))


async def test_a_venue_that_is_not_open_refuses_and_the_session_waits(world: World) -> None:
    world.venues["b"].market_data.state = VenueState.POST_ONLY
    _, heart, course = await begun(world)
    decided = await decision(world)
    assert isinstance(decided, Refused)
    assert (decided.code, decided.severity) == (RefusalCode.VENUE_CLOSED, Severity.WARNING)
    for _ in range(60):
        world.clock.advance(10)
        await heart.beat()
    assert course.closing is None, "maintenance is no standstill"
    world.venues["b"].market_data.state = VenueState.OPEN
    world.clock.advance(31)
    await heart.beat()
    assert await refusal(world) is None


async def test_a_status_that_cannot_be_read_leaves_the_last_one_standing(world: World) -> None:
    data = world.venues["b"].market_data
    data.state = VenueState.CANCEL_ONLY
    _, heart, _ = await begun(world)
    data.failing.add("system_status")
    world.clock.advance(40)
    await heart.beat()
    assert await refusal(world) is RefusalCode.VENUE_CLOSED


async def test_the_days_volume_caps_what_a_session_may_trade(world: World) -> None:
    for venue in world.venues.values():
        venue.market_data.volume = D(10_000)  # 2 % of it are 200, and half of that may be opened
    desk, _, _ = await begun(world)
    planned = plan_pair(
        session_view(desk, sequence=1, volume=D(0), closing=False, unwinding=False),
        replace(desk.strategy, order_size_min=D(150)),
        desk.rng,
    )
    assert isinstance(planned, Nothing)
    assert planned.code is NothingCode.PARTICIPATION


async def test_an_unknown_volume_is_said_once_and_not_made_up(world: World) -> None:
    world.venues["b"].market_data.volume = D(10**9)
    desk, heart, _ = await begun(world)
    for _ in range(3):
        world.clock.advance(301)
        await heart.beat()
    assert desk.day_volumes == {"b": D(10**9)}
    assert sum("maxParticipation cannot bound" in text for text in notices(world)) == 1
    view = session_view(desk, sequence=1, volume=D(0), closing=False, unwinding=False)
    assert {a.account.account_id: a.venue_volume_24h for a in view.accounts} == {"a": None, "b": D(10**9)}


async def test_an_open_critical_breach_stops_new_pairs_until_it_is_acknowledged(world: World) -> None:
    await begun(world)
    world.store.journal.record_breach.now(
        NewBreach("b1", SESSION, None, "trade_busted", Severity.CRITICAL, {}, world.clock())
    )
    assert await refusal(world) is RefusalCode.HALTED
    await world.store.journal.acknowledge_breach(SESSION, "b1", BreachAction.RESOLVE, at=world.clock())
    assert await refusal(world) is None
