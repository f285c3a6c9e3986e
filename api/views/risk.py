"""A session's risk as a document, from what was just read and what the session recorded. Judged by core's rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from api.documents.records import AccountRisk, NakedBudget, PortfolioRisk, RiskStatus
from api.health_reads import AccountHealth
from api.views.sessions import breach_document
from core.exposure import Exposure
from core.limits import RiskLimits, Severity
from core.numbers import ZERO
from core.risk_state import Standing
from core.session_risk import AccountRiskFacts, OverallRisk, SessionRiskFacts, assess_session
from flows.wiring import stored_request
from store import Breach, Event, Pair, Session

CHANGES_MIN = 20


def risk_status(
    session: Session,
    healths: Sequence[AccountHealth],
    results: Sequence[Decimal],
    breaches: Sequence[Breach],
    metrics: Event | None = None,
    *,
    naked: NakedBudget,
    standing: Standing | None = None,
) -> RiskStatus:
    """Return the risk of a session. results: its PnL (USD) after each pair so far; breaches: the open ones.

    metrics: what the session's run last published; its own figures hold where it has any. standing: its risk state,
    None before its start and after its end.
    """
    limits = RiskLimits.of(stored_request(session).to_strategy())
    accounts = [_account(session, health, limits) for health in healths]
    return RiskStatus(
        session_id=session.session_id,
        overall_risk=_overall(accounts, breaches),
        risk_state=None if standing is None else standing.state.value,
        risk_reason=None if standing is None else standing.reason,
        account_risks=accounts,
        portfolio_risk=published(portfolio(session.totals.pnl, results, _capital(healths)), metrics),
        naked=naked,
        active_breaches=[breach_document(breach) for breach in breaches],
    )


def naked_budget(
    session: Session, open_pairs: Sequence[Pair], today: Decimal, *, day_max: Decimal, now: datetime
) -> NakedBudget:
    """Return what legs stood alone, against the limits. today: of all sessions since midnight UTC, USD x seconds."""
    limits = RiskLimits.of(stored_request(session).to_strategy(), naked_day_max=day_max)
    still_open = sum((pair.outcome.naked_usd_seconds for pair in open_pairs), ZERO)
    return NakedBudget(
        usd_seconds=session.totals.naked_usd_seconds + still_open,
        limit=limits.naked_usd_seconds_max,
        day=now.astimezone(UTC).date(),
        day_usd_seconds=today,
        day_limit=limits.naked_day_max,
    )


def portfolio(total_pnl: Decimal, results: Sequence[Decimal], capital: Decimal | None) -> PortfolioRisk:
    """Return the session as a whole; fractions of capital (USD), which None says could not be read."""
    path = [0.0, *(float(result) for result in results)]
    changes = sorted(after - before for before, after in pairwise(path))
    drawdown = var95 = None
    if capital is not None and capital > 0:
        drawdown = _deepest_fall(path) / float(capital)
        if len(changes) >= CHANGES_MIN:
            var95 = max(0.0, -changes[len(changes) // 20]) / float(capital)
    return PortfolioRisk(total_pnl=total_pnl, max_drawdown=drawdown, var95=var95)


def published(reckoned: PortfolioRisk, metrics: Event | None) -> PortfolioRisk:
    """Return the figures as the run saw them minute by minute, what is reckoned from pairs where it told none."""
    told = {} if metrics is None else metrics.payload
    names = {"max_drawdown": "maxDrawdown", "var95": "var95"}
    known = {field: float(str(told[name])) for field, name in names.items() if told.get(name) is not None}
    return reckoned.model_copy(update=known)


def liquidation_distance(position: Decimal, mark: Decimal | None, liquidation: Decimal | None) -> Decimal | None:
    """Return how far the mark may move against a signed position before liquidation, as a fraction of the mark."""
    if not position or mark is None or liquidation is None:
        return None
    return (mark - liquidation) * (1 if position > 0 else -1) / mark


def margin_ratio(health: AccountHealth) -> Decimal | None:
    """Return maintenance margin over equity; None when it could not be read or there is no equity."""
    if health.margin is None or health.margin.equity <= 0:
        return None
    return health.margin.maintenance / health.margin.equity


def _account(session: Session, health: AccountHealth, limits: RiskLimits) -> AccountRisk:
    ref = health.account.ref
    held = None if health.positions is None else [p for p in health.positions if p.symbol == session.symbol]
    size = None if held is None else sum((p.quantity for p in held), ZERO)
    mark = health.marks[session.symbol].mark if session.symbol in health.marks else None
    liquidation = held[0].liquidation_price if held else None
    return AccountRisk(
        account_id=ref.account_id,
        venue=ref.venue.value,
        position_size=size,
        unrealized_pnl=ZERO if held == [] else held[0].unrealized_pnl if held else None,
        margin_ratio=margin_ratio(health),
        liquidation_price=liquidation,
        liquidation_distance=None if size is None else liquidation_distance(size, mark, liquidation),
        risk_level=_level(session, health, size, mark=mark, liquidation=liquidation, limits=limits),
        as_of=health.as_of,
        reason=health.reason,
    )


def _level(
    session: Session, health: AccountHealth, size: Decimal | None,
    *, mark: Decimal | None, liquidation: Decimal | None, limits: RiskLimits,
) -> str | None:  # fmt: skip
    """Judge one account by the rules a running session is judged by; None when it could not be read."""
    if size is None or health.margin is None:
        return None
    exposure = Exposure(health.account.ref, session.symbol, size)
    facts = SessionRiskFacts(
        accounts=(AccountRiskFacts(exposure, mark, health.margin, liquidation),),
        session_pnl=ZERO, capital=health.margin.equity, naked_usd_seconds=ZERO, between_pairs=False,
    )  # fmt: skip
    return assess_session(facts, limits).overall.value


def _overall(accounts: Sequence[AccountRisk], breaches: Sequence[Breach]) -> str:
    levels = {account.risk_level for account in accounts}
    if OverallRisk.HIGH.value in levels or any(b.severity is Severity.CRITICAL for b in breaches):
        return OverallRisk.HIGH.value
    # What could not be read is not known to be harmless.
    if breaches or levels - {OverallRisk.LOW.value}:
        return OverallRisk.MEDIUM.value
    return OverallRisk.LOW.value


def _capital(healths: Sequence[AccountHealth]) -> Decimal | None:
    equities = [health.margin.equity for health in healths if health.margin is not None]
    return sum(equities, ZERO) if len(equities) == len(healths) else None


def _deepest_fall(path: Sequence[float]) -> float:
    peak, deepest = path[0], 0.0
    for value in path:
        peak = max(peak, value)
        deepest = max(deepest, peak - value)
    return deepest
