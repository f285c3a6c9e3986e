"""The fakes accuse those who do what must never be done, and keep time for everybody alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.venue import Accepted, FillUpdate, NotFound, OrderUpdate, Unknown
from core.instrument import Venue
from core.order import OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce
from tests.fakes.clock import START, FakeClock
from tests.fakes.venue import LOST, NOTHING, Answer, FakeVenue, Script, Violation
from tests.fakes.world import World, make_world

D = Decimal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two accounts on one venue, and one elsewhere."""
    made = make_world(tmp_path, venues={"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.PACIFICA})
    yield made
    made.store.close()


def intent(venue: FakeVenue, order_id: str = "one", side: Side = Side.BUY, price: str = "2499") -> OrderIntent:
    """A resting order of 0.1."""
    now = venue.clock()
    return OrderIntent(
        order_id, "s", "p", venue.account_id, venue.venue, "ETH/USD", side, OrderType.LIMIT, TimeInForce.POST_ONLY,
        D("0.1"), D(price), D(price), False, now, now + timedelta(seconds=5),
    )  # fmt: skip


RESTS = Script(fill_after_s=1000)


async def test_order_sent_twice_is_a_violation(world: World) -> None:
    venue = world.venues["a"]
    venue.script(NOTHING)
    await venue.place(intent(venue))
    with pytest.raises(Violation, match="sent twice"):
        await venue.place(intent(venue))
    with pytest.raises(AssertionError):
        world.check_venues()


async def test_own_orders_that_could_meet_are_a_violation_across_accounts_of_a_venue(world: World) -> None:
    venue, neighbour = world.venues["a"], world.venues["c"]
    venue.script(RESTS)
    await venue.place(intent(venue))
    with pytest.raises(Violation, match="could meet own order one"):
        await neighbour.place(intent(neighbour, "two", Side.SELL, "2499"))
    neighbour.script(RESTS)
    assert isinstance(await neighbour.place(intent(neighbour, "three", Side.SELL, "2499.1")), Accepted)


async def test_order_still_on_its_way_could_meet_an_own_order_too(world: World) -> None:
    venue, neighbour = world.venues["a"], world.venues["c"]
    venue.script(Script(answer=Answer.UNKNOWN, arrives_after_s=3))
    await venue.place(intent(venue))
    with pytest.raises(Violation, match="could meet own order one"):
        await neighbour.place(intent(neighbour, "two", Side.SELL, "2499"))


async def test_stream_may_tell_executions_in_the_wrong_order(world: World) -> None:
    venue = world.venues["a"]
    venue.script(Script(pieces=2, reordered_s=1))
    await venue.place(intent(venue))
    await world.clock.sleep(2)
    told = [event for event in venue.feed.drain() if isinstance(event, FillUpdate | OrderUpdate)]
    trades = [event.fill.trade_id for event in told if isinstance(event, FillUpdate)]
    assert trades == ["a-t2", "a-t1"]
    assert isinstance(told[1], OrderUpdate)
    assert told[1].report.status is OrderStatus.FILLED


async def test_book_that_got_stuck_grows_old_and_lives_again(world: World) -> None:
    venue = world.venues["a"]
    venue.freeze(10)
    await world.clock.sleep(9)
    old = venue.feed.book("ETH/USD")
    assert old is not None
    assert old.received_time == START
    await world.clock.sleep(2)
    fresh = venue.feed.book("ETH/USD")
    assert fresh is not None
    assert fresh.received_time > START


async def test_undone_execution_leaves_its_trade_id_unused(world: World) -> None:
    venue = world.venues["a"]
    for number in ("one", "two", "three"):
        await venue.place(intent(venue, number))
        if number == "two":
            venue.bust(venue.executions[0][0])
    assert [fill.trade_id for fill, _ in venue.executions] == ["a-t2", "a-t3"]


async def test_the_same_prices_on_two_venues_are_no_violation(world: World) -> None:
    for name, side in (("a", Side.BUY), ("b", Side.SELL)):
        world.venues[name].script(RESTS)
        await world.venues[name].place(intent(world.venues[name], name, side))
    world.check_venues()


async def test_order_that_arrives_late_is_not_found_before_and_not_taken_after_its_validity(world: World) -> None:
    venue = world.venues["a"]
    early, late = intent(venue, "early"), intent(venue, "late", price="2498")
    for after in (3.0, 6.0):
        venue.script(Script(answer=Answer.UNKNOWN, arrives_after_s=after, fill_after_s=100))
    assert isinstance(await venue.place(early), Unknown)
    assert isinstance(await venue.place(late), Unknown)
    assert isinstance(await venue.order(early, None), NotFound)
    await world.clock.sleep(10)
    assert isinstance(await venue.order(early, None), OrderReport)
    assert isinstance(await venue.order(late, None), NotFound)


async def test_lost_answer_leaves_a_real_order_behind(world: World) -> None:
    venue = world.venues["a"]
    venue.script(replace(LOST, share=D("0.5"), pieces=2, copies=2))
    assert isinstance(await venue.place(intent(venue)), Unknown)
    events = venue.feed.drain()
    assert len([e for e in events if isinstance(e, FillUpdate)]) == 4
    assert len({e.fill.trade_id for e in events if isinstance(e, FillUpdate)}) == 2
    assert [e.report.status for e in events if isinstance(e, OrderUpdate)][-1] is OrderStatus.ACCEPTED
    assert venue.position == D("0.05")
    assert sum(f.quantity for f in await venue.fills("ETH/USD", START)) == D("0.05")


async def test_time_moves_only_as_far_as_the_next_thing_to_happen() -> None:
    clock, seen = FakeClock(), list[tuple[str, float]]()

    def note(who: str) -> Callable[[], None]:
        return lambda: seen.append((who, (clock() - START).total_seconds()))

    async def sleeper(who: str, seconds: float) -> None:
        await clock.sleep(seconds)
        note(who)()

    clock.later(2, note("alarm"))
    await asyncio.gather(sleeper("late", 3), sleeper("early", 1))
    assert seen == [("early", 1), ("alarm", 2), ("late", 3)]


async def test_wait_ends_with_the_event_and_not_with_its_timeout(world: World) -> None:
    venue = world.venues["a"]
    venue.script(Script(fill_after_s=2))
    await venue.place(intent(venue))
    venue.feed.drain()
    assert await venue.feed.wait(60)
    assert (world.clock() - START).total_seconds() == 2
    venue.feed.drain()
    assert not await venue.feed.wait(5)
    assert (world.clock() - START).total_seconds() == 7
