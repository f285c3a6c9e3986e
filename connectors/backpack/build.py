"""From what we want to the request Backpack expects: path, instruction and the fields that are sent and signed. Pure.

Only documented fields, only documented types, one order id per request: the venue rebuilds the signed text from what
it parsed. Nothing here knows keys or sends. (docs.backpack.exchange, REST reference)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.backpack.auth import WINDOW_MS_MAX, Params, Scalar, scalar_text
from core.instrument import Market
from core.numbers import canonical
from core.order import OrderIntent, OrderType, Side, TimeInForce, TriggerIntent, TriggerPrice

SIDES = {Side.BUY: "Bid", Side.SELL: "Ask"}
TRIGGERS = {TriggerPrice.MARK: "MarkPrice", TriggerPrice.INDEX: "IndexPrice", TriggerPrice.LAST: "LastPrice"}
BATCH_MAX = 20
# Of RejectTaker, RejectMaker and RejectBoth only the last leaves neither order alive after a near meeting.
STRICTEST_STP = "RejectBoth"
PAGE_ROWS = 1000
DEPTH_ROWS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """One signed request. params are the query of a GET and the JSON body of everything else.

    A batch has `batch` instead: one element of the JSON array each, signed one after the other.
    """

    method: str
    path: str
    instruction: str
    params: Params = field(default_factory=dict)
    batch: tuple[Params, ...] = ()

    def groups(self) -> tuple[Params, ...]:
        """Return the groups of fields that are signed, each behind its own instruction."""
        return self.batch or (self.params,)

    def query(self) -> dict[str, str]:
        """Return the query as texts."""
        return {name: scalar_text(value) for name, value in self.params.items()}

    def body(self) -> bytes:
        """Return the JSON body."""
        content = [dict(part) for part in self.batch] if self.batch else dict(self.params)
        return json.dumps(content, separators=(",", ":")).encode()


def window_ms(valid_until: datetime, now: datetime) -> int | None:
    """Return how long the venue may act on a request signed now, at most 60000 ms; None when it is already too late.

    The venue refuses a request that reaches it later than timestamp + window.
    """
    left_ms = (valid_until - now) // timedelta(milliseconds=1)
    return min(left_ms, WINDOW_MS_MAX) if left_ms > 0 else None


def place_order(intent: OrderIntent, market: Market, client_id: int) -> Request:
    """Build one order. A market order becomes an IOC limit at intent.price: the venue's own has no exact bound.

    Raises PrecisionRefused when price or quantity is off the market's grid. Nothing is sent that only spot margin
    knows (autoBorrow and the like). Self-trade prevention is always RejectBoth.
    """
    return Request("POST", "/api/v1/order", "orderExecute", _order_fields(intent, market, client_id))


def place_batch(orders: Sequence[tuple[OrderIntent, Market, int]]) -> Request:
    """Build one request with several orders (intent, market, client id), at most BATCH_MAX.

    The documents say 50, an older client's comment 20: the lower number is taken. Raises PrecisionRefused as
    place_order does and ValueError for a wrong number.
    """
    if not 0 < len(orders) <= BATCH_MAX:
        raise ValueError(f"a batch holds 1 to {BATCH_MAX} orders, not {len(orders)}")
    parts = tuple(_order_fields(*order) for order in orders)
    return Request("POST", "/api/v1/orders", "orderExecute", batch=parts)


def check_grid(orders: Sequence[tuple[OrderIntent, Market, int]]) -> None:
    """Raise PrecisionRefused when price or quantity of one of several orders is off its market's grid."""
    for intent, market, _ in orders:
        market.check_price(intent.price)
        market.check_quantity(intent.quantity)


def place_trigger(trigger: TriggerIntent, market: Market, client_id: int) -> Request:
    """Build an order that waits for a price. It always reduces; its quantity travels as triggerQuantity.

    Price and quantity of a trigger go together. Which way the price has to come is not said: the venue waits for it
    from where the price is. (docs.backpack.exchange, Execute order)
    """
    market.check_price(trigger.trigger_price)
    fields = dict(_order_fields(trigger.order, market, client_id))
    fields |= {
        "triggerPrice": canonical(trigger.trigger_price),
        "triggerBy": TRIGGERS[trigger.trigger_by],
        "triggerQuantity": fields.pop("quantity"),
        "reduceOnly": True,
    }
    return Request("POST", "/api/v1/order", "orderExecute", fields)


def _order_fields(intent: OrderIntent, market: Market, client_id: int) -> Params:
    market.check_price(intent.price)
    market.check_quantity(intent.quantity)
    fields: dict[str, Scalar] = {
        "symbol": market.venue_symbol,
        "side": SIDES[intent.side],
        "orderType": "Limit",
        "price": canonical(intent.price),
        "quantity": canonical(intent.quantity),
        "clientId": client_id,
        "selfTradePrevention": STRICTEST_STP,
    }
    if intent.time_in_force is TimeInForce.POST_ONLY:
        fields |= {"timeInForce": "GTC", "postOnly": True}
    elif intent.type is OrderType.MARKET or intent.time_in_force is TimeInForce.IOC:
        fields["timeInForce"] = "IOC"
    elif intent.time_in_force is TimeInForce.FOK:
        fields["timeInForce"] = "FOK"
    else:
        fields["timeInForce"] = "GTC"
    if intent.reduce_only:
        fields["reduceOnly"] = True
    return fields


def cancel_order(venue_symbol: str, *, venue_order_id: str | None, client_id: int) -> Request:
    """Build the cancel of one order, by venue order id where known (with both ids the signature check fails)."""
    return Request("DELETE", "/api/v1/order", "orderCancel", _one_order(venue_symbol, venue_order_id, client_id))


def cancel_all(venue_symbol: str) -> Request:
    """Build the cancel of every order of one market; the venue has none for all markets."""
    return Request("DELETE", "/api/v1/orders", "orderCancelAll", {"symbol": venue_symbol})


def resting_order(venue_symbol: str, *, venue_order_id: str | None, client_id: int) -> Request:
    """Build the question for one resting order; an order that ended is answered with 404."""
    return Request("GET", "/api/v1/order", "orderQuery", _one_order(venue_symbol, venue_order_id, client_id))


def resting_orders(venue_symbol: str) -> Request:
    """Build the question for all resting orders of one market."""
    return Request("GET", "/api/v1/orders", "orderQueryAll", {"symbol": venue_symbol})


def order_history(venue_symbol: str, *, venue_order_id: str | None, offset: int) -> Request:
    """Build one page of order history, newest first; it cannot be asked by client id."""
    params: dict[str, Scalar] = {
        "symbol": venue_symbol,
        "limit": PAGE_ROWS,
        "offset": offset,
        "sortDirection": "Desc",
    }
    if venue_order_id is not None:
        params["orderId"] = venue_order_id
    return Request("GET", "/wapi/v1/history/orders", "orderHistoryQueryAll", params)


def fill_history(venue_symbol: str, *, from_ms: int, offset: int) -> Request:
    """Build one page of executions since a time (inclusive), oldest first, system fills (ADL, liquidation) included."""
    return Request(
        "GET",
        "/wapi/v1/history/fills",
        "fillHistoryQueryAll",
        {"symbol": venue_symbol, "from": from_ms, "limit": PAGE_ROWS, "offset": offset, "sortDirection": "Asc"},
    )


def funding_history(venue_symbol: str, *, offset: int) -> Request:
    """Build one page of booked funding payments, newest first; it cannot be asked by time."""
    return Request(
        "GET",
        "/wapi/v1/history/funding",
        "fundingHistoryQueryAll",
        {"symbol": venue_symbol, "limit": PAGE_ROWS, "offset": offset, "sortDirection": "Desc"},
    )


def position(venue_symbol: str | None = None) -> Request:
    """Build the question for all positions, or for one: only then does the venue compute its liquidation price."""
    params: Params = {} if venue_symbol is None else {"symbol": venue_symbol}
    return Request("GET", "/api/v1/position", "positionQuery", params)


def account() -> Request:
    """Build the question for fees, leverage limit and liquidation state."""
    return Request("GET", "/api/v1/account", "accountQuery")


def collateral() -> Request:
    """Build the question for equity and margin."""
    return Request("GET", "/api/v1/capital/collateral", "collateralQuery")


def leverage_limit(leverage: Decimal) -> Request:
    """Build the change of the account's one leverage limit; there is none of a single market."""
    return Request("PATCH", "/api/v1/account", "accountUpdate", {"leverageLimit": canonical(leverage)})


def balances() -> Request:
    """Build the question for balances by asset; what is lent is not among them."""
    return Request("GET", "/api/v1/capital", "balanceQuery")


def deposits(*, from_ms: int, offset: int) -> Request:
    """Build one page of deposits since a time (inclusive), newest first."""
    params: Params = {"from": from_ms, "limit": PAGE_ROWS, "offset": offset}
    return Request("GET", "/wapi/v1/capital/deposits", "depositQueryAll", params)


def withdrawals(*, from_ms: int, offset: int) -> Request:
    """Build one page of withdrawals since a time (inclusive), newest first. This system never asks for one."""
    params: Params = {"from": from_ms, "limit": PAGE_ROWS, "offset": offset}
    return Request("GET", "/wapi/v1/capital/withdrawals", "withdrawalQueryAll", params)


def subscribe(streams: list[str], signature: list[str] | None = None) -> str:
    """Write a SUBSCRIBE frame; public and private streams may share it, only private ones need a signature."""
    frame: dict[str, object] = {"method": "SUBSCRIBE", "params": streams}
    if signature is not None:
        frame["signature"] = signature
    return json.dumps(frame, separators=(",", ":"))


def _one_order(venue_symbol: str, venue_order_id: str | None, client_id: int) -> Params:
    if venue_order_id is not None:
        return {"symbol": venue_symbol, "orderId": venue_order_id}
    return {"symbol": venue_symbol, "clientId": client_id}
