"""Let segments be merged into larger files, and sessions leave the results.

Revision 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "merged_segments",
        sa.Column("path", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("first_change", sa.BigInteger(), nullable=False),
        sa.Column("last_change", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_merged_segments")),
    )
    op.create_table(
        "replaced_segments",
        sa.Column("path", AutoString(), nullable=False),
        sa.Column("by", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_replaced_segments")),
    )
    op.create_index(op.f("ix_replaced_segments_by"), "replaced_segments", ["by"])
    op.create_table(
        "retired_sessions",
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("retired_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_retired_sessions")),
    )


def downgrade() -> None:
    op.drop_table("retired_sessions")
    op.drop_index(op.f("ix_replaced_segments_by"), table_name="replaced_segments")
    op.drop_table("replaced_segments")
    op.drop_table("merged_segments")
