"""The composition root: the only place where clocks, randomness, keys, venues and the store are put together."""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from connectors.budgets import Budgets
from connectors.registry import open_client
from connectors.settings import Environment, Outside
from connectors.venue import VenueClient
from core.errors import AccountNotActive, ConfigurationError, InvalidSessionStatus, LeaseLost
from core.risk import RiskLimits
from core.strategy import check_accounts, validate, validate_goal
from flows.accounts import Account, accounts_for, choose
from flows.connecting import BudgetPatience, connect, listen, listen_if_possible
from flows.day_limit import naked_day_max
from flows.guard_keys import guard_accounts_for
from store import NewSession, Session, SessionStatus, Store, open_store
from store.budgets import StoreLender
from store.home import Home
from store.requests import SessionRequest, parse_request
from tasks.desk import LEASE_TTL_S, Desk, Lease

_STARTABLE = (SessionStatus.PENDING, SessionStatus.ACTIVE, SessionStatus.PAUSED)


def outside(seed: int | None = None) -> Outside:
    """The real clock, the real sleep, and randomness from a seed (or from the system without one)."""
    return Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(seed))  # noqa: TID251


def sharing(store: Store, world: Outside) -> Outside:
    """Let clients share their request budgets with every process that uses the same store."""
    return replace(world, budgets=Budgets(world, StoreLender(store.journal, world.clock)))


def home() -> Home:
    """The data folder this process works in, from its environment."""
    return Home.from_env(os.environ)


def create_session(
    store: Store, request: SessionRequest, environment: Environment, home_: Home, environ: Mapping[str, str],
    *, session_id: str | None = None,
) -> Session:  # fmt: skip
    """Write a pending session from a request; raises the error that names what is wrong with it. Never trades.

    A session that exists with the given id is returned as it stands; without one the session gets an id of its own.
    """
    validate(request.to_strategy())
    validate_goal(request.to_goal())
    known = accounts_for(environment, home_, environ)
    chosen = choose(known, request.accounts)
    check_accounts([a.ref for a in chosen.values()])
    now = datetime.now(UTC)  # noqa: TID251
    session_id = session_id or str(uuid.uuid4())
    seed = request.seed if request.seed is not None else random.SystemRandom().randrange(2**31)
    return store.journal.create_session.now(
        NewSession(
            session_id=session_id,
            name=request.name or f"{request.strategy.symbol} {now:%Y-%m-%d %H:%M:%S}",
            symbol=request.strategy.symbol,
            strategy=request.strategy.model_dump(mode="json", by_alias=True),
            accounts=tuple(chosen),
            environment=environment.value,
            volume_target=request.volume_target,
            duration_s=None if request.duration is None else request.duration / 1000,
            seed=seed,
            created_at=now,
        )
    )


@asynccontextmanager
async def open_desk(
    store: Store, session_id: str, environment: Environment, *,
    known: Mapping[str, Account] | None = None, is_closing: bool = False,
) -> AsyncIterator[Desk]:  # fmt: skip
    """Take the session and its accounts, connect every venue, start the streams; undo all of it at the end.

    A venue's request budget that is spent is waited for. known: the environment's accounts with the keys to use; None
    reads the operator's. is_closing: for bringing the session flat only, which needs neither streams nor a strategy
    that fits the markets.
    Raises InvalidSessionStatus, AccountNotActive and LeaseLost (another run holds it), ConfigurationError (keys),
    InvalidStrategy, and the venues' own errors.
    """
    session = store.reads.session(session_id)
    if session.status not in _STARTABLE:
        raise InvalidSessionStatus(
            f"session {session_id} is {session.status} and cannot run again; create a new one",
            sessionId=session_id, currentStatus=session.status.value, requiredStatus="pending",
        )  # fmt: skip
    if session.environment != environment.value:
        raise ConfigurationError(f"session {session_id} belongs to {session.environment}, not to {environment}")
    known = accounts_for(environment, home(), os.environ) if known is None else known
    accounts = choose(known, session.accounts)
    async with AsyncExitStack() as stack:
        lease = await _take(store, session, stack)
        world = sharing(store, outside(session.seed + lease.attempt))
        clients = {name: _client(a, world) for name, a in accounts.items()}
        for client in clients.values():
            stack.push_async_callback(client.aclose)
        desk = _desk(store, session, accounts, clients=clients, world=world, lease=lease)
        keeper = asyncio.create_task(desk.keep_lease_alive(), name="lease")
        stack.push_async_callback(_end, keeper)
        patience = BudgetPatience(desk)
        await connect(desk, patience)
        await (listen_if_possible(desk) if is_closing else listen(desk, patience))
        yield desk


@asynccontextmanager
async def open_closing_desk(store: Store, session_id: str, environment: Environment) -> AsyncIterator[Desk]:
    """Open a desk to bring a session flat: with the watchdog's own keys where there are some. Raises as `open_desk`."""
    known = guard_accounts_for(environment, home(), os.environ)
    async with open_desk(store, session_id, environment, known=known, is_closing=True) as desk:
        yield desk


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _take(store: Store, session: Session, stack: AsyncExitStack) -> Lease:
    """Lease the session and its accounts, waiting out the lease of a run that died.

    Raises LeaseLost when another run of this session lives, AccountNotActive when another session has an account.
    """
    attempt = await store.journal.begin_attempt(session.session_id)
    holder = f"{session.session_id}/{uuid.uuid4()}"
    scopes = (f"session:{session.session_id}", *(f"account:{a}" for a in session.accounts))
    give_up = datetime.now(UTC) + timedelta(seconds=LEASE_TTL_S + 5)  # noqa: TID251
    while True:
        now = datetime.now(UTC)  # noqa: TID251
        taken = await store.journal.acquire_many(scopes, holder, attempt=attempt, ttl_s=LEASE_TTL_S, now=now)
        if taken is None:
            break
        held = store.reads.lease(taken)
        same = held is not None and held.holder.startswith(session.session_id + "/")
        if same and now > give_up:
            raise LeaseLost(f"session {session.session_id} is driven by another run, which keeps its lease alive")
        if not same:
            raise AccountNotActive(
                f"{taken.replace(':', ' ', 1)} is held by another running session; stop it or wait for its end",
                scope=taken,
            )
        await asyncio.sleep(0.5)
    stack.push_async_callback(store.journal.release_many, scopes, holder, attempt=attempt)
    return Lease(scopes, holder, attempt, now + timedelta(seconds=LEASE_TTL_S))


def _client(account: Account, world: Outside) -> VenueClient:
    return open_client(account.ref.account_id, account.keys, account.endpoints, world)


def _desk(
    store: Store, session: Session, accounts: Mapping[str, Account], *,
    clients: Mapping[str, VenueClient], world: Outside, lease: Lease,
) -> Desk:  # fmt: skip
    request = stored_request(session)
    strategy = validate(request.to_strategy())
    names: Sequence[str] = list(accounts)
    return Desk(
        session_id=session.session_id,
        environment=Environment(session.environment),
        strategy=strategy,
        goal=request.to_goal(),
        limits=RiskLimits.of(strategy, naked_day_max=naked_day_max(os.environ)),
        accounts={name: a.ref for name, a in accounts.items()},
        clients=clients,
        store=store,
        outside=world,
        rng=random.Random(f"{session.seed}/{lease.attempt}"),
        lease=lease,
        settled=dict.fromkeys(names, Decimal(0)),
        volumes=dict.fromkeys(names, Decimal(0)),
    )


def stored_request(session: Session) -> SessionRequest:
    """Rebuild the request from a session's row."""
    document: dict[str, object] = {"strategy": session.strategy, "accounts": list(session.accounts)}
    if session.volume_target is not None:
        document["volumeTarget"] = session.volume_target
    if session.duration_s is not None:
        document["duration"] = round(session.duration_s * 1000)
    return parse_request(document)


def open_home_store() -> Store:
    """Open this process's operational store: the database HEDGE_DATABASE_URL names, else SQLite in the data folder."""
    return open_store(home().path, os.environ.get("HEDGE_DATABASE_URL") or None)
