"""Keep what the API needs: keys, call counts, first answers, tickets, and the outbox of starts.

Revision 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("secret_sha256", AutoString(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "rate_windows",
        sa.Column("key_id", AutoString(), nullable=False),
        sa.Column("window_start", UTCDateTime(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_rate_windows")),
    )
    op.create_table(
        "idempotency",
        sa.Column("key_id", AutoString(), nullable=False),
        sa.Column("idempotency_key", AutoString(), nullable=False),
        sa.Column("call", AutoString(), nullable=False),
        sa.Column("body_sha256", AutoString(), nullable=False),
        sa.Column("holder", AutoString(), nullable=False),
        sa.Column("held_until", UTCDateTime(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("ticket_sha256", AutoString(), nullable=False),
        sa.Column("key_id", AutoString(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_sha256", name=op.f("pk_tickets")),
    )
    op.create_table(
        "starts",
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("claimed_by", AutoString(), nullable=False),
        sa.Column("claimed_until", UTCDateTime(), nullable=False),
        sa.Column("flow_run_id", AutoString(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_starts_session_id")),
        sa.PrimaryKeyConstraint("session_id", "attempt", name=op.f("pk_starts")),
    )
    op.create_index(op.f("ix_starts_state"), "starts", ["state"], unique=False)


def downgrade() -> None:
    for table in ("starts", "tickets", "idempotency", "rate_windows", "api_keys"):
        op.drop_table(table)
