"""The table of orders that rest on the installation's own accounts and that no journal of ours explains."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index, Table
from sqlmodel import Field

from store.columns import Exact
from store.naked_tables import metadata
from store.tables import Row

__all__ = ["FOREIGN_ORDERS", "metadata"]


class ForeignOrderRow(Row, table=True):
    """Orders of somebody else as the venue listed them last; one that is listed no more is removed.

    side and price are null where it lies in no book, or the venue does not tell.
    """

    __tablename__ = "foreign_orders"
    __table_args__ = (Index(None, "venue", "symbol"),)
    account_id: str = Field(primary_key=True)
    venue_order_id: str = Field(primary_key=True)
    venue: str
    symbol: str
    side: str | None
    price: Decimal | None = Field(sa_type=Exact)
    first_seen_at: datetime
    seen_at: datetime


FOREIGN_ORDERS: Table = metadata.tables["foreign_orders"]
