"""Venues: what this system can do there, how they are, and which markets they have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import answers
from api.auth import READERS
from api.context import Here, Services, read
from api.documents.accounts import MarketDocument, MarketsAnswer, UnreadVenue, VenueDocument, VenuesAnswer
from api.guard import GuardedRoute, needs
from api.views.accounts import capability_documents, market_document
from connectors.capabilities import declared_by
from connectors.settings import Environment
from core.errors import VenueError
from core.instrument import Venue
from core.market_data import SystemStatus
from flows.accounts import Account

router = APIRouter(prefix="/api/v1/hedging", route_class=GuardedRoute, tags=["venues"])

Symbol = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9]{1,20}/[A-Z]{2,10}$", examples=["ETH/USD"])]


@router.get("/venues", response_model=VenuesAnswer, responses=answers())
@needs(READERS)
async def venues(here: Here) -> VenuesAnswer:
    """List the venues with their capabilities and, through one of its accounts each, their own state."""
    directory = await here.roster.directory()
    every = directory.every()
    shown = await asyncio.gather(*(_venue(here, v, [a for a in every if a.ref.venue is v]) for v in Venue))
    return VenuesAnswer(venues=list(shown))


@router.get("/markets", response_model=MarketsAnswer, responses=answers())
@needs(READERS)
async def markets(here: Here, symbol: Symbol = None) -> MarketsAnswer:
    """List the markets of every venue and environment in which there is an account, or one symbol's."""
    directory = await here.roster.directory()
    one_each = {(a.ref.venue, a.environment): a for a in reversed(directory.every())}
    found = await asyncio.gather(*(_markets(here, account, symbol) for account in one_each.values()))
    listed = [market for part in found if not isinstance(part, UnreadVenue) for market in part]
    return MarketsAnswer(
        markets=sorted(listed, key=lambda m: (m.symbol, m.venue, m.environment)),
        unread=[part for part in found if isinstance(part, UnreadVenue)],
        as_of=here.now(),
    )


async def _markets(here: Services, account: Account, symbol: str | None) -> Sequence[MarketDocument] | UnreadVenue:
    environment = account.environment.value
    try:
        reader = await here.pool.reader(account)
        found = await reader.markets()
    except VenueError as error:
        return UnreadVenue(venue=account.ref.venue.value, environment=environment, reason=_why(error))
    return [market_document(m, environment) for m in found.values() if symbol in (None, m.symbol)]


async def _venue(here: Services, venue: Venue, accounts: Sequence[Account]) -> VenueDocument:
    status, reason = await _status(here, accounts)
    capabilities = await read(declared_by, venue)
    return VenueDocument(
        venue=venue.value,
        environments=[e.value for e in Environment if any(a.environment is e for a in accounts)],
        accounts=[a.ref.account_id for a in accounts],
        system_status=None if status is None else status.state.value,
        status_text=None if status is None else status.text,
        as_of=None if status is None else status.received_time,
        reason=reason,
        capabilities=list(capability_documents(capabilities)),
    )


async def _status(here: Services, accounts: Sequence[Account]) -> tuple[SystemStatus | None, str | None]:
    """The state of the last, which is the most real, environment that has an account."""
    if not accounts:
        return None, "no account of this installation is there"
    try:
        reader = await here.pool.reader(accounts[-1])
        return await reader.system_status(), None
    except VenueError as error:
        return None, _why(error)


def _why(error: VenueError) -> str:
    return f"could not be read ({error.code})"
