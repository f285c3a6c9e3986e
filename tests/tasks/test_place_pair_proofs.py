"""Before an order counts as never arrived, and before one is sent: what has to be known first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.errors import LeaseLost
from core.order import OrderStatus
from core.pair import Done, Halt, PairStatus
from tasks.desk import LEASE_TTL_S
from tasks.place_pair import open_pair
from tests.fakes.venue import LOST_ON_THE_WAY, WHOLE, Answer, Script
from tests.fakes.world import SESSION, World

D = Decimal
SILENT = Script(answer=Answer.UNKNOWN, events_after_s=None, not_found=10**6)


async def test_order_whose_executions_are_listed_is_not_taken_for_one_that_never_arrived(world: World) -> None:
    """The order history knows nothing of it, the executions do: a second order would double the position."""
    world.venues["a"].script(SILENT)
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Done)
    assert end.action.status is PairStatus.FILLED
    assert world.placed == 2
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_execution_that_names_no_order_keeps_one_from_counting_as_never_arrived(world: World) -> None:
    """A venue need not name client order ids in its executions: this one may be the order's."""
    world.venues["a"].script(replace(SILENT, anonymous=True))
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Halt)
    assert world.placed == 2
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_without_a_look_at_executions_absence_is_not_proven(world: World) -> None:
    world.venues["a"].script(replace(SILENT, arrives_after_s=None))
    world.venues["a"].fail("fills", times=10**6)
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Halt)
    assert end.action.net == D("-0.1")
    assert world.placed == 2


async def test_request_that_was_lost_is_asked_about_at_once_and_when_its_time_is_over(world: World) -> None:
    world.venues["a"].script(LOST_ON_THE_WAY)
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Done)
    assert end.action.status is PairStatus.FILLED
    lost = end.state.of(end.state.plan.buy)[0].intent
    assert world.venues["a"].asked.count(lost.client_order_id) == 3
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_order_whose_journalling_outlasted_the_lease_is_not_sent(world: World) -> None:
    desk = world.desk()
    record = desk.store.journal.record_intents

    class SlowDisk:
        """The journal, except that writing intents takes longer than the lease."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.store.journal, name)

        async def record_intents(self, *entries: object) -> object:
            written = await record(*entries)  # type: ignore[arg-type]
            world.clock.advance(LEASE_TTL_S)
            return written

    class SlowStore:
        """The store with that journal."""

        reads, journal = world.store.reads, SlowDisk()

    desk.store = SlowStore()  # type: ignore[assignment]
    with pytest.raises(LeaseLost):
        await open_pair(desk, world.plan(), {})
    assert world.placed == 0
    assert {o.status for o in world.store.reads.orders_of_session(SESSION)} == {OrderStatus.INTENDED}


async def test_where_history_is_dear_a_lost_request_is_asked_about_only_when_the_answer_can_be_proof(
    world: World,
) -> None:
    world.venues["a"].is_history_dear = True
    world.venues["a"].script(LOST_ON_THE_WAY)
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Done)
    assert end.action.status is PairStatus.FILLED
    lost = end.state.of(end.state.plan.buy)[0].intent
    assert world.venues["a"].asked.count(lost.client_order_id) == 2
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_where_history_is_dear_a_lost_stream_is_reason_enough_to_ask_at_once(world: World) -> None:
    """The order filled while nobody listened: only a question tells, and it need not wait for the order's time."""
    world.venues["a"].is_history_dear = True
    world.venues["a"].script(replace(WHOLE, answer=Answer.UNKNOWN, events_after_s=None))
    world.clock.later(0.2, lambda: world.venues["a"].feed.disconnect(0.2))
    end = await open_pair(world.desk(), world.plan(), {})
    assert isinstance(end.action, Done)
    assert end.action.status is PairStatus.FILLED
    first = end.state.of(end.state.plan.buy)[0]
    assert first.updated_at is not None
    assert first.updated_at < first.intent.valid_until
