"""`hedge results …`: SQL on results.duckdb, and its upkeep. A query's connection can neither write nor open files."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.nouns import noun
from cli.output import clean, columns, shortened
from cli.place import here
from core.errors import ConfigurationError, RequestRefused
from core.numbers import canonical

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

app = noun("Ask the results with SQL, prove and tidy them.")

ROWS_SHOWN = 200
_WIDTH_MAX = 48
_BATCH = 1000


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects; numbers as exact text.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values with a head line.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows of a table to show; --json and --csv give all.")] = ROWS_SHOWN,
) -> None:
    """Answer one SQL question from the views sessions, pairs, orders, fills, funding, positions, risk_events."""
    if as_json and as_csv:
        raise ConfigurationError("--json and --csv exclude each other; give one", field="json")
    import duckdb

    from store.warehouse import results

    text = sys.stdin.read() if sql == "-" else sql
    with results(here().path) as connection:
        try:
            _shut_in(connection)
            names, rows = _asked(connection, text)
            _write(names, rows, as_json=as_json, as_csv=as_csv, limit=limit)
        except duckdb.Error as error:
            raise RequestRefused(f"the query was refused: {_sentence(error)}", field="sql") from None


AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command(name="hash")
def hash_(as_json: AsJson = False) -> None:
    """Print a hash of each table's content and one of all; writes nothing."""
    from cli.results_upkeep import show_hash

    raise typer.Exit(show_hash(as_json=as_json))


@app.command()
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Build and compare only; replace nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the results anew from the segments; exit code 1 when they differ from what was there."""
    from cli.results_upkeep import rebuild as run

    raise typer.Exit(run(check_only=check, as_json=as_json))


@app.command()
def compact(
    rows: Annotated[int, typer.Option(min=1, help="Rows of a merged file at most.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Merge small segments of a table into larger ones; the results stay the same, proven by hash."""
    from cli.results_upkeep import compact as run

    raise typer.Exit(run(rows_max=rows, as_json=as_json))


@app.command()
def retain(
    days: Annotated[int | None, typer.Option(min=1, max=36500, help="Keep sessions that ended in these days.")] = None,
    before: Annotated[str | None, typer.Option(help="Let go of what ended before this day (UTC), 2026-03-01.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only what would go is told.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take old sessions, ended and settled in full, out of the results; tells what would go until --yes is given."""
    from cli.results_upkeep import retain as run

    raise typer.Exit(run(days=days, before=before, yes=yes, as_json=as_json))


def _shut_in(connection: DuckDBPyConnection) -> None:
    """No file beside the results, no extension, no network, and no way back."""
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _asked(connection: DuckDBPyConnection, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RequestRefused(f"give one statement, not {len(statements)}", field="sql")
    cursor = connection.execute(statements[0])
    if cursor.description is None:
        raise RequestRefused("the statement gives no rows; ask with SELECT", field="sql")

    def rows() -> Iterator[tuple[Any, ...]]:
        while batch := cursor.fetchmany(_BATCH):
            yield from batch

    return [str(column[0]) for column in cursor.description], rows()


def _write(names: list[str], rows: Iterator[tuple[Any, ...]], *, as_json: bool, as_csv: bool, limit: int) -> None:
    if as_json:
        _write_json(names, rows)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_plain(cell) for cell in row] for row in rows)
    else:
        _write_table(names, rows, limit)


def _write_json(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """One object a line, so that any number of rows passes through."""
    sys.stdout.write("[")
    for number, row in enumerate(rows):
        document = json.dumps(
            {name: _plain(cell) for name, cell in zip(names, row, strict=True)}, default=str, ensure_ascii=False
        )
        sys.stdout.write((",\n " if number else "\n ") + document)
    sys.stdout.write("\n]\n")


def _write_table(names: list[str], rows: Iterator[tuple[Any, ...]], limit: int) -> None:
    found = [row for row, _ in zip(rows, range(limit + 1), strict=False)]
    shown = [["" if cell is None else shortened(_plain(cell), _WIDTH_MAX) for cell in row] for row in found[:limit]]
    numeric = [
        name
        for n, name in enumerate(names)
        if found and all(isinstance(row[n], int | float | Decimal | None) for row in found)
    ]
    typer.echo(columns(names, shown, right=numeric))
    if len(found) > limit:
        typer.echo(f"… more than {limit} rows; raise --limit, or take all with --csv or --json", err=True)
    elif not found:
        typer.echo("no rows", err=True)


def _plain(cell: object) -> object:
    """Decimals without trailing zeros, times in ISO 8601; the rest as it is."""
    match cell:
        case Decimal():
            return canonical(cell)
        case datetime():
            return cell.isoformat()
        case _:
            return cell


def _sentence(error: Exception) -> str:
    """The first line of what the database says, with its suggestion where there is one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hints = [line for line in lines[1:] if line.startswith(("Did you mean", "Candidate"))]
    return clean("; ".join([lines[0] if lines else type(error).__name__, *hints[:1]]))
