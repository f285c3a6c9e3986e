"""The Paradex twin: its REST and WebSocket API on the sandbox's engine.

Written from docs.paradex.trade (REST API, WebSocket API), for the testnet chain id. This module only puts
the parts together; `paradex_*.py` beside it hold them. Not offered, and refused with a plain message:
isolated margin, interactive tokens, RPI, options, private channels in binary (SBE) frames.
"""

from __future__ import annotations

import hashlib

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from sandbox.dialects.paradex_auth import TESTNET_CHAIN, MessageHasher, TokenMint
from sandbox.dialects.paradex_channels import Feed
from sandbox.dialects.paradex_door import Door
from sandbox.dialects.paradex_errors import ApiError, error_response, fault_response
from sandbox.dialects.paradex_keys import KeyRing
from sandbox.dialects.paradex_limits import RateLimiter, RateLimits
from sandbox.dialects.paradex_orders import OrderDesk
from sandbox.dialects.paradex_private import AccountPaths, OrderPaths
from sandbox.dialects.paradex_public import PublicPaths
from sandbox.dialects.paradex_rows import VENUE, Serials
from sandbox.dialects.paradex_views import VenueLog, Views
from sandbox.dialects.paradex_ws import Gate
from sandbox.exchange import Exchange
from sandbox.faults import HttpFaults
from sandbox.world import World


def create_app(
    world: World, exchange: Exchange, *, limits: RateLimits | None = None, chain_id: str = TESTNET_CHAIN
) -> Starlette:
    """Build the venue's app: REST under /v1, WebSocket at /v1."""
    hasher = MessageHasher(chain_id)
    mint = TokenMint(_token_secret(world))
    limiter = RateLimiter(limits or RateLimits())
    ids = Serials(world.now_us() // 1_000_000)
    views = Views(world, exchange, ids)
    log = VenueLog(views)
    keys = KeyRing(exchange, hasher, mint)
    desk = OrderDesk(world, exchange, keys, ids)
    door = Door(world, mint, limiter)
    gate = Gate(views, Feed(views), desk, mint, limiter)
    return Starlette(
        routes=[
            *PublicPaths(views, log, keys, chain_id).routes(door),
            *OrderPaths(views, desk).routes(door),
            *AccountPaths(views, log, desk, keys).routes(door),
            WebSocketRoute("/v1", gate.endpoint),
        ],
        middleware=[
            Middleware(
                HttpFaults,
                desk=world.faults,
                sleep=world.sleep,
                venue=VENUE,
                classify=classify,
                error=fault_response,
            )
        ],
        exception_handlers={404: _no_path, 405: _no_path},
    )


def classify(method: str, path: str) -> str | None:
    """Name what a request does, for the fault desk; None leaves it alone."""
    if path.startswith("/v1/orders") and method in ("POST", "PUT"):
        return "place"
    if path.startswith("/v1/orders") and method == "DELETE":
        return "cancel"
    return "read" if method == "GET" else None


def _token_secret(world: World) -> bytes:
    """Derive the secret of this process's tokens; they guard play money on loopback only."""
    return hashlib.sha256(f"{VENUE}/{world.seed}/{world.wall_us()}".encode()).digest()


async def _no_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(ApiError("NOT_FOUND", f"no {request.method} here", status=error.status_code))
