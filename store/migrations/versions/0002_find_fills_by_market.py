"""Find fills by market and time, to compare a pair's executions with everybody else's of the installation.

Revision 0002.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index(
        op.f("ix_fills_venue_symbol_venue_time"), "fills", ["venue", "symbol", "venue_time"], unique=False
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index(op.f("ix_fills_venue_symbol_venue_time"), "fills")
