"""Keep what each running session sees now, for those who watch it.

Revision 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "session_views",
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_session_views_session_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session_views")),
    )


def downgrade() -> None:
    op.drop_table("session_views")
