"""Reading what an estimate needs from the venues: one account's facts each, side by side. Sends no order.

A read that fails leaves its fact unknown, and the estimate says so; the markets must be readable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from connectors.registry import open_client
from connectors.settings import Outside
from connectors.venue import VenueClient
from core.account import AccountRef
from core.errors import VenueError
from core.estimate import AccountFacts
from core.instrument import Market
from core.strategy import Strategy, check_against_markets
from flows.accounts import Account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")


@asynccontextmanager
async def visited(accounts: Mapping[str, Account], world: Outside) -> AsyncIterator[dict[str, VenueClient]]:
    """Connect a client to each account, without streams, and close them all at the end; raises VenueError."""
    async with AsyncExitStack() as stack:
        clients: dict[str, VenueClient] = {}
        for name, account in accounts.items():
            clients[name] = open_client(account.ref.account_id, account.keys, account.endpoints, world)
            stack.push_async_callback(clients[name].aclose)
        await asyncio.gather(*(client.connect() for client in clients.values()))
        yield clients


async def read_facts(
    clients: Mapping[str, VenueClient], accounts: Mapping[str, AccountRef], strategy: Strategy
) -> list[AccountFacts]:
    """Read the facts of an estimate from connected clients.

    Raises VenueError when a venue's markets cannot be read, InvalidStrategy when one does not list the symbol.
    """
    names = list(accounts)
    listed = await asyncio.gather(*(clients[name].markets() for name in names))
    markets = {name: found.get(strategy.symbol) for name, found in zip(names, listed, strict=True)}
    if any(market is None for market in markets.values()):
        check_against_markets(strategy, markets, {})
    known: Sequence[tuple[str, Market]] = [(name, market) for name, market in markets.items() if market is not None]
    return list(await asyncio.gather(*(_facts(clients[name], accounts[name], market) for name, market in known)))


async def _facts(client: VenueClient, account: AccountRef, market: Market) -> AccountFacts:
    book, mark, funding, margin, day, status = await asyncio.gather(
        _known(client.book(market.symbol)),
        _known(client.mark(market.symbol)),
        _known(client.funding_rate(market.symbol)),
        _known(client.margin()),
        _known(client.market_data.statistics(market.symbol)),
        _known(client.market_data.system_status()),
    )
    volume = None if day is None else day.volume_quote
    return AccountFacts(account, market, book, mark, funding, margin, volume, status)


async def _known(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except VenueError:
        return None
