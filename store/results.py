"""Reading the results: one session's rows out of results.duckdb, as plain values. Writes nothing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from store.warehouse import results

VIEWS = (
    "sessions",
    "pairs",
    "orders",
    "fills",
    "funding",
    "positions",
    "risk_events",
    "ledger",
    "statements",
    "funding_checks",
    "naked_by_day",
    "certificates",
)


def session_rows(home: Path, view: str, session_id: str) -> list[dict[str, Any]]:
    """Return a session's rows of one view as dictionaries by column, in order of time; raises StoreError."""
    if view not in VIEWS:
        raise ValueError(f"no view {view}; there are {', '.join(VIEWS)}")
    order = {
        "pairs": "sequence", "fills": "venue_time, fill_id", "funding": "paid_at", "positions": '"at"',
        "ledger": '"at", posting_id', "statements": "venue, account_id", "funding_checks": '"at", account_id',
        "naked_by_day": '"day"', "certificates": "position",
    }  # fmt: skip
    by = order.get(view, "created_at")
    with results(home) as connection:
        cursor = connection.execute(f"select * from {view} where session_id = ? order by {by}", [session_id])  # noqa: S608
        columns = [str(column[0]) for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def counted_fills(home: Path, session_id: str) -> list[dict[str, Any]]:
    """Return a session's rows of the view `fills` without those that a venue undid; raises StoreError."""
    return [row for row in session_rows(home, "fills", session_id) if row["busted_at"] is None]


def session_fills(home: Path, session_id: str) -> list[tuple[str, str, Decimal, Decimal, Decimal]]:
    """Return (venue, side, quantity, price, fee) of each execution of a session that counts, for comparison."""
    return [
        (row["venue"], row["side"], row["quantity"], row["price"], row["fee"])
        for row in counted_fills(home, session_id)
    ]
