"""From an account's keys to its client: the one place that knows all connectors, imported lazily."""

from __future__ import annotations

from typing import assert_never

from connectors.settings import BackpackKeys, Endpoints, Environment, Keys, Outside, PacificaKeys, ParadexKeys, Timeouts
from connectors.surface import WholeClient
from core.instrument import Venue

# Public base URLs. docs.pacifica.fi (API), docs.paradex.trade (environments), docs.backpack.exchange (REST, streams).
ENDPOINTS: dict[tuple[Environment, Venue], Endpoints] = {
    (Environment.TESTNET, Venue.PACIFICA): Endpoints("https://test-api.pacifica.fi", "wss://test-ws.pacifica.fi/ws"),
    (Environment.PRODUCTION, Venue.PACIFICA): Endpoints("https://api.pacifica.fi", "wss://ws.pacifica.fi/ws"),
    (Environment.TESTNET, Venue.PARADEX): Endpoints(
        "https://api.testnet.paradex.trade", "wss://ws.api.testnet.paradex.trade/v1"
    ),
    (Environment.PRODUCTION, Venue.PARADEX): Endpoints(
        "https://api.prod.paradex.trade", "wss://ws.api.prod.paradex.trade/v1"
    ),
    (Environment.PRODUCTION, Venue.BACKPACK): Endpoints("https://api.backpack.exchange", "wss://ws.backpack.exchange"),
}


def sandbox_endpoints(venue: Venue, port_base: int) -> Endpoints:
    """Return the URLs of a venue's local twin: ports base+1 to base+3, WebSocket paths as the venue has them."""
    port = port_base + 1 + list(Venue).index(venue)
    path = {Venue.PACIFICA: "/ws", Venue.PARADEX: "/v1", Venue.BACKPACK: "/"}[venue]
    return Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}{path}")


def open_client(
    account_id: str, keys: Keys, endpoints: Endpoints, outside: Outside, timeouts: Timeouts | None = None
) -> WholeClient:
    """Build the client of one account; nothing is connected yet."""
    timeouts = timeouts or Timeouts()
    match keys:
        case PacificaKeys():
            from connectors.pacifica.client import PacificaClient

            return PacificaClient(account_id, keys, endpoints, outside, timeouts)
        case ParadexKeys():
            from connectors.paradex.client import ParadexClient

            return ParadexClient(account_id, keys, endpoints, outside, timeouts)
        case BackpackKeys():
            from connectors.backpack.client import BackpackClient

            return BackpackClient(account_id, keys, endpoints, outside, timeouts)
        case _:
            assert_never(keys)
