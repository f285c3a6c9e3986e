"""Agreeing with a venue about what is the session's where no execution explains it: written down, and found again.

The session only ever gives up: its position on an account goes toward zero, and what is there beyond it is somebody
else's from then on, never traded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core.account import Position
from core.numbers import ZERO, canonical
from core.order import Fill, FillCause, Liquidity, Side
from store.records import Event
from tasks.desk import Desk
from tasks.publish import say

ADOPTED = "position_adopted"


async def adopt(
    desk: Desk, position: Position, *, own: Decimal, foreign: Decimal, trades: Sequence[Fill], text: str
) -> None:  # fmt: skip
    """Write that of a venue's position `own` is the session's and `foreign` is not, signed base units, and hold to it.

    trades: the executions by hand that this settles. What the session gives up is valued at the last of them, else at
    the mark, for its own result.
    """
    written_off = own - desk.positions[position.account_id]
    await _agree(
        desk, position.account_id, written_off=written_off, foreign=foreign, price=_price(desk, position, trades),
        trades=trades, text=text,
    )  # fmt: skip


async def give_up_foreign(desk: Desk, name: str, change: Decimal, trades: Sequence[Fill]) -> None:
    """Write that of executions about to be claimed as the session's `change` hits what somebody else holds there.

    It leaves the foreign holding, and what is claimed too much is given back at the price of the last of them.
    """
    foreign = desk.foreign_held.get(name, ZERO) + change
    text = f"{name}: {canonical(abs(change))} of what was executed there was somebody else's"
    await _agree(
        desk, name, written_off=-change, foreign=foreign, price=trades[-1].price, trades=trades, text=text
    )  # fmt: skip


async def _agree(
    desk: Desk, name: str, *, written_off: Decimal, foreign: Decimal, price: Decimal, trades: Sequence[Fill], text: str
) -> None:  # fmt: skip
    at = desk.now()
    await say(desk, "risk", ADOPTED, {
        "accountId": name, "writtenOff": canonical(written_off), "foreign": canonical(foreign),
        "price": canonical(price), "trades": [f.trade_id for f in trades], "text": text,
    })  # fmt: skip
    desk.foreign_held[name] = foreign
    desk.judged.update((name, f.trade_id) for f in trades)
    if written_off != 0:
        _write_off(desk, name, written_off, price, at)


def replay_adoption(desk: Desk, event: Event) -> None:
    """Take an adoption of an earlier run into a desk's positions."""
    payload = event.payload
    name, trades = str(payload["accountId"]), payload["trades"]
    assert isinstance(trades, list)
    desk.foreign_held[name] = Decimal(str(payload["foreign"]))
    desk.judged.update((name, str(trade)) for trade in trades)
    written_off = Decimal(str(payload["writtenOff"]))
    if written_off != 0:
        _write_off(desk, name, written_off, Decimal(str(payload["price"])), event.at)


def is_written_off(fill: Fill) -> bool:
    """Tell whether this stands for what was written off, and for no execution of a venue."""
    return fill.venue_order_id == ADOPTED


def _price(desk: Desk, position: Position, trades: Sequence[Fill]) -> Decimal:
    mark = desk.marks().get(position.account_id)
    own = [f.price for f in desk.fills if f.account_id == position.account_id]
    if trades:
        return trades[-1].price
    return mark.mark if mark is not None else own[-1] if own else position.entry_price


def _write_off(desk: Desk, name: str, change: Decimal, price: Decimal, at: datetime) -> None:
    side, number = (Side.BUY if change > 0 else Side.SELL), sum(is_written_off(f) for f in desk.fills)
    desk.fills.append(
        Fill(
            desk.accounts[name].venue, name, desk.symbol, f"{ADOPTED}/{number}", None, ADOPTED, side, abs(change),
            price, ZERO, Liquidity.TAKER, at, at, FillCause.SETTLEMENT,
        )
    )  # fmt: skip
    desk.settled[name] += change
