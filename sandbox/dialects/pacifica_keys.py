"""Pacifica's agent wallets and rate-limit keys.

Duty: bind, list and revoke. Must not verify signatures (the desk does).
Source: docs.pacifica.fi, API Agent Keys; API Config Keys.
"""

from __future__ import annotations

import random
from typing import Final

import base58

from sandbox.dialects.pacifica_auth import is_public_key
from sandbox.dialects.pacifica_errors import ApiError, invalid_public_key

AGENTS_MAX: Final = 20
API_KEYS_MAX: Final = 5


class KeyRing:
    """Agents by account and rate-limit keys of one exchange."""

    def __init__(self, seed: int) -> None:
        self._agents: dict[str, list[str]] = {}
        self._api_keys: dict[str, str] = {}  # key -> account
        self._random = random.Random(f"{seed}/pacifica/api-keys")

    def is_api_key(self, key: str | None) -> bool:
        """Whether a rate-limit key is known."""
        return key in self._api_keys

    def is_agent(self, account: str, agent: str) -> bool:
        """Whether an agent wallet is bound to an account."""
        return agent in self._agents.get(account, [])

    def agents(self, account: str) -> list[str]:
        """Agents of an account."""
        return list(self._agents.get(account, []))

    def bind(self, account: str, agent: str) -> None:
        """Bind an agent wallet; binding it again changes nothing."""
        if not is_public_key(agent):
            raise invalid_public_key()
        agents = self._agents.setdefault(account, [])
        if agent not in agents:
            if len(agents) >= AGENTS_MAX:
                raise ApiError(422, "Agent wallet limit reached", code=0)
            agents.append(agent)

    def revoke(self, account: str, agent: str) -> None:
        """Unbind an agent wallet."""
        self._agents[account] = [a for a in self._agents.get(account, []) if a != agent]

    def revoke_all(self, account: str) -> None:
        """Unbind all agent wallets."""
        self._agents.pop(account, None)

    def api_keys(self, account: str) -> list[str]:
        """Rate-limit keys of an account."""
        return [key for key, owner in self._api_keys.items() if owner == account]

    def create_api_key(self, account: str) -> str:
        """Make a rate-limit key."""
        if len(self.api_keys(account)) >= API_KEYS_MAX:
            raise ApiError(422, "API key limit reached", code=0)
        uuid_part = base58.b58encode(self._random.randbytes(16)).decode()
        key = f"{base58.b58encode(self._random.randbytes(8)).decode()[:8]}_{uuid_part}"
        self._api_keys[key] = account
        return key

    def revoke_api_key(self, account: str, key: str) -> None:
        """Drop a rate-limit key."""
        if self._api_keys.get(key) != account:
            raise ApiError(404, "API key not found")
        del self._api_keys[key]
