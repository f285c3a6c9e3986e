"""A leg that stands alone is counted while the session is closed leg by leg, too."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.order import FillCause
from flows.steps import PLAIN
from flows.story import run_session
from tests.fakes.venue import NOTHING, WHOLE
from tests.fakes.world import QuietBoard, World

D = Decimal


async def test_a_leg_that_cannot_follow_a_liquidation_is_counted_until_it_is_closed(make: Callable[..., World]) -> None:
    world = make(volumeTarget="100000")
    a, b = world.venues["a"], world.venues["b"]
    lone: list[Decimal] = []

    def liquidate() -> None:
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(1, liquidate)
            return
        b.otherwise = lambda intent: NOTHING
        a.meddle(-a.position, cause=FillCause.LIQUIDATION)
        lone.append(abs(b.position) * b.mid)
        world.clock.later(120, lambda: setattr(b, "otherwise", lambda intent: WHOLE))

    world.clock.later(1, liquidate)
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    in_pairs = sum(pair.outcome.naked_usd_seconds for pair in world.pairs)
    assert world.session.totals.naked_usd_seconds - in_pairs >= lone[0] * 120
