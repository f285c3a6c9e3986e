"""Settling: the journal against the venues one last time, funding booked once, and nothing assumed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from core.errors import ReconciliationFailed, VenueUnreachable
from core.market import FundingPayment
from core.order import OrderIntent, OrderStatus
from core.pair import Done
from core.plan import Purpose
from tasks.desk import Desk
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.settle import Settlement, settle
from tests.fakes.venue import NOTHING, Script
from tests.fakes.world import SESSION, World

D = Decimal
Make = Callable[..., World]


async def turn(world: World, desk: Desk, sequence: int, purpose: Purpose = Purpose.OPEN) -> None:
    """Trade and reconcile one pair; closing ones the other way round."""
    sides = {"buy": "b", "sell": "a"} if purpose is Purpose.CLOSE else {"buy": "a", "sell": "b"}
    end = await open_pair(desk, world.plan(sequence=sequence, purpose=purpose, **sides), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()


async def there_and_back(world: World) -> tuple[Desk, datetime]:
    """Open one pair and close it."""
    desk, started = world.desk(), world.clock()
    await turn(world, desk, 1)
    await turn(world, desk, 2, Purpose.CLOSE)
    return desk, started


def payment(world: World, name: str, payment: str, at: datetime, number: int = 1) -> FundingPayment:
    """A funding payment that a venue has booked."""
    venue = world.venues[name]
    return FundingPayment(
        venue.venue, name, "ETH/USD", f"{name}-f{number}", D(payment), venue.rate, at, at
    )  # fmt: skip


async def test_flat_session_settles_clean(world: World) -> None:
    _, started = await there_and_back(world)
    settlement = await settle.fn(started)
    assert settlement == Settlement({"a": D(0), "b": D(0)}, 0, D(0))
    assert settlement.is_clean
    world.check_journal()


async def test_open_position_is_not_clean(world: World) -> None:
    desk, started = world.desk(), world.clock()
    await turn(world, desk, 1)
    settlement = await settle.fn(started)
    assert settlement.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert not settlement.is_clean
    assert [p.quantity for p in world.store.reads.positions_of(SESSION)] == [D("0.1"), D("-0.1")]


async def test_position_that_the_journal_does_not_explain_fails_the_settlement(world: World) -> None:
    _, started = await there_and_back(world)
    world.venues["b"].meddle(D("0.02"))
    with pytest.raises(ReconciliationFailed, match=r"account b: the venue holds 0\.02 ETH/USD, the journal explains 0"):
        await settle.fn(started)


async def test_position_that_the_venue_shows_late_is_waited_for(world: World) -> None:
    _, started = await there_and_back(world)
    world.venues["b"].meddle(D("0.02"))
    world.clock.later(0.6, lambda: world.venues["b"].meddle(D("-0.02")))
    assert (await settle.fn(started)).is_clean


async def test_order_of_ours_that_still_rests_is_not_clean(make: Callable[..., World]) -> None:
    world = make(primary="limit", fallback="limit")
    desk, started = await there_and_back_resting(world)
    settlement = await settle.fn(started)
    assert settlement.open_orders == 1
    assert not settlement.is_clean
    assert desk.is_flat


async def there_and_back_resting(world: World) -> tuple[Desk, datetime]:
    """A pair whose buy leg the journal believes cancelled, while the venue still lists it."""
    desk, started = world.desk(), world.clock()
    world.venues["a"].script(Script(fill_after_s=10_000))
    world.venues["b"].script(NOTHING)
    end = await open_pair(desk, world.plan(), {})
    await reconcile(desk, end)
    desk.put_down()
    world.venues["a"].orders[world.venues["a"].placed[0]].status = OrderStatus.ACCEPTED
    return desk, started


async def test_orders_of_somebody_else_are_not_ours_to_count(world: World) -> None:
    desk, started = await there_and_back(world)
    venue = world.venues["a"]
    known = world.store.reads.orders_of_session(SESSION)[0].intent
    now = world.clock()
    foreign = OrderIntent(
        "not-ours", "other", "other", "a", venue.venue, "ETH/USD", known.side, known.type, known.time_in_force,
        D("0.1"), D(2000), D(2000), False, now, now + timedelta(seconds=5),
    )  # fmt: skip
    venue.script(Script(fill_after_s=10_000))
    await venue.place(foreign)
    assert (await settle.fn(started)).is_clean
    assert desk.is_flat


async def test_funding_is_booked_once_and_summed_with_its_sign(world: World) -> None:
    desk, started = await there_and_back(world)
    at = world.clock()
    world.venues["a"].payments.append(payment(world, "a", "-0.30", at))
    world.venues["b"].payments.append(payment(world, "b", "0.12", at))
    first = await settle.fn(started)
    second = await settle.fn(started)
    assert first.funding == second.funding == D("-0.18")
    assert len(desk.payments) == len(world.store.reads.funding_of(SESSION)) == 2


async def test_funding_from_before_the_session_is_not_ours(world: World) -> None:
    world.venues["a"].payments.append(payment(world, "a", "5", world.clock() - timedelta(hours=1)))
    _, started = await there_and_back(world)
    assert (await settle.fn(started)).funding == 0


async def test_execution_that_nobody_told_us_of_is_found_at_the_end(world: World) -> None:
    """Somebody traded on the account while the stream was down: the last look sees it and says so."""
    _, started = await there_and_back(world)
    world.venues["a"].feed.is_up = False
    world.venues["a"].meddle(D("0.01"))
    with pytest.raises(ReconciliationFailed, match="account a"):
        await settle.fn(started)


@pytest.mark.parametrize("read", ["fills", "positions", "open_orders", "funding_payments"])
async def test_venue_that_does_not_answer_is_not_taken_for_flat(world: World, read: str) -> None:
    _, started = await there_and_back(world)
    world.venues["a"].fail(read)
    with pytest.raises(VenueUnreachable):
        await settle.fn(started)


async def test_foreign_trade_that_was_undone_while_nobody_listened_is_struck_from_the_journal(world: World) -> None:
    desk, started = await there_and_back(world)
    venue = world.venues["a"]
    venue.meddle(D("0.02"))
    await desk.absorb()
    foreign = desk.foreign[0]
    venue.feed.is_up = False
    venue.bust(foreign)
    venue.feed.is_up = True
    await world.clock.sleep(20)

    settlement = await settle.fn(started)

    assert settlement.is_clean
    assert desk.foreign == []
    assert desk.store.reads.unexplained_fills("a", started) == []


async def test_foreign_trade_that_the_venue_still_lists_stays(world: World) -> None:
    desk, started = await there_and_back(world)
    for quantity in (D("0.02"), D("-0.02")):
        world.venues["a"].meddle(quantity)
    await desk.absorb()
    await world.clock.sleep(20)
    await settle.fn(started)
    assert len(desk.store.reads.unexplained_fills("a", started)) == 2
