"""Reads of the registry of segments: which files hold the sealed rows now, and which sessions are ripe for retiring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, func, select
from sqlalchemy.exc import DBAPIError

from core.order import OrderStatus
from core.risk import Severity
from store.records import Segment, SessionStatus
from store.rows import segment_of
from store.segment_tables import MERGED_SEGMENTS, REPLACED_SEGMENTS, RETIRED_SESSIONS
from store.tables import BREACHES, LEASES, ORDERS, PAIRS, SEGMENTS, SESSIONS, STATEMENTS, metadata
from store.writer import typed_error

_FINAL = tuple(status.value for status in SessionStatus if status.is_final)
_LIVE_ORDERS = tuple(status.value for status in OrderStatus if not status.is_final)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The registry at one moment: the segments that hold all sealed rows, and the sessions that were retired."""

    segments: tuple[Segment, ...]
    retired: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ripe:
    """A session from before the cutoff, how far it was sealed, and why it has to stay; None: it may be retired."""

    session_id: str
    name: str
    ended_at: datetime | None
    sealed_until: int
    stays_because: str | None


class SegmentReads:
    """Questions to the registry; every call sees one consistent state."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def sealed(self) -> Sealed:
        """Return the files that hold the sealed rows, in the order of their changes, and who was retired."""
        with self._snapshot() as connection:
            plain = select(SEGMENTS).where(SEGMENTS.c.path.not_in(select(REPLACED_SEGMENTS.c.path)))
            segments = [segment_of(row) for row in connection.execute(plain).mappings()]
            segments += [merged_of(row) for row in connection.execute(select(MERGED_SEGMENTS)).mappings()]
            retired = frozenset(connection.execute(select(RETIRED_SESSIONS.c.session_id)).scalars())
        segments.sort(key=lambda segment: (segment.last_change, segment.session_id, segment.path))
        return Sealed(tuple(segments), retired)

    def replaced(self) -> list[str]:
        """Return the names of files that nothing needs any more."""
        with self._snapshot() as connection:
            return list(connection.execute(select(REPLACED_SEGMENTS.c.path)).scalars())

    def ripe(self, before: datetime, now: datetime) -> list[Ripe]:
        """Return the sessions created before a time and not retired yet, oldest first, with what keeps each."""
        with self._snapshot() as connection:
            chosen = select(SESSIONS).where(
                SESSIONS.c.created_at < before, SESSIONS.c.session_id.not_in(select(RETIRED_SESSIONS.c.session_id))
            )
            found = connection.execute(chosen.order_by(SESSIONS.c.created_at, SESSIONS.c.session_id)).mappings().all()
            return [self._ripe(connection, row, now) for row in found if not _ended_since(row, before)]

    @staticmethod
    def _ripe(connection: Connection, session: RowMapping, now: datetime) -> Ripe:
        session_id = session["session_id"]
        sealed_until = sealed_up_to(connection, session_id)
        reasons = (*_open_ends(connection, session, now), *_unsealed(connection, session_id, sealed_until))
        return Ripe(session_id, session["name"], session["ended_at"], sealed_until, next(iter(reasons), None))

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(self._engine)


class _Snapshot:
    """One reading transaction, whose database errors are ours."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
            self._connection.begin()
        except DBAPIError as error:
            raise typed_error(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, DBAPIError):
            raise typed_error(error) from error


def sealed_up_to(connection: Connection, session_id: str) -> int:
    """Return the last change of a session that is in registered segments, 0 when nothing was sealed."""
    last = select(func.coalesce(func.max(SEGMENTS.c.last_change), 0)).where(SEGMENTS.c.session_id == session_id)
    return int(connection.execute(last).scalar_one())


def sealed_tables() -> tuple[Table, ...]:
    """Return the tables whose rows belong to sessions and are sealed."""
    return tuple(table for table in metadata.tables.values() if {"change", "session_id"} <= set(table.c.keys()))


def last_change(connection: Connection, table: Table, session_id: str) -> int:
    """Return the last change of a session's rows in a table, 0 when it has none."""
    last = select(func.coalesce(func.max(table.c.change), 0)).where(table.c.session_id == session_id)
    return int(connection.execute(last).scalar_one())


def merged_of(row: RowMapping) -> Segment:
    """Read a merged file; it belongs to no single session, and its session id is empty."""
    return Segment(
        "", row["source"], row["first_change"], row["last_change"], row["path"], row["rows"], row["sha256"]
    )  # fmt: skip


def _open_ends(connection: Connection, session: RowMapping, now: datetime) -> Iterable[str]:
    session_id = session["session_id"]
    if session["status"] not in _FINAL or session["ended_at"] is None:
        yield f"it is {session['status']}; bring it to its end first"
    lease = select(LEASES.c.scope).where(LEASES.c.scope == f"session:{session_id}", LEASES.c.expires_at > now)
    if connection.execute(lease).first() is not None:
        yield "a run holds it"
    counted: tuple[tuple[str, Table, ColumnElement[bool]], ...] = (
        ("orders without an end", ORDERS, ORDERS.c.status.in_(_LIVE_ORDERS)),
        ("pairs without an end", PAIRS, PAIRS.c.completed_at.is_(None)),
        ("accounts whose books are not closed", STATEMENTS, STATEMENTS.c.closed_at.is_(None)),
        ("critical breaches that nobody acknowledged", BREACHES,
         BREACHES.c.acknowledged_at.is_(None) & (BREACHES.c.severity == Severity.CRITICAL.value)),
    )  # fmt: skip
    for what, table, is_open in counted:
        found = select(func.count()).select_from(table).where(table.c.session_id == session_id, is_open)
        if number := int(connection.execute(found).scalar_one()):
            yield f"it has {number} {what}"


def _unsealed(connection: Connection, session_id: str, sealed_until: int) -> Iterable[str]:
    if any(last_change(connection, table, session_id) > sealed_until for table in sealed_tables()):
        yield "it has changes that are not in the results; they come when its run records it"


def _ended_since(session: RowMapping, before: datetime) -> bool:
    return session["ended_at"] is not None and session["ended_at"] >= before
