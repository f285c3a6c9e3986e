"""Writing what compacting and retiring did to the registry, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from store.errors import StoreError
from store.records import Segment
from store.segment_reads import last_change, sealed_tables, sealed_up_to
from store.segment_tables import MERGED_SEGMENTS, REPLACED_SEGMENTS, RETIRED_SESSIONS
from store.tables import SEGMENTS
from store.writer import Tx


def replace_segments(tx: Tx, merged: Mapping[Segment, Sequence[Segment]]) -> None:
    """Register merged files in the place of those whose rows they hold, all or nothing.

    Raises StoreError when one of the old files is not registered any more.
    """
    for new, old in merged.items():
        _replace(tx, old, new.path)
        values = {name: getattr(new, name) for name in ("path", "first_change", "last_change", "rows", "sha256")}
        tx.connection.execute(insert(MERGED_SEGMENTS).values(source=new.table, **values))


def retire_sessions(
    tx: Tx, sessions: Mapping[str, int], at: datetime, *, merged: Mapping[Segment, Sequence[Segment]],
    emptied: Sequence[Segment],
) -> None:  # fmt: skip
    """Take sessions out of the registry: their own files, and merged files written anew without them.

    sessions: how far each was sealed when it was looked at; emptied: merged files that held nothing else. Raises
    StoreError when a session changed since.
    """
    for session_id, sealed_until in sessions.items():
        changed = max(last_change(tx.connection, table, session_id) for table in sealed_tables())
        if sealed_up_to(tx.connection, session_id) != sealed_until or changed > sealed_until:
            raise StoreError(f"session {session_id} changed meanwhile; run it again")
        tx.connection.execute(insert(RETIRED_SESSIONS).values(session_id=session_id, retired_at=at))
    replace_segments(tx, merged)
    _replace(tx, emptied, "")
    own = select(SEGMENTS.c.path).where(
        SEGMENTS.c.session_id.in_(list(sessions)), SEGMENTS.c.path.not_in(select(REPLACED_SEGMENTS.c.path))
    )
    for path in tx.connection.execute(own).scalars().all():
        tx.connection.execute(insert(REPLACED_SEGMENTS).values(path=path, by=""))


def _replace(tx: Tx, old: Sequence[Segment], by: str) -> None:
    for segment in old:
        if segment.session_id:
            present = tx.connection.execute(select(SEGMENTS.c.path).where(SEGMENTS.c.path == segment.path)).first()
        else:
            present = tx.connection.execute(
                delete(MERGED_SEGMENTS).where(MERGED_SEGMENTS.c.path == segment.path).returning(MERGED_SEGMENTS.c.path)
            ).first()
        taken = select(REPLACED_SEGMENTS.c.path).where(REPLACED_SEGMENTS.c.path == segment.path)
        if present is None or tx.connection.execute(taken).first() is not None:
            raise StoreError(f"segment {segment.path} is not registered any more; run it again")
        tx.connection.execute(insert(REPLACED_SEGMENTS).values(path=segment.path, by=by))
