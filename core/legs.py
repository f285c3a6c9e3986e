"""The legs of a pair as orders: what each way to even them out would cost, and the intents that do it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.ids import client_order_id
from core.numbers import ZERO, ceil_to, floor_to, is_multiple
from core.order import OrderIntent, OrderStatus, OrderType, Side, TimeInForce
from core.pair import PairFacts, PairPolicy, PairState, RepairCosts
from core.plan import LegPlan
from core.pricing import marketable_price, passive_price
from core.sizing import smallest_quantity

# Room for the price to fall between the decision and the venue's check of its minimum notional.
_CUSHION = Decimal("1.1")

_ATTEMPTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Move:
    """A trade on one leg's account: in the leg's direction, or against it to take something back."""

    leg: LegPlan
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Scene:
    """A pair, what is seen now and its bounds; slack is added to the slippage bound (a fraction)."""

    state: PairState
    facts: PairFacts
    policy: PairPolicy
    slack: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Repair:
    """The cheapest way to one hedged size. size in base units; cost in quote units against arrival mids."""

    size: Decimal
    cost: Decimal
    moves: tuple[Move, ...]
    costs: RepairCosts


def cheapest_repair(scene: Scene) -> Repair | None:
    """Return the cheapest repair that both venues' rules and books allow now, or None."""
    options = [(cost, size) for size in _sizes(scene.state) if (cost := _cost(scene, size)) is not None]
    if not options:
        return None
    redo = _redo_cost(scene)
    # At equal cost the larger size: what is taken back has been paid for and counts for nothing.
    cost, size = min(options, key=lambda o: (o[0] + redo * abs(scene.state.plan.quantity - o[1]), -o[1]))
    return Repair(size, cost, _moves(scene.state, size), _ways_out(scene, options))


def taking_intent(scene: Scene, move: Move) -> OrderIntent:
    """Return the intent that takes liquidity for a move, bounded by the session's slippage."""
    book = scene.facts.books[move.leg.account.account_id]
    mid = book.mid or scene.state.arrival_mid(move.leg)
    price = marketable_price(move.leg.market, mid, move.side, scene.policy.max_slippage + scene.slack)
    return _intent(scene, move, price, OrderType.MARKET, TimeInForce.IOC)


def resting_intent(scene: Scene, move: Move) -> OrderIntent:
    """Return the intent that rests post-only for a move, at the pair's offset from mid."""
    book = scene.facts.books[move.leg.account.account_id]
    price = passive_price(move.leg.market, book, move.side, scene.state.offset)
    return _intent(scene, move, price, OrderType.LIMIT, TimeInForce.POST_ONLY)


def _sizes(state: PairState) -> list[Decimal]:
    """Hedged sizes worth considering: on the common lot, between nothing and the planned quantity.

    Beyond these only where the venues' minimums leave no way between them (a small pair that filled in part): a little
    more than planned, or a little of the opposite, is hedged and can be closed later; a lone remainder is neither.
    """
    plan, lot = state.plan, state.lot
    found = {ZERO, plan.quantity}
    for leg in plan.legs:
        at, least = state.hedged(leg), _least_quantity(state, leg)
        for around in (at, at - least, at + least):
            found |= {floor_to(around, lot), ceil_to(around, lot)}
    within = [size for size in found if 0 <= size <= plan.quantity]
    possible = any(all(_is_tradable(state, move) for move in _moves(state, size)) for size in within)
    return sorted(within if possible else found)


def _moves(state: PairState, size: Decimal) -> tuple[Move, ...]:
    found = []
    for leg in state.plan.legs:
        delta = size - state.hedged(leg)
        if delta != 0:
            found.append(Move(leg, leg.side if delta > 0 else leg.side.opposite, abs(delta)))
    return tuple(found)


def _cost(scene: Scene, size: Decimal) -> Decimal | None:
    costs = [_move_cost(scene, move) for move in _moves(scene.state, size)]
    known = [cost for cost in costs if cost is not None]
    return sum(known, ZERO) if len(known) == len(costs) else None


def _move_cost(scene: Scene, move: Move) -> Decimal | None:
    """Expected cost in quote units against arrival mid; None where it cannot be sent or filled now."""
    state, market = scene.state, move.leg.market
    book = scene.facts.books.get(move.leg.account.account_id)
    if book is None or book.mid is None or not _is_tradable(state, move):
        return None
    if _refusals(scene, move) >= scene.policy.refusals_max:
        return None
    bound = marketable_price(market, book.mid, move.side, scene.policy.max_slippage + scene.slack)
    walk = book.walk(move.side, move.quantity, bound)
    if walk.average is None or walk.filled < move.quantity:
        return None
    against_arrival = (walk.average - state.arrival_mid(move.leg)) * move.side.sign * move.quantity
    return against_arrival + walk.average * move.quantity * market.taker_fee


def _refusals(scene: Scene, move: Move) -> int:
    """How often such a trade was refused lately; an older refusal (pace, a lost connection) need not hold any more."""
    since = scene.facts.now - timedelta(seconds=scene.policy.max_leg_delay_s)
    refused = (o.intent for o in scene.state.of(move.leg) if o.status is OrderStatus.REJECTED)
    return sum(i.side is move.side and i.created_at > since for i in refused)


def _redo_cost(scene: Scene) -> Decimal:
    """Quote units per base unit that trading both legs anew would cost: what another size than planned leaves to do."""
    cost = ZERO
    for leg in scene.state.plan.legs:
        book = scene.facts.books.get(leg.account.account_id)
        if book is not None and book.mid is not None and book.spread is not None:
            cost += book.mid * (book.spread / 2 + leg.market.taker_fee)
    return cost


def _is_tradable(state: PairState, move: Move) -> bool:
    market = move.leg.market
    least = _least_quantity(state, move.leg)
    if market.reduce_only_ignores_min_notional and _is_reducing(state, move):
        least = max(market.lot, market.min_quantity)
    return is_multiple(move.quantity, market.lot) and move.quantity >= least


def _is_reducing(state: PairState, move: Move) -> bool:
    """A closing leg reduces up to the planned quantity; what is taken back, or goes beyond, opens."""
    ends_at = state.hedged(move.leg) + move.quantity
    return move.leg.reduce_only and move.side is move.leg.side and ends_at <= state.plan.quantity


def _least_quantity(state: PairState, leg: LegPlan) -> Decimal:
    return smallest_quantity(leg.market, state.arrival_mid(leg), lot=leg.market.lot, cushion=_CUSHION)


def _ways_out(scene: Scene, options: list[tuple[Decimal, Decimal]]) -> RepairCosts:
    state, policy = scene.state, scene.policy
    hedged = [state.hedged(leg) for leg in state.plan.legs]
    chase = min((cost for cost, size in options if size >= max(hedged)), default=None)
    unwind = min((cost for cost, size in options if size <= min(hedged)), default=None)
    risk = abs(state.net) * state.plan.buy_mid * policy.max_slippage / Decimal(str(policy.max_leg_delay_s))
    return RepairCosts(chase, None if chase is None else chase + risk, unwind)


def _intent(scene: Scene, move: Move, price: Decimal, kind: OrderType, time_in_force: TimeInForce) -> OrderIntent:
    plan, now, policy = scene.state.plan, scene.facts.now, scene.policy
    valid_s = policy.taking_validity_s if time_in_force is TimeInForce.IOC else policy.validity_s
    return OrderIntent(
        client_order_id=_next_id(scene.state, move.leg),
        session_id=plan.session_id,
        pair_id=plan.pair_id,
        account_id=move.leg.account.account_id,
        venue=move.leg.market.venue,
        symbol=move.leg.market.symbol,
        side=move.side,
        type=kind,
        time_in_force=time_in_force,
        quantity=move.quantity,
        price=price,
        reference_price=scene.state.arrival_mid(move.leg),
        reduce_only=_is_reducing(scene.state, move),
        created_at=now,
        valid_until=now + timedelta(seconds=valid_s),
        evens_out=scene.state.net != 0,
    )


def attempt_of(state: PairState, intent: OrderIntent) -> int:
    """Return which attempt at its leg an intent made here is, from its client order id."""
    leg = next(leg for leg in state.plan.legs if leg.account.account_id == intent.account_id)
    for number in range(1, _ATTEMPTS_MAX):
        if _id(state, leg, number) == intent.client_order_id:
            return number
    raise AssertionError(f"order {intent.client_order_id} is not of pair {state.plan.pair_id}")


def _next_id(state: PairState, leg: LegPlan) -> str:
    """The next attempt's id; the attempt counts the leg's orders, skipping ids that cannot be used."""
    used = state.refused_ids | {o.intent.client_order_id for o in state.orders}
    for number in range(len(state.of(leg)) + 1, _ATTEMPTS_MAX):
        candidate = _id(state, leg, number)
        if candidate not in used:
            return candidate
    raise AssertionError("a leg never has a hundred orders")


def _id(state: PairState, leg: LegPlan, attempt: int) -> str:
    return client_order_id(state.plan.session_id, state.plan.sequence, leg.side.value, attempt)
