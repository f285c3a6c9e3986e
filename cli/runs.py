"""Starting a session's run from the command line: the store first, then Prefect, the same way as the API.

The row in `starts` and the session's status change together; a run is created at Prefect under `session:attempt`, so
whatever dies in between, a session is carried out once.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime

import httpx

from api.runs import Created, NotCreated, RunOutcome, Runs
from cli.place import NotReachable
from core.errors import InvalidSessionStatus
from store import Session, SessionStatus, Store
from store.api_records import Start
from store.home import Home

CLAIM_S = 60.0


def start(store: Store, home: Home, session: Session, *, now: datetime) -> str:
    """Start a pending session, or run one again whose run died; return the flow run's id.

    Raises InvalidSessionStatus, and NotReachable when Prefect did not take the run; a pending session is pending
    again then, unless Prefect's answer was lost: asking again is safe.
    """
    holder = f"command line {os.getpid()}"
    if session.status is SessionStatus.PENDING:
        opened = store.journal.open_start.now(session.session_id, holder=holder, now=now, claim_s=CLAIM_S)
        return _create(store, home, session, opened, holder=holder, now=now)
    found = _again(store, home, session, holder=holder, now=now)
    if found is None:
        raise InvalidSessionStatus(
            f"session {session.session_id} is {session.status}"
            + ("; a run drives it" if not session.status.is_final else "; create a new one"),
            sessionId=session.session_id, currentStatus=session.status.value, requiredStatus="pending",
        )  # fmt: skip
    return _create(store, home, session, found, holder=holder, now=now)


def revive(store: Store, home: Home, session: Session, *, now: datetime) -> str | None:
    """Give an active or paused session whose run is gone a new one; None when a run drives it."""
    holder = f"command line {os.getpid()}"
    found = _again(store, home, session, holder=holder, now=now)
    return None if found is None else _create(store, home, session, found, holder=holder, now=now)


def _again(store: Store, home: Home, session: Session, *, holder: str, now: datetime) -> Start | None:
    """A start that nobody carried out, or a new one where the run is gone; None while a run drives the session."""
    lease = store.reads.lease(f"session:{session.session_id}")
    if session.status.is_final or (lease is not None and lease.expires_at > now):
        return None
    last = store.reads.last_start(session.session_id)
    if last is not None and last.ended_at is None:
        return last if last.claimed_until <= now else None
    if session.flow_run_id is not None:
        is_over = asyncio.run(_is_over(home, session.flow_run_id))
        # Without a lease that ran out, a run that Prefect still sees is on its way to its lease, or done with it.
        if is_over is None or (not is_over and lease is None):
            return None
    return store.journal.open_restart.now(session.session_id, holder=holder, now=now, claim_s=CLAIM_S)


def _create(store: Store, home: Home, session: Session, opened: Start, *, holder: str, now: datetime) -> str:
    outcome = asyncio.run(_ask(home, session, opened.attempt))
    if isinstance(outcome, Created):
        store.journal.finish_start.now(session.session_id, opened.attempt, outcome.flow_run_id, at=now)
        return outcome.flow_run_id
    where = f"Prefect at {home.prefect_url}"
    if isinstance(outcome, NotCreated):
        store.journal.refuse_start.now(session.session_id, opened.attempt, holder=holder, reason=outcome.reason, at=now)
        raise NotReachable(f"{where} did not take the run: {outcome.reason}; is `hedge up` running?")
    raise NotReachable(f"{where} gave no clear answer: {outcome.reason}; start the session again, that is safe")


async def _ask(home: Home, session: Session, attempt: int) -> RunOutcome:
    async with httpx.AsyncClient(base_url=home.prefect_url, trust_env=False, timeout=10) as client:
        return await Runs(client).create(
            environment=session.environment, session_id=session.session_id, attempt=attempt
        )


async def _is_over(home: Home, flow_run_id: str) -> bool | None:
    async with httpx.AsyncClient(base_url=home.prefect_url, trust_env=False, timeout=10) as client:
        return await Runs(client).is_over(flow_run_id)
