"""Taking the session's positions down leg by leg: reduce-only orders, journalled before the wire like every other.

For the end of a session whose pairs cannot be closed through the gate. It opens nothing, trades no more than
core.reduction allows, and leaves no order without an end: one whose outcome is not known is asked about, never resent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.account import Position
from core.errors import SelfTradeRisk, SessionHalted, VenueError
from core.numbers import ZERO, canonical
from core.order import Order, OrderIntent, apply
from core.pair import PairPolicy, policy_of
from core.reconcile import OwnMatch
from core.reduction import Holding, numbered, reducing_intent, reduction_leg, reduction_pair_id, reductions
from store.errors import WireIdTaken
from store.records import JournalEntry
from tasks.desk import Desk
from tasks.place_pair import learn, send, unsure
from tasks.reconcile_fills import complete_fills, own_matches_of, read_fills

_log = logging.getLogger("hedging.reduce")

_ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Reduced:
    """What one round did: orders sent, base units filled over all accounts, and obstacles: why one was left, in words.

    is_stuck: every venue was read, and nothing of what is left can be reduced. own_matches must be empty.
    """

    sent: int
    filled: Decimal
    obstacles: tuple[str, ...]
    is_stuck: bool
    own_matches: tuple[OwnMatch, ...] = ()


Choose = Callable[[Sequence[Holding]], Mapping[str, Decimal]]


async def reduce_once(desk: Desk, slippage: Decimal, choose: Choose = reductions) -> Reduced:
    """Send one reduce-only order for each account that may be reduced, and learn what became of each.

    slippage: how far from mid each may trade, a fraction. choose: how much of what is held, signed base units by
    account; everything unless told otherwise. Raises LeaseLost, ReconciliationFailed, VenueError, and
    SessionHalted when an outcome stays unknown.
    """
    desk.require_lease()
    obstacles: list[str] = []
    holdings = await asyncio.gather(*(_holding(desk, name, obstacles) for name in desk.accounts))
    wanted = choose(holdings)
    drafts = await asyncio.gather(*(_draft(desk, h, wanted[h.account.account_id], slippage, obstacles)
                                    for h in holdings if h.account.account_id in wanted))  # fmt: skip
    journalled = [await _journal(desk, draft, obstacles) for draft in drafts if draft is not None]
    sent = [intent for intent in journalled if intent is not None]
    await _send(desk, sent)
    orders = await _learn(desk, [i.client_order_id for i in sent])
    await complete_fills(desk, orders)
    matches = own_matches_of(desk, orders) if orders else []
    desk.put_down()
    filled = sum((o.filled_quantity for o in orders), ZERO)
    for order in orders:
        _log.info("session %s: %s", desk.session_id, _sentence(order, slippage))
    is_read = all(h.venue is not None for h in holdings)
    return Reduced(len(sent), filled, tuple(obstacles), is_read and not wanted, tuple(matches))


async def finish_reductions(desk: Desk) -> None:
    """Learn what became of reductions that an earlier run, or a round that failed, did not see to their end.

    An order of such a round that did end stays with the others until all are put down. Raises as `reduce_once`.
    """
    mine = reduction_pair_id(desk.session_id)
    left = [unsure(desk, o) for o in desk.store.reads.open_orders_of(desk.session_id) if o.intent.pair_id == mine]
    known = {o.intent.client_order_id for o in left}
    left += [o for o in unfinished(desk) if o.intent.client_order_id not in known]
    if not left:
        return
    desk.take_up(left)
    age = max((desk.now() - o.intent.created_at).total_seconds() for o in left) + 5
    await read_fills(desk, sorted({o.intent.account_id for o in left}), age, is_question=True)
    orders = await _learn(desk, [o.intent.client_order_id for o in left])
    await complete_fills(desk, orders)
    desk.put_down()


def unfinished(desk: Desk) -> list[Order]:
    """Return the reductions of this run that were sent and not put down: their round failed before its end."""
    mine = reduction_pair_id(desk.session_id)
    return [o for o in desk.working.values() if o.intent.pair_id == mine]


async def _holding(desk: Desk, name: str, obstacles: list[str]) -> Holding:
    try:
        venue: Decimal | None = _in_market(desk, await desk.clients[name].positions())
    except VenueError as error:
        venue = None
        obstacles.append(f"{name}: its position cannot be read ({error})")
    return Holding(desk.accounts[name], desk.markets[name], desk.positions[name], venue)


def _in_market(desk: Desk, held: Sequence[Position]) -> Decimal:
    return sum((p.quantity for p in held if p.symbol == desk.symbol), ZERO)


async def _draft(
    desk: Desk, holding: Holding, quantity: Decimal, slippage: Decimal, obstacles: list[str]
) -> OrderIntent | None:  # fmt: skip
    """Price from the live book, else from one read now; without any there is nothing to bound the order by."""
    name = holding.account.account_id
    client = desk.clients[name]
    try:
        book = client.feed.book(desk.symbol) or await client.book(desk.symbol)
        mark = client.feed.mark(desk.symbol) or await client.mark(desk.symbol)
    except VenueError as error:
        obstacles.append(f"{name}: no price ({error})")
        return None
    return reducing_intent(
        desk.session_id, holding, quantity,
        mid=book.mid or mark.mark, mark=mark.mark, slippage=slippage, now=desk.now(),
    )  # fmt: skip


async def _journal(desk: Desk, draft: OrderIntent, obstacles: list[str]) -> OrderIntent | None:
    """Write one intent in a commit of its own, so that one that could meet an own order holds back only itself."""
    name = draft.account_id
    sent = desk.store.reads.orders_of_session(desk.session_id)
    first = 1 + sum(o.intent.pair_id == draft.pair_id and o.intent.account_id == name for o in sent)
    for attempt in range(first, first + _ATTEMPTS_MAX):
        intent = numbered(draft, attempt, desk.now())
        wire_id = desk.clients[name].wire_client_id(intent.client_order_id)
        entry = JournalEntry(intent, reduction_leg(name), attempt, wire_id, {"reason": "take the position down"})
        try:
            (recorded,) = await desk.store.journal.record_intents([entry])
        except WireIdTaken:
            continue
        except SelfTradeRisk as error:
            obstacles.append(f"{name}: {error}")
            return None
        if recorded.is_new:
            desk.working[intent.client_order_id] = recorded.order
            return intent
    obstacles.append(f"{name}: no free id for an order in {_ATTEMPTS_MAX} attempts")
    return None


async def _send(desk: Desk, intents: Sequence[OrderIntent]) -> None:
    desk.require_lease()
    events = await asyncio.shield(asyncio.gather(*(send(desk, i) for i in intents)))
    for intent, event in zip(intents, events, strict=True):
        key = intent.client_order_id
        desk.working[key] = apply(desk.working[key], event)


async def _learn(desk: Desk, keys: Sequence[str]) -> list[Order]:
    """Listen and ask until every order has an end, journalling each change; SessionHalted when one stays unknown.

    Each is asked about before it is given up, however old: an earlier run, or a venue that was away, left it so; twice,
    because two answers that it is unknown prove what one does not. Where one said so before it can prove anything, the
    next waits until it can: questions spend the request budget that the proof needs.
    """
    policy = policy_of(desk.strategy)
    asked: Counter[str] = Counter()
    due: dict[str, datetime] = {}
    while True:
        await desk.keep_lease()
        await desk.absorb()
        orders = [desk.working[key] for key in keys]
        await asyncio.gather(*(desk.store.journal.record_order(o) for o in orders))
        unsettled = [o for o in orders if not o.status.is_final]
        if not unsettled:
            return orders
        _require_patience(desk, [o for o in unsettled if asked[o.intent.client_order_id] > 1], policy)
        await desk.wait(desk.now() + timedelta(seconds=policy.ask_after_s / 2))
        await desk.absorb()
        for order in unsettled:
            key = order.intent.client_order_id
            if not desk.working[key].status.is_final and desk.now() >= due.get(key, order.intent.created_at):
                event, knows_none = await learn(desk, desk.working[key], policy)
                desk.working[key] = desk.working[key] if event is None else apply(desk.working[key], event)
                asked[key] += 1
                if knows_none:
                    again = desk.now() + timedelta(seconds=policy.ask_after_s)
                    due[key] = max(order.intent.valid_until, again)


def _require_patience(desk: Desk, unsettled: Sequence[Order], policy: PairPolicy) -> None:
    overdue = timedelta(seconds=policy.unknown_bound_s)
    lost = [o for o in unsettled if desk.now() > o.intent.valid_until + overdue + overdue]
    if lost:
        names = ", ".join(f"{o.intent.client_order_id} on {o.intent.venue}" for o in lost)
        raise SessionHalted(f"the outcome of {names} is still unknown")


def _sentence(order: Order, slippage: Decimal) -> str:
    intent = order.intent
    return (
        f"{intent.account_id}: reduce-only {intent.side} {canonical(intent.quantity)} within {slippage:%} of mid, "
        f"filled {canonical(order.filled_quantity)} ({order.status})"
    )
