"""The journal of orders: intents before the wire, what became of them after. The last gate against own orders meeting.

The check against own live orders is part of the transaction that writes an intent, so that no two processes can each
see a clear book and then write orders that could match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from core.errors import SelfTradeRisk
from core.numbers import ZERO
from core.order import Order, OrderIntent, OrderStatus, Side
from store.errors import RecordNotFound, WireIdTaken
from store.operations.certificates import correct
from store.operations.fills import attribute_fills
from store.records import JournalEntry, JournalOrder, RecordedIntent
from store.rows import columns_of, journal_order_of, order_of
from store.tables import ORDERS
from store.writer import Tx

LIVE = tuple(status.value for status in OrderStatus if not status.is_final)

# Statements of the hot path are built once; building one costs more than running it.
_INSERT = insert(ORDERS)
_UPDATE = update(ORDERS).where(ORDERS.c.client_order_id == bindparam("this_order"))
_BY_ID = select(ORDERS).where(ORDERS.c.client_order_id == bindparam("client_order_id"))
_BY_WIRE_ID = select(ORDERS.c.client_order_id).where(
    ORDERS.c.account_id == bindparam("account_id"), ORDERS.c.wire_client_id == bindparam("wire_client_id")
)
_LIVE_ON_MARKET = select(ORDERS).where(
    ORDERS.c.venue == bindparam("venue"),
    ORDERS.c.symbol == bindparam("symbol"),
    ORDERS.c.side == bindparam("side"),
    ORDERS.c.status.in_(LIVE),
)


def record_intents(tx: Tx, entries: Sequence[JournalEntry]) -> list[RecordedIntent]:
    """Write intents before anything is sent: all of them or, on any error, none.

    An order id that is already there keeps its first intent and comes back with is_new False: ask the venue, never
    send blindly. Raises WireIdTaken when the id on the wire is used on that account (take the next attempt), and
    SelfTradeRisk when an intent could match an own order that may still be live.
    """
    return [_record(tx, entry) for entry in entries]


def record_order(tx: Tx, order: Order) -> JournalOrder:
    """Write what is now known of a journalled order and return the journal's view; late news changes nothing.

    A final order stays final and a filled quantity never falls. Fills that came before the venue's order id was
    known are attributed now. Raises RecordNotFound for an order that was never journalled.
    """
    order_id = order.intent.client_order_id
    known = _find(tx, order_id)
    if known is None:
        raise RecordNotFound(f"order {order_id} is not in the journal; record its intent first", clientOrderId=order_id)
    merged = _merge(known.order, order)
    if merged == known.order:
        return known
    progress = _progress(known, merged)
    tx.connection.execute(_UPDATE, {"this_order": order_id, "change": tx.change, **progress})
    if known.order.venue_order_id is None and merged.venue_order_id is not None:
        attribute_fills(tx, merged)
    if known.order.status.is_final:
        correct(tx, merged.intent.pair_id, "news of an order came after the pair's end", at=merged.updated_at)
    return _get(tx, order_id)


def could_match(one: OrderIntent, other: OrderIntent) -> bool:
    """Tell whether two own orders could trade with each other: same market, opposite sides, prices that cross.

    Time in force is ignored on purpose: an order that should not rest is still not allowed to meet one of ours.
    """
    if (one.venue, one.symbol) != (other.venue, other.symbol) or one.side is other.side:
        return False
    buy, sell = (one, other) if one.side is Side.BUY else (other, one)
    return buy.price >= sell.price


def _record(tx: Tx, entry: JournalEntry) -> RecordedIntent:
    known = _find(tx, entry.intent.client_order_id)
    if known is not None:
        return RecordedIntent(known, is_new=False)
    _check_wire_id(tx, entry)
    _check_own_orders(tx, entry.intent)
    values = columns_of(entry.intent) | {"leg": entry.leg, "attempt": entry.attempt, "change": tx.change}
    del values["evens_out"]
    values |= {"wire_client_id": entry.wire_client_id, "decision": dict(entry.decision)}
    values |= {"status": OrderStatus.INTENDED.value}
    tx.connection.execute(_INSERT, values | {"filled_quantity": ZERO, "fees": ZERO})
    return RecordedIntent(_get(tx, entry.intent.client_order_id), is_new=True)


def _check_wire_id(tx: Tx, entry: JournalEntry) -> None:
    account_id, wire_id = entry.intent.account_id, entry.wire_client_id
    given = {"account_id": account_id, "wire_client_id": wire_id}
    if tx.connection.execute(_BY_WIRE_ID, given).first() is not None:
        raise WireIdTaken(
            f"order {entry.intent.client_order_id}: the id {wire_id} is in use on account {account_id}; "
            f"plan it again with attempt {entry.attempt + 1}",
            accountId=account_id,
            wireClientId=wire_id,
            clientOrderId=entry.intent.client_order_id,
        )


def _check_own_orders(tx: Tx, intent: OrderIntent) -> None:
    for own in _live_opposite(tx, intent):
        if could_match(intent, own.intent):
            raise SelfTradeRisk(
                f"{intent.side} {intent.symbol} on {intent.venue} could match own {own.status} order "
                f"{own.intent.client_order_id} of session {own.intent.session_id}; wait until that one is final",
                field="price",
                clientOrderId=intent.client_order_id,
                ownOrderId=own.intent.client_order_id,
            )


def _live_opposite(tx: Tx, intent: OrderIntent) -> Iterable[Order]:
    market = {"venue": intent.venue.value, "symbol": intent.symbol, "side": intent.side.opposite.value}
    return [order_of(row) for row in tx.connection.execute(_LIVE_ON_MARKET, market).mappings()]


def _merge(known: Order, news: Order) -> Order:
    settled = known.status.is_final and not news.status.is_final
    newer = news.filled_quantity >= known.filled_quantity
    return replace(
        known,
        status=known.status if settled else news.status,
        venue_order_id=news.venue_order_id or known.venue_order_id,
        filled_quantity=max(known.filled_quantity, news.filled_quantity),
        average_price=news.average_price if newer and news.average_price is not None else known.average_price,
        reason=news.reason or known.reason,
        updated_at=known.updated_at if settled and not newer else news.updated_at or known.updated_at,
    )


def _progress(known: JournalOrder, merged: Order) -> dict[str, object]:
    return {
        "status": merged.status.value,
        "venue_order_id": merged.venue_order_id,
        "filled_quantity": merged.filled_quantity,
        "average_price": merged.average_price,
        "reason": merged.reason,
        "updated_at": merged.updated_at,
        "sent_at": known.sent_at or _when(merged, merged.status is not OrderStatus.INTENDED),
        "completed_at": known.completed_at or _when(merged, merged.status.is_final),
    }


def _when(order: Order, happened: bool) -> datetime | None:
    return order.updated_at if happened else None


def _find(tx: Tx, client_order_id: str) -> JournalOrder | None:
    row = tx.connection.execute(_BY_ID, {"client_order_id": client_order_id}).mappings().one_or_none()
    return None if row is None else journal_order_of(row)


def _get(tx: Tx, client_order_id: str) -> JournalOrder:
    return journal_order_of(tx.connection.execute(_BY_ID, {"client_order_id": client_order_id}).mappings().one())
