"""The watchdog over a real store, fake venues and virtual time: who is flattened, when, and what cannot stop it."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from nacl.signing import SigningKey

from connectors.settings import BackpackKeys, Environment, Outside, PacificaKeys
from core.errors import ConfigurationError, VenueUnreachable
from deployments.watchdog import Watchdog, open_patiently, patience_from
from flows.guard_keys import guard_accounts_for
from flows.steps import PLAIN
from flows.story import run_session
from store import SessionStatus, Store, StoreBusy, StoreFull
from store.home import Home
from tasks.desk import LEASE_TTL_S, Desk
from tests.fakes.empty_store import fresh_store
from tests.fakes.world import SESSION, QuietBoard, World, make_world

D = Decimal


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A session that trades on two venues."""
    made = make_world(tmp_path, volumeTarget="1000000")
    monkeypatch.setenv("HEDGE_HOME", str(tmp_path / "home"))
    yield made
    made.store.close()
    made.check_venues()


def watchdog(world: World, *, failing: int = 0, settle_s: float = 0.0) -> Watchdog:
    """A watchdog over the world; its desk cannot be opened the first `failing` times."""
    left = [failing]

    @asynccontextmanager
    async def desk(store: Store, session_id: str, environment: Environment) -> AsyncIterator[Desk]:
        if left[0] > 0:
            left[0] -= 1
            raise VenueUnreachable("paradex: did not come back", venue="paradex")
        opened = world.desk()
        try:
            yield opened
        finally:
            mine = opened.lease
            await store.journal.release_many(mine.scopes, mine.holder, attempt=mine.attempt)

    outside = Outside(world.clock, world.clock.sleep, random.Random(1))
    return Watchdog(world.store, outside, settle_s=settle_s, opening=desk)


async def dies_holding(world: World) -> None:
    """A run that dies with a hedged position; its lease still lives for a while."""
    world.activate()
    dying = asyncio.ensure_future(run_session(world.desk(), world.session, PLAIN, QuietBoard()))  # type: ignore[arg-type]

    def look() -> None:
        is_between = not any(v.resting for v in world.venues.values()) and sum(world.positions.values()) == 0
        if any(world.positions.values()) and is_between:
            dying.cancel()
        else:
            world.clock.later(0.5, look)

    world.clock.later(0.5, look)
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert any(world.positions.values())


def pass_time(world: World, dog: Watchdog, seconds: int) -> None:
    """Let time pass with a look every second."""
    for _ in range(seconds):
        world.clock.advance(1)
        dog.look()


async def settled(dog: Watchdog) -> None:
    """Let what the watchdog began come to its end."""
    await asyncio.gather(*dog._work.values())


def told(world: World, category: str) -> bool:
    """Whether the session has a breach of that category."""
    return any(b.category == category for b in world.store.reads.breaches(SESSION))


async def test_session_without_a_live_lease_for_too_long_is_flattened(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await dies_holding(world)
    dog = watchdog(world)
    lease = world.store.reads.lease(f"session:{SESSION}")
    assert lease is not None
    with caplog.at_level(logging.WARNING, "hedging.watchdog"):
        pass_time(world, dog, int((lease.expires_at - world.clock()).total_seconds()) + 29)
        assert dog._work == {}, "not before its time"
        pass_time(world, dog, 3)
        await settled(dog)
    world.check_completed_and_flat()
    assert told(world, "unattended")
    assert "watchdog" in (world.session.status_reason or "")
    texts = [e.payload["text"] for e in world.store.reads.events_since(SESSION, 0) if e.type == "watchdog"]
    assert len(texts) == 2, "once that it is alone, once that it is flattened"
    lines = [r.getMessage() for r in caplog.records if r.name == "hedging.watchdog"]
    assert len(lines) == 3, lines


async def test_run_that_comes_in_time_is_left_to_it(world: World) -> None:
    await dies_holding(world)
    dog = watchdog(world)
    pass_time(world, dog, int(LEASE_TTL_S) + 20)
    desk = world.desk()
    for _ in range(20):
        pass_time(world, dog, 4)
        await desk.renew_lease()
    assert dog._work == {}
    assert world.session.status is SessionStatus.ACTIVE


async def test_restart_of_everything_leaves_runs_the_time_to_come_back(world: World) -> None:
    """Sessions found alone when the watchdog starts get longer: what restarted it may be restarting them."""
    await dies_holding(world)
    world.die()
    dog = watchdog(world, settle_s=60)
    pass_time(world, dog, 85)
    assert dog._work == {}
    pass_time(world, dog, 10)
    await settled(dog)
    world.check_completed_and_flat()


def restarted(world: World, *, settle_s: float = 60) -> Watchdog:
    """Another watchdog, in place of one that has died; what that one had queued is written."""
    world.store.journal.append_event.now(SESSION, at=world.clock(), channel="log", type="notice", payload={})
    return watchdog(world, settle_s=settle_s)


@pytest.mark.parametrize("gives_lease_back", [False, True], ids=["lease left to expire", "lease given back"])
async def test_watchdog_that_dies_again_and_again_flattens_when_it_would_have(
    world: World, gives_lease_back: bool
) -> None:
    """Each start used to grant every session another minute and a half, so a crash loop flattened none, ever."""
    await dies_holding(world)
    if gives_lease_back:
        lease = world.store.reads.lease(f"session:{SESSION}")
        assert lease is not None
        await world.store.journal.release_many([lease.scope], lease.holder, attempt=lease.attempt)
    world.die()
    began, dog = world.clock(), watchdog(world, settle_s=60)
    while not dog._work:
        assert world.clock() - began < timedelta(seconds=120), "it is put off for ever"
        pass_time(world, dog, 20)
        if not dog._work:
            dog = restarted(world)
    await settled(dog)
    assert world.clock() - began > timedelta(seconds=90), "a run that may be starting anew is waited for, once"
    world.check_completed_and_flat()


async def test_session_found_alone_before_everything_stopped_is_given_time_to_come_back_once(world: World) -> None:
    """The machine was off for a night, and what starts the watchdog starts the runs as well."""
    await dies_holding(world)
    dog = watchdog(world, settle_s=60)
    dog.look()  # it still has a lease: this watchdog saw it live
    world.die()
    dog.look()
    world.clock.advance(8 * 3600)
    dog = restarted(world)
    pass_time(world, dog, 85)
    assert dog._work == {}
    dog = restarted(world)
    pass_time(world, dog, 10)
    await settled(dog)
    world.check_completed_and_flat()


async def test_watchdog_that_died_while_flattening_waits_for_no_run_but_its_own_lease(world: World) -> None:
    await dies_holding(world)
    world.die()
    dog = watchdog(world, settle_s=60)
    pass_time(world, dog, 92)
    (work,) = dog._work.values()
    while world.store.reads.lease(f"session:{SESSION}").expires_at < world.clock():  # type: ignore[union-attr]
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    world.desk()  # of the dead watchdog: its lease still lives for a while
    world.die()
    dog = restarted(world)
    pass_time(world, dog, 35)
    assert dog._work
    await settled(dog)
    world.check_completed_and_flat()


async def test_session_that_a_run_drove_since_is_waited_for_anew(world: World) -> None:
    """What was found before holds for that time only."""
    await dies_holding(world)
    world.die()
    dog = watchdog(world, settle_s=60)
    pass_time(world, dog, 20)
    dying = asyncio.ensure_future(run_session(world.desk(), world.session, PLAIN, QuietBoard()))  # type: ignore[arg-type]
    world.clock.later(30, dying.cancel)
    with pytest.raises(asyncio.CancelledError):
        await dying
    world.die()
    dog = restarted(world)
    pass_time(world, dog, 85)
    assert dog._work == {}
    pass_time(world, dog, 10)
    await settled(dog)
    world.check_completed_and_flat()


async def test_start_that_was_asked_for_is_waited_for(world: World) -> None:
    await dies_holding(world)
    world.die()
    dog = watchdog(world)
    world.store.journal.open_restart.now(SESSION, holder="api", now=world.clock(), claim_s=30)
    pass_time(world, dog, 85)
    assert dog._work == {}
    pass_time(world, dog, 10)
    await settled(dog)
    world.check_completed_and_flat()


@pytest.mark.parametrize("status", [SessionStatus.ACTIVE, SessionStatus.PAUSED])
async def test_session_with_nothing_to_lose_is_left_alone(world: World, status: SessionStatus) -> None:
    world.activate()
    world.store.journal.set_session_status.now(SESSION, (SessionStatus.ACTIVE,), status, at=world.clock())
    dog = watchdog(world)
    pass_time(world, dog, 300)
    assert dog._work == {}
    assert world.session.status is status


async def test_paused_session_that_holds_something_is_flattened(world: World) -> None:
    await dies_holding(world)
    world.store.journal.set_session_status.now(
        SESSION, (SessionStatus.ACTIVE,), SessionStatus.PAUSED, at=world.clock(), reason="halted"
    )
    world.die()
    dog = watchdog(world)
    pass_time(world, dog, 40)
    await settled(dog)
    world.check_completed_and_flat()


async def test_venue_that_fails_is_tried_again_until_the_session_is_flat(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await dies_holding(world)
    world.die()
    dog = watchdog(world, failing=12)
    began = world.clock()
    pass_time(world, dog, 40)
    await settled(dog)
    world.check_completed_and_flat()
    assert sum("cannot be flattened now" in r.getMessage() for r in caplog.records) == 12
    assert world.clock() - began > timedelta(seconds=300), "without a pause between tries it would be a hail"


async def test_disk_that_is_full_for_a_while_does_not_end_the_watchdog(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be journalled, so nothing is sent; when there is room again the session is flattened."""
    await dies_holding(world)
    world.die()
    dog, sent = watchdog(world), world.placed
    write, full = world.store.journal.writer.write, [True]

    async def refuse(operation: Any) -> Any:
        if full[0]:
            raise StoreFull("the operational store is full")
        return await write(operation)

    def room() -> None:
        assert world.placed == sent
        full[0] = False

    monkeypatch.setattr(world.store.journal.writer, "write", refuse)
    world.clock.later(200, room)
    pass_time(world, dog, 40)
    await settled(dog)
    world.check_completed_and_flat()


async def test_store_that_cannot_be_read_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await dies_holding(world)
    world.die()
    dog, read, left = watchdog(world), world.store.reads.sessions, [5]

    def busy(**given: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise StoreBusy("locked")
        return read(**given)

    monkeypatch.setattr(world.store.reads, "sessions", busy)
    running = asyncio.create_task(dog.run())
    while world.session.status is not SessionStatus.COMPLETED:
        await world.clock.sleep(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    world.check_completed_and_flat()


def test_store_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    tries, waited = iter([True, True, False]), []

    def open_() -> Store:
        if next(tries):
            raise StoreBusy("locked")
        return fresh_store(tmp_path)

    open_patiently(open_, waited.append).close()
    assert waited == [2.0, 4.0]


def test_patience_is_a_setting_and_nonsense_is_refused() -> None:
    assert (patience_from({}), patience_from({"HEDGE_WATCHDOG_S": "12.5"})) == (30.0, 12.5)
    for text in ("soon", "-1", "nan"):
        with pytest.raises(ConfigurationError, match="HEDGE_WATCHDOG_S"):
            patience_from({"HEDGE_WATCHDOG_S": text})


def test_own_keys_of_the_watchdog_are_used_where_given_and_the_accounts_keys_elsewhere(tmp_path: Path) -> None:
    seed = bytes(range(32))
    secret, public = (base64.b64encode(b).decode() for b in (seed, bytes(SigningKey(seed).verify_key)))
    entries = [
        {"id": "p1", "venue": "pacifica", "environment": "production", "owner": "desk", "account": "address"},
        {"id": "b1", "venue": "backpack", "environment": "production", "owner": "desk", "account": "the-sessions-key"},
    ]
    (tmp_path / "accounts.yaml").write_text(yaml.safe_dump({"accounts": entries}))
    environ = {"HEDGE_WATCHDOG_KEY_PRODUCTION_B1": secret, "HEDGE_KEY_PRODUCTION_P1": "a-key"}
    found = guard_accounts_for(Environment.PRODUCTION, Home(tmp_path), environ)
    own, shared = found["b1"].keys, found["p1"].keys
    assert isinstance(own, BackpackKeys)
    assert (own.api_key, own.api_secret.get_secret_value()) == (public, secret)
    assert isinstance(shared, PacificaKeys)
    assert shared.secret_key.get_secret_value() == "a-key"
    with pytest.raises(ConfigurationError, match="HEDGE_WATCHDOG_KEY_PRODUCTION_B1") as refused:
        guard_accounts_for(Environment.PRODUCTION, Home(tmp_path), environ | {"HEDGE_WATCHDOG_KEY_PRODUCTION_B1": "?x"})
    assert "?x" not in str(refused.value)
