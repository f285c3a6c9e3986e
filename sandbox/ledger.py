"""Books executions, fees and funding to accounts.

Duty: the only place where balances and positions change. A balance changes by realised PnL, fees and
funding of fills and by hourly funding, nothing else. Must not match orders.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from sandbox.announcer import Announcer
from sandbox.events import FundingPaid
from sandbox.funding import hourly_payment
from sandbox.model import (
    ZERO,
    Account,
    Fill,
    FillCause,
    FundingMode,
    FundingPayment,
    Liquidity,
    Order,
    Position,
    Side,
)
from sandbox.positions import FUNDING_STEP, accrued_funding, apply_execution, flips
from sandbox.venue_state import VenueState

FEE_TAG = "fee"  # of an order that fills in one piece: its whole fee


@dataclass(slots=True)
class Booked:
    """What one side of an execution did to its account; `held` (signed) and `cost` are those before it."""

    fill_id: int
    pnl: Decimal
    funding: Decimal
    held: Decimal
    cost: Decimal


class Ledger:
    """Settlement of one venue."""

    def __init__(self, state: VenueState, announcer: Announcer) -> None:
        self._state = state
        self._announcer = announcer
        self._fee_step = Decimal(1).scaleb(-state.rules.fee_decimals)

    def fee(self, order: Order, liquidity: Liquidity, notional: Decimal, cause: FillCause) -> Decimal:
        """Fee of one execution, quote, rounded half up; internal accounts pay none."""
        if self._state.accounts[order.account].is_internal:
            return ZERO
        if FEE_TAG in order.tags:
            return Decimal(order.tags[FEE_TAG])
        spec = self._state.markets[order.instrument]
        rate = spec.maker_fee if liquidity is Liquidity.MAKER else spec.taker_fee
        if cause is FillCause.LIQUIDATION:
            rate += self._state.liquidation_rate(order.instrument)
        return (notional * rate).quantize(self._fee_step, ROUND_HALF_UP)

    def settle(self, draft: Fill) -> Fill:
        """Book one side of an execution and return the completed fill (id, PnL, funding, position filled in).

        `draft` carries what the match decided; its id, realised figures and position fields are ignored.
        """
        account = self._state.accounts[draft.account]
        booked = self.book(
            account, draft.instrument, draft.side, price=draft.price, quantity=draft.quantity, fee=draft.fee,
            time_us=draft.time_us, seq=draft.seq,
        )  # fmt: skip
        fill = replace(
            draft,
            id=booked.fill_id,
            realised_pnl=booked.pnl,
            realised_funding=booked.funding,
            position_before=booked.held,
            entry_before=booked.cost / booked.held if booked.held else None,
        )
        if not account.is_internal:
            self._state.fills.setdefault(account.id, []).append(fill)
        return fill

    def book(
        self,
        account: Account,
        instrument: str,
        side: Side,
        *,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        time_us: int,
        seq: int,
    ) -> Booked:
        """Change the account by one side of an execution; of an internal account's no fill is kept."""
        state = self._state
        position = account.positions.get(instrument)
        if position is None:
            position = account.positions[instrument] = Position(instrument)
        self._announcer.touch_position(account, position)
        self._announcer.touch_balance(account)
        fill_id = state.next_seq()
        is_flip = flips(position, side, quantity)
        if is_flip:
            state.next_seq()
        held, cost = position.quantity, position.cost
        funding = self._realise_funding(account, position, side, quantity, fill_id)
        pnl = apply_execution(position, side, quantity, price)
        if (held == 0 or is_flip) and position.quantity:
            position.id, position.opened_us = state.next_seq(), time_us
            if held == 0:
                position.realised_pnl, position.funding = ZERO, ZERO
        position.updated_us, position.seq, position.last_fill_id = time_us, seq, fill_id
        account.balance += pnl - fee
        account.realised_pnl += pnl
        account.fees_paid += fee
        state.fees_collected += fee
        return Booked(fill_id, pnl, funding, held, cost)

    def pay_hour(self) -> None:
        """Pay one hour's funding to every position (HOURLY venues)."""
        state, now = self._state, self._state.now_us()
        for instrument, figures in state.figures.items():
            figures.note_rate(now)
            price = figures.index if state.rules.funding_on_index else figures.mark
            for account in state.accounts.values():
                position = account.positions.get(instrument)
                if position is not None and position.quantity:
                    payment = hourly_payment(position.quantity, price, figures.rate)
                    self._book_funding(account, position, payment, price, None)

    def _realise_funding(
        self, account: Account, position: Position, side: Side, quantity: Decimal, fill_id: int
    ) -> Decimal:
        """CONTINUOUS venues: book accrued funding before the position changes; return it.

        All of it, or under `funding_pro_rata` the closed part's share when the fill only reduces: the rest
        keeps its older index and with it exactly the other share.
        """
        if self._state.rules.funding_mode is FundingMode.HOURLY:
            return ZERO
        figures = self._state.figures[position.instrument]
        index = figures.accrue(self._state.now_us())
        payment = accrued_funding(position, index)
        is_reducing = position.quantity * side.sign < 0 and quantity < abs(position.quantity)
        if self._state.rules.funding_pro_rata and is_reducing:
            share = (payment * quantity / abs(position.quantity)).quantize(FUNDING_STEP)
            self._book_funding(account, position, share, figures.index, fill_id)
            return share
        if position.quantity:
            self._book_funding(account, position, payment, figures.index, fill_id)
        position.funding_index = index
        return payment

    def _book_funding(
        self, account: Account, position: Position, payment: Decimal, price: Decimal, fill_id: int | None
    ) -> None:
        state = self._state
        self._announcer.touch_balance(account)
        self._announcer.touch_position(account, position)
        figures, seq = state.figures[position.instrument], state.next_seq()
        account.balance += payment
        account.funding_received += payment
        position.funding += payment
        position.updated_us, position.seq = state.now_us(), seq
        if account.is_internal:
            return
        booked = FundingPayment(
            id=seq,
            account=account.id,
            instrument=position.instrument,
            position_quantity=position.quantity,
            rate=figures.rate,
            price=price,
            payment=payment,
            index=figures.accrue(state.now_us()),
            fill_id=fill_id,
            time_us=state.now_us(),
            seq=seq,
        )
        state.payments.setdefault(account.id, []).append(booked)
        self._announcer.emit(FundingPaid(booked))
