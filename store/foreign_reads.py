"""Reads about orders of somebody else on the installation's own accounts. Cannot write."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine, RowMapping, or_, select
from sqlalchemy.exc import DBAPIError

from core.gate_facts import OwnOrder
from core.instrument import Venue
from core.numbers import ZERO
from core.order import Side
from store.foreign_tables import FOREIGN_ORDERS
from store.tables import ORDERS
from store.writer import typed_error


class ForeignReads:
    """Questions about what is not ours."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(self, account_id: str, symbol: str) -> set[str]:
        """Return the venue's ids of the foreign orders that were listed last on an account in a market."""
        here = (FOREIGN_ORDERS.c.account_id == account_id, FOREIGN_ORDERS.c.symbol == symbol)
        found = self._rows(select(FOREIGN_ORDERS.c.venue_order_id).where(*here))
        return {str(row["venue_order_id"]) for row in found}

    def resting(self, venue: Venue, symbol: str, since: datetime) -> tuple[OwnOrder, ...]:
        """Return the foreign orders that lie in a market's book, on any account of ours, if seen since a time.

        How much of each is left is not known; it counts as something.
        """
        here = (FOREIGN_ORDERS.c.venue == venue.value, FOREIGN_ORDERS.c.symbol == symbol)
        chosen = select(FOREIGN_ORDERS).where(*here, FOREIGN_ORDERS.c.seen_at >= since)
        chosen = chosen.where(FOREIGN_ORDERS.c.side.is_not(None), FOREIGN_ORDERS.c.price.is_not(None))
        return tuple(_own(row) for row in self._rows(chosen))

    def journalled(self, account_id: str, ids: Collection[str]) -> set[str]:
        """Return those of these ids (ours, the wire's, the venue's) that an order of any session there has."""
        names = (ORDERS.c.client_order_id, ORDERS.c.wire_client_id, ORDERS.c.venue_order_id)
        chosen = select(*names).where(ORDERS.c.account_id == account_id, or_(*(name.in_(ids) for name in names)))
        return {str(text) for row in self._rows(chosen) for text in row.values() if text in ids}

    def _rows(self, statement: object) -> list[RowMapping]:
        try:
            with self._engine.connect() as connection, connection.begin():
                return list(connection.execute(statement).mappings())  # type: ignore[call-overload]
        except DBAPIError as error:
            raise typed_error(error) from error


def _own(row: RowMapping) -> OwnOrder:
    side = Side(row["side"])
    return OwnOrder(
        Venue(row["venue"]), row["symbol"], row["account_id"], row["venue_order_id"], side, row["price"], _SOME, True
    )


_SOME = ZERO + 1
