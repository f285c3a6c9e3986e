"""Executions that a venue undid before anybody learnt of them: an order says that it filled, no list says by what.

They are journalled as the order tells them and struck at once, the way of every undone execution, so that the session
hears of it and the other leg follows. The venue's position must prove it; what it does not prove is left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.venue import TradeBusted
from core.numbers import ZERO
from core.order import Fill, Liquidity, Order
from tasks.desk import Desk

# A venue's list and its positions may be late together with an execution; by then they are not.
LISTED_S = 10.0
UNLISTED = "unlisted/"


async def note_undone(desk: Desk, orders: Sequence[Order], known: Mapping[str | None, Decimal]) -> bool:
    """Journal what these orders say was executed and no list shows, and that it was undone; False without a proof.

    orders: the ones whose executions do not add up. known: what executions of each are known, base units. Proven is it
    when the venues' positions lack exactly that, long after the orders' ends. Raises VenueError when a position cannot
    be read.
    """
    parts = [(o, o.filled_quantity - known.get(o.intent.client_order_id, ZERO)) for o in orders]
    old_enough = desk.now() - timedelta(seconds=LISTED_S)
    if any(part <= 0 or not _has_ended(o, old_enough) for o, part in parts):
        return False
    lacking = dict.fromkeys(sorted({o.intent.account_id for o in orders}), ZERO)
    for order, part in parts:
        lacking[order.intent.account_id] += part * order.intent.side.sign
    if not all(await asyncio.gather(*(_lacks(desk, name, part) for name, part in lacking.items()))):
        return False
    told = [bust for bust in desk.busts if (bust.account_id, bust.trade_id) not in desk.seen]
    fills = [_execution(desk, order, part, told if len(parts) == 1 else ()) for order, part in parts]
    desk.busts = [
        b for b in desk.busts if (b.account_id, b.trade_id) not in {(f.account_id, f.trade_id) for f in fills}
    ]
    await desk.note_fills(fills)
    desk.busts += [TradeBusted(f.venue, f.account_id, f.symbol, f.trade_id, desk.now()) for f in fills]
    return True


def _has_ended(order: Order, before: datetime) -> bool:
    return order.status.is_final and order.venue_order_id is not None and _last_news(order) <= before


async def _lacks(desk: Desk, name: str, part: Decimal) -> bool:
    """Tell whether a position is what it should be without this part (signed base units), beside what was told."""
    shown = sum((p.quantity for p in await desk.clients[name].positions() if p.symbol == desk.symbol), ZERO)
    besides = [
        f for f in (*desk.forced, *desk.foreign)
        if f.account_id == name and f.symbol == desk.symbol and (name, f.trade_id) not in desk.judged
    ]  # fmt: skip
    return shown == desk.expected[name] - part + sum((f.quantity * f.side.sign for f in besides), ZERO)


def _last_news(order: Order) -> datetime:
    return order.updated_at or order.intent.created_at


def _execution(desk: Desk, order: Order, quantity: Decimal, told: Sequence[TradeBusted]) -> Fill:
    """What the order tells of it; its trade id is the venue's own where a stream has told of one undone execution."""
    intent, at = order.intent, _last_news(order)
    ids = [bust.trade_id for bust in told if (bust.account_id, bust.symbol) == (intent.account_id, desk.symbol)]
    trade_id = ids[0] if len(ids) == 1 else f"{UNLISTED}{intent.client_order_id}"
    assert order.venue_order_id is not None, "asked before"
    return Fill(
        intent.venue, intent.account_id, intent.symbol, trade_id, intent.client_order_id, order.venue_order_id,
        intent.side, quantity, order.average_price or intent.price, ZERO, Liquidity.TAKER, at, at,
    )  # fmt: skip
