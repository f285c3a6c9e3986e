"""Executions the venue forces on an account, against the book or against its own account.

Duty: make them, labelled with their cause. Must not decide when or whom.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sandbox.ledger import FEE_TAG
from sandbox.matching import CAUSE_TAG, Matcher
from sandbox.model import Fill, FillCause, Order, OrderKind, OrderRequest, Side, TimeInForce
from sandbox.venue_state import VenueState

VENUE_ACCOUNT = "venue"  # internal counterparty of forced closes
LIQUIDATION_BOUND = Decimal("0.2")  # of mark; the worst price of a liquidation in the book


class Forced:
    """Forced executions of one venue. Every call must stand inside an announcer's command."""

    def __init__(self, state: VenueState, matcher: Matcher) -> None:
        self._state = state
        self._matcher = matcher

    def in_the_book(self, account: str, instrument: str, side: Side, quantity: Decimal, bound: Decimal) -> Order:
        """Send a liquidation order into the book, no worse than `bound`; what finds nobody is cancelled."""
        tags = {CAUSE_TAG: FillCause.LIQUIDATION.value}
        forced = _order(account, instrument, side, quantity, tags)
        order = self._matcher.create(replace(forced, bound_price=bound))
        self._matcher.work(order)
        return order

    def close(
        self, account: str, instrument: str, quantity: Decimal, *, price: Decimal, cause: FillCause, fee: Decimal
    ) -> Fill:
        """Close so much of a position at a price and fee against the venue's account; return the client's fill."""
        side = Side.SELL if self._state.held(account, instrument) > 0 else Side.BUY
        tags = {CAUSE_TAG: cause.value, FEE_TAG: f"{fee:f}"}
        taker = self._matcher.create(_order(account, instrument, side, quantity, tags))
        maker = self._matcher.create(
            OrderRequest(VENUE_ACCOUNT, instrument, side.opposite, OrderKind.LIMIT, quantity, price)
        )
        fill = self._matcher.trade(maker, taker, price, quantity)
        assert fill is not None, f"{account} is not a client"
        return fill


def _order(account: str, instrument: str, side: Side, quantity: Decimal, tags: dict[str, str]) -> OrderRequest:
    """An order the venue places for an account; its fills carry the cause in `tags`."""
    return OrderRequest(
        account=account,
        instrument=instrument,
        side=side,
        kind=OrderKind.MARKET,
        quantity=quantity,
        tif=TimeInForce.IOC,
        reduce_only=True,
        tags=tags,
    )
