"""Signed REST routes that place, show and cancel orders at the Backpack twin.

Duty: read the payload, authorise it, hand it to the order desk, render the answer.

Source: docs.backpack.exchange, API reference, "Order": /api/v1/order, /api/v1/orders.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_door import authorise, json_answer, query_members
from sandbox.dialects.backpack_orders import OrderDesk
from sandbox.dialects.backpack_payload import (
    MARKET_TYPES,
    Members,
    PlaceOrder,
    decode_json,
    json_object,
    parse_batch,
    parse_order_reference,
    parse_place_order,
)
from sandbox.dialects.backpack_wire import Json, order_json
from sandbox.model import Order

_CANCEL_SCHEMA = "OrderCancelPayload"
_CANCEL_ALL_SCHEMA = "OrderCancelAllPayload"


class TradingRoutes:
    """Endpoints of orders."""

    def __init__(self, twin: Twin, desk: OrderDesk) -> None:
        self._twin = twin
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routing table."""
        return [
            Route("/api/v1/order", self.get_order, methods=["GET"]),
            Route("/api/v1/order", self.place, methods=["POST"]),
            Route("/api/v1/order", self.cancel, methods=["DELETE"]),
            Route("/api/v1/orders", self.get_orders, methods=["GET"]),
            Route("/api/v1/orders", self.place_batch, methods=["POST"]),
            Route("/api/v1/orders", self.cancel_all, methods=["DELETE"]),
        ]

    async def get_order(self, request: Request) -> Response:
        """Answer one resting order; anything else is a 404."""
        reference = parse_order_reference(query_members(self._twin, request))
        account_id = authorise(self._twin, request, "orderQuery", [reference.signed])
        order = self._desk.find_resting(account_id, reference)
        if order is None:
            raise errors.not_found()
        return json_answer(self._row(order))

    async def place(self, request: Request) -> Response:
        """Place one order; the answer holds what it executed."""
        body = decode_json(await request.body(), "OrderExecutePayload")
        order = parse_place_order(body, self._twin.by_symbol)
        account_id = authorise(self._twin, request, "orderExecute", [order.signed])
        return json_answer(self._row(await self._desk.place(account_id, order)))

    async def cancel(self, request: Request) -> Response:
        """Cancel one resting order and answer it."""
        members = await self._body_members(request, _CANCEL_SCHEMA)
        reference = parse_order_reference(members)
        account_id = authorise(self._twin, request, "orderCancel", [reference.signed])
        row = self._row(self._desk.cancel(account_id, reference))
        return Response(status_code=202) if self._twin.switches.cancel_answers_202 else json_answer(row)

    async def get_orders(self, request: Request) -> Response:
        """Answer every resting order, oldest first."""
        members = query_members(self._twin, request)
        symbol, wanted = members.symbol(), members.choice("marketType", MARKET_TYPES)
        account_id = authorise(self._twin, request, "orderQueryAll", [members.signed])
        instrument = None if symbol is None else self._twin.spec(symbol).instrument
        orders = self._desk.resting(account_id, instrument)
        return json_answer([self._row(order) for order in orders if wanted in (None, "PERP")])

    async def place_batch(self, request: Request) -> Response:
        """Place several orders; each has its own result, in the order of the request."""
        body = decode_json(await request.body(), "OrderExecutePayload")
        orders = parse_batch(body, self._twin.by_symbol)
        account_id = authorise(self._twin, request, "orderExecute", [order.signed for order in orders])
        results = await asyncio.gather(*(self._batch_item(account_id, order) for order in orders))
        return json_answer(results)

    async def cancel_all(self, request: Request) -> Response:
        """Cancel the resting orders of one market and answer them."""
        members = await self._body_members(request, _CANCEL_ALL_SCHEMA)
        symbol = members.required_symbol()
        order_type = members.choice("orderType", ("RestingLimitOrder", "ConditionalOrder"))
        account_id = authorise(self._twin, request, "orderCancelAll", [members.signed])
        rows = [self._row(order) for order in self._desk.cancel_all(account_id, symbol, order_type)]
        return Response(status_code=202) if self._twin.switches.cancel_answers_202 else json_answer(rows)

    async def _batch_item(self, account_id: str, order: PlaceOrder) -> Json:
        try:
            placed = await self._desk.place(account_id, order)
        except errors.ApiRefusal as refusal:
            return {"operation": "Err"} | refusal.body()
        return {"operation": "Ok"} | self._row(placed)

    async def _body_members(self, request: Request, schema: str) -> Members:
        body = json_object(decode_json(await request.body(), schema), schema)
        return Members(body, symbols=self._twin.by_symbol, schema=schema)

    def _row(self, order: Order) -> Json:
        return order_json(order, self._twin.symbol_of(order.instrument))
