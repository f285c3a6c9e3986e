"""Reading venues for the API: one warm client an account, connected at its first use. Can place and cancel nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connectors.surface import VenueMarketData
from connectors.venue import VenueClient
from core.account import Margin, Position
from core.errors import NotOffered, VenueUnreachable
from core.instrument import Market
from core.market import Book, FundingRate, Mark
from core.market_data import SystemStatus
from flows.accounts import Account

READ_S = 8.0

OpenVenue = Callable[[Account], VenueClient]


@dataclass(frozen=True, slots=True)
class VenueReader:
    """One account's client, reduced to reads; every read is bounded and raises VenueError kinds."""

    account: Account
    _client: VenueClient

    async def margin(self) -> Margin:
        """Read the account's margin."""
        async with _bounded(self.account):
            return await self._client.margin()

    async def positions(self) -> Sequence[Position]:
        """Read all open positions."""
        async with _bounded(self.account):
            return await self._client.positions()

    async def markets(self) -> Mapping[str, Market]:
        """Read the open markets."""
        async with _bounded(self.account):
            return await self._client.markets()

    async def mark(self, symbol: str) -> Mark:
        """Read a mark price."""
        async with _bounded(self.account):
            return await self._client.mark(symbol)

    async def book(self, symbol: str) -> Book:
        """Read a book."""
        async with _bounded(self.account):
            return await self._client.book(symbol)

    async def system_status(self) -> SystemStatus:
        """Read the venue's own state; raises NotOffered where it publishes none."""
        market_data: VenueMarketData | None = getattr(self._client, "market_data", None)
        if market_data is None:
            raise NotOffered(f"{self.account.ref.venue} publishes no state of its own")
        async with _bounded(self.account):
            return await market_data.system_status()

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Read the running funding rate."""
        async with _bounded(self.account):
            return await self._client.funding_rate(symbol)


class VenuesPool:
    """Readers by account; a client that could not connect is tried anew at the next use."""

    def __init__(self, open_venue: OpenVenue) -> None:
        self._open = open_venue
        self._clients: dict[str, VenueClient] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def reader(self, account: Account) -> VenueReader:
        """Return a connected reader; raises VenueError kinds."""
        name = f"{account.environment}/{account.ref.account_id}"
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._clients:
                client = self._open(account)
                try:
                    async with _bounded(account):
                        await client.connect()
                except BaseException:
                    await client.aclose()
                    raise
                self._clients[name] = client
        return VenueReader(account, self._clients[name])

    async def aclose(self) -> None:
        """Close every client."""
        clients, self._clients = list(self._clients.values()), {}
        await asyncio.gather(*(client.aclose() for client in clients))


@asynccontextmanager
async def _bounded(account: Account) -> AsyncIterator[None]:
    """Give a read so many seconds; what takes longer is a venue that cannot be reached."""
    try:
        async with asyncio.timeout(READ_S):
            yield
    except TimeoutError:
        ref = account.ref
        raise VenueUnreachable(
            f"{ref.venue} did not answer for {ref.account_id} within {READ_S:.0f} s",
            venue=ref.venue.value, account=ref.account_id,
        ) from None  # fmt: skip
