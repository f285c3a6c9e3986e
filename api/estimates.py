"""Estimating a session for a caller: facts from the venues, then core's estimate, one at a time in a process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from api.context import Services, read
from api.errors import ServiceUnavailable
from api.venues_pool import VenueReader
from core.errors import MarketDataUnavailable, VenueError
from core.estimate import AccountFacts, Effort, Estimate, estimate
from core.instrument import Market
from core.strategy import Strategy, check_against_markets
from flows.accounts import Account
from store.requests import SessionRequest

T = TypeVar("T")

SEED = 7
WAIT_S = 20.0
EFFORT = Effort(paths=24, pairs_max=1200)


async def estimated(here: Services, request: SessionRequest, accounts: Mapping[str, Account]) -> Estimate:
    """Return what to expect of a session now; what could not be read is a caution in it.

    Raises what creating it would, and MarketDataUnavailable when markets cannot be read.
    """
    strategy = request.to_strategy()
    facts = await _facts(here, strategy, accounts)
    seed = SEED if request.seed is None else request.seed
    try:
        async with asyncio.timeout(WAIT_S):
            await here.estimating.acquire()
    except TimeoutError:
        raise ServiceUnavailable("too many estimates are wished for at once; try again") from None
    try:
        return await read(
            estimate, facts, strategy, request.to_goal(), now=here.now(), seed=seed, effort=EFFORT
        )  # fmt: skip
    finally:
        here.estimating.release()


async def _facts(here: Services, strategy: Strategy, accounts: Mapping[str, Account]) -> list[AccountFacts]:
    try:
        readers = dict(
            zip(accounts, await asyncio.gather(*(here.pool.reader(a) for a in accounts.values())), strict=True)
        )
        listed = await asyncio.gather(*(reader.markets() for reader in readers.values()))
    except VenueError as error:
        raise MarketDataUnavailable(f"a venue's markets could not be read ({error.code})") from error
    markets = {name: found.get(strategy.symbol) for name, found in zip(readers, listed, strict=True)}
    if any(market is None for market in markets.values()):
        check_against_markets(strategy, markets, {})
    known = [(name, market) for name, market in markets.items() if market is not None]
    return list(await asyncio.gather(*(_of(readers[name], market) for name, market in known)))


async def _of(reader: VenueReader, market: Market) -> AccountFacts:
    symbol = market.symbol
    book, mark, funding, margin = await asyncio.gather(
        _known(reader.book(symbol)),
        _known(reader.mark(symbol)),
        _known(reader.funding_rate(symbol)),
        _known(reader.margin()),
    )
    return AccountFacts(reader.account.ref, market, book, mark, funding, margin)


async def _known(answer: Awaitable[T]) -> T | None:
    try:
        return await answer
    except VenueError:
        return None
