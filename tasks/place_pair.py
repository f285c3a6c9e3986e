"""Placing a pair: carry out what core.progress decides until the pair has ended, journalling before the wire.

Safe to run again with the same plan at any point: the journal knows what was sent, client order ids are a function
of session, pair, leg and attempt, and an order whose outcome is not known is asked about, never sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from prefect import task

from connectors.venue import (
    Accepted,
    CancelOutcome,
    NotFound,
    NotSent,
    PlaceOutcome,
    Rejected,
    Unknown,
)
from core.errors import PrecisionRefused, SelfTradeRisk, VenueError
from core.legs import attempt_of
from core.numbers import ZERO, canonical
from core.order import (
    Fill,
    NeverSent,
    Order,
    OrderEvent,
    OrderIntent,
    OrderReport,
    OrderStatus,
    OutcomeLost,
    Reported,
    TimeInForce,
    apply,
)
from core.pair import (
    Ask,
    Cancel,
    Done,
    Halt,
    PairFacts,
    PairPolicy,
    PairState,
    PairStatus,
    Place,
    Wait,
    begin,
    policy_of,
)
from core.plan import PairPlan
from core.progress import ABSENT, decide, is_absent
from core.risk import Approved
from store.errors import WireIdTaken
from store.records import JournalEntry, NewPair
from tasks.desk import Desk, current
from tasks.options import STEP

_STEPS_MAX = 10_000
_CLOCKS_DIFFER_S = 5.0


@dataclass(frozen=True, slots=True)
class PairEnd:
    """How a pair ended, with every order it took."""

    state: PairState
    action: Done | Halt


@task(name="place-pair", **STEP)
async def place_pair(approved: Approved, decision: Mapping[str, object]) -> PairEnd:
    """Place both legs of an approved pair and bring it to its end; see `work`."""
    return await open_pair(current(), approved.plan, decision)


async def open_pair(desk: Desk, plan: PairPlan, decision: Mapping[str, object]) -> PairEnd:
    """Journal the plan, then work it; a plan journalled before goes on from its orders."""
    strategy = desk.strategy
    share = Decimal(str(desk.rng.random()))
    offset = strategy.price_range_min + (strategy.price_range_max - strategy.price_range_min) * share
    pair = await desk.store.journal.record_pair(
        NewPair(
            plan.pair_id,
            plan.session_id,
            plan.sequence,
            plan.buy.account.venue,
            plan.buy.account.account_id,
            plan.sell.account.venue,
            plan.sell.account.account_id,
            plan.quantity,
            plan.buy_mid,
            plan.sell_mid,
            {**decision, "plan": plan_document(plan), "offset": str(offset), "lot": str(desk.lot)},
            desk.now(),
        )
    )  # fmt: skip
    state = begin(
        plan,
        pair.plan.created_at,
        lot=Decimal(str(pair.plan.decision["lot"])),
        offset=Decimal(str(pair.plan.decision["offset"])),
    )
    return await resume_pair(desk, state)


async def resume_pair(desk: Desk, state: PairState) -> PairEnd:
    """Go on with a pair from what the journal holds of it."""
    journalled = desk.store.reads.orders_of_pair(state.plan.pair_id)
    for order in journalled:
        state = state.with_order(order)
    # What executions and the restart say beyond the journal's rows is journalled at the first step of `work`.
    desk.take_up(unsure(desk, order) for order in journalled)
    try:
        return await work(desk, state, policy_of(desk.strategy))
    finally:
        await desk.absorb()


async def work(desk: Desk, state: PairState, policy: PairPolicy) -> PairEnd:
    """Decide and do until the pair is done or halts."""
    for _ in range(_STEPS_MAX):
        await desk.keep_lease()
        await desk.absorb()
        state = await _catch_up(desk, await keep(desk, state), policy)
        action = decide(state, PairFacts(desk.books(), desk.now()), policy)
        match action:
            case Place():
                try:
                    state = await _place(desk, state, action)
                except SelfTradeRisk as error:
                    held = _held_back(desk, state, policy, error)
                    if held is not None:
                        return PairEnd(state, held)
                    await desk.outside.sleep(policy.ask_after_s / 4)
            case Ask(orders):
                state = await _ask(desk, state, orders, policy)
            case Cancel(orders):
                state = await _cancel(desk, state, orders)
            case Wait(until):
                await desk.wait(until)
            case Done() | Halt():
                return PairEnd(state, action)
            case _:
                assert_never(action)
    raise AssertionError(f"pair {state.plan.pair_id} did not end within {_STEPS_MAX} steps")


def plan_document(plan: PairPlan) -> dict[str, object]:
    """What a pair's row must hold beside its columns, so that a restart can rebuild the plan."""
    return {
        "purpose": plan.purpose.value,
        **{
            leg.side.value: {"reduceOnly": leg.reduce_only, "closing": leg.closing} for leg in plan.legs
        },
    }  # fmt: skip


async def keep(desk: Desk, state: PairState) -> PairState:
    """Take over what was learnt about the pair's orders beyond its state, and journal every change."""
    changed = [
        desk.working[o.intent.client_order_id]
        for o in state.orders
        if desk.working.get(o.intent.client_order_id, o) != o
    ]
    await asyncio.gather(*(desk.store.journal.record_order(o) for o in changed))
    for order in changed:
        state = state.with_order(order)
    return state


async def _catch_up(desk: Desk, state: PairState, policy: PairPolicy) -> PairState:
    """After a lost stream nothing it did not say is known: ask about every open order on that account."""
    behind = desk.behind & {leg.account.account_id for leg in state.plan.legs}
    if not behind:
        return state
    desk.behind -= behind
    unsettled = [o for o in state.orders if not o.status.is_final and o.intent.account_id in behind]
    return await _ask(desk, state, unsettled, policy, insist=True) if unsettled else state


async def _place(desk: Desk, state: PairState, action: Place) -> PairState:
    desk.require_lease()
    ahead = asyncio.ensure_future(desk.borrow_ahead())
    try:
        recorded = await desk.store.journal.record_intents([_entry(desk, state, i, action) for i in action.intents])
    except WireIdTaken:
        refused = {i.client_order_id for i in action.intents}
        return replace(state, refused_ids=state.refused_ids | refused)
    finally:
        await ahead
    # The disk may have taken its time; what is journalled and not sent is asked about by whoever drives next.
    desk.require_lease()
    fresh = [r.order.intent for r in recorded if r.is_new]
    for known in recorded:
        order = known.order if known.is_new else unsure(desk, known.order)
        desk.working[order.intent.client_order_id] = order
        state = state.with_order(order)
    outcomes = await asyncio.shield(asyncio.gather(*(send(desk, i) for i in fresh)))
    for intent, event in zip(fresh, outcomes, strict=True):
        key = intent.client_order_id
        desk.working[key] = apply(desk.working[key], event)
    return await keep(desk, state)


def _held_back(desk: Desk, state: PairState, policy: PairPolicy, error: SelfTradeRisk) -> Done | Halt | None:
    """An order could have met one of ours, so it was not sent. Before the first leg that ends the pair."""
    if not state.orders:
        return Done(PairStatus.CANCELLED, ZERO, f"held back: {error}")
    patience = timedelta(seconds=policy.max_leg_delay_s + policy.unknown_bound_s)
    if desk.now() > state.started_at + patience:
        return Halt(state.net, f"the repair could meet an own order: {error}")
    return None


async def send(desk: Desk, intent: OrderIntent) -> OrderEvent:
    """Send one journalled order and return what is known of it then; never raises for what the venue does."""
    client = desk.clients[intent.account_id]
    try:
        outcome: PlaceOutcome = await client.place(intent)
    except PrecisionRefused as error:
        return NeverSent(desk.now(), str(error))
    except VenueError as error:
        return OutcomeLost(desk.now(), str(error))
    match outcome:
        case Accepted(report):
            return Reported(report)
        case Rejected(text, code):
            return Reported(_refusal(desk, intent, f"{code}: {text}" if code else text))
        case Unknown(reason):
            return OutcomeLost(desk.now(), reason)
        case NotSent(reason):
            return NeverSent(desk.now(), reason)
        case _:
            assert_never(outcome)


async def _ask(
    desk: Desk, state: PairState, orders: Iterable[Order], policy: PairPolicy, *, insist: bool = False
) -> PairState:  # fmt: skip
    asked = tuple(orders)
    answers = await asyncio.gather(*(learn(desk, o, policy, insist=insist) for o in asked))
    for order, (event, knows_none) in zip(asked, answers, strict=True):
        key = order.intent.client_order_id
        state = state.asked(key, desk.now())
        if knows_none:
            state = state.asked(ABSENT + key, desk.now())
        if event is not None:
            desk.working[key] = apply(desk.working[key], event)
    return await keep(desk, state)


async def learn(
    desk: Desk, order: Order, policy: PairPolicy, *, insist: bool = False
) -> tuple[OrderEvent | None, bool]:  # fmt: skip
    """Ask about an order: what is proven by the answer, and whether the venue said that it knows of none.

    Nothing is proven (None) as well when no answer came. It is not asked yet where the answer could not be proof, the
    stream tells of every execution, and the request budget that the proof needs would be spent on it; insist where the
    stream was lost in between.
    """
    intent = order.intent
    if desk.clients[intent.account_id].spares_questions and not insist and _can_listen(desk, order):
        return None, True
    try:
        answer = await desk.clients[intent.account_id].order(intent, order.venue_order_id)
    except VenueError as error:
        desk.notices.append(f"{intent.venue}: could not ask about {intent.client_order_id} ({error})")
        return None, False
    if isinstance(answer, NotFound):
        if order.status is OrderStatus.ACCEPTED or not _is_absent_again(desk, order, answer.asked_at, policy):
            return None, True
        if not await _has_no_executions(desk, intent):
            return None, True
        return NeverSent(desk.now(), "the venue knows no such order, and it can no longer arrive"), True
    return Reported(answer), False


def _can_listen(desk: Desk, order: Order) -> bool:
    """Tell whether a live stream says what becomes of a taking order whose time is not over: then nobody need ask."""
    intent = order.intent
    is_open = order.status is not OrderStatus.ACCEPTED and intent.time_in_force is TimeInForce.IOC
    hears = intent.account_id not in desk.behind and desk.clients[intent.account_id].feed.health().private_up
    return is_open and hears and desk.now() < intent.valid_until


def _is_absent_again(desk: Desk, order: Order, asked_at: datetime, policy: PairPolicy) -> bool:
    """Tell whether this "no such order" and an earlier one, both given after the order's time, prove it together.

    One alone may come from a list that is behind just then.
    """
    if asked_at < order.intent.valid_until:
        return False
    first = desk.absent_since.setdefault(order.intent.client_order_id, asked_at)
    return first < asked_at and is_absent(order, asked_at, policy)


async def _has_no_executions(desk: Desk, intent: OrderIntent) -> bool:
    """Tell whether the venue lists no execution of an order: one that its order history is late with has some.

    What is found is journalled and applied. False as well when the executions cannot be read, and while there is one
    that names no client order id and may therefore be this order's.
    """
    since = intent.created_at - timedelta(seconds=_CLOCKS_DIFFER_S)
    try:
        client = desk.clients[intent.account_id]
        await desk.note_fills(await client.fills(intent.symbol, since, is_question=True))
    except VenueError as error:
        desk.notices.append(f"{intent.venue}: could not read executions of {intent.client_order_id} ({error})")
        return False
    desk.rematch()
    if any(f.client_order_id == intent.client_order_id for f in desk.fills):
        return False
    return not any(_may_be_of(intent, fill, since) for fill in desk.foreign)


def _may_be_of(intent: OrderIntent, fill: Fill, since: datetime) -> bool:
    where = (intent.account_id, intent.symbol, intent.side)
    return (
        fill.client_order_id is None and (fill.account_id, fill.symbol, fill.side) == where and fill.venue_time >= since
    )


async def _cancel(desk: Desk, state: PairState, orders: Iterable[Order]) -> PairState:
    asked = tuple(orders)
    outcomes: list[CancelOutcome | BaseException] = await asyncio.gather(
        *(desk.clients[o.intent.account_id].cancel(o.intent, o.venue_order_id) for o in asked), return_exceptions=True
    )
    for order, outcome in zip(asked, outcomes, strict=True):
        if isinstance(outcome, VenueError):
            desk.notices.append(f"{order.intent.venue}: cancel of {order.intent.client_order_id} failed ({outcome})")
        elif isinstance(outcome, BaseException):
            raise outcome
        state = state.asked("cancel/" + order.intent.client_order_id, desk.now())
    return state


def _entry(desk: Desk, state: PairState, intent: OrderIntent, action: Place) -> JournalEntry:
    leg = next(leg for leg in state.plan.legs if leg.account.account_id == intent.account_id)
    client = desk.clients[intent.account_id]
    wire_id = client.wire_client_id(intent.client_order_id)
    return JournalEntry(intent, leg.side.value, attempt_of(state, intent), wire_id, why_placed(state, action))


def why_placed(state: PairState, action: Place) -> dict[str, object]:
    """Say why orders are sent; for those that even legs out what each way was expected to cost, quote units.

    A way that was not possible is null. net: what was not hedged then, base units, long positive.
    """
    if action.costs is None:
        return {"reason": action.reason}
    costs = {"chase": action.costs.chase, "wait": action.costs.wait, "unwind": action.costs.unwind}
    shown = {name: None if cost is None else canonical(cost) for name, cost in costs.items()}
    return {"reason": action.reason, "net": canonical(state.net), "costs": shown}


def unsure(desk: Desk, order: Order) -> Order:
    """An order journalled by an earlier run and not known to have an end may have been sent: that is unknown."""
    if order.status in (OrderStatus.INTENDED, OrderStatus.SENT):
        return apply(order, OutcomeLost(desk.now(), "the run that journalled it ended before the outcome was known"))
    return order


def _refusal(desk: Desk, intent: OrderIntent, text: str) -> OrderReport:
    return OrderReport(
        intent.venue, intent.account_id, intent.symbol, intent.client_order_id, None,
        OrderStatus.REJECTED, ZERO, None, text[:500], None, desk.now(),
    )  # fmt: skip
