"""Watching the terms on which venues hold the session's positions: margins, leverage, what may be withdrawn.

Read beside trading, a few times an hour. What cannot be read stays as it was known; nothing is made up in its place.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from connectors.venue import VenueClient
from core.account import Balance
from core.account_terms import AccountTerms, tightened
from core.errors import NotOffered, VenueError, VenueRejected
from core.instrument import Market
from core.numbers import ZERO
from core.session_risk import RiskBreach
from tasks.books import DOLLARS, records_of
from tasks.desk import Desk

TERMS_EVERY_S = 300.0
_READ_S_MAX = 10.0


async def changed_terms(desk: Desk, known: dict[str, AccountTerms]) -> list[RiskBreach]:
    """Read every account's terms, take them into `known`, and return what was tightened since.

    Margins are compared from the first reading on with those the session began with, the rest from the second. The
    planner reckons with the new margins from here on.
    """
    names = list(desk.clients)
    readings = await asyncio.gather(*(_read(desk, name) for name in names))
    found: list[RiskBreach] = []
    for name, terms in zip(names, readings, strict=True):
        market = desk.markets[name]
        before = known.get(name) or AccountTerms(
            name, market.initial_margin, market.maintenance_margin, None, None, None
        )
        found += tightened(before, terms)
        known[name] = _latest(before, terms)
        desk.markets[name] = replace(
            market,
            initial_margin=known[name].initial_margin or market.initial_margin,
            maintenance_margin=known[name].maintenance_margin or market.maintenance_margin,
        )
    return found


async def _read(desk: Desk, name: str) -> AccountTerms:
    client, margin = desk.clients[name], desk.margins.get(name)
    market = await _market(desk, client, name)
    return AccountTerms(
        name,
        None if market is None else market.initial_margin,
        None if market is None else market.maintenance_margin,
        await _leverage(desk, client),
        await _withdrawable(client),
        None if margin is None else margin.available,
    )


async def _market(desk: Desk, client: VenueClient, name: str) -> Market | None:
    try:
        async with asyncio.timeout(_READ_S_MAX):
            return (await client.markets()).get(desk.symbol)
    except (VenueError, TimeoutError) as error:
        desk.notices.append(f"{name}: the terms of {desk.symbol} could not be read ({error or 'no answer in time'})")
        return None


async def _leverage(desk: Desk, client: VenueClient) -> Decimal | None:
    records = records_of(client)
    try:
        async with asyncio.timeout(_READ_S_MAX):
            return None if records is None else (await records.leverage(desk.symbol)).leverage
    except (NotOffered, VenueRejected, VenueError, TimeoutError):
        return None


async def _withdrawable(client: VenueClient) -> Decimal | None:
    """What of the collateral may leave the venue, quote units; None where it does not say."""
    records = records_of(client)
    try:
        async with asyncio.timeout(_READ_S_MAX):
            held = [] if records is None else await records.balances()
    except (NotOffered, VenueError, TimeoutError):
        return None
    told: list[Balance] = [b for b in held if b.asset in DOLLARS]
    parts = [b.available for b in told if b.available is not None]
    return sum(parts, ZERO) if told and len(parts) == len(told) else None


def _latest(before: AccountTerms, terms: AccountTerms) -> AccountTerms:
    """What is known now: a term that was not told this time is as it was."""

    def kept(now: Decimal | None, was: Decimal | None) -> Decimal | None:
        return was if now is None else now

    return AccountTerms(
        terms.account_id,
        kept(terms.initial_margin, before.initial_margin),
        kept(terms.maintenance_margin, before.maintenance_margin),
        kept(terms.leverage, before.leverage),
        kept(terms.withdrawable, before.withdrawable),
        kept(terms.free, before.free),
    )
