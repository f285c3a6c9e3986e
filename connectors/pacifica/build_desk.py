"""What Pacifica wants to read for the wider order desk: batches, edits, stops, leverage, lists. Pure.

Source: docs.pacifica.fi, REST API: Batch order, Edit order, Create stop order, Create position TP/SL, Cancel stop
order, Update leverage, Update margin mode, List subaccounts. A batch is not signed as a whole: each action is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from connectors.pacifica.build import API, SIDES, Command, venue_symbol_of
from core.errors import NotOffered
from core.instrument import Market
from core.numbers import canonical
from core.order import OrderIntent, OrderType, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice

BATCH_MAX = 10
BATCH_PATH = f"{API}/orders/batch"
CREATE, CANCEL = "Create", "Cancel"

_WATCHED = {TriggerPrice.MARK: "mark_price", TriggerPrice.LAST: "last_trade_price"}


def batch_body(kind: str, bodies: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """Wrap signed bodies (at most ten) of one kind of action."""
    return {"actions": [{"type": kind, "data": dict(body)} for body in bodies]}


def edit_order(intent: OrderIntent, venue_order_id: str, replacement: OrderIntent, market: Market) -> Command:
    """Build POST /orders/edit; raises NotOffered for a change beyond price and quantity.

    The venue ends the order and makes a new post-only one with the same side, reduce-only flag and client order id.
    """
    kept = ("client_order_id", "symbol", "side", "type", "reduce_only")
    changed = [name for name in kept if getattr(intent, name) != getattr(replacement, name)]
    if changed or replacement.type is not OrderType.LIMIT:
        raise NotOffered(f"pacifica edits price and quantity of limit orders, not {', '.join(changed) or 'others'}")
    if replacement.time_in_force is not TimeInForce.POST_ONLY:
        raise NotOffered("pacifica makes every edited order post-only; the replacement has to be one")
    market.check_price(replacement.price)
    market.check_quantity(replacement.quantity)
    return Command(
        "edit_order",
        f"{API}/orders/edit",
        {
            "symbol": market.venue_symbol,
            "price": canonical(replacement.price),
            "amount": canonical(replacement.quantity),
            "order_id": int(venue_order_id),
        },
    )


def place_trigger(trigger: TriggerIntent, market: Market) -> Command:
    """Build a stop-loss as a stop order, a take-profit as the position's own.

    Raises PrecisionRefused off the grid; NotOffered for an index trigger or an order that does not reduce. What goes
    off is a limit order at the intent's price (its bound), watched by the price that is named: the venue's defaults
    contradict each other.
    """
    order = trigger.order
    if not order.reduce_only or trigger.trigger_by not in _WATCHED:
        raise NotOffered("pacifica's triggers are sent reduce-only and by mark or last price")
    for price in (order.price, trigger.trigger_price):
        market.check_price(price)
    market.check_quantity(order.quantity)
    stop: dict[str, JsonValue] = {
        "stop_price": canonical(trigger.trigger_price),
        "limit_price": canonical(order.price),
        "amount": canonical(order.quantity),
        "client_order_id": order.client_order_id,
        "trigger_price_type": _WATCHED[trigger.trigger_by],
    }
    common: dict[str, JsonValue] = {"symbol": market.venue_symbol, "side": SIDES[order.side]}
    if trigger.kind is TriggerKind.STOP_LOSS:
        payload = {**common, "reduce_only": True, "stop_order": stop}
        return Command("create_stop_order", f"{API}/orders/stop/create", payload)
    return Command("set_position_tpsl", f"{API}/positions/tpsl", {**common, "take_profit": stop})


def cancel_trigger(trigger: TriggerIntent, venue_order_id: str | None) -> Command:
    """Build POST /orders/stop/cancel: by order id where known, else by client order id."""
    order = trigger.order
    which: dict[str, JsonValue] = (
        {"client_order_id": order.client_order_id} if venue_order_id is None else {"order_id": int(venue_order_id)}
    )
    return Command("cancel_stop_order", f"{API}/orders/stop/cancel", {"symbol": venue_symbol_of(order.symbol), **which})


def update_leverage(symbol: str, leverage: int) -> Command:
    """Build POST /account/leverage."""
    payload: dict[str, JsonValue] = {"symbol": venue_symbol_of(symbol), "leverage": leverage}
    return Command("update_leverage", f"{API}/account/leverage", payload)


def update_margin_mode(symbol: str, *, is_isolated: bool) -> Command:
    """Build POST /account/margin."""
    payload: dict[str, JsonValue] = {"symbol": venue_symbol_of(symbol), "is_isolated": is_isolated}
    return Command("update_margin_mode", f"{API}/account/margin", payload)


def list_subaccounts() -> Command:
    """Build POST /account/subaccount/list, a read that has to be signed."""
    return Command("list_subaccounts", f"{API}/account/subaccount/list", {})
