"""Writing executions exactly once and giving each to the order that explains it. Never changes an order's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import RowMapping, bindparam, insert, or_, select, update

from core.instrument import Venue
from core.numbers import ZERO
from core.order import Fill, Order, OrderStatus
from store.errors import StoreError
from store.operations.certificates import correct
from store.operations.recounts import recount
from store.records import BustedFill, Recount
from store.rows import columns_of, fill_of
from store.tables import FILLS, ORDERS
from store.writer import Tx

_INSERT = insert(FILLS)
_KNOWN = select(FILLS.c.side, FILLS.c.quantity, FILLS.c.price).where(FILLS.c.fill_id == bindparam("fill_id"))
_ORDERS_HERE = select(ORDERS.c.client_order_id, ORDERS.c.session_id, ORDERS.c.pair_id, ORDERS.c.status).where(
    ORDERS.c.account_id == bindparam("account_id"), ORDERS.c.venue == bindparam("venue")
)
_BY_CLIENT_ID = _ORDERS_HERE.where(
    or_(ORDERS.c.client_order_id == bindparam("given"), ORDERS.c.wire_client_id == bindparam("given"))
)
_BY_VENUE_ID = _ORDERS_HERE.where(ORDERS.c.venue_order_id == bindparam("given"))
_FEES = select(ORDERS.c.fees).where(ORDERS.c.client_order_id == bindparam("client_order_id"))
_SET_FEES = update(ORDERS).where(ORDERS.c.client_order_id == bindparam("this_order"))


def record_fills(tx: Tx, fills: Sequence[Fill]) -> list[Fill]:
    """Write fills and return those that were new, in order; a trade id seen before on that account is ignored.

    A fill belongs to the order on its account with its client order id (ours or the one on the wire) or, failing
    that, its venue order id; it then carries our client order id and that order's session and pair. One that no
    journalled order explains is kept without a session. Raises StoreError when a known trade id comes back with
    another side, quantity or price.
    """
    return [recorded for fill in fills if (recorded := _record(tx, fill)) is not None]


def attribute_fills(tx: Tx, order: Order) -> None:
    """Give an order the fills that came before its venue order id was known."""
    intent = order.intent
    waiting = (
        (FILLS.c.venue == intent.venue.value)
        & (FILLS.c.account_id == intent.account_id)
        & (FILLS.c.venue_order_id == order.venue_order_id)
        & FILLS.c.session_id.is_(None)
        & FILLS.c.busted_at.is_(None)
    )
    fees = tx.connection.execute(select(FILLS.c.fee).where(waiting)).scalars().all()
    if not fees:
        return
    found = {"session_id": intent.session_id, "pair_id": intent.pair_id, "client_order_id": intent.client_order_id}
    tx.connection.execute(update(FILLS).where(waiting).values(**found, change=tx.change))
    _add_fees(tx, intent.client_order_id, sum(fees, ZERO))


def claim_fills(tx: Tx, session_id: str, fills: Sequence[Fill]) -> None:
    """Give a session executions that no order explains but that are its own: what a venue forced on its position."""
    for fill in fills:
        unclaimed = (FILLS.c.fill_id == fill_id(fill)) & FILLS.c.session_id.is_(None)
        tx.connection.execute(update(FILLS).where(unclaimed).values(session_id=session_id, change=tx.change))


def bust_fill(tx: Tx, venue: Venue, account_id: str, trade_id: str, *, at: datetime) -> BustedFill | None:
    """Note that a venue undid an execution: its quantity and fee leave its order, and its pair is counted anew.

    None when it is not known (yet).

    The row stays, with the time; undoing it again changes nothing and is answered the same.
    """
    this = FILLS.c.fill_id == f"{venue.value}:{account_id}:{trade_id}"
    row = tx.connection.execute(select(FILLS).where(this)).mappings().one_or_none()
    if row is None:
        return None
    is_new, changed = row["busted_at"] is None, Recount()
    if is_new:
        tx.connection.execute(update(FILLS).where(this).values(busted_at=at, change=tx.change))
        _take_back(tx, row)
        changed = recount(tx, row["pair_id"])
        correct(tx, row["pair_id"], f"the venue undid the execution {trade_id}", at=at)
    return BustedFill(fill_of(row), row["session_id"], row["pair_id"], is_new, changed)


def fill_id(fill: Fill) -> str:
    """Return the id under which a fill is kept: venue, account and trade id together."""
    return f"{fill.venue.value}:{fill.account_id}:{fill.trade_id}"


def _record(tx: Tx, fill: Fill) -> Fill | None:
    known = tx.connection.execute(_KNOWN, {"fill_id": fill_id(fill)}).mappings().one_or_none()
    if known is not None:
        _check_same(known, fill)
        return None
    order = _explaining_order(tx, fill)
    values = columns_of(fill) | {"fill_id": fill_id(fill), "session_id": None, "pair_id": None, "change": tx.change}
    if order is not None:
        fill = replace(fill, client_order_id=order["client_order_id"])
        values |= {key: order[key] for key in ("session_id", "pair_id", "client_order_id")}
        _add_fees(tx, order["client_order_id"], fill.fee)
    tx.connection.execute(_INSERT, values)
    if order is not None and OrderStatus(order["status"]).is_final:
        correct(tx, order["pair_id"], f"the execution {fill.trade_id} came after the pair's end", at=fill.received_time)
    return fill


def _explaining_order(tx: Tx, fill: Fill) -> RowMapping | None:
    here = {"account_id": fill.account_id, "venue": fill.venue.value}
    if fill.client_order_id is not None:
        row = tx.connection.execute(_BY_CLIENT_ID, {**here, "given": fill.client_order_id}).mappings().first()
        if row is not None:
            return row
    return tx.connection.execute(_BY_VENUE_ID, {**here, "given": fill.venue_order_id}).mappings().first()


def _add_fees(tx: Tx, client_order_id: str, fees: Decimal) -> None:
    # In Python, because SQLite would add text as floats.
    so_far: Decimal = tx.connection.execute(_FEES, {"client_order_id": client_order_id}).scalar_one()
    tx.connection.execute(_SET_FEES, {"this_order": client_order_id, "fees": so_far + fees, "change": tx.change})


def _take_back(tx: Tx, fill: RowMapping) -> None:
    this = ORDERS.c.client_order_id == fill["client_order_id"]
    wanted = select(ORDERS.c.side, ORDERS.c.filled_quantity, ORDERS.c.fees).where(this)
    order = tx.connection.execute(wanted).mappings().one_or_none()
    if order is not None:
        # One on the other side is the venue's way to undo another: it was never part of what the order filled.
        is_part = fill["side"] == order["side"]
        left = max(ZERO, order["filled_quantity"] - fill["quantity"]) if is_part else order["filled_quantity"]
        values = {"filled_quantity": left, "fees": order["fees"] - fill["fee"], "change": tx.change}
        tx.connection.execute(update(ORDERS).where(this).values(**values))


def _check_same(known: RowMapping, fill: Fill) -> None:
    if (known["side"], known["quantity"], known["price"]) != (fill.side.value, fill.quantity, fill.price):
        raise StoreError(
            f"{fill.venue} account {fill.account_id}: trade {fill.trade_id} was recorded as {known['side']} "
            f"{known['quantity']} at {known['price']} and now comes as {fill.side} {fill.quantity} at {fill.price}; "
            "compare with the venue before going on"
        )
