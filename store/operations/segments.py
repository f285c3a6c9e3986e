"""Writing the registry of sealed segments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, insert, select

from store.records import Segment
from store.rows import columns_of
from store.segment_tables import is_retired
from store.tables import SEGMENTS
from store.writer import Tx


def register_segments(tx: Tx, segments: Sequence[Segment]) -> bool:
    """Register what one sealing wrote, all or nothing.

    False when the session was sealed further by somebody else meanwhile, or retired: the files are then nobody's.
    """
    for segment in segments:
        if sealed_until(tx, segment.session_id) != segment.first_change or is_retired(
            tx.connection, segment.session_id
        ):
            return False
    for segment in segments:
        values = columns_of(segment)
        tx.connection.execute(insert(SEGMENTS).values(source=values.pop("table"), **values))
    return True


def sealed_until(tx: Tx, session_id: str) -> int:
    """Return the last change of a session that is in registered segments, 0 when nothing was sealed."""
    last = select(func.coalesce(func.max(SEGMENTS.c.last_change), 0)).where(SEGMENTS.c.session_id == session_id)
    return int(tx.connection.execute(last).scalar_one())
