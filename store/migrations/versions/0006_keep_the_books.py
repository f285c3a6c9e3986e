"""Keep the books of a session: how accounts opened, what was booked, how they closed, and funding recomputed.

Revision 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from store.columns import Derived, Exact

revision = "0006"
down_revision = "0005"

_FIGURES = ("basis", "slippage", "legging", "forced", "fees", "funding", "transfers", "before", "residual", "dust")


def upgrade() -> None:
    op.create_table(
        "ledger",
        *_texts("posting_id", "session_id", "venue", "account_id", "kind", "reference", "name", "asset"),
        sa.Column("quantity", Derived(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("posting_id", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_session_id"), "ledger", ["session_id"])
    op.create_table(
        "statements",
        *_texts("statement_id", "session_id", "venue", "account_id"),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("opening", Derived(), nullable=False),
        sa.Column("opening_mark", Derived(), nullable=True),
        sa.Column("held_before", Exact(), nullable=False),
        sa.Column("elsewhere", sa.JSON(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closing", Derived(), nullable=True),
        sa.Column("closing_mark", Derived(), nullable=True),
        *(sa.Column(name, Derived(), nullable=True) for name in _FIGURES),
        sa.Column("bookings", sa.BigInteger(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("pk_statements")),
        sa.UniqueConstraint("session_id", "account_id", name=op.f("uq_statements_session_id_account_id")),
    )
    op.create_table(
        "funding_checks",
        *_texts("check_id", "session_id", "venue", "account_id", "symbol"),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("position", Exact(), nullable=False),
        *(sa.Column(name, Derived(), nullable=True) for name in ("price", "rate")),
        *(sa.Column(name, Derived(), nullable=False) for name in ("expected", "booked", "difference")),
        sa.Column("is_agreed", sa.Boolean(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_funding_checks")),
    )
    op.create_index(op.f("ix_funding_checks_session_id"), "funding_checks", ["session_id"])


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, AutoString(), nullable=False) for name in names)


def downgrade() -> None:
    op.drop_table("funding_checks")
    op.drop_table("statements")
    op.drop_table("ledger")
