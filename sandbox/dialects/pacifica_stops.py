"""Pacifica's orders that wait for a price: stop orders and the take-profit and stop-loss of a position.

Duty: turn the signed stop bodies into the engine's trigger orders. Must not verify signatures or know HTTP.
Source: docs.pacifica.fi, REST API: Create stop order, Cancel stop order, Create position TP/SL. The stop endpoint
judges neither size nor minimum notional before the trigger goes off. `side` of a position's TP/SL is the closing
side. Take profit and stop loss are made one after the other: when the second is refused the first rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sandbox.dialects.pacifica_errors import ApiError, cannot_cancel
from sandbox.exchange import Exchange
from sandbox.model import (
    MarketSpec,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Refusal,
    RefusalReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trigger,
    TriggerPrice,
    TriggerWhen,
)

TYPE_TAG = "pacifica_type"
TRIGGER_TAG = "pacifica_trigger_price_type"
TRIGGER_PRICES: Mapping[str, TriggerPrice] = {
    "mark_price": TriggerPrice.MARK,
    "last_trade_price": TriggerPrice.LAST,
    "mid_price": TriggerPrice.MID,
}
WHOLE = Decimal(1)

Legs = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop as asked for. `body` holds stop_price and may hold amount, limit_price, ids and the price watched."""

    account: str
    spec: MarketSpec
    side: Side
    body: Legs
    reduce_only: bool
    default_trigger: str

    def request(self, kind: str) -> OrderRequest:
        """The order that goes off: a limit order if it has a limit, else a market order; no amount: all of it."""
        limit, amount, client_id = (self.body.get(name) for name in ("limit_price", "amount", "client_order_id"))
        is_limit = limit is not None
        return OrderRequest(
            account=self.account,
            instrument=self.spec.instrument,
            side=self.side,
            kind=OrderKind.LIMIT if is_limit else OrderKind.MARKET,
            quantity=Decimal(0) if amount is None else Decimal(str(amount)),
            price=Decimal(str(limit)) if is_limit else None,
            tif=TimeInForce.GTC if is_limit else TimeInForce.IOC,
            reduce_only=self.reduce_only,
            client_id=None if client_id is None else str(client_id).lower(),
            stp=SelfTradePrevention.CANCEL_MAKER,
            tags={TYPE_TAG: f"{kind}_{'limit' if is_limit else 'market'}", TRIGGER_TAG: self.watched},
        )

    def trigger(self, when: TriggerWhen) -> Trigger:
        """The condition."""
        share = WHOLE if self.body.get("amount") is None else None
        return Trigger(Decimal(str(self.body["stop_price"])), when, TRIGGER_PRICES[self.watched], share)

    @property
    def watched(self) -> str:
        """The venue's word of the price that sets it off."""
        return str(self.body.get("trigger_price_type") or self.default_trigger)


class StopDesk:
    """Stop orders of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def create(self, stop: Stop) -> Order:
        """Rest a stop order: a sell goes off at or below its price, a buy at or above."""
        return self._place(stop, "stop", is_up=stop.side is Side.BUY)

    def protect(self, take_profit: Stop | None, stop_loss: Stop | None) -> None:
        """Rest a position's take profit, then its stop loss."""
        for kind, stop in (("take_profit", take_profit), ("stop_loss", stop_loss)):
            if stop is None:
                continue
            held = self._held(stop.account, stop.spec.instrument)
            if not held:
                raise ApiError(422, "Position not found", code=13)
            if held * stop.side.sign > 0:
                raise ApiError(422, "Invalid stop order side", code=17)
            self._place(stop, kind, is_up=(kind == "take_profit") == (stop.side is Side.SELL))

    def cancel(self, account: str, spec: MarketSpec, order_id: int | None, client_id: str | None) -> Order:
        """Cancel a stop that has not gone off."""
        order = self._exchange.order(account, order_id=order_id, client_id=client_id)
        if order is None or order.instrument != spec.instrument or order.status is not OrderStatus.WAITING:
            raise cannot_cancel()
        return self._exchange.cancel(account, order_id=order.id)

    def _place(self, stop: Stop, kind: str, *, is_up: bool) -> Order:
        request = stop.request(kind)
        if request.price is not None and request.price % stop.spec.tick:
            text = f"{request.price:f} is not a multiple of tick size {stop.spec.tick:f}"
            raise Refusal(RefusalReason.TICK, text)
        trigger = stop.trigger(TriggerWhen.AT_OR_ABOVE if is_up else TriggerWhen.AT_OR_BELOW)
        return self._exchange.place_trigger(request, trigger, is_form_checked=False)

    def _held(self, account: str, instrument: str) -> Decimal:
        held = (p.quantity for p in self._exchange.positions(account) if p.instrument == instrument)
        return next(held, Decimal(0))
