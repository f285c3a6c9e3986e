"""The operational schema: SQLite by default, Postgres by URL. Rows only; meaning lives in `records` and `core`.

Every table that is sealed into segments carries `change`, the number of the transaction that wrote the row last (see
`clock`). Enums are text, decimals `columns.Exact` or `columns.Derived`, times aware UTC. No secret is ever stored.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, MetaData, Table, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from store.columns import Derived, Exact, RowNumber

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = dict[str, object]


class Row(SQLModel):
    """Base of all tables; keeps them in a metadata of their own."""

    metadata: ClassVar[MetaData] = metadata


class ClockRow(Row, table=True):
    """One row that counts writing transactions: the order in which changes became visible."""

    __tablename__ = "clock"
    clock_id: int = Field(primary_key=True, sa_type=BigInteger)
    change: int = Field(sa_type=BigInteger)


class AccountRow(Row, table=True):
    """Registered accounts."""

    __tablename__ = "accounts"
    account_id: str = Field(primary_key=True)
    venue: str
    environment: str
    owner: str
    label: str
    created_at: datetime


class SessionRow(Row, table=True):
    """Hedging sessions."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "status"), Index(None, "created_at"))
    session_id: str = Field(primary_key=True)
    name: str
    symbol: str
    status: str
    strategy: Json = Field(sa_type=JSON)
    accounts: list[str] = Field(sa_type=JSON)
    environment: str
    volume_target: Decimal | None = Field(sa_type=Exact)
    duration_s: float | None
    volume_generated: Decimal = Field(sa_type=Derived)
    pnl: Decimal = Field(sa_type=Derived)
    fees: Decimal = Field(sa_type=Derived)
    funding: Decimal = Field(sa_type=Derived)
    slippage: Decimal = Field(sa_type=Derived)
    pairs_filled: int = Field(sa_type=BigInteger)
    pairs_unwound: int = Field(sa_type=BigInteger)
    max_net_exposure_usd: Decimal = Field(sa_type=Derived)
    naked_usd_seconds: Decimal = Field(sa_type=Derived)
    seed: int = Field(sa_type=BigInteger)
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    flow_run_id: str | None
    status_reason: str | None = Field(sa_type=Text)
    attempt: int = Field(sa_type=BigInteger)
    change: int = Field(sa_type=BigInteger)


class PairRow(Row, table=True):
    """Pairs of a session; its two legs are on two venues, always."""

    __tablename__ = "pairs"
    __table_args__ = (
        UniqueConstraint("session_id", "sequence"),
        Index(None, "created_at"),
        CheckConstraint("buy_venue <> sell_venue", name="legs_on_two_venues"),
    )
    pair_id: str = Field(primary_key=True)
    session_id: str = Field(foreign_key="sessions.session_id")
    sequence: int = Field(sa_type=BigInteger)
    buy_venue: str
    buy_account: str
    sell_venue: str
    sell_account: str
    status: str
    planned_quantity: Decimal = Field(sa_type=Exact)
    quantity: Decimal = Field(sa_type=Exact)
    volume: Decimal = Field(sa_type=Derived)
    price: Decimal | None = Field(sa_type=Derived)
    slippage: Decimal | None = Field(sa_type=Derived)
    fees: Decimal = Field(sa_type=Derived)
    leg_skew_ms: Decimal | None = Field(sa_type=Derived)
    naked_usd_seconds: Decimal = Field(sa_type=Derived)
    buy_arrival_mid: Decimal | None = Field(sa_type=Derived)
    sell_arrival_mid: Decimal | None = Field(sa_type=Derived)
    decision: Json = Field(sa_type=JSON)
    created_at: datetime
    executed_at: datetime | None
    completed_at: datetime | None
    change: int = Field(sa_type=BigInteger)


class OrderRow(Row, table=True):
    """The journal: one row per intent, written before the wire."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("account_id", "wire_client_id"),
        Index(None, "session_id", "status"),
        Index(None, "pair_id"),
        Index(None, "account_id", "venue_order_id"),
        Index(None, "venue", "symbol", "status"),
    )
    client_order_id: str = Field(primary_key=True)
    wire_client_id: str
    venue_order_id: str | None
    pair_id: str
    session_id: str = Field(foreign_key="sessions.session_id")
    leg: str
    attempt: int = Field(sa_type=BigInteger)
    venue: str
    account_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal = Field(sa_type=Exact)
    price: Decimal = Field(sa_type=Exact)
    reference_price: Decimal = Field(sa_type=Derived)
    reduce_only: bool
    decision: Json = Field(sa_type=JSON, sa_column_kwargs={"server_default": "{}"})
    status: str
    filled_quantity: Decimal = Field(sa_type=Exact)
    average_price: Decimal | None = Field(sa_type=Derived)
    fees: Decimal = Field(sa_type=Exact)
    reason: str | None = Field(sa_type=Text)
    created_at: datetime
    valid_until: datetime
    sent_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None
    change: int = Field(sa_type=BigInteger)


class FillRow(Row, table=True):
    """Executions; session, pair and client order id are null while no journalled order explains the fill."""

    __tablename__ = "fills"
    __table_args__ = (
        UniqueConstraint("venue", "account_id", "trade_id"),
        Index(None, "session_id"),
        Index(None, "pair_id"),
        Index(None, "account_id", "venue_order_id"),
        Index(None, "venue", "symbol", "venue_time"),
    )
    fill_id: str = Field(primary_key=True)
    venue: str
    account_id: str
    trade_id: str
    symbol: str
    session_id: str | None
    pair_id: str | None
    client_order_id: str | None
    venue_order_id: str
    side: str
    quantity: Decimal = Field(sa_type=Exact)
    price: Decimal = Field(sa_type=Exact)
    fee: Decimal = Field(sa_type=Exact)
    liquidity: str
    venue_time: datetime
    received_time: datetime
    cause: str = Field(default="trade", sa_column_kwargs={"server_default": "trade"})
    busted_at: datetime | None
    change: int = Field(sa_type=BigInteger)


class FundingRow(Row, table=True):
    """Booked funding payments."""

    __tablename__ = "funding_payments"
    __table_args__ = (UniqueConstraint("venue", "account_id", "payment_id"), Index(None, "session_id"))
    funding_id: str = Field(primary_key=True)
    session_id: str
    venue: str
    account_id: str
    symbol: str
    payment_id: str
    payment: Decimal = Field(sa_type=Exact)
    rate: Decimal | None = Field(sa_type=Exact)
    paid_at: datetime
    received_time: datetime
    change: int = Field(sa_type=BigInteger)


class PositionRow(Row, table=True):
    """Snapshots of positions."""

    __tablename__ = "positions"
    position_id: str = Field(primary_key=True)
    session_id: str = Field(index=True)
    venue: str
    account_id: str
    symbol: str
    quantity: Decimal = Field(sa_type=Exact)
    entry_price: Decimal = Field(sa_type=Derived)
    unrealized_pnl: Decimal | None = Field(sa_type=Derived)
    liquidation_price: Decimal | None = Field(sa_type=Derived)
    at: datetime
    change: int = Field(sa_type=BigInteger)


class BreachRow(Row, table=True):
    """Limits that were crossed."""

    __tablename__ = "breaches"
    breach_id: str = Field(primary_key=True)
    session_id: str = Field(index=True)
    pair_id: str | None
    category: str
    severity: str
    details: Json = Field(sa_type=JSON)
    created_at: datetime
    acknowledged_at: datetime | None
    action: str | None
    comment: str | None = Field(sa_type=Text)
    change: int = Field(sa_type=BigInteger)


class LedgerRow(Row, table=True):
    """Postings of the ledger, one row each; the postings of a booking sum to zero in every asset."""

    __tablename__ = "ledger"
    __table_args__ = (Index(None, "session_id"),)
    posting_id: str = Field(primary_key=True)
    session_id: str
    venue: str
    account_id: str
    kind: str
    reference: str
    name: str
    asset: str
    quantity: Decimal = Field(sa_type=Derived)
    at: datetime
    change: int = Field(sa_type=BigInteger)


class StatementRow(Row, table=True):
    """An account's books in a session: how they opened, and, once closed, where its change of equity came from."""

    __tablename__ = "statements"
    __table_args__ = (UniqueConstraint("session_id", "account_id"),)
    statement_id: str = Field(primary_key=True)
    session_id: str
    venue: str
    account_id: str
    opened_at: datetime
    opening: Decimal = Field(sa_type=Derived)
    opening_mark: Decimal | None = Field(sa_type=Derived)
    held_before: Decimal = Field(sa_type=Exact)
    elsewhere: list[str] = Field(sa_type=JSON)
    closed_at: datetime | None
    closing: Decimal | None = Field(sa_type=Derived)
    closing_mark: Decimal | None = Field(sa_type=Derived)
    basis: Decimal | None = Field(sa_type=Derived)
    slippage: Decimal | None = Field(sa_type=Derived)
    legging: Decimal | None = Field(sa_type=Derived)
    forced: Decimal | None = Field(sa_type=Derived)
    fees: Decimal | None = Field(sa_type=Derived)
    funding: Decimal | None = Field(sa_type=Derived)
    transfers: Decimal | None = Field(sa_type=Derived)
    before: Decimal | None = Field(sa_type=Derived)
    residual: Decimal | None = Field(sa_type=Derived)
    dust: Decimal | None = Field(sa_type=Derived)
    bookings: int | None = Field(sa_type=BigInteger)
    change: int = Field(sa_type=BigInteger)


class FundingCheckRow(Row, table=True):
    """Funding as it should have been, by the venue's published rates, beside what was booked. Nothing books from it."""

    __tablename__ = "funding_checks"
    __table_args__ = (Index(None, "session_id"),)
    check_id: str = Field(primary_key=True)
    session_id: str
    venue: str
    account_id: str
    symbol: str
    at: datetime
    position: Decimal = Field(sa_type=Exact)
    price: Decimal | None = Field(sa_type=Derived)
    rate: Decimal | None = Field(sa_type=Derived)
    expected: Decimal = Field(sa_type=Derived)
    booked: Decimal = Field(sa_type=Derived)
    difference: Decimal = Field(sa_type=Derived)
    is_agreed: bool
    change: int = Field(sa_type=BigInteger)


class CertificateRow(Row, table=True):
    """Certificates of pairs, chained by hash in each session; document is the very text that was hashed."""

    __tablename__ = "certificates"
    __table_args__ = (UniqueConstraint("session_id", "position"), Index(None, "pair_id"))
    certificate_id: str = Field(primary_key=True)
    session_id: str
    position: int = Field(sa_type=BigInteger)
    pair_id: str
    kind: str
    previous: str
    sha256: str
    document: str = Field(sa_type=Text)
    created_at: datetime
    change: int = Field(sa_type=BigInteger)


class CommandRow(Row, table=True):
    """What operators asked of running sessions."""

    __tablename__ = "commands"
    command_id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    session_id: str = Field(index=True)
    kind: str
    created_by: str
    created_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str | None = Field(sa_type=Text)


class LeaseRow(Row, table=True):
    """Who drives what until when."""

    __tablename__ = "leases"
    scope: str = Field(primary_key=True)
    holder: str
    attempt: int = Field(sa_type=BigInteger)
    expires_at: datetime


class BudgetRow(Row, table=True):
    """Request budgets shared by all processes; `held` maps borrowers to what they may still spend."""

    __tablename__ = "venue_budgets"
    key: str = Field(primary_key=True)
    capacity: float
    per_s: float
    reserve: float
    is_stated: bool
    credits: float
    refilled_at: datetime
    paused_until: datetime | None
    held: Json = Field(sa_type=JSON)


class EventRow(Row, table=True):
    """Progress of sessions, numbered without gaps."""

    __tablename__ = "events"
    session_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime
    channel: str
    type: str
    payload: Json = Field(sa_type=JSON)


class SegmentRow(Row, table=True):
    """The registry of sealed segments."""

    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("session_id", "source", "first_change"),)
    path: str = Field(primary_key=True)
    session_id: str
    source: str
    first_change: int = Field(sa_type=BigInteger)
    last_change: int = Field(sa_type=BigInteger)
    rows: int = Field(sa_type=BigInteger)
    sha256: str


class ApiKeyRow(Row, table=True):
    """Keys of the API: a public id and the digest of the secret, never the secret."""

    __tablename__ = "api_keys"
    key_id: str = Field(primary_key=True)
    name: str
    secret_sha256: str
    scopes: list[str] = Field(sa_type=JSON)
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class RateWindowRow(Row, table=True):
    """How many calls a key made in its current window."""

    __tablename__ = "rate_windows"
    key_id: str = Field(primary_key=True)
    window_start: datetime
    calls: int = Field(sa_type=BigInteger)


class IdempotencyRow(Row, table=True):
    """Calls made with an Idempotency-Key, and the first answer to each."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "created_at"),)
    key_id: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    call: str
    body_sha256: str
    holder: str
    held_until: datetime
    status: int | None = Field(sa_type=BigInteger)
    body: str | None = Field(sa_type=Text)
    created_at: datetime


class TicketRow(Row, table=True):
    """Short-lived, single-use admissions to the live stream; only their digests."""

    __tablename__ = "tickets"
    ticket_sha256: str = Field(primary_key=True)
    key_id: str
    expires_at: datetime


class StartRow(Row, table=True):
    """Runs that Prefect was, or is to be, asked to create: the outbox of starts."""

    __tablename__ = "starts"
    __table_args__ = (Index(None, "state"),)
    session_id: str = Field(primary_key=True, foreign_key="sessions.session_id")
    attempt: int = Field(primary_key=True, sa_type=BigInteger)
    state: str
    is_first: bool
    created_at: datetime
    claimed_by: str
    claimed_until: datetime
    flow_run_id: str | None
    ended_at: datetime | None
    reason: str | None = Field(sa_type=Text)


class SessionViewRow(Row, table=True):
    """What each running session sees now, replaced at each beat."""

    __tablename__ = "session_views"
    session_id: str = Field(primary_key=True, foreign_key="sessions.session_id")
    at: datetime
    payload: Json = Field(sa_type=JSON)


def _table(name: str) -> Table:
    return metadata.tables[name]


CLOCK = _table("clock")
ACCOUNTS = _table("accounts")
SESSIONS = _table("sessions")
PAIRS = _table("pairs")
ORDERS = _table("orders")
FILLS = _table("fills")
FUNDING = _table("funding_payments")
POSITIONS = _table("positions")
BREACHES = _table("breaches")
LEDGER = _table("ledger")
STATEMENTS = _table("statements")
FUNDING_CHECKS = _table("funding_checks")
CERTIFICATES = _table("certificates")
COMMANDS = _table("commands")
LEASES = _table("leases")
BUDGETS = _table("venue_budgets")
EVENTS = _table("events")
SEGMENTS = _table("segments")
API_KEYS = _table("api_keys")
RATE_WINDOWS = _table("rate_windows")
IDEMPOTENCY = _table("idempotency")
TICKETS = _table("tickets")
STARTS = _table("starts")
SESSION_VIEWS = _table("session_views")
