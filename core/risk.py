"""The only door to an order: a plan becomes Approved here or is refused with a code. Pure; facts come in as values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.account import Margin
from core.errors import PrecisionRefused
from core.exposure import Exposure
from core.instrument import Venue
from core.limits import NAKED_DAY_REMEDY, RiskLimits, Severity
from core.market import Book, Mark
from core.market_data import SystemStatus
from core.numbers import ZERO, canonical
from core.order import Side
from core.plan import LegPlan, PairPlan, Purpose
from core.pricing import marketable_price, per_leg, taking_cost
from core.session_risk import (
    AccountRiskFacts,
    FundFacts,
    OverallRisk,
    RiskBreach,
    SessionRisk,
    SessionRiskFacts,
    Shortfall,
    assess_session,
    fund_check,
)

__all__ = [
    "AccountRiskFacts",
    "Approved",
    "FundFacts",
    "GateFacts",
    "LegFacts",
    "OverallRisk",
    "OwnOrder",
    "RefusalCode",
    "Refused",
    "RiskBreach",
    "RiskDecision",
    "RiskLimits",
    "SessionRisk",
    "SessionRiskFacts",
    "Severity",
    "Shortfall",
    "assess_session",
    "crossing",
    "fund_check",
    "gate",
]


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


# What does not pass by itself. An unsafe clock is measured again, a closed venue opens again, and a breach that waits
# for a person has been reported as what it is.
_CRITICAL = frozenset(
    {
        RefusalCode.LEASE_LOST,
        RefusalCode.ACCOUNT_INACTIVE,
        RefusalCode.STOP_LOSS,
        RefusalCode.NAKED_BUDGET,
        RefusalCode.NAKED_DAY_BUDGET,
    }
)


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
    market order, price of a resting one). margin None: could not be read, which is not zero. status None: the venue
    says nothing of its own state, which is no obstacle.
    """

    book: Book | None
    mark: Mark | None
    margin: Margin | None
    exposure: Exposure
    price: Decimal
    status: SystemStatus | None = None


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

    def __str__(self) -> str:
        buy, sell = self.plan.legs
        return (
            f"approved pair {self.plan.sequence}: {self.plan.purpose} {canonical(self.plan.quantity)} "
            f"{buy.market.symbol}, buy {buy.account.account_id} on {buy.account.venue}, "
            f"sell {sell.account.account_id} on {sell.account.venue}"
        )

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that may not be traded now; details are texts ready to be shown."""

    code: RefusalCode
    text: str
    details: Mapping[str, str]
    severity: Severity

    def __str__(self) -> str:
        return f"refused ({self.code}, {self.severity}): {self.text}"


RiskDecision = Approved | Refused


def gate(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> RiskDecision:
    """Approve the plan on these facts or refuse it with the first reason found.

    A stop loss, a spent naked budget or a breach that waits for a person refuses opening pairs only: what is open must
    still be closed. Raises ValueError when the facts are those of other accounts than the plan's.
    """
    for leg, leg_facts in _legs(plan, facts):
        if leg_facts.exposure.account != leg.account:
            raise ValueError(f"facts of account {leg_facts.exposure.account.account_id} for a leg of {leg.account}")
    for check in _CHECKS:
        refusal = check(plan, facts, limits)
        if refusal is not None:
            return refusal
    digest = hashlib.sha256(repr((plan, facts, limits)).encode()).hexdigest()
    return Approved(_TOKEN, plan, digest, facts.now)


def crossing(
    venue: Venue, symbol: str, side: Side, price: Decimal, own_orders: tuple[OwnOrder, ...]
) -> OwnOrder | None:
    """Return an own order that an order at `price` could match, or None. The self-cross firewall.

    Orders of every account and session count; equal prices match. A market order is judged at its bound price.
    """
    for own in own_orders:
        meets = own.venue == venue and own.symbol == symbol and own.side is side.opposite and own.remaining > 0
        if meets and not side.is_worse(own.price, than=price):
            return own
    return None


def _legs(plan: PairPlan, facts: GateFacts) -> tuple[tuple[LegPlan, LegFacts], tuple[LegPlan, LegFacts]]:
    return (plan.buy, facts.buy), (plan.sell, facts.sell)


def _refuse(code: RefusalCode, text: str, leg: LegPlan | None = None, **details: Decimal | float | str) -> Refused:
    shown = {key: canonical(value) if isinstance(value, Decimal) else str(value) for key, value in details.items()}
    if leg is not None:
        shown |= {"accountId": leg.account.account_id, "venue": str(leg.account.venue), "side": str(leg.side)}
        text = f"{leg.account.account_id} on {leg.account.venue}: {text}"
    return Refused(code, text, shown, Severity.CRITICAL if code in _CRITICAL else Severity.WARNING)


def _check_run(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Refused | None:
    if not facts.lease_held:
        return _refuse(RefusalCode.LEASE_LOST, "another run drives this session; this one must stop ordering")
    if facts.halted and plan.purpose is Purpose.OPEN:
        return _refuse(RefusalCode.HALTED, "a critical breach is not acknowledged")
    if not facts.clock_safe:
        return _refuse(RefusalCode.CLOCK_UNSAFE, "our clock and a venue's differ too much to judge ages and validity")
    return None


def _check_status(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        if seen.status is not None and not seen.status.takes_new_risk:
            text = f"the venue is not open for orders ({seen.status.state}: {seen.status.text})"
            return _refuse(RefusalCode.VENUE_CLOSED, text, leg, state=str(seen.status.state))
    return None


def _check_books(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        if seen.book is None or seen.book.mid is None:
            return _refuse(RefusalCode.BOOK_MISSING, "no proven two-sided book", leg)
        age = seen.book.age_s(facts.now)
        if age > limits.book_age_s_max:
            text = f"book is {age:.1f} s old, at most {limits.book_age_s_max} s are allowed"
            return _refuse(RefusalCode.BOOK_STALE, text, leg, limit=limits.book_age_s_max, requested=round(age, 3))
        spread = seen.book.spread
        if spread is not None and not ZERO < spread <= limits.spread_max:
            text = f"spread {_percent(spread)} is not within 0 and {_percent(limits.spread_max)}"
            return _refuse(RefusalCode.SPREAD_WIDE, text, leg, limit=limits.spread_max, requested=spread)
    return None


def _check_marks(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        if seen.mark is None:
            return _refuse(RefusalCode.MARK_MISSING, "no mark price", leg)
        age = (facts.now - seen.mark.received_time).total_seconds()
        if age > limits.mark_age_s_max:
            text = f"mark is {age:.1f} s old, at most {limits.mark_age_s_max} s are allowed"
            return _refuse(RefusalCode.MARK_STALE, text, leg, limit=limits.mark_age_s_max, requested=round(age, 3))
    return None


def _check_grid(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        try:
            leg.market.check_quantity(leg.quantity)
            leg.market.check_price(seen.price)
        except PrecisionRefused as refusal:
            return _refuse(RefusalCode.OFF_GRID, refusal.message, leg)
    return None


def _check_price_band(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        band = leg.market.price_band
        if band is None or seen.mark is None:
            continue
        edge = seen.mark.mark * (1 + band * leg.side.sign)
        if leg.side.is_worse(seen.price, than=edge):
            text = f"price {canonical(seen.price)} lies beyond {canonical(edge)}, {_percent(band)} from mark"
            return _refuse(RefusalCode.PRICE_BAND, text, leg, limit=edge, requested=seen.price)
    return None


def _check_depth(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        if seen.book is None or seen.book.mid is None or seen.mark is None:
            return _refuse(RefusalCode.BOOK_MISSING, "no proven two-sided book or no mark", leg)
        slippage = per_leg(limits.max_slippage)
        bound = marketable_price(leg.market, seen.book.mid, leg.side, slippage, mark=seen.mark.mark)
        filled = seen.book.walk(leg.side, leg.quantity, bound).filled
        if filled < leg.quantity:
            text = (
                f"{canonical(filled)} in the book within {_percent(slippage)} of mid, {canonical(leg.quantity)} needed"
            )
            return _refuse(RefusalCode.DEPTH_THIN, text, leg, limit=filled, requested=leg.quantity)
    return None


def _check_cost(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    """Slippage of both legs together against their mids, as a share of the pair's volume; fees are not slippage."""
    costs = []
    for leg, seen in _legs(plan, facts):
        cost = None if seen.book is None else taking_cost(leg.market, seen.book, leg.side, leg.quantity)
        if cost is None:
            return _refuse(RefusalCode.DEPTH_THIN, f"the book does not hold {canonical(leg.quantity)}", leg)
        costs.append(cost)
    volume = plan.quantity * min(cost.average for cost in costs)
    share = sum((cost.slippage for cost in costs), ZERO) / volume
    if share <= limits.max_slippage:
        return None
    fees = sum((cost.fee for cost in costs), ZERO)
    text = f"both legs would pay {_percent(share)} against mid, at most {_percent(limits.max_slippage)} is allowed"
    return _refuse(RefusalCode.COST_HIGH, text, None, limit=limits.max_slippage, requested=share, fees=fees)


def _check_positions(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        held = seen.exposure
        reach = held.worst_long + leg.quantity if leg.side is Side.BUY else leg.quantity - held.worst_short
        # The farthest the account may get in the leg's direction if everything in flight fills against us.
        limit = ZERO if leg.reduce_only else limits.max_position
        if reach > limit:
            text = f"position would reach {canonical(reach * leg.side.sign)}, at most {canonical(limit)} is allowed"
            return _refuse(RefusalCode.POSITION_LIMIT, text, leg, limit=limit, requested=reach)
    return None


def _check_margin(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        if seen.margin is not None and not seen.margin.active:
            return _refuse(RefusalCode.ACCOUNT_INACTIVE, "the venue reports the account as not active", leg)
        if leg.reduce_only:
            continue
        if seen.margin is None or seen.mark is None:
            return _refuse(RefusalCode.MARGIN_UNKNOWN, "margin could not be read", leg)
        notional = leg.quantity * max(seen.price, seen.mark.mark)
        fees = 2 * max(ZERO, leg.market.taker_fee) * notional  # the open and a possible unwind
        required = notional * leg.market.initial_margin * limits.margin_cushion + fees
        if seen.margin.available < required:
            text = f"needs {required:.2f} of margin with cushion and fees, {seen.margin.available:.2f} is available"
            return _refuse(RefusalCode.MARGIN_SHORT, text, leg, limit=seen.margin.available, requested=required)
    return None


def _check_losses(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> Refused | None:
    if plan.purpose is not Purpose.OPEN:
        return None
    loss_max = limits.stop_loss * facts.capital
    if -facts.session_pnl >= loss_max:
        text = f"the session has lost {-facts.session_pnl:.2f}, its stop loss is {loss_max:.2f}"
        return _refuse(RefusalCode.STOP_LOSS, text, limit=loss_max, requested=-facts.session_pnl)
    spent, limit = facts.naked_usd_seconds, limits.naked_usd_seconds_max
    if spent >= limit:
        text = f"legs stood alone for {spent:.0f} quote units x seconds, the budget is {limit:.0f}"
        return _refuse(RefusalCode.NAKED_BUDGET, text, limit=limit, requested=spent)
    spent, limit, remedy = facts.naked_today, limits.naked_day_max, NAKED_DAY_REMEDY
    if spent >= limit:
        text = (
            f"today legs of all sessions stood alone for {spent:.0f} quote units x seconds, the day allows {limit:.0f}"
        )
        return _refuse(RefusalCode.NAKED_DAY_BUDGET, f"{text}; {remedy}", limit=limit, requested=spent, remedy=remedy)
    return None


def _check_self_cross(plan: PairPlan, facts: GateFacts, _limits: RiskLimits) -> Refused | None:
    for leg, seen in _legs(plan, facts):
        own = crossing(leg.account.venue, leg.market.symbol, leg.side, seen.price, facts.own_orders)
        if own is not None:
            text = (
                f"{leg.side} at {canonical(seen.price)} could match our own {own.side} at {canonical(own.price)} "
                f"({own.client_order_id} of account {own.account_id})"
            )
            return _refuse(RefusalCode.SELF_CROSS, text, leg, ownOrder=own.client_order_id, ownAccount=own.account_id)
    return None


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.3f} %"


_CHECKS: tuple[Callable[[PairPlan, GateFacts, RiskLimits], Refused | None], ...] = (
    _check_run,
    _check_self_cross,
    _check_status,
    _check_books,
    _check_marks,
    _check_grid,
    _check_price_band,
    _check_depth,
    _check_cost,
    _check_positions,
    _check_margin,
    _check_losses,
)
