"""Writing what legs of a session stood alone outside its pairs, by UTC day, and the session's sum with it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import insert, update

from store.naked_records import NakedDay, first_moment_of
from store.naked_tables import NAKED_OUTSIDE
from store.operations.sessions import set_naked_total
from store.writer import Tx


def record_naked(tx: Tx, session_id: str, days: Sequence[NakedDay], *, total: Decimal) -> None:
    """Replace what stood alone on these days outside pairs, and the session's own sum, pairs included; all or nothing.

    Quote units x seconds. Writing the same again changes no figure. Raises SessionNotFound.
    """
    for naked in days:
        key = f"{session_id}:{naked.day.isoformat()}"
        values = {
            "usd_seconds": naked.usd_seconds, "counted_until": naked.counted_until, "usd": naked.usd,
            "change": tx.change,
        }  # fmt: skip
        replaced = update(NAKED_OUTSIDE).where(NAKED_OUTSIDE.c.naked_id == key).values(**values)
        if tx.connection.execute(replaced).rowcount == 0:
            named = {"naked_id": key, "session_id": session_id, "day": first_moment_of(naked.day)}
            tx.connection.execute(insert(NAKED_OUTSIDE).values(**named, **values))
    set_naked_total(tx, session_id, total)
