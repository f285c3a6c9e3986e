"""Closing a session for good: through planner and gate first, leg by leg where that takes too long. Never opens.

Used by a run that was told to flatten, and by whoever takes over from a run that is gone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.venue import CancelRefused, CancelTaken
from core.account import Position
from core.errors import MarketDataUnavailable, SessionHalted, VenueError
from core.numbers import ZERO, canonical
from core.order import Fill, OrderReport
from core.pair import PairStatus
from core.plan import PairPlan
from core.pnl import pair_result
from core.pricing import per_leg
from core.reduction import wider
from core.risk import Severity
from flows.steps import Steps
from flows.turns import exposure_of, plan_next, settle_open_pairs, turn
from store.records import Pair
from tasks.adoption import adopt
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.naked import begin, count, look
from tasks.publish import say
from tasks.reconcile_fills import read_fills
from tasks.recover import count_pair, rebuild
from tasks.reduce import finish_reductions, reduce_once
from tasks.settle import agreeing_positions, book_funding, own_open_orders

_log = logging.getLogger("hedging.closing")

GATE_S = 20.0
CLOSE_S = 300.0
_PAUSE_S, _PAUSE_S_MAX = 0.5, 10.0
_AWAY_S = (1.0, 2.0, 5.0, 10.0)
_CANCELS_MAX = 5
_OPEN_PAIRS_MAX = 10
_STUCK_MAX = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """What the venues say when all is done, by account in signed base units.

    own: what the session still holds. foreign: what is held beyond that and was traded by somebody else here;
    unexplained: what nobody explains. resting: own orders that still rest; strangers: others' on the same accounts.
    """

    own: dict[str, Decimal]
    foreign: dict[str, Decimal]
    unexplained: dict[str, Decimal]
    resting: int
    strangers: int

    @property
    def is_flat(self) -> bool:
        """Nothing of the session is left, and all that is there is explained."""
        return not self.own and not self.unexplained and self.resting == 0

    @property
    def text(self) -> str:
        """Say what is left, in words."""
        kinds = {"own": self.own, "foreign": self.foreign, "unexplained": self.unexplained}
        parts = [f"{kind} {name} {canonical(q)}" for kind, held in kinds.items() for name, q in held.items()]
        parts += [f"{self.resting} own orders rest"] if self.resting else []
        parts += [f"{self.strangers} orders of others rest, left alone"] if self.strangers else []
        return "; ".join(parts) or "flat"


async def close_out(desk: Desk, course: Course, heart: Heart, steps: Steps) -> None:
    """Bring everything the session holds to zero; raises SessionHalted with the exposure when that takes too long.

    Raises LeaseLost and the store's errors as they come; a venue that is away is waited for.
    """
    try:
        await _close_out(desk, course, heart, steps)
    except SessionHalted:
        await look(desk, course)
        raise
    await look(desk, course)


async def _close_out(desk: Desk, course: Course, heart: Heart, steps: Steps) -> None:
    give_up = desk.now() + timedelta(seconds=CLOSE_S)
    away = 0
    while True:
        try:
            await _end_what_is_open(desk, course, heart)
            await cancel_resting(desk)
            await _through_the_gate(desk, course, heart, steps, give_up)
            if desk.is_flat and not desk.store.reads.open_pairs(desk.session_id):
                return
            if not course.halted:
                await _leg_by_leg(desk, course, heart, give_up)
                return
        except (VenueError, MarketDataUnavailable) as error:
            _log.warning("session %s cannot be closed now (%s); trying again", desk.session_id, error)
            desk.notices.append(f"closing waits ({error})")
        if desk.now() > give_up:
            raise SessionHalted(f"not flat within {CLOSE_S:.0f} s", **exposure_of(desk))
        await desk.outside.sleep(_AWAY_S[min(away, len(_AWAY_S) - 1)])
        away += 1
        await heart.beat()


async def prove(desk: Desk, started_at: datetime) -> Proof:
    """Read executions, funding, positions and open orders of every account, and say what they add up to."""
    await read_fills(desk, list(desk.clients), (desk.now() - started_at).total_seconds() + 5)
    await book_funding(desk, started_at)
    found = await agreeing_positions(desk)
    desk.held.update(found)
    await desk.store.journal.record_positions(desk.session_id, list(found.values()))
    desk.rematch()
    excess = {name: p.quantity - desk.positions[name] for name, p in found.items()}
    others = {name: desk.foreign_held.get(name, ZERO) + _foreign(desk, name) for name in found}
    resting = await own_open_orders(desk)
    return Proof(
        own={name: q for name, q in desk.positions.items() if q},
        foreign={name: q for name, q in excess.items() if q and q == others[name]},
        unexplained={name: q for name, q in excess.items() if q != 0 and q != others[name]},
        resting=len(resting),
        strangers=len(await _strangers(desk, resting)),
    )


async def leave_foreign(desk: Desk, proof: Proof) -> None:
    """Write down what somebody else holds on the session's accounts, so that settling finds what it expects."""
    for name, quantity in proof.foreign.items():
        if quantity != desk.foreign_held.get(name, ZERO):
            text = f"{name}: {canonical(quantity)} {desk.symbol} is somebody else's and is left alone"
            trades = _by_others(desk, name)
            await adopt(desk, desk.held[name], own=ZERO, foreign=quantity, trades=trades, text=text)


async def cancel_resting(desk: Desk) -> None:
    """Cancel the session's own resting orders and see them gone; orders of anybody else are left alone.

    Raises VenueError, and SessionHalted when one does not go.
    """
    for _ in range(_CANCELS_MAX):
        resting = await own_open_orders(desk)
        if not resting:
            return
        for report in resting:
            await _cancel(desk, report)
        await desk.outside.sleep(_PAUSE_S)
        await desk.absorb()
    raise SessionHalted(f"{len(resting)} own orders still rest after {_CANCELS_MAX} cancels", **exposure_of(desk))


async def _cancel(desk: Desk, report: OrderReport) -> None:
    for order in desk.store.reads.orders_of_session(desk.session_id):
        same = report.account_id == order.intent.account_id
        named = report.client_order_id == order.intent.client_order_id
        if same and (named or (order.venue_order_id is not None and order.venue_order_id == report.venue_order_id)):
            outcome = await desk.clients[report.account_id].cancel(order.intent, report.venue_order_id)
            if not isinstance(outcome, CancelTaken | CancelRefused):
                desk.notices.append(f"{report.account_id}: cancel of {report.venue_order_id} ({outcome.reason})")


async def _end_what_is_open(desk: Desk, course: Course, heart: Heart) -> None:
    """Bring open pairs to their end by the normal path; one that is left with a lone leg and no order is let go.

    Its leg is the session's then, for the reductions to take down; with an order whose outcome is unknown it stays.
    """
    await finish_reductions(desk)
    for _ in range(_OPEN_PAIRS_MAX):
        await settle_open_pairs(desk, course, heart)
        left = desk.store.reads.open_pairs(desk.session_id)
        if not left:
            break
        first = left[0]
        if any(not o.status.is_final for o in desk.store.reads.orders_of_pair(first.plan.pair_id)):
            return
        await _let_go(desk, course, first)
    course.halted = None


async def _let_go(desk: Desk, course: Course, pair: Pair) -> None:
    """End a pair as it is; up to now its lone leg is counted in the pair, from now on outside of it."""
    fills, now = desk.store.reads.fills_of_pair(pair.plan.pair_id), desk.now()
    naked = pair_result(rebuild(desk, pair), fills, completed_at=now).naked_usd_seconds
    ended = replace(pair.outcome, status=PairStatus.FAILED, naked_usd_seconds=naked, completed_at=now)
    reason = "its lone leg was let go, for the session's reductions to take down"
    count_pair(course, await desk.store.journal.complete_pair(pair.plan.pair_id, ended, reason))
    course.naked_open = ZERO
    desk.put_down()
    await look(desk, course)


async def _through_the_gate(desk: Desk, course: Course, heart: Heart, steps: Steps, give_up: datetime) -> None:
    """Close in pairs as long as that gets on; returns when flat, halted, or when nothing was closed for GATE_S."""
    until = desk.now() + timedelta(seconds=GATE_S)
    if not await _is_as_explained(desk):
        return
    while not desk.is_flat and course.halted is None and desk.now() < min(until, give_up):
        await heart.beat()
        await look(desk, course)
        before = sum((abs(q) for q in desk.positions.values()), ZERO)
        plan = plan_next(desk, course)
        if isinstance(plan, PairPlan):
            await turn(desk, course, heart, steps, plan)
        if sum((abs(q) for q in desk.positions.values()), ZERO) < before:
            until = desk.now() + timedelta(seconds=GATE_S)
        else:
            await desk.outside.sleep(_PAUSE_S)


async def _is_as_explained(desk: Desk) -> bool:
    """A closing pair needs both legs' positions at the venues; where one lacks, each leg is taken down by itself."""
    found = await agreeing_positions(desk)
    return all(_covers(found[name], quantity) for name, quantity in desk.positions.items())


def _covers(position: Position, quantity: Decimal) -> bool:
    return quantity == 0 or (position.quantity * quantity > 0 and abs(position.quantity) >= abs(quantity))


async def _leg_by_leg(desk: Desk, course: Course, heart: Heart, give_up: datetime) -> None:
    """Reduce each account by itself, with a bound that widens while nothing fills, until nothing can be reduced."""
    slippage, stuck, idle = per_leg(desk.strategy.max_slippage), 0, 0
    text = "pairs cannot close the session now; each leg is taken down by itself"
    await say(desk, "decision", "reducing", {"text": text})
    while not desk.is_flat and stuck < _STUCK_MAX:
        await heart.beat()
        if desk.now() > give_up:
            raise SessionHalted(f"not flat within {CLOSE_S:.0f} s", **exposure_of(desk))
        # One leg may be taken down a moment before the other; what stands alone in between is counted as well.
        await begin(desk, course, desk.now())
        done = await reduce_once(desk, slippage)
        await count(desk, course)
        desk.notices.extend(done.obstacles)
        if done.own_matches:
            await heart.breach("own_fill", Severity.CRITICAL, {"matches": len(done.own_matches)})
        # A venue may be late with a position, so that there is nothing to reduce has to be seen more than once.
        stuck = stuck + 1 if done.is_stuck else 0
        if done.filled != 0:
            idle = 0
            continue
        slippage = wider(slippage) if done.sent else slippage
        await desk.outside.sleep(min(_PAUSE_S * 2**idle, _PAUSE_S_MAX))
        idle += 1


def _foreign(desk: Desk, name: str) -> Decimal:
    return sum((f.quantity * f.side.sign for f in _by_others(desk, name)), ZERO)


def _by_others(desk: Desk, name: str) -> list[Fill]:
    """Executions there that no order of the session explains and that nobody has judged yet."""
    there = [f for f in desk.foreign if f.account_id == name and f.symbol == desk.symbol]
    return [f for f in there if (name, f.trade_id) not in desk.judged]


async def _strangers(desk: Desk, own: list[OrderReport]) -> list[OrderReport]:
    known = {(o.account_id, o.venue_order_id) for o in own}
    return [
        report for client in desk.clients.values() for report in await client.open_orders(desk.symbol)
        if (report.account_id, report.venue_order_id) not in known
    ]  # fmt: skip
