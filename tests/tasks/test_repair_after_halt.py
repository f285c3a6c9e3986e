"""A lone leg whose venue fails for a while: refusals and halts pass, so that nothing stays naked for ever."""

from __future__ import annotations

from decimal import Decimal

from core.order import OrderIntent
from core.pair import Done, Halt, PairStatus
from tasks.place_pair import PairEnd, open_pair, resume_pair
from tests.fakes.venue import NOT_SENT, NOTHING, WHOLE, Script
from tests.fakes.world import World

D = Decimal


async def _place(world: World) -> PairEnd:
    return await open_pair(world.desk(), world.plan(), {"verdict": "approved"})


async def test_connections_that_fail_for_seconds_do_not_bar_the_repair_for_ever(world: World) -> None:
    """After the first leg no order leaves this machine for 12 s; the lone leg is then evened out without a person."""
    world.venues["a"].script(WHOLE)
    started = world.clock()

    def away(intent: OrderIntent) -> Script:
        return NOT_SENT if (world.clock() - started).total_seconds() < 12 else WHOLE

    for venue in world.venues.values():
        venue.otherwise = away
    end = await _place(world)
    assert isinstance(end.action, Done), end.action
    assert sum(world.positions.values()) == 0


async def test_halted_pair_is_repaired_when_its_venues_fill_again(world: World) -> None:
    """Eight repairs filled nothing. Minutes later the books fill again, and the next attempt evens the legs out."""
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    desk = world.desk()
    end = await open_pair(desk, world.plan(), {"verdict": "approved"})
    assert isinstance(end.action, Halt)
    sent = world.placed
    again = await resume_pair(desk, end.state)
    assert isinstance(again.action, Halt)
    assert world.placed == sent, "a halted pair is not worked without a pause"
    for venue in world.venues.values():
        venue.otherwise = lambda intent: WHOLE
    world.clock.advance(61)
    last = await resume_pair(desk, end.state)
    assert isinstance(last.action, Done)
    assert last.action.status in (PairStatus.FILLED, PairStatus.UNWOUND)
    assert sum(world.positions.values()) == 0


async def test_halted_pair_tries_once_a_minute_and_not_for_ever(world: World) -> None:
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    end = await _place(world)
    for _ in range(120):
        world.die()
        world.clock.advance(60)
        before = world.placed
        end = await resume_pair(world.desk(), end.state)
        assert isinstance(end.action, Halt)
        assert world.placed - before <= 2
    assert world.placed <= 92 + 1
