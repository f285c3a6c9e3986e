"""Start-up is recovery: rebuild where a session stands from the journal, and bring pairs left open to their end.

The same path for a first start (nothing to rebuild), a restart after a crash, and a halt whose venue is back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import cast

from core.market import FundingPayment
from core.numbers import ZERO
from core.order import FillCause, Side
from core.pair import Halt, PairStatus, begin
from core.pair_plan import LegPlan, PairPlan, Purpose
from core.paired_reduction import CONSEQUENCES, After
from core.reduction import reduction_pair_id
from core.risk import Severity
from store.records import CommandKind, Pair, PairOutcome, Session, SessionStatus
from tasks.adoption import ADOPTED, replay_adoption
from tasks.course import Course
from tasks.desk import Desk
from tasks.naked import restore
from tasks.place_pair import PairEnd, resume_pair
from tasks.reconcile_fills import Reconciled, read_fills, reconcile
from tasks.standing import gap_told, last_told

_CATCH_UP_MARGIN_S = 5.0
_WINDING_DOWN = frozenset(cause.value for cause, found in CONSEQUENCES.items() if found.after is After.WIND_DOWN)


async def load_course(desk: Desk, session: Session) -> Course:
    """Rebuild counters, positions and executions from the journal; a session that never traded starts at zero."""
    reads = desk.store.reads
    course = Course(started_at=session.started_at or desk.now(), last_progress_at=desk.now())
    course.max_net_exposure_usd = session.totals.max_net_exposure_usd
    ended = {p.plan.pair_id: p for p in _all_pairs(desk) if p.outcome.completed_at is not None}
    for pair in ended.values():
        count_pair(course, pair)
        course.unwinding = _purpose(pair) is Purpose.CLOSE
    reduced = reduction_pair_id(desk.session_id)
    orders = reads.orders_of_session(desk.session_id)
    for order in orders:
        if order.intent.pair_id in ended or (order.intent.pair_id == reduced and order.status.is_final):
            desk.settled[order.intent.account_id] += order.signed_filled
    sides = {order.intent.client_order_id: order.intent.side for order in orders}
    known = reads.fills_of_session(desk.session_id)
    # One against the side of its own order undoes another execution of it: what it undoes is not looked up yet.
    traded = [f for f in known if f.cause is FillCause.TRADE]
    back = [f for f in traded if sides.get(f.client_order_id or "", f.side) is not f.side]
    # One that a hand or the venue made may carry a name of its own, which is none of our orders'.
    desk.fills = [f if f.client_order_id in sides else replace(f, client_order_id=None) for f in known if f not in back]
    unexplained = [f for name in desk.accounts for f in reads.unexplained_fills(name, course.started_at)]
    desk.foreign = back + [f for f in unexplained if f.cause is FillCause.TRADE]
    desk.forced = [f for f in unexplained if f.cause is not FillCause.TRADE]
    desk.seen = {(f.account_id, f.trade_id) for f in (*known, *unexplained)}
    for fill in desk.fills:
        if fill.client_order_id is None:
            # Forced by the venue, or by hand, and taken in by an earlier run: a change of position, no volume of ours.
            desk.settled[fill.account_id] += fill.quantity * fill.side.sign
        else:
            desk.volumes[fill.account_id] += fill.quantity * fill.price
    payments: list[FundingPayment] = reads.funding_of(desk.session_id)
    desk.payments = payments
    await restore(desk, course, _replay(desk, course))
    _take_over_decisions(desk, course, session)
    _take_over_standing(desk, course)
    return course


async def resume_open_pairs(desk: Desk, course: Course) -> AsyncIterator[tuple[PairEnd, Reconciled]]:
    """Work every pair without an end to its end: ask about its orders, even its legs out, reconcile it.

    Each is handed out before the next is taken up, so that the caller can put its orders down; after one that halts
    none is taken up. A pair of which nothing was journalled was never sent; it is cancelled rather than sent late.
    """
    for pair in desk.store.reads.open_pairs(desk.session_id):
        course.sequence = max(course.sequence, pair.plan.sequence)
        orders = desk.store.reads.orders_of_pair(pair.plan.pair_id)
        if not orders:
            outcome = PairOutcome(status=PairStatus.CANCELLED, completed_at=desk.now())
            reason = "nothing was sent before the run that planned it ended"
            await desk.store.journal.complete_pair(pair.plan.pair_id, outcome, reason)
            continue
        plan = rebuild(desk, pair)
        desk.take_up(orders)
        age = (desk.now() - pair.plan.created_at).total_seconds() + _CATCH_UP_MARGIN_S
        await read_fills(desk, [leg.account.account_id for leg in plan.legs], age, is_question=True)
        decision = pair.plan.decision
        lot, offset = Decimal(str(decision["lot"])), Decimal(str(decision["offset"]))
        end = await resume_pair(desk, begin(plan, pair.plan.created_at, lot=lot, offset=offset))
        yield end, await reconcile(desk, end)
        if isinstance(end.action, Halt):
            return


def _replay(desk: Desk, course: Course) -> datetime | None:
    """Rebuild from what earlier runs told: the result over time, and what was agreed with venues.

    Returns since when they told that something stands alone; None when nothing does.
    """
    last = 0
    alone_since: datetime | None = None
    while page := desk.store.reads.events_since(desk.session_id, last):
        last = page[-1].sequence
        for event in page:
            if event.type == "metrics_update" and "pnl" in event.payload:
                course.series.note(event.at, Decimal(str(event.payload["pnl"])))
            elif event.type == ADOPTED:
                replay_adoption(desk, event)
            elif event.type == "risk_update":
                alone_since = (alone_since or event.at) if gap_told(event) != 0 else None
    return alone_since


def _take_over_decisions(desk: Desk, course: Course, session: Session) -> None:
    """What an operator, or a breach, had decided when the last run ended still holds."""
    reads = desk.store.reads
    if session.status is SessionStatus.PAUSED:
        course.paused = session.status_reason or "paused"
    critical = [b for b in reads.breaches(desk.session_id, open_only=True) if b.severity is Severity.CRITICAL]
    if critical:
        course.paused = course.paused or f"the critical breach {critical[0].category} is not acknowledged"
    for command in reads.commands(desk.session_id):
        if command.kind in (CommandKind.STOP, CommandKind.FLATTEN) and command.done_at is not None:
            course.urgent = course.urgent or command.kind is CommandKind.FLATTEN
            course.close(f"stopped by {command.created_by}")
    for breach in critical:
        if breach.category in _WINDING_DOWN:
            course.close(f"{breach.category}: the session is wound down")
            course.urgent = True


def _take_over_standing(desk: Desk, course: Course) -> None:
    """A session that was halted is halted, as long as something of it is open: a pair, or a leg that stands alone."""
    told = last_told(desk.store.reads, desk.session_id).get("halted")
    if told is not None and (desk.net != 0 or desk.store.reads.open_pairs(desk.session_id)):
        course.halted = str(told)


def rebuild(desk: Desk, pair: Pair) -> PairPlan:
    """Rebuild a journalled pair's plan; its arrival mids and flags are those of the first decision."""
    row, document = pair.plan, cast(dict[str, dict[str, object]], pair.plan.decision["plan"])
    buy = _leg(desk, row.buy_account, Side.BUY, row.quantity, document["buy"])
    sell = _leg(desk, row.sell_account, Side.SELL, row.quantity, document["sell"])
    if row.buy_arrival_mid is None or row.sell_arrival_mid is None:
        raise ValueError(f"pair {row.pair_id} was journalled without arrival mids")
    return PairPlan(
        row.pair_id, row.session_id, row.sequence, _purpose(pair), buy, sell, row.quantity,
        row.buy_arrival_mid, row.sell_arrival_mid,
    )  # fmt: skip


def _leg(desk: Desk, account_id: str, side: Side, quantity: Decimal, flags: dict[str, object]) -> LegPlan:
    return LegPlan(
        desk.accounts[account_id], desk.markets[account_id], side, quantity,
        bool(flags["reduceOnly"]), bool(flags["closing"]),
    )  # fmt: skip


def _purpose(pair: Pair) -> Purpose:
    return Purpose(str(cast(dict[str, object], pair.plan.decision["plan"])["purpose"]))


def count_pair(course: Course, pair: Pair) -> None:
    """Take a pair that has ended into the session's sums."""
    outcome = pair.outcome
    course.sequence = max(course.sequence, pair.plan.sequence)
    course.volume += outcome.volume
    course.slippage_paid += (outcome.slippage or ZERO) * outcome.volume
    course.naked_pairs += outcome.naked_usd_seconds
    course.pairs_filled += outcome.status is PairStatus.FILLED
    course.pairs_unwound += outcome.status is PairStatus.UNWOUND


def _all_pairs(desk: Desk) -> list[Pair]:
    found: list[Pair] = []
    while page := desk.store.reads.pairs(desk.session_id, limit=500, offset=len(found)):
        found += page
    return found
