"""Upkeep of the segments: merging small files into larger ones, and retiring sessions. Leaves the journal's rows alone.

A new file is written under a hidden name, read back and compared by hash with what it replaces, fsynced and renamed;
one transaction of the registry then puts it in the place of the old ones, and only after that the old ones are removed.
Killed anywhere, either the old files are registered or the new one is, and the next upkeep removes what nobody needs.
Sealing and loading go on meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from store.content import Content, TableContent, content_of, table_content
from store.errors import StoreError, StoreFull
from store.journal import Journal
from store.locks import RESULTS, WAIT_S, Pause, kept, upkeep, wait
from store.records import Segment
from store.segment_reads import Ripe, Sealed, SegmentReads
from store.segments import SOURCES, Source, Step, fsync_folder, no_step, sha256_of
from store.warehouse import bring_in, checked, connected, created, load_kept

ROWS_MAX = 1_000_000
# No session's file can begin so: ids are quoted, and a quoted id has no plus sign.
MERGED = "merged+"
_SOURCES = {source.name: source for source in SOURCES}


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one compacting did: files before and after, and the content of results before and after."""

    files_before: int
    files_after: int
    merged: tuple[Segment, ...]
    before: Content
    after: Content


@dataclass(frozen=True, slots=True)
class Retired:
    """What one retiring took out of results."""

    sessions: tuple[str, ...]
    rows: int
    files_removed: int
    after: Content


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Where upkeep works, and how it waits. `at` is called with the name of each step just completed."""

    home: Path
    reads: SegmentReads
    journal: Journal
    at: Step = no_step
    wait_s: float = WAIT_S
    pause: Pause = wait

    @property
    def folder(self) -> Path:
        """Where the segments are."""
        return self.home / "segments"


def compact(here: Upkeep, *, rows_max: int = ROWS_MAX) -> Compacted:
    """Merge segments of the same table into files of at most rows_max rows; results stay the same, by hash.

    Raises StoreBusy, SegmentCorrupt for a file that is not what was registered, StoreFull, StoreError.
    """
    with _typed(here.folder), upkeep(here.home, here.wait_s, here.pause):
        tidy(here)
        files = here.reads.sealed().segments
        with _workshop() as connection:
            merged = {_merge(here, connection, group): group for group in groups(files, rows_max)}
        fsync_folder(here.folder)
        here.at("durable")
        with kept(here.home, here.wait_s, here.pause):
            sealed = here.reads.sealed()
            before = _loaded(here, sealed)
            if merged:
                here.journal.replace_segments.now(merged)
                here.at("registered")
                gone = {segment for group in merged.values() for segment in group}
                left = (segment for segment in sealed.segments if segment not in gone)
                after = _loaded(here, Sealed((*left, *merged), sealed.retired))
            else:
                after = before
            here.at("loaded")
        tidy(here)
        after_count = len(files) - sum(map(len, merged.values())) + len(merged)
        return Compacted(len(files), after_count, tuple(merged), before, after)


def retire(here: Upkeep, before: datetime, now: datetime) -> Retired:
    """Take every session that ended before a time and is settled in full out of results and segments.

    The operational store keeps its rows. `ripe` says beforehand what would go. Raises as `compact` does.
    """
    with _typed(here.folder), upkeep(here.home, here.wait_s, here.pause):
        tidy(here)
        going = {one.session_id: one.sealed_until for one in ripe(here, before, now) if one.stays_because is None}
        files = here.reads.sealed().segments
        merged, emptied = _without(here, [one for one in files if not one.session_id], frozenset(going))
        fsync_folder(here.folder)
        here.at("durable")
        with kept(here.home, here.wait_s, here.pause):
            rows_before = _loaded(here, here.reads.sealed()).rows
            if going:
                here.journal.retire_sessions.now(going, now, merged=merged, emptied=emptied)
                here.at("registered")
            after = _loaded(here, here.reads.sealed())
            here.at("loaded")
        removed = tidy(here)
        return Retired(tuple(going), rows_before - after.rows, removed, after)


def ripe(here: Upkeep, before: datetime, now: datetime) -> list[Ripe]:
    """Return the sessions from before a time, oldest first, each with what keeps it; writes nothing."""
    return here.reads.ripe(before, now)


def tidy(here: Upkeep) -> int:
    """Remove files that others replaced, and merged files that no registration names; return how many."""
    registered = {segment.path for segment in here.reads.sealed().segments}
    replaced = set(here.reads.replaced())
    removed = 0
    for path in sorted(here.folder.iterdir()):
        unknown = path.name.lstrip(".").startswith(MERGED)
        if path.name not in registered and (unknown or path.name in replaced):
            path.unlink(missing_ok=True)
            removed += 1
            here.at("removed")
    return removed


def groups(files: Sequence[Segment], rows_max: int) -> list[tuple[Segment, ...]]:
    """Choose what is merged: small files of one table in the order of their changes, at most rows_max rows together."""
    chosen: list[tuple[Segment, ...]] = []
    for source in SOURCES:
        group: list[Segment] = []
        for segment in (one for one in files if one.table == source.name and one.rows < rows_max):
            if group and sum(one.rows for one in group) + segment.rows > rows_max:
                chosen.append(tuple(group))
                group = []
            group.append(segment)
        chosen.append(tuple(group))
    return [group for group in chosen if len(group) > 1]


def _without(
    here: Upkeep, files: Sequence[Segment], going: frozenset[str]
) -> tuple[dict[Segment, tuple[Segment, ...]], list[Segment]]:
    """Write merged files that hold rows of these sessions anew without them; those with nothing else are emptied."""
    merged: dict[Segment, tuple[Segment, ...]] = {}
    emptied: list[Segment] = []
    with _workshop() as connection:
        for file in files:
            path = checked(here.folder, file)
            held = connection.execute("select distinct session_id from read_parquet(?)", [str(path)]).fetchall()
            sessions = {session_id for (session_id,) in held}
            if sessions <= going:
                emptied.append(file)
            elif sessions & going:
                merged[_merge(here, connection, (file,), going)] = (file,)
    return merged, emptied


@contextmanager
def _workshop() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty results database in memory, to merge in."""
    with connected(None) as connection:
        created(connection)
        yield connection


def _merge(
    here: Upkeep,
    connection: duckdb.DuckDBPyConnection,
    group: Sequence[Segment],
    without: frozenset[str] = frozenset(),
) -> Segment:
    """Write the rows of several files into one and prove that they are there; each row in its latest version."""
    source = _SOURCES[group[0].table]
    hidden = here.folder / f".{MERGED}{source.name}.{os.getpid()}.tmp"
    hidden.unlink(missing_ok=True)
    sealed = f"sealed.{source.name}"
    connection.execute(f"truncate {sealed}")
    for segment in group:
        bring_in(connection, checked(here.folder, segment), source.name)
    connection.execute(f"delete from {sealed} where session_id in (select unnest(?))", [sorted(without)])  # noqa: S608
    wanted = table_content(connection, source, sealed)
    columns = ", ".join(f'"{column.name}"' for column in source.table.c)
    connection.execute(
        f"copy (select {columns} from {sealed} order by session_id, {source.key}) to {_quoted(hidden)} "  # noqa: S608
        "(format parquet, compression zstd)"
    )
    found = table_content(connection, source, f"read_parquet({_quoted(hidden)})")
    here.at("written")
    return _named(here, source, group, hidden, (wanted, found))


def _named(
    here: Upkeep, source: Source, group: Sequence[Segment], hidden: Path, contents: tuple[TableContent, TableContent]
) -> Segment:
    """Make a written file durable and give it its name, when it holds what it should."""
    wanted, found = contents
    if wanted != found:
        hidden.unlink()
        raise StoreError(
            f"merging {len(group)} segments of {source.name} gave {found.rows} rows instead of the {wanted.rows} that "
            "are there; nothing was changed, run it again and look at the disk's health"
        )
    hidden.chmod(0o600)
    handle = os.open(hidden, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    first, last, digest = min(s.first_change for s in group), max(s.last_change for s in group), sha256_of(hidden)
    # The same rows written again make the same bytes, and the file being replaced may be one of them.
    made_of = hashlib.sha256("\n".join(sorted(s.path for s in group)).encode()).hexdigest()[:8]
    name = f"{MERGED}{source.name}.{first}-{last}.{digest[:16]}.{made_of}.parquet"
    hidden.rename(here.folder / name)
    here.at("renamed")
    return Segment("", source.name, first, last, name, found.rows, digest)


def _loaded(here: Upkeep, sealed: Sealed) -> Content:
    """Bring results up to a registry and hash them; for the keeper alone."""
    load_kept(here.home, sealed, here.at)
    with connected(here.home / RESULTS, read_only=True) as connection:
        return content_of(connection)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextmanager
def _typed(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(
            f"segments in {folder} could not be merged ({error}); nothing was lost, run it again"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(f"no space left for merged segments in {folder}: free some, then run it again") from error
        raise StoreError(f"segments in {folder} cannot be written: {error}") from error
