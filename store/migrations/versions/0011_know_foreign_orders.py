"""Know the orders of somebody else that rest on the installation's own accounts.

Revision 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from store.columns import Exact

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "foreign_orders",
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("venue_order_id", AutoString(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("side", AutoString(), nullable=True),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("first_seen_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "venue_order_id", name=op.f("pk_foreign_orders")),
    )
    op.create_index(op.f("ix_foreign_orders_venue_symbol"), "foreign_orders", ["venue", "symbol"])


def downgrade() -> None:
    op.drop_index(op.f("ix_foreign_orders_venue_symbol"), table_name="foreign_orders")
    op.drop_table("foreign_orders")
