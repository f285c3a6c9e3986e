"""Writing facts that never change once stated: funding payments and snapshots of positions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select

from core.account import Position
from core.market import FundingPayment
from store.rows import columns_of
from store.tables import FUNDING, POSITIONS
from store.writer import Tx


def record_funding(tx: Tx, session_id: str, payments: Sequence[FundingPayment]) -> list[FundingPayment]:
    """Write booked funding payments and return those that were new; a payment id seen before is ignored."""
    new = []
    for payment in payments:
        funding_id = f"{payment.venue.value}:{payment.account_id}:{payment.payment_id}"
        known = select(FUNDING.c.funding_id).where(FUNDING.c.funding_id == funding_id)
        if tx.connection.execute(known).first() is None:
            values = columns_of(payment) | {"funding_id": funding_id, "session_id": session_id, "change": tx.change}
            tx.connection.execute(insert(FUNDING).values(**values))
            new.append(payment)
    return new


def record_positions(tx: Tx, session_id: str, positions: Sequence[Position]) -> None:
    """Write snapshots of positions, each at its own received_time; the same one twice is kept once."""
    for position in positions:
        at = position.received_time
        position_id = f"{session_id}:{position.venue.value}:{position.account_id}:{position.symbol}:{at.isoformat()}"
        known = select(POSITIONS.c.position_id).where(POSITIONS.c.position_id == position_id)
        if tx.connection.execute(known).first() is None:
            values = columns_of(position) | {"position_id": position_id, "session_id": session_id, "at": at}
            del values["received_time"]
            tx.connection.execute(insert(POSITIONS).values(**values, change=tx.change))
