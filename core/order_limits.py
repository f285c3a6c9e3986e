"""What a venue takes in one order, against what a strategy would send. Pure; reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.errors import RiskLimitExceeded
from core.instrument import Market
from core.numbers import canonical
from core.strategy import Strategy


def check_order_limits(strategy: Strategy, markets: Mapping[str, Market], marks: Mapping[str, Decimal]) -> None:
    """Raise RiskLimitExceeded when the largest pair would be more than an account's market takes in one order.

    markets and marks (quote units per base unit) are keyed by account id; limits a venue does not name do not bind.
    """
    for account_id, market in markets.items():
        limits = [market.max_notional, None if market.max_quantity is None else market.max_quantity * marks[account_id]]
        limit = min((known for known in limits if known is not None), default=None)
        if limit is not None and strategy.order_size_max > limit:
            raise RiskLimitExceeded(
                f"strategy.timing.orderSize.max: {canonical(strategy.order_size_max)} USD is more than {market.venue} "
                f"takes in one {market.symbol} order ({canonical(limit)} USD); lower it",
                field="strategy.timing.orderSize.max", limit=canonical(limit),
                requested=canonical(strategy.order_size_max), accountId=account_id,
            )  # fmt: skip
