"""Share request budgets between processes; tell why an execution happened, and whether the venue undid it.

Revision 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("fills", sa.Column("cause", AutoString(), server_default="trade", nullable=False))
    op.add_column("fills", sa.Column("busted_at", UTCDateTime(), nullable=True))
    op.create_table(
        "venue_budgets",
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("capacity", sa.Float(), nullable=False),
        sa.Column("per_s", sa.Float(), nullable=False),
        sa.Column("reserve", sa.Float(), nullable=False),
        sa.Column("is_stated", sa.Boolean(), nullable=False),
        sa.Column("credits", sa.Float(), nullable=False),
        sa.Column("refilled_at", UTCDateTime(), nullable=False),
        sa.Column("paused_until", UTCDateTime(), nullable=True),
        sa.Column("held", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_venue_budgets")),
    )


def downgrade() -> None:
    op.drop_table("venue_budgets")
    with op.batch_alter_table("fills") as fills:
        fills.drop_column("busted_at")
        fills.drop_column("cause")
