"""Certify pairs: a chain of certificates for each session, and why each order was sent.

Revision 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("orders", sa.Column("decision", sa.JSON(), server_default="{}", nullable=False))
    op.create_table(
        "certificates",
        sa.Column("certificate_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        *(sa.Column(name, AutoString(), nullable=False) for name in ("pair_id", "kind", "previous", "sha256")),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("session_id", "position", name=op.f("uq_certificates_session_id_position")),
    )
    op.create_index(op.f("ix_certificates_pair_id"), "certificates", ["pair_id"])


def downgrade() -> None:
    op.drop_table("certificates")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("decision")
