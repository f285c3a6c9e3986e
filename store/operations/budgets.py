"""Lending request credits from rows that all processes share. How much may be lent is core.credits' decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from core.credits import Held, Loan, LoanRequest, Pool, Terms, full_pool, lend, paused
from store.tables import BUDGETS
from store.writer import Tx


def borrow_credits(tx: Tx, key: str, request: LoanRequest, now: datetime) -> Loan:
    """Lend from a budget in one transaction; a budget nobody used yet is full."""
    pool, loan = lend(_take(tx, key, request.terms, now), request, now)
    _put(tx, key, pool)
    return loan


def pause_budget(tx: Tx, key: str, terms: Terms, until: datetime, now: datetime) -> None:
    """Lend nothing of a budget before a time: the venue said so to one of its users."""
    _put(tx, key, paused(_take(tx, key, terms, now), until))


def _take(tx: Tx, key: str, terms: Terms, now: datetime) -> Pool:
    """Read a budget's row and hold it to the end of the transaction; make it first when it is not there."""
    chosen = select(BUDGETS).where(BUDGETS.c.key == key).with_for_update()
    row = tx.connection.execute(chosen).mappings().one_or_none()
    if row is None:
        values = {"key": key, **_columns(full_pool(terms, now))}
        # Two processes on a server may come first at the same moment.
        if tx.connection.dialect.name == "postgresql":
            tx.connection.execute(postgresql.insert(BUDGETS).values(**values).on_conflict_do_nothing())
        elif tx.connection.dialect.name == "sqlite":
            tx.connection.execute(sqlite.insert(BUDGETS).values(**values).on_conflict_do_nothing())
        else:
            tx.connection.execute(insert(BUDGETS).values(**values))
        row = tx.connection.execute(chosen).mappings().one()
    held = cast("Mapping[str, tuple[float, str]]", row["held"])
    return Pool(
        Terms(row["capacity"], row["per_s"], row["reserve"], row["is_stated"]),
        row["credits"],
        row["refilled_at"],
        row["paused_until"],
        {name: Held(credits, datetime.fromisoformat(until)) for name, (credits, until) in held.items()},
    )


def _put(tx: Tx, key: str, pool: Pool) -> None:
    tx.connection.execute(update(BUDGETS).where(BUDGETS.c.key == key).values(**_columns(pool)))


def _columns(pool: Pool) -> dict[str, object]:
    terms = pool.terms
    return {
        "capacity": terms.capacity,
        "per_s": terms.per_s,
        "reserve": terms.reserve,
        "is_stated": terms.is_stated,
        "credits": pool.credits,
        "refilled_at": pool.refilled_at,
        "paused_until": pool.paused_until,
        "held": {name: [held.credits, held.until.isoformat()] for name, held in pool.held.items()},
    }
