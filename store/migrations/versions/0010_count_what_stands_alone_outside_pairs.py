"""Count what legs stand alone outside pairs by UTC day, beside what they do inside.

Revision 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from store.columns import Derived

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "naked_outside",
        sa.Column("naked_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("day", UTCDateTime(), nullable=False),
        sa.Column("usd_seconds", Derived(), nullable=False),
        sa.Column("counted_until", UTCDateTime(), nullable=False),
        sa.Column("usd", Derived(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("naked_id", name=op.f("pk_naked_outside")),
    )
    op.create_index(op.f("ix_naked_outside_session_id"), "naked_outside", ["session_id"])
    op.create_index(op.f("ix_naked_outside_day"), "naked_outside", ["day"])


def downgrade() -> None:
    op.drop_index(op.f("ix_naked_outside_day"), table_name="naked_outside")
    op.drop_index(op.f("ix_naked_outside_session_id"), table_name="naked_outside")
    op.drop_table("naked_outside")
