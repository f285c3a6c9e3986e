"""What the control door and scripts let a venue do to its clients: deleveraging on demand, busted trades.

Duty: single forced executions, through the same matcher and ledger as all others, so that the same laws hold.
Must not decide when. Liquidation is in sandbox/liquidation.py.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sandbox.announcer import Announcer
from sandbox.events import FillBusted
from sandbox.forced import Forced
from sandbox.ledger import Ledger
from sandbox.model import (
    ZERO,
    Fill,
    FillCause,
    Refusal,
    RefusalReason,
)
from sandbox.venue_state import VenueState


class Interventions:
    """Forced executions of one venue."""

    def __init__(self, state: VenueState, announcer: Announcer, ledger: Ledger, forced: Forced) -> None:
        self._state = state
        self._announcer = announcer
        self._ledger = ledger
        self._forced = forced

    def deleverage(self, account_id: str, instrument: str, quantity: Decimal | None = None) -> Fill:
        """Close (part of) a position at mark against the venue itself, as auto-deleveraging does."""
        spec, held = self._state.market(instrument), self._state.held(account_id, instrument)
        if not held:
            raise Refusal(RefusalReason.REDUCE_ONLY_NO_POSITION, f"no position in {instrument}")
        closing = abs(held) if quantity is None else quantity
        if closing % spec.lot or not 0 < closing <= abs(held):
            raise Refusal(RefusalReason.REDUCE_ONLY_QUANTITY, f"cannot close {closing:f}")
        price = (self._state.mark(instrument) / spec.tick).to_integral_value() * spec.tick
        with self._announcer.command():
            return self._forced.close(account_id, instrument, closing, price=price, cause=FillCause.ADL, fee=ZERO)

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
