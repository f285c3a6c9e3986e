"""The tables of upkeep: files that hold the rows of several sealings, and sessions that left the results."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Connection, Table, select
from sqlmodel import Field

from store.tables import Row, metadata

__all__ = ["MERGED_SEGMENTS", "REPLACED_SEGMENTS", "RETIRED_SESSIONS", "is_retired", "metadata"]


class MergedSegmentRow(Row, table=True):
    """Files into which compacting brought the rows of others; they hold rows of many sessions."""

    __tablename__ = "merged_segments"
    path: str = Field(primary_key=True)
    source: str
    first_change: int = Field(sa_type=BigInteger)
    last_change: int = Field(sa_type=BigInteger)
    rows: int = Field(sa_type=BigInteger)
    sha256: str


class ReplacedSegmentRow(Row, table=True):
    """Sealed files whose rows are in a merged one now (`by`), or nowhere in results (by is empty: retired).

    Their lines in `segments` stay: they tell how far a session was sealed.
    """

    __tablename__ = "replaced_segments"
    path: str = Field(primary_key=True)
    by: str = Field(index=True)


class RetiredSessionRow(Row, table=True):
    """Sessions that were taken out of results; they are never sealed again."""

    __tablename__ = "retired_sessions"
    session_id: str = Field(primary_key=True)
    retired_at: datetime


MERGED_SEGMENTS: Table = metadata.tables["merged_segments"]
REPLACED_SEGMENTS: Table = metadata.tables["replaced_segments"]
RETIRED_SESSIONS: Table = metadata.tables["retired_sessions"]


def is_retired(connection: Connection, session_id: str) -> bool:
    """Tell whether a session was taken out of results."""
    chosen = select(RETIRED_SESSIONS.c.session_id).where(RETIRED_SESSIONS.c.session_id == session_id)
    return connection.execute(chosen).first() is not None
