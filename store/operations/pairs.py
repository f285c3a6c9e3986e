"""Writing pairs: the plan before anything is sent, the outcome after. Refuses a pair whose legs share a venue."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from core.errors import SelfTradeRisk
from core.pair import PairStatus
from store.errors import RecordNotFound
from store.records import NewPair, Pair, PairOutcome
from store.rows import columns_of, pair_of
from store.tables import PAIRS
from store.writer import Tx


def record_pair(tx: Tx, plan: NewPair) -> Pair:
    """Write a pending pair; one that exists with this id is returned as it stands.

    Raises SelfTradeRisk when both legs are on one venue, StoreError when the sequence is taken by another pair.
    """
    if plan.buy_venue is plan.sell_venue:
        raise SelfTradeRisk(
            f"pair {plan.pair_id}: both legs on {plan.buy_venue}; the legs of a pair are always on two venues",
            field="accounts",
        )
    found = _find(tx, plan.pair_id)
    if found is not None:
        return found
    values = columns_of(plan) | columns_of(PairOutcome(status=PairStatus.PENDING))
    values |= {"planned_quantity": plan.quantity}
    tx.connection.execute(insert(PAIRS).values(**values, change=tx.change))
    return _pair(tx, plan.pair_id)


def complete_pair(tx: Tx, pair_id: str, outcome: PairOutcome) -> Pair:
    """Write how a pair went (also an interim PARTIAL); the last call holds. Raises RecordNotFound."""
    statement = update(PAIRS).where(PAIRS.c.pair_id == pair_id).values(**columns_of(outcome), change=tx.change)
    if tx.connection.execute(statement).rowcount == 0:
        raise RecordNotFound(f"no pair {pair_id}; record its plan first", pairId=pair_id)
    return _pair(tx, pair_id)


def _find(tx: Tx, pair_id: str) -> Pair | None:
    row = tx.connection.execute(select(PAIRS).where(PAIRS.c.pair_id == pair_id)).mappings().one_or_none()
    return None if row is None else pair_of(row)


def _pair(tx: Tx, pair_id: str) -> Pair:
    return pair_of(tx.connection.execute(select(PAIRS).where(PAIRS.c.pair_id == pair_id)).mappings().one())
