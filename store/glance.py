"""The list of sessions at a glance, straight from the SQLite file: for a first answer before any library is loaded.

Reads one table and nothing else; whoever needs more opens the store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

_COLUMNS = (
    "session_id, name, symbol, environment, status, status_reason, accounts, volume_generated, volume_target, pnl, "
    "fees, pairs_filled, created_at, flow_run_id"
)


@dataclass(frozen=True, slots=True)
class Glance:
    """One session; money in quote units, created_at as ISO 8601 in UTC."""

    session_id: str
    name: str
    symbol: str
    environment: str
    status: str
    reason: str | None
    accounts: tuple[str, ...]
    volume: Decimal
    volume_target: Decimal | None
    pnl: Decimal
    fees: Decimal
    pairs_filled: int
    created_at: str
    flow_run_id: str | None


def sessions_at_a_glance(home: Path, *, statuses: Collection[str] = (), limit: int = 50) -> list[Glance] | None:
    """Return the newest sessions of a data folder, newest first; no statuses means all.

    None when the file is not there or cannot be read in this simple way: then ask the store, which says why.
    """
    database = home / "hedge.db"
    if not database.is_file():
        return None
    chosen = f" where status in ({', '.join('?' for _ in statuses)})" if statuses else ""
    newest = f"select {_COLUMNS} from sessions{chosen} order by created_at desc, session_id desc limit ?"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return [_glance(row) for row in connection.execute(newest, (*statuses, limit))]
    except sqlite3.Error:
        return None


def _glance(row: tuple[str, ...]) -> Glance:
    target, day, _, clock = row[8], *row[12].partition(" ")
    return Glance(
        session_id=row[0], name=row[1], symbol=row[2], environment=row[3], status=row[4], reason=row[5],
        accounts=tuple(json.loads(row[6])), volume=Decimal(row[7]),
        volume_target=None if target is None else Decimal(target), pnl=Decimal(row[9]), fees=Decimal(row[10]),
        pairs_filled=int(row[11]), created_at=f"{day}T{clock[:8]}+00:00", flow_run_id=row[13],
    )  # fmt: skip
