"""A session that is deleveraged again and again stops opening anew until a person has looked, also after a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from core.limits import Severity
from core.order import FillCause
from core.paired_reduction import FORCED_MAX, times_forced
from flows.steps import PLAIN
from flows.story import run_session
from store.records import BreachAction, CommandKind
from tasks.standing import standing_now
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]
NOW = datetime(2026, 1, 5, tzinfo=UTC)


def ask(world: World, kind: CommandKind) -> None:
    """An operator's command."""
    world.store.journal.add_command.now(SESSION, kind, created_by="ops", created_at=world.clock())


def opened(world: World) -> int:
    """How many pairs opened a hedge so far."""
    plans = [cast(dict[str, object], pair.plan.decision["plan"]) for pair in world.pairs]
    return sum(plan["purpose"] == "open" for plan in plans)


async def test_the_third_deleveraging_within_an_hour_stops_it_until_a_person_has_looked(make: Make) -> None:
    world = make(volumeTarget="1000000")
    a = world.venues["a"]
    happened: list[int] = []
    seen: list[tuple[str, bool, int]] = []

    def look() -> None:
        standing = standing_now(world.session, world.store.reads)
        seen.append((standing.state.value if standing else "over", sum(world.positions.values()) == 0, opened(world)))

    def deleverage() -> None:
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(0.5, deleverage)
            return
        a.meddle(-a.position, cause=FillCause.ADL)
        happened.append(opened(world))
        if len(happened) < FORCED_MAX:
            world.clock.later(60, deleverage)
            return
        for after_s in (20, 300):
            world.clock.later(after_s, look)
        world.clock.later(301, acknowledge)
        world.clock.later(302, lambda: ask(world, CommandKind.RESUME))
        world.clock.later(340, look)
        world.clock.later(341, lambda: ask(world, CommandKind.STOP))

    def acknowledge() -> None:
        for breach in world.store.reads.breaches(SESSION, open_only=True):
            journal = world.store.journal
            journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.RESOLVE, at=world.clock())

    world.clock.later(1, deleverage)
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    # It opened anew after the first and the second, and not after the third, until it was told to.
    assert happened[0] < happened[1] < happened[2]
    assert seen[0] == seen[1] == ("HALTED", True, happened[2])
    assert seen[2][0] == "ACTIVE"
    assert seen[2][2] > happened[2]
    (breach,) = [b for b in world.store.reads.breaches(SESSION) if b.category == "deleveraged_often"]
    assert breach.severity is Severity.CRITICAL
    assert breach.details == {"reason": "legs were deleveraged 3 times within 60 minutes", "then": "stand still"}


@pytest.mark.parametrize(
    ("seconds_ago", "times"),
    [((), 0), ((0, 1, 2), 1), ((40, 30, 20, 10, 0), 5), ((3601, 3600, 5), 2), ((60, 60, 30), 2)],
)
def test_what_comes_in_one_go_counts_once_and_what_is_long_ago_not_at_all(
    seconds_ago: tuple[int, ...], times: int
) -> None:
    assert times_forced([NOW - timedelta(seconds=s) for s in seconds_ago], NOW) == times
