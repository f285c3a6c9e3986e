"""A whole session over venues that close, undo trades and deleverage: it waits, or stands still and says so."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.errors import SessionHalted
from core.market_data import VenueState
from core.order import FillCause
from flows.steps import PLAIN
from flows.story import run_session
from store import SessionStatus
from store.records import CommandKind
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


async def test_an_undone_trade_stands_still_with_its_exposure_and_a_stop_ends_it_loudly(make: Make) -> None:
    world = make()
    b = world.venues["b"]
    sent: list[int] = []

    def bust() -> None:
        b.bust(b.executions[-1][0])
        stop(world, 60)
        # What was sent a little later is what is sent in all: nothing is opened on top of a naked leg.
        world.clock.later(10, lambda: sent.append(world.placed))

    when_holding(world, "b", bust)
    with pytest.raises(SessionHalted):
        await run(world)
    assert sent == [world.placed]
    breaches = {breach.category: breach for breach in world.store.reads.breaches(SESSION, open_only=True)}
    net = sum(world.positions.values())
    assert net != 0
    assert D(str(breaches["trade_busted"].details["netDelta"])) == net
    assert "position_mismatch" not in breaches
    assert world.session.status is not SessionStatus.COMPLETED


async def test_deleveraging_stands_still_and_counts_as_no_volume(make: Make) -> None:
    world = make()
    a = world.venues["a"]

    def deleverage() -> None:
        a.meddle(-a.position / 2, cause=FillCause.ADL)
        stop(world, 60)

    when_holding(world, "a", deleverage)
    with pytest.raises(SessionHalted):
        await run(world)
    breaches = {breach.category: breach for breach in world.store.reads.breaches(SESSION, open_only=True)}
    assert D(str(breaches["deleveraged"].details["netDelta"])) == sum(world.positions.values()) != 0
    causes = [fill.cause for fill in world.store.reads.fills_of_session(SESSION)]
    assert causes.count(FillCause.ADL) == 1
    assert world.store.reads.totals(SESSION).net_by_account == world.positions
