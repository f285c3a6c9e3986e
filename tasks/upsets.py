"""What a venue does to a session's positions besides trading its orders: undone trades and forced executions.

Taken in between pairs only. The journal is put right first; then the session is told what happened, so that it
stops opening and states what is left unhedged. Nothing is traded here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from connectors.venue import TradeBusted
from core.numbers import ZERO, canonical
from core.order import Fill, FillCause
from core.pnl import pair_result
from store.records import BustedFill
from tasks.course import Course
from tasks.desk import Desk
from tasks.recover import rebuild

# A venue may tell of an undone execution before we have learnt of the execution itself.
BUST_UNKNOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Upset:
    """Something that needs a person: the breach's category, its details, and one sentence."""

    category: str
    details: dict[str, str]
    text: str


async def take_in(desk: Desk, course: Course) -> list[Upset]:
    """Take what the streams and reads brought into journal and positions; return what a person must know."""
    forced, desk.forced = desk.forced, []
    busts, desk.busts = desk.busts, []
    found = [await _force(desk, fill) for fill in forced]
    return [*found, *[upset for bust in busts if (upset := await _bust(desk, course, bust)) is not None]]


async def _force(desk: Desk, fill: Fill) -> Upset:
    """A liquidation or deleveraging changed the account's position: in our market it is the session's own."""
    if fill.symbol == desk.symbol and fill.client_order_id not in desk.working:
        await desk.store.journal.claim_fills(desk.session_id, [fill])
        desk.fills.append(replace(fill, client_order_id=None))
        desk.settled[fill.account_id] += fill.quantity * fill.side.sign
    category = "deleveraged" if fill.cause is FillCause.ADL else "forced_execution"
    text = f"{_named(fill)} was executed by {fill.venue} as {fill.cause}, not by an order of ours"
    return Upset(category, _details(fill) | {"cause": fill.cause.value}, text)


async def _bust(desk: Desk, course: Course, bust: TradeBusted) -> Upset | None:
    busted = await desk.store.journal.bust_fill(bust.venue, bust.account_id, bust.trade_id, at=bust.at)
    if busted is None:
        if desk.now() - bust.at <= timedelta(seconds=BUST_UNKNOWN_S):
            desk.busts.append(bust)
            return None
        details = {"accountId": bust.account_id, "tradeId": bust.trade_id}
        return Upset("trade_busted", details, f"{bust.venue} undid an execution that is not in the journal")
    fill = busted.fill
    desk.foreign = [f for f in desk.foreign if (f.account_id, f.trade_id) != (fill.account_id, fill.trade_id)]
    if not busted.is_new or busted.session_id != desk.session_id:
        return None
    _undo(desk, fill)
    await _recount(desk, course, busted)
    return Upset("trade_busted", _details(fill), f"{_named(fill)} was undone by {fill.venue}")


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


async def _recount(desk: Desk, course: Course, busted: BustedFill) -> None:
    """What was undone is no volume: work the pair's figures out anew from the executions that are left."""
    if busted.pair_id is None:
        return
    pair = desk.store.reads.pair(busted.pair_id)
    old = pair.outcome
    if old.completed_at is None or old.volume == 0:
        return
    fills = desk.store.reads.fills_of_pair(busted.pair_id)
    result = pair_result(rebuild(desk, pair), fills, completed_at=old.completed_at)
    new = replace(
        old, quantity=result.quantity, volume=result.volume, price=result.price, slippage=result.slippage,
        fees=result.fees,
    )  # fmt: skip
    await desk.store.journal.complete_pair(busted.pair_id, new, "worked out anew without what the venue undid")
    course.volume += new.volume - old.volume
    course.slippage_paid += (new.slippage or ZERO) * new.volume - (old.slippage or ZERO) * old.volume


def _named(fill: Fill) -> str:
    return f"{fill.account_id}: {fill.side} {canonical(fill.quantity)} {fill.symbol} at {canonical(fill.price)}"


def _details(fill: Fill) -> dict[str, str]:
    return {
        "accountId": fill.account_id,
        "venue": fill.venue.value,
        "tradeId": fill.trade_id,
        "side": fill.side.value,
        "quantity": canonical(fill.quantity),
        "price": canonical(fill.price),
    }
