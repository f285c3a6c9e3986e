"""Executions from outside that carry a name, hit what is foreign, or are listed late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from connectors.venue import FillUpdate, TradeBusted
from core.account import Position
from core.numbers import ZERO
from core.order import FillCause
from core.pair import Done
from store.records import BreachAction
from tasks.adoption import adopt
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.fund_check import check_funds
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tasks.recover import load_course
from tests.fakes.venue import FakeVenue
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal


async def holding(world: World) -> tuple[Desk, Course, Heart]:
    """A session that holds one pair: long 0.1 on a, short 0.1 on b."""
    desk = world.desk()
    await check_funds.fn()
    world.activate()
    end = await open_pair(desk, world.plan(), {})
    assert isinstance(end.action, Done)
    await reconcile(desk, end)
    desk.put_down()
    course = Course(started_at=desk.now(), last_progress_at=desk.now())
    return desk, course, Heart(desk, course, QuietBoard())  # type: ignore[arg-type]


def meddle_by_name(venue: FakeVenue, quantity: Decimal, cause: FillCause) -> None:
    """Somebody else's order has a client order id of its own."""
    is_up, venue.feed.is_up = venue.feed.is_up, False
    venue.meddle(quantity, cause=cause)
    venue.feed.is_up = is_up
    fill, at = venue.executions[-1]
    venue.executions[-1] = (replace(fill, client_order_id="web-4711"), at)
    venue.feed.tell(FillUpdate(venue.executions[-1][0]))


async def test_a_trade_by_hand_with_a_name_of_its_own_survives_a_restart(world: World) -> None:
    desk, _, heart = await holding(world)
    volumes = dict(desk.volumes)
    meddle_by_name(world.venues["a"], D("-0.04"), FillCause.TRADE)
    world.clock.advance(1)
    await heart.beat()
    assert desk.positions == world.positions == {"a": D("0.06"), "b": D("-0.1")}
    world.die()
    desk = world.desk()
    await load_course(desk, world.session)
    assert desk.positions == world.positions
    assert desk.volumes == volumes


async def test_a_liquidation_of_more_than_the_sessions_own_leaves_the_session_flat_there(world: World) -> None:
    """What is beyond the session's position was somebody else's, also for the next run."""
    desk, _, heart = await holding(world)
    a = world.venues["a"]
    a.feed.is_up = False
    a.meddle(D("0.03"))
    a.feed.is_up = True
    shown = Position(a.venue, "a", "ETH/USD", a.position, a.mid, None, None, world.clock())
    await adopt(desk, shown, own=D("0.1"), foreign=D("0.03"), trades=(), text="somebody else's")
    a.meddle(-a.position, cause=FillCause.LIQUIDATION)
    world.clock.advance(1)
    await heart.beat()
    assert desk.positions == {"a": ZERO, "b": D("-0.1")}
    assert desk.foreign_held == {"a": ZERO}
    world.die()
    desk = world.desk()
    await load_course(desk, world.session)
    assert desk.positions == {"a": ZERO, "b": D("-0.1")}
    assert desk.foreign_held == {"a": ZERO}
    assert world.store.reads.breaches(SESSION, open_only=True)[0].category == "liquidation"


async def test_an_execution_that_positions_and_lists_are_late_with_is_not_taken_for_undone(world: World) -> None:
    desk, _, heart = await holding(world)
    a = world.venues["a"]
    late = a.executions.pop()
    desk.recheck = True
    world.clock.advance(1)
    await heart.beat()
    assert "trade_bust" not in {b.category for b in world.store.reads.breaches(SESSION)}
    assert desk.positions == {"a": D("0.1"), "b": D("-0.1")}
    a.executions.append(late)
    desk.recheck = True
    world.clock.advance(1)
    await heart.beat()
    assert desk.positions == world.positions
    assert len(world.store.reads.fills_of_session(SESSION)) == 2


async def test_an_execution_that_stays_off_positions_and_lists_was_undone(world: World) -> None:
    desk, _, heart = await holding(world)
    world.venues["a"].executions.pop()
    for _ in range(15):
        world.clock.advance(1)
        desk.recheck = True
        await heart.beat()
    assert "trade_bust" in {b.category for b in world.store.reads.breaches(SESSION)}
    assert desk.positions == world.positions == {"a": ZERO, "b": D("-0.1")}


async def test_what_a_person_acknowledged_opens_a_gap_to_be_followed_and_ends_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue shows less than the journal explains, and lists nothing that did it."""
    desk, course, heart = await holding(world)
    a = world.venues["a"]

    async def shown() -> Sequence[Position]:
        return [Position(a.venue, "a", "ETH/USD", D("0.06"), a.mid, None, None, world.clock())]

    monkeypatch.setattr(a, "positions", shown)
    desk.recheck = True
    await heart.beat()
    (breach,) = world.store.reads.breaches(SESSION, open_only=True)
    assert breach.category == "position_mismatch"
    world.store.journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.RESOLVE, at=world.clock())
    desk.recheck = True
    await heart.beat()
    assert desk.positions == {"a": D("0.06"), "b": D("-0.1")}
    assert world.store.reads.breaches(SESSION, open_only=True) == []
    assert course.closing is None
    assert course.gap.since is not None
    assert course.gap.usd == D("0.04") * a.mid


async def test_a_hand_that_turns_the_account_round_in_two_executions_leaves_nothing_unexplained(world: World) -> None:
    """What goes beyond the session's own position is somebody else's, in one execution with it or in the next."""
    desk, course, heart = await holding(world)
    a = world.venues["a"]
    a.meddle(D("-0.1"))
    a.meddle(D("-0.1"))
    world.clock.advance(1)
    await heart.beat()
    assert [b.category for b in world.store.reads.breaches(SESSION, open_only=True)] == ["manual_trade"]
    assert course.paused is not None
    assert desk.positions == {"a": ZERO, "b": D("-0.1")}
    assert desk.foreign_held == {"a": D("-0.1")}
    world.die()
    desk = world.desk()
    await load_course(desk, world.session)
    assert desk.positions == {"a": ZERO, "b": D("-0.1")}
    assert desk.foreign_held == {"a": D("-0.1")}


async def test_an_increase_by_hand_alone_is_told_and_waits_for_a_person(world: World) -> None:
    desk, _, heart = await holding(world)
    world.venues["a"].meddle(D("0.1"))
    world.clock.advance(1)
    await heart.beat()
    assert [b.category for b in world.store.reads.breaches(SESSION, open_only=True)] == ["position_mismatch"]
    assert desk.foreign_held == {}


async def test_an_execution_listed_against_its_own_order_undoes_it(world: World) -> None:
    """Backpack tells of no undone trade: its list shows a second execution of the same order, on the other side."""
    desk, course, heart = await holding(world)
    a = world.venues["a"]
    done = a.executions[-1][0]
    course.volume = 2 * done.quantity * done.price
    back = replace(done, trade_id="back", side=done.side.opposite, fee=-done.fee, venue_time=world.clock())
    a.executions.append((back, world.clock()))
    world.clock.advance(1)
    desk.recheck = True
    await heart.beat()
    assert [b.category for b in world.store.reads.breaches(SESSION, open_only=True)] == ["trade_bust"]
    assert desk.positions == world.positions == {"a": ZERO, "b": D("-0.1")}
    assert [f.account_id for f in world.store.reads.fills_of_session(SESSION)] == ["b"]
    world.die()
    desk = world.desk()
    await load_course(desk, world.session)
    assert desk.positions == world.positions


async def test_an_execution_against_its_own_order_is_none_of_it_while_its_pair_is_open(world: World) -> None:
    desk, _, _ = await holding(world)
    order = next(o for o in world.store.reads.orders_of_session(SESSION) if o.intent.account_id == "a")
    desk.take_up([order])
    done = world.venues["a"].executions[-1][0]
    back = replace(done, trade_id="back", side=done.side.opposite)
    await desk.note_fills([back, replace(back, trade_id="unnamed", client_order_id=None)])
    desk.rematch()
    assert desk.working[order.intent.client_order_id].filled_quantity == done.quantity
    assert [f.trade_id for f in desk.foreign] == ["back", "unnamed"]


async def test_an_undone_trade_that_no_stream_told_is_asked_for_where_the_list_keeps_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paradex goes on listing what it undid, and names it elsewhere."""
    desk, _, heart = await holding(world)
    a = world.venues["a"]
    done = a.executions[-1][0]

    async def shown() -> Sequence[Position]:
        return []

    async def undone(since: datetime) -> Sequence[TradeBusted]:
        return [TradeBusted(a.venue, "a", "", done.trade_id, world.clock())]

    monkeypatch.setattr(a, "positions", shown)
    monkeypatch.setattr(a, "undone_trades", undone)
    desk.recheck = True
    await heart.beat()
    assert [b.category for b in world.store.reads.breaches(SESSION, open_only=True)] == ["trade_bust"]
    assert desk.positions == {"a": ZERO, "b": D("-0.1")}
