"""Pairs and their legs as documents. A leg's attempts are shown as one order: what was wanted, and what it became."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from api.documents.sessions import Legs, OrderDocument, PairDocument
from core.instrument import Venue
from core.numbers import ZERO
from core.order import OrderStatus, OrderType, Side
from core.pair import PairStatus
from store import JournalOrder, Pair

_ORDER_WORDS = {
    OrderStatus.INTENDED: "pending", OrderStatus.SENT: "pending", OrderStatus.UNKNOWN: "pending",
    OrderStatus.ACCEPTED: "open", OrderStatus.FILLED: "filled", OrderStatus.CANCELLED: "cancelled",
    OrderStatus.EXPIRED: "expired", OrderStatus.REJECTED: "rejected",
}  # fmt: skip


def pair_document(pair: Pair, orders: Sequence[JournalOrder]) -> PairDocument:
    """Return a pair with both legs; orders are all of the pair's, repairs and take-backs included."""
    plan, outcome = pair.plan, pair.outcome
    legs = Legs(
        buy_order=_leg(pair, orders, Side.BUY),
        sell_order=_leg(pair, orders, Side.SELL),
    )
    return PairDocument(
        id=plan.pair_id,
        sequence=plan.sequence,
        order_pair=legs,
        status=outcome.status.value,
        volume=outcome.volume,
        price=outcome.price,
        slippage=outcome.slippage,
        fees=outcome.fees,
        naked_usd_seconds=outcome.naked_usd_seconds,
        created_at=plan.created_at,
        executed_at=outcome.executed_at,
        completed_at=outcome.completed_at,
    )


def _leg(pair: Pair, orders: Sequence[JournalOrder], side: Side) -> OrderDocument:
    """One leg: orders of its account in its direction; what was taken back is subtracted from what filled."""
    plan, is_buy = pair.plan, side is Side.BUY
    venue: Venue = plan.buy_venue if is_buy else plan.sell_venue
    account_id = plan.buy_account if is_buy else plan.sell_account
    mid = plan.buy_arrival_mid if is_buy else plan.sell_arrival_mid
    own = [o for o in orders if o.order.intent.account_id == account_id]
    ahead = [o for o in own if o.order.intent.side is side]
    taken = sum((o.order.filled_quantity for o in ahead), ZERO)
    returned = sum((o.order.filled_quantity for o in own if o.order.intent.side is not side), ZERO)
    notional = sum(((o.order.average_price or ZERO) * o.order.filled_quantity for o in ahead), ZERO)
    average = notional / taken if taken and all(_is_priced(o) for o in ahead) else None
    filled = max(ZERO, taken - returned)
    last = ahead[-1] if ahead else None
    reference = average or mid or (last.order.intent.price if last else None)
    created_at: datetime = ahead[0].order.intent.created_at if ahead else pair.plan.created_at
    return OrderDocument(
        account_id=account_id,
        venue=venue.value,
        side=side.value,
        type=(ahead[0].order.intent.type if ahead else OrderType.MARKET).value,
        size=None if reference is None else pair.plan.quantity * reference,
        quantity=pair.plan.quantity,
        price=last.order.intent.price if last else None,
        status=_status(pair, last, filled),
        fill_price=average,
        fill_size=ZERO if not filled else None if average is None else filled * average,
        filled_quantity=filled,
        fees=sum((o.fees for o in own), ZERO),
        client_order_id=ahead[0].order.intent.client_order_id if ahead else None,
        venue_order_id=last.order.venue_order_id if last else None,
        attempts=len(own),
        created_at=created_at,
    )


def _is_priced(entry: JournalOrder) -> bool:
    return not entry.order.filled_quantity or entry.order.average_price is not None


def _status(pair: Pair, last: JournalOrder | None, filled: Decimal) -> str:
    if filled >= pair.plan.quantity:
        return "filled"
    if last is None:
        return "cancelled" if pair.outcome.status is PairStatus.CANCELLED else "pending"
    return "partial" if filled else _ORDER_WORDS[last.order.status]
