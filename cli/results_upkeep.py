"""What `hedge results hash rebuild compact retain` do and say. Decides nothing about which rows hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import typer

from cli.output import columns, emit
from cli.place import DONE, NOT_CLEAN, here, now, opened
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from store.content import Content
    from store.segment_reads import Ripe


def show_hash(*, as_json: bool) -> int:
    """Print the hashes of what is in the results; writes nothing."""
    from store.warehouse import content

    found = content(here().path)
    emit(_document(found)) if as_json else typer.echo(_table(found))
    return DONE


def rebuild(*, check_only: bool, as_json: bool) -> int:
    """Build the results anew from the segments; exit code 1 when they differ from what was there."""
    with opened() as store:
        done = store.rebuild(check_only=check_only)
    if as_json:
        before = None if done.before is None else _document(done.before)
        document = {"identical": done.is_identical, "replaced": not check_only, "segments": done.loaded.segments}
        emit({**document, "before": before, "after": _document(done.after)})
    else:
        typer.echo(_table(done.after, done.before))
        typer.echo(_verdict(done.is_identical, check_only=check_only, segments=done.loaded.segments))
    return NOT_CLEAN if done.is_identical is False else DONE


def compact(*, rows_max: int, as_json: bool) -> int:
    """Merge small segments; exit code 1 when the results are not the same afterwards."""
    from store.upkeep import compact as merge

    with opened() as store:
        done = merge(store.upkeep(), rows_max=rows_max)
    is_same = done.before == done.after
    if as_json:
        emit({
            "filesBefore": done.files_before, "filesAfter": done.files_after, "identical": is_same,
            "merged": [{"file": one.path, "rows": one.rows, "sha256": one.sha256} for one in done.merged],
            "sha256": done.after.sha256,
        })  # fmt: skip
    else:
        rows = [(one.table, one.rows, one.path) for one in done.merged]
        typer.echo(columns(("table", "rows", "file"), rows, right=("rows",)) if rows else "nothing to merge")
        typer.echo(f"{done.files_before} files, now {done.files_after}; results {_same(is_same)}: {done.after.sha256}")
    return DONE if is_same else NOT_CLEAN


def retain(*, days: int | None, before: str | None, yes: bool, as_json: bool) -> int:
    """Say which sessions would leave the results, and with yes let them go."""
    from store.upkeep import retire, ripe

    at = now()
    cutoff = _cutoff(days, before, at)
    with opened() as store:
        found = ripe(store.upkeep(), cutoff, at)
        done = retire(store.upkeep(), cutoff, at) if yes else None
    gone = {one.session_id for one in found if one.stays_because is None} if done is None else set(done.sessions)
    if as_json:
        sessions = [
            {
                "sessionId": one.session_id, "name": one.name, "goes": one.session_id in gone,
                "endedAt": None if one.ended_at is None else one.ended_at.isoformat(), "stays": one.stays_because,
            }
            for one in found
        ]  # fmt: skip
        figures = None if done is None else {"rows": done.rows, "filesRemoved": done.files_removed}
        emit({"before": cutoff.isoformat(), "done": yes, "sessions": sessions, "removed": figures})
        return DONE
    typer.echo(_ripe_table(found, gone) if found else f"no session ended before {cutoff:%Y-%m-%d %H:%M} UTC")
    if done is not None:
        typer.echo(f"{len(gone)} sessions, {done.rows} rows left the results; {done.files_removed} files removed")
    elif gone:
        typer.echo(f"{len(gone)} sessions would leave the results; add --yes to let them go")
    return DONE


def _cutoff(days: int | None, before: str | None, at: datetime) -> datetime:
    if (days is None) == (before is None):
        raise ConfigurationError("say either --days N or --before DATE", field="days")
    if days is not None:
        return at - timedelta(days=days)
    try:
        cutoff = datetime.combine(date.fromisoformat(before or ""), time(), UTC)
    except ValueError:
        raise ConfigurationError(f"--before is a day such as 2026-03-01, not {before}", field="before") from None
    if cutoff > at:
        raise ConfigurationError(f"--before {before} is in the future", field="before")
    return cutoff


def _ripe_table(found: list[Ripe], gone: set[str]) -> str:
    rows = [
        (
            one.session_id, one.name, "" if one.ended_at is None else f"{one.ended_at:%Y-%m-%d %H:%M}",
            "goes" if one.session_id in gone else f"stays: {one.stays_because or 'it changed just now'}",
        )
        for one in found
    ]  # fmt: skip
    return columns(("session", "name", "ended (UTC)", "what happens"), rows)


def _table(found: Content, before: Content | None = None) -> str:
    earlier = {} if before is None else {table.name: table for table in before.tables}
    rows = []
    for table in found.tables:
        said = "" if before is None else _same(earlier.get(table.name) == table)
        rows.append((table.name, table.rows, table.sha256, said))
    rows.append(("all", found.rows, found.sha256, "" if before is None else _same(before == found)))
    width = 3 if before is None else 4
    titles = ("table", "rows", "sha256", "before")[:width]
    return columns(titles, [row[:width] for row in rows], right=("rows",))


def _verdict(is_identical: bool | None, *, check_only: bool, segments: int) -> str:
    of = f"{segments} segments"
    done = "nothing was replaced" if check_only else "the new file is in its place"
    if is_identical is None:
        return f"built from {of}; there was nothing readable to compare with; {done}"
    if is_identical:
        return f"built from {of}: identical to what was there; {done}"
    return f"built from {of}: NOT identical to what was there; {done}. Segments and their registry hold"


def _same(is_same: bool) -> str:
    return "identical" if is_same else "differs"


def _document(found: Content) -> dict[str, object]:
    tables = {table.name: {"rows": table.rows, "sha256": table.sha256} for table in found.tables}
    return {"rows": found.rows, "sha256": found.sha256, "tables": tables}
