"""The content of results as hashes: equal exactly when the same rows are there, in whatever order. Reads only.

docs/results.md has the definition, so that anybody can compute them anew from the operational store:
- a cell is `-` when it is null, else the length of its text in bytes, `:` and the text; decimals are written with all
  their 18 decimals, times as microseconds since 1970, floats as C's `%.16e`, booleans as true and false;
- a row's digest is the SHA-256, in hex, of its cells one after the other, in the order of the sealed columns;
- a table's hash is the SHA-256 of its name, its columns joined by commas, and its rows' digests in ascending order,
  each on a line of its own; the overall hash that of the lines `table rows hash`, in ascending order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from sqlalchemy import BigInteger, Boolean, Column, Float
from sqlmodel.sql.sqltypes import UTCDateTime

from store.columns import Derived, Exact
from store.segments import SOURCES, Source

_BATCH = 100_000


@dataclass(frozen=True, slots=True)
class TableContent:
    """One table: how many rows, and the hash of them."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Content:
    """All tables by name, and the hash over them."""

    tables: tuple[TableContent, ...]
    sha256: str

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


def content_of(connection: duckdb.DuckDBPyConnection) -> Content:
    """Hash every sealed table of an open results file; what is derived at loading is not part of it."""
    return combined([table_content(connection, source, f"sealed.{source.name}") for source in SOURCES])


def combined(tables: Sequence[TableContent]) -> Content:
    """Put tables together under one hash."""
    ordered = tuple(sorted(tables, key=lambda table: table.name))
    lines = "".join(f"{table.name} {table.rows} {table.sha256}\n" for table in ordered)
    return Content(ordered, hashlib.sha256(lines.encode()).hexdigest())


def table_content(connection: duckdb.DuckDBPyConnection, source: Source, relation: str) -> TableContent:
    """Hash what a relation (a table, or a call such as read_parquet('…')) holds of a source's columns."""
    cells = ", ".join(_cell(column) for column in source.table.c)
    names = ",".join(column.name for column in source.table.c)
    digest, rows = hashlib.sha256(f"{source.name}\n{names}\n".encode()), 0
    cursor = connection.execute(f"select sha256(concat({cells})) as digest from {relation} order by digest")  # noqa: S608
    while batch := cursor.fetchmany(_BATCH):
        digest.update("".join(f"{row_digest}\n" for (row_digest,) in batch).encode())
        rows += len(batch)
    return TableContent(source.name, rows, digest.hexdigest())


def _cell(column: Column[object]) -> str:
    text = _text(column, f'"{column.name}"')
    return f"case when \"{column.name}\" is null then '-' else strlen({text}) || ':' || {text} end"


def _text(column: Column[object], name: str) -> str:
    match column.type:
        case UTCDateTime():
            return f"epoch_us({name})::varchar"
        case Float():
            return f"format('{{:.16e}}', {name})"
        case Exact() | Derived() | BigInteger() | Boolean():
            return f"{name}::varchar"
        case _:
            return name
