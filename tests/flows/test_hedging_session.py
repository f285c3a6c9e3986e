"""The story of a session, told by the real flow over fake venues and virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import SessionHalted
from core.instrument import Venue
from core.numbers import canonical
from core.order import OrderIntent, TimeInForce
from core.pair import PairStatus
from flows.steps import PLAIN
from flows.story import run_session
from store.records import BreachAction, CommandKind
from tasks.options import TRANSIENT
from tests.fakes.venue import (
    HALF,
    LOST,
    LOST_ON_THE_WAY,
    NOT_SENT,
    NOTHING,
    REJECTED,
    WHOLE,
    Answer,
    Crash,
    Script,
)
from tests.fakes.world import SESSION, QuietBoard, World

D = Decimal
Make = Callable[..., World]
THREE = {"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.BACKPACK}


async def run(world: World) -> dict[str, Any]:
    """One run of the session, from its desk on, with Prefect taken away."""
    return await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]


def ask(world: World, kind: CommandKind, after_s: float) -> None:
    """An operator asks for something after a while."""

    def add() -> None:
        world.store.journal.add_command.now(SESSION, kind, created_by="ops", created_at=world.clock())

    world.clock.later(after_s, add)


def drift(world: World, rng: random.Random, step: str = "0.0002") -> None:
    """Let the venues' prices wander together, with a little basis, every second."""

    def move() -> None:
        common = 1 + D(rng.randint(-100, 100)) / 100 * D(step)
        for venue in world.venues.values():
            basis = 1 + D(rng.randint(-100, 100)) / 100 * D(step) / 4
            venue.mid = (venue.mid * common * basis).quantize(D("0.1"))
        world.clock.later(1, move)

    world.clock.later(1, move)


@pytest.mark.parametrize("primary", ["market", "limit"])
async def test_session_reaches_its_volume_and_ends_flat(make: Make, primary: str) -> None:
    world = make(venues=THREE, primary=primary, fallback="market")
    if primary == "limit":
        for number, venue in enumerate(world.venues.values()):
            venue.otherwise = lambda intent, n=number: Script(  # type: ignore[misc]
                fill_after_s=0.0 if intent.time_in_force is TimeInForce.IOC else 2.0 + 3 * n
            )
    drift(world, random.Random(3))
    summary = await run(world)
    world.check_completed_and_flat()
    assert D(summary["volume"]) >= 3000
    assert D(summary["volume"]) < 3600
    kinds = {o.intent.time_in_force for o in world.store.reads.orders_of_session(SESSION)}
    assert (TimeInForce.POST_ONLY in kinds) is (primary == "limit")
    assert Path(summary["report"]).is_file()
    totals = world.session.totals
    assert totals.volume_generated == world.store.reads.totals(SESSION).volume_generated
    assert totals.fees == world.store.reads.totals(SESSION).fees
    equity = sum([(await v.margin()).equity - v.deposit for v in world.venues.values()])
    assert totals.pnl == equity


async def test_session_of_which_no_resting_leg_is_met_lives_on_its_fallback(make: Make) -> None:
    world = make(primary="limit", fallback="market", volumeTarget="1500")
    for venue in world.venues.values():
        venue.otherwise = lambda intent: Script(fill_after_s=0.0 if intent.time_in_force is TimeInForce.IOC else 10_000)
    await run(world)
    world.check_completed_and_flat()


async def test_legs_of_every_pair_are_on_two_venues_and_within_limits(make: Make) -> None:
    world = make(venues={**THREE, "d": Venue.PACIFICA})
    drift(world, random.Random(5))
    await run(world)
    world.check_completed_and_flat()
    for pair in world.pairs:
        assert pair.plan.buy_venue is not pair.plan.sell_venue
    orders = world.store.reads.orders_of_session(SESSION)
    for name in world.venues:
        held = D(0)
        for fill in sorted(world.store.reads.fills_of_session(SESSION), key=lambda f: f.venue_time):
            if fill.account_id == name:
                held += fill.quantity * fill.side.sign
                assert abs(held) <= D("0.4")
    assert len({o.intent.client_order_id for o in orders}) == len(orders)


async def test_duration_ends_the_session_flat(make: Make) -> None:
    world = make(volumeTarget=None, duration=60_000)
    started = world.clock()
    summary = await run(world)
    world.check_completed_and_flat()
    assert summary["reason"] == "the duration is over"
    assert timedelta(seconds=60) <= world.clock() - started < timedelta(seconds=90)


async def test_stop_ends_the_session_flat_before_its_goal(make: Make) -> None:
    world = make(volumeTarget="1000000")
    ask(world, CommandKind.STOP, 20)
    summary = await run(world)
    world.check_completed_and_flat()
    assert summary["reason"] == "stopped by ops"
    (command,) = world.store.reads.commands(SESSION)
    assert command.done_at is not None
    assert (command.done_at - command.created_at).total_seconds() <= 2


async def test_nothing_opens_while_paused_and_it_goes_on_after(make: Make) -> None:
    world = make()
    started = world.clock()
    ask(world, CommandKind.PAUSE, 10)
    ask(world, CommandKind.RESUME, 330)
    await run(world)
    world.check_completed_and_flat()
    inside = [p for p in world.pairs if 12 < (p.plan.created_at - started).total_seconds() < 330]
    assert inside == []
    assert any((p.plan.created_at - started).total_seconds() > 330 for p in world.pairs)


async def test_stream_and_mark_that_vanish_for_a_while_do_not_end_the_session(make: Make) -> None:
    """The third account holds a position that cannot be valued for a while: no pair is opened, nothing breaks."""
    world = make(venues=THREE)
    for at in (4.0, 12.0, 25.0):
        world.clock.later(at, lambda: world.venues["c"].feed.disconnect(6.0))
    await run(world)
    world.check_completed_and_flat()


async def test_venue_that_refuses_everything_ends_the_session_flat_instead_of_for_ever(make: Make) -> None:
    world = make(interval=(20, 30))
    world.venues["b"].otherwise = lambda intent: REJECTED
    summary = await run(world)
    world.check_completed_and_flat()
    assert summary["pairsFilled"] == 0
    assert "no pair could be done" in summary["reason"]


async def test_lone_leg_that_cannot_be_removed_halts_loudly_with_the_exposure(make: Make) -> None:
    """From the third order on nothing fills any more. The session halts, says what is naked, and a stop ends it."""
    world = make()
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    ask(world, CommandKind.STOP, 300)
    with pytest.raises(SessionHalted) as halted:
        await run(world)
    naked = {name: canonical(q) for name, q in world.positions.items()}
    assert halted.value.details["positions"] == naked
    assert any(D(q) != 0 for q in naked.values())
    breaches = {b.category for b in world.store.reads.breaches(SESSION)}
    assert "naked_leg" in breaches


async def test_halted_pair_is_brought_to_its_end_when_its_venue_is_back(make: Make) -> None:
    """The venue that swallowed an answer is away for five minutes; then the pair is found filled and resumed."""
    world = make(volumeTarget="1500")
    venue = world.venues["a"]
    venue.script(Script(answer=Answer.UNKNOWN, events_after_s=None))
    venue.fail("order", times=10**6)

    def back() -> None:
        venue.fail("order", times=0)
        venue.fail("fills", times=3)

    def acknowledge() -> None:
        for breach in world.store.reads.breaches(SESSION, open_only=True):
            world.store.journal.acknowledge_breach.now(
                SESSION, breach.breach_id, BreachAction.RESOLVE, at=world.clock()
            )
        world.store.journal.add_command.now(SESSION, CommandKind.RESUME, created_by="ops", created_at=world.clock())

    world.clock.later(300, back)
    world.clock.later(400, acknowledge)
    await run(world)
    world.check_completed_and_flat()
    assert [b.category for b in world.store.reads.breaches(SESSION)] == ["naked_leg"]
    first = world.pairs[0]
    assert first.outcome.status is PairStatus.FILLED
    assert len(world.store.reads.orders_of_pair(first.plan.pair_id)) == 2


async def test_stop_of_a_halted_session_still_evens_the_pair_out_first(make: Make) -> None:
    world = make(volumeTarget="1500")
    venue = world.venues["a"]
    venue.script(Script(answer=Answer.UNKNOWN, events_after_s=None))
    venue.fail("order", times=10**6)
    ask(world, CommandKind.STOP, 100)
    world.clock.later(200, lambda: venue.fail("order", times=0))
    summary = await run(world)
    world.check_completed_and_flat()
    assert summary["reason"] == "stopped by ops"


@pytest.mark.parametrize("at", [3, 4, 7])
async def test_run_that_dies_is_simply_run_again(make: Make, at: int) -> None:
    """The process dies at the n-th order, right after it reached the venue; the next run ends the session."""
    world = make(venues=THREE, volumeTarget="2000")
    count = iter(range(10_000))

    def dying(intent: OrderIntent) -> Script:
        return Script(crash="after") if next(count) == at else WHOLE

    for venue in world.venues.values():
        venue.otherwise = dying
    with pytest.raises(Crash):
        await run(world)
    world.die()
    await run(world)
    world.check_completed_and_flat()
    assert world.session.attempt == 2


async def test_paused_session_that_died_stays_paused_when_run_again(make: Make) -> None:
    world = make()
    ask(world, CommandKind.PAUSE, 10)

    dying = asyncio.ensure_future(run(world))
    world.clock.later(30, dying.cancel)
    with pytest.raises(asyncio.CancelledError):
        await dying
    world.die()
    pairs = len(world.pairs)
    ask(world, CommandKind.STOP, 60)
    await run(world)
    world.check_completed_and_flat()
    assert all(p.plan.decision["plan"]["purpose"] == "close" for p in world.pairs[pairs:])  # type: ignore[index]


def faulty(rng: random.Random) -> Callable[[OrderIntent], Script]:
    """A venue that does anything a venue may do, and mostly works; now and then the process dies at an order."""
    deaths = iter(["before", "after"])

    def script(intent: OrderIntent) -> Script:
        if rng.random() < 0.03 and (moment := next(deaths, None)) is not None:
            return Script(crash=moment)
        resting = intent.time_in_force is not TimeInForce.IOC
        delay = rng.choice([0.0, 0.0, 0.05, 0.4]) + (rng.choice([0.5, 2.0, 8.0]) if resting else 0)
        ways = [
            (60, WHOLE),
            (6, HALF),
            (4, Script(share=D("0.13"))),
            (4, NOTHING),
            (4, REJECTED),
            (3, NOT_SENT),
            (3, LOST),
            (3, Script(answer=Answer.UNKNOWN, arrives_after_s=rng.choice([0.5, 3.0]))),
            (3, LOST_ON_THE_WAY),
            (3, Script(events_after_s=None)),
            (3, Script(events_after_s=rng.choice([0.3, 4.0]), rest_after_s=rng.choice([0.0, 2.0]))),
            (3, Script(copies=3, pieces=3)),
            (2, Script(answer=Answer.UNKNOWN, anonymous=True)),
            (2, Script(events_after_s=None, not_found=2, answer=Answer.UNKNOWN)),
            (2, Script(answer_after_s=1.5)),
            (1, Script(cancel=Answer.UNKNOWN, cross=D("0.3"))),
        ]
        chosen = rng.choices([way for _, way in ways], [weight for weight, _ in ways])[0]
        return replace(chosen, fill_after_s=max(chosen.fill_after_s, delay))

    return script


def troubled(world: World, rng: random.Random) -> None:
    """Faults of every kind over the first minutes, prices that wander, and a stop for a session that got stuck."""
    drift(world, rng)
    for venue in world.venues.values():
        venue.otherwise = faulty(rng)
        for _ in range(2):
            world.clock.later(rng.uniform(1, 60), lambda v=venue: v.feed.disconnect(rng.uniform(0.5, 12)))  # type: ignore[misc]
            read = rng.choice(["order", "fills"])
            world.clock.later(rng.uniform(1, 60), lambda v=venue, r=read: v.fail(r, times=2))  # type: ignore[misc]
    ask(world, CommandKind.STOP, 300)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_venues_do_the_session_ends_flat_or_halts_with_its_exposure_stated(
    make: Make, seed: int
) -> None:
    rng = random.Random(seed)
    world = make(venues=THREE, seed=seed, primary=rng.choice(["market", "limit"]), volumeTarget="2500")
    troubled(world, rng)
    for _ in range(12):
        ended = (await asyncio.gather(run(world), return_exceptions=True))[0]
        if not isinstance(ended, (Crash, *TRANSIENT)):
            break
        world.die()  # killed, or a venue stayed away for longer than a step waits: the session is simply run again
    told = f"seed {seed}: {ended}"
    world.check_venues()
    if isinstance(ended, SessionHalted):
        stated = {name: D(q) for name, q in dict(ended.details["positions"]).items()}  # type: ignore[call-overload]
        assert stated == world.positions, told
        assert any(stated.values()), told
        return
    if isinstance(ended, BaseException):
        raise AssertionError(told) from ended
    world.check_completed_and_flat()
