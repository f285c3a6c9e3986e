"""The Pacifica twin: REST under /api/v1, WebSocket at /ws.

Duty: put the dialect's parts together into one app. Written from the venue's public documents
(docs.pacifica.fi) only. Not offered, and answered with business code 51 after the signature check: brackets of an
order (its own take profit and stop loss), isolated margin, withdrawals. TWAP, spot and vaults have no route.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from sandbox.dialects.pacifica_desk import Desk
from sandbox.dialects.pacifica_errors import ApiError, fault_response
from sandbox.dialects.pacifica_hub import Hub
from sandbox.dialects.pacifica_limits import CreditDesk
from sandbox.dialects.pacifica_rest import Rest, classify
from sandbox.dialects.pacifica_socket import Connection, SocketLimits
from sandbox.exchange import Exchange
from sandbox.faults import HttpFaults
from sandbox.world import World

CONNECTIONS_MAX = 300


def create_app(world: World, exchange: Exchange, *, limits: SocketLimits | None = None) -> Starlette:
    """Build the twin's app over one exchange of the world."""
    desk = Desk(world, exchange)
    hub = Hub(world, exchange)
    desk.on_setting(hub.setting_changed)
    credit_desk = CreditDesk(world.wall_us, world.quotas)
    open_connections: set[Connection] = set()

    async def serve_socket(socket: WebSocket) -> None:
        if len(open_connections) >= CONNECTIONS_MAX:
            await socket.close(1013)
            return
        connection = Connection(
            socket,
            world=world,
            hub=hub,
            desk=desk,
            credit_desk=credit_desk,
            limits=limits or _socket_limits(world),
        )
        open_connections.add(connection)
        try:
            await connection.run()
        finally:
            open_connections.discard(connection)

    return Starlette(
        routes=[
            *Rest(world, exchange, desk, credit_desk).routes(),
            WebSocketRoute("/ws", serve_socket),
        ],
        middleware=[
            Middleware(
                HttpFaults,
                desk=world.faults,
                sleep=world.sleep,
                venue=exchange.name,
                classify=classify,
                error=fault_response,
            )
        ],
        exception_handlers={404: _not_found, 405: _not_found},
    )


def _socket_limits(world: World) -> SocketLimits:
    """What a connection that opens now may do."""
    idle_s, life_s = (world.quirks.number("pacifica", name) for name in ("socket_idle_s", "socket_life_s"))
    return SocketLimits(idle_s=idle_s, life_s=life_s)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return ApiError(404, "Not found").response()
