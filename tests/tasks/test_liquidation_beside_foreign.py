"""The distance to liquidation is watched on the whole of what an account holds, whoever made it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.pair import Done
from core.risk import Severity
from tasks.beat import Heart
from tasks.course import Course
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


@pytest.mark.parametrize(
    ("foreign", "off", "severity"),
    [
        ("0.05", "-0.02", Severity.CRITICAL),
        ("0.05", "-0.08", Severity.WARNING),
        ("0.05", "-0.30", None),
        ("-0.3", "0.02", Severity.CRITICAL),
        ("-0.3", "0.30", None),
        ("0", "-0.02", Severity.CRITICAL),
    ],
)
async def test_foreign_units_on_the_account_do_not_end_the_watch(
    world: World, foreign: str, off: str, severity: Severity | None
) -> None:
    """The session is long 0.1 on the account; off: where the liquidation price lies from the mark."""
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    course = Course(started_at=desk.now(), last_progress_at=desk.now())
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()
    a = world.venues["a"]
    if D(foreign):
        a.meddle(D(foreign))
        desk.foreign_held["a"] = D(foreign)
        desk.judged.update(("a", f.trade_id) for f, _ in a.executions)
    a.liquidation = a.mid * (1 + D(off))
    heart = Heart(desk, course, QuietBoard())  # type: ignore[arg-type]
    await heart.beat()
    found = {b.category: b.severity for b in world.store.reads.breaches(SESSION)}
    assert found.get("liquidation_distance") is severity
