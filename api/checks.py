"""What must hold at the venues before a session is created or started. Reads; the rules themselves are core's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from api.context import Services, read
from api.venues_pool import VenueReader
from core.errors import (
    AccountNotActive,
    AuthenticationFailed,
    InsufficientBalance,
    MarketDataUnavailable,
    VenueError,
)
from core.numbers import canonical
from core.order_limits import check_order_limits
from core.risk import FundFacts, fund_check
from core.strategy import Strategy, check_against_markets
from flows.accounts import Account
from flows.startable import require_startable
from flows.wiring import stored_request
from store import Session

T = TypeVar("T")


async def check_strategy(services: Services, strategy: Strategy, accounts: Mapping[str, Account]) -> None:
    """Raise InvalidStrategy or RiskLimitExceeded unless the strategy can be traded on every account's venue.

    Raises MarketDataUnavailable when one cannot be read.
    """
    readers = await _readers(services, accounts)
    listed = await _ask(readers, lambda reader: reader.markets())
    markets = {name: found.get(strategy.symbol) for name, found in listed.items()}
    if any(market is None for market in markets.values()):
        check_against_markets(strategy, markets, {})
    marks = await _ask(readers, lambda reader: reader.mark(strategy.symbol))
    prices = {name: mark.mark for name, mark in marks.items()}
    check_against_markets(strategy, markets, prices)
    check_order_limits(strategy, {name: found[strategy.symbol] for name, found in listed.items()}, prices)


async def check_can_start(services: Services, session: Session, accounts: Mapping[str, Account]) -> None:
    """Raise the error that says why a session cannot start now: accounts, funds or market data.

    Raises AccountNotActive, InsufficientBalance, InvalidStrategy, MarketDataUnavailable, RiskLimitExceeded. The run
    checks all of it again, and more, before its first order.
    """
    request = stored_request(session)
    strategy = request.to_strategy()
    await read(
        require_startable, services.store, session, services.now(), naked_day_max=services.settings.naked_day_max
    )  # fmt: skip
    await check_strategy(services, strategy, accounts)
    readers = await _readers(services, accounts)
    margins = await _ask(readers, lambda reader: reader.margin())
    for name, margin in margins.items():
        if not margin.active:
            raise AccountNotActive(
                f"{margin.venue} says that account {name} is not active (liquidation or disabled)",
                accountId=name, venue=margin.venue.value,
            )  # fmt: skip
    await _require_flat(readers, strategy.symbol)
    books = await _ask(readers, lambda reader: reader.book(strategy.symbol))
    for name, book in books.items():
        if book.mid is None:
            raise MarketDataUnavailable(f"{book.venue} shows no two-sided book of {strategy.symbol}", accountId=name)
    markets = await _ask(readers, lambda reader: reader.markets())
    marks = await _ask(readers, lambda reader: reader.mark(strategy.symbol))
    facts = [
        FundFacts(accounts[name].ref, markets[name][strategy.symbol], marks[name].mark, margins[name])
        for name in accounts
    ]
    short = fund_check(strategy, request.to_goal(), facts)
    if short:
        raise InsufficientBalance(
            "not enough margin: " + "; ".join(
                f"{s.account_id} on {s.venue} needs {s.required:.2f} and has {s.available:.2f}" for s in short
            ) + " (USD). Deposit, or lower maxPositionSize or orderSize.max",
            accounts={
                s.account_id: {"required": float(round(s.required, 2)), "available": float(round(s.available, 2))}
                for s in short
            },
        )  # fmt: skip


async def _require_flat(readers: Mapping[str, VenueReader], symbol: str) -> None:
    """A position that the session did not make is somebody else's; netting into it would trade it away."""
    positions = await _ask(readers, lambda reader: reader.positions())
    for name, held in positions.items():
        quantity = sum((p.quantity for p in held if p.symbol == symbol), Decimal(0))
        if quantity:
            raise AccountNotActive(
                f"account {name} holds {canonical(quantity)} {symbol} that is not this session's; "
                "close it at the venue or use another account",
                accountId=name, position=canonical(quantity),
            )  # fmt: skip


async def _readers(services: Services, accounts: Mapping[str, Account]) -> dict[str, VenueReader]:
    found = await asyncio.gather(*(_translated(services.pool.reader(a), name) for name, a in accounts.items()))
    return dict(zip(accounts, found, strict=True))


async def _ask(readers: Mapping[str, VenueReader], question: Callable[[VenueReader], Awaitable[T]]) -> dict[str, T]:
    """Ask every account's venue at once; what cannot be read is never taken for anything."""
    found = await asyncio.gather(*(_translated(question(reader), name) for name, reader in readers.items()))
    return dict(zip(readers, found, strict=True))


async def _translated(answer: Awaitable[T], name: str) -> T:
    try:
        return await answer
    except AuthenticationFailed as error:
        raise AccountNotActive(f"account {name}: its venue does not accept the key", accountId=name) from error
    except VenueError as error:
        raise MarketDataUnavailable(
            f"account {name}: its venue could not be read ({error.code}); nothing was changed", accountId=name
        ) from error
