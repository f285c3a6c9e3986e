"""What legs of all sessions stood alone in a UTC day is measured, limited, and opens again the next day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError
from core.instrument import Venue
from core.limits import NAKED_DAY_MAX_DEFAULT, NAKED_DAY_REMEDY
from core.numbers import canonical
from core.pair import PairStatus
from core.risk import Severity
from flows.day_limit import naked_day_max
from flows.steps import PLAIN
from flows.story import run_session
from store import NewPair, NewSession, PairOutcome
from tests.fakes.venue import NOTHING, WHOLE, Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]
DAY_MAX = D(1000)


async def run(world: World, day_max: Decimal = DAY_MAX) -> dict[str, Any]:
    """One run of the session in an installation with this limit for the day."""
    desk = world.desk()
    desk.limits = replace(desk.limits, naked_day_max=day_max)
    return await run_session(desk, world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def spend(world: World, usd_seconds: str, *, days_ago: int = 0) -> None:
    """Another session of the installation had a leg that stood alone."""
    journal, at = world.store.journal, world.clock() - timedelta(days=days_ago)
    journal.create_session.now(
        NewSession("another", "another", "ETH/USD", {}, ("a", "b"), "sandbox", D(1), None, 1, at)
    )
    journal.record_pair.now(
        NewPair("other-p1", "another", 1, Venue.PACIFICA, "a", Venue.PARADEX, "b", D("0.1"), None, None, {}, at)
    )
    journal.complete_pair.now(
        "other-p1", PairOutcome(PairStatus.FILLED, naked_usd_seconds=D(usd_seconds), completed_at=at)
    )


async def test_session_opens_nothing_once_another_one_has_spent_the_day(make: Make) -> None:
    world = make()
    spend(world, "1000")
    summary = await run(world)
    world.check_completed_and_flat()
    assert (world.placed, summary["pairsFilled"]) == (0, 0)
    (breach,) = world.store.reads.breaches(SESSION)
    assert (breach.category, breach.severity) == ("naked_day_budget", Severity.CRITICAL)
    assert breach.details == {"spent": "1000", "limit": "1000", "remedy": NAKED_DAY_REMEDY}
    assert summary["reason"].startswith("naked_day_budget")


async def test_yesterday_counts_for_nothing(make: Make) -> None:
    world = make()
    spend(world, "999999", days_ago=1)
    summary = await run(world)
    world.check_completed_and_flat()
    assert D(summary["volume"]) >= 3000
    assert world.store.reads.breaches(SESSION) == []


async def test_warning_comes_before_the_day_is_spent_and_lets_trade(make: Make) -> None:
    world = make()
    spend(world, "800")
    await run(world)
    world.check_completed_and_flat()
    assert {(b.category, b.severity) for b in world.store.reads.breaches(SESSION)} == {
        ("naked_day_budget", Severity.WARNING)
    }
    assert world.session.totals.volume_generated >= 3000


async def test_the_sessions_own_pairs_spend_the_day_too_and_what_is_open_is_still_closed(make: Make) -> None:
    world = make()
    spend(world, "999")
    world.venues["b"].script(Script(fill_after_s=1.0))
    await run(world)
    world.check_completed_and_flat()
    assert world.session.totals.pairs_filled > 0
    assert world.session.totals.volume_generated < 3000
    purposes = [p.plan.decision["plan"]["purpose"] for p in world.pairs]  # type: ignore[index]
    assert purposes[0] == "open"
    assert "open" not in purposes[1:]


async def test_leg_that_stands_alone_without_an_end_counts_while_it_stands(make: Make) -> None:
    """The pair cannot be ended; minute by minute the day's sum grows, and the session's own with it."""
    world = make()
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    seen: list[Decimal] = []
    for at in (60, 120):
        world.clock.later(at, lambda: seen.append(world.store.reads.ledger.naked_on_day_of(world.clock())))

    def recover() -> None:
        for venue in world.venues.values():
            venue.otherwise = lambda intent: WHOLE

    world.clock.later(180, recover)
    world.clock.later(181, lambda: _stop(world))
    await run(world, D("1e9"))
    assert 0 < seen[0] < seen[1] < world.store.reads.ledger.naked_on_day_of(world.clock())
    assert world.session.totals.naked_usd_seconds > seen[1]


async def test_results_sum_each_day_over_all_sessions(make: Make) -> None:
    world = make()
    spend(world, "12.5", days_ago=1)
    await run(world)
    world.store.seal("another")
    world.store.load()
    with world.store.results() as connection:
        rows = connection.execute('select sessions, naked_usd_seconds from naked_days order by "day"').fetchall()
        own = connection.execute(
            "select naked_usd_seconds, day_usd_seconds from naked_by_day where session_id = ?", [SESSION]
        )
        assert own.fetchall() == [(world.session.totals.naked_usd_seconds,) * 2]
    assert rows == [(1, D("12.5")), (1, world.session.totals.naked_usd_seconds)]


async def test_report_sets_the_session_against_its_budget_and_beside_the_day(make: Make) -> None:
    world = make()
    spend(world, "12.5")
    world.store.seal("another")
    world.store.load()
    world.venues["b"].script(Script(fill_after_s=1.0))
    summary = await run(world, D("1e9"))
    text = Path(summary["report"]).read_text(encoding="utf-8")
    assert ", of 500,000 allowed" in text
    assert f"{world.session.totals.naked_usd_seconds + D('12.5'):,.2f}" in text


def _stop(world: World) -> None:
    from store.records import CommandKind

    world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())


@pytest.mark.parametrize("text", ["", "  "])
def test_limit_of_the_day_has_a_default(text: str) -> None:
    assert naked_day_max({"HEDGE_NAKED_DAY_MAX": text}) == naked_day_max({}) == NAKED_DAY_MAX_DEFAULT


@pytest.mark.parametrize(("text", "limit"), [("1500.5", D("1500.5")), (" 1e6 ", D(1_000_000))])
def test_limit_of_the_day_is_the_operators(text: str, limit: Decimal) -> None:
    assert canonical(naked_day_max({"HEDGE_NAKED_DAY_MAX": text})) == canonical(limit)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e13", "many"])
def test_limit_of_the_day_that_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HEDGE_NAKED_DAY_MAX must be a positive number"):
        naked_day_max({"HEDGE_NAKED_DAY_MAX": text})
