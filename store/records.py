"""What goes into the store and comes out of it, as frozen values. Knows no database and decides nothing.

Orders, fills, positions, funding payments, PairStatus and Severity come from `core`; the records here are the rest.
Money is in quote units, quantities in base units, times are UTC and aware, mappings hold only what JSON can (Decimal,
datetime and enums are written as text).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.instrument import Venue
from core.numbers import ZERO
from core.order import Fill, Order, OrderIntent
from core.pair import PairStatus
from core.risk import Severity


class SessionStatus(StrEnum):
    """pending -> active <-> paused -> completed; failed when it cannot be brought to a clean end."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True when the session can never trade again."""
        return self in (SessionStatus.COMPLETED, SessionStatus.FAILED)


class BreachAction(StrEnum):
    """What an operator decided about a breach."""

    RESOLVE = "resolve"
    IGNORE = "ignore"


class CommandKind(StrEnum):
    """What an operator may ask of a running session."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Account:
    """One registered account. environment is e.g. sandbox, testnet or production. Never holds a key."""

    account_id: str
    venue: Venue
    environment: str
    owner: str
    label: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as asked for; duration_s and volume_target bound it (None: not bounded by that)."""

    session_id: str
    name: str
    symbol: str
    strategy: Mapping[str, object]
    accounts: tuple[str, ...]
    environment: str
    volume_target: Decimal | None
    duration_s: float | None
    seed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionTotals:
    """Running sums of one session in quote units.

    volume_generated counts a pair once. pnl and funding are positive when earned, fees positive when paid,
    slippage positive when worse than arrival.
    """

    volume_generated: Decimal = ZERO
    pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    slippage: Decimal = ZERO
    pairs_filled: int = 0
    pairs_unwound: int = 0
    max_net_exposure_usd: Decimal = ZERO
    naked_usd_seconds: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands. attempt counts its runs; flow_run_id names the last one."""

    session_id: str
    name: str
    symbol: str
    status: SessionStatus
    strategy: Mapping[str, object]
    accounts: tuple[str, ...]
    environment: str
    volume_target: Decimal | None
    duration_s: float | None
    seed: int
    totals: SessionTotals
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    flow_run_id: str | None
    status_reason: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class NewPair:
    """A pair as planned: two accounts on two venues (enforced), one quantity in base units.

    Arrival mids are each leg's own book at the decision; decision holds the gate's facts and verdict.
    """

    pair_id: str
    session_id: str
    sequence: int
    buy_venue: Venue
    buy_account: str
    sell_venue: Venue
    sell_account: str
    quantity: Decimal
    buy_arrival_mid: Decimal | None
    sell_arrival_mid: Decimal | None
    decision: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Recount:
    """What working a pair out anew changed: its volume and what its legs paid in slippage, quote units, signed."""

    volume: Decimal = ZERO
    slippage_paid: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class BustedFill:
    """An execution that its venue undid, whose it was, whether this was not known before, and what its pair lost."""

    fill: Fill
    session_id: str | None
    pair_id: str | None
    is_new: bool
    recount: Recount


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """How a pair went so far. quantity is the hedged one (base), volume its notional (quote).

    price is the mean of both average prices, slippage a fraction of volume, naked_usd_seconds the integral of
    unhedged notional over time. completed_at stays None while the pair is pending or partial.
    """

    status: PairStatus
    quantity: Decimal = ZERO
    volume: Decimal = ZERO
    price: Decimal | None = None
    slippage: Decimal | None = None
    fees: Decimal = ZERO
    leg_skew_ms: Decimal | None = None
    naked_usd_seconds: Decimal = ZERO
    executed_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair's plan and how it went; planned quantity in plan, hedged quantity in outcome."""

    plan: NewPair
    outcome: PairOutcome


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An intent about to be written: which leg ("buy", "sell", ...) and attempt it is, and its id on the wire.

    decision: why it is sent; for one that evens legs out what each way out was expected to cost.
    """

    intent: OrderIntent
    leg: str
    attempt: int
    wire_client_id: str
    decision: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalOrder:
    """An order as the journal knows it. fees are the sum of its recorded fills, in quote units."""

    order: Order
    leg: str
    attempt: int
    wire_client_id: str
    fees: Decimal
    sent_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordedIntent:
    """The answer to writing an intent.

    is_new False: this very order id was in the journal before (a retry). Then `journalled` is what is known of it;
    ask the venue before anything is sent.
    """

    journalled: JournalOrder
    is_new: bool

    @property
    def order(self) -> Order:
        """The order as the journal knows it."""
        return self.journalled.order


@dataclass(frozen=True, slots=True)
class NewBreach:
    """A limit that was crossed. category e.g. slippage, drawdown, naked, own_fill; details name the figures."""

    breach_id: str
    session_id: str
    pair_id: str | None
    category: str
    severity: Severity
    details: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach and what an operator decided about it."""

    breach_id: str
    session_id: str
    pair_id: str | None
    category: str
    severity: Severity
    details: Mapping[str, object]
    created_at: datetime
    acknowledged_at: datetime | None
    action: BreachAction | None
    comment: str | None

    @property
    def is_open(self) -> bool:
        """True until somebody acknowledged it."""
        return self.acknowledged_at is None


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's wish; command_id grows with the order of asking. outcome is None until it was finished."""

    command_id: int
    session_id: str
    kind: CommandKind
    created_by: str
    created_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may drive a scope ("session:<id>", "account:<id>") until when; attempt fences older runs off."""

    scope: str
    holder: str
    attempt: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One message of a session's progress; sequence counts 1, 2, 3 ... per session without gaps."""

    session_id: str
    sequence: int
    at: datetime
    channel: str
    type: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RowTotals:
    """Sums computed from rows, to check running totals against.

    volume_by_account: traded notional of both sides by account, quote units. net_by_account: signed base quantity by
    account. fees and funding in quote units, signs as in SessionTotals.
    """

    volume_generated: Decimal
    fees: Decimal
    funding: Decimal
    pairs_filled: int
    pairs_unwound: int
    naked_usd_seconds: Decimal
    volume_by_account: Mapping[str, Decimal] = field(default_factory=dict)
    net_by_account: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Segment:
    """One immutable Parquet file: rows of one table that changed in (first_change, last_change]; path is its name."""

    session_id: str
    table: str
    first_change: int
    last_change: int
    path: str
    rows: int
    sha256: str
