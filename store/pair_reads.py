"""Reads of pairs that know what has changed: versions first, whole rows only of those that are new. Cannot write."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine, RowMapping, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from store.records import JournalOrder, Pair
from store.rows import journal_order_of, pair_of
from store.tables import ORDERS, PAIRS
from store.writer import typed_error

Version = tuple[int, int]

# Built once; building a statement costs more than running it.
_ORDERS_CHANGE = select(func.max(ORDERS.c.change)).where(ORDERS.c.pair_id == PAIRS.c.pair_id).scalar_subquery()
_VERSIONS = (
    select(PAIRS.c.pair_id, PAIRS.c.change, func.coalesce(_ORDERS_CHANGE, 0).label("orders_change"))
    .where(PAIRS.c.session_id == bindparam("session_id"))
    .order_by(PAIRS.c.sequence.desc())
    .limit(bindparam("limit"))
)
_PAIRS = select(PAIRS).where(PAIRS.c.pair_id.in_(bindparam("pair_ids", expanding=True)))
_ORDERS = (
    select(ORDERS)
    .where(ORDERS.c.pair_id.in_(bindparam("pair_ids", expanding=True)))
    .order_by(ORDERS.c.created_at, ORDERS.c.leg, ORDERS.c.attempt)
)


class PairReads:
    """Questions about pairs and their orders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def versions(self, session_id: str, *, limit: int) -> dict[str, Version]:
        """Return the newest pairs' ids, newest first, each with the last change of its row and of its orders."""
        found = self._rows(_VERSIONS, session_id=session_id, limit=limit)
        return {row["pair_id"]: (row["change"], row["orders_change"]) for row in found}

    def whole(self, pair_ids: Collection[str]) -> list[tuple[Pair, list[JournalOrder]]]:
        """Return these pairs, in no order, each with its orders, oldest first."""
        asked = list(pair_ids)
        orders: dict[str, list[JournalOrder]] = {pair_id: [] for pair_id in asked}
        for row in self._rows(_ORDERS, pair_ids=asked):
            orders[row["pair_id"]].append(journal_order_of(row))
        return [(pair, orders[pair.plan.pair_id]) for pair in map(pair_of, self._rows(_PAIRS, pair_ids=asked))]

    def _rows(self, statement: object, **values: object) -> list[RowMapping]:
        try:
            with self._engine.connect() as connection, connection.begin():
                return list(connection.execute(statement, values).mappings())  # type: ignore[call-overload]
        except DBAPIError as error:
            raise typed_error(error) from error
