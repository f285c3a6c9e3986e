"""Where a venue's position is not what the journal explains: who did it, as far as executions and people can tell.

A difference is explained by positive evidence alone: an execution that the venue lists, one that it lists no more, or
a person who acknowledged exactly these figures. What nobody explains is left as it is and said. Trades nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.venue import TradeBusted
from core.account import Position
from core.numbers import ZERO, canonical
from core.order import Fill, FillCause
from core.paired_reduction import Cause, by_hand, own_part
from tasks.adoption import adopt, is_written_off
from tasks.course import Course
from tasks.desk import Desk
from tasks.naked import look
from tasks.settle import agreeing_positions
from tasks.upsets import Tell, Upset, take_executions, take_in

MISMATCH = "position_mismatch"
_CLOCKS_DIFFER_S = 5.0
# A venue's list and its positions may be late together with an execution that its stream told; by then they are not.
_LISTED_S = 10.0

Wrong = dict[str, Position]


async def differences(desk: Desk) -> Wrong:
    """Read the venues' positions and return those that are not as expected and stay so for a moment.

    Raises VenueError: what cannot be read is neither zero nor a difference.
    """
    found = await agreeing_positions(desk)
    desk.held.update(found)
    return _still_wrong(desk, found)


async def explain(desk: Desk, course: Course, wrong: Wrong, tell: Tell) -> tuple[Wrong, bool]:
    """Look differences up in the venues' executions and in what people acknowledged; return what nobody explains.

    What may only be late is left out, and looked at again at the next beat; the second says whether there was any.
    Raises VenueError when executions cannot be read.
    """
    late = await _look_up(desk, course, wrong)
    desk.recheck |= bool(late)
    wrong = {name: position for name, position in wrong.items() if name not in late}
    desk.rematch()
    await take_in(desk, course, tell)
    wrong = _still_wrong(desk, wrong)
    for position in wrong.values():
        await _take_by_hand(desk, course, position, tell)
    wrong = _still_wrong(desk, wrong)
    if wrong and described(desk, wrong) in _acknowledged(desk):
        for name, position in wrong.items():
            await _adopt(desk, course, position, f"{name}: a person acknowledged what the venue shows")
        wrong = {}
    return wrong, bool(late)


def described(desk: Desk, wrong: Mapping[str, Position]) -> dict[str, str]:
    """Say what does not agree, by account; the details of the breach, which a person may acknowledge."""
    return {
        name: f"venue {canonical(p.quantity)}, journal {canonical(desk.expected[name])}" for name, p in wrong.items()
    }


def _still_wrong(desk: Desk, found: Mapping[str, Position]) -> Wrong:
    return {name: p for name, p in found.items() if p.quantity != desk.expected[name]}


async def _look_up(desk: Desk, course: Course, wrong: Wrong) -> set[str]:
    """Read the executions of these accounts; an undone one is one of ours that is listed no more, and accounts for it.

    Returns the accounts whose venue may only be late.

    The whole of what is left must be explained by what is missing, and that must be old enough to be listed, so that a
    list that is late proves nothing.
    """
    since = course.started_at - timedelta(seconds=_CLOCKS_DIFFER_S)
    names, late = list(wrong), set[str]()
    old_enough = desk.now() - timedelta(seconds=_LISTED_S)
    answers = await asyncio.gather(*(desk.clients[name].fills(desk.symbol, since) for name in names))
    for name, listed in zip(names, answers, strict=True):
        await desk.note_fills(listed)
        desk.rematch()
        keys = {f.trade_id for f in listed}
        gone = [f for f in desk.fills if f.account_id == name and f.venue_time >= since and f.trade_id not in keys]
        gone = [f for f in gone if not is_written_off(f)]
        told = [f for f in desk.forced if f.account_id == name and f.symbol == desk.symbol]
        told += _unjudged(desk, name, course.started_at)
        left = wrong[name].quantity - desk.expected[name] - _signed(told)
        back = _listed_back(desk, name)
        if back and left == _signed([undoing for _, undoing in back]):
            undone = [fill for pair in back for fill in pair]
            desk.busts += [TradeBusted(f.venue, name, f.symbol, f.trade_id, back[0][1].venue_time) for f in undone]
            continue
        named = await _named_undone(desk, name, since)
        if named and left == -_signed([f for f in desk.fills if f.account_id == name and f.trade_id in named]):
            desk.busts += named.values()
            continue
        if not gone or left != -_signed(gone):
            continue
        if any(f.received_time > old_enough for f in gone):
            late.add(name)
            continue
        desk.busts += [TradeBusted(f.venue, name, f.symbol, f.trade_id, desk.now()) for f in gone]
    return late


async def _named_undone(desk: Desk, name: str, since: datetime) -> dict[str, TradeBusted]:
    """Ask the venue for undone trades; those of the session, by trade id."""
    own = {f.trade_id for f in desk.fills if f.account_id == name}
    return {bust.trade_id: bust for bust in await desk.clients[name].undone_trades(since) if bust.trade_id in own}


def _listed_back(desk: Desk, name: str) -> list[tuple[Fill, Fill]]:
    """Executions of own orders that the venue lists a second time on the other side: each with what undoes it.

    A venue without a word for an undone trade shows it so; nothing else trades against the side of its own order.
    """
    found: list[tuple[Fill, Fill]] = []
    undone = [f for f in desk.fills if f.account_id == name]
    for back in [f for f in desk.foreign if f.account_id == name and f.symbol == desk.symbol]:
        same = (back.venue_order_id, back.side.opposite, back.quantity, back.price)
        for fill in undone:
            if (fill.venue_order_id, fill.side, fill.quantity, fill.price) == same:
                found.append((fill, back))
                undone.remove(fill)
                break
    return found


async def _take_by_hand(desk: Desk, course: Course, position: Position, tell: Tell) -> None:
    """Take trades that somebody made on this account by hand, where they are all that makes the difference."""
    name, theirs = position.account_id, desk.foreign_held.get(position.account_id, ZERO)
    trades = sorted(_unjudged(desk, name, course.started_at), key=lambda f: f.venue_time)
    if not trades or position.quantity != desk.expected[name] + _signed(trades):
        return
    found = by_hand(desk.positions[name], theirs, trades)
    if found.taken:
        taken = {f.trade_id for f in found.taken}
        desk.foreign = [f for f in desk.foreign if f.account_id != name or f.trade_id not in taken]
        await take_executions(desk, found.taken, tell)
    if found.written_off != 0:
        last = trades[-1]
        details = {
            "accountId": name, "venue": last.venue.value, "tradeId": ", ".join(f.trade_id for f in trades),
            "cause": FillCause.TRADE.value, "quantity": canonical(abs(found.written_off)),
            "foreign": canonical(found.foreign), "price": canonical(last.price),
        }  # fmt: skip
        text = f"{name}: trades by hand took {canonical(abs(found.written_off))} of the session's position and more"
        await tell(Upset(Cause.MANUAL_TRADE, details, text, name, found.written_off, last.venue_time))
        await _adopt(desk, course, position, text)
    elif found.taken and found.foreign != theirs:
        text = f"{name}: trades by hand went beyond what they took; {canonical(found.foreign)} there is somebody else's"
        await _adopt(desk, course, position, text)
    elif not found.taken and abs(found.foreign) < abs(theirs):
        await _adopt(desk, course, position, f"{name}: somebody reduced what they hold there themselves")


async def _adopt(desk: Desk, course: Course, position: Position, text: str) -> None:
    trades = _unjudged(desk, position.account_id, course.started_at)
    own, foreign = own_part(desk.positions[position.account_id], position.quantity)
    await adopt(desk, position, own=own, foreign=foreign, trades=trades, text=text)
    # What stands alone from here on is followed; it is no surprise to the limits.
    await look(desk, course)


def _unjudged(desk: Desk, name: str, since: datetime) -> list[Fill]:
    """Trades in this market that no order of the session explains and nobody has judged yet."""
    orders = desk.store.reads.orders_of_session(desk.session_id)
    own = {o.venue_order_id for o in orders if o.intent.account_id == name}
    known = {o.intent.client_order_id for o in orders}
    return [
        f for f in desk.foreign
        if f.account_id == name and f.symbol == desk.symbol and f.cause is FillCause.TRADE and f.venue_time >= since
        and f.venue_order_id not in own and f.client_order_id not in known
        and (name, f.trade_id) not in desk.judged
    ]  # fmt: skip


def _signed(fills: list[Fill]) -> Decimal:
    return sum((f.quantity * f.side.sign for f in fills), ZERO)


def _acknowledged(desk: Desk) -> list[dict[str, object]]:
    """The differences that a person has acknowledged, figure by figure."""
    found = desk.store.reads.breaches(desk.session_id)
    return [dict(b.details) for b in found if b.category == MISMATCH and not b.is_open]
