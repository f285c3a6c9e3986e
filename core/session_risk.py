"""What threatens a session: funds before it starts, and its state at a beat. Judges facts; reads and stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.account import AccountRef, Margin
from core.exposure import Exposure, net_delta
from core.instrument import Market, Venue
from core.limits import NAKED_DAY_REMEDY, RiskLimits, Severity
from core.numbers import ZERO, canonical
from core.strategy import SessionGoal, Strategy


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
    """Return the accounts whose available margin does not carry the session; empty when all do.

    required = max_position * mark * initial_margin * cushion + fees, where the fees are the taker fee of taking the
    largest position on and off once more, and of the account's even share of the volume target (a pair counts once in
    volume, but each of its two legs pays).
    """
    share = ZERO if goal.volume_target is None else 2 * goal.volume_target / len(accounts)
    found = []
    for facts in accounts:
        notional = strategy.max_position * facts.mark
        fees = max(ZERO, facts.market.taker_fee) * (2 * notional + share)
        required = notional * facts.market.initial_margin * cushion + fees
        if facts.margin.available < required:
            at = facts.account
            found.append(Shortfall(at.account_id, at.venue, required, facts.margin.available))
    return tuple(found)


class OverallRisk(StrEnum):
    """The session's risk at a glance: high with any critical breach, medium with any warning."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class RiskBreach:
    """A limit that is broken or close to it; details are texts ready to be shown."""

    category: str
    severity: Severity
    details: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.category} ({self.severity}): " + ", ".join(f"{k} {v}" for k, v in self.details.items())


@dataclass(frozen=True, slots=True)
class AccountRiskFacts:
    """One account at a beat. mark, margin None: could not be read. liquidation_price as the venue says, None: none.

    whole: what that price is about, signed base units, somebody else's on the account included; None: the exposure's.
    """

    exposure: Exposure
    mark: Decimal | None
    margin: Margin | None
    liquidation_price: Decimal | None = None
    whole: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SessionRiskFacts:
    """A session at a beat, money in quote units.

    between_pairs: no order is in flight, so net delta should be zero. naked_usd_seconds: spent so far;
    naked_today: by all sessions of the installation since midnight UTC. own_matches: fills found whose counter-order
    was ours. venue_notices: forced deleveraging, cancelled trades and the like, as texts. value_at_risk: what a bad
    minute costs, None: not known yet.
    """

    accounts: tuple[AccountRiskFacts, ...]
    session_pnl: Decimal
    capital: Decimal
    naked_usd_seconds: Decimal
    between_pairs: bool
    own_matches: int = 0
    venue_notices: tuple[str, ...] = ()
    naked_today: Decimal = ZERO
    value_at_risk: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SessionRisk:
    """The state of a session's risk: overall level and every breach found."""

    overall: OverallRisk
    breaches: tuple[RiskBreach, ...]


def assess_session(facts: SessionRiskFacts, limits: RiskLimits) -> SessionRisk:
    """Judge a session at a beat; every breach is found, not only the first."""
    breaches = (
        *_loss(facts, limits),
        *_bad_minute(facts, limits),
        *_net(facts),
        *_naked(facts, limits),
        *_notices(facts),
        *(breach for account in facts.accounts for breach in _account(account, limits)),
    )
    severities = {breach.severity for breach in breaches}
    if Severity.CRITICAL in severities:
        return SessionRisk(OverallRisk.HIGH, breaches)
    return SessionRisk(OverallRisk.MEDIUM if severities else OverallRisk.LOW, breaches)


def _breach(category: str, severity: Severity, **details: Decimal | str) -> RiskBreach:
    shown = {key: canonical(value) if isinstance(value, Decimal) else value for key, value in details.items()}
    return RiskBreach(category, severity, shown)


def _graded(value: Decimal, warning: Decimal, critical: Decimal) -> Severity | None:
    if value >= critical:
        return Severity.CRITICAL
    return Severity.WARNING if value >= warning else None


def _loss(facts: SessionRiskFacts, limits: RiskLimits) -> Iterator[RiskBreach]:
    loss, limit = -facts.session_pnl, limits.stop_loss * facts.capital
    severity = _graded(loss, limit / 2, limit)
    if loss > 0 and severity is not None:
        category = "stop_loss" if severity is Severity.CRITICAL else "drawdown"
        yield _breach(category, severity, loss=loss, limit=limit)


def _bad_minute(facts: SessionRiskFacts, limits: RiskLimits) -> Iterator[RiskBreach]:
    """A bad minute against what is left until the stop loss: half of it warns, all of it is critical."""
    left = limits.stop_loss * facts.capital - max(ZERO, -facts.session_pnl)
    if facts.value_at_risk is None or left <= 0:
        return
    severity = _graded(facts.value_at_risk, left / 2, left)
    if severity is not None:
        yield _breach("value_at_risk", severity, var95=facts.value_at_risk, untilStopLoss=left)


def _net(facts: SessionRiskFacts) -> Iterator[RiskBreach]:
    net = net_delta(account.exposure for account in facts.accounts)
    if facts.between_pairs and net != 0:
        yield _breach("net_exposure", Severity.CRITICAL, netDelta=net)


def _naked(facts: SessionRiskFacts, limits: RiskLimits) -> Iterator[RiskBreach]:
    budget, spent = limits.naked_usd_seconds_max, facts.naked_usd_seconds
    severity = _graded(spent, budget * Decimal("0.8"), budget)
    if severity is not None:
        yield _breach("naked_budget", severity, spent=spent, limit=budget)
    severity = _graded(facts.naked_today, limits.naked_day_max * Decimal("0.8"), limits.naked_day_max)
    if severity is not None:
        spent, budget = facts.naked_today, limits.naked_day_max
        yield _breach("naked_day_budget", severity, spent=spent, limit=budget, remedy=NAKED_DAY_REMEDY)


def _notices(facts: SessionRiskFacts) -> Iterator[RiskBreach]:
    if facts.own_matches > 0:
        yield _breach("self_trade", Severity.CRITICAL, fills=str(facts.own_matches))
    for notice in facts.venue_notices:
        yield _breach("venue_notice", Severity.CRITICAL, notice=notice)


def _account(facts: AccountRiskFacts, limits: RiskLimits) -> Iterator[RiskBreach]:
    account_id = facts.exposure.account.account_id
    if facts.exposure.worst > limits.max_position:
        worst, limit = facts.exposure.worst, limits.max_position
        yield _breach("position_limit", Severity.CRITICAL, accountId=account_id, worst=worst, limit=limit)
    yield from _margin(account_id, facts.margin, limits)
    yield from _liquidation(account_id, facts, limits)


def _margin(account_id: str, margin: Margin | None, limits: RiskLimits) -> Iterator[RiskBreach]:
    if margin is None:
        yield _breach("margin_unknown", Severity.WARNING, accountId=account_id)
        return
    if not margin.active:
        yield _breach("account_inactive", Severity.CRITICAL, accountId=account_id)
    if margin.equity <= 0:
        yield _breach("margin_ratio", Severity.CRITICAL, accountId=account_id, equity=margin.equity)
        return
    ratio = margin.maintenance / margin.equity
    severity = _graded(ratio, limits.margin_ratio_warning, limits.margin_ratio_critical)
    if severity is not None:
        yield _breach("margin_ratio", severity, accountId=account_id, marginRatio=ratio)
    # Without any, an order that evens out a leg by enlarging another would be refused.
    severity = _graded(-margin.available, -limits.margin_floor_warning * margin.equity, ZERO)
    if severity is not None and margin.initial > 0:
        yield _breach("margin_floor", severity, accountId=account_id, available=margin.available, equity=margin.equity)


def _liquidation(account_id: str, facts: AccountRiskFacts, limits: RiskLimits) -> Iterator[RiskBreach]:
    whole = facts.exposure.position if facts.whole is None else facts.whole
    if facts.exposure.position == 0 or whole == 0:
        return
    if facts.mark is None:
        yield _breach("mark_unknown", Severity.WARNING, accountId=account_id)
        return
    if facts.liquidation_price is None:
        return
    # Signed: a long is liquidated below mark, a short above; at or past it the distance is not positive.
    direction = 1 if whole > 0 else -1
    distance = (facts.mark - facts.liquidation_price) * direction / facts.mark
    severity = _graded(-distance, -limits.liquidation_distance_warning, -limits.liquidation_distance_critical)
    if severity is not None:
        yield _breach("liquidation_distance", severity, accountId=account_id, distance=distance)
