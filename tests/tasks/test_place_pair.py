"""Placing a pair: what is sent, what is asked, and how a pair ends when venues do what venues do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from core.errors import LeaseLost
from core.ids import client_order_id
from core.instrument import Venue
from core.order import NeverSent, OrderIntent, OrderStatus, OrderType, Side, TimeInForce, apply
from core.pair import Done, Halt, PairStatus
from core.plan import Purpose
from store.records import JournalEntry, NewPair, NewSession
from tasks.desk import Desk
from tasks.place_pair import PairEnd, open_pair
from tests.fakes.venue import (
    HALF,
    LOST,
    LOST_ON_THE_WAY,
    NOT_SENT,
    NOTHING,
    REJECTED,
    WHOLE,
    Answer,
    Script,
)
from tests.fakes.world import SESSION, World

D = Decimal
Make = Callable[..., World]


async def place(world: World, desk: Desk | None = None, quantity: str = "0.1") -> PairEnd:
    """Open the first pair: buy on a, sell on b."""
    return await open_pair(desk or world.desk(), world.plan(quantity), {"verdict": "approved"})


def status_of(end: PairEnd) -> PairStatus:
    """How a pair ended that must not have halted."""
    assert isinstance(end.action, Done), end.action
    return end.action.status


async def test_market_pair_takes_both_legs_once_and_at_once(world: World) -> None:
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert world.placed == 2
    orders = world.store.reads.orders_of_session(SESSION)
    assert {o.intent.time_in_force for o in orders} == {TimeInForce.IOC}
    assert len({o.intent.created_at for o in orders}) == 1


async def test_orders_are_in_the_journal_before_the_venue_hears_of_them(world: World) -> None:
    journalled = []

    def look(intent: object) -> Script:
        journalled.append(len(world.store.reads.orders_of_session(SESSION)))
        return WHOLE

    for venue in world.venues.values():
        venue.otherwise = look
    await place(world)
    assert journalled == [2, 2]


async def test_limit_pair_rests_on_both_sides_and_never_crosses(make: Make) -> None:
    world = make(primary="limit")
    for venue in world.venues.values():
        venue.script(Script(fill_after_s=1))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    orders = world.store.reads.orders_of_session(SESSION)
    assert {o.intent.time_in_force for o in orders} == {TimeInForce.POST_ONLY}
    assert {o.intent.side: o.intent.price < 2500 for o in orders} == {Side.BUY: True, Side.SELL: False}
    assert world.placed == 2


async def test_first_resting_fill_cancels_the_other_leg_and_takes_its_hedge(make: Make) -> None:
    world = make(primary="limit")
    world.venues["a"].script(Script(fill_after_s=1))
    world.venues["b"].script(Script(fill_after_s=60), WHOLE)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}
    rested, taken = (o for o in world.store.reads.orders_of_session(SESSION) if o.intent.account_id == "b")
    assert (rested.status, rested.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert taken.intent.time_in_force is TimeInForce.IOC


async def test_limit_pair_that_nobody_meets_is_taken_by_the_fallback(make: Make) -> None:
    world = make(primary="limit", fallback="market")
    for venue in world.venues.values():
        venue.script(Script(fill_after_s=60), WHOLE)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.placed == 4


async def test_limit_pair_without_fallback_is_cancelled_when_nobody_meets_it(make: Make) -> None:
    world = make(primary="limit", fallback="limit")
    for venue in world.venues.values():
        venue.script(Script(fill_after_s=60))
    end = await place(world)
    assert status_of(end) is PairStatus.CANCELLED
    assert world.placed == 2
    assert not any(venue.resting for venue in world.venues.values())


async def test_fill_that_crosses_the_cancel_is_hedged_as_well(make: Make) -> None:
    """A tenth of the sell leg fills while its cancel is on the way: the repair takes only what is then missing."""
    world = make(primary="limit")
    world.venues["a"].script(Script(fill_after_s=1))
    world.venues["b"].script(Script(fill_after_s=60, cross=D("0.1")), WHOLE)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert [o.intent.quantity for o in world.store.reads.orders_of_session(SESSION) if o.intent.account_id == "b"] == [
        D("0.1"),
        D("0.09"),
    ]


@pytest.mark.parametrize("cancel", [Answer.UNKNOWN, Answer.NOT_SENT])
async def test_cancel_without_an_answer_is_followed_until_the_order_has_ended(make: Make, cancel: Answer) -> None:
    world = make(primary="limit")
    world.venues["a"].script(Script(fill_after_s=1))
    world.venues["b"].script(Script(fill_after_s=60, cancel=cancel, events_after_s=None), WHOLE)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_lone_leg_is_chased(world: World) -> None:
    world.venues["b"].script(NOTHING, WHOLE)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}
    assert world.placed == 3


async def test_uneven_leg_is_evened_out(world: World) -> None:
    world.venues["b"].script(HALF, WHOLE)
    end = await place(world)
    assert status_of(end) in (PairStatus.FILLED, PairStatus.UNWOUND)
    assert sum(world.positions.values()) == 0


async def test_remainder_below_both_minimums_is_hedged_a_little_beyond_the_plan(world: World) -> None:
    """Closing 0.007: 0.003 bought back, nothing sold. Neither 0.004 nor 0.003 is worth the 10 USD a venue wants."""
    desk = world.desk()
    assert status_of(await open_pair(desk, world.plan("0.007"), {})) is PairStatus.FILLED
    desk.put_down()
    world.venues["a"].script(Script(share=D("0.43")), WHOLE)
    world.venues["b"].script(NOTHING, WHOLE)
    plan = world.plan("0.007", buy="b", sell="a", sequence=2, purpose=Purpose.CLOSE)
    end = await open_pair(desk, plan, {})
    assert status_of(end) is PairStatus.FILLED
    assert sum(world.positions.values()) == 0
    beyond = [o.intent for o in end.state.orders[2:] if o.intent.quantity > D("0.004")]
    assert beyond
    assert not any(intent.reduce_only for intent in beyond if intent.account_id == "a")


async def test_lone_leg_is_taken_back_where_the_other_venue_has_become_dear(world: World) -> None:
    def fall(intent: object) -> Script:
        world.venues["b"].mid = D(2490)
        return NOTHING

    world.venues["b"].otherwise = fall
    end = await place(world)
    assert status_of(end) is PairStatus.UNWOUND
    assert world.positions == {"a": 0, "b": 0}
    assert len(world.venues["b"].placed) == 1


async def test_lone_leg_is_taken_back_when_the_other_venue_refuses(world: World) -> None:
    world.venues["b"].otherwise = lambda intent: REJECTED
    end = await place(world)
    assert status_of(end) is PairStatus.UNWOUND
    assert world.positions == {"a": 0, "b": 0}


async def test_refusals_on_both_sides_fail_the_pair_without_a_second_try(world: World) -> None:
    for venue in world.venues.values():
        venue.script(REJECTED)
    end = await place(world)
    assert status_of(end) is PairStatus.FAILED
    assert "not accepted" in end.action.reason
    assert world.placed == 2


async def test_orders_that_never_left_end_the_pair_as_failed(world: World) -> None:
    for venue in world.venues.values():
        venue.script(NOT_SENT)
    assert status_of(await place(world)) is PairStatus.FAILED
    assert world.positions == {"a": 0, "b": 0}


async def test_unknown_outcome_is_asked_for_and_the_order_not_sent_again(world: World) -> None:
    world.venues["a"].script(replace(LOST, events_after_s=None))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.venues["a"].asked
    assert world.placed == 2


async def test_unknown_outcome_that_the_stream_tells_needs_no_second_order(world: World) -> None:
    world.venues["a"].script(Script(answer=Answer.UNKNOWN, answer_after_s=2, fill_after_s=1))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.placed == 2


async def test_no_such_order_counts_only_after_the_order_can_no_longer_arrive(world: World) -> None:
    """The order reaches the venue after it was given up: asking too early must not make a second one."""
    world.venues["a"].script(Script(answer=Answer.UNKNOWN, arrives_after_s=1.5, events_after_s=None))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.placed == 2
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_order_lost_on_the_way_is_proven_absent_and_then_the_pair_evened_out(world: World) -> None:
    world.venues["a"].script(LOST_ON_THE_WAY)
    started = world.clock()
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    first, *_ = (o for o in world.store.reads.orders_of_session(SESSION) if o.intent.account_id == "a")
    assert first.status is OrderStatus.REJECTED
    assert (first.updated_at or started) >= first.intent.valid_until
    assert world.positions == {"a": D("0.1"), "b": D("-0.1")}


async def test_venue_that_lists_an_order_late_is_believed_when_it_does(world: World) -> None:
    world.venues["a"].script(replace(LOST, events_after_s=None, not_found=3))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.placed == 2


async def test_unknown_outcome_that_stays_unknown_halts_with_the_exposure(world: World) -> None:
    world.venues["a"].script(replace(LOST_ON_THE_WAY))
    world.venues["a"].fail("order", times=10_000)
    end = await place(world)
    assert isinstance(end.action, Halt)
    assert end.action.net == D("-0.1")
    assert world.placed == 2


async def test_accepted_order_whose_end_cannot_be_learnt_halts_the_pair(world: World) -> None:
    world.venues["a"].script(Script(fill_after_s=10_000, events_after_s=None))
    end = await place(world)
    assert isinstance(end.action, Halt)
    assert end.action.net == D("-0.1")
    assert (world.clock() - end.state.started_at).total_seconds() < 120


async def test_repairs_are_spread_over_the_leg_delay_before_the_pair_halts(world: World) -> None:
    """A venue that takes orders and fills none of them: repairs must not be burnt within a moment."""
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    world.venues["a"].script(WHOLE)
    end = await place(world)
    assert isinstance(end.action, Halt)
    assert end.action.net == D("0.1")
    assert (world.clock() - end.state.started_at).total_seconds() > world.desk(lease=False).strategy.max_leg_delay_s


async def test_delayed_fills_are_waited_for(world: World) -> None:
    world.venues["a"].script(Script(fill_after_s=0.3, pieces=3))
    world.venues["b"].script(Script(fill_after_s=0.7, pieces=2))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.placed == 2


async def test_stream_lost_during_a_pair_makes_the_open_orders_be_asked_for(world: World) -> None:
    world.venues["a"].script(Script(fill_after_s=0.5))
    world.clock.later(0.1, lambda: world.venues["a"].feed.disconnect(2.0))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.venues["a"].asked
    assert world.placed == 2


async def test_no_book_on_one_side_ends_the_pair_before_anything_is_sent(world: World) -> None:
    world.venues["b"].feed.is_up = False
    desk = world.desk()
    world.venues["b"].feed.is_up = False
    end = await place(world, desk)
    assert status_of(end) is PairStatus.CANCELLED
    assert world.placed == 0


async def other_order(world: World, side: Side = Side.BUY, price: str = "1000", *, account: str = "a") -> None:
    """Journal a live order of another session and pair, sell or buy, on one of the accounts."""
    store, now, venue = world.store, world.clock(), world.venues[account].venue
    intent = OrderIntent(
        "other-order", "other-session", "other-pair", account, venue, "ETH/USD", side, OrderType.LIMIT,
        TimeInForce.POST_ONLY, D("0.1"), D(price), D(price), False, now, now,
    )  # fmt: skip
    session = NewSession("other-session", "other", "ETH/USD", {}, ("a", "b"), "sandbox", None, 60, 1, now)
    pair = NewPair(
        "other-pair", "other-session", 1, Venue.PACIFICA, "a", Venue.PARADEX, "b", D("0.1"), None, None, {}, now
    )
    await store.journal.create_session(session)
    await store.journal.record_pair(pair)
    await store.journal.record_intents([JournalEntry(intent, side.value, 1, "short")])


async def test_taken_id_on_the_wire_makes_the_pair_use_the_next_attempt(world: World) -> None:
    first = client_order_id(SESSION, 1, "buy", 1)
    await other_order(world)
    world.venues["a"].wire = lambda order_id: "short" if order_id == first else order_id
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert world.venues["a"].placed == [client_order_id(SESSION, 1, "buy", 2)]
    journalled = world.store.reads.journal_order(client_order_id(SESSION, 1, "buy", 2))
    assert journalled.attempt == 2


async def test_leg_that_could_meet_an_own_order_ends_the_pair_before_the_first_leg(world: World) -> None:
    """Another session rests a sell on Pacifica at a price that our buy would reach: nothing at all is sent."""
    await other_order(world, Side.SELL, "2505")
    end = await place(world)
    assert status_of(end) is PairStatus.CANCELLED
    assert "held back" in end.action.reason
    assert world.placed == 0
    assert world.store.reads.orders_of_session(SESSION) == []


async def test_repair_waits_until_it_can_no_longer_meet_an_own_order(world: World) -> None:
    """The price falls, so that the chase could meet another session's resting buy: it waits until that has ended."""
    freed: list[datetime] = []

    def free() -> None:
        order = world.store.reads.journal_order("other-order").order
        world.store.journal.record_order.now(apply(order, NeverSent(world.clock(), "gone")))
        freed.append(world.clock())

    def fall(intent: OrderIntent) -> Script:
        world.venues["b"].mid = D(2499)
        world.venues["b"].otherwise = lambda intent: WHOLE
        return NOTHING

    world.venues["a"].otherwise = lambda intent: WHOLE if intent.side is Side.BUY else REJECTED
    world.venues["b"].otherwise = fall
    await other_order(world, Side.BUY, "2493", account="b")
    world.clock.later(5, free)
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    chase = world.store.reads.orders_of_session(SESSION)[-1].intent
    assert (chase.account_id, chase.side) == ("b", Side.SELL)
    assert chase.created_at >= freed[0]


async def test_lost_lease_stops_ordering(world: World) -> None:
    desk = world.desk()
    world.die()
    other = world.desk()
    with pytest.raises(LeaseLost):
        await place(world, desk)
    assert world.placed == 0
    assert status_of(await place(world, other)) is PairStatus.FILLED


async def test_long_pair_keeps_its_lease(world: World) -> None:
    """The chase is sent half a minute after the pair began, long after the first lease would have run out."""
    world.venues["b"].script(NOTHING)
    world.venues["a"].otherwise = lambda intent: WHOLE if intent.side is Side.BUY else REJECTED
    world.clock.later(0.001, lambda: world.venues["b"].feed.disconnect(30))
    world.venues["a"].script(Script(fill_after_s=0.1))
    end = await place(world)
    assert status_of(end) is PairStatus.FILLED
    assert (world.clock() - end.state.started_at).total_seconds() > 29


async def test_placing_the_same_pair_again_sends_nothing_new(world: World) -> None:
    desk = world.desk()
    first = await place(world, desk)
    again = await place(world, desk)
    assert (status_of(first), status_of(again)) == (PairStatus.FILLED, PairStatus.FILLED)
    assert world.placed == 2
