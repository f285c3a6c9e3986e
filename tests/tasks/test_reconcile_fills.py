"""Reconciling a pair: every execution is known once and belongs to its order, or the session does not go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import ReconciliationFailed, VenueUnreachable
from core.instrument import Venue
from core.order import Liquidity, Order, OrderIntent
from core.pair import Done, PairStatus
from tasks.desk import Desk
from tasks.place_pair import PairEnd, open_pair
from tasks.reconcile_fills import Reconciled, reconcile
from tests.fakes.venue import NOTHING, REJECTED, WHOLE, Answer, Script
from tests.fakes.world import SESSION, World

D = Decimal
Make = Callable[..., World]


async def trade(world: World, desk: Desk | None = None) -> tuple[PairEnd, Reconciled]:
    """Place the first pair and reconcile it."""
    desk = desk or world.desk()
    end = await open_pair(desk, world.plan(), {})
    return end, await reconcile(desk, end)


async def test_reconciled_pair_counts_its_volume_once(world: World) -> None:
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.FILLED
    assert reconciled.result.quantity == D("0.1")
    assert reconciled.result.volume in (D("250.01"), D("249.99"))
    (pair,) = world.pairs
    assert (pair.outcome.status, pair.outcome.volume) == (PairStatus.FILLED, reconciled.result.volume)
    assert pair.outcome.completed_at is not None
    world.check_journal()


async def test_executions_that_the_stream_keeps_back_are_read_by_rest(world: World) -> None:
    world.venues["a"].script(Script(events_after_s=None, pieces=3))
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.FILLED
    assert "fills" in world.venues["a"].reads
    world.check_journal()


async def test_executions_that_rest_lists_late_are_waited_for(world: World) -> None:
    world.venues["a"].script(Script(events_after_s=None, rest_after_s=6))
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.FILLED
    world.check_journal()


async def test_repeated_executions_are_counted_once(world: World) -> None:
    world.venues["a"].script(Script(copies=3, pieces=2))
    desk = world.desk()
    _, reconciled = await trade(world, desk)
    assert reconciled.result.buy.filled == D("0.1")
    assert len([f for f in desk.fills if f.account_id == "a"]) == 2
    assert desk.volumes["a"] == D("250.01")
    world.check_journal()


async def test_reads_that_fail_are_tried_again(world: World) -> None:
    world.venues["a"].script(Script(events_after_s=None))
    world.venues["a"].fail("fills", times=3)
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.FILLED
    world.check_journal()


async def test_unreachable_venue_is_not_taken_for_one_without_executions(world: World) -> None:
    world.venues["a"].script(Script(events_after_s=None))
    world.venues["a"].fail("fills", times=100)
    with pytest.raises(VenueUnreachable):
        await trade(world)
    (pair,) = world.pairs
    assert pair.outcome.completed_at is None


async def test_orders_and_executions_that_never_agree_stop_the_session(world: World) -> None:
    world.venues["b"].script(Script(events_after_s=None, rest_after_s=10_000))
    with pytest.raises(ReconciliationFailed, match=r"0\.1 filled, executions of 0 known"):
        await trade(world)
    (pair,) = world.pairs
    assert pair.outcome.volume == 0


async def test_execution_is_given_to_its_order_though_it_came_before_the_order_was_known(world: World) -> None:
    """The stream names the venue's order id only, and nobody has told us that id yet."""
    world.venues["a"].script(Script(answer=Answer.UNKNOWN, anonymous=True, answer_after_s=2))
    desk = world.desk()
    _, reconciled = await trade(world, desk)
    assert reconciled.status is PairStatus.FILLED
    assert not desk.foreign
    assert {f.client_order_id for f in desk.fills} == {o.intent.client_order_id for o in _orders(world)}
    world.check_journal()


async def test_execution_of_somebody_else_is_left_alone(world: World) -> None:
    def with_company(intent: OrderIntent) -> Script:
        world.venues["a"].meddle(D("0.3"), price=D(2400))
        return WHOLE

    world.venues["a"].otherwise = with_company
    desk = world.desk()
    _, reconciled = await trade(world, desk)
    assert reconciled.result.buy.filled == D("0.1")
    assert desk.positions["a"] == D("0.1")
    assert [f.quantity for f in desk.foreign] == [D("0.3")]


async def test_own_orders_that_met_count_no_volume(make: Make) -> None:
    """Another account of the same session sold exactly what a bought, at that price and time, on the same venue."""
    world = make(venues={"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.PACIFICA})

    def meet(intent: OrderIntent) -> Script:
        world.venues["c"].meddle(-intent.quantity, price=D("2500.1"), liquidity=Liquidity.MAKER)
        return WHOLE

    world.venues["a"].otherwise = meet
    _, reconciled = await trade(world)
    assert reconciled.own_matches == 1
    (pair,) = world.pairs
    assert pair.outcome.volume == 0


async def test_pair_of_which_nothing_was_sent_is_reconciled_as_cancelled(world: World) -> None:
    desk = world.desk()
    world.venues["b"].feed.is_up = False
    end, reconciled = await trade(world, desk)
    assert isinstance(end.action, Done)
    assert (reconciled.status, reconciled.result.volume) == (PairStatus.CANCELLED, 0)
    (pair,) = world.pairs
    assert pair.outcome.completed_at is not None


async def test_unwound_pair_has_costs_and_no_volume(world: World) -> None:
    world.venues["b"].otherwise = lambda intent: REJECTED
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.UNWOUND
    assert reconciled.result.volume == 0
    assert reconciled.result.fees > 0
    assert reconciled.result.max_net_exposure_usd == 250
    world.check_journal()


async def test_halted_pair_stays_open_in_the_journal(world: World) -> None:
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.PARTIAL
    (pair,) = world.store.reads.open_pairs(SESSION)
    assert pair.outcome.status is PairStatus.PARTIAL


async def test_late_execution_of_an_answered_order_is_not_lost(world: World) -> None:
    """The order's report says filled at once; its execution arrives by stream a second later."""
    world.venues["a"].script(replace(WHOLE, events_after_s=1.0, rest_after_s=1000))
    _, reconciled = await trade(world)
    assert reconciled.status is PairStatus.FILLED
    world.check_journal()


def _orders(world: World) -> list[Order]:
    return world.store.reads.orders_of_session(SESSION)
