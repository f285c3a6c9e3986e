"""Where each twin listens, and the base URLs that follow from it.

Duty: addresses only. Control is on the base port, the venues follow in fixed order.
"""

from __future__ import annotations

HOST = "127.0.0.1"
CONTROL_OFFSET = 0
VENUE_OFFSETS: dict[str, int] = {"pacifica": 1, "paradex": 2, "backpack": 3}
_REST_PATHS: dict[str, str] = {"pacifica": "/api/v1", "paradex": "/v1", "backpack": ""}
_WS_PATHS: dict[str, str] = {"pacifica": "/ws", "paradex": "/v1", "backpack": "/"}


def venue_port(port_base: int, venue: str) -> int:
    """Port of one venue's twin."""
    return port_base + VENUE_OFFSETS[venue]


def rest_url(port_base: int, venue: str) -> str:
    """Base URL for REST calls, as the venue's documents give it."""
    return f"http://{HOST}:{venue_port(port_base, venue)}{_REST_PATHS[venue]}"


def ws_url(port_base: int, venue: str) -> str:
    """URL of the WebSocket."""
    return f"ws://{HOST}:{venue_port(port_base, venue)}{_WS_PATHS[venue]}"
