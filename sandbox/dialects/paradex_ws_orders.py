"""Order commands over Paradex's WebSocket: order.create and its kin, and cancel on disconnect.

Written from docs.paradex.trade (WebSocket API: order.create, order.create_batch, order.modify, order.cancel and its
kin). Rate counters are shared with REST. Must not decide about orders: that is the desk's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.dialects import paradex_bodies as bodies
from sandbox.dialects.paradex_bodies import CancelBatchBody, ModifyBody, OrderBody
from sandbox.dialects.paradex_errors import ApiError
from sandbox.dialects.paradex_limits import RateLimiter
from sandbox.dialects.paradex_orders import OrderDesk
from sandbox.dialects.paradex_private import cancel_row
from sandbox.dialects.paradex_rows import VENUE, Row, millis
from sandbox.dialects.paradex_rpc import INVALID_PARAMS, RpcError
from sandbox.dialects.paradex_views import Views
from sandbox.model import Order


class OrderCalls:
    """The order methods of one connection; `account` names its account or raises RpcError before sign-in."""

    def __init__(self, views: Views, desk: OrderDesk, limiter: RateLimiter, account: Callable[[], str]) -> None:
        self._views = views
        self._desk = desk
        self._limiter = limiter
        self._account = account
        self._cancels_on_disconnect = False
        self._own_orders: set[str] = set()
        self.methods: dict[str, Callable[[Any], Row]] = {
            "order.create": self._create,
            "order.create_batch": self._create_batch,
            "order.modify": self._modify,
            "order.cancel": self._cancel,
            "order.cancel_batch": self._cancel_batch,
            "order.cancel_all": self._cancel_all,
            "order.cancel_on_disconnect": self._cancel_on_disconnect,
        }

    def leave(self) -> None:
        """Cancel what was placed on this connection, if it asked for that."""
        if not self._cancels_on_disconnect:
            return
        for wire_id in self._own_orders:
            try:
                self._desk.cancel(self._account(), wire_id)
            except ApiError:
                continue  # closed meanwhile

    def _create(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        order = self._desk.place(account, bodies.read(OrderBody, params))
        return self._accepted(order)

    def _create_batch(self, params: Any) -> Row:
        account = self._require_order_budget()
        entries = params.get("orders") if isinstance(params, dict) else params
        if not isinstance(entries, list):
            raise RpcError(INVALID_PARAMS, "invalid params", "orders must be a list")
        outcome = self._desk.place_batch(account, [bodies.read(OrderBody, entry) for entry in entries])
        results = [self._accepted(order) for order in outcome.orders]
        return {"results": results + [{"error": error.row()} for error in outcome.errors]}

    def _modify(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        body = bodies.read(ModifyBody, params)
        return {"order": self._views.order(self._desk.modify(account, body.id, body))}

    def _cancel(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        wire_id, client_id, market = (params.get(name) for name in ("id", "client_id", "market"))
        if isinstance(wire_id, str) and wire_id:
            order = self._desk.cancel(account, wire_id)
        elif isinstance(client_id, str) and client_id:
            symbol = market if isinstance(market, str) and market else None
            order = self._desk.cancel_by_client_id(account, client_id, symbol)
        else:
            raise RpcError(INVALID_PARAMS, "invalid params", "id or client_id is needed")
        return {"order_id": self._views.ids.order(order.id), "status": "QUEUED_FOR_CANCELLATION"}

    def _cancel_batch(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        outcomes = self._desk.cancel_batch(account, bodies.read(CancelBatchBody, params))
        return {"results": [cancel_row(self._views, outcome) for outcome in outcomes]}

    def _cancel_all(self, params: dict[str, Any]) -> Row:
        account = self._require_order_budget()
        market = params.get("market")
        self._desk.cancel_all(account, market if isinstance(market, str) and market else None)
        return {"status": "ok"}

    def _cancel_on_disconnect(self, params: dict[str, Any]) -> Row:
        self._account()
        enabled = params.get("enabled")
        if not isinstance(enabled, bool):
            raise RpcError(INVALID_PARAMS, "invalid params", "enabled must be true or false")
        self._cancels_on_disconnect = enabled
        return {"enabled": enabled}

    def _accepted(self, order: Order) -> Row:
        self._own_orders.add(self._views.ids.order(order.id))
        return {
            "order": self._views.order(order),
            "created_at": millis(order.created_us),
            "received_at": millis(order.created_us),
        }

    def _require_order_budget(self) -> str:
        """Draw from the same buckets as REST order commands."""
        account, limiter = self._account(), self._limiter
        now_us = self._views.world.wall_us(VENUE)
        limiter.take(f"orders/{account}", limiter.limits.account_orders, now_us=now_us)
        return account
