"""Matches orders by price and time and keeps two orders of one account apart.

Duty: the life of an order from NEW to its end. Own orders never meet: where they would, self-trade
prevention ends one or both, at every tier of this loop. Must not judge margin or form.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from sandbox.announcer import Announcer
from sandbox.events import FillHappened, Trade
from sandbox.ledger import Ledger
from sandbox.model import (
    EndReason,
    Fill,
    FillCause,
    Liquidity,
    Order,
    OrderChange,
    OrderKind,
    OrderRequest,
    OrderStatus,
    ReduceOnlyMode,
    Refusal,
    SelfTradePrevention,
    TimeInForce,
    Trigger,
)
from sandbox.risk import END_OF, check_risk, price_limit
from sandbox.venue_state import VenueState

CAUSE_TAG = "cause"


class Matcher:
    """Order life cycle of one venue. Every call must stand inside an announcer's command."""

    def __init__(self, state: VenueState, ledger: Ledger, announcer: Announcer) -> None:
        self._state = state
        self._ledger = ledger
        self._announcer = announcer
        self._resting: set[int] = set()

    def create(self, request: OrderRequest, trigger: Trigger | None = None, *, order_id: int | None = None) -> Order:
        """Record an order with an id (or one reserved before) and status NEW, or WAITING with a trigger."""
        now = self._state.now_us()
        if order_id is None:
            order_id = self._state.next_seq()
        order = Order(
            id=order_id,
            account=request.account,
            instrument=request.instrument,
            side=request.side,
            kind=request.kind,
            quantity=request.quantity,
            price=request.price,
            tif=request.tif,
            reduce_only=request.reduce_only,
            client_id=request.client_id,
            stp=request.stp,
            bound_price=request.bound_price,
            created_us=now,
            updated_us=now,
            seq=order_id,
            tags=request.tags,
            status=OrderStatus.NEW if trigger is None else OrderStatus.WAITING,
            trigger=trigger,
        )
        self._state.orders.add(order)
        self._announcer.order(order, OrderChange.ACCEPTED if trigger is None else OrderChange.WAITING)
        return order

    def judge(self, order: Order) -> None:
        """Run the risk checks of a NEW order and work it; one that may not trade ends with its reason."""
        try:
            quantity = check_risk(self._state, order, exclude_id=order.id)
        except Refusal as refusal:
            status, reason = END_OF[refusal.reason]
            self.end(order, status, reason, refusal.text)
        else:
            self.start(order, quantity)

    def set_off(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        """Turn a waiting order into a NEW one because `price` came; `judge` or `end` must follow."""
        self._state.orders.wake(order)
        order.status, order.quantity = OrderStatus.NEW, quantity
        order.triggered_us, order.triggered_at = self._state.now_us(), price
        self._stamp(order)
        self._announcer.order(order, OrderChange.TRIGGERED)

    def start(self, order: Order, quantity: Decimal) -> None:
        """Work a NEW order that passed the checks; `quantity` below the order's own cuts it first."""
        if quantity < order.quantity:
            order.quantity = quantity
            self._stamp(order)
            self._announcer.order(order, OrderChange.SHRUNK)
        self.work(order)

    def work(self, order: Order) -> None:
        """Match, then rest or end what is left according to kind and time in force."""
        self._match(order)
        if not order.is_live:
            return
        if order.kind is OrderKind.MARKET or order.tif is TimeInForce.IOC:
            self.end(order, OrderStatus.CANCELLED, EndReason.IOC_REMAINDER)
        elif order.tif is TimeInForce.FOK:
            self.end(order, OrderStatus.CANCELLED, EndReason.FOK_UNFILLED)
        else:
            self.rest(order)

    def rest(self, order: Order) -> None:
        """Put a live limit order that meets nobody into the book."""
        order.status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.OPEN
        self._stamp(order)
        self._state.books[order.instrument].add(order)
        self._resting.add(order.id)
        self._announcer.order(order, OrderChange.RESTED)

    def post(self, order: Order) -> None:
        """Put an internal account's order that meets nobody into the book; nobody is told."""
        order.status = OrderStatus.OPEN
        self._state.books[order.instrument].add(order)
        self._resting.add(order.id)

    def withdraw(self, order: Order) -> None:
        """Take an internal account's order out of the book and forget it; nobody is told."""
        self.unrest(order)
        order.status, order.end_reason = OrderStatus.CANCELLED, EndReason.USER_CANCEL
        self._forget(order)

    def unrest(self, order: Order) -> None:
        """Take a resting order out of the book to change it; `work` puts it back."""
        self._state.books[order.instrument].remove(order)
        self._resting.discard(order.id)

    def end(self, order: Order, status: OrderStatus, reason: EndReason, text: str = "") -> None:
        """End a live order unfilled (or partly filled)."""
        if order.id in self._resting:
            self.unrest(order)
        order.status, order.end_reason, order.end_text = status, reason, text
        self._stamp(order)
        self._forget(order)
        self._announcer.order(order, OrderChange.ENDED, reason)

    def amend(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        """Change a live limit order; a resting one loses its place in the queue and may trade at once."""
        was_resting = order.id in self._resting
        if was_resting:
            self.unrest(order)
        order.price, order.quantity = price, quantity
        self._stamp(order)
        self._announcer.order(order, OrderChange.AMENDED)
        if was_resting:
            self.work(order)

    def trade(self, maker: Order, taker: Order, price: Decimal, quantity: Decimal) -> Fill | None:
        """Execute two orders of different accounts against each other; return the taker's fill if it is a client."""
        if maker.account == taker.account:
            self._state.self_trades += 1
            raise AssertionError(f"orders {maker.id} and {taker.id} of one account would fill each other")
        trade_id = self._state.next_seq()
        taker_held = self._state.held(taker.account, taker.instrument)
        if maker.id in self._resting:
            self._state.books[maker.instrument].reduce(maker, quantity)
        self._fill(maker, taker, Liquidity.MAKER, price=price, quantity=quantity, trade_id=trade_id)
        fill = self._fill(taker, maker, Liquidity.TAKER, price=price, quantity=quantity, trade_id=trade_id)
        self._publish(maker, taker, price=price, quantity=quantity, trade_id=trade_id, taker_held=taker_held)
        for order in (maker, taker):
            self._trim_reduce_only(order.account, order.instrument)
        return fill

    def _match(self, order: Order) -> None:
        book, limit = self._state.book(order.instrument), price_limit(self._state, order)
        while order.is_live and order.remaining:
            maker = book.first(order.side.opposite)
            if maker is None or maker.price is None or (maker.price - limit) * order.side.sign > 0:
                return
            if maker.account == order.account:
                self._prevent_self_trade(maker, order)
                continue
            self.trade(maker, order, maker.price, self._piece(maker, order))

    def _piece(self, maker: Order, taker: Order) -> Decimal:
        """Quantity of the next execution; a script may split what a client takes from the makers."""
        whole, state = min(taker.remaining, maker.remaining), self._state
        if (
            not state.split
            or state.accounts[taker.account].is_internal
            or not state.accounts[maker.account].is_internal
        ):
            return whole
        lot, done = state.markets[taker.instrument].lot, Decimal(0)
        for share in state.split:
            done += (taker.quantity * share / lot).to_integral_value(ROUND_DOWN) * lot
            if done > taker.filled:
                return min(whole, done - taker.filled)
        return whole

    def _prevent_self_trade(self, maker: Order, taker: Order) -> None:
        self._state.self_trades_prevented += 1
        if taker.stp is not SelfTradePrevention.CANCEL_TAKER:
            self.end(maker, OrderStatus.CANCELLED, EndReason.SELF_TRADE)
        if taker.stp is not SelfTradePrevention.CANCEL_MAKER:
            self.end(taker, OrderStatus.CANCELLED, EndReason.SELF_TRADE)

    def _fill(
        self,
        order: Order,
        other: Order,
        liquidity: Liquidity,
        *,
        price: Decimal,
        quantity: Decimal,
        trade_id: int,
    ) -> Fill | None:
        cause = FillCause(order.tags.get(CAUSE_TAG, FillCause.NORMAL))
        fee = self._ledger.fee(order, liquidity, price * quantity, cause)
        order.filled += quantity
        order.filled_notional += price * quantity
        order.fee += fee
        order.last_price = price
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining else OrderStatus.FILLED
        self._stamp(order, trade_id)
        if not order.remaining:
            self._resting.discard(order.id)
            self._forget(order)
        account = self._state.accounts[order.account]
        if account.is_internal:
            self._ledger.book(
                account, order.instrument, order.side, price=price, quantity=quantity, fee=fee,
                time_us=order.updated_us, seq=trade_id,
            )  # fmt: skip
            return None
        self._announcer.order(order, OrderChange.FILLED)
        draft = _draft(order, other, liquidity, price=price, quantity=quantity, trade_id=trade_id, fee=fee, cause=cause)
        fill = self._ledger.settle(draft)
        self._announcer.emit(FillHappened(fill, replace(order)))
        return fill

    def _publish(
        self,
        maker: Order,
        taker: Order,
        *,
        price: Decimal,
        quantity: Decimal,
        trade_id: int,
        taker_held: Decimal,
    ) -> None:
        trade = Trade(
            id=trade_id,
            instrument=taker.instrument,
            price=price,
            quantity=quantity,
            side=taker.side,
            maker_order_id=maker.id,
            taker_order_id=taker.id,
            taker_position_before=taker_held,
            time_us=self._state.now_us(),
            seq=trade_id,
        )
        self._state.figures[taker.instrument].note_trade(trade)
        self._announcer.emit(trade)

    def _trim_reduce_only(self, account_id: str, instrument: str) -> None:
        """End or cut resting reduce-only orders that would now do more than reduce the position."""
        if self._state.accounts[account_id].is_internal:
            return
        for order in self._state.orders.live_reduce_only(account_id, instrument):
            if order.id not in self._resting:
                continue
            held = self._state.held(account_id, instrument)
            if held * order.side.sign >= 0:
                self.end(order, OrderStatus.CANCELLED, EndReason.REDUCE_ONLY)
            elif order.remaining > abs(held):
                self._shrink(order, abs(held))

    def _shrink(self, order: Order, remaining: Decimal) -> None:
        if self._state.rules.reduce_only_mode is ReduceOnlyMode.STRICT:
            self.end(order, OrderStatus.CANCELLED, EndReason.REDUCE_ONLY)
            return
        excess = order.remaining - remaining
        self._state.books[order.instrument].reduce(order, excess)
        order.quantity -= excess
        self._stamp(order)
        self._announcer.order(order, OrderChange.SHRUNK)

    def _stamp(self, order: Order, seq: int | None = None) -> None:
        order.updated_us = self._state.now_us()
        order.seq = self._state.next_seq() if seq is None else seq

    def _forget(self, order: Order) -> None:
        self._state.orders.end(order, forget=self._state.accounts[order.account].is_internal)


def _draft(
    order: Order,
    other: Order,
    liquidity: Liquidity,
    *,
    price: Decimal,
    quantity: Decimal,
    trade_id: int,
    fee: Decimal,
    cause: FillCause,
) -> Fill:
    """A client's side of an execution before the ledger completes it; the order is stamped already."""
    return Fill(
        id=0,
        trade_id=trade_id,
        account=order.account,
        order_id=order.id,
        client_id=order.client_id,
        instrument=order.instrument,
        side=order.side,
        price=price,
        quantity=quantity,
        liquidity=liquidity,
        fee=fee,
        realised_pnl=Decimal(0),
        realised_funding=Decimal(0),
        position_before=Decimal(0),
        entry_before=None,
        order_remaining=order.remaining,
        counterparty=other.account,
        counterparty_order_id=other.id,
        cause=cause,
        time_us=order.updated_us,
        seq=trade_id,
    )
