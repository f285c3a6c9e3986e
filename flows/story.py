"""The story of a session from fund check to settlement, for any set of steps: under Prefect, or without a server.

Everything about money is in the store and at the venues. A run that died is simply run again: start-up is recovery,
by the same path every time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from core.errors import RateLimited, SessionHalted, VenueError
from core.numbers import ZERO, canonical
from core.plan import Nothing, NothingCode
from core.risk import Severity
from flows.books import books_summary, require_balanced
from flows.cancelling import Cancel
from flows.closing import close_out
from flows.connecting import BUDGET_S_MAX, BudgetPatience
from flows.record import put_on_record
from flows.steps import PREFECT, Steps
from flows.turns import exposure_of, plan_next, settle_open_pairs, turn
from store import Session, SessionStatus
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.follow import Follower
from tasks.publish import Board, publish, say
from tasks.recover import load_course
from tasks.reduce import finish_reductions
from tasks.settle import Settlement
from tasks.venue_facts import closed_venues

_log = logging.getLogger("hedging.session")

BEAT_S = 1.0
PATIENCE_S = 0.5
HALTED_BEAT_S = 5.0
COMPARE_S = 20.0
WIND_DOWN_S = 600.0


async def run_session(
    desk: Desk, session: Session, steps: Steps = PREFECT, board: Board | None = None, *, cancel: Cancel | None = None
) -> dict[str, Any]:  # fmt: skip
    """Recover, check, trade, wind down, settle; the current desk must be this one. Returns the summary.

    cancel: whether the run is cancelled, which may be so before it begins.
    """
    board = board or Board()
    course = await load_course(desk, session)
    heart = Heart(desk, course, board)
    (cancel or Cancel()).attend(course)
    await desk.store.journal.reopen_commands(desk.session_id)
    patience = BudgetPatience(desk)
    await patience.call("recovery", partial(finish_reductions, desk))
    await patience.call("recovery", partial(settle_open_pairs, desk, course, heart))
    if desk.store.reads.orders_of_session(desk.session_id):
        await _compare(desk, heart, patience)
    await patience.call("fund check", steps.check_funds)
    await _begin(desk, course, heart)
    await _trade(desk, course, heart, steps)
    return await _finish(desk, course, heart, steps, board)


async def _compare(desk: Desk, heart: Heart, patience: BudgetPatience) -> None:
    """Learn whose the positions are before accounts are judged by them; a venue that cannot say yet is waited for.

    Raises VenueError where it cannot be read within COMPARE_S: that is no reason to accuse somebody of trading there.
    """
    give_up = desk.now() + timedelta(seconds=COMPARE_S)
    while True:
        try:
            if await patience.call("positions", heart.settle_differences) or desk.now() > give_up:
                return
        except RateLimited:
            raise
        except VenueError as error:
            if desk.now() > give_up:
                raise
            _log.warning("session %s: positions cannot be compared yet (%s)", desk.session_id, error)
        await desk.outside.sleep(BEAT_S)
        await desk.keep_lease()


async def _begin(desk: Desk, course: Course, heart: Heart) -> None:
    """Say that the session runs; one that was paused, or waits for a breach to be acknowledged, stays paused."""
    if course.paused is not None:
        await heart.pause(course.paused)
        return
    statuses = (SessionStatus.PENDING, SessionStatus.ACTIVE, SessionStatus.PAUSED)
    await desk.store.journal.set_session_status(desk.session_id, statuses, SessionStatus.ACTIVE, at=desk.now())
    await say(desk, "status", "session_update", {"status": "active", "attempt": desk.lease.attempt})


async def _trade(desk: Desk, course: Course, heart: Heart, steps: Steps) -> None:
    """Turn pairs until the goal is reached and everything is flat, or until told to stop and flat."""
    follower, patience = Follower(desk, course, heart), _Patience()
    while True:
        await heart.beat()
        if await follower.keep_even():
            continue
        if course.closing is not None and patience.is_spent(desk):
            raise SessionHalted(f"could not get flat within {WIND_DOWN_S:.0f} s", **exposure_of(desk))
        if course.urgent:
            await close_out(desk, course, heart, steps)
            return
        if course.paused is not None or _has_open_pair(desk, course):
            await _stay_paused(desk, course, heart)
            continue
        plan = plan_next(desk, course)
        if isinstance(plan, Nothing):
            if plan.is_done:
                return
            await _wait_for_better(desk, course, heart, plan)
            continue
        if await turn(desk, course, heart, steps, plan):
            await _pace(desk, course, heart)
        else:
            await desk.outside.sleep(PATIENCE_S)


class _Patience:
    """How long winding down has taken: time in which a venue was closed is waited out and does not count."""

    def __init__(self) -> None:
        self._spent = timedelta(0)
        self._looked_at: datetime | None = None

    def is_spent(self, desk: Desk) -> bool:
        """Count up to now, and tell whether it has been too long."""
        now = desk.now()
        if self._looked_at is not None and not closed_venues(desk):
            self._spent += now - self._looked_at
        self._looked_at = now
        return self._spent > timedelta(seconds=WIND_DOWN_S)


def _has_open_pair(desk: Desk, course: Course) -> bool:
    """A halted pair comes first, even when told to stop: what it holds must not be forgotten by the next one."""
    return course.halted is not None and bool(desk.store.reads.open_pairs(desk.session_id))


async def _stay_paused(desk: Desk, course: Course, heart: Heart) -> None:
    if course.halted is not None:
        try:
            await settle_open_pairs(desk, course, heart)
        except VenueError as error:
            desk.notices.append(f"the open pair cannot be worked now ({error})")
    await desk.outside.sleep(BEAT_S if course.halted is None else HALTED_BEAT_S)


async def _wait_for_better(desk: Desk, course: Course, heart: Heart, nothing: Nothing) -> None:
    if course.news(nothing.code.value):
        _log.info("no pair now: %s", nothing.text)
        await say(desk, "decision", "nothing", {"code": nothing.code.value, "text": nothing.text})
    course.last_decision = nothing.text
    if nothing.code in (NothingCode.NET_EXPOSURE, NothingCode.UNMATCHED):
        course.halted = nothing.text
        await heart.breach("net_exposure", Severity.CRITICAL, {"reason": nothing.text, **exposure_of(desk)})
        if course.closing is not None:
            raise SessionHalted(nothing.text, **exposure_of(desk))
        await heart.pause(nothing.text)
    await desk.outside.sleep(PATIENCE_S)


async def _pace(desk: Desk, course: Course, heart: Heart) -> None:
    """Wait a random interval between pairs (it limits market impact), beating meanwhile; none while winding down."""
    low, high = desk.strategy.interval_min_s, desk.strategy.interval_max_s
    left = desk.rng.uniform(low, high)
    while left > 0 and course.closing is None and course.paused is None and course.gap.since is None:
        nap = min(left, BEAT_S)
        await desk.outside.sleep(nap)
        left -= nap
        if left > 0:
            await heart.beat()


async def _finish(desk: Desk, course: Course, heart: Heart, steps: Steps, board: Board) -> dict[str, Any]:
    patience = BudgetPatience(desk, BUDGET_S_MAX)
    settlement = await patience.call("settlement", partial(steps.settle, course.started_at))
    report = await complete(desk, course, heart, settlement)
    pairs = desk.store.reads.pairs(desk.session_id, limit=1000)
    await board.progress(desk, course)
    await board.pairs(pairs)
    summary = _summary(desk, course, report) | books_summary(desk, settlement.statements)
    await board.summary(_markdown(summary))
    return summary


async def complete(desk: Desk, course: Course, heart: Heart, settlement: Settlement) -> str:
    """Write that the session, settled, is completed, and put it on record; returns where its report is.

    Raises SessionHalted when it is not flat, or when its closed books leave something unexplained that nobody accepted.
    """
    if not settlement.is_clean:
        raise SessionHalted(f"not flat at the end: {_left_over(settlement)}", **exposure_of(desk))
    await require_balanced(desk, heart, settlement.statements)
    await publish(desk, course)
    await desk.renew_lease()
    await desk.store.journal.set_session_status(
        desk.session_id, (SessionStatus.ACTIVE, SessionStatus.PAUSED), SessionStatus.COMPLETED,
        at=desk.now(), reason=course.closing or "the volume target is reached",
    )  # fmt: skip
    await say(desk, "status", "session_update", {"status": "completed"})
    return await put_on_record(desk.store, desk.session_id, desk.now())


def _left_over(settlement: Settlement) -> str:
    held = ", ".join(f"{name} {canonical(q)}" for name, q in settlement.positions.items() if q != ZERO)
    return f"{held or 'no position'}; {settlement.open_orders} open orders"


def _summary(desk: Desk, course: Course, report: str) -> dict[str, Any]:
    return summary_of(desk.store.reads.session(desk.session_id), refusals=course.refusals, report=report)


def summary_of(session: Session, *, refusals: Mapping[str, int], report: str | None) -> dict[str, Any]:
    """Sum a session up for Prefect's result, money as text in USD; refusals: how often the gate refused, by code."""
    totals = session.totals
    return {
        "session": session.session_id, "name": session.name, "symbol": session.symbol,
        "status": session.status.value, "reason": session.status_reason,
        "volume": f"{totals.volume_generated:.2f}", "pairsFilled": totals.pairs_filled,
        "pairsUnwound": totals.pairs_unwound, "pnl": f"{totals.pnl:.4f}", "fees": f"{totals.fees:.4f}",
        "funding": f"{totals.funding:.4f}", "slippageBps": f"{totals.slippage * 10_000:.2f}",
        "maxNetExposureUsd": f"{totals.max_net_exposure_usd:.2f}",
        "nakedUsdSeconds": f"{totals.naked_usd_seconds:.2f}",
        "refusals": dict(refusals), "report": report,
    }  # fmt: skip


def _markdown(summary: dict[str, Any]) -> str:
    lines = [f"# {summary['name']}: {summary['status']}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in summary.items() if key not in ("name", "status")]
    return "\n".join(lines)
