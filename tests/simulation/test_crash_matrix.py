"""A run that dies at any of its effects leaves nothing that the next one does not find and bring to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.venue import NotFound
from core.order import OrderIntent
from tests.simulation.crash_matrix import MONEY, TROUBLES, Trouble, walk
from tests.simulation.lives import inline_store
from tests.simulation.planted import Wrapped
from tests.simulation.session_run import Bug


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_run_that_dies_at_an_effect_on_money_is_simply_run_again(tmp_path: Path, trouble: Trouble) -> None:
    with inline_store(tmp_path) as store:
        matrix = walk(store, every=13, of=MONEY, troubles=[trouble])
    assert matrix.broken == [], matrix.table()
    assert sum(matrix.cells.values()) >= 8


@pytest.mark.slow
def test_a_restart_that_believes_unanswered_orders_never_arrived_is_found(tmp_path: Path) -> None:
    class NeverAsks(Wrapped):
        """Says of every order that the venue does not know it, without asking, and knows of no execution."""

        async def order(self, intent: OrderIntent, venue_order_id: str | None) -> object:
            return NotFound(self.fake.venue, intent.client_order_id, self.fake.clock())

        async def fills(self, symbol: str, since: object, *, is_question: bool = False) -> list[object]:
            return []

    with inline_store(tmp_path) as store:
        matrix = walk(store, every=3, of=("place",), troubles=TROUBLES[2:3], bug=Bug(client=NeverAsks))
    assert matrix.broken != []
