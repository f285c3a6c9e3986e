"""Starting a session's run from the command line, the same way as the API: the store first, then Prefect."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from api.errors import ServiceUnavailable
from api.runs import Created, Runs
from api.starts import Starter
from cli.place import NotReachable, now
from core.errors import InvalidSessionStatus
from flows.day_limit import naked_day_max
from flows.startable import require_startable
from store import Session, SessionStatus, Store
from store.api_records import Start, StartState
from store.home import Home

T = TypeVar("T")


def start(store: Store, home: Home, session: Session) -> str:
    """Start a pending session, or run one again whose run died; return the flow run's id.

    Raises InvalidSessionStatus; AccountNotActive and RiskLimitExceeded as the API does; and NotReachable when Prefect
    did not take the run: a pending session is pending again then, unless its answer was lost: asking again is safe.
    """
    if session.status is SessionStatus.PENDING:
        require_startable(store, session, now(), naked_day_max=naked_day_max(os.environ))
        try:
            outcome = _with_starter(store, home, lambda starter: starter.start(session.session_id))
        except ServiceUnavailable as error:
            raise NotReachable(f"{error}; is `hedge up` running?") from None
        if isinstance(outcome, Created):
            return outcome.flow_run_id
        raise NotReachable(f"{outcome.reason}; start the session again, that is safe")
    revived = None if session.status.is_final else revive(store, home, session.session_id)
    if revived is None:
        remedy = "create a new one" if session.status.is_final else "a run drives it, or is on its way"
        raise InvalidSessionStatus(
            f"session {session.session_id} is {session.status}; {remedy}",
            sessionId=session.session_id, currentStatus=session.status.value, requiredStatus="pending",
        )  # fmt: skip
    return revived


def revive(store: Store, home: Home, session_id: str) -> str | None:
    """Give a session whose run is gone a new one and return its id; None when a run lives or is on its way.

    Raises NotReachable when a new run is due and Prefect did not take it.
    """
    before = store.reads.last_start(session_id)
    if before is not None and before.state is StartState.OPEN:
        _with_starter(store, home, lambda starter: starter.turn())
    else:
        _with_starter(store, home, lambda starter: starter.revive(session_id))
    after = store.reads.last_start(session_id)
    if after is None or _same(before, after):
        return None
    if after.flow_run_id is None:
        raise NotReachable(f"Prefect at {home.prefect_url} did not take the run; is `hedge up` running?")
    return after.flow_run_id


def _same(before: Start | None, after: Start) -> bool:
    return before is not None and (before.attempt, before.state) == (after.attempt, after.state)


def _with_starter(store: Store, home: Home, ask: Callable[[Starter], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with httpx.AsyncClient(base_url=home.prefect_url, trust_env=False, timeout=10) as client:
            return await ask(Starter(store, Runs(client), now))

    return asyncio.run(asked())
