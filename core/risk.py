"""The only door to an order: a plan becomes Approved here or is refused with a code. Pure; facts come in as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.account import AccountRef, Margin
from core.exposure import Exposure
from core.instrument import Market, Venue
from core.market import Book, Mark
from core.order import Side
from core.plan import PairPlan
from core.strategy import SessionGoal, Strategy


class Severity(StrEnum):
    """warning: may pass by itself; critical: a person must look, and the session does not resume before."""

    WARNING = "warning"
    CRITICAL = "critical"


class RefusalCode(StrEnum):
    """Why a plan may not be traded now."""

    LEASE_LOST = "lease_lost"
    HALTED = "halted"
    CLOCK_UNSAFE = "clock_unsafe"
    ACCOUNT_INACTIVE = "account_inactive"
    BOOK_MISSING = "book_missing"
    BOOK_STALE = "book_stale"
    MARK_MISSING = "mark_missing"
    MARK_STALE = "mark_stale"
    SPREAD_WIDE = "spread_wide"
    DEPTH_THIN = "depth_thin"
    COST_HIGH = "cost_high"
    PRICE_BAND = "price_band"
    POSITION_LIMIT = "position_limit"
    MARGIN_SHORT = "margin_short"
    MARGIN_UNKNOWN = "margin_unknown"
    STOP_LOSS = "stop_loss"
    NAKED_BUDGET = "naked_budget"
    SELF_CROSS = "self_cross"


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An own resting or in-flight order of the installation, of any session. price in quote units, base remaining."""

    venue: Venue
    symbol: str
    account_id: str
    client_order_id: str
    side: Side
    price: Decimal
    remaining: Decimal


@dataclass(frozen=True, slots=True)
class LegFacts:
    """Fresh facts for one leg.

    book is None while its continuity is not proven. price: the worst price the leg may be sent with (bound of a
    market order, price of a resting one). margin None: could not be read, which is not zero.
    """

    book: Book | None
    mark: Mark | None
    margin: Margin | None
    exposure: Exposure
    price: Decimal


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Everything a gate decision rests on.

    session_pnl and capital in quote units (pnl after fees and funding, loss negative). naked_usd_seconds: what the
    session has spent so far. own_orders: the whole installation's, for the self-cross firewall.
    """

    now: datetime
    buy: LegFacts
    sell: LegFacts
    session_pnl: Decimal
    capital: Decimal
    naked_usd_seconds: Decimal
    own_orders: tuple[OwnOrder, ...] = ()
    lease_held: bool = True
    clock_safe: bool = True
    halted: bool = False


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Bounds of a session. Ages in seconds, fractions of mid or notional, naked budget in quote units x seconds."""

    max_position: Decimal
    max_slippage: Decimal
    stop_loss: Decimal
    book_age_s_max: float = 5.0
    mark_age_s_max: float = 30.0
    spread_max: Decimal = Decimal("0.01")
    margin_cushion: Decimal = Decimal("1.1")
    naked_usd_seconds_max: Decimal = Decimal("50000")
    margin_ratio_warning: Decimal = Decimal("0.5")
    margin_ratio_critical: Decimal = Decimal("0.8")

    @classmethod
    def of(cls, strategy: Strategy) -> RiskLimits:
        """Take the operator's limits, and the defaults for what a strategy does not say."""
        return cls(strategy.max_position, strategy.max_slippage, strategy.stop_loss)


_TOKEN = object()


class Approved:
    """A plan that passed every check, with the digest of the facts it passed on. Only this module can make one."""

    __slots__ = ("approved_at", "facts_digest", "plan")

    plan: PairPlan
    facts_digest: str
    approved_at: datetime

    def __init__(self, token: object, plan: PairPlan, facts_digest: str, approved_at: datetime) -> None:
        if token is not _TOKEN:
            raise TypeError("only the risk gate approves a plan; call core.risk.gate")
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "facts_digest", facts_digest)
        object.__setattr__(self, "approved_at", approved_at)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an approval cannot be changed")


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that may not be traded now."""

    code: RefusalCode
    text: str
    details: Mapping[str, str]
    severity: Severity


RiskDecision = Approved | Refused


def gate(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> RiskDecision:
    """Approve the plan on these facts or refuse it with the first reason found."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class FundFacts:
    """One account before a start: mark in quote units, margin as just read."""

    account: AccountRef
    market: Market
    mark: Decimal
    margin: Margin


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An account that cannot carry the session; required and available in quote units."""

    account_id: str
    venue: Venue
    required: Decimal
    available: Decimal


def fund_check(
    strategy: Strategy, goal: SessionGoal, accounts: Sequence[FundFacts], *, cushion: Decimal = Decimal("1.1")
) -> tuple[Shortfall, ...]:
    """Return the accounts whose available margin does not carry the session; empty when all do."""
    raise NotImplementedError


class OverallRisk(StrEnum):
    """The session's risk at a glance."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class RiskBreach:
    """A limit that is broken or close to it; details are texts ready to be shown."""

    category: str
    severity: Severity
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AccountRiskFacts:
    """One account at a beat. margin None: could not be read. liquidation_price as the venue says, None: none."""

    exposure: Exposure
    mark: Decimal | None
    margin: Margin | None
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SessionRiskFacts:
    """A session at a beat, in quote units. between_pairs: no order is in flight, so net delta should be zero."""

    accounts: tuple[AccountRiskFacts, ...]
    session_pnl: Decimal
    capital: Decimal
    naked_usd_seconds: Decimal
    between_pairs: bool
    own_matches: int = 0
    venue_notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionRisk:
    """The state of a session's risk: overall level and every breach found."""

    overall: OverallRisk
    breaches: tuple[RiskBreach, ...]


def assess_session(facts: SessionRiskFacts, limits: RiskLimits) -> SessionRisk:
    """Judge a session at a beat."""
    raise NotImplementedError
