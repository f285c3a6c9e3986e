"""Writing the outbox of starts: which runs Prefect is to create, who is asking it, and what came of it.

The row and the session's status change in one transaction, so that a process that dies between the two sides leaves
something another one can finish. Asks Prefect nothing itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, insert, select, update

from store.api_records import Start, StartState
from store.api_rows import start_of
from store.operations.events import append_event
from store.operations.sessions import set_session_status
from store.records import Session, SessionStatus
from store.rows import session_of
from store.tables import LEASES, ORDERS, SESSIONS, STARTS
from store.writer import Tx


def open_start(tx: Tx, session_id: str, *, holder: str, now: datetime, claim_s: float) -> Start:
    """Make a pending session active and note that its run is to be created.

    Raises SessionNotFound, and InvalidSessionStatus unless the session is pending.
    """
    session = set_session_status(tx, session_id, (SessionStatus.PENDING,), SessionStatus.ACTIVE, at=now)
    _tell(tx, session_id, SessionStatus.ACTIVE, "its run is being created", now)
    return _open(tx, session, is_first=True, holder=holder, now=now, claim_s=claim_s)


def open_restart(
    tx: Tx, session_id: str, *, holder: str, now: datetime, claim_s: float, untraded_since: int | None = None,
    reason: str | None = None,
) -> Start | None:  # fmt: skip
    """Note that a session whose run is gone needs another one; its status stays. reason: told to its followers.

    None while a run holds the session's lease or one is about to be created, and for a session that is not active or
    paused. With untraded_since, the last attempt the caller knows of, also for one that has sent an order or was
    started, or run, again since.
    """
    session = _without_run(tx, session_id, now, untraded_since)
    if session is None:
        return None
    if reason is not None:
        _tell(tx, session_id, session.status, reason, now)
    return _open(tx, session, is_first=False, holder=holder, now=now, claim_s=claim_s)


def end_untraded(tx: Tx, session_id: str, *, now: datetime, untraded_since: int, reason: str) -> bool:
    """End a session that has sent no order and that no run drives as failed; False where that is not so any more.

    untraded_since: the last attempt the caller knows of.
    """
    session = _without_run(tx, session_id, now, untraded_since)
    if session is None or session.status is not SessionStatus.ACTIVE:
        return False
    failed = SessionStatus.FAILED
    set_session_status(tx, session_id, (SessionStatus.ACTIVE,), failed, at=now, reason=reason)
    payload = {"status": failed.value, "reason": reason, "recoverable": False}
    append_event(tx, session_id, at=now, channel="status", type="session_update", payload=payload)
    return True


def claim_starts(tx: Tx, *, holder: str, now: datetime, claim_s: float, limit: int = 10) -> list[Start]:
    """Take over open starts that nobody is asking Prefect about, oldest first."""
    waiting = (
        select(STARTS)
        .where(STARTS.c.state == StartState.OPEN, STARTS.c.claimed_until <= now)
        .order_by(STARTS.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = tx.connection.execute(waiting).mappings().all()
    return [_claim(tx, start_of(row), holder, now + timedelta(seconds=claim_s)) for row in rows]


def finish_start(tx: Tx, session_id: str, attempt: int, flow_run_id: str, *, at: datetime) -> None:
    """Note that Prefect has the run; safe to repeat, and whoever knows it may say so."""
    values = {"state": StartState.CREATED.value, "flow_run_id": flow_run_id, "ended_at": at}
    written = tx.connection.execute(update(STARTS).where(_this(session_id, attempt)).values(**values))
    if written.rowcount:
        this = SESSIONS.c.session_id == session_id
        tx.connection.execute(update(SESSIONS).where(this).values(flow_run_id=flow_run_id, change=tx.change))


def refuse_start(tx: Tx, session_id: str, attempt: int, *, holder: str, reason: str, at: datetime) -> bool:
    """Note that the run was not created and never will be; a session that was to start is pending again.

    Only for the holder of the claim; False when somebody else has it, or a run of that attempt began all the same.
    """
    open_and_mine = (_this(session_id, attempt), STARTS.c.state == StartState.OPEN, STARTS.c.claimed_by == holder)
    row = tx.connection.execute(select(STARTS).where(*open_and_mine).with_for_update()).mappings().one_or_none()
    if row is None:
        return False
    this = SESSIONS.c.session_id == session_id
    session = tx.connection.execute(select(SESSIONS).where(this).with_for_update()).mappings().one()
    if session["attempt"] >= attempt:
        return False
    values = {"state": StartState.REFUSED.value, "reason": reason, "ended_at": at}
    tx.connection.execute(update(STARTS).where(*open_and_mine).values(**values))
    if row["is_first"] and session["status"] == SessionStatus.ACTIVE:
        pending = {"status": SessionStatus.PENDING.value, "started_at": None, "status_reason": reason}
        tx.connection.execute(update(SESSIONS).where(this).values(**pending, change=tx.change))
        _tell(tx, session_id, SessionStatus.PENDING, reason, at)
    return True


def _open(tx: Tx, session: Session, *, is_first: bool, holder: str, now: datetime, claim_s: float) -> Start:
    attempt = _last_attempt(tx, session) + 1
    tx.connection.execute(
        insert(STARTS).values(
            session_id=session.session_id, attempt=attempt, state=StartState.OPEN.value, is_first=is_first,
            created_at=now, claimed_by=holder, claimed_until=now + timedelta(seconds=claim_s),
            flow_run_id=None, ended_at=None, reason=None,
        )
    )  # fmt: skip
    return _get(tx, session.session_id, attempt)


def _without_run(tx: Tx, session_id: str, now: datetime, untraded_since: int | None) -> Session | None:
    """Return a session for which nobody holds the lease and no run is about to be created; see open_restart."""
    row = tx.connection.execute(select(SESSIONS).where(SESSIONS.c.session_id == session_id).with_for_update())
    found = row.mappings().one_or_none()
    if found is None or found["status"] not in (SessionStatus.ACTIVE, SessionStatus.PAUSED):
        return None
    lease = select(LEASES.c.expires_at).where(LEASES.c.scope == f"session:{session_id}")
    expires_at = tx.connection.execute(lease).scalar_one_or_none()
    is_open = (STARTS.c.session_id == session_id) & (STARTS.c.state == StartState.OPEN)
    if (expires_at is not None and expires_at > now) or tx.connection.execute(select(STARTS).where(is_open)).first():
        return None
    session = session_of(found)
    if untraded_since is not None and (_last_attempt(tx, session) > untraded_since or _has_orders(tx, session_id)):
        return None
    return session


def _last_attempt(tx: Tx, session: Session) -> int:
    last = select(func.coalesce(func.max(STARTS.c.attempt), 0)).where(STARTS.c.session_id == session.session_id)
    return max(int(tx.connection.execute(last).scalar_one()), session.attempt)


def _has_orders(tx: Tx, session_id: str) -> bool:
    return (
        tx.connection.execute(select(ORDERS.c.session_id).where(ORDERS.c.session_id == session_id)).first() is not None
    )


def _tell(tx: Tx, session_id: str, status: SessionStatus, reason: str, at: datetime) -> None:
    payload = {"status": status.value, "reason": reason}
    append_event(tx, session_id, at=at, channel="status", type="session_update", payload=payload)


def _claim(tx: Tx, start: Start, holder: str, until: datetime) -> Start:
    values = {"claimed_by": holder, "claimed_until": until}
    tx.connection.execute(update(STARTS).where(_this(start.session_id, start.attempt)).values(**values))
    return _get(tx, start.session_id, start.attempt)


def _get(tx: Tx, session_id: str, attempt: int) -> Start:
    return start_of(tx.connection.execute(select(STARTS).where(_this(session_id, attempt))).mappings().one())


def _this(session_id: str, attempt: int) -> ColumnElement[bool]:
    return (STARTS.c.session_id == session_id) & (STARTS.c.attempt == attempt)
