"""What results have to hold, from the operational store alone: the hashes of docs/results.md in plain Python."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import JSON, Column, select

from store import Store
from store.engine import reading_engine
from store.segments import SOURCES
from store.tables import FILLS
from store.warehouse import content, results

_START = datetime(1970, 1, 1, tzinfo=UTC)


def truth(store: Store, without: Collection[str] = ()) -> dict[str, tuple[int, str]]:
    """Rows and hash of every table as the operational store has it, without some sessions; `all` is the whole."""
    found: dict[str, tuple[int, str]] = {}
    engine = reading_engine(store.url)
    try:
        with engine.connect() as connection:
            for source in SOURCES:
                of = source.table.c.session_id
                chosen = select(source.table).where(of.is_not(None), of.not_in(list(without)))
                rows = connection.execute(chosen).mappings().all()
                digests = sorted(_sha256("".join(_cell(r[c.name], c) for c in source.table.c)) for r in rows)
                names = ",".join(column.name for column in source.table.c)
                lines = [source.name, names, *digests]
                found[source.name] = len(rows), _sha256("".join(f"{line}\n" for line in lines))
    finally:
        engine.dispose()
    whole = "".join(f"{name} {rows} {digest}\n" for name, (rows, digest) in sorted(found.items()))
    return found | {"all": (sum(rows for rows, _ in found.values()), _sha256(whole))}


def told(home: Path) -> dict[str, tuple[int, str]]:
    """The same from results.duckdb, as `hedge results hash` prints it."""
    found = content(home)
    return {table.name: (table.rows, table.sha256) for table in found.tables} | {"all": (found.rows, found.sha256)}


def cash_in_store(store: Store, without: Collection[str] = ()) -> dict[str, tuple[int, Decimal]]:
    """Executions that count, and their cash flow, by session, from the operational store."""
    sums: dict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    engine = reading_engine(store.url)
    try:
        with engine.connect() as connection:
            chosen = select(FILLS).where(FILLS.c.busted_at.is_(None), FILLS.c.session_id.is_not(None))
            for row in connection.execute(chosen).mappings():
                flow = row["quantity"] * row["price"] * (-1 if row["side"] == "buy" else 1) - row["fee"]
                count, cash = sums[row["session_id"]]
                sums[row["session_id"]] = count + 1, cash + flow
    finally:
        engine.dispose()
    return {session_id: figures for session_id, figures in sums.items() if session_id not in without}


def cash_in_results(home: Path) -> dict[str, tuple[int, Decimal]]:
    """The same from the view pnl_by_session."""
    with results(home) as connection:
        rows = connection.execute("select session_id, fills, cash_flow from pnl_by_session").fetchall()
    return {session_id: (int(fills), cash) for session_id, fills, cash in rows}


def _cell(value: object, column: Column[object]) -> str:
    if value is None:
        return "-"
    text = _text(json.dumps(value, separators=(",", ":")) if isinstance(column.type, JSON) else value)
    return f"{len(text.encode())}:{text}"


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value if value else Decimal(0):.18f}"
        case datetime():
            return str((value - _START) // timedelta(microseconds=1))
        case float():
            return f"{value:.16e}"
        case _:
            return str(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
