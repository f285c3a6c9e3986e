"""The kill switch over fake venues: whatever became of the run, the session ends flat or says what is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from connectors.settings import Environment, Outside
from core.errors import HedgeError, LeaseLost, SessionHalted
from core.numbers import canonical
from core.order import OrderIntent, OrderType, Side, TimeInForce
from core.risk import Severity
from flows.flatten import Flattened, flatten_persistently, flatten_session
from flows.flatten import flatten as pulled
from flows.steps import PLAIN
from flows.story import run_session
from store import CommandKind, JournalEntry, SessionStatus, Store
from tasks.desk import Desk
from tests.fakes.venue import NOT_SENT, NOTHING, WHOLE, Booked, Crash, Script
from tests.fakes.world import SESSION, VENUES, QuietBoard, World

D = Decimal
Make = Callable[..., World]


def opener(world: World) -> Callable[[Store, str, Environment], object]:
    """Open the world's desk once its leases are free, as the composition root does, and give them back at the end."""

    @asynccontextmanager
    async def desk(store: Store, session_id: str, environment: Environment) -> AsyncIterator[Desk]:
        scopes = (f"session:{SESSION}", *(f"account:{name}" for name in world.venues))
        while held := [at for at in map(store.reads.lease, scopes) if at and at.expires_at > world.clock()]:
            latest = max(lease.expires_at for lease in held)
            await world.clock.sleep((latest - world.clock()).total_seconds() + 1)
        opened = world.desk()
        try:
            yield opened
        finally:
            mine = opened.lease
            await store.journal.release_many(mine.scopes, mine.holder, attempt=mine.attempt)

    return desk


def outside(world: World) -> Outside:
    """The world's clock and sleep."""
    return Outside(world.clock, world.clock.sleep, random.Random(1))


async def flatten(world: World, tries: int = 1) -> Flattened:
    """Pull the switch."""
    return await flatten_persistently(
        world.store, SESSION, reason="its run is gone", by="watchdog", tries=tries,
        opening=opener(world), world=outside(world),  # type: ignore[arg-type]
    )  # fmt: skip


async def dies_holding(world: World, after: int = 4) -> None:
    """Run the session until it holds a hedged position after so many orders; then its process is gone."""
    world.activate()
    dying = asyncio.ensure_future(run_session(world.desk(), world.session, PLAIN, QuietBoard()))  # type: ignore[arg-type]

    def look() -> None:
        is_between = not any(v.resting for v in world.venues.values()) and sum(world.positions.values()) == 0
        if world.placed >= after and any(world.positions.values()) and is_between:
            dying.cancel()
        else:
            world.clock.later(0.5, look)

    world.clock.later(0.5, look)
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert any(world.positions.values()), "nothing is held; nothing is proven"
    world.die()


def critical(world: World) -> set[str]:
    """The categories of the session's critical breaches."""
    return {b.category for b in world.store.reads.breaches(SESSION) if b.severity is Severity.CRITICAL}


def reductions(world: World) -> list[OrderIntent]:
    """The orders that took legs down one by one."""
    pairs = {p.plan.pair_id for p in world.pairs}
    return [o.intent for o in world.store.reads.orders_of_session(SESSION) if o.intent.pair_id not in pairs]


def check_only_reducing(world: World, since: int) -> None:
    """Every order after the run's death was reduce-only."""
    orders = sorted(world.store.reads.orders_of_session(SESSION), key=lambda o: o.intent.created_at)
    assert all(o.intent.reduce_only for o in orders[since:])


async def test_session_whose_run_died_holding_a_hedge_is_flat_and_completed(make: Make) -> None:
    world = make(venues=VENUES, volumeTarget="1000000")
    await dies_holding(world)
    sent = world.placed
    done = await flatten(world)
    assert done.is_flat, done.text
    world.check_completed_and_flat()
    check_only_reducing(world, sent)
    assert reductions(world) == [], "planner and gate could do it"
    assert world.session.status_reason == "its run is gone"
    assert world.store.reads.lease(f"session:{SESSION}") is None


@pytest.mark.parametrize("crash", ["before", "after"])
@pytest.mark.parametrize("at", [2, 5])
async def test_session_whose_run_died_in_the_middle_of_a_pair_is_flat_and_completed(
    make: Make, at: int, crash: str
) -> None:
    world = make(volumeTarget="1000000")
    count = iter(range(10_000))

    def dying(intent: OrderIntent) -> Script:
        return Script(crash=crash) if next(count) == at else WHOLE

    for venue in world.venues.values():
        venue.otherwise = dying
    world.activate()
    with pytest.raises(Crash):
        await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.die()
    done = await flatten(world)
    assert done.is_flat, done.text
    world.check_completed_and_flat()


async def test_legs_are_taken_down_singly_when_the_gate_refuses_for_too_long(make: Make) -> None:
    """A spread of 4 % passes no gate: after its bound each leg is reduced by itself, ever wider, and never opened."""
    world = make(venues=VENUES, volumeTarget="1000000")
    await dies_holding(world)
    sent, held, began = world.placed, dict(world.positions), world.clock()
    for venue in world.venues.values():
        venue.half_spread = D(50)
    done = await flatten(world)
    assert done.is_flat, done.text
    world.check_completed_and_flat()
    check_only_reducing(world, sent)
    singles = reductions(world)
    assert {i.account_id for i in singles} == {name for name, q in held.items() if q}
    for name, quantity in held.items():
        filled = [o for o in world.store.reads.orders_of_session(SESSION) if o.intent in singles
                  and o.intent.account_id == name]  # fmt: skip
        assert sum((o.signed_filled for o in filled), D(0)) == -quantity
        prices = [abs(o.intent.price / o.intent.reference_price - 1) for o in filled]
        assert prices == sorted(prices)
        assert all(p <= D("0.05") for p in prices)
    assert world.clock() - began >= timedelta(seconds=20)
    assert world.clock() - began < timedelta(seconds=90)


async def test_venue_that_is_away_is_waited_for_and_the_other_leg_is_kept_until_then(make: Make) -> None:
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    away, other = world.venues["b"], world.venues["a"]
    kept = other.position

    def leave() -> None:
        away.feed.disconnect(120)
        for read in ("positions", "order", "fills", "open_orders", "book", "mark", "margin"):
            away.fail(read, times=10**6)

    def back() -> None:
        assert other.position == kept, "a hedge whose other side cannot be closed was closed"
        for read in ("positions", "order", "fills", "open_orders", "book", "mark", "margin"):
            away.fail(read, times=0)

    leave()
    world.clock.later(115, back)
    done = await flatten(world, tries=5)
    assert done.is_flat, done.text
    world.check_completed_and_flat()


async def test_venue_that_stays_away_leaves_the_session_paused_with_its_exposure_stated(make: Make) -> None:
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    held = dict(world.positions)
    world.venues["b"].feed.disconnect(10**6)
    world.venues["b"].fail("positions", times=10**6)
    world.venues["b"].fail("open_orders", times=10**6)
    done = await flatten(world)
    assert not done.is_flat
    assert world.session.status is SessionStatus.PAUSED
    assert all(canonical(q) in (world.session.status_reason or "") for q in held.values())
    assert "not_flat" in critical(world)
    assert world.positions == held


async def test_what_somebody_else_holds_on_the_account_is_left_alone(make: Make) -> None:
    """One stranger adds to our long, another trades against our short: only the session's own part is reduced."""
    world = make(venues=VENUES, volumeTarget="1000000")
    await dies_holding(world)
    (long,) = [n for n, q in world.positions.items() if q > 0][:1]
    world.venues[long].meddle(D("0.05"))
    done = await flatten(world)
    assert done.is_flat, done.text
    assert "foreign" in done.text
    assert world.positions == {name: D("0.05") if name == long else D(0) for name in world.positions}
    assert world.session.status is SessionStatus.COMPLETED


async def test_never_more_is_reduced_than_the_venue_shows(make: Make) -> None:
    """A stranger has sold most of our long: what is left of it is taken down, and nothing goes short."""
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    (long,) = [n for n, q in world.positions.items() if q > 0]
    held = world.positions[long]
    rest = world.venues[long].market.lot
    world.venues[long].meddle(rest - held)
    done = await flatten(world)
    assert set(world.positions.values()) == {D(0)}
    assert done.is_flat, done.text
    assert "manual_trade" in {b.category for b in world.store.reads.breaches(SESSION, open_only=True)}
    sold = [o for o in world.store.reads.orders_of_session(SESSION) if o.intent in reductions(world)
            and o.intent.account_id == long]  # fmt: skip
    assert sum((o.signed_filled for o in sold), D(0)) == -rest


async def test_own_resting_orders_are_cancelled_and_those_of_others_are_not(make: Make) -> None:
    world = make(venues=VENUES, primary="limit", volumeTarget="1000000", interval=(1, 1))
    for venue in world.venues.values():
        venue.otherwise = lambda intent: Script(fill_after_s=0.0 if intent.time_in_force is TimeInForce.IOC else 2.0)
    await dies_holding(world)
    stranger = resting(world, "somebody-elses")
    world.venues["a"].orders["somebody-elses"] = stranger
    done = await flatten(world)
    assert done.is_flat, done.text
    assert "1 orders of others rest" in done.text
    assert [o.intent.client_order_id for v in world.venues.values() for o in v.resting] == ["somebody-elses"]
    assert set(world.positions.values()) == {D(0)}


async def test_reduction_that_could_meet_an_order_of_another_session_waits_for_its_end(make: Make) -> None:
    """The firewall of the journal holds for the kill switch as well."""
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    (long,) = [n for n, q in world.positions.items() if q > 0]
    other = resting(world, "of-another-session", account=long, at=2490)
    entry = JournalEntry(other.intent, "buy", 1, "of-another-session")
    (recorded,) = await world.store.journal.record_intents([entry])
    fake = world.venues[long]
    fake.orders["of-another-session"] = other
    for venue in world.venues.values():
        venue.half_spread = D(50)

    def ends() -> None:
        assert fake.position != 0, "an own order could have met another"
        fake._end(other, fake.orders["of-another-session"].status.CANCELLED)
        from dataclasses import replace

        ended = replace(recorded.order, status=fake.orders["of-another-session"].status)
        world.store.journal.record_order.now(ended)

    world.clock.later(100, ends)
    done = await flatten(world, tries=3)
    world.check_venues()
    assert done.is_flat, done.text
    assert set(world.positions.values()) == {D(0)}


async def test_switch_that_dies_itself_is_pulled_again(make: Make) -> None:
    """The process that flattens dies after a reduction reached its venue; the next one reduces no more than is left."""
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    for venue in world.venues.values():
        venue.half_spread = D(50)
    world.venues["b"].otherwise = lambda intent: Script(crash="after") if len(reductions(world)) > 6 else WHOLE
    world.venues["a"].otherwise = lambda intent: NOTHING
    with pytest.raises(Crash):
        await flatten(world)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: WHOLE
    world.die()
    done = await flatten(world)
    assert done.is_flat, done.text
    world.check_completed_and_flat()


async def test_live_run_is_asked_first_and_left_to_end_the_session_itself(make: Make) -> None:
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    live, sent = world.desk(), world.placed

    def obey() -> None:
        (command,) = world.store.reads.pending_commands(SESSION)
        assert command.kind is CommandKind.FLATTEN
        world.store.journal.finish_command.now(command.command_id, "winding down", at=world.clock())
        ended = SessionStatus.COMPLETED
        world.store.journal.set_session_status.now(SESSION, (SessionStatus.ACTIVE,), ended, at=world.clock())

    world.clock.later(2, obey)
    done = await flatten(world)
    assert "its own run ended it" in done.text
    assert world.placed == sent
    live.require_lease()


async def test_live_run_told_to_flatten_goes_leg_by_leg_when_the_gate_refuses(make: Make) -> None:
    world = make(volumeTarget="1000000", interval=(200, 250))
    world.activate()

    def ask() -> None:
        for venue in world.venues.values():
            venue.half_spread = D(50)
        world.store.journal.add_command.now(SESSION, CommandKind.FLATTEN, created_by="ops", created_at=world.clock())

    world.clock.later(20, ask)
    started = world.clock()
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    assert reductions(world)
    assert world.clock() - started < timedelta(seconds=90)


async def test_frozen_run_that_comes_back_finds_its_lease_gone_and_sends_nothing(make: Make) -> None:
    world = make(volumeTarget="1000000")
    await dies_holding(world, after=2)
    frozen = world.desk()
    scope = f"session:{SESSION}"
    assert (await flatten(world)).is_flat
    sent = world.placed
    with pytest.raises(LeaseLost):
        frozen.require_lease()
    with pytest.raises(LeaseLost):
        await frozen.renew_lease()
    with pytest.raises(HedgeError):
        await run_session(frozen, world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    assert world.placed == sent
    assert world.store.reads.lease(scope) is None
    world.check_completed_and_flat()


async def test_run_that_hangs_and_keeps_its_lease_is_waited_for_and_not_fought(make: Make) -> None:
    """As long as its lease lives nothing is sent: two that order at once are worse than one that hangs."""
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    hanging, sent = world.desk(), world.placed
    keeper = asyncio.create_task(hanging.keep_lease_alive())
    began = world.clock()
    done = await flatten(world)
    await keeper
    assert done.is_flat
    first = min(o.intent.created_at for o in world.store.reads.orders_of_session(SESSION)[sent:])
    assert first - began > timedelta(seconds=180)
    assert first > hanging.lease.expires_at - timedelta(seconds=1)


async def test_ended_session_is_left_as_it_is(make: Make) -> None:
    world = make()
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    sent = world.placed
    assert (await flatten(world)).text == "nothing to do: the session is completed"
    assert world.placed == sent


async def test_refusing_venue_is_asked_again_with_pauses_and_never_hailed(make: Make) -> None:
    world = make(volumeTarget="1000000")
    await dies_holding(world)
    sent = world.placed
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOT_SENT
    done = await flatten_session(
        world.store, SESSION, reason="r", by="b", opening=opener(world), world=outside(world)  # type: ignore[arg-type]
    )  # fmt: skip
    assert not done.is_flat
    assert "not_flat" in critical(world)
    assert 0 < world.placed - sent < 300


async def test_flow_takes_every_live_session_and_is_red_when_one_does_not_get_flat(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    asked: list[str] = []

    async def switch(store: Store, session_id: str, *, reason: str, by: str) -> Flattened:
        asked.append(session_id)
        return Flattened(session_id, len(asked) == 1, "long 1 left" if len(asked) > 1 else "flat")

    monkeypatch.setattr("flows.flatten.flatten_persistently", switch)
    pull: Callable[..., Awaitable[dict[str, str]]] = pulled.fn
    assert await pull() == {}, "a session that was never started is not touched"
    world.activate()
    assert await pull() == {SESSION: "flat"}
    with pytest.raises(SessionHalted, match="long 1 left"):
        await pull(SESSION)
    assert asked == [SESSION, SESSION]


def resting(world: World, name: str, *, account: str = "a", at: int = 2400) -> Booked:
    """An order that rests far from the market on an account, of nobody in this session."""
    now = world.clock()
    intent = OrderIntent(
        name, SESSION, "another", account, world.venues[account].venue, "ETH/USD", Side.BUY, OrderType.LIMIT,
        TimeInForce.GTC, D("0.01"), D(at), D(at), False, now, now + timedelta(hours=1),
    )  # fmt: skip
    return Booked(intent, Script(fill_after_s=10**6), f"{account}-{name}")
