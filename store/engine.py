"""Connections to the operational store: pragmas, locking mode, JSON form. Knows no table.

SQLite: WAL, synchronous=FULL (what was acknowledged survives power loss), foreign keys on. The driver's own implicit
transactions are switched off; a writer's transaction begins IMMEDIATE, a reader's begins deferred on a connection
that cannot write, so it sees one consistent state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigurationError
from core.numbers import plain
from store.errors import StoreError

BUSY_TIMEOUT_S = 30.0


def sqlite_url(home: Path) -> str:
    """Return the URL of the default operational store in the data folder."""
    return f"sqlite:///{home / 'hedge.db'}"


def writing_engine(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """Return an engine whose transactions take the write lock at their start."""
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        _configure(engine, begin="BEGIN IMMEDIATE", busy_timeout_s=busy_timeout_s, pragmas=_WRITING)
    return engine


def reading_engine(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """Return an engine whose transactions are snapshots and cannot write."""
    if _parse(url).get_backend_name() == "sqlite":
        engine = _engine(url)
        _configure(engine, begin="BEGIN", busy_timeout_s=busy_timeout_s, pragmas=_READING)
        return engine
    return _engine(url).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def sqlite_file(url: str) -> Path | None:
    """Return the database file of a SQLite URL, None for a server."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)


def make_private(path: Path) -> None:
    """Create an empty file with mode 0600 unless it is there; SQLite gives its -wal and -shm files the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def to_json(value: object) -> str:
    """Write what we keep as JSON; Decimal, datetime and enums become text, sets and tuples lists."""
    return json.dumps(value, default=_plain_json, separators=(",", ":"), allow_nan=False)


_WRITING = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
_READING = ("query_only = ON",)


class _Cursor(Protocol):
    def execute(self, sql: str, /) -> object: ...
    def close(self) -> None: ...


class _DriverConnection(Protocol):
    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


def _engine(url: str) -> Engine:
    options: dict[str, object] = {}
    if _parse(url).get_backend_name() == "sqlite":
        options["connect_args"] = {"check_same_thread": False}
    try:
        return create_engine(url, json_serializer=to_json, **options)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise _unusable(error) from error


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the database URL cannot be used ({error}): write sqlite:////path or postgresql+psycopg://..., "
        "and install the driver it names",
        field="url",
    )


def _configure(engine: Engine, *, begin: str, busy_timeout_s: float, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: _DriverConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout = {int(busy_timeout_s * 1000)}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _plain_json(value: object) -> object:
    match value:
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case set() | frozenset():
            return sorted(value, key=str)
        case Mapping():
            return dict(value)
        case _:
            raise StoreError(f"a {type(value).__name__} cannot be kept as JSON; write it as text or a number")
