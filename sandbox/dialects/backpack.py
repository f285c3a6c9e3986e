"""The Backpack twin: an app that speaks Backpack's REST and WebSocket protocols over the local engine.

Duty: put the parts together. Signatures, clock windows, parsing and error shapes are checked as the exchange
does; matching, margin and funding are the engine's. It offers perpetual markets, limit, market and trigger
orders, candles, and the streams bookTicker, depth, trade, markPrice, ticker, kline, openInterest, liquidation
and account.{orderUpdate,positionUpdate,balanceUpdate}. It does not offer spot, lending, withdrawing, RFQ,
strategies or vaults: those paths are 404, those streams 4006, stops attached to an order are refused. Protocol
pings belong to the server that runs the app.

Source: docs.backpack.exchange, API reference and "Streams".
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from sandbox.dialects import backpack_errors as errors
from sandbox.dialects.backpack_account import AccountRoutes
from sandbox.dialects.backpack_candles import CandleRoutes
from sandbox.dialects.backpack_context import BackpackSwitches, build_twin
from sandbox.dialects.backpack_door import refusal_answer
from sandbox.dialects.backpack_history import HistoryRoutes
from sandbox.dialects.backpack_orders import OrderDesk
from sandbox.dialects.backpack_public import PublicRoutes
from sandbox.dialects.backpack_socket import serve
from sandbox.dialects.backpack_streams import Hub
from sandbox.dialects.backpack_trading import TradingRoutes
from sandbox.dialects.backpack_transfers import TransferRoutes
from sandbox.exchange import Exchange
from sandbox.faults import HttpFaults
from sandbox.world import World

_ORDER_PATHS = ("/api/v1/order", "/api/v1/orders")


def create_app(world: World, exchange: Exchange, switches: BackpackSwitches | None = None) -> Starlette:
    """Return the twin's app for ``exchange``; ``switches`` are put on the world's board of quirks first."""
    if switches is not None:
        switches.put_on(world.quirks)
    twin = build_twin(world, exchange)
    hub = Hub(twin)

    async def stream(socket: WebSocket) -> None:
        await serve(twin, hub, socket)

    rest = (
        PublicRoutes(twin).routes()
        + AccountRoutes(twin).routes()
        + TradingRoutes(twin, OrderDesk(twin)).routes()
        + HistoryRoutes(twin).routes()
        + TransferRoutes(twin).routes()
        + CandleRoutes(twin).routes()
    )
    return Starlette(
        routes=[*rest, WebSocketRoute("/", stream)],
        middleware=[
            Middleware(
                HttpFaults,
                desk=world.faults,
                sleep=world.sleep,
                venue=exchange.name,
                classify=classify,
                error=fault_answer,
            ),
            Middleware(_Synchronised, world=world),
        ],
        exception_handlers={errors.WireRefusal: _on_refusal, HTTPException: _on_http_error},
    )


class _Synchronised:
    """ASGI middleware: what became due happens before a request is looked at."""

    def __init__(self, app: ASGIApp, *, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._world.sync()
        await self._app(scope, receive, send)


def classify(method: str, path: str) -> str | None:
    """Name the action of a request for the fault desk."""
    if path in _ORDER_PATHS and method in ("POST", "DELETE"):
        return "place" if method == "POST" else "cancel"
    return "read" if path.startswith(("/api/", "/wapi/")) else None


def fault_answer(status: int) -> Response:
    """Return Backpack's own answer for an injected 429 or 5xx."""
    if status == 429:
        return refusal_answer(errors.too_many_requests())
    if status == 503:
        return refusal_answer(errors.ApiRefusal(503, "MAINTENANCE", "Service unavailable"))
    return refusal_answer(errors.ApiRefusal(status, "SERVER_ERROR", "Internal server error"))


async def _on_refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.WireRefusal):
        raise error
    return refusal_answer(error)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    text = "not found" if error.status_code == 404 else "method not allowed"
    return PlainTextResponse(text, status_code=error.status_code)
