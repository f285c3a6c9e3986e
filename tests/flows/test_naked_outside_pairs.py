"""What stands alone outside pairs counts in the session and in the UTC days on which it did, once, whoever dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.order import FillCause
from flows.steps import PLAIN
from flows.story import run_session
from store.records import CommandKind
from tests.fakes.venue import NOTHING, WHOLE, Crash, Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]
NEARLY_MIDNIGHT = datetime(2026, 1, 5, 23, 58, 30, tzinfo=UTC)
ALONE_S = 180


async def run(world: World) -> dict[str, Any]:
    """One run of the session, with Prefect taken away."""
    desk = world.desk()
    desk.limits = replace(desk.limits, naked_usd_seconds_max=D("1e12"), naked_day_max=D("1e12"))
    return await run_session(desk, world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def leave_alone(world: World, then: Callable[[], None] = lambda: None) -> list[tuple[datetime, Decimal]]:
    """Deleverage the first account at the first quiet second; the other cannot follow for a while.

    Returns, once it has happened, when, and the notional that stood alone.
    """
    a, b = world.venues["a"], world.venues["b"]
    happened: list[tuple[datetime, Decimal]] = []

    def force() -> None:
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(1, force)
            return
        b.otherwise = lambda intent: NOTHING
        a.meddle(-a.position, cause=FillCause.ADL)
        happened.append((world.clock(), abs(b.position) * b.mid))
        world.clock.later(ALONE_S, lambda: setattr(b, "otherwise", lambda intent: WHOLE))
        world.clock.later(ALONE_S + 20, lambda: stop(world))
        then()

    world.clock.later(1, force)
    return happened


def stop(world: World) -> None:
    """An operator stops the session."""
    world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())


def outside(world: World) -> dict[str, Decimal]:
    """What stood alone outside pairs, by day."""
    return {n.day.isoformat(): n.usd_seconds for n in world.store.reads.ledger.naked_outside(SESSION)}


def check_figures_agree(world: World, days: Sequence[datetime]) -> None:
    """The session's figure is that of its pairs and of outside them, and the days add up to it."""
    inside = sum((pair.outcome.naked_usd_seconds for pair in world.pairs), D(0))
    total = world.session.totals.naked_usd_seconds
    assert total == inside + sum(outside(world).values(), D(0))
    assert sum((world.store.reads.ledger.naked_on_day_of(day) for day in days), D(0)) == total


async def test_a_leg_alone_across_midnight_counts_on_each_day_for_its_seconds_there(make: Make) -> None:
    world = make(volumeTarget="100000")
    world.clock.advance((NEARLY_MIDNIGHT - world.clock()).total_seconds())
    happened = leave_alone(world)
    await run(world)
    world.check_completed_and_flat()
    ((at, usd),) = happened
    midnight = datetime(2026, 1, 6, tzinfo=UTC)
    before, after = outside(world)["2026-01-05"], outside(world)["2026-01-06"]
    assert before == pytest.approx(usd * D((midnight - at).total_seconds()), rel=D("0.01"))
    assert usd * ALONE_S <= before + after <= usd * (ALONE_S + 15)
    check_figures_agree(world, [at, midnight])


async def test_the_days_gate_sees_what_stands_alone_outside_pairs_while_it_does(make: Make) -> None:
    world = make(volumeTarget="100000")
    seen: list[Decimal] = []
    happened = leave_alone(
        world,
        lambda: world.clock.later(60, lambda: seen.append(world.store.reads.ledger.naked_on_day_of(world.clock()))),
    )
    await run(world)
    ((at, usd),) = happened
    assert seen[0] >= usd * 50
    check_figures_agree(world, [at])


async def test_a_run_that_dies_meanwhile_leaves_nothing_out_and_nothing_twice(make: Make) -> None:
    world = make(volumeTarget="100000")
    happened = leave_alone(world)
    world.clock.later(1, lambda: None)
    world.venues["b"].script()

    def die() -> None:
        world.venues["b"].otherwise = lambda intent: Script(crash="before")

    def when_alone() -> None:
        if happened:
            world.clock.later(20, die)
        else:
            world.clock.later(1, when_alone)

    world.clock.later(2, when_alone)
    with pytest.raises(Crash):
        await run(world)
    world.venues["b"].otherwise = lambda intent: NOTHING
    world.die()
    await run(world)
    world.check_completed_and_flat()
    ((at, usd),) = happened
    assert usd * ALONE_S <= sum(outside(world).values()) <= usd * (ALONE_S + 15)
    check_figures_agree(world, [at])


async def test_closing_leg_by_leg_counts_the_seconds_between_its_legs(make: Make) -> None:
    """Told to flatten where no pair can be closed: one leg is down at once, the other a while later."""
    world = make(volumeTarget="100000")
    a, b = world.venues["a"], world.venues["b"]
    taken: list[tuple[datetime, Decimal]] = []

    def flatten() -> None:
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(1, flatten)
            return
        # Books stand still, so that the gate lets no pair through; the second leg then fills nothing for a while.
        for venue in (a, b):
            venue.freeze(120)
        b.otherwise = lambda intent: NOTHING
        at = world.clock()
        taken.append((at, abs(b.position) * b.mid))
        world.clock.later(90, lambda: setattr(b, "otherwise", lambda intent: WHOLE))
        journal = world.store.journal
        journal.add_command.now(SESSION, CommandKind.FLATTEN, created_by="ops", created_at=at)

    world.clock.later(1, flatten)
    await run(world)
    world.check_completed_and_flat()
    ((at, usd),) = taken
    assert sum(outside(world).values()) >= usd * 50
    check_figures_agree(world, [at])


async def test_results_have_it_by_day_and_session(make: Make) -> None:
    world = make(volumeTarget="100000")
    world.clock.advance((NEARLY_MIDNIGHT - world.clock()).total_seconds())
    leave_alone(world)
    await run(world)
    with world.store.results() as connection:
        rows = connection.execute(
            'select cast("day" as varchar), naked_usd_seconds, day_usd_seconds, outside_usd_seconds from naked_by_day '
            'where session_id = ? order by "day"', [SESSION]
        ).fetchall()  # fmt: skip
    assert {day: alone for day, _, _, alone in rows} == outside(world)
    assert sum(all_of_it for _, all_of_it, _, _ in rows) == world.session.totals.naked_usd_seconds
    assert [row[1] for row in rows] == [row[2] for row in rows]
