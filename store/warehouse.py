"""The keeper of results.duckdb: brings registered segments in, each exactly once. The only writer of that file.

All files of one sealing and their lines in `sealed.loaded` go into one DuckDB transaction, so a keeper killed anywhere
has either loaded a sealing or not. Rows replace older versions of themselves by key, in the order of their changes.
The file can be deleted or rebuilt at any time; segments and their registry are enough.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from store.errors import SegmentCorrupt, StoreBusy, StoreError
from store.records import Segment
from store.segments import SOURCES, Step, fsync_folder, no_step, sha256_of

Pause = Callable[[float], object]

RESULTS = "results.duckdb"
WAIT_S = 30.0
_PAUSE_S = 0.05
_wait: Pause = threading.Event().wait
# No extension is ever fetched: a query that needs one fails at once instead of calling out.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_SQL = [(Path(__file__).parent / "sql" / name).read_text(encoding="utf-8") for name in ("sealed.sql", "views.sql")]
_VERSION = hashlib.sha256("".join(_SQL).encode()).hexdigest()
_KEYS = {source.name: source.key for source in SOURCES}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load brought in."""

    segments: int
    rows: int


def load(
    home: Path,
    segments: Sequence[Segment],
    *,
    at: Step = no_step,
    wait_s: float = WAIT_S,
    pause: Pause = _wait,
) -> Loaded:
    """Bring in every segment that is not there yet, given in the order of Reads.segments.

    `at` is called with each step just completed: created, begun, inserted, noted, committed. Raises StoreBusy when
    somebody else holds results.duckdb longer than wait_s, SegmentCorrupt for a segment that is not what was
    registered.
    """
    with _locked(home, fcntl.LOCK_EX, wait_s, pause):
        if (home / RESULTS).exists():
            with _connect(home / RESULTS) as connection:
                if _is_current(connection):
                    return _load(connection, home, segments, at)
        return _rebuild(home, segments, at)


def rebuild(
    home: Path,
    segments: Sequence[Segment],
    *,
    at: Step = no_step,
    wait_s: float = WAIT_S,
    pause: Pause = _wait,
) -> Loaded:
    """Build results.duckdb anew from all segments beside the old file, then put it in its place."""
    with _locked(home, fcntl.LOCK_EX, wait_s, pause):
        return _rebuild(home, segments, at)


@contextmanager
def results(home: Path, *, wait_s: float = WAIT_S, pause: Pause = _wait) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open results.duckdb for reading; the keeper waits meanwhile, so be brief and do not load inside.

    Raises StoreError when nothing was ever loaded, StoreBusy when a keeper is at work longer than wait_s.
    """
    nothing = StoreError(f"there is no {RESULTS} in {home} yet; the first session that ends makes it")
    if not home.is_dir():
        raise nothing
    with _locked(home, fcntl.LOCK_SH, wait_s, pause):
        if not (home / RESULTS).exists():
            raise nothing
        with _connect(home / RESULTS, read_only=True) as connection:
            yield connection


@contextmanager
def _locked(home: Path, kind: int, wait_s: float, pause: Pause) -> Iterator[None]:
    """Hold the lock beside results.duckdb, shared or exclusive; it dies with its process."""
    handle = os.open(home / "results.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        for _ in range(max(1, round(wait_s / _PAUSE_S))):
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pause(_PAUSE_S)
        else:
            raise StoreBusy(f"{RESULTS} in {home} was in use for {wait_s:.0f} s; try again when that is done")
        yield
    finally:
        os.close(handle)


def _rebuild(home: Path, segments: Sequence[Segment], at: Step) -> Loaded:
    building = home / f".{RESULTS}.building"
    _remove(building)
    with _connect(building) as connection:
        for script in _SQL:
            connection.execute(script)
        connection.execute("insert into sealed.version values (?)", [_VERSION])
        at("created")
        loaded = _load(connection, home, segments, at)
        connection.execute("checkpoint")
    building.chmod(0o600)
    _fsync(building)
    # A log left by a killed keeper belongs to the old file and must not be played into the new one.
    _wal(home / RESULTS).unlink(missing_ok=True)
    building.rename(home / RESULTS)
    fsync_folder(home)
    return loaded


def _load(connection: duckdb.DuckDBPyConnection, home: Path, segments: Sequence[Segment], at: Step) -> Loaded:
    there = {path for (path,) in connection.execute("select path from sealed.loaded").fetchall()}
    missing = [segment for segment in segments if segment.path not in there]
    for _, sealing in groupby(missing, key=lambda segment: (segment.session_id, segment.first_change)):
        _load_sealing(connection, home / "segments", tuple(sealing), at)
    return Loaded(len(missing), sum(segment.rows for segment in missing))


def _load_sealing(connection: duckdb.DuckDBPyConnection, folder: Path, sealing: Sequence[Segment], at: Step) -> None:
    for segment in sealing:
        _check(folder, segment)
    connection.begin()
    at("begun")
    for segment in sealing:
        _insert(connection, folder, segment)
    at("inserted")
    for segment in sealing:
        connection.execute("insert into sealed.loaded values (?, ?, ?)", [segment.path, segment.sha256, segment.rows])
    at("noted")
    connection.commit()
    at("committed")


def _insert(connection: duckdb.DuckDBPyConnection, folder: Path, segment: Segment) -> None:
    table, key, path = segment.table, _KEYS[segment.table], str(folder / segment.path)
    older = f"delete from sealed.{table} where {key} in (select {key} from read_parquet(?))"  # noqa: S608 - our names
    connection.execute(older, [path])
    connection.execute(f"insert into sealed.{table} by name select * from read_parquet(?)", [path])  # noqa: S608


def _check(folder: Path, segment: Segment) -> None:
    path = folder / segment.path
    if not path.is_file():
        raise SegmentCorrupt(f"segment {segment.path} is missing from {folder}; bring it back from a copy")
    if sha256_of(path) != segment.sha256:
        raise SegmentCorrupt(
            f"segment {segment.path} in {folder} is not what was registered; bring it back from a copy"
        )


def _is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether these scripts made the file; results of older ones are built anew."""
    return connection.execute("select sql_sha256 from sealed.version").fetchone() == (_VERSION,)


@contextmanager
def _connect(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        raise StoreBusy(f"{path} cannot be opened, close the program that holds it: {error}") from error
    try:
        connection.execute("set timezone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _wal(path).unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
