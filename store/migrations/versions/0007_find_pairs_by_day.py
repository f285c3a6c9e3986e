"""Find pairs by the time they were planned: what legs stood alone today is asked at every beat of every session.

Revision 0007.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index(op.f("ix_pairs_created_at"), "pairs", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_pairs_created_at"), "pairs")
