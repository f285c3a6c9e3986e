"""Writing calls that carry an Idempotency-Key, and the first answer to each, so that a repeated call gets it again.

Who carries a call out holds it for a short while and renews; when that process dies another one may take the call up,
so what a call does must be safe to do again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from store.api_records import CallState, KeptCall
from store.operations.upsert import insert_into
from store.tables import IDEMPOTENCY
from store.writer import Tx


def begin_call(
    tx: Tx, key_id: str, idempotency_key: str, *, call: str, body_sha256: str,
    holder: str, now: datetime, hold_s: float, keep_s: float,
) -> KeptCall:  # fmt: skip
    """Take a call up, or say what became of it. Answers older than keep_s seconds are forgotten."""
    tx.connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.created_at < now - timedelta(seconds=keep_s)))
    this = _this(key_id, idempotency_key)
    held_until = now + timedelta(seconds=hold_s)
    new = insert_into(tx.connection, IDEMPOTENCY).values(
        key_id=key_id, idempotency_key=idempotency_key, call=call, body_sha256=body_sha256, holder=holder,
        held_until=held_until, status=None, body=None, created_at=now,
    )  # fmt: skip
    # What came back says whether it was written; how many rows an insert wrote is not told by every driver.
    if tx.connection.execute(new.on_conflict_do_nothing().returning(IDEMPOTENCY.c.key_id)).first() is not None:
        return KeptCall(CallState.FRESH)
    row = tx.connection.execute(select(IDEMPOTENCY).where(this).with_for_update()).mappings().one()
    if (row["call"], row["body_sha256"]) != (call, body_sha256):
        return KeptCall(CallState.CONFLICT)
    if row["status"] is not None:
        return KeptCall(CallState.ANSWERED, int(row["status"]), row["body"])
    if row["held_until"] > now:
        return KeptCall(CallState.RUNNING)
    tx.connection.execute(update(IDEMPOTENCY).where(this).values(holder=holder, held_until=held_until))
    return KeptCall(CallState.FRESH)


def hold_call(tx: Tx, key_id: str, idempotency_key: str, *, holder: str, until: datetime) -> bool:
    """Go on holding a call; False when somebody else took it up or it is answered."""
    this = (_this(key_id, idempotency_key), IDEMPOTENCY.c.holder == holder, IDEMPOTENCY.c.status.is_(None))
    return tx.connection.execute(update(IDEMPOTENCY).where(*this).values(held_until=until)).rowcount == 1


def answer_call(tx: Tx, key_id: str, idempotency_key: str, *, holder: str, status: int, body: str) -> bool:
    """Keep the answer to a call; the first one holds, and only its holder may give it."""
    this = (_this(key_id, idempotency_key), IDEMPOTENCY.c.holder == holder, IDEMPOTENCY.c.status.is_(None))
    return tx.connection.execute(update(IDEMPOTENCY).where(*this).values(status=status, body=body)).rowcount == 1


def forget_call(tx: Tx, key_id: str, idempotency_key: str, *, holder: str) -> None:
    """Let a call be made anew: nothing was changed by it."""
    this = (_this(key_id, idempotency_key), IDEMPOTENCY.c.holder == holder, IDEMPOTENCY.c.status.is_(None))
    tx.connection.execute(delete(IDEMPOTENCY).where(*this))


def _this(key_id: str, idempotency_key: str) -> ColumnElement[bool]:
    return (IDEMPOTENCY.c.key_id == key_id) & (IDEMPOTENCY.c.idempotency_key == idempotency_key)
