"""One hedging session from fund check to settlement: the story, told in tasks.

Everything about money is in the store and at the venues; Prefect launches this, retries its steps and shows it. A run
that died is simply run again: start-up is recovery, by the same path every time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from datetime import datetime
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from connectors.settings import Environment
from core.errors import ConfigurationError, HedgeError, LeaseLost, SessionHalted, VenueError
from core.numbers import ZERO, canonical
from core.pair import Done, Halt, PairStatus
from core.plan import Nothing, NothingCode, PairPlan, plan_pair
from core.risk import Approved, Refused, RiskDecision, Severity
from flows.accounts import accounts_for
from flows.record import is_driven, put_on_record, record_what_ended, write_results
from flows.wiring import create_session, home, open_desk, open_home_store
from store import Session, SessionStatus, Store
from store.requests import SessionRequest
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk, sit_down
from tasks.fund_check import check_funds
from tasks.place_pair import PairEnd, place_pair
from tasks.publish import Board, publish, say
from tasks.reconcile_fills import Reconciled, reconcile_fills
from tasks.recover import load_course, resume_open_pairs
from tasks.risk_gate import check_risk, session_view
from tasks.settle import Settlement, settle

_log = logging.getLogger("hedging.session")

BEAT_S = 1.0
PATIENCE_S = 0.5
HALTED_BEAT_S = 5.0
WIND_DOWN_S = 600.0


@flow(name="hedging-session", persist_result=False, validate_parameters=True)
async def hedging_session(
    environment: Environment = Environment.SANDBOX,
    session_id: str | None = None,
    request: SessionRequest | None = None,
) -> dict[str, Any]:
    """Run one hedging session to its end and return its summary.

    Give the `session_id` of a session that was created before, or a `request` to create one now. Running the same
    session id again after a crash goes on where the journal ends. Raises the error that stopped the session; a run
    is green only when the session is completed, flat and reconciled.
    """
    accounts_for(environment, home(), os.environ)
    store = open_home_store()
    try:
        await record_what_ended(store)
        session = _claim(store, environment, session_id, request)
        await store.journal.set_flow_run(session.session_id, str(flow_run.id or "local"))
        try:
            async with open_desk(store, session.session_id, environment) as desk:
                sit_down(desk)
                # Read again: while this run waited for the lease, another one may have driven the session.
                return await run_session(desk, store.reads.session(session.session_id))
        except (Exception, asyncio.CancelledError) as error:
            await _note_failure(store, session.session_id, error)
            raise
    finally:
        store.close()


def _claim(
    store: Store, environment: Environment, session_id: str | None, request: SessionRequest | None
) -> Session:  # fmt: skip
    if session_id is not None:
        return store.reads.session(session_id)
    if request is None:
        raise ConfigurationError("give either a session_id or a request", field="request")
    # The run's own id, so that a run that Prefect starts again goes on with its session and makes no second one.
    return create_session(store, request, environment, home(), os.environ, session_id=flow_run.id)


async def run_session(desk: Desk, session: Session) -> dict[str, Any]:
    """Recover, check, trade, wind down, settle."""
    board = Board()
    course = await load_course(desk, session)
    heart = Heart(desk, course, board)
    _listen_for_cancel(course)
    await desk.store.journal.reopen_commands(desk.session_id)
    await _settle_open_pairs(desk, course, heart)
    await check_funds()
    await _begin(desk, course, heart)
    await _trade(desk, course, heart)
    return await _finish(desk, course, board)


async def _begin(desk: Desk, course: Course, heart: Heart) -> None:
    """Say that the session runs; one that was paused, or waits for a breach to be acknowledged, stays paused."""
    if course.paused is not None:
        await heart.pause(course.paused)
        return
    statuses = (SessionStatus.PENDING, SessionStatus.ACTIVE, SessionStatus.PAUSED)
    await desk.store.journal.set_session_status(desk.session_id, statuses, SessionStatus.ACTIVE, at=desk.now())
    await say(desk, "status", "session_update", {"status": "active", "attempt": desk.lease.attempt})


async def _trade(desk: Desk, course: Course, heart: Heart) -> None:
    """Turn pairs until the goal is reached and everything is flat, or until told to stop and flat."""
    closing_since: datetime | None = None
    while True:
        await heart.beat()
        if course.closing is not None:
            closing_since = closing_since or desk.now()
            if (desk.now() - closing_since).total_seconds() > WIND_DOWN_S:
                raise SessionHalted(f"could not get flat within {WIND_DOWN_S:.0f} s", **_exposure(desk))
        if course.paused is not None or _has_open_pair(desk, course):
            await _stay_paused(desk, course, heart)
            continue
        plan = _plan(desk, course)
        if isinstance(plan, Nothing):
            if plan.is_done:
                return
            await _wait_for_better(desk, course, heart, plan)
            continue
        if await _turn(desk, course, heart, plan):
            await _pace(desk, course, heart)
        else:
            await desk.outside.sleep(PATIENCE_S)


def _plan(desk: Desk, course: Course) -> PairPlan | Nothing:
    view = session_view(
        desk,
        sequence=course.sequence + 1,
        volume=course.volume,
        closing=course.closing is not None,
        unwinding=course.unwinding,
    )
    return plan_pair(view, desk.strategy, desk.rng)


async def _turn(desk: Desk, course: Course, heart: Heart, plan: PairPlan) -> bool:
    """Take one plan through gate, venues and reconciliation; False when nothing came of it and a moment must pass."""
    decision: RiskDecision = await check_risk(plan, course.naked_usd_seconds)
    if isinstance(decision, Refused):
        await _refused(desk, course, heart, decision)
        return False
    course.sequence = plan.sequence
    course.news(None)
    end = await place_pair(decision, _decision_document(decision))
    reconciled = await reconcile_fills(end)
    await account_for(desk, course, heart, end, reconciled)
    # Winding down has no pace of its own: after a pair that filled nothing it waits as after a refusal.
    return course.closing is None or reconciled.status is PairStatus.FILLED


async def account_for(desk: Desk, course: Course, heart: Heart, end: PairEnd, reconciled: Reconciled) -> None:
    """Take a reconciled pair into the session's positions and sums, and say so."""
    if isinstance(end.action, Halt):
        await _halt(desk, course, heart, end.action)
        return
    result, plan = reconciled.result, end.state.plan
    desk.put_down()
    course.naked_usd_seconds += result.naked_usd_seconds
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
    await heart.breach("naked_leg", Severity.CRITICAL, {"reason": halt.reason, **_exposure(desk)})
    await heart.pause(course.halted)


def _has_open_pair(desk: Desk, course: Course) -> bool:
    """A halted pair comes first, even when told to stop: what it holds must not be forgotten by the next one."""
    return course.halted is not None and bool(desk.store.reads.open_pairs(desk.session_id))


async def _stay_paused(desk: Desk, course: Course, heart: Heart) -> None:
    if course.halted is not None:
        try:
            await _settle_open_pairs(desk, course, heart)
        except VenueError as error:
            desk.notices.append(f"the open pair cannot be worked now ({error})")
    await desk.outside.sleep(BEAT_S if course.halted is None else HALTED_BEAT_S)


async def _settle_open_pairs(desk: Desk, course: Course, heart: Heart) -> None:
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


async def _wait_for_better(desk: Desk, course: Course, heart: Heart, nothing: Nothing) -> None:
    if course.news(nothing.code.value):
        _log.info("no pair now: %s", nothing.text)
        await say(desk, "decision", "nothing", {"code": nothing.code.value, "text": nothing.text})
    course.last_decision = nothing.text
    if nothing.code in (NothingCode.NET_EXPOSURE, NothingCode.UNMATCHED):
        course.halted = nothing.text
        await heart.breach("net_exposure", Severity.CRITICAL, {"reason": nothing.text, **_exposure(desk)})
        if course.closing is not None:
            raise SessionHalted(nothing.text, **_exposure(desk))
        await heart.pause(nothing.text)
    await desk.outside.sleep(PATIENCE_S)


async def _pace(desk: Desk, course: Course, heart: Heart) -> None:
    """Wait a random interval between pairs (it limits market impact), beating meanwhile; none while winding down."""
    low, high = desk.strategy.interval_min_s, desk.strategy.interval_max_s
    left = desk.rng.uniform(low, high)
    while left > 0 and course.closing is None and course.paused is None:
        nap = min(left, BEAT_S)
        await desk.outside.sleep(nap)
        left -= nap
        if left > 0:
            await heart.beat()


async def _finish(desk: Desk, course: Course, board: Board) -> dict[str, Any]:
    settlement = await settle(course.started_at)
    if not settlement.is_clean:
        raise SessionHalted(f"not flat at the end: {_left_over(settlement)}", **_exposure(desk))
    await publish(desk, course)
    await desk.renew_lease()
    now = desk.now()
    await desk.store.journal.set_session_status(
        desk.session_id, (SessionStatus.ACTIVE, SessionStatus.PAUSED), SessionStatus.COMPLETED,
        at=now, reason=course.closing or "the volume target is reached",
    )  # fmt: skip
    await say(desk, "status", "session_update", {"status": "completed"})
    report = await put_on_record(desk.store, desk.session_id, desk.now())
    pairs = desk.store.reads.pairs(desk.session_id, limit=1000)
    await board.progress(desk, course)
    await board.pairs(pairs)
    summary = _summary(desk, course, str(report))
    await board.summary(_markdown(summary))
    return summary


async def _note_failure(store: Store, session_id: str, error: BaseException) -> None:
    """Write why a run ended early: untraded, the session failed; halted, it is paused; else it stays as it is.

    Whatever has traded stays open, so that running it again takes it up. What another run drives is left alone.
    """
    session = store.reads.session(session_id)
    now = datetime.now(tz=session.created_at.tzinfo)  # noqa: TID251
    if session.status.is_final or isinstance(error, LeaseLost) or is_driven(store, session_id, now):
        return
    status = session.status
    if not store.reads.orders_of_session(session_id):
        status = SessionStatus.FAILED
    elif isinstance(error, SessionHalted):
        status = SessionStatus.PAUSED
    reason = _reason(error)
    await store.journal.set_session_status(session_id, (session.status,), status, at=now, reason=reason)
    await store.journal.append_event(
        session_id, at=now, channel="status", type="session_update",
        payload={"status": status.value, "reason": reason, "recoverable": not status.is_final},
    )  # fmt: skip
    if isinstance(error, SessionHalted) and not status.is_final:
        await write_results(store, session_id)


def _reason(error: BaseException) -> str:
    """Say what ended a run; the text of an error that nobody foresaw may hold anything, so only its kind is kept."""
    if isinstance(error, HedgeError):
        return f"{error.code}: {error}"[:1000]
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED: the run was cancelled"
    return f"{HedgeError.code}: {type(error).__name__}; see the run's log"


def _listen_for_cancel(course: Course) -> None:
    """Cancel arrives as SIGTERM with a grace period: wind down like stop instead of being torn in mid-order."""
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, course.close, "cancelled in Prefect")
    except (NotImplementedError, RuntimeError, ValueError):
        _log.debug("not the main thread: cancel cannot be listened for here")


def _decision_document(decision: Approved) -> dict[str, object]:
    return {"verdict": "approved", "factsDigest": decision.facts_digest, "approvedAt": decision.approved_at.isoformat()}


def _exposure(desk: Desk) -> dict[str, object]:
    return {"positions": {name: canonical(q) for name, q in desk.positions.items()}}


def _left_over(settlement: Settlement) -> str:
    held = ", ".join(f"{name} {canonical(q)}" for name, q in settlement.positions.items() if q != ZERO)
    return f"{held or 'no position'}; {settlement.open_orders} open orders"


def _sentence(end: PairEnd, reconciled: Reconciled) -> str:
    plan, result = end.state.plan, reconciled.result
    verb = {"open": "opened", "close": "closed", "complete": "completed"}[plan.purpose.value]
    return (
        f"pair {plan.sequence}: {verb} {canonical(result.quantity)} {plan.buy.market.base}, "
        f"buy {plan.buy.account.venue} / sell {plan.sell.account.venue}, {reconciled.status.value}"
        f" ({end.action.reason})"
    )


def _summary(desk: Desk, course: Course, report: str) -> dict[str, Any]:
    session = desk.store.reads.session(desk.session_id)
    totals = session.totals
    return {
        "session": session.session_id, "name": session.name, "symbol": session.symbol,
        "status": session.status.value, "reason": session.status_reason,
        "volume": f"{totals.volume_generated:.2f}", "pairsFilled": totals.pairs_filled,
        "pairsUnwound": totals.pairs_unwound, "pnl": f"{totals.pnl:.4f}", "fees": f"{totals.fees:.4f}",
        "funding": f"{totals.funding:.4f}", "slippageBps": f"{totals.slippage * 10_000:.2f}",
        "maxNetExposureUsd": f"{totals.max_net_exposure_usd:.2f}",
        "nakedUsdSeconds": f"{totals.naked_usd_seconds:.2f}",
        "refusals": dict(course.refusals), "report": report,
    }  # fmt: skip


def _markdown(summary: dict[str, Any]) -> str:
    lines = [f"# {summary['name']}: {summary['status']}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in summary.items() if key not in ("name", "status")]
    return "\n".join(lines)


__all__ = ["account_for", "hedging_session", "run_session"]
