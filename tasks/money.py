"""What the session has made so far, valued at the marks the streams show now."""

from __future__ import annotations

from decimal import Decimal

from core.pnl import Pnl, session_pnl, total
from tasks.desk import Desk


def tally(desk: Desk) -> Pnl:
    """Sum the session's results over its accounts; raises MarketDataUnavailable when an open position has no mark."""
    marks: dict[str, Decimal] = {} if desk.is_flat else desk.mark_prices()
    return total(session_pnl(desk.fills, desk.payments, marks).values())
