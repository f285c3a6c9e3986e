"""A session's fall from its peak is watched at every beat, published, and survives the run that saw it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.numbers import ZERO
from flows.steps import PLAIN
from flows.story import run_session
from tasks.course import Course
from tasks.desk import Desk
from tasks.publish import publish
from tasks.recover import load_course
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]


async def test_deepest_fall_is_published_as_a_fraction_of_the_capital_of_the_start(make: Make) -> None:
    world = make()
    desk = world.desk()
    await run_session(desk, world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    event = world.store.reads.last_events([SESSION], "metrics")[SESSION]
    fall = -world.session.totals.pnl
    assert fall > 0
    assert D(str(event.payload["maxDrawdown"])) == fall / desk.capital
    assert D(str(event.payload["nakedUsdSeconds"])) == world.session.totals.naked_usd_seconds
    assert event.payload["var95"] is None


async def told(world: World, desk: Desk, course: Course, results: list[str]) -> None:
    """Publish results minute by minute, as venues move the price of what is held."""
    for result in results:
        course.series.note(world.clock(), D(result))
        desk.fills, desk.payments = [], []
        await desk.store.journal.append_event(
            SESSION, at=world.clock(), channel="metrics", type="metrics_update", payload={"pnl": result}
        )
        world.clock.advance(61)


async def test_restart_rebuilds_peak_fall_and_value_at_risk_from_what_was_published(make: Make) -> None:
    world = make()
    desk = world.desk()
    course = Course(started_at=world.clock())
    results = ["5", "2", *(str(n % 4) for n in range(30)), "-7", "0"]
    await told(world, desk, course, results)
    world.die()
    again = await load_course(world.desk(), world.session)
    assert again.series.peak == 5
    assert again.series.max_drawdown == 12
    assert again.series.value_at_risk() == course.series.value_at_risk() != ZERO


@pytest.mark.parametrize(("capital", "share"), [("200", "0.06"), ("0", None)])
async def test_fall_without_known_capital_is_unknown_and_not_zero(make: Make, capital: str, share: str | None) -> None:
    world = make()
    desk = world.desk()
    course = Course(started_at=world.clock())
    course.series.note(world.clock(), D(-12))
    desk.capital = D(capital)
    await publish(desk, course)
    event = world.store.reads.last_events([SESSION], "metrics")[SESSION]
    assert event.payload["maxDrawdown"] == share
