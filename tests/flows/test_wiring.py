"""Putting a session together: who may trade where, and who may drive what."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from connectors.settings import Environment
from core.credits import Terms
from core.errors import (
    AccountNotActive,
    ConfigurationError,
    HedgeError,
    InsufficientAccounts,
    InvalidSessionStatus,
    InvalidStrategy,
    LeaseLost,
    RateLimited,
    SelfTradeRisk,
)
from core.instrument import Venue
from flows.wiring import create_session, open_desk, outside, sharing, stored_request
from store import SessionStatus, Store
from store.errors import SessionNotFound
from store.home import Home
from store.requests import parse_request
from tests.fakes.empty_store import fresh_store
from tests.fakes.world import request_document

SANDBOX = Environment.SANDBOX


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A data folder of its own, and a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HEDGE_HOME", str(tmp_path))
    monkeypatch.setenv("HEDGE_PORT_BASE", str(min(port, 64_000)))
    return Home(tmp_path, min(port, 64_000))


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The store of that folder."""
    with fresh_store(home.path) as opened:
        yield opened


def create(store: Store, home: Home, *accounts: str, environment: Environment = SANDBOX, **changes: object) -> str:
    """Create a session and return its id."""
    request = parse_request(request_document(accounts, **changes))
    environ = {"HEDGE_KEY_TESTNET_P1": "one", "HEDGE_KEY_TESTNET_P2": "two"}
    return create_session(store, request, environment, home, environ).session_id


async def opened(store: Store, session_id: str, environment: Environment = SANDBOX) -> None:
    """Open the session's desk and leave it."""
    async with open_desk(store, session_id, environment):
        pass


def test_created_session_is_pending_and_holds_the_whole_request(store: Store, home: Home) -> None:
    session = store.reads.session(create(store, home, "account1", "account2", seed=9, duration=2500, primary="limit"))
    assert (session.status, session.seed) == (SessionStatus.PENDING, 9)
    assert session.accounts == ("account1", "account2")
    request = stored_request(session)
    assert request.to_strategy().primary == "limit"
    assert request.to_goal().volume_target == 3000


@pytest.mark.parametrize("duration", [1, 999, 1000, 2500, 86_400_000])
def test_duration_survives_the_store_to_the_millisecond(store: Store, home: Home, duration: int) -> None:
    session = store.reads.session(create(store, home, "account1", "account2", duration=duration))
    assert stored_request(session).duration == duration


def test_session_without_a_seed_gets_one_that_is_recorded(store: Store, home: Home) -> None:
    first, second = (store.reads.session(create(store, home, "account1", "account2")) for _ in range(2))
    assert first.seed != second.seed


def test_unknown_account_is_refused_before_anything_is_written(store: Store, home: Home) -> None:
    with pytest.raises(InsufficientAccounts, match="unknown nobody"):
        create(store, home, "account1", "nobody")
    assert store.reads.sessions() == []


@pytest.mark.parametrize("accounts", [(), ("account1",), ("account1", "account1")])
def test_fewer_than_two_accounts_are_refused(store: Store, home: Home, accounts: tuple[str, ...]) -> None:
    with pytest.raises(InsufficientAccounts):
        create(store, home, *accounts)


def test_accounts_on_one_venue_are_refused_as_self_trade_risk(store: Store, home: Home) -> None:
    entries = [
        {"id": name, "venue": "pacifica", "environment": "testnet", "owner": "desk", "account": f"0x{name}"}
        for name in ("p1", "p2")
    ]
    (home.path / "accounts.yaml").write_text(yaml.safe_dump({"accounts": entries}))
    with pytest.raises(SelfTradeRisk, match="different venues") as refused:
        create(store, home, "p1", "p2", environment=Environment.TESTNET)
    assert refused.value.details["venue"] == "pacifica"
    assert store.reads.sessions() == []


def test_strategy_that_contradicts_itself_is_refused_before_anything_is_written(store: Store, home: Home) -> None:
    document = request_document(["account1", "account2"])
    document["strategy"]["priceRange"] = {"min": "0.01", "max": "0.001"}  # type: ignore[index]
    with pytest.raises(InvalidStrategy):
        create_session(store, parse_request(document), SANDBOX, home, {})
    assert store.reads.sessions() == []


async def test_account_of_another_running_session_is_busy(store: Store, home: Home) -> None:
    session_id = create(store, home, "account1", "account2")
    now = datetime.now(UTC)
    store.journal.acquire_lease.now("account:account2", "another-session/run", attempt=1, ttl_s=30, now=now)
    with pytest.raises(AccountNotActive, match="account account2 is held by another running session"):
        await opened(store, session_id)
    assert store.reads.lease("account:account1") is None
    assert store.reads.lease(f"session:{session_id}") is None


async def test_run_of_a_session_that_is_driven_already_gives_way(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not be taken for a failure of the session, which another run drives well."""
    monkeypatch.setattr("flows.wiring.LEASE_TTL_S", -5.0)  # waits for the other run's end no longer than this
    session_id = create(store, home, "account1", "account2")
    now = datetime.now(UTC)
    store.journal.acquire_lease.now(f"session:{session_id}", f"{session_id}/other", attempt=1, ttl_s=60, now=now)
    with pytest.raises(LeaseLost):
        await opened(store, session_id)


@pytest.mark.parametrize("status", [SessionStatus.COMPLETED, SessionStatus.FAILED])
async def test_session_that_has_ended_cannot_run_again(store: Store, home: Home, status: SessionStatus) -> None:
    session_id = create(store, home, "account1", "account2")
    store.journal.set_session_status.now(session_id, (SessionStatus.PENDING,), status, at=datetime.now(UTC))
    with pytest.raises(InvalidSessionStatus, match=f"is {status.value} and cannot run again") as refused:
        await opened(store, session_id)
    assert refused.value.details["currentStatus"] == status.value


async def test_unknown_session_is_named(store: Store, home: Home) -> None:
    with pytest.raises(SessionNotFound, match="no session ghost"):
        await opened(store, "ghost")


async def test_session_does_not_run_in_another_environment_than_its_own(store: Store, home: Home) -> None:
    session_id = create(store, home, "account1", "account2")
    with pytest.raises(ConfigurationError, match="belongs to sandbox, not to production"):
        await opened(store, session_id, Environment.PRODUCTION)


async def test_venues_that_cannot_be_reached_leave_no_lease_behind(store: Store, home: Home) -> None:
    session_id = create(store, home, "account1", "account2")
    with pytest.raises(HedgeError):
        await opened(store, session_id)
    for scope in (f"session:{session_id}", "account:account1", "account:account2"):
        assert store.reads.lease(scope) is None


async def test_two_runs_on_one_store_share_their_request_budgets(store: Store) -> None:
    budgets = [sharing(store, outside(seed)).budgets for seed in (1, 2)]
    terms = Terms(capacity=20, per_s=0.001)
    one, other = (b.bucket(Venue.PACIFICA, "http://127.0.0.1:1", "key", "k", terms) for b in budgets if b is not None)
    for _ in range(12):
        await one.take(wait_s_max=0)
    with pytest.raises(RateLimited):
        await other.take(12, wait_s_max=0)
