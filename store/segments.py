"""Sealing: what changed in a session since the last time becomes immutable Parquet files. Never touches results.

A segment holds the rows of one table that changed in (first_change, last_change], read from one snapshot. The file is
written under a hidden name, fsynced, renamed to a name that contains its hash, its folder fsynced; only then one
transaction registers all files of the sealing. Killed anywhere before that, the files are nobody's and the next
sealing sweeps them. A row that changes later comes again in a later segment, and the later one holds.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Engine, Float, RowMapping, Table, func, select
from sqlmodel.sql.sqltypes import UTCDateTime

from store.columns import DIGITS, SCALE, Derived, Exact
from store.engine import to_json
from store.errors import SessionNotFound, StoreError, StoreFull
from store.journal import Journal
from store.naked_tables import NAKED_OUTSIDE
from store.records import Segment
from store.segment_tables import is_retired
from store.tables import (
    BREACHES,
    CERTIFICATES,
    FILLS,
    FUNDING,
    FUNDING_CHECKS,
    LEDGER,
    ORDERS,
    PAIRS,
    POSITIONS,
    SEGMENTS,
    SESSIONS,
    STATEMENTS,
)

Step = Callable[[str], None]
_CHUNK_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is sealed: the name it has in results, and the column that identifies a row."""

    name: str
    table: Table
    key: str


SOURCES = (
    Source("sessions", SESSIONS, "session_id"),
    Source("pairs", PAIRS, "pair_id"),
    Source("orders", ORDERS, "client_order_id"),
    Source("fills", FILLS, "fill_id"),
    Source("funding", FUNDING, "funding_id"),
    Source("positions", POSITIONS, "position_id"),
    Source("risk_events", BREACHES, "breach_id"),
    Source("ledger", LEDGER, "posting_id"),
    Source("statements", STATEMENTS, "statement_id"),
    Source("funding_checks", FUNDING_CHECKS, "check_id"),
    Source("certificates", CERTIFICATES, "certificate_id"),
    Source("naked_outside", NAKED_OUTSIDE, "naked_id"),
)


def no_step(_name: str) -> None:
    """Do nothing between steps."""


def seal(folder: Path, session_id: str, engine: Engine, journal: Journal, *, at: Step = no_step) -> list[Segment]:
    """Seal what changed in a session and return the new segments; empty when nothing did, or the session is retired.

    `at` is called with the name of each step just completed: read, written, renamed, durable, registered. Raises
    SessionNotFound, StoreFull when the disk is full, StoreError when the folder cannot be written.
    """
    try:
        with _alone(folder):
            sweep(folder, session_id, engine)
            segments = _write(folder, session_id, engine, at)
            if segments and not journal.register_segments.now(segments):
                return []
            at("registered")
            return segments
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(f"no space left for segments in {folder}: free some, then seal again") from error
        raise StoreError(f"segments of session {session_id} cannot be written to {folder}: {error}") from error


def sweep(folder: Path, session_id: str, engine: Engine) -> None:
    """Remove files of a session that no registration names: what a killed sealing left behind."""
    stem = quote(session_id, safe="")
    found = [*folder.glob(f"{stem}.*.parquet"), *folder.glob(f".{stem}.*.tmp")]
    with engine.connect() as connection:
        # Whosever they are: another session's id may begin with this one's and a dot.
        registered = set(connection.execute(select(SEGMENTS.c.path)).scalars()) if found else set()
    for path in found:
        if path.name not in registered:
            path.unlink()


def sha256_of(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(folder: Path, session_id: str, engine: Engine, at: Step) -> list[Segment]:
    with engine.connect() as connection, connection.begin():
        first = _sealed_until(connection, session_id)
        changed = {source: _last_change(connection, source, session_id) for source in SOURCES}
        if changed[SOURCES[0]] == 0:
            raise SessionNotFound(f"no session {session_id} to seal", sessionId=session_id)
        if is_retired(connection, session_id):
            return []
        last = max(changed.values())
        at("read")
        files = [
            (source, *_write_hidden(folder, source, connection, (session_id, first, last)))
            for source in SOURCES
            if changed[source] > first
        ]
    at("written")
    segments = [_rename(folder, (session_id, first, last), *file) for file in files]
    at("renamed")
    fsync_folder(folder)
    at("durable")
    return segments


def _sealed_until(connection: Connection, session_id: str) -> int:
    last = select(func.coalesce(func.max(SEGMENTS.c.last_change), 0)).where(SEGMENTS.c.session_id == session_id)
    return int(connection.execute(last).scalar_one())


def _last_change(connection: Connection, source: Source, session_id: str) -> int:
    columns = source.table.c
    last = select(func.coalesce(func.max(columns.change), 0)).where(columns.session_id == session_id)
    return int(connection.execute(last).scalar_one())


def _write_hidden(
    folder: Path, source: Source, connection: Connection, scope: tuple[str, int, int]
) -> tuple[Path, int]:
    """Write one file under a hidden name and fsync it; return it with its number of rows."""
    session_id, first, last = scope
    columns = source.table.c
    chosen = select(source.table).where(columns.session_id == session_id, columns.change > first)
    result = connection.execution_options(yield_per=_CHUNK_ROWS).execute(chosen.order_by(columns[source.key]))
    path = folder / f".{quote(session_id, safe='')}.{first}-{last}.{source.name}.tmp"
    rows = 0
    with path.open("wb") as handle:
        os.fchmod(handle.fileno(), 0o600)
        with pq.ParquetWriter(handle, schema_of(source.table), compression="zstd") as writer:
            for chunk in result.mappings().partitions():
                writer.write_table(_table_of(source.table, chunk))
                rows += len(chunk)
        handle.flush()
        os.fsync(handle.fileno())
    return path, rows


def _rename(folder: Path, scope: tuple[str, int, int], source: Source, path: Path, rows: int) -> Segment:
    session_id, first, last = scope
    digest = sha256_of(path)
    name = f"{quote(session_id, safe='')}.{first}-{last}.{source.name}.{digest[:16]}.parquet"
    path.rename(folder / name)
    return Segment(session_id, source.name, first, last, name, rows, digest)


def schema_of(table: Table) -> pa.Schema:
    """Return the Parquet schema of a table: decimals DECIMAL(38,18), times in microseconds UTC, JSON as text."""
    return pa.schema([pa.field(column.name, _type_of(column), nullable=bool(column.nullable)) for column in table.c])


def _type_of(column: Column[object]) -> pa.DataType:
    match column.type:
        case Exact() | Derived():
            return pa.decimal128(DIGITS, SCALE)
        case UTCDateTime():
            return pa.timestamp("us", tz="UTC")
        case BigInteger():
            return pa.int64()
        case Boolean():
            return pa.bool_()
        case Float():
            return pa.float64()
        case _:
            return pa.string()


def _table_of(table: Table, rows: Sequence[RowMapping]) -> pa.Table:
    schema = schema_of(table)
    arrays = [
        pa.array([_plain(row[column.name], column) for row in rows], type=schema.field(column.name).type)
        for column in table.c
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _plain(value: object, column: Column[object]) -> object:
    return to_json(value) if isinstance(column.type, JSON) else value


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process seal at a time; the lock dies with its process."""
    handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
