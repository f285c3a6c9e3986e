"""What a venue does to a session's positions besides trading its orders: undone trades and forced executions.

Taken in between pairs only. What happened is told first, so that a crash cannot swallow it; then the journal is put
right. Nothing is traded here: the other legs follow in `tasks.follow`.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.venue import TradeBusted
from core.numbers import ZERO, canonical
from core.order import Fill, FillCause
from core.paired_reduction import (
    CONSEQUENCES,
    FORCED_MAX,
    FORCED_WINDOW_S,
    After,
    Cause,
    beyond_own,
    times_forced,
)
from tasks.adoption import give_up_foreign
from tasks.course import Course
from tasks.desk import Desk

# A venue may tell of an undone execution before we have learnt of the execution itself.
BUST_UNKNOWN_S = 60.0
TOO_OFTEN = "deleveraged_often"
_GOES_ON = frozenset(cause.value for cause, found in CONSEQUENCES.items() if found.after is After.GO_ON)


@dataclass(frozen=True, slots=True)
class Upset:
    """A change of a leg that no order of ours made: its cause, details to be shown, and one sentence.

    change: what it does to the session's position on the account, signed base units; at: the venue's time.
    """

    cause: Cause
    details: dict[str, str]
    text: str
    account_id: str
    change: Decimal
    at: datetime

    def breach_id(self, session_id: str) -> str:
        """Return the id of its breach: the same executions make the same one, however often they are told."""
        trades = self.details["tradeId"]
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id}/{self.cause}/{self.account_id}/{trades}"))


Tell = Callable[[Upset], Awaitable[None]]


async def take_in(desk: Desk, course: Course, tell: Tell) -> None:
    """Take what streams and reads brought into journal and positions; tell each upset before it is journalled."""
    forced, desk.forced = desk.forced, []
    busts, desk.busts = desk.busts, []
    alike: dict[tuple[str, str, FillCause], list[Fill]] = {}
    for fill in forced:
        alike.setdefault((fill.account_id, fill.symbol, fill.cause), []).append(fill)
    for fills in alike.values():
        await take_executions(desk, fills, tell)
    for bust in busts:
        await _bust(desk, course, bust, tell)


async def take_executions(desk: Desk, fills: Sequence[Fill], tell: Tell) -> None:
    """Take executions of one account and cause that no order explains: in our market they are the session's own."""
    ours = [f for f in fills if f.symbol == desk.symbol and f.client_order_id not in desk.working]
    first, cause = fills[0], Cause.of(fills[0].cause)
    by = "by hand" if cause is Cause.MANUAL_TRADE else f"by {first.venue} as {first.cause}"
    text = f"{_named(fills)} was executed {by}, not by an order of ours"
    name, change = first.account_id, sum((f.quantity * f.side.sign for f in ours), ZERO)
    theirs = beyond_own(desk.positions[name], desk.foreign_held.get(name, ZERO), change)
    at = min(f.venue_time for f in fills)
    await tell(Upset(cause, _details(fills) | {"cause": first.cause.value}, text, name, change - theirs, at))
    if theirs != 0:
        # Written before the executions are claimed: a run that dies in between finds both again.
        await give_up_foreign(desk, name, theirs, ours)
    if ours:
        await desk.store.journal.claim_fills(desk.session_id, ours)
        desk.fills.extend(replace(fill, client_order_id=None) for fill in ours)
        desk.settled[name] += change


async def _bust(desk: Desk, course: Course, bust: TradeBusted, tell: Tell) -> None:
    key = (bust.account_id, bust.trade_id)
    known = next((f for f in (*desk.fills, *desk.foreign) if (f.account_id, f.trade_id) == key), None)
    if known is None:
        await _bust_unknown(desk, bust, tell)
        return
    is_own = known in desk.fills
    if is_own:
        text, change = f"{_named([known])} was undone by {known.venue}", -known.quantity * known.side.sign
        await tell(Upset(Cause.TRADE_BUST, _details([known]), text, known.account_id, change, bust.at))
    busted = await desk.store.journal.bust_fill(bust.venue, bust.account_id, bust.trade_id, at=bust.at)
    desk.foreign = [f for f in desk.foreign if (f.account_id, f.trade_id) != key]
    if is_own and busted is not None:
        _undo(desk, known)
    if busted is not None:
        course.volume += busted.recount.volume
        course.slippage_paid += busted.recount.slippage_paid


async def _bust_unknown(desk: Desk, bust: TradeBusted, tell: Tell) -> None:
    """An execution that this run does not know of: of another session, undone before, or not told yet."""
    busted = await desk.store.journal.bust_fill(bust.venue, bust.account_id, bust.trade_id, at=bust.at)
    if busted is not None:
        return
    if desk.now() - bust.at <= timedelta(seconds=BUST_UNKNOWN_S):
        desk.busts.append(bust)
        return
    details = {"accountId": bust.account_id, "tradeId": bust.trade_id}
    text = f"{bust.venue} undid an execution that is not in the journal"
    await tell(Upset(Cause.TRADE_BUST, details, text, bust.account_id, ZERO, bust.at))


def forced_too_often(desk: Desk) -> str | None:
    """Say that the venues took from legs too often for a session to go on by itself; None when they did not.

    What a person has acknowledged before counts no more.
    """
    told = desk.store.reads.breaches(desk.session_id)
    answers = [b.acknowledged_at for b in told if b.category == TOO_OFTEN]
    if None in answers:
        return None
    since = max((at for at in answers if at is not None), default=None)
    times = [b.created_at for b in told if b.category in _GOES_ON and (since is None or b.created_at > since)]
    count = times_forced(times, desk.now())
    if count < FORCED_MAX:
        return None
    return f"legs were deleveraged {count} times within {FORCED_WINDOW_S / 60:.0f} minutes"


def _undo(desk: Desk, fill: Fill) -> None:
    desk.fills = [f for f in desk.fills if (f.account_id, f.trade_id) != (fill.account_id, fill.trade_id)]
    key = fill.client_order_id
    if key is not None:
        desk.volumes[fill.account_id] -= fill.quantity * fill.price
    if key is not None and key in desk.working:
        order = desk.working[key]
        desk.working[key] = replace(order, filled_quantity=max(ZERO, order.filled_quantity - fill.quantity))
    else:
        desk.settled[fill.account_id] -= fill.quantity * fill.side.sign


def _named(fills: Sequence[Fill]) -> str:
    first = fills[0]
    quantity, price = _sums(fills)
    return f"{first.account_id}: {first.side} {canonical(quantity)} {first.symbol} at {canonical(price)}"


def _details(fills: Sequence[Fill]) -> dict[str, str]:
    first = fills[0]
    quantity, price = _sums(fills)
    return {
        "accountId": first.account_id,
        "venue": first.venue.value,
        "tradeId": ", ".join(f.trade_id for f in fills),
        "side": first.side.value,
        "quantity": canonical(quantity),
        "price": canonical(price),
    }


def _sums(fills: Sequence[Fill]) -> tuple[Decimal, Decimal]:
    """Quantity in the direction of the first, and the average price over all, on the first's digits."""
    quantity = abs(sum((f.quantity * f.side.sign for f in fills), ZERO))
    size = sum((f.quantity for f in fills), ZERO)
    average = sum((f.quantity * f.price for f in fills), ZERO) / size
    return quantity, fills[0].price if len(fills) == 1 else average.quantize(fills[0].price)
