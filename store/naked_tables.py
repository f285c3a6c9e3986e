"""The table of what legs stood alone outside pairs, by session and UTC day; what they did inside is in their pairs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Table
from sqlmodel import Field

from store.columns import Derived
from store.segment_tables import metadata
from store.tables import Row

__all__ = ["NAKED_OUTSIDE", "metadata"]


class NakedOutsideRow(Row, table=True):
    """Naked quote units x seconds outside pairs: of one session on one UTC day, of which `day` is the first moment.

    counted_until: up to when they are counted; usd: what stands alone from then on, quote units.
    """

    __tablename__ = "naked_outside"
    naked_id: str = Field(primary_key=True)
    session_id: str = Field(index=True)
    day: datetime = Field(index=True)
    usd_seconds: Decimal = Field(sa_type=Derived)
    counted_until: datetime
    usd: Decimal = Field(sa_type=Derived)
    change: int = Field(sa_type=BigInteger)


NAKED_OUTSIDE: Table = metadata.tables["naked_outside"]
