"""Looking at an account through its venue, read-only: what it says of itself, or in words why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

from connectors.clock import measure
from connectors.registry import open_client
from connectors.settings import Outside
from connectors.surface import VenueRecords
from connectors.venue import VenueClient
from core.account import FeeTier, Margin, Position
from core.errors import (
    AuthenticationFailed,
    HedgeError,
    NotOffered,
    NotOnboarded,
    RateLimited,
    VenueError,
    VenueUnavailable,
    VenueUnreachable,
)
from core.market_data import SystemStatus
from flows.accounts import Account

LOOK_S = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One account as its venue shows it. problem: why it could not be seen, None when it could.

    offset: the venue's clock minus ours, error its bound. tier and status are None where the venue has none.
    """

    account: Account
    margin: Margin | None = None
    positions: Sequence[Position] = ()
    offset: timedelta | None = None
    offset_error: timedelta | None = None
    tier: FeeTier | None = None
    status: SystemStatus | None = None
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        """True when the venue answered everything and says that the account is active."""
        return self.problem is None and self.margin is not None and self.margin.active


@runtime_checkable
class _WithRecords(Protocol):
    @property
    def records(self) -> VenueRecords: ...


async def look_at_all(accounts: Mapping[str, Account], world: Outside) -> list[Seen]:
    """Look at accounts side by side; never raises for what a venue does or does not do."""
    return list(await asyncio.gather(*(look_at(account, world) for account in accounts.values())))


async def look_at(account: Account, world: Outside) -> Seen:
    """Connect, read, close; changes nothing at the venue."""
    try:
        async with asyncio.timeout(LOOK_S):
            client = open_client(account.ref.account_id, account.keys, account.endpoints, world)
            try:
                await client.connect()
                return await _read(account, client, world)
            finally:
                await client.aclose()
    except HedgeError as error:
        return Seen(account, problem=in_words(error))
    except TimeoutError:
        return Seen(account, problem=f"{account.ref.venue} took longer than {LOOK_S:.0f} s to answer; try again later")


async def _read(account: Account, client: VenueClient, world: Outside) -> Seen:
    offset = client.clock_offset or await measure(client.server_time, world.clock)
    margin, positions = await asyncio.gather(client.margin(), client.positions())
    return Seen(
        account, margin, positions, offset.offset, offset.error,
        tier=await _tier(client), status=await _status(client),
    )  # fmt: skip


async def _tier(client: VenueClient) -> FeeTier | None:
    if not isinstance(client, _WithRecords):
        return None
    try:
        return await client.records.fee_tier()
    except NotOffered:
        return None


async def _status(client: VenueClient) -> SystemStatus | None:
    try:
        return await client.market_data.system_status()
    except NotOffered:
        return None


def in_words(error: HedgeError) -> str:
    """Say what a failure means and what to do about it, with the venue's own words."""
    match error:
        case NotOnboarded():
            advice = "the venue has no such account yet, or knows it under another address"
        case AuthenticationFailed():
            advice = "the venue does not accept the key; check address and key, then add the account again"
        case VenueUnreachable():
            advice = "the venue cannot be reached; check this machine's network and the venue's status page"
        case VenueUnavailable():
            advice = "the venue says that it is closed or overloaded; try again later"
        case RateLimited():
            advice = "the request budget is spent; try again in a minute"
        case VenueError():
            advice = "the venue's answer could not be used"
        case _:
            return str(error)
    return f"{advice} ({error})"


def money(value: Decimal) -> str:
    """Quote units for people."""
    return f"{value:,.2f}"
