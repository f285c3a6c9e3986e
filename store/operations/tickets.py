"""Writing tickets: short-lived, single-use admissions to the live stream for those who cannot send a header."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert

from store.tables import TICKETS
from store.writer import Tx


def create_ticket(tx: Tx, ticket_sha256: str, key_id: str, *, expires_at: datetime, now: datetime) -> None:
    """Write a ticket of a key; those that ran out are thrown away."""
    tx.connection.execute(delete(TICKETS).where(TICKETS.c.expires_at <= now))
    tx.connection.execute(insert(TICKETS).values(ticket_sha256=ticket_sha256, key_id=key_id, expires_at=expires_at))


def redeem_ticket(tx: Tx, ticket_sha256: str, *, now: datetime) -> str | None:
    """Use a ticket up and return its key's id; None when it is unknown, used or ran out."""
    statement = (
        delete(TICKETS)
        .where(TICKETS.c.ticket_sha256 == ticket_sha256)
        .returning(TICKETS.c.key_id, TICKETS.c.expires_at)
    )
    row = tx.connection.execute(statement).one_or_none()
    if row is None or row[1] <= now:
        return None
    return str(row[0])
