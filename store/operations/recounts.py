"""Working a pair's figures out anew when an execution of it is undone, in the transaction that notes it.

What was undone is no volume. The session's volume follows, so that it is what its pairs count, whoever dies when.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import RowMapping, select, update

from core.numbers import ZERO
from core.order import Side
from core.pnl import Hedged, hedged, side_result
from store.columns import derived
from store.records import Recount
from store.rows import fill_of
from store.tables import FILLS, PAIRS, SESSIONS
from store.writer import Tx


def recount(tx: Tx, pair_id: str | None) -> Recount:
    """Count a pair that has ended from the executions that are left; one without volume, or an end, stays as it is.

    A reduction has an id of a pair, and no pair: what it traded was never volume.
    """
    pair = tx.connection.execute(select(PAIRS).where(PAIRS.c.pair_id == pair_id)).mappings().one_or_none()
    if pair is None or pair["completed_at"] is None or pair["volume"] == 0:
        return Recount()
    new = _figures(tx, pair)
    volume, slippage = derived(new.volume), ZERO if new.slippage is None else derived(new.slippage)
    values = {
        "quantity": new.quantity, "volume": volume, "price": new.price, "fees": new.fees,
        "slippage": None if new.slippage is None else slippage,
    }  # fmt: skip
    tx.connection.execute(update(PAIRS).where(PAIRS.c.pair_id == pair_id).values(**values, change=tx.change))
    found = Recount(volume - pair["volume"], slippage * volume - (pair["slippage"] or ZERO) * pair["volume"])
    _take_from_session(tx, pair["session_id"], found.volume)
    return found


def _figures(tx: Tx, pair: RowMapping) -> Hedged:
    left = select(FILLS).where(FILLS.c.pair_id == pair["pair_id"], FILLS.c.busted_at.is_(None))
    fills = [fill_of(row) for row in tx.connection.execute(left).mappings()]
    buy = side_result(pair["buy_account"], Side.BUY, pair["buy_arrival_mid"] or ZERO, fills)
    sell = side_result(pair["sell_account"], Side.SELL, pair["sell_arrival_mid"] or ZERO, fills)
    return hedged(buy, sell)


def _take_from_session(tx: Tx, session_id: str, change: Decimal) -> None:
    # In Python, because SQLite would add text as floats.
    this = SESSIONS.c.session_id == session_id
    counted: Decimal = tx.connection.execute(select(SESSIONS.c.volume_generated).where(this)).scalar_one()
    values = {"volume_generated": max(ZERO, counted + change), "change": tx.change}
    tx.connection.execute(update(SESSIONS).where(this).values(**values))
