"""What the risk gate is shown and what it says: facts, verdicts of its checks, refusals. Values; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.account import Margin
from core.exposure import Exposure
from core.instrument import Venue
from core.limits import Severity
from core.market import Book, FundingRate, Mark
from core.market_data import SystemStatus
from core.numbers import ZERO
from core.order import Side


class RefusalCode(StrEnum):
    """Why a plan may not be traded now."""

    LEASE_LOST = "lease_lost"
    HALTED = "halted"
    CLOCK_UNSAFE = "clock_unsafe"
    VENUE_CLOSED = "venue_closed"
    ACCOUNT_INACTIVE = "account_inactive"
    BOOK_MISSING = "book_missing"
    BOOK_STALE = "book_stale"
    MARK_MISSING = "mark_missing"
    MARK_STALE = "mark_stale"
    OFF_GRID = "off_grid"
    SPREAD_WIDE = "spread_wide"
    DEPTH_THIN = "depth_thin"
    COST_HIGH = "cost_high"
    PRICE_BAND = "price_band"
    POSITION_LIMIT = "position_limit"
    MARGIN_SHORT = "margin_short"
    MARGIN_UNKNOWN = "margin_unknown"
    STOP_LOSS = "stop_loss"
    NAKED_BUDGET = "naked_budget"
    NAKED_DAY_BUDGET = "naked_day_budget"
    SELF_CROSS = "self_cross"


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An own resting or in-flight order of the installation, of any session. price in quote units, base remaining.

    is_foreign: on an own account, and not by us; client_order_id is the venue's id of it then.
    """

    venue: Venue
    symbol: str
    account_id: str
    client_order_id: str
    side: Side
    price: Decimal
    remaining: Decimal
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class LegFacts:
    """Fresh facts for one leg.

    book is None while its continuity is not proven. price: the worst price the leg may be sent with (bound of a
    market order, price of a resting one). margin None: could not be read, which is not zero. status None: the venue
    says nothing of its own state, which is no obstacle. funding: what the plan was chosen by; no check looks at it.
    """

    book: Book | None
    mark: Mark | None
    margin: Margin | None
    exposure: Exposure
    price: Decimal
    status: SystemStatus | None = None
    funding: FundingRate | None = None


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Everything a gate decision rests on.

    session_pnl and capital in quote units (pnl after fees and funding, loss negative). naked_usd_seconds: what the
    session has spent so far; naked_today: what all sessions have since midnight UTC. own_orders: the whole
    installation's, for the self-cross firewall. halted: a critical breach waits for a person. clock_safe: both venues'
    clocks were measured lately and are near ours.
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
    naked_today: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that may not be traded now; details are texts ready to be shown."""

    code: RefusalCode
    text: str
    details: Mapping[str, str]
    severity: Severity

    def __str__(self) -> str:
        return f"refused ({self.code}, {self.severity}): {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found: the value it looked at and the bound it holds it to, as texts ready to be shown.

    account_id None: the pair as a whole. refusal None: passed.
    """

    check: str
    account_id: str | None
    value: str
    bound: str
    refusal: Refused | None = None
