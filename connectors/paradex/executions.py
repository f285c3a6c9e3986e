"""Executions seen lately, within a bound: a notice of an undone trade names the venue's fill id and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from core.order import Fill

KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Known:
    """What a fill was told as."""

    symbol: str
    trade_id: str


class Executions:
    """Fills by the venue's own id; the oldest are forgotten first."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._known: OrderedDict[str, Known] = OrderedDict()

    def remember(self, fills: Iterable[tuple[str, Fill]]) -> None:
        """Keep fills by the id of their row."""
        for row_id, fill in fills:
            self._known[row_id] = Known(fill.symbol, fill.trade_id)
            self._known.move_to_end(row_id)
        while len(self._known) > self._kept_max:
            self._known.popitem(last=False)

    def of(self, row_id: str) -> Known | None:
        """Return what the fill was told as, None when it was never seen here."""
        return self._known.get(row_id)
