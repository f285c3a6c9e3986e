"""Writing which orders of somebody else rest on an account of ours. Cancels none of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, update

from core.account import AccountRef
from core.order import OrderReport
from store.foreign_tables import FOREIGN_ORDERS
from store.writer import Tx


def record_foreign_orders(
    tx: Tx, account: AccountRef, symbol: str, listed: Sequence[OrderReport], *, at: datetime
) -> None:
    """Make these the known orders of somebody else on an account in a market; what is listed no more is forgotten.

    Each must have its venue's id.
    """
    here = (FOREIGN_ORDERS.c.account_id == account.account_id, FOREIGN_ORDERS.c.symbol == symbol)
    ids = [report.venue_order_id for report in listed if report.venue_order_id is not None]
    tx.connection.execute(delete(FOREIGN_ORDERS).where(*here, FOREIGN_ORDERS.c.venue_order_id.not_in(ids)))
    for report in listed:
        values = {
            "side": None if report.resting is None else report.resting.side.value,
            "price": None if report.resting is None else report.resting.price,
            "seen_at": at,
        }
        this = (*here, FOREIGN_ORDERS.c.venue_order_id == report.venue_order_id)
        if tx.connection.execute(update(FOREIGN_ORDERS).where(*this).values(**values)).rowcount == 0:
            named = {
                "account_id": account.account_id, "venue_order_id": report.venue_order_id,
                "venue": account.venue.value, "symbol": symbol, "first_seen_at": at,
            }  # fmt: skip
            tx.connection.execute(insert(FOREIGN_ORDERS).values(**named, **values))
