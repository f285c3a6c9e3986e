"""Writing what a session sees now: one row a session, replaced at each beat. A picture, never a fact of the record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert, update

from store.tables import SESSION_VIEWS
from store.writer import Tx


def put_view(tx: Tx, session_id: str, *, at: datetime, payload: Mapping[str, object]) -> None:
    """Replace a session's view; only the run that holds the session's lease does this."""
    values = {"at": at, "payload": dict(payload)}
    replaced = update(SESSION_VIEWS).where(SESSION_VIEWS.c.session_id == session_id).values(**values)
    if tx.connection.execute(replaced).rowcount == 0:
        tx.connection.execute(insert(SESSION_VIEWS).values(session_id=session_id, **values))
