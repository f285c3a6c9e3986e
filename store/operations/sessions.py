"""Writing sessions: creation, compare-and-set of the status, running totals. Decides no status by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from sqlalchemy import insert, select, update

from core.errors import InvalidSessionStatus
from store.errors import SessionNotFound
from store.records import NewSession, Session, SessionStatus, SessionTotals
from store.rows import columns_of, session_of
from store.tables import SESSIONS
from store.writer import Tx


def create_session(tx: Tx, new: NewSession) -> Session:
    """Write a pending session; a session that exists with this id is returned as it stands."""
    found = _find(tx, new.session_id)
    if found is not None:
        return found
    values = columns_of(new) | columns_of(SessionTotals()) | {"accounts": list(new.accounts)}
    tx.connection.execute(
        insert(SESSIONS).values(**values, status=SessionStatus.PENDING.value, attempt=0, change=tx.change)
    )
    return _session(tx, new.session_id)


def set_session_status(
    tx: Tx,
    session_id: str,
    from_statuses: Collection[SessionStatus],
    to: SessionStatus,
    *,
    at: datetime,
    reason: str | None = None,
    flow_run_id: str | None = None,
    attempt: int | None = None,
) -> Session:
    """Move a session to `to` if its status is one of `from_statuses`; raise InvalidSessionStatus otherwise.

    The first ACTIVE sets started_at, COMPLETED and FAILED set ended_at. reason always replaces the old one;
    flow_run_id and attempt are kept when None. Raises SessionNotFound.
    """
    session = _session(tx, session_id)
    if session.status not in from_statuses:
        allowed = " or ".join(sorted(status.value for status in from_statuses))
        raise InvalidSessionStatus(
            f"session {session_id} is {session.status}; it can become {to} only from {allowed}",
            sessionId=session_id,
            currentStatus=session.status.value,
            requiredStatus=allowed,
        )
    values: dict[str, object] = {"status": to.value, "status_reason": reason, "change": tx.change}
    if to is SessionStatus.ACTIVE and session.started_at is None:
        values["started_at"] = at
    if to.is_final:
        values["ended_at"] = at
    if flow_run_id is not None:
        values["flow_run_id"] = flow_run_id
    if attempt is not None:
        values["attempt"] = attempt
    tx.connection.execute(update(SESSIONS).where(SESSIONS.c.session_id == session_id).values(**values))
    return _session(tx, session_id)


def begin_attempt(tx: Tx, session_id: str) -> int:
    """Count one more run of the session and return its number, from 1 on; raise SessionNotFound."""
    statement = (
        update(SESSIONS)
        .where(SESSIONS.c.session_id == session_id)
        .values(attempt=SESSIONS.c.attempt + 1, change=tx.change)
        .returning(SESSIONS.c.attempt)
    )
    attempt = tx.connection.execute(statement).scalar_one_or_none()
    if attempt is None:
        raise _not_found(session_id)
    return int(attempt)


def set_flow_run(tx: Tx, session_id: str, flow_run_id: str) -> None:
    """Note which flow run drives the session; raise SessionNotFound."""
    _update(tx, session_id, {"flow_run_id": flow_run_id})


def update_session_totals(tx: Tx, session_id: str, totals: SessionTotals) -> None:
    """Replace the running totals; raise SessionNotFound."""
    _update(tx, session_id, columns_of(totals))


def set_naked_total(tx: Tx, session_id: str, naked_usd_seconds: Decimal) -> None:
    """Replace one of the running totals: what legs stood alone, quote units x seconds; raise SessionNotFound."""
    _update(tx, session_id, {"naked_usd_seconds": naked_usd_seconds})


def _update(tx: Tx, session_id: str, values: dict[str, object]) -> None:
    statement = update(SESSIONS).where(SESSIONS.c.session_id == session_id).values(**values, change=tx.change)
    if tx.connection.execute(statement).rowcount == 0:
        raise _not_found(session_id)


def _find(tx: Tx, session_id: str) -> Session | None:
    statement = select(SESSIONS).where(SESSIONS.c.session_id == session_id).with_for_update()
    row = tx.connection.execute(statement).mappings().one_or_none()
    return None if row is None else session_of(row)


def _session(tx: Tx, session_id: str) -> Session:
    session = _find(tx, session_id)
    if session is None:
        raise _not_found(session_id)
    return session


def _not_found(session_id: str) -> SessionNotFound:
    return SessionNotFound(f"no session {session_id}; list the sessions to see which exist", sessionId=session_id)
