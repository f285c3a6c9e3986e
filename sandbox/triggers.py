"""Orders that wait for a price: stop loss and take profit.

Duty: watch prices and set trigger orders off when theirs comes; from then on they are orders like any other,
checked against the state of that moment. Must not match or know how a venue words its trigger kinds.
Mark and index are watched at each publication, the last price at each trade, the mid at each book change.
Triggers rest while the venue's mode is POST_ONLY or stricter and look again when it opens.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from sandbox.announcer import Announcer, never
from sandbox.checks import check_form
from sandbox.events import BookChanged, Event, MarkChanged, ModeChanged, OrderChanged, Trade
from sandbox.matching import Matcher
from sandbox.model import (
    EndReason,
    Order,
    OrderRequest,
    OrderStatus,
    Refusal,
    RefusalReason,
    Side,
    Trigger,
    TriggerPrice,
    VenueMode,
)
from sandbox.venue_state import VenueState


class TriggerDesk:
    """Trigger orders of one venue. It listens before everybody else, so that others see consequences in order."""

    def __init__(self, state: VenueState, announcer: Announcer, matcher: Matcher) -> None:
        self._state = state
        self._announcer = announcer
        self._matcher = matcher
        announcer.subscribe(self._listen, never)

    def check(self, request: OrderRequest, trigger: Trigger) -> None:
        """Refuse a trigger price that is not positive or off tick (TRIGGER), or an unknown parent."""
        spec = self._state.market(request.instrument)
        if not trigger.price.is_finite() or trigger.price <= 0:
            raise Refusal(RefusalReason.TRIGGER, "the trigger price must be above 0")
        if trigger.price % spec.tick:
            text = f"trigger price {trigger.price:f} is not a multiple of tick size {spec.tick:f}"
            raise Refusal(RefusalReason.TRIGGER, text, price=f"{trigger.price:f}", tick=f"{spec.tick:f}")
        if trigger.parent_id is not None and self._state.orders.by_id(trigger.parent_id) is None:
            raise Refusal(RefusalReason.ORDER_NOT_FOUND, f"no order {trigger.parent_id}")

    def place(self, request: OrderRequest, trigger: Trigger) -> Order:
        """Record a waiting order; one whose price is there already goes off at once."""
        with self._announcer.command():
            order = self._matcher.create(request, trigger)
            price = self.price(request.instrument, trigger.by)
            if price is not None:
                self._look(order, price)
        return order

    def price(self, instrument: str, by: TriggerPrice) -> Decimal | None:
        """Price of now that triggers of one kind watch; None when there is none."""
        figures = self._state.figures[instrument]
        match by:
            case TriggerPrice.MARK:
                return figures.mark
            case TriggerPrice.INDEX:
                return figures.index
            case TriggerPrice.LAST:
                return figures.last
            case TriggerPrice.MID:
                book = self._state.book(instrument)
                bid, ask = book.best_price(Side.BUY), book.best_price(Side.SELL)
                return None if bid is None or ask is None else (bid + ask) / 2

    def _listen(self, event: Event) -> None:
        if not self._state.orders.has_waiting:
            return
        match event:
            case MarkChanged(instrument=instrument, mark=mark, index=index):
                self._sweep(instrument, TriggerPrice.MARK, mark)
                self._sweep(instrument, TriggerPrice.INDEX, index)
            case Trade(instrument=instrument, price=price):
                self._sweep(instrument, TriggerPrice.LAST, price)
            case BookChanged(instrument=instrument):
                self._sweep(instrument, TriggerPrice.MID, self.price(instrument, TriggerPrice.MID))
            case ModeChanged():
                self._look_again(lambda _: True)
            case OrderChanged(order=order):
                self._follow_parent(order)
            case _:
                return

    def _sweep(self, instrument: str, by: TriggerPrice, price: Decimal | None) -> None:
        if price is None:
            return
        for order in self._state.orders.waiting(instrument=instrument):
            assert order.trigger is not None
            if order.trigger.by is by and order.status is OrderStatus.WAITING:
                self._look(order, price)

    def _look_again(self, where: Callable[[Trigger], bool]) -> None:
        for order in self._state.orders.waiting():
            assert order.trigger is not None
            price = self.price(order.instrument, order.trigger.by)
            if price is not None and where(order.trigger) and order.status is OrderStatus.WAITING:
                self._look(order, price)

    def _follow_parent(self, parent: Order) -> None:
        """End the triggers of a parent that ended without a fill; wake those of one that has a fill."""
        if parent.filled:
            self._look_again(lambda trigger: trigger.parent_id == parent.id)
        elif not parent.is_live:
            children = [o for o in self._state.orders.waiting(parent.account) if _parent(o) == parent.id]
            self._end(children)

    def _look(self, order: Order, price: Decimal) -> None:
        assert order.trigger is not None
        if order.trigger.is_met(price) and not self._rests(order.trigger, order.instrument):
            self._go_off(order, order.trigger, price)

    def _rests(self, trigger: Trigger, instrument: str) -> bool:
        if self._state.mode(instrument).strictness >= VenueMode.POST_ONLY.strictness:
            return True
        parent = None if trigger.parent_id is None else self._state.orders.by_id(trigger.parent_id)
        return parent is not None and not parent.filled

    def _go_off(self, order: Order, trigger: Trigger, price: Decimal) -> None:
        with self._announcer.command():
            self._matcher.set_off(order, price, self._quantity(order, trigger))
            if trigger.group is not None:
                waiting = self._state.orders.waiting(order.account)
                self._end([o for o in waiting if o.trigger is not None and o.trigger.group == trigger.group])
            try:
                check_form(
                    self._state.market(order.instrument), self._state.rules, order, self._state.mark(order.instrument)
                )
            except Refusal as refusal:
                self._matcher.end(order, OrderStatus.REJECTED, EndReason.TRIGGER_FAILED, refusal.text)
            else:
                self._matcher.judge(order)

    def _quantity(self, order: Order, trigger: Trigger) -> Decimal:
        if trigger.share is None:
            return order.quantity
        held, lot = abs(self._state.held(order.account, order.instrument)), self._state.market(order.instrument).lot
        return (held * trigger.share / lot).to_integral_value(ROUND_DOWN) * lot

    def _end(self, orders: list[Order]) -> None:
        with self._announcer.command():
            for order in orders:
                self._matcher.end(order, OrderStatus.CANCELLED, EndReason.LINKED)


def _parent(order: Order) -> int | None:
    return None if order.trigger is None else order.trigger.parent_id
