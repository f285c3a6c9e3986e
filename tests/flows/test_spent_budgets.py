"""A run that begins and finds a venue's request budget spent: it waits for it, says so, and gives up at a bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.errors import RateLimited, VenueUnreachable
from flows.connecting import BUDGET_S_MAX, BudgetPatience, connect, listen
from flows.steps import PLAIN
from flows.story import run_session
from tasks.desk import Desk
from tasks.settle import Settlement
from tests.fakes.clock import FakeClock
from tests.fakes.world import SESSION, QuietBoard, World

Make = Callable[..., World]


class SpentUntil:
    """A read of a venue whose budget is spent until a time: refused with the seconds it names, then answered."""

    def __init__(self, clock: FakeClock, seconds: float, read: Callable[..., Awaitable[object]]) -> None:
        self._clock, self._until, self._read = clock, clock() + timedelta(seconds=seconds), read
        self.names: float | None = None
        self.asked: list[datetime] = []

    async def __call__(self, *given: object) -> object:
        """Refuse, or answer as the read does."""
        self.asked.append(self._clock())
        if self._clock() < self._until:
            raise RateLimited("pacifica: the request budget is spent", venue="pacifica", retry_after_s=self.names)
        return await self._read(*given)


def spend(world: World, read: str, seconds: float) -> SpentUntil:
    """Have a read of account a refused for a while."""
    venue = world.venues["a"]
    spent = SpentUntil(world.clock, seconds, getattr(venue, read))
    object.__setattr__(venue, read, spent)
    return spent


async def opened(world: World) -> Desk:
    """Connect the session's desk, as opening it does, and keep what was learned."""
    desk = world.desk()
    patience = BudgetPatience(desk)
    await connect(desk, patience)
    await listen(desk, patience)
    return desk


def notices(world: World) -> list[str]:
    """What the session's followers were told."""
    return [str(e.payload["text"]) for e in world.store.reads.events_since(SESSION, 0) if e.type == "notice"]


@pytest.mark.parametrize("read", ["connect", "markets", "mark"])
async def test_budget_that_is_spent_while_connecting_is_waited_for_and_told_once(make: Make, read: str) -> None:
    world = make()
    spent = spend(world, read, 70)
    began = world.clock()
    desk = await opened(world)
    assert timedelta(seconds=70) <= world.clock() - began < timedelta(seconds=80)
    assert len(spent.asked) > 2
    (told,) = notices(world)
    assert told.startswith("a: pacifica: the request budget is spent; waiting for it")
    assert set(desk.markets) == {"a", "b"}
    desk.require_lease()  # kept all along


async def test_what_the_venue_names_is_waited_out_before_it_is_asked_again(make: Make) -> None:
    world = make()
    spent = spend(world, "markets", 40)
    spent.names = 40.0
    await opened(world)
    assert [(at - spent.asked[0]).total_seconds() for at in spent.asked] == [0, 40]


async def test_word_that_it_is_over_at_once_does_not_make_a_hail_of_requests(make: Make) -> None:
    world = make()
    spent = spend(world, "markets", 20)
    spent.names = 0.0
    await opened(world)
    assert len(spent.asked) <= 21


@pytest.mark.parametrize(("names", "waits_s"), [(None, BUDGET_S_MAX), (BUDGET_S_MAX + 1, 0), (1e9, 0)])
async def test_past_the_bound_it_is_an_error(make: Make, names: float | None, waits_s: float) -> None:
    """What could not be over within the bound is not waited for."""
    world = make()
    spent = spend(world, "markets", 10_000)
    spent.names = names
    began = world.clock()
    with pytest.raises(RateLimited):
        await opened(world)
    assert (world.clock() - began).total_seconds() == waits_s


async def test_bound_is_for_the_whole_opening_and_not_for_each_step(make: Make) -> None:
    world = make()
    spend(world, "connect", 60)
    spend(world, "mark", 10_000)
    began = world.clock()
    with pytest.raises(RateLimited):
        await opened(world)
    assert (world.clock() - began).total_seconds() <= BUDGET_S_MAX


async def test_first_failure_of_another_kind_ends_the_waiting_of_the_other_accounts(make: Make) -> None:
    world = make()
    spent = spend(world, "markets", 100)
    world.venues["b"].fail("markets")
    with pytest.raises(VenueUnreachable):
        await opened(world)
    await world.clock.sleep(100)
    assert len(spent.asked) == 1


async def test_budget_spent_at_the_fund_check_is_waited_for_and_the_session_completes(make: Make) -> None:
    world = make(volumeTarget="1500")
    spend(world, "margin", 60)
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    assert any("request budget is spent" in text for text in notices(world))


async def test_budget_spent_at_the_settlement_is_waited_for_and_the_session_completes(make: Make) -> None:
    world = make(volumeTarget="1500")

    async def settle(started_at: datetime) -> Settlement:
        if not hasattr(settle, "spent"):
            settle.spent = spend(world, "positions", 60)  # type: ignore[attr-defined]
        return await PLAIN.settle(started_at)

    steps = replace(PLAIN, settle=settle)
    await run_session(world.desk(), world.session, steps, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    assert any("settlement: pacifica: the request budget is spent" in text for text in notices(world))
