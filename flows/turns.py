"""One pair from plan to volume: planned, gated, placed, reconciled, counted; and bringing open pairs to their end.

Told by the session's story and by whatever closes a session for good; which steps carry it out is the caller's choice.
"""

from __future__ import annotations

import logging

from core.evidence import evidence
from core.numbers import ZERO, canonical
from core.pair import Done, Halt, PairStatus
from core.plan import Nothing, PairPlan, plan_pair
from core.risk import Refused, RiskDecision, Severity
from flows.steps import Steps
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.place_pair import PairEnd
from tasks.publish import publish, say
from tasks.reconcile_fills import Reconciled
from tasks.recover import resume_open_pairs
from tasks.risk_gate import session_view

_log = logging.getLogger("hedging.session")


def plan_next(desk: Desk, course: Course) -> PairPlan | Nothing:
    """Choose the next pair, or say why there is none."""
    view = session_view(
        desk,
        sequence=course.sequence + 1,
        volume=course.volume,
        closing=course.closing is not None,
        unwinding=course.unwinding,
    )
    return plan_pair(view, desk.strategy, desk.rng)


async def turn(desk: Desk, course: Course, heart: Heart, steps: Steps, plan: PairPlan) -> bool:
    """Take one plan through gate, venues and reconciliation; False when nothing came of it and a moment must pass."""
    decision: RiskDecision = await steps.check_risk(plan, course.naked_spent, course.naked_today)
    if isinstance(decision, Refused):
        await _refused(desk, course, heart, decision)
        return False
    course.sequence = plan.sequence
    course.news(None)
    end = await steps.place_pair(decision, evidence(decision))
    reconciled = await steps.reconcile_fills(end)
    await account_for(desk, course, heart, end, reconciled)
    # Winding down has no pace of its own: after a pair that filled nothing it waits as after a refusal.
    return course.closing is None or reconciled.status is PairStatus.FILLED


async def account_for(desk: Desk, course: Course, heart: Heart, end: PairEnd, reconciled: Reconciled) -> None:
    """Take a reconciled pair into the session's positions and sums, and say so."""
    result, plan = reconciled.result, end.state.plan
    course.naked_open = result.naked_usd_seconds if isinstance(end.action, Halt) else ZERO
    if isinstance(end.action, Halt):
        await _halt(desk, course, heart, end.action)
        return
    desk.put_down()
    course.naked_pairs += result.naked_usd_seconds
    course.naked_today += result.naked_usd_seconds
    course.max_net_exposure_usd = max(course.max_net_exposure_usd, result.max_net_exposure_usd)
    course.unwinding = plan.closing
    if reconciled.status is PairStatus.FILLED:
        course.last_progress_at = desk.now()
    if reconciled.own_matches:
        await heart.breach("own_fill", Severity.CRITICAL, {"pairId": plan.pair_id, "matches": reconciled.own_matches})
        course.close("own orders met; nothing of it counts as volume")
    else:
        course.volume += result.volume
        course.slippage_paid += result.slippage_paid
    course.pairs_filled += reconciled.status is PairStatus.FILLED
    course.pairs_unwound += reconciled.status is PairStatus.UNWOUND
    course.last_decision = _sentence(end, reconciled)
    _log.info(course.last_decision)
    await say(desk, "orders", "order_update", {
        "pairId": plan.pair_id, "sequence": plan.sequence, "status": reconciled.status.value,
        "volume": str(result.volume), "text": course.last_decision,
    })  # fmt: skip
    await publish(desk, course, net_peak_usd=result.max_net_exposure_usd)


async def settle_open_pairs(desk: Desk, course: Course, heart: Heart) -> None:
    """Bring pairs that an earlier run, or a halt, left open to their end. Reducing risk is always allowed."""
    ends = []
    async for end, reconciled in resume_open_pairs(desk, course):
        await account_for(desk, course, heart, end, reconciled)
        ends.append(end)
    if course.halted is not None and ends and all(isinstance(end.action, Done) for end in ends):
        course.halted = None
        if course.closing is not None:
            course.paused = None
        course.last_decision = "the open pair was brought to its end; acknowledge the breach and resume"


def exposure_of(desk: Desk) -> dict[str, object]:
    """What the session holds, by account, for an error's or a breach's details."""
    return {"positions": {name: canonical(q) for name, q in desk.positions.items()}}


async def _refused(desk: Desk, course: Course, heart: Heart, decision: Refused) -> None:
    text = f"refused: {decision.text}"
    course.refusals[decision.code.value] = course.refusals.get(decision.code.value, 0) + 1
    if course.news(decision.code.value):
        _log.info(text)
        await say(desk, "decision", "refused", {"code": decision.code.value, "text": decision.text})
    course.last_decision = text
    if decision.severity is Severity.CRITICAL:
        await heart.breach(decision.code.value, Severity.CRITICAL, dict(decision.details))
        if course.closing is None:
            course.close(decision.text)


async def _halt(desk: Desk, course: Course, heart: Heart, halt: Halt) -> None:
    """Exposure is left: say so loudly, open nothing, keep trying to learn and repair."""
    if course.halted is not None:
        return
    course.halted = f"{halt.reason}; net {canonical(halt.net)} {desk.symbol} is not hedged"
    await heart.breach("naked_leg", Severity.CRITICAL, {"reason": halt.reason, **exposure_of(desk)})
    await heart.pause(course.halted)


def _sentence(end: PairEnd, reconciled: Reconciled) -> str:
    plan, result = end.state.plan, reconciled.result
    verb = {"open": "opened", "close": "closed", "complete": "completed"}[plan.purpose.value]
    return (
        f"pair {plan.sequence}: {verb} {canonical(result.quantity)} {plan.buy.market.base}, "
        f"buy {plan.buy.account.venue} / sell {plan.sell.account.venue}, {reconciled.status.value}"
        f" ({end.action.reason})"
    )
