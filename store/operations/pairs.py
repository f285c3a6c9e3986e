"""Writing pairs: the plan before anything is sent, the outcome after. Refuses a pair whose legs share a venue."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import insert, select, update

from core.errors import SelfTradeRisk
from core.pair import PairStatus
from store.columns import derived
from store.errors import RecordNotFound
from store.operations.certificates import certify
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


def complete_pair(tx: Tx, pair_id: str, outcome: PairOutcome, reason: str | None = None) -> Pair:
    """Write how a pair went (also an interim PARTIAL), and certify it when it has ended. Raises RecordNotFound.

    The last call holds; one that says the same of a pair that had ended changes nothing, its time of end included, so
    that doing it again after a crash leaves one certificate. reason: why it ended so, for the certificate.
    """
    known = _find(tx, pair_id)
    if known is None:
        raise RecordNotFound(f"no pair {pair_id}; record its plan first", pairId=pair_id)
    if known.outcome.completed_at is None or not _is_same(known.outcome, outcome):
        statement = update(PAIRS).where(PAIRS.c.pair_id == pair_id).values(**columns_of(outcome), change=tx.change)
        tx.connection.execute(statement)
        if outcome.completed_at is not None:
            certify(tx, pair_id, at=outcome.completed_at, reason=reason)
    return _pair(tx, pair_id)


def _is_same(known: PairOutcome, told: PairOutcome) -> bool:
    """Tell whether an outcome is the one that is recorded, but for the moment of its end."""
    if told.completed_at is None:
        return False
    recorded = {name: derived(v) if isinstance(v, Decimal) else v for name, v in columns_of(told).items()}
    return columns_of(known) == recorded | {"completed_at": known.completed_at}


def _find(tx: Tx, pair_id: str) -> Pair | None:
    row = tx.connection.execute(select(PAIRS).where(PAIRS.c.pair_id == pair_id)).mappings().one_or_none()
    return None if row is None else pair_of(row)


def _pair(tx: Tx, pair_id: str) -> Pair:
    return pair_of(tx.connection.execute(select(PAIRS).where(PAIRS.c.pair_id == pair_id)).mappings().one())
