"""Sessions, their pairs and breaches on the wire. Units are the contract's: docs/api.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.documents.common import Answer, Document, Number, Page, Time

Status = Literal["pending", "active", "paused", "completed", "failed"]
RiskStateWord = Literal["ACTIVE", "REDUCING", "HALTED"]
StatusFilter = Literal["pending", "active", "paused", "completed", "failed", "created", "running", "stopped"]
PairState = Literal["pending", "partial", "filled", "cancelled", "failed", "unwound"]
OrderState = Literal["pending", "open", "partial", "filled", "cancelled", "rejected", "expired"]


class Metrics(Document):
    """How a session does. Money in USD; slippage a fraction of volume; netPosition in base units, signed.

    nakedUsdSeconds: unhedged notional times the seconds it stood so, in ended pairs and outside pairs. What cannot be
    valued now (an open position without a mark) is null.
    """

    total_volume: Number
    net_position: Number
    pnl: Number
    slippage: Number
    realized_pnl: Number | None
    unrealized_pnl: Number | None
    funding_pnl: Number
    fees: Number
    pairs_filled: int
    pairs_unwound: int
    max_net_exposure: Number
    naked_usd_seconds: Number
    last_updated: Time


class BreachDocument(Document):
    """A limit that was crossed."""

    id: str
    breach_type: str
    category: str
    severity: Literal["warning", "critical"]
    details: dict[str, Any]
    timestamp: Time
    resolved: bool
    acknowledged_at: Time | None
    action: Literal["resolve", "ignore"] | None
    comment: str | None


class OrderDocument(Document):
    """One leg of a pair, all its attempts together. size in USD, quantity in base units."""

    account_id: str
    venue: str
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    size: Number | None
    quantity: Number
    price: Number | None
    status: OrderState
    fill_price: Number | None
    fill_size: Number | None
    filled_quantity: Number
    fees: Number
    client_order_id: str | None
    venue_order_id: str | None
    attempts: int
    created_at: Time


class Legs(Document):
    """Both legs; always on two venues."""

    buy_order: OrderDocument
    sell_order: OrderDocument


class PairDocument(Document):
    """One pair. volume in USD counts it once; slippage is a fraction of it, both legs together.

    nakedUsdSeconds: its unhedged notional (USD) times the seconds it stood so; so far, while it has no end.
    """

    id: str
    sequence: int
    order_pair: Legs
    status: PairState
    volume: Number
    price: Number | None
    slippage: Number | None
    fees: Number
    naked_usd_seconds: Number
    created_at: Time
    executed_at: Time | None
    completed_at: Time | None


class SessionSummary(Document):
    """A session as lists show it. startTime is its creation until it was started; duration in milliseconds."""

    id: str
    name: str
    status: Status
    status_reason: str | None
    environment: str
    accounts: list[str]
    strategy: dict[str, Any]
    volume_target: Number | None
    volume_generated: Number
    duration: int | None
    start_time: Time
    end_time: Time | None
    created_at: Time
    flow_run_id: str | None
    attempt: int
    metrics: Metrics


class AccountLedger(Document):
    """One account's books, USD. residual: the part of its change of equity that no booking explains."""

    account_id: str
    venue: str
    opening: Number
    closing: Number
    explained: Number
    residual: Number
    dust: Number
    is_balanced: bool


class LedgerDocument(Document):
    """A session's books as closed: what the venues say its accounts' equity changed by, and what explains it, USD.

    isBalanced: no account's residual is above the dust that its venue's rounding can make.
    """

    equity_change: Number
    explained: Number
    residual: Number
    is_balanced: bool
    closed_at: Time
    accounts: list[AccountLedger]


class SessionDocument(SessionSummary):
    """A session with its breaches, its newest pairs (at most 100, newest first) and its books.

    ledger is null until the session was settled. riskState is ACTIVE while it may open, REDUCING while it only goes
    down, HALTED while it waits for a person, riskReason why; null before the start and after the end.
    """

    risk_state: RiskStateWord | None
    risk_reason: str | None
    risk_breaches: list[BreachDocument]
    orders: list[PairDocument]
    ledger: LedgerDocument | None


class SessionAnswer(Answer):
    """One session."""

    session: SessionDocument


class SessionsPage(Page):
    """Sessions, newest first."""

    sessions: list[SessionSummary]


class StartedSession(Document):
    """A session that was started; flowRunId is null while it is not yet known."""

    id: str
    status: Status
    start_time: Time
    flow_run_id: str | None


class StartAnswer(Answer):
    """pending: the start is noted and will be carried out once, but its run is not known yet (202)."""

    session: StartedSession
    pending: bool = False


class SteeredSession(Document):
    """A session after a command, as it truly stands; times that do not apply are absent."""

    id: str
    status: Status
    status_reason: Annotated[str | None, Field(description="Why it stands so.")] = None
    paused_at: Time | None = None
    resumed_at: Time | None = None
    end_time: Time | None = None
    final_volume: Number | None = None
    flow_run_id: str | None = None


class SteerAnswer(Answer):
    """pending: the command is noted and was not carried out yet (202)."""

    session: SteeredSession
    pending: bool = False


class FlattenAnswer(Answer):
    """Every session that was told to get flat."""

    sessions: list[SteeredSession]
    pending: bool = False


class PairsPage(Page):
    """Pairs by sequence."""

    orders: list[PairDocument]


class BreachAnswer(Answer):
    """One breach after it was acknowledged."""

    breach: BreachDocument


class Acknowledgement(Document):
    """What an operator decided about a breach."""

    action: Literal["resolve", "ignore"]
    comment: Annotated[str | None, Field(max_length=1000)] = None
