"""Whether Paradex knows the account of a key, and opening it: once in an account's life, before its first token.

docs.paradex.trade, API reference, "Onboarding"; message `Constant(action)` signed by the account's main Stark key. The
wallet's Ethereum address is told and not proven, so no L1 key is asked for. A subkey cannot open its account. It is
never done unasked: connecting only says what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.paradex import parse
from connectors.paradex.auth import StarkKey
from connectors.paradex.rest import ParadexRest
from core.errors import ConfigurationError

_ETHEREUM = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the venue says of the account whose main key this is. exists None: it was not to be learnt, never "no".

    is_ours: whether that account is the configured one; else the key is a subkey, or of another account.
    """

    address: str | None
    exists: bool | None
    is_ours: bool | None


class ParadexOnboarding:
    """Onboarding of one account; works before connect()."""

    def __init__(self, key: StarkKey, rest: ParadexRest) -> None:
        self._key = key
        self._rest = rest

    async def standing(self) -> Standing:
        """Ask whether the venue has the key's account. Raises VenueError kinds when it cannot be reached."""
        body = await self._rest.onboarding()
        if body is None or not body.address:
            return Standing(None, None, self._rest.is_main_key)
        address = parse.address(body.address)
        return Standing(hex(address), body.exists, address == self._key.account)

    async def register(self, ethereum_account: str) -> None:
        """Open the account at the venue; harmless when it is open already. Changes nothing else and moves no money.

        ethereum_account is the wallet's public L1 address, 0x and 40 hex digits. Raises ConfigurationError for anything
        else and for a key that is not the account's own, AuthenticationFailed or VenueRejected when the venue refuses,
        VenueUnreachable when no answer came: then ask `standing`, or do it again.
        """
        if _ETHEREUM.fullmatch(ethereum_account) is None:
            raise ConfigurationError(
                "paradex: the Ethereum account is not an address; give 0x and 40 hex digits, never a key",
                field="ethereum_account",
            )
        await self._rest.prepare()
        if self._rest.is_main_key is False:
            raise ConfigurationError(
                f"paradex: the key of account {self._key.account_text} is not its main key, and a subkey cannot open "
                "an account; log in once with the wallet on the venue's site, or give the account's own L2 key",
                field="private_key",
            )
        await self._rest.onboard(ethereum_account)
