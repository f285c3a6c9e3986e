"""The keeper of results.duckdb: brings registered segments in, each exactly once. The only writer of that file.

All files of one sealing and their lines in `sealed.loaded` go into one DuckDB transaction, so a keeper killed anywhere
has either loaded a sealing or not. Of the versions of a row the one with the latest change holds, in whatever order
files are loaded. The file can be deleted or rebuilt at any time; segments and their registry are enough.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from store.content import Content, content_of
from store.errors import SegmentCorrupt, StoreBusy, StoreError
from store.locks import RESULTS, WAIT_S, Pause, kept, shared, upkeep, wait
from store.notional import fills_with_notional
from store.records import Segment
from store.segment_reads import Sealed
from store.segments import SOURCES, Step, fsync_folder, no_step, sha256_of

Registry = Callable[[], Sealed]

# No extension is ever fetched: a query that needs one fails at once instead of calling out.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_FOLDER = Path(__file__).parent / "sql"
_SQL = [(_FOLDER / name).read_text(encoding="utf-8") for name in ("sealed.sql", "derived.sql", "views.sql")]
_VERSION = hashlib.sha256("".join(_SQL).encode()).hexdigest()
_SUMS = (_FOLDER / "fill_sums.sql").read_text(encoding="utf-8")
_KEYS = {source.name: source.key for source in SOURCES}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load brought in."""

    segments: int
    rows: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found before and after; before is None when there was nothing that could be read."""

    before: Content | None
    after: Content
    loaded: Loaded

    @property
    def is_identical(self) -> bool | None:
        """Whether the same rows were there before; None when there was nothing to compare with."""
        return None if self.before is None else self.before == self.after


def load(
    home: Path, registry: Registry, *, at: Step = no_step, wait_s: float = WAIT_S, pause: Pause = wait
) -> Loaded:  # fmt: skip
    """Bring in every registered segment that is not there yet, and let go of retired sessions.

    The registry is read under the keeper's lock, so that no file it names is replaced meanwhile. `at` is called with
    each step just completed: created, begun, inserted, noted, committed. Raises StoreBusy when somebody else holds
    results.duckdb longer than wait_s, SegmentCorrupt for a segment that is not what was registered.
    """
    with kept(home, wait_s, pause):
        return load_kept(home, registry(), at)


def load_kept(home: Path, sealed: Sealed, at: Step = no_step) -> Loaded:
    """Do what `load` does for a caller that is the keeper already."""
    if (home / RESULTS).exists():
        with connected(home / RESULTS) as connection:
            if _is_current(connection):
                return _load(connection, home, sealed, at)
    building = home / f".{RESULTS}.building"
    loaded = _build(building, home, sealed, at)
    _put_in_place(building, home, at)
    return loaded


def rebuild(
    home: Path, registry: Registry, *, check_only: bool = False, at: Step = no_step, wait_s: float = WAIT_S,
    pause: Pause = wait,
) -> Rebuilt:  # fmt: skip
    """Build results.duckdb anew from all segments beside the old file, compare both, then put it in its place.

    Loading goes on while it is built; what came meanwhile is brought in at the end. With check_only the new file is
    thrown away. Further steps of `at`: built, compared, synced, swapped. Raises as `load` does.
    """
    building = home / f".{RESULTS}.rebuilding"
    with upkeep(home, wait_s, pause):
        first = _build(building, home, registry(), at)
        at("built")
        with kept(home, wait_s, pause):
            with connected(building) as connection:
                late = _load(connection, home, registry(), at)
                after = content_of(connection)
                connection.execute("checkpoint")
            before = _content_before(home)
            at("compared")
            if check_only:
                _remove(building)
            else:
                _put_in_place(building, home, at)
        return Rebuilt(before, after, Loaded(first.segments + late.segments, first.rows + late.rows))


def content(home: Path, *, wait_s: float = WAIT_S, pause: Pause = wait) -> Content:
    """Hash what is in results.duckdb; loading waits meanwhile. Raises as `results` does, or StoreError."""
    with results(home, wait_s=wait_s, pause=pause) as connection:
        found = _content_of_current(connection)
    if found is None:
        raise StoreError(f"{RESULTS} in {home} was made by another version; `hedge results rebuild` makes it anew")
    return found


@contextmanager
def results(home: Path, *, wait_s: float = WAIT_S, pause: Pause = wait) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open results.duckdb for reading; the keeper waits meanwhile, so be brief and do not load inside.

    Raises StoreError when nothing was ever loaded, StoreBusy when a keeper is at work longer than wait_s.
    """
    nothing = StoreError(f"there is no {RESULTS} in {home} yet; the first session that ends makes it")
    if not home.is_dir():
        raise nothing
    with shared(home, wait_s, pause):
        if not (home / RESULTS).exists():
            raise nothing
        with connected(home / RESULTS, read_only=True) as connection:
            yield connection


def checked(folder: Path, segment: Segment) -> Path:
    """Return a segment's file; raise SegmentCorrupt when it is missing or not what was registered."""
    path = folder / segment.path
    remedy = "bring it back from a copy; until then results stay as they are"
    if not path.is_file():
        raise SegmentCorrupt(f"segment {segment.path} is missing from {folder}; {remedy}")
    if sha256_of(path) != segment.sha256:
        raise SegmentCorrupt(f"segment {segment.path} in {folder} is not what was registered; {remedy}")
    return path


def bring_in(connection: duckdb.DuckDBPyConnection, path: Path, table: str) -> None:
    """Let the rows of a file replace older versions of themselves; a row that is there in a later version stays."""
    key, fresh = _KEYS[table], [str(path)]
    older = f"""delete from sealed.{table} as old using read_parquet(?) as new
                where old.{key} = new.{key} and old.change < new.change"""  # noqa: S608 - our names
    connection.execute(older, fresh)
    rows, named = ("read_parquet(?)", fresh)
    if table == "fills":
        connection.register("fresh_fills", fills_with_notional(path))
        rows, named = "fresh_fills", []
    absent = f"""insert into sealed.{table} by name select * from {rows} as new
                 where not exists (select 1 from sealed.{table} as old where old.{key} = new.{key})"""  # noqa: S608
    connection.execute(absent, named)
    if table == "fills":
        connection.unregister("fresh_fills")


def created(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables and views of results in an empty database."""
    for script in _SQL:
        connection.execute(script)
    connection.execute("insert into sealed.version values (?)", [_VERSION])


@contextmanager
def connected(path: Path | None, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database file, or one in memory; raises StoreBusy when a program holds it, StoreError when damaged."""
    try:
        connection = duckdb.connect(str(path or ":memory:"), read_only=read_only, config=_CONFIG)
    except duckdb.Error as error:
        if isinstance(error, duckdb.ConnectionException) or "lock" in str(error).lower():
            raise StoreBusy(f"{path} cannot be opened, close the program that holds it: {error}") from error
        raise StoreError(f"{path} is damaged; `hedge results rebuild` makes it anew: {error}") from error
    try:
        connection.execute("set timezone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _build(building: Path, home: Path, sealed: Sealed, at: Step) -> Loaded:
    """Make a results file from all segments, beside the one in use."""
    _remove(building)
    with connected(building) as connection:
        created(connection)
        at("created")
        loaded = _load(connection, home, sealed, at)
        connection.execute("checkpoint")
    return loaded


def _put_in_place(building: Path, home: Path, at: Step) -> None:
    building.chmod(0o600)
    _fsync(building)
    at("synced")
    # A log left by a killed keeper belongs to the old file and must not be played into the new one.
    _wal(home / RESULTS).unlink(missing_ok=True)
    at("unlogged")
    building.rename(home / RESULTS)
    fsync_folder(home)
    at("swapped")


def _load(connection: duckdb.DuckDBPyConnection, home: Path, sealed: Sealed, at: Step) -> Loaded:
    there = {path for (path,) in connection.execute("select path from sealed.loaded").fetchall()}
    _let_go(connection, sealed, there, at)
    missing = [segment for segment in sealed.segments if segment.path not in there]
    for _, sealing in groupby(missing, key=lambda segment: (segment.session_id, segment.first_change)):
        _load_sealing(connection, home / "segments", tuple(sealing), at)
    return Loaded(len(missing), sum(segment.rows for segment in missing))


def _load_sealing(connection: duckdb.DuckDBPyConnection, folder: Path, sealing: Sequence[Segment], at: Step) -> None:
    paths = [checked(folder, segment) for segment in sealing]
    connection.begin()
    at("begun")
    for segment, path in zip(sealing, paths, strict=True):
        bring_in(connection, path, segment.table)
    at("inserted")
    for segment, path in zip(sealing, paths, strict=True):
        if segment.table == "fills":
            _sum_again(connection, path)
        connection.execute("insert into sealed.loaded values (?, ?, ?)", [segment.path, segment.sha256, segment.rows])
    at("noted")
    connection.commit()
    at("committed")


def _sum_again(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Add up the executions of every session that a file of fills touches."""
    touched = "select distinct session_id from read_parquet(?)"
    connection.execute(f"delete from sealed.fill_sums where session_id in ({touched})", [str(path)])  # noqa: S608
    connection.execute(_SUMS, [str(path)])


def _let_go(connection: duckdb.DuckDBPyConnection, sealed: Sealed, there: set[str], at: Step) -> None:
    """Remove the rows of retired sessions, and the lines of files that others replaced, in one transaction."""
    registered = {segment.path for segment in sealed.segments}
    kept_sessions = {
        session_id for (session_id,) in connection.execute("select session_id from sealed.sessions").fetchall()
    }
    gone, lines = sorted(sealed.retired & kept_sessions), sorted(there - registered)
    if not gone and not lines:
        return
    connection.begin()
    for table in (*_KEYS, "fill_sums") if gone else ():
        connection.execute(f"delete from sealed.{table} where session_id in (select unnest(?))", [gone])  # noqa: S608
    connection.execute("delete from sealed.loaded where path in (select unnest(?))", [lines])
    at("let go")
    connection.commit()
    at("gone")


def _content_before(home: Path) -> Content | None:
    if not (home / RESULTS).exists():
        return None
    try:
        with connected(home / RESULTS, read_only=True) as connection:
            return _content_of_current(connection)
    except StoreBusy:
        raise
    except (StoreError, duckdb.Error):
        return None


def _content_of_current(connection: duckdb.DuckDBPyConnection) -> Content | None:
    return content_of(connection) if _is_current(connection) else None


def _is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether these scripts made the file; results of older ones are built anew."""
    return connection.execute("select sql_sha256 from sealed.version").fetchone() == (_VERSION,)


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
