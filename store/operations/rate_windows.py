"""Counting calls by key in fixed windows. Refuses nothing; says how many there were."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Executable, bindparam, case, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from store.api_records import CountedCalls
from store.tables import API_KEYS, RATE_WINDOWS
from store.writer import Tx

_USED_EVERY_S = 60
_STALE = or_(API_KEYS.c.last_used_at.is_(None), API_KEYS.c.last_used_at < bindparam("before"))
_USED = update(API_KEYS).where(API_KEYS.c.key_id == bindparam("this_key"), _STALE)


def count_call(tx: Tx, key_id: str, *, now: datetime, window_s: int) -> CountedCalls:
    """Count one more call of a key and return the count of its window; notes at times when the key was last used.

    Windows begin at whole multiples of window_s since the epoch, so that every process means the same one. A clock
    that went back counts in the window that is there.
    """
    window = datetime.fromtimestamp(int(now.timestamp()) // window_s * window_s, tz=now.tzinfo)
    _note_use(tx, key_id, now)
    statement = _counting(tx.connection.dialect.name)
    row = tx.connection.execute(statement, {"key_id": key_id, "window_start": window, "calls": 1}).one()
    return CountedCalls(int(row[0]), row[1])


def _note_use(tx: Tx, key_id: str, now: datetime) -> None:
    before = now - timedelta(seconds=_USED_EVERY_S)
    tx.connection.execute(_USED, {"this_key": key_id, "before": before, "last_used_at": now})


@cache
def _counting(dialect: str) -> Executable:
    """Build the statement once for each database: building it costs more than running it, and every call does that."""
    new = postgresql.insert(RATE_WINDOWS) if dialect == "postgresql" else sqlite.insert(RATE_WINDOWS)
    is_later = new.excluded.window_start > RATE_WINDOWS.c.window_start
    return new.on_conflict_do_update(
        index_elements=[RATE_WINDOWS.c.key_id],
        set_={
            "calls": case((is_later, 1), else_=RATE_WINDOWS.c.calls + 1),
            "window_start": case((is_later, new.excluded.window_start), else_=RATE_WINDOWS.c.window_start),
        },
    ).returning(RATE_WINDOWS.c.calls, RATE_WINDOWS.c.window_start)
