"""What a person should know before starting a session: what would hold it up, and what its estimate rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.limits import RiskLimits, Severity
from core.rehearsal import Path, PathEnd, Rehearsal
from core.session_risk import FundFacts, fund_check


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing to know. critical: the session would not start, or not come to a clean end, as things are."""

    code: str
    severity: Severity
    text: str
    account_id: str | None = None


def cautions_before(scene: Rehearsal) -> Iterator[Caution]:
    """Yield what a start would refuse, and what could not be read."""
    funds = []
    for name, facts in scene.facts.items():
        at = f"{name} on {facts.account.venue}"
        if facts.book is None or facts.book.mid is None or facts.mark is None:
            text = f"{at}: no proven two-sided book or no mark; it takes no leg in this estimate"
            yield Caution("market_data_unknown", Severity.WARNING, text, name)
        if facts.funding is None:
            text = f"{at}: no funding rate; what its positions would earn or pay is not known"
            yield Caution("funding_unknown", Severity.WARNING, text, name)
        if facts.margin is None:
            text = f"{at}: margin could not be read; this estimate supposes that there is enough"
            yield Caution("margin_unknown", Severity.WARNING, text, name)
        elif not facts.margin.active:
            text = f"{at}: the venue reports the account as not active; a start would be refused"
            yield Caution("account_inactive", Severity.CRITICAL, text, name)
        elif facts.mark is not None:
            funds.append(FundFacts(facts.account, facts.market, facts.mark.mark, facts.margin))
    for short in fund_check(scene.strategy, scene.goal, funds):
        text = (
            f"{short.account_id} on {short.venue}: the session may need {short.required:.2f} of margin and "
            f"{short.available:.2f} is available; a start would be refused"
        )
        yield Caution("insufficient_balance", Severity.CRITICAL, text, short.account_id)


def cautions_on_the_way(paths: Sequence[Path]) -> Iterator[Caution]:
    """Yield what the gate would refuse now, what stopped the planner, and sessions that did not come to an end."""
    refusals = {code: refusal for path in paths for code, refusal in path.refusals.items()}
    for code, refusal in refusals.items():
        text = f"the gate would refuse pairs now: {refusal.text}; reckoned as if it had passed"
        yield Caution(code, refusal.severity, text, refusal.details.get("accountId"))
    obstacles = {code: nothing for path in paths for code, nothing in path.obstacles.items()}
    for code, nothing in obstacles.items():
        met = sum(code in path.obstacles for path in paths)
        text = f"in {met} of {len(paths)} played sessions no pair can be planned at some point: {nothing.text}"
        yield Caution(f"plan_{code}", Severity.WARNING, text)
    stalled = sum(path.stalled for path in paths)
    if stalled:
        text = f"{stalled} of {len(paths)} played sessions find no pair for so long that they wind down early"
        yield Caution("stalls", Severity.WARNING, text)
    stuck = sum(path.end is PathEnd.STUCK for path in paths)
    if stuck:
        text = f"{stuck} of {len(paths)} played sessions cannot close what they opened and would halt"
        yield Caution("not_flat", Severity.CRITICAL, text)
    cut = sum(path.end is PathEnd.CUT for path in paths)
    if cut:
        text = f"{cut} of {len(paths)} sessions were played in part and carried on in proportion"
        yield Caution("extrapolated", Severity.WARNING, text)


def cautions_of_costs(scene: Rehearsal, *, cost: Decimal | None, naked_usd_seconds: Decimal) -> Iterator[Caution]:
    """Yield the session's own limits that its expected costs (p90, quote units) would reach."""
    limits = RiskLimits.of(scene.strategy)
    loss_max = limits.stop_loss * scene.capital
    if cost is not None and scene.capital > 0 and cost >= loss_max:
        text = f"costs of {cost:.2f} would reach the session's stop loss of {loss_max:.2f}"
        yield Caution("stop_loss", Severity.CRITICAL, text)
    if naked_usd_seconds >= limits.naked_usd_seconds_max:
        text = (
            f"legs would stand alone for {naked_usd_seconds:.0f} quote units x seconds, "
            f"the session's budget is {limits.naked_usd_seconds_max:.0f}"
        )
        yield Caution("naked_budget", Severity.CRITICAL, text)
