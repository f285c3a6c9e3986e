"""Connections to the operational store: pragmas, locking mode, JSON form. Knows no table.

SQLite: WAL, synchronous=FULL (what was acknowledged survives power loss), foreign keys on. The driver's own implicit
transactions are switched off; a writer's transaction begins IMMEDIATE, a reader's begins deferred on a connection
that cannot write, so it sees one consistent state.

Postgres: what was acknowledged is on the server's disk. A lock is waited for as long as SQLite's, a process that froze
in the middle of a transaction loses it, and a server that went away is waited for where it was there before.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigurationError
from core.numbers import plain
from store.errors import StoreError

BUSY_TIMEOUT_S = 30.0
# A server that is killed is back within seconds; beyond this a run's lease would run out while it waits.
RECONNECT_S = 10.0
FROZEN_TRANSACTION_S = 10.0
_RECONNECT_PAUSE_S = 0.25
_POSTGRES: Mapping[str, object] = {
    "application_name": "hedge",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_S:.0f}s -c synchronous_commit=on "
    f"-c idle_in_transaction_session_timeout={FROZEN_TRANSACTION_S:.0f}s",
}


_wait = threading.Event().wait


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
    parsed, options = _parse(url), dict[str, object]()
    is_postgres = parsed.get_backend_name() == "postgresql"
    if is_postgres:
        # What the URL says itself is the operator's choice.
        given = {name: value for name, value in _POSTGRES.items() if name not in parsed.query}
        options |= {"connect_args": given, "pool_pre_ping": True}
    else:
        options["connect_args"] = {"check_same_thread": False}
    try:
        engine = create_engine(url, json_serializer=to_json, **options)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise _unusable(error) from error
    if is_postgres:
        _connect_patiently(engine)
    return engine


def _connect_patiently(
    engine: Engine,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = _wait,
) -> None:
    """Let an engine that was connected once try again for RECONNECT_S; the first time a failure is told at once."""
    state = {"was_connected": False}

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Dialect, _record: object, arguments: list[Any], named: dict[str, Any]) -> DBAPIConnection:
        deadline = monotonic() + RECONNECT_S
        while True:
            try:
                made = dialect.connect(*arguments, **named)
            except dialect.loaded_dbapi.OperationalError:
                if not state["was_connected"] or monotonic() >= deadline:
                    raise
                pause(_RECONNECT_PAUSE_S)
            else:
                state["was_connected"] = True
                return made


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
