"""What a venue does to its clients' positions by itself: liquidation, deleveraging, busted trades.

Duty: forced executions, through the same matcher and ledger as all others, so that the same laws hold. Must
not decide when; the world and the control door do.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sandbox.announcer import Announcer
from sandbox.events import FillBusted
from sandbox.ledger import Ledger
from sandbox.matching import CAUSE_TAG, Matcher
from sandbox.model import (
    ZERO,
    Account,
    EndReason,
    Fill,
    FillCause,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Position,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)
from sandbox.risk import margin_summary
from sandbox.venue_state import VenueState

VENUE_ACCOUNT = "venue"  # internal counterparty of forced closes
LIQUIDATION_BOUND = Decimal("0.2")  # of mark; the worst price of a liquidation


class Interventions:
    """Forced executions of one venue."""

    def __init__(self, state: VenueState, announcer: Announcer, ledger: Ledger, matcher: Matcher) -> None:
        self._state = state
        self._announcer = announcer
        self._ledger = ledger
        self._matcher = matcher

    def liquidate(self) -> list[str]:
        """Close the positions of every client account whose equity is under its maintenance margin."""
        closed = []
        for account in self._state.accounts.values():
            if account.is_internal:
                continue
            summary = margin_summary(self._state, account.id)
            is_under = summary.equity < summary.maintenance
            account.is_liquidating = is_under and bool(self._positions(account))
            if account.is_liquidating:
                self._liquidate_account(account)
                closed.append(account.id)
        return closed

    def deleverage(self, account_id: str, instrument: str, quantity: Decimal | None = None) -> Fill:
        """Close (part of) a position at mark against the venue itself, as auto-deleveraging does."""
        spec, held = self._state.market(instrument), self._state.held(account_id, instrument)
        if not held:
            raise Refusal(RefusalReason.REDUCE_ONLY_NO_POSITION, f"no position in {instrument}")
        closing = abs(held) if quantity is None else quantity
        if closing % spec.lot or not 0 < closing <= abs(held):
            raise Refusal(RefusalReason.REDUCE_ONLY_QUANTITY, f"cannot close {closing:f}")
        side = Side.SELL if held > 0 else Side.BUY
        price = (self._state.mark(instrument) / spec.tick).to_integral_value() * spec.tick
        with self._announcer.command():
            taker = self._matcher.create(_forced(account_id, instrument, side, closing, FillCause.ADL))
            maker = self._matcher.create(
                OrderRequest(VENUE_ACCOUNT, instrument, side.opposite, OrderKind.LIMIT, closing, price)
            )
            return self._matcher.trade(maker, taker, price, closing)[1]

    def bust(self, fill_id: int) -> Fill:
        """Undo a client's fill: the opposite execution at the same price, its fee given back.

        Returns the undoing fill. Cash and position end where they were; a later entry price may differ.
        """
        found = [f for fills in self._state.fills.values() for f in fills if f.id == fill_id]
        if not found or found[0].cause is FillCause.BUST:
            raise Refusal(RefusalReason.ORDER_NOT_FOUND, f"no fill {fill_id}")
        fill = found[0]
        others = self._state.fills.get(fill.counterparty, [])
        opposite = next((f for f in others if f.trade_id == fill.trade_id), None)
        with self._announcer.command():
            undo = replace(
                fill,
                trade_id=self._state.next_seq(),
                side=fill.side.opposite,
                fee=-fill.fee,
                cause=FillCause.BUST,
                time_us=self._state.now_us(),
                seq=self._state.next_seq(),
            )
            undone = self._ledger.settle(undo)
            other_undo = replace(
                undo,
                account=fill.counterparty,
                order_id=fill.counterparty_order_id,
                client_id=opposite.client_id if opposite else None,
                side=fill.side,
                fee=-opposite.fee if opposite else ZERO,
                counterparty=fill.account,
                counterparty_order_id=fill.order_id,
            )
            other_undone = self._ledger.settle(other_undo)
            self._announcer.emit(FillBusted(fill, undone))
            if opposite is not None:
                self._announcer.emit(FillBusted(opposite, other_undone))
        return undone

    def _liquidate_account(self, account: Account) -> None:
        with self._announcer.command():
            for order in [*self._state.orders.live(account.id), *self._state.orders.waiting(account.id)]:
                self._matcher.end(order, OrderStatus.CANCELLED, EndReason.LIQUIDATION)
            for position in self._positions(account):
                side = Side.SELL if position.quantity > 0 else Side.BUY
                bound = self._state.mark(position.instrument) * (1 + side.sign * LIQUIDATION_BOUND)
                forced = _forced(account.id, position.instrument, side, abs(position.quantity), FillCause.LIQUIDATION)
                self._matcher.work(self._matcher.create(replace(forced, bound_price=bound)))

    @staticmethod
    def _positions(account: Account) -> list[Position]:
        return [p for p in account.positions.values() if p.quantity]


def _forced(account_id: str, instrument: str, side: Side, quantity: Decimal, cause: FillCause) -> OrderRequest:
    """An order the venue places for an account; its fills carry `cause`."""
    return OrderRequest(
        account=account_id,
        instrument=instrument,
        side=side,
        kind=OrderKind.MARKET,
        quantity=quantity,
        tif=TimeInForce.IOC,
        reduce_only=True,
        tags={CAUSE_TAG: cause.value},
    )
