"""Create the operational store.

Revision 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from store.columns import Derived, Exact

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("environment", AutoString(), nullable=False),
        sa.Column("owner", AutoString(), nullable=False),
        sa.Column("label", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "breaches",
        sa.Column("breach_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("pair_id", AutoString(), nullable=True),
        sa.Column("category", AutoString(), nullable=False),
        sa.Column("severity", AutoString(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("acknowledged_at", UTCDateTime(), nullable=True),
        sa.Column("action", AutoString(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("breach_id", name=op.f("pk_breaches")),
    )
    op.create_index(op.f("ix_breaches_session_id"), "breaches", ["session_id"], unique=False)
    op.create_table(
        "clock",
        sa.Column("clock_id", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clock_id", name=op.f("pk_clock")),
    )
    op.execute("insert into clock (clock_id, change) values (1, 0)")
    op.create_table(
        "commands",
        sa.Column("command_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("created_by", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("taken_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_session_id"), "commands", ["session_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("channel", AutoString(), nullable=False),
        sa.Column("type", AutoString(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "sequence", name=op.f("pk_events")),
    )
    op.create_table(
        "fills",
        sa.Column("fill_id", AutoString(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("trade_id", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=True),
        sa.Column("pair_id", AutoString(), nullable=True),
        sa.Column("client_order_id", AutoString(), nullable=True),
        sa.Column("venue_order_id", AutoString(), nullable=False),
        sa.Column("side", AutoString(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("price", Exact(), nullable=False),
        sa.Column("fee", Exact(), nullable=False),
        sa.Column("liquidity", AutoString(), nullable=False),
        sa.Column("venue_time", UTCDateTime(), nullable=False),
        sa.Column("received_time", UTCDateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fill_id", name=op.f("pk_fills")),
        sa.UniqueConstraint("venue", "account_id", "trade_id", name=op.f("uq_fills_venue_account_id_trade_id")),
    )
    op.create_index(op.f("ix_fills_account_id_venue_order_id"), "fills", ["account_id", "venue_order_id"], unique=False)
    op.create_index(op.f("ix_fills_pair_id"), "fills", ["pair_id"], unique=False)
    op.create_index(op.f("ix_fills_session_id"), "fills", ["session_id"], unique=False)
    op.create_table(
        "funding_payments",
        sa.Column("funding_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("payment_id", AutoString(), nullable=False),
        sa.Column("payment", Exact(), nullable=False),
        sa.Column("rate", Exact(), nullable=True),
        sa.Column("paid_at", UTCDateTime(), nullable=False),
        sa.Column("received_time", UTCDateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("funding_id", name=op.f("pk_funding_payments")),
        sa.UniqueConstraint(
            "venue", "account_id", "payment_id", name=op.f("uq_funding_payments_venue_account_id_payment_id")
        ),
    )
    op.create_index(op.f("ix_funding_payments_session_id"), "funding_payments", ["session_id"], unique=False)
    op.create_table(
        "leases",
        sa.Column("scope", AutoString(), nullable=False),
        sa.Column("holder", AutoString(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_leases")),
    )
    op.create_table(
        "positions",
        sa.Column("position_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("entry_price", Derived(), nullable=False),
        sa.Column("unrealized_pnl", Derived(), nullable=True),
        sa.Column("liquidation_price", Derived(), nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", name=op.f("pk_positions")),
    )
    op.create_index(op.f("ix_positions_session_id"), "positions", ["session_id"], unique=False)
    op.create_table(
        "segments",
        sa.Column("path", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("first_change", sa.BigInteger(), nullable=False),
        sa.Column("last_change", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_segments")),
        sa.UniqueConstraint(
            "session_id", "source", "first_change", name=op.f("uq_segments_session_id_source_first_change")
        ),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("status", AutoString(), nullable=False),
        sa.Column("strategy", sa.JSON(), nullable=False),
        sa.Column("accounts", sa.JSON(), nullable=False),
        sa.Column("environment", AutoString(), nullable=False),
        sa.Column("volume_target", Exact(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("volume_generated", Derived(), nullable=False),
        sa.Column("pnl", Derived(), nullable=False),
        sa.Column("fees", Derived(), nullable=False),
        sa.Column("funding", Derived(), nullable=False),
        sa.Column("slippage", Derived(), nullable=False),
        sa.Column("pairs_filled", sa.BigInteger(), nullable=False),
        sa.Column("pairs_unwound", sa.BigInteger(), nullable=False),
        sa.Column("max_net_exposure_usd", Derived(), nullable=False),
        sa.Column("naked_usd_seconds", Derived(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("flow_run_id", AutoString(), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_created_at"), "sessions", ["created_at"], unique=False)
    op.create_index(op.f("ix_sessions_status"), "sessions", ["status"], unique=False)
    op.create_table(
        "orders",
        sa.Column("client_order_id", AutoString(), nullable=False),
        sa.Column("wire_client_id", AutoString(), nullable=False),
        sa.Column("venue_order_id", AutoString(), nullable=True),
        sa.Column("pair_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("leg", AutoString(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("venue", AutoString(), nullable=False),
        sa.Column("account_id", AutoString(), nullable=False),
        sa.Column("symbol", AutoString(), nullable=False),
        sa.Column("side", AutoString(), nullable=False),
        sa.Column("type", AutoString(), nullable=False),
        sa.Column("time_in_force", AutoString(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("price", Exact(), nullable=False),
        sa.Column("reference_price", Derived(), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("status", AutoString(), nullable=False),
        sa.Column("filled_quantity", Exact(), nullable=False),
        sa.Column("average_price", Derived(), nullable=True),
        sa.Column("fees", Exact(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("valid_until", UTCDateTime(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=True),
        sa.Column("completed_at", UTCDateTime(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_orders_session_id")),
        sa.PrimaryKeyConstraint("client_order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("account_id", "wire_client_id", name=op.f("uq_orders_account_id_wire_client_id")),
    )
    op.create_index(
        op.f("ix_orders_account_id_venue_order_id"), "orders", ["account_id", "venue_order_id"], unique=False
    )
    op.create_index(op.f("ix_orders_pair_id"), "orders", ["pair_id"], unique=False)
    op.create_index(op.f("ix_orders_session_id_status"), "orders", ["session_id", "status"], unique=False)
    op.create_index(op.f("ix_orders_venue_symbol_status"), "orders", ["venue", "symbol", "status"], unique=False)
    op.create_table(
        "pairs",
        sa.Column("pair_id", AutoString(), nullable=False),
        sa.Column("session_id", AutoString(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("buy_venue", AutoString(), nullable=False),
        sa.Column("buy_account", AutoString(), nullable=False),
        sa.Column("sell_venue", AutoString(), nullable=False),
        sa.Column("sell_account", AutoString(), nullable=False),
        sa.Column("status", AutoString(), nullable=False),
        sa.Column("planned_quantity", Exact(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("volume", Derived(), nullable=False),
        sa.Column("price", Derived(), nullable=True),
        sa.Column("slippage", Derived(), nullable=True),
        sa.Column("fees", Derived(), nullable=False),
        sa.Column("leg_skew_ms", Derived(), nullable=True),
        sa.Column("naked_usd_seconds", Derived(), nullable=False),
        sa.Column("buy_arrival_mid", Derived(), nullable=True),
        sa.Column("sell_arrival_mid", Derived(), nullable=True),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("executed_at", UTCDateTime(), nullable=True),
        sa.Column("completed_at", UTCDateTime(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("buy_venue <> sell_venue", name=op.f("ck_pairs_legs_on_two_venues")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_pairs_session_id")),
        sa.PrimaryKeyConstraint("pair_id", name=op.f("pk_pairs")),
        sa.UniqueConstraint("session_id", "sequence", name=op.f("uq_pairs_session_id_sequence")),
    )


def downgrade() -> None:
    op.drop_table("pairs")

    op.drop_table("orders")

    op.drop_table("sessions")
    op.drop_table("segments")

    op.drop_table("positions")
    op.drop_table("leases")

    op.drop_table("funding_payments")

    op.drop_table("fills")
    op.drop_table("events")

    op.drop_table("commands")
    op.drop_table("clock")

    op.drop_table("breaches")
    op.drop_table("accounts")
