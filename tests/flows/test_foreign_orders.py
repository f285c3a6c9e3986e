"""Orders of somebody else on the session's accounts are told once each, left alone, and no pair is sent to meet one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from core.errors import LeaseLost
from core.limits import Severity
from core.order import OrderReport, OrderStatus, Resting, Side
from flows.steps import PLAIN
from flows.story import run_session
from store.records import CommandKind
from tests.fakes.venue import FakeVenue
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]


def rest(venue: FakeVenue, name: str, side: Side | None, price: Decimal | None = None) -> OrderReport:
    """Somebody puts an order on the account with other means; without a side it waits for a trigger."""
    now = venue.clock()
    found = OrderReport(
        venue.venue, venue.account_id, "ETH/USD", f"client-{name}", f"venue-{name}", OrderStatus.ACCEPTED, D(0), None,
        None, now, now, None if side is None or price is None else Resting(side, price),
    )  # fmt: skip
    venue.foreign_orders.append(found)
    return found


async def run(world: World) -> None:
    """One run of the session."""
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def warnings(world: World) -> list[str]:
    """The orders that were warned of, in order."""
    found = [b for b in world.store.reads.breaches(SESSION) if b.category == "foreign_order"]
    assert {b.severity for b in found} <= {Severity.WARNING}
    return [str(b.details["venueOrderId"]) for b in found]


def notices(world: World, about: str) -> list[str]:
    """What the session's events say about an order."""
    events = world.store.reads.events_since(SESSION, 0)
    return [text for e in events if e.type == "notice" and about in (text := str(e.payload["text"]))]


async def test_each_is_told_once_at_the_start_or_as_soon_as_it_is_listed_and_left_alone(make: Make) -> None:
    world = make(volumeTarget="20000")
    a, b = world.venues["a"], world.venues["b"]
    rest(a, "far", Side.BUY, D(100))
    world.clock.later(30, lambda: rest(b, "stop", None))
    await run(world)
    world.check_completed_and_flat()
    assert warnings(world) == ["venue-far", "venue-stop"]
    assert notices(world, "venue-far") == ["a: order venue-far is not ours, a buy at 100; it is left alone"]
    assert notices(world, "venue-stop") == ["b: order venue-stop is not ours; it is left alone"]
    assert (a.cancelled, b.cancelled) == ([], [])
    assert world.session.totals.volume_generated >= 20000


async def test_no_pair_is_sent_to_where_one_rests_until_it_is_gone(make: Make) -> None:
    world = make()
    a, b = world.venues["a"], world.venues["b"]
    for venue in (a, b):
        rest(venue, f"ask-{venue.account_id}", Side.SELL, venue.mid + D("0.1"))
    seen: list[int] = []

    def clear() -> None:
        seen.append(world.placed)
        for venue in (a, b):
            venue.foreign_orders.clear()

    world.clock.later(60, clear)
    await run(world)
    world.check_completed_and_flat()
    assert seen == [0]
    (refused,) = [e for e in world.store.reads.events_since(SESSION, 0) if e.type == "refused"]
    assert refused.payload["code"] == "self_cross"
    assert "a sell that is not ours at 2500.1 (venue-ask-" in str(refused.payload["text"])
    assert world.store.reads.foreign.known("a", "ETH/USD") == set()


async def test_what_rests_on_another_account_of_ours_counts_while_somebody_looks_at_it(make: Make) -> None:
    """Another session looked at its own account a moment ago; two minutes later nobody has."""
    world = make()
    a = world.venues["a"]
    other = replace(a.ref, account_id="elsewhere")
    asks = [rest(a, f"{side}-{n}", side, a.mid) for n, side in enumerate(Side)]
    a.foreign_orders.clear()
    world.store.journal.record_foreign_orders.now(other, "ETH/USD", asks, at=world.clock())
    placed: list[int] = []
    world.clock.later(100, lambda: placed.append(world.placed))
    started = world.clock()
    await run(world)
    world.check_completed_and_flat()
    assert placed == [0]
    assert world.pairs[0].plan.created_at >= started + timedelta(seconds=119)
    assert warnings(world) == []


async def test_a_restart_tells_nothing_again_and_an_own_order_is_none_of_them(make: Make) -> None:
    world = make(volumeTarget="1000000")
    rest(world.venues["a"], "far", Side.BUY, D(100))

    def stop() -> None:
        world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())

    desk = world.desk()
    world.clock.later(30, lambda: setattr(desk.lease, "is_lost", True))
    with pytest.raises(LeaseLost):
        await run_session(desk, world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.die()
    world.clock.later(60, stop)
    await run(world)
    assert warnings(world) == ["venue-far"]
    assert len(notices(world, "venue-far")) == 1
    own = world.store.reads.orders_of_session(SESSION)[0]
    ids = {own.intent.client_order_id, "unknown"}
    assert world.store.reads.foreign.journalled(own.intent.account_id, ids) == {own.intent.client_order_id}


async def test_an_account_whose_orders_cannot_be_read_keeps_what_was_known_of_it(make: Make) -> None:
    world = make()
    rest(world.venues["a"], "far", Side.BUY, D(100))
    world.clock.later(15, lambda: world.venues["a"].fail("open_orders", 1))
    await run(world)
    world.check_completed_and_flat()
    assert warnings(world) == ["venue-far"]
    assert notices(world, "open orders could not be read")
    assert world.store.reads.foreign.known("a", "ETH/USD") == {"venue-far"}
