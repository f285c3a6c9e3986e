"""How a run ends that does not reach its goal: what the session's row says, and what the next run can still do."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.settings import Environment
from core.errors import AccountNotActive, ConfigurationError, LeaseLost, SessionHalted
from flows.hedging_session import hedging_session
from flows.record import record_what_ended
from flows.steps import PLAIN
from flows.wiring import create_session
from store import SessionStatus, Store, StoreBusy
from store.home import Home
from store.records import CommandKind
from store.requests import parse_request
from tasks.desk import LEASE_TTL_S, Desk
from tests.fakes.empty_store import fresh_store
from tests.fakes.venue import NOTHING, REJECTED, WHOLE, Script
from tests.fakes.world import SESSION, QuietBoard, World, make_world, request_document

D = Decimal


@pytest.fixture(autouse=True)
def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take Prefect away: the steps become plain calls, the board is silent."""
    monkeypatch.setattr("flows.hedging_session.PREFECT", PLAIN)
    monkeypatch.setattr("flows.hedging_session.Board", QuietBoard)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A data folder of its own, and a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = min(probe.getsockname()[1], 64_000)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HEDGE_HOME", str(folder))
    monkeypatch.setenv("HEDGE_PORT_BASE", str(port))
    return Home(folder, port)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The store of that folder."""
    with fresh_store(home.path) as opened:
        yield opened


@pytest.fixture
def make(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Build a world over the data folder; the flow opens its desk there instead of connecting to venues."""
    made: list[World] = []

    def build(**changes: Any) -> World:
        world = make_world(tmp_path, **changes)
        made.append(world)

        @asynccontextmanager
        async def desk(store: Store, session_id: str, environment: Environment) -> AsyncIterator[Desk]:
            opened = world.desk()
            try:
                yield opened
            finally:
                lease = opened.lease
                await world.store.journal.release_many(lease.scopes, lease.holder, attempt=lease.attempt)

        monkeypatch.setattr("flows.hedging_session.open_desk", desk)
        return world

    yield build
    for world in made:
        world.store.close()
        world.check_venues()


async def run(session_id: str = SESSION, environment: Environment = Environment.SANDBOX) -> dict[str, Any]:
    """The flow as Prefect calls it."""
    call: Callable[..., Awaitable[dict[str, Any]]] = hedging_session.fn
    return await call(environment, session_id)


def stop(world: World, after_s: float) -> None:
    """An operator stops the session after a while."""

    def add() -> None:
        world.store.journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())

    world.clock.later(after_s, add)


def status_of(world: World) -> SessionStatus:
    """The session's status as its row has it now."""
    return world.session.status


def last_event(store: Store, session_id: str = SESSION) -> str:
    """The type of the session's last event."""
    return store.reads.events_since(session_id, store.reads.last_event_sequence(session_id) - 1)[0].type


@pytest.mark.parametrize(("driven", "status"), [(True, SessionStatus.PENDING), (False, SessionStatus.FAILED)])
async def test_call_that_goes_wrong_does_not_fail_a_session_that_another_run_drives(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch, driven: bool, status: SessionStatus
) -> None:
    """Failed sessions cannot be run again; failing one that trades would leave its positions to nobody."""
    entry = {"id": "p1", "venue": "pacifica", "environment": "testnet", "owner": "desk", "account": "p1"}
    (home.path / "accounts.yaml").write_text(yaml.safe_dump({"accounts": [entry]}))
    monkeypatch.setenv("HEDGE_KEY_TESTNET_P1", "one")
    request = parse_request(request_document(["account1", "account2"]))
    session_id = create_session(store, request, Environment.SANDBOX, home, {}).session_id
    if driven:
        now = datetime.now(UTC)
        store.journal.acquire_lease.now(f"session:{session_id}", f"{session_id}/other", attempt=1, ttl_s=60, now=now)
    with pytest.raises(ConfigurationError, match="belongs to sandbox"):
        await run(session_id, Environment.TESTNET)
    assert store.reads.session(session_id).status is status


async def test_halted_session_is_paused_with_its_exposure_and_can_be_run_again(make: Callable[..., World]) -> None:
    """Wound down in vain for ten minutes, it ends red; when the venues fill again the next run gets it flat."""
    world = make()
    world.venues["a"].script(WHOLE)
    for venue in world.venues.values():
        venue.otherwise = lambda intent: NOTHING
    stop(world, 100)
    with pytest.raises(SessionHalted):
        await run()
    assert any(world.positions.values())
    assert status_of(world) is SessionStatus.PAUSED
    assert "ORDER_EXECUTION_FAILED" in (world.session.status_reason or "")
    for venue in world.venues.values():
        venue.otherwise = lambda intent: WHOLE
    world.clock.advance(61)
    await run()
    assert status_of(world) is SessionStatus.COMPLETED
    assert not any(world.positions.values())
    world.check_journal()


async def test_failure_that_nobody_foresaw_leaves_its_kind_in_the_row_and_the_session_open(
    make: Callable[..., World],
) -> None:
    world = make()

    def break_down(intent: object) -> Any:
        raise ZeroDivisionError("with a text that may hold anything")

    world.venues["a"].script(WHOLE)
    world.venues["a"].otherwise = break_down
    with pytest.raises(ZeroDivisionError):
        await run()
    assert status_of(world) is SessionStatus.ACTIVE
    assert world.session.status_reason == "INTERNAL_ERROR: ZeroDivisionError; see the run's log"
    world.venues["a"].otherwise = lambda intent: WHOLE
    world.die()
    await run()
    assert status_of(world) is SessionStatus.COMPLETED
    world.check_journal()


async def test_run_that_died_after_its_last_word_ends_green_when_it_is_started_again(
    make: Callable[..., World],
) -> None:
    world = make(volumeTarget="1000")
    first = await run()
    placed = world.placed
    again = await run()
    assert (again["status"], again["volume"]) == ("completed", first["volume"])
    assert world.placed == placed


async def test_run_refused_its_account_after_trading_leaves_the_session_paused_for_a_person(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(volumeTarget="1000")

    async def refused(started_at: datetime) -> Any:
        raise AccountNotActive("account a carries a position that this system did not make")

    monkeypatch.setattr("flows.hedging_session.PREFECT", replace(PLAIN, settle=refused))
    with pytest.raises(AccountNotActive):
        await run()
    assert status_of(world) is SessionStatus.PAUSED
    assert "ACCOUNT_NOT_ACTIVE" in (world.session.status_reason or "")


async def test_completed_session_that_could_not_be_recorded_is_recorded_by_the_next_run(
    make: Callable[..., World], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(volumeTarget="1000")

    def busy(*_: object) -> Path:
        raise StoreBusy("another program has the results open")

    with monkeypatch.context() as patched:
        patched.setattr("flows.report.write_report", busy)
        with pytest.raises(StoreBusy):
            await run()
        assert status_of(world) is SessionStatus.COMPLETED
        await record_what_ended(world.store)
        assert last_event(world.store) != "settled"
    await record_what_ended(world.store)
    assert last_event(world.store) == "settled"
    assert (home.reports / f"{SESSION}.html").is_file()
    told = world.store.reads.last_event_sequence(SESSION)
    await record_what_ended(world.store)
    assert world.store.reads.last_event_sequence(SESSION) == told, "on record once"


async def test_run_whose_lease_was_taken_while_it_settled_does_not_complete_the_session(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(volumeTarget="1000")

    async def slow(started_at: datetime) -> object:
        settled = await PLAIN.settle(started_at)
        world.clock.advance(LEASE_TTL_S + 1)
        scope, now = f"session:{SESSION}", world.clock()
        assert world.store.journal.acquire_lease.now(scope, f"{SESSION}/next", attempt=9, ttl_s=60, now=now)
        return settled

    monkeypatch.setattr("flows.hedging_session.PREFECT", replace(PLAIN, settle=slow))
    with pytest.raises(LeaseLost):
        await run()
    assert status_of(world) is SessionStatus.ACTIVE


async def test_winding_down_against_a_venue_that_refuses_everything_is_not_a_hail_of_orders(
    make: Callable[..., World],
) -> None:
    world = make(volumeTarget="1000000")

    def answer(script: Script) -> None:
        for venue in world.venues.values():
            venue.otherwise = lambda intent: script

    world.clock.later(30, lambda: answer(REJECTED))
    stop(world, 30)
    world.clock.later(90, lambda: answer(WHOLE))
    await run()
    assert status_of(world) is SessionStatus.COMPLETED
    refused = [p for p in world.pairs if p.outcome.status.value == "failed"]
    assert 0 < len(refused) <= 130


async def test_ad_hoc_run_that_is_started_again_goes_on_with_its_session(store: Store, home: Home) -> None:
    """The session of a request carries the run's id: the same run started from the top makes no second one."""
    request = parse_request(request_document(["account1", "account2"]))
    first, again = (
        create_session(store, request, Environment.SANDBOX, home, {}, session_id="the-flow-run") for _ in range(2)
    )
    assert first == again
    assert len(store.reads.sessions()) == 1
