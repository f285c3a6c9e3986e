"""Writing a session's progress events, numbered without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, func, insert, select

from store.tables import EVENTS, SESSIONS
from store.writer import Tx

_HOLD = select(SESSIONS.c.session_id).where(SESSIONS.c.session_id == bindparam("session_id")).with_for_update()
_LAST = select(func.coalesce(func.max(EVENTS.c.sequence), 0)).where(EVENTS.c.session_id == bindparam("session_id"))
_INSERT = insert(EVENTS)


def append_event(
    tx: Tx, session_id: str, *, at: datetime, channel: str, type: str, payload: Mapping[str, object]
) -> int:
    """Append one event to a session and return its sequence: one more than the last, 1 for the first."""
    this = {"session_id": session_id}
    # Holding the session's row keeps two writers on a server from taking the same number.
    tx.connection.execute(_HOLD, this)
    sequence = int(tx.connection.execute(_LAST, this).scalar_one()) + 1
    values = {"sequence": sequence, "at": at, "channel": channel, "type": type, "payload": dict(payload)}
    tx.connection.execute(_INSERT, {**this, **values})
    return sequence
