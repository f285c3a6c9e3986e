"""Opening an account at a venue with its own key, once, because an operator asked for it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from connectors.registry import open_client
from connectors.settings import Outside
from core.errors import NotOffered
from flows.accounts import Account


class _Onboarding(Protocol):
    async def register(self, ethereum_account: str) -> None: ...


@runtime_checkable
class _Onboards(Protocol):
    @property
    def onboarding(self) -> _Onboarding: ...


async def onboard(account: Account, ethereum_account: str, world: Outside) -> None:
    """Open the account at its venue; harmless when it is open already, and it moves no money.

    ethereum_account: the wallet's public address (0x, 40 hex digits), which the venue writes beside the account. Raises
    NotOffered where a venue opens accounts on its own site only, ConfigurationError for an address or key that cannot
    do it, and VenueError kinds.
    """
    client = open_client(account.ref.account_id, account.keys, account.endpoints, world)
    try:
        if not isinstance(client, _Onboards):
            raise NotOffered(
                f"{account.ref.venue} opens accounts by itself only: do it on the venue's site, then check the account",
                venue=str(account.ref.venue),
            )
        await client.onboarding.register(ethereum_account)
    finally:
        await client.aclose()
