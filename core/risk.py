"""The only door to an order: a plan becomes Approved here or is refused with a code. Pure; facts come in as values."""

from __future__ import annotations

import hashlib
from datetime import datetime

from core.gate_checks import crossing, judge, legs_of
from core.gate_facts import GateFacts, LegFacts, OwnOrder, RefusalCode, Refused, Verdict
from core.limits import RiskLimits, Severity
from core.numbers import canonical
from core.plan import PairPlan
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
    "Verdict",
    "assess_session",
    "crossing",
    "fund_check",
    "gate",
]


_TOKEN = object()


class Approved:
    """A plan that passed every check, with the facts and limits it passed on, their digest and each check's verdict.

    Only this module can make one.
    """

    __slots__ = ("approved_at", "facts", "facts_digest", "limits", "plan", "verdicts")

    plan: PairPlan
    facts_digest: str
    approved_at: datetime
    facts: GateFacts
    limits: RiskLimits
    verdicts: tuple[Verdict, ...]

    def __init__(
        self, token: object, plan: PairPlan, facts: GateFacts, limits: RiskLimits, verdicts: tuple[Verdict, ...]
    ) -> None:  # fmt: skip
        if token is not _TOKEN:
            raise TypeError("only the risk gate approves a plan; call core.risk.gate")
        object.__setattr__(self, "plan", plan)
        digest = hashlib.sha256(repr((plan, facts, limits)).encode()).hexdigest()
        object.__setattr__(self, "facts_digest", digest)
        object.__setattr__(self, "approved_at", facts.now)
        object.__setattr__(self, "facts", facts)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "verdicts", verdicts)

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


RiskDecision = Approved | Refused


def gate(plan: PairPlan, facts: GateFacts, limits: RiskLimits) -> RiskDecision:
    """Approve the plan on these facts or refuse it with the first reason found.

    A stop loss, a spent naked budget or a breach that waits for a person refuses opening pairs only: what is open must
    still be closed. Raises ValueError when the facts are those of other accounts than the plan's.
    """
    for leg, leg_facts in legs_of(plan, facts):
        if leg_facts.exposure.account != leg.account:
            raise ValueError(f"facts of account {leg_facts.exposure.account.account_id} for a leg of {leg.account}")
    verdicts = judge(plan, facts, limits)
    refusal = verdicts[-1].refusal
    return refusal if refusal is not None else Approved(_TOKEN, plan, facts, limits, verdicts)
