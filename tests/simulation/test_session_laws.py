"""The laws themselves: what keeps them is not accused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import AccountNotActive
from core.market import FundingPayment
from core.pair import Done
from store import SessionStatus
from tasks.books import open_books
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.settle import book_funding
from tests.fakes.venue import Script
from tests.fakes.world import SESSION, World, make_world
from tests.simulation.lives import Life, MortalClient
from tests.simulation.session_laws import LAWS
from tests.simulation.session_run import Lived

D = Decimal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A session that has started."""
    made = make_world(tmp_path)
    yield made
    made.store.close()


async def sit_down(world: World) -> Desk:
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    return desk


async def trade(world: World, desk: Desk, sequence: int) -> None:
    end = await open_pair(desk, world.plan(sequence=sequence), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()


async def test_a_leg_whose_execution_is_undone_later_was_not_naked_before(world: World) -> None:
    desk = await sit_down(world)
    for sequence in (1, 2):
        world.venues["b"].script(Script(events_after_s=None))
        await trade(world, desk, sequence)
        world.clock.advance(2)
    law = LAWS["naked time is bounded"]
    told = Lived(world, naked_budget=D(30), ends=[AccountNotActive("stands still")])
    assert list(law(told)) == []
    b = world.venues["b"]
    b.bust(b.executions[0][0])
    assert list(law(told)) == []


async def test_a_leg_that_stood_alone_counts_though_another_execution_was_undone(world: World) -> None:
    desk = await sit_down(world)
    for sequence in (1, 2):
        world.venues["b"].script(Script(answer_after_s=3, fill_after_s=2))
        await trade(world, desk, sequence)
        world.clock.advance(2)
    a = world.venues["a"]
    a.bust(a.executions[-1][0])
    told = Lived(world, naked_budget=D(30), ends=[AccountNotActive("stands still")])
    assert "pair 2 opened with" in next(LAWS["naked time is bounded"](told))


def paid(world: World, name: str, number: int) -> Callable[[], None]:
    venue = world.venues[name]

    def pay() -> None:
        now = world.clock()
        venue.payments.append(
            FundingPayment(venue.venue, name, "ETH/USD", f"{name}-f{number}", D("0.12"), venue.rate, now, now)
        )

    return pay


async def test_funding_that_was_paid_after_it_was_read_last_is_for_the_next_run_to_book(world: World) -> None:
    desk = await sit_down(world)
    await open_books(desk, [await v.margin() for v in world.venues.values()], [(), ()])
    await trade(world, desk, 1)
    life = Life(world.clock)
    desk.clients = {name: MortalClient(venue, life, name) for name, venue in world.venues.items()}  # type: ignore[assignment, arg-type]
    told = Lived(world, lives=[life], ends=[AccountNotActive("somebody else trades there")])
    law = LAWS["the ledger balances"]
    paid(world, "b", 1)()
    world.clock.advance(5)
    assert list(law(told)) == [], "no run has read it yet"
    await book_funding(desk, world.clock() - timedelta(seconds=60))
    paid(world, "b", 2)()
    assert list(law(told)) == []
    world.clock.advance(5)
    await desk.clients["b"].funding_payments("ETH/USD", world.clock() - timedelta(seconds=60))
    assert list(law(told)) == [], "read, and the run may have died before it was journalled"
    life.done.append((world.clock(), "journal record_funding"))
    assert list(law(told)) == ["b: 0.120000 of the venue's equity is not explained"], "read, and not booked"


async def test_a_completed_session_has_booked_all_that_was_paid(world: World) -> None:
    desk = await sit_down(world)
    await trade(world, desk, 1)
    paid(world, "b", 1)()
    world.store.journal.set_session_status.now(
        SESSION, (SessionStatus.ACTIVE,), SessionStatus.COMPLETED, at=world.clock()
    )
    told = Lived(world, lives=[Life(world.clock)], ends=[None])
    assert list(LAWS["the ledger balances"](told)) == ["b: 0.120000 of the venue's equity is not explained"]
