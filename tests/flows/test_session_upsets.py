"""A whole session over venues that close, undo trades and deleverage: it waits, its legs follow, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.errors import AccountNotActive, ReconciliationFailed
from core.limits import Severity
from core.market_data import VenueState
from core.order import FillCause
from core.reduction import reduction_pair_id
from flows.steps import PLAIN
from flows.story import run_session
from store import SessionStatus
from store.records import BreachAction, CommandKind
from tasks.follow import FOLLOW_S
from tasks.standing import standing_now
from tests.fakes.venue import NOTHING, WHOLE, Crash, Script
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]


async def run(world: World) -> dict[str, Any]:
    """One run of the session, from its desk on, with Prefect taken away."""
    return await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def when_holding(world: World, name: str, action: Callable[[], None]) -> None:
    """Do something at the first whole second at which an account holds a position and nothing rests."""

    def look() -> None:
        if world.venues[name].position != 0 and not any(v.resting for v in world.venues.values()):
            action()
        else:
            world.clock.later(1, look)

    world.clock.later(1, look)


def stop(world: World, after_s: float) -> None:
    """An operator stops the session after a while."""

    def ask() -> None:
        world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())

    world.clock.later(after_s, ask)


@pytest.mark.slow
async def test_a_session_waits_out_a_venues_maintenance_and_completes(make: Make) -> None:
    world = make()
    data = world.venues["b"].market_data
    data.state = VenueState.MAINTENANCE
    started, opened_after_s = world.clock(), 20 * 60

    def reopen() -> None:
        assert world.placed == 0
        data.state = VenueState.OPEN

    world.clock.later(opened_after_s, reopen)
    await run(world)
    world.check_completed_and_flat()
    assert (world.clock() - started).total_seconds() > opened_after_s


def hedged(world: World) -> bool:
    return sum(world.positions.values()) == 0


async def test_after_an_undone_trade_the_other_leg_follows_and_the_session_stands_still_until_told(make: Make) -> None:
    world = make()
    b = world.venues["b"]
    seen: list[tuple[bool, int]] = []

    def bust() -> None:
        b.bust(b.executions[-1][0])
        assert not hedged(world)
        stop(world, 60)
        for after_s in (5, 55):
            world.clock.later(after_s, lambda: seen.append((hedged(world), world.placed)))

    when_holding(world, "b", bust)
    await run(world)
    # Hedged within seconds, and nothing is opened while nobody has looked at it.
    assert seen[0] == seen[1] == (True, seen[0][1])
    breaches = {breach.category: breach for breach in world.store.reads.breaches(SESSION)}
    assert list(breaches) == ["trade_bust"]
    assert D(str(breaches["trade_bust"].details["netDelta"])) != 0
    assert world.session.status is SessionStatus.COMPLETED
    assert set(world.positions.values()) == {D(0)}


async def test_after_deleveraging_the_other_leg_follows_and_the_session_goes_on_to_its_goal(make: Make) -> None:
    world = make()
    a = world.venues["a"]
    placed: list[int] = []
    seen: list[bool] = []

    def deleverage() -> None:
        placed.append(world.placed)
        quantity = (a.position * D("0.37")).quantize(a.market.lot)
        world.venues["b"].script(Script(answer_after_s=1.5))
        a.meddle(-quantity, cause=FillCause.ADL)
        world.clock.later(5, lambda: seen.append(hedged(world)))

    when_holding(world, "a", deleverage)
    summary = await run(world)
    world.check_completed_and_flat()
    assert seen == [True]
    assert D(summary["volume"]) >= 3000
    assert world.placed > placed[0] + 2
    assert [(b.category, b.severity) for b in world.store.reads.breaches(SESSION)] == [("adl", Severity.WARNING)]
    # The time in which the other leg stood alone is counted, beyond what the pairs themselves cost.
    in_pairs = sum(pair.outcome.naked_usd_seconds for pair in world.pairs)
    assert world.session.totals.naked_usd_seconds > in_pairs
    causes = [fill.cause for fill in world.store.reads.fills_of_session(SESSION)]
    assert causes.count(FillCause.ADL) == 1


async def test_after_a_liquidation_everything_is_taken_down_and_the_session_ends_flat(make: Make) -> None:
    world = make(volumeTarget="100000")
    a = world.venues["a"]
    when_holding(world, "a", lambda: a.meddle(-a.position, cause=FillCause.LIQUIDATION))
    summary = await run(world)
    world.check_completed_and_flat()
    assert summary["reason"].startswith("liquidation")


async def test_a_reduction_by_hand_is_followed_and_an_increase_is_only_told(make: Make) -> None:
    world = make(volumeTarget="100000")
    a = world.venues["a"]
    told: list[tuple[bool, int]] = []

    def sell() -> None:
        a.meddle(-(a.position / 2).quantize(a.market.lot))
        world.clock.later(10, lambda: told.append((hedged(world), world.placed)))
        world.clock.later(20, lambda: a.meddle(D("0.05")))
        world.clock.later(70, lambda: told.append((hedged(world), world.placed)))
        stop(world, 80)

    when_holding(world, "a", sell)
    with pytest.raises(ReconciliationFailed):
        await run(world)
    (followed, placed), (after_increase, placed_after) = told
    assert followed
    assert not after_increase
    assert placed == placed_after
    assert [b.category for b in world.store.reads.breaches(SESSION)] == ["manual_trade", "position_mismatch"]
    # The 0.05 are somebody else's: closing took the session's own position, and not those.
    assert world.positions == {"a": D("0.05"), "b": D(0)}


async def test_what_a_person_acknowledged_as_foreign_is_left_alone_and_the_session_completes(make: Make) -> None:
    """After the halt: acknowledge exactly the figures of the difference, run again, and it ends, settled."""
    world = make(volumeTarget="100000")
    a = world.venues["a"]

    def more() -> None:
        a.meddle(D("0.05"))
        stop(world, 40)

    when_holding(world, "a", more)
    with pytest.raises(ReconciliationFailed):
        await run(world)
    world.die()
    acknowledge(world)
    with pytest.raises(AccountNotActive):
        await run(world)
    world.die()
    acknowledge(world)
    await run(world)
    assert world.session.status is SessionStatus.COMPLETED
    assert world.positions == {"a": D("0.05"), "b": D(0)}


async def test_a_leg_that_was_closed_by_hand_while_no_run_lived_is_found_by_the_next_one(make: Make) -> None:
    world = make(volumeTarget="100000")
    a, b = world.venues["a"], world.venues["b"]
    b.script(*[WHOLE] * 3)

    def die() -> None:
        for venue in (a, b):
            venue.otherwise = lambda intent: Script(crash="before")

    when_holding(world, "a", die)
    with pytest.raises(Crash):
        await run(world)
    for venue in (a, b):
        venue.otherwise = lambda intent: WHOLE
    world.die()
    a.meddle(-a.position)
    stop(world, 60)
    seen: list[bool] = []
    world.clock.later(30, lambda: seen.append(hedged(world)))
    await run(world)
    world.check_completed_and_flat()
    assert seen == [True]
    assert "manual_trade" in {b.category for b in world.store.reads.breaches(SESSION)}


@pytest.mark.parametrize("kind", ["adl", "trade_bust", "manual_trade"])
async def test_what_no_stream_told_is_found_by_the_next_reconciliation(make: Make, kind: str) -> None:
    world = make(volumeTarget="100000")
    a = world.venues["a"]
    seen: list[bool] = []

    def happen() -> None:
        a.feed.is_up = False
        if kind == "trade_bust":
            a.bust(a.executions[-1][0])
        else:
            a.meddle(-a.position, cause=FillCause.ADL if kind == "adl" else FillCause.TRADE)
        a.feed.is_up = True
        world.clock.later(30, lambda: seen.append(hedged(world)))
        stop(world, 40)

    when_holding(world, "a", happen)
    await run(world)
    assert seen == [True]
    assert kind in {b.category for b in world.store.reads.breaches(SESSION)}
    assert set(world.positions.values()) == {D(0)}


async def test_positions_that_cannot_be_read_are_no_reason_to_trade(make: Make) -> None:
    """A venue that stays silent about positions says nothing: no leg follows a leg that was not seen to change."""
    world = make()
    world.clock.later(5, lambda: world.venues["a"].fail("positions", times=3))
    await run(world)
    world.check_completed_and_flat()
    orders = world.store.reads.orders_of_session(SESSION)
    assert [o for o in orders if o.intent.pair_id == reduction_pair_id(SESSION)] == []
    assert world.store.reads.breaches(SESSION) == []


async def test_a_leg_that_cannot_follow_halts_within_the_bound_and_follows_when_it_can(make: Make) -> None:
    world = make(volumeTarget="100000")
    a, b = world.venues["a"], world.venues["b"]
    states: list[str] = []

    def force() -> None:
        b.otherwise = lambda intent: NOTHING
        a.meddle(-a.position, cause=FillCause.ADL)
        for after_s in (10, FOLLOW_S + 15):
            world.clock.later(after_s, lambda: states.append(state(world)))
        world.clock.later(120, lambda: setattr(b, "otherwise", lambda intent: WHOLE))
        world.clock.later(140, lambda: states.append(state(world)))
        world.clock.later(150, lambda: acknowledge(world))
        stop(world, 160)

    when_holding(world, "a", force)
    await run(world)
    world.check_completed_and_flat()
    assert states == ["REDUCING", "HALTED", "HALTED"]
    reasons = [e.payload["reason"] for e in world.store.reads.events_since(SESSION, 0) if e.type == "risk_update"]
    assert any("no leg could follow" in str(reason) for reason in reasons)
    assert {b.category for b in world.store.reads.breaches(SESSION)} == {"adl", "naked_leg"}


def state(world: World) -> str:
    standing = standing_now(world.session, world.store.reads)
    assert standing is not None
    return standing.state.value


def acknowledge(world: World) -> None:
    for breach in world.store.reads.breaches(SESSION, open_only=True):
        world.store.journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.RESOLVE, at=world.clock())
