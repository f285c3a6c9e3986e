"""An edit keeps its client order id, so it must stay within what the firewall checked when the order was journalled."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edits import past_the_firewall
from core.instrument import Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce
from store.operations.orders import could_match

D = Decimal
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
PRICES = st.integers(1, 500).map(D)


def order(side: Side, price: Decimal, key: str = "o1") -> OrderIntent:
    return OrderIntent(
        key, "s1", "p1", "a", Venue.PACIFICA, "ETH/USD", side, OrderType.LIMIT, TimeInForce.POST_ONLY, D(1), price,
        price, False, NOW, NOW + timedelta(seconds=5),
    )  # fmt: skip


@given(st.sampled_from(list(Side)), PRICES, PRICES, PRICES, st.booleans())
def test_no_edit_that_is_sent_can_meet_an_order_the_firewall_let_pass(
    side: Side, first: Decimal, edited: Decimal, theirs: Decimal, larger: bool
) -> None:
    """Whatever rests on the other side passed the firewall against the journalled price, before or after the edit."""
    journalled, other = order(side, first), order(side.opposite, theirs, "o2")
    replacement = replace(journalled, price=edited, quantity=D(9) if larger else D(1))
    if past_the_firewall(journalled, replacement) is None and not could_match(journalled, other):
        assert not could_match(replacement, other)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, 101), (Side.SELL, 99)])
def test_edit_toward_the_other_side_is_refused_with_the_remedy(side: Side, price: int) -> None:
    why = past_the_firewall(order(side, D(100)), order(side, D(price)))
    assert why is not None
    assert why.endswith("cancel the order and place another")


@pytest.mark.parametrize("price", [100, 101, 99])
def test_edit_that_stays_or_moves_away_is_not(price: int) -> None:
    side = Side.SELL if price > 100 else Side.BUY
    assert past_the_firewall(order(side, D(100)), order(side, D(price))) is None


def test_nothing_that_trades_edits_orders() -> None:
    """The journal keeps one price for an order: whoever wants to edit has to teach it edits first."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("core", "store", "tasks", "flows", "api", "deployments", "cli")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "edit"
    ]
    assert found == []
