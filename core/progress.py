"""The pair state machine: from a pair's state and what is seen now to the next thing to do.

`decide` is pure: the same state, facts and policy give the same action, so a restarted process that reads the
journal goes on exactly where the old one stopped. It never ends a pair naked: a pair is filled, unwound,
cancelled, failed, or it halts with the exposure stated.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.legs import Move, Scene, cheapest_repair, resting_intent, taking_intent
from core.numbers import ZERO, is_multiple
from core.order import Order, OrderStatus, OrderType, TimeInForce
from core.pair import Action, Ask, Cancel, Done, Halt, PairFacts, PairPolicy, PairState, PairStatus, Place, Wait

# Before a client order id in `last_asked`: the venue answered that it knows no such order.
ABSENT = "absent/"


def decide(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
    """Return the next action for a pair."""
    if not state.orders:
        return _open(state, facts, policy)
    unsettled = tuple(o for o in state.orders if not o.status.is_final)
    if unsettled:
        return _settle_orders(state, unsettled, facts.now, policy)
    if state.net == 0 and _grid_ok(state):
        return _finish(state, facts, policy)
    return _repair(state, facts, policy)


def is_absent(order: Order, asked_at: datetime, policy: PairPolicy) -> bool:
    """Tell whether a "no such order" given at this time proves that the venue will never fill it."""
    return asked_at >= order.intent.valid_until + timedelta(seconds=policy.proof_after_s)


def _open(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
    resting = policy.primary is OrderType.LIMIT
    legs = state.plan.legs
    if not _has_books(state, facts):
        return Done(PairStatus.CANCELLED, ZERO, "no proven book for both legs; nothing was sent")
    make = resting_intent if resting else taking_intent
    scene = Scene(state, facts, policy)
    intents = tuple(make(scene, Move(leg, leg.side, leg.quantity)) for leg in legs)
    return Place(intents, "rest both legs" if resting else "take both legs")


def _has_books(state: PairState, facts: PairFacts) -> bool:
    """Both legs have a proven book with two sides; without one there is nothing to price against."""
    books = [facts.books.get(leg.account.account_id) for leg in state.plan.legs]
    return all(book is not None and book.mid is not None for book in books)


def _settle_orders(state: PairState, unsettled: tuple[Order, ...], now: datetime, policy: PairPolicy) -> Action:
    silent = tuple(o for o in unsettled if _ask_due(state, o, policy) <= now)
    overdue = timedelta(seconds=policy.unknown_bound_s)
    lost = [
        o
        for o in unsettled
        if now > o.intent.valid_until + overdue and o.intent.client_order_id in state.last_asked
    ]  # fmt: skip
    if lost:
        names = ", ".join(f"{o.intent.client_order_id} on {o.intent.venue}" for o in lost)
        return Halt(state.net, f"the outcome of {names} is still unknown")
    resting = tuple(o for o in unsettled if _rests(o))
    filled = any(o.filled_quantity for o in state.orders)
    broken = any(o.status in (OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED) for o in state.orders)
    rest_until = state.started_at + timedelta(seconds=policy.rest_s)
    cancellable = tuple(o for o in resting if _cancel_due(state, o, policy) <= now)
    if cancellable and (filled or broken or now >= rest_until):
        return Cancel(cancellable, "a leg filled" if filled else "resting time is over")
    if silent:
        return Ask(silent)
    due = [_ask_due(state, o, policy) for o in unsettled]
    if resting and not (filled or broken):
        due.append(rest_until)
    return Wait(max(min(due), now + timedelta(milliseconds=1)))


def _rests(order: Order) -> bool:
    return order.status is OrderStatus.ACCEPTED and order.intent.time_in_force is not TimeInForce.IOC


def _cancel_due(state: PairState, order: Order, policy: PairPolicy) -> datetime:
    """A cancel is asked at once, and again only when the venue was asked in between what became of it."""
    asked = state.last_asked.get("cancel/" + order.intent.client_order_id)
    return state.started_at if asked is None else asked + timedelta(seconds=2 * policy.ask_after_s)


def _ask_due(state: PairState, order: Order, policy: PairPolicy) -> datetime:
    """When to ask about an order that is not final: at once if its outcome is unknown, else after a silence."""
    intent = order.intent
    asked = state.last_asked.get(intent.client_order_id)
    if order.status is not OrderStatus.ACCEPTED and asked is None:
        return intent.created_at
    if order.status is not OrderStatus.ACCEPTED and ABSENT + intent.client_order_id in state.last_asked:
        # Asking again before a "no" can prove anything only spends the venue's request budget, which the proof needs;
        # that it arrived after all is what the stream says, and a lost stream asks by itself. Two questions after its
        # time is over, not one: a venue's list that is behind must be behind twice to be believed.
        last, ended = state.last_asked[intent.client_order_id], intent.valid_until
        due = ended if last < ended else ended + timedelta(seconds=policy.proof_after_s)
        return max(due, last + timedelta(seconds=policy.ask_after_s))
    cancelled = state.last_asked.get("cancel/" + intent.client_order_id)
    if cancelled is not None:
        return max(cancelled, asked or cancelled) + timedelta(seconds=policy.ask_after_s / 2)
    since = max(order.updated_at or intent.created_at, asked or intent.created_at)
    return since + timedelta(seconds=policy.ask_after_s * (5 if _rests(order) else 1))


def _finish(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
    quantity = state.hedged(state.plan.buy)
    touched = any(o.filled_quantity for o in state.orders)
    if quantity > 0:
        return Done(PairStatus.FILLED, quantity, "both legs filled equally")
    if touched:
        return Done(PairStatus.UNWOUND, ZERO, "the lone leg was taken back")
    resting_only = all(o.intent.time_in_force is TimeInForce.POST_ONLY for o in state.orders)
    if resting_only and policy.fallback is OrderType.MARKET and len(state.orders) == 2:
        return _take_after_rest(state, facts, policy)
    reasons = "; ".join(sorted({o.reason for o in state.orders if o.reason})) or "nothing filled"
    refused = any(o.status is OrderStatus.REJECTED for o in state.orders)
    return Done(PairStatus.FAILED if refused else PairStatus.CANCELLED, ZERO, reasons)


def _take_after_rest(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
    """Nothing filled while resting: the fallback takes both legs at once, if both books are there."""
    legs = state.plan.legs
    if not _has_books(state, facts):
        return Done(PairStatus.CANCELLED, ZERO, "nothing filled while resting and a book is missing")
    scene = Scene(state, facts, policy)
    intents = tuple(taking_intent(scene, Move(leg, leg.side, leg.quantity)) for leg in legs)
    return Place(intents, "nothing filled while resting: take both legs")


def _repair(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
    """Bring uneven legs to one hedged size: the cheapest size that both venues' rules can reach from here."""
    repairs = len(state.orders) - len(state.plan.legs)
    if repairs >= policy.repairs_max and not _may_retry(state, repairs, facts.now, policy):
        return Halt(state.net, f"{repairs} more orders did not even the legs out")
    late = (facts.now - state.started_at).total_seconds() > policy.max_leg_delay_s
    slack = policy.max_slippage * ((policy.urgency if late else 1) - 1)
    due = _repair_due(state, policy)
    if facts.now < due:
        return Wait(due)
    scene = Scene(state, facts, policy, slack)
    repair = cheapest_repair(scene)
    if repair is None:
        patience = state.started_at + timedelta(seconds=policy.max_leg_delay_s + policy.unknown_bound_s)
        if facts.now > patience:
            return Halt(state.net, "no order that the venues take now could hedge the lone leg or take it back")
        return Wait(facts.now + timedelta(seconds=policy.ask_after_s / 4))
    intents = tuple(taking_intent(scene, move) for move in repair.moves)
    return Place(intents, f"even the legs out at {repair.size} for about {repair.cost:.4f} quote", repair.costs)


def _may_retry(state: PairState, repairs: int, now: datetime, policy: PairPolicy) -> bool:
    """A halted pair gets one more repair whenever the unknown bound has passed: its venue may be back by then."""
    last = max(order.intent.created_at for order in state.orders)
    return repairs < policy.retries_max and now >= last + timedelta(seconds=policy.unknown_bound_s)


def _repair_due(state: PairState, policy: PairPolicy) -> datetime:
    """When the next repair may be sent: at once after progress, after a growing pause while repairs fill nothing.

    The pauses spread the repairs over the leg delay, so that the last of them come with the wider bound.
    """
    idle, last = 0, state.started_at
    for order in state.orders[len(state.plan.legs) :]:
        idle = 0 if order.filled_quantity else idle + 1
        last = order.intent.created_at
    if idle == 0:
        return state.started_at
    pause = min(policy.ask_after_s / 4 * 2 ** (idle - 1), policy.max_leg_delay_s / 3)
    return last + timedelta(seconds=pause)


def _grid_ok(state: PairState) -> bool:
    """A hedged size must lie on the session's lot, or some venue could not close it later."""
    return is_multiple(state.hedged(state.plan.buy), state.lot)
