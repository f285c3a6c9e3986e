"""Writing a session's progress events, numbered without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, insert, select

from store.tables import EVENTS, SESSIONS
from store.writer import Tx


def append_event(
    tx: Tx, session_id: str, *, at: datetime, channel: str, type: str, payload: Mapping[str, object]
) -> int:
    """Append one event to a session and return its sequence: one more than the last, 1 for the first."""
    # Holding the session's row keeps two writers on a server from taking the same number.
    tx.connection.execute(select(SESSIONS.c.session_id).where(SESSIONS.c.session_id == session_id).with_for_update())
    last = select(func.coalesce(func.max(EVENTS.c.sequence), 0)).where(EVENTS.c.session_id == session_id)
    sequence = int(tx.connection.execute(last).scalar_one()) + 1
    values = {"session_id": session_id, "sequence": sequence, "at": at, "channel": channel, "type": type}
    tx.connection.execute(insert(EVENTS).values(**values, payload=dict(payload)))
    return sequence
