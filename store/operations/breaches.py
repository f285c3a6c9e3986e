"""Writing breaches and what operators decided about them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping, insert, select, update

from store.errors import BreachNotFound
from store.records import Breach, BreachAction, NewBreach
from store.rows import breach_of, columns_of
from store.tables import BREACHES
from store.writer import Tx


def record_breach(tx: Tx, new: NewBreach) -> Breach:
    """Write a breach; one that exists with this id is returned as it stands."""
    found = _find(tx, new.breach_id)
    if found is None:
        tx.connection.execute(insert(BREACHES).values(**columns_of(new), change=tx.change))
    return breach_of(found if found is not None else _get(tx, new.breach_id))


def acknowledge_breach(
    tx: Tx, session_id: str, breach_id: str, action: BreachAction, *, at: datetime, comment: str | None = None
) -> Breach:
    """Note an operator's decision; the first one holds. Raises BreachNotFound."""
    found = _find(tx, breach_id)
    if found is None or found["session_id"] != session_id:
        raise BreachNotFound(f"session {session_id} has no breach {breach_id}", breachId=breach_id)
    if found["acknowledged_at"] is not None:
        return breach_of(found)
    values = {"acknowledged_at": at, "action": action.value, "comment": comment, "change": tx.change}
    tx.connection.execute(update(BREACHES).where(BREACHES.c.breach_id == breach_id).values(**values))
    return breach_of(_get(tx, breach_id))


def _find(tx: Tx, breach_id: str) -> RowMapping | None:
    return tx.connection.execute(select(BREACHES).where(BREACHES.c.breach_id == breach_id)).mappings().one_or_none()


def _get(tx: Tx, breach_id: str) -> RowMapping:
    return tx.connection.execute(select(BREACHES).where(BREACHES.c.breach_id == breach_id)).mappings().one()
