"""Placing, finding and cancelling orders at the Backpack twin, with its taker speed bump.

Duty: decide in Backpack's order what happens to a parsed order: refusals before the engine, 100 ms on hold
unless it is post-only, then the engine. It must not read HTTP or render JSON.

Source: docs.backpack.exchange, POST/GET/DELETE /api/v1/order, /api/v1/orders, "Taker speed bump" (orders that
are not post-only wait before they reach the book; post-only orders and cancels do not), "clientId".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import DuplicateClientId, PostOnlyCross, Twin, translate
from sandbox.dialects.backpack_numbers import trimmed
from sandbox.dialects.backpack_payload import OrderReference, PlaceOrder
from sandbox.dialects.backpack_wire import (
    IMPACT_BAND,
    SIDE_FROM_WIRE,
    STP_FROM_WIRE,
    OrderNotes,
    notes_of,
)
from sandbox.model import (
    ZERO,
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    Trigger,
    TriggerPrice,
    TriggerWhen,
)

TRIGGER_BY = {
    "MarkPrice": TriggerPrice.MARK,
    "LastPrice": TriggerPrice.LAST,
    "IndexPrice": TriggerPrice.INDEX,
}
_LEFT_TO_THE_ENGINE = frozenset({RefusalReason.NO_LIQUIDITY, RefusalReason.FOK_UNFILLED})
_ORDER_ID_DIGITS_MAX = 19


class OrderDesk:
    """Takes parsed orders of known accounts to the engine."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    async def place(self, account_id: str, order: PlaceOrder) -> Order:
        """Place one order and return its state after matching.

        Raises ``ApiRefusal`` when nothing was placed. The order reaches the book even when the caller goes
        away during the speed bump, as a lost connection would not stop it either.
        """
        _refuse_combinations(order)
        if self._twin.is_liquidating(account_id):
            raise errors.ApiRefusal(400, "ACCOUNT_LIQUIDATING", "Account is being liquidated")
        self._check(account_id, order)
        if order.post_only or order.trigger_price is not None:
            return self._enter(account_id, order)
        entered: asyncio.Future[Order] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                placed = self._enter(account_id, order)
            except errors.ApiRefusal as refusal:
                if not entered.done():
                    entered.set_exception(refusal)
            else:
                if not entered.done():
                    entered.set_result(placed)

        await self._hold(enter)
        return await entered

    def find_resting(self, account_id: str, reference: OrderReference) -> Order | None:
        """Return the live order a reference means, None when it is unknown or no longer rests."""
        instrument = self._twin.spec(reference.symbol).instrument
        for order in reversed(self.resting(account_id, instrument)):
            if reference.order_id is not None and str(order.id) == reference.order_id:
                return order
            if reference.client_id is not None and notes_of(order).client_id == reference.client_id:
                return order
        return None

    def resting(self, account_id: str, instrument: str | None = None) -> list[Order]:
        """Return the orders in the book and the trigger orders that wait, oldest first."""
        exchange = self._twin.exchange
        found = exchange.open_orders(account_id, instrument) + exchange.waiting_orders(account_id, instrument)
        return sorted(found, key=lambda order: order.id)

    def cancel(self, account_id: str, reference: OrderReference) -> Order:
        """Cancel one resting order and return it; raise the late-cancel refusal when there is none."""
        order = self.find_resting(account_id, reference)
        if order is None:
            late = self._twin.switches.late_cancel_is_404
            raise errors.not_found() if late else errors.order_not_found()
        try:
            return self._twin.exchange.cancel(account_id, order_id=order.id)
        except Refusal as refusal:
            raise translate(refusal) from refusal

    def cancel_all(self, account_id: str, symbol: str, order_type: str | None = None) -> list[Order]:
        """Cancel the resting orders of one market: those in the book, those that wait for a price, or both."""
        exchange, instrument = self._twin.exchange, self._twin.spec(symbol).instrument
        cancelled: list[Order] = []
        try:
            if order_type != "ConditionalOrder":
                cancelled += exchange.cancel_all(account_id, instrument)
            if order_type != "RestingLimitOrder":
                cancelled += exchange.cancel_waiting(account_id, instrument)
        except Refusal as refusal:
            raise translate(refusal) from refusal
        return cancelled

    async def _hold(self, enter: Callable[[], None]) -> None:
        """Let ``enter`` run after the speed bump; a virtual clock moves by itself, as it does for sleeps."""
        world, bump_us = self._twin.world, self._twin.switches.speed_bump_us
        world.call_later(bump_us, enter)
        if world.clock.is_virtual:
            await world.sleep(bump_us)

    def _check(self, account_id: str, order: PlaceOrder) -> None:
        self._refuse_duplicate(account_id, order)
        if order.trigger_price is not None:
            return
        try:
            self._twin.exchange.check(self._request(account_id, order, client_id=None))
        except Refusal as refusal:
            expires = self._twin.switches.post_only_cross is PostOnlyCross.EXPIRE
            if refusal.reason is RefusalReason.POST_ONLY_CROSS and expires:
                return
            if refusal.reason not in _LEFT_TO_THE_ENGINE:
                raise translate(refusal) from refusal

    def _enter(self, account_id: str, order: PlaceOrder) -> Order:
        """Record and match the order; risk that appeared during the speed bump ends it as expired."""
        self._refuse_duplicate(account_id, order)
        client_id = None if order.client_id is None else str(order.client_id)
        if self._is_client_id_live(account_id, order.client_id):
            client_id = None  # the engine keeps live client ids unique; the tags still carry this one
        request, trigger = self._request(account_id, order, client_id=client_id), self._trigger(order)
        try:
            if trigger is not None:
                return self._twin.exchange.place_trigger(request, trigger)
            accepted = self._twin.exchange.accept(request)
        except Refusal as refusal:
            raise translate(refusal) from refusal
        return self._twin.exchange.execute(accepted.id)

    def _refuse_duplicate(self, account_id: str, order: PlaceOrder) -> None:
        if self._twin.switches.duplicate_client_id is DuplicateClientId.ACCEPT:
            return
        if self._is_client_id_live(account_id, order.client_id):
            raise errors.bad_request("Client order id is already in use")

    def _is_client_id_live(self, account_id: str, client_id: int | None) -> bool:
        if client_id is None:
            return False
        return any(notes_of(order).client_id == client_id for order in self.resting(account_id))

    def _trigger(self, order: PlaceOrder) -> Trigger | None:
        """Return the condition: no member tells a stop from a target, so the price is awaited from where it is now.

        Without ``triggerBy`` the last price counts.
        """
        if order.trigger_price is None or order.trigger_quantity is None:
            return None
        instrument, by = self._twin.spec(order.symbol).instrument, TRIGGER_BY[order.trigger_by or "LastPrice"]
        exchange = self._twin.exchange
        now = {
            TriggerPrice.MARK: exchange.mark(instrument),
            TriggerPrice.INDEX: exchange.index(instrument),
            TriggerPrice.LAST: exchange.last_price(instrument) or exchange.mark(instrument),
        }[by]
        when = TriggerWhen.AT_OR_BELOW if order.trigger_price < now else TriggerWhen.AT_OR_ABOVE
        return Trigger(order.trigger_price, when, by, share=_share(order.trigger_quantity))

    def _request(self, account_id: str, order: PlaceOrder, *, client_id: str | None) -> OrderRequest:
        spec = self._twin.spec(order.symbol)
        side = SIDE_FROM_WIRE[order.side]
        quantity = self._base_quantity(order, spec, side)
        is_market = order.order_type == "Market"
        bound, bounded_by = self._bound(order, spec, side) if is_market else (None, "PriceOutOfBounds")
        notes = OrderNotes(
            client_id=order.client_id,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            quote_quantity=self._quote_quantity(order, spec, quantity) if is_market else None,
            slippage_tolerance=None if order.slippage_tolerance is None else trimmed(order.slippage_tolerance),
            slippage_tolerance_type=order.slippage_tolerance_type,
            bounded_by=bounded_by,
        )
        return OrderRequest(
            account=account_id,
            instrument=spec.instrument,
            side=side,
            kind=OrderKind.MARKET if is_market else OrderKind.LIMIT,
            quantity=quantity,
            price=order.price,
            tif=_time_in_force(order),
            reduce_only=bool(order.reduce_only),
            client_id=client_id,
            stp=STP_FROM_WIRE[order.self_trade_prevention],
            bound_price=bound,
            tags=notes.as_tags() | _trigger_tags(order),
        )

    def _bound(self, order: PlaceOrder, spec: MarketSpec, side: Side) -> tuple[Decimal | None, str]:
        """Return the worst price a market order may take, and the expiry reason when it stops there."""
        bid, ask = self._twin.exchange.best(spec.instrument)
        best = ask if side is Side.BUY else bid
        if best is None:
            return None, "InsufficientLiquidity"
        impact = best.price * IMPACT_BAND
        tolerance = _slippage(order, spec, best.price)
        if tolerance is not None and tolerance < impact:
            return best.price + side.sign * tolerance, "SlippageToleranceExceeded"
        return best.price + side.sign * impact, "PriceImpact"

    def _base_quantity(self, order: PlaceOrder, spec: MarketSpec, side: Side) -> Decimal:
        """Return the base quantity; a quote quantity is walked up the book and rounded down to the step."""
        if order.trigger_quantity is not None:
            is_share = _share(order.trigger_quantity) is not None
            return spec.min_quantity if is_share else Decimal(order.trigger_quantity)
        if order.quote_quantity is None:
            return order.quantity or ZERO
        book = self._twin.exchange.book(spec.instrument)
        left, base = order.quote_quantity, ZERO
        for level in book.asks if side is Side.BUY else book.bids:
            taken = min(level.quantity, left / level.price)
            base += taken
            left -= taken * level.price
            if left <= 0:
                break
        return (base / spec.lot).to_integral_value(ROUND_DOWN) * spec.lot

    def _quote_quantity(self, order: PlaceOrder, spec: MarketSpec, quantity: Decimal) -> str:
        if order.quote_quantity is not None:
            return trimmed(order.quote_quantity)
        return trimmed((quantity * self._twin.exchange.mark(spec.instrument)).quantize(Decimal("0.01")))


def _refuse_combinations(order: PlaceOrder) -> None:
    """Refuse members that contradict each other, and the order kinds this twin does not offer."""
    if (order.trigger_price is None) != (order.trigger_quantity is None):
        raise errors.bad_request("Must specify both `triggerPrice` and `triggerQuantity` or neither")
    if order.has_attached_triggers:
        raise errors.ApiRefusal(400, "NOT_IMPLEMENTED", "Attached triggers are not offered by this exchange twin")
    if (order.slippage_tolerance is None) != (order.slippage_tolerance_type is None):
        raise errors.bad_request("Must specify both `slippageTolerance` and `slippageToleranceType` or neither")
    if order.order_type == "Limit":
        _refuse_limit_combinations(order)
        return
    if order.price is not None or order.post_only:
        raise errors.bad_request("Market orders take neither `price` nor `postOnly`")
    if order.trigger_price is None and (order.quantity is None) == (order.quote_quantity is None):
        raise errors.bad_request("Must specify either `quantity` or `quoteQuantity`")


def _refuse_limit_combinations(order: PlaceOrder) -> None:
    if order.price is None:
        raise errors.bad_request("Must specify `price` for a limit order")
    has_quantity = order.quantity is not None or order.trigger_quantity is not None
    if not has_quantity or order.quote_quantity is not None:
        raise errors.bad_request("Must specify `quantity` for a limit order")
    if order.slippage_tolerance is not None:
        raise errors.bad_request("`slippageTolerance` is for market orders")
    if order.post_only and order.time_in_force != "GTC":
        raise errors.ApiRefusal(400, "INVALID_ORDER", "Post only orders must be GTC")


def _share(trigger_quantity: str) -> Decimal | None:
    """Return a percentage of the position as a fraction, None for a quantity in base units."""
    return Decimal(trigger_quantity.removesuffix("%")) / 100 if trigger_quantity.endswith("%") else None


def _trigger_tags(order: PlaceOrder) -> dict[str, str]:
    if order.trigger_price is None or order.trigger_quantity is None:
        return {}
    return {
        "triggerPrice": trimmed(order.trigger_price),
        "triggerQuantity": order.trigger_quantity,
        "triggerBy": order.trigger_by or "LastPrice",
    }


def _time_in_force(order: PlaceOrder) -> TimeInForce:
    if order.post_only:
        return TimeInForce.POST_ONLY
    if order.order_type == "Market":
        return TimeInForce.IOC
    return TimeInForce(order.time_in_force)


def _slippage(order: PlaceOrder, spec: MarketSpec, best: Decimal) -> Decimal | None:
    if order.slippage_tolerance is None:
        return None
    if order.slippage_tolerance_type == "TickSize":
        return order.slippage_tolerance * spec.tick
    return best * order.slippage_tolerance / 100
