"""One hedging session as Prefect's flow: claims the session, opens its desk, tells the story, notes what ended it.

Everything about money is in the store and at the venues; Prefect launches this, retries its steps and shows it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled

from connectors.settings import Environment
from core.errors import (
    AccountNotActive,
    ConfigurationError,
    HedgeError,
    LeaseLost,
    ReconciliationFailed,
    SessionHalted,
)
from flows.accounts import accounts_for
from flows.cancelling import Cancel, is_cancelled_in_prefect
from flows.output import outlive_readers
from flows.record import is_driven, put_on_record, record_what_ended, report_of, write_results
from flows.steps import PREFECT
from flows.story import run_session, summary_of
from flows.wiring import create_session, home, open_desk, open_home_store
from store import Session, SessionStatus, Store
from store.errors import StoreUnreachable
from store.requests import SessionRequest
from tasks.desk import sit_down
from tasks.publish import Board

_log = logging.getLogger("hedging.session")

Summary = dict[str, Any]

STORE_LOOK_S = 2.0
STORE_LOOKS_MAX = 60
STORE_LOSSES_MAX = 20


@flow(name="hedging-session", persist_result=False, validate_parameters=True)
async def hedging_session(
    environment: Environment = Environment.SANDBOX,
    session_id: str | None = None,
    request: SessionRequest | None = None,
) -> Summary | State[Any]:
    """Run one hedging session to its end and return its summary.

    Give the `session_id` of a session that was created before, or a `request` to create one now. Running the same
    session id again after a crash goes on where the journal ends. Raises the error that stopped the session; a run
    is green only when the session is completed, flat and reconciled.
    """
    outlive_readers(home())
    accounts_for(environment, home(), os.environ)
    store = open_home_store()
    try:
        await record_what_ended(store)
        session = _claim(store, environment, session_id, request)
        if session.status is SessionStatus.COMPLETED and session.flow_run_id == _run_id():
            return summary_of(session, refusals={}, report=None)  # this run died after its last word
        await store.journal.set_flow_run(session.session_id, _run_id())
        cancel, key = Cancel(), session.session_id
        looking = asyncio.create_task(_look_out(cancel), name="cancel")
        try:
            summary = await outlasting(
                store, key, lambda: _drive(store, key, environment, cancel), lambda done: completed(store, done)
            )  # fmt: skip
            # Where the service saw the Cancel, it says so itself once this process has ended.
            return Cancelled(message=f"wound down: {summary['reason']}") if cancel.is_found else summary
        except (Exception, asyncio.CancelledError) as error:
            try:
                await _note_failure(store, key, error)
            except StoreUnreachable as away:
                _log.error("session %s: what ended its run cannot be noted (%s)", key, away)
            raise
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    finally:
        store.close()


async def _look_out(cancel: Cancel) -> None:
    if flow_run.id:
        await cancel.look_out(partial(is_cancelled_in_prefect, str(flow_run.id)))


async def outlasting(
    store: Store, session_id: str, drive: Callable[[], Awaitable[Summary]],
    completed: Callable[[Session], Awaitable[Summary]], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Summary:  # fmt: skip
    """Drive a session; where the database server goes away, wait for it and begin anew, which is recovery.

    One that turns out to be completed, since only the answer to its last word was lost, is not driven again. Raises
    StoreUnreachable when the server stays away for STORE_LOOKS_MAX looks, or goes away STORE_LOSSES_MAX times, and
    CancelledError where the run was cancelled and the loss came on top of that.
    """
    session: Session | None = None
    for _ in range(STORE_LOSSES_MAX):
        try:
            if session is not None and session.status is SessionStatus.COMPLETED:
                return await completed(session)
            return await drive()
        except StoreUnreachable as error:
            lost = error
            _log.error("session %s: %s; nothing is sent until it answers", session_id, error)
        session = await _wait_for_store(store, session_id, sleep)
        if _is_cancelled():
            raise asyncio.CancelledError from lost
        if session is None:
            break
    raise lost


async def _wait_for_store(
    store: Store, session_id: str, sleep: Callable[[float], Awaitable[object]]
) -> Session | None:  # fmt: skip
    for _ in range(STORE_LOOKS_MAX):
        await sleep(STORE_LOOK_S)
        with suppress(StoreUnreachable):
            return store.reads.session(session_id)
    return None


def _is_cancelled() -> bool:
    """Tell whether this task was cancelled; a store that is lost while it is torn down may hide the CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _drive(store: Store, session_id: str, environment: Environment, cancel: Cancel) -> Summary:
    async with open_desk(store, session_id, environment) as desk:
        sit_down(desk)
        # Read again: while this run waited for the lease, another one may have driven the session.
        return await run_session(desk, store.reads.session(session_id), PREFECT, Board(), cancel=cancel)


async def completed(store: Store, session: Session) -> Summary:
    """The summary of a session whose last word was written although nobody heard so; put on record if it is not."""
    report = report_of(store, session.session_id)
    if report is None:
        at = datetime.now(tz=session.created_at.tzinfo)  # noqa: TID251
        report = await put_on_record(store, session.session_id, at)
    return summary_of(session, refusals={}, report=report)


def _claim(
    store: Store, environment: Environment, session_id: str | None, request: SessionRequest | None
) -> Session:  # fmt: skip
    if session_id is not None:
        return store.reads.session(session_id)
    if request is None:
        raise ConfigurationError("give either a session_id or a request", field="request")
    # The run's own id, so that a run that Prefect starts again goes on with its session and makes no second one.
    return create_session(store, request, environment, home(), os.environ, session_id=flow_run.id)


def _run_id() -> str:
    return str(flow_run.id or "local")


async def _note_failure(store: Store, session_id: str, error: BaseException) -> None:
    """Write why a run ended early: untraded, the session failed; if a person has to look, it is paused; else it stays.

    Whatever has traded stays open, so that running it again takes it up. What another run drives is left alone.
    """
    session = store.reads.session(session_id)
    now = datetime.now(tz=session.created_at.tzinfo)  # noqa: TID251
    if session.status.is_final or isinstance(error, LeaseLost) or is_driven(store, session_id, now):
        return
    status = session.status
    if not store.reads.orders_of_session(session_id):
        status = SessionStatus.FAILED
    elif isinstance(error, SessionHalted | AccountNotActive | ReconciliationFailed):
        status = SessionStatus.PAUSED
    reason = _reason(error)
    await store.journal.set_session_status(session_id, (session.status,), status, at=now, reason=reason)
    await store.journal.append_event(
        session_id, at=now, channel="status", type="session_update",
        payload={"status": status.value, "reason": reason, "recoverable": not status.is_final},
    )  # fmt: skip
    if isinstance(error, SessionHalted) and not status.is_final:
        await write_results(store, session_id)


def _reason(error: BaseException) -> str:
    """Say what ended a run; the text of an error that nobody foresaw may hold anything, so only its kind is kept."""
    if isinstance(error, HedgeError):
        return f"{error.code}: {error}"[:1000]
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED: the run was cancelled"
    return f"{HedgeError.code}: {type(error).__name__}; see the run's log"
