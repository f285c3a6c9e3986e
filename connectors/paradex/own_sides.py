"""Which side our own orders are on, remembered within a bound. A fill's direction is read from it."""

from __future__ import annotations

from collections import OrderedDict

from core.order import Side

KEPT_MAX = 20_000


class OwnSides:
    """Sides by client order id and by venue order id; the oldest are forgotten first."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._sides: OrderedDict[str, Side] = OrderedDict()

    def remember(self, side: Side, *order_ids: str | None) -> None:
        """Keep the side of an order under each of its ids."""
        for order_id in order_ids:
            if order_id:
                self._sides[order_id] = side
                self._sides.move_to_end(order_id)
        while len(self._sides) > self._kept_max:
            self._sides.popitem(last=False)

    def of(self, *order_ids: str | None) -> Side | None:
        """Return the side known for any of the ids."""
        return next((self._sides[order_id] for order_id in order_ids if order_id and order_id in self._sides), None)
