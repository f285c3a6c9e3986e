"""One market's order book: price-time priority, level totals, and the set of levels touched since asked.

Duty: hold resting orders. Must not match, judge, or know accounts beyond the order's own field.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.events import LevelChange
from sandbox.model import ZERO, BookLevel, Order, Side


@dataclass(slots=True)
class _Level:
    total: Decimal = ZERO
    orders: dict[int, Order] = field(default_factory=dict)  # insertion order is time priority


class Book:
    """Bids and asks of one market."""

    def __init__(self) -> None:
        self._levels: dict[Side, dict[Decimal, _Level]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[Decimal]] = {Side.BUY: [], Side.SELL: []}  # ascending
        self._touched: dict[tuple[Side, Decimal], Decimal] = {}
        self._orders: dict[str, dict[int, Order]] = {}  # by account
        self.seq = 0

    def add(self, order: Order) -> None:
        """Put a resting limit order at the end of its level's queue."""
        assert order.price is not None
        levels = self._levels[order.side]
        level = levels.get(order.price)
        if level is None:
            level = levels[order.price] = _Level()
            insort(self._prices[order.side], order.price)
        self._note(order.side, order.price, level.total)
        level.orders[order.id] = order
        self._orders.setdefault(order.account, {})[order.id] = order
        level.total += order.remaining

    def remove(self, order: Order) -> None:
        """Take a resting order out."""
        assert order.price is not None
        level = self._levels[order.side][order.price]
        self._note(order.side, order.price, level.total)
        del level.orders[order.id]
        del self._orders[order.account][order.id]
        level.total -= order.remaining
        self._drop_if_empty(order.side, order.price, level)

    def reduce(self, order: Order, quantity: Decimal) -> None:
        """Lower the level's total by `quantity` before the resting order itself is changed."""
        assert order.price is not None
        level = self._levels[order.side][order.price]
        self._note(order.side, order.price, level.total)
        level.total -= quantity
        if order.remaining == quantity:
            del level.orders[order.id]
            del self._orders[order.account][order.id]
            self._drop_if_empty(order.side, order.price, level)

    def first(self, side: Side) -> Order | None:
        """Best-priced, oldest order of a side."""
        prices = self._prices[side]
        if not prices:
            return None
        price = prices[-1] if side is Side.BUY else prices[0]
        return next(iter(self._levels[side][price].orders.values()))

    def walk(self, side: Side) -> Iterator[Order]:
        """All orders of a side in matching order. The book must not change meanwhile."""
        for price in self._ordered(side):
            yield from self._levels[side][price].orders.values()

    def others(self, account: str) -> list[Order]:
        """Resting orders of every account but one."""
        return [order for owner, orders in self._orders.items() if owner != account for order in orders.values()]

    def levels(self, side: Side, depth: int | None = None) -> tuple[BookLevel, ...]:
        """Level totals, best first."""
        levels = self._levels[side]
        return tuple(
            BookLevel(price, levels[price].total, len(levels[price].orders)) for price in self._ordered(side)[:depth]
        )

    def best_price(self, side: Side) -> Decimal | None:
        """Best price of a side."""
        prices = self._prices[side]
        if not prices:
            return None
        return prices[-1] if side is Side.BUY else prices[0]

    def take_changes(self) -> tuple[LevelChange, ...]:
        """Levels whose total differs from the last call; each call with changes advances `seq` by one."""
        if not self._touched:
            return ()
        changes = []
        for (side, price), before in self._touched.items():
            level = self._levels[side].get(price)
            total = level.total if level else ZERO
            if total != before:
                changes.append(LevelChange(side, price, total, before))
        self._touched.clear()
        if changes:
            self.seq += 1
        return tuple(changes)

    def _ordered(self, side: Side) -> list[Decimal]:
        prices = self._prices[side]
        return prices[::-1] if side is Side.BUY else prices

    def _note(self, side: Side, price: Decimal, total: Decimal) -> None:
        self._touched.setdefault((side, price), total)

    def _drop_if_empty(self, side: Side, price: Decimal, level: _Level) -> None:
        if level.orders:
            return
        del self._levels[side][price]
        prices = self._prices[side]
        del prices[bisect_left(prices, price)]
