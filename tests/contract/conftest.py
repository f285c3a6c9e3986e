"""Fixtures of the contract suite: the twins once for a module, and a bench with a fresh account for every card."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from connectors.capabilities import declared_by
from connectors.registry import open_client, sandbox_endpoints
from connectors.settings import Outside, Timeouts
from connectors.venue import VenueClient
from core.instrument import Venue
from tests.connectors.conftest import Twins, real_outside, twins
from tests.contract.bench import Bench, Twin, new_keys, unopened_keys

__all__ = ["opened", "real_outside", "twins", "venue"]

ACCOUNT_ID = "acc-1"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Door:
    """The control door of running twins, with their own truth."""

    twins: Twins

    def arm(self, venue: str, kind: str, **request: object) -> None:
        """Arm a fault of one venue."""
        self.twins.arm(venue, kind, **request)

    def control(self, door: str, **request: object) -> dict[str, object]:
        """POST to one of the control doors."""
        return self.twins.control(door, **request)

    def state(self) -> dict[str, Any]:
        """Every venue's own truth."""
        answer = httpx.get(f"{self.twins.control_url}/control/state", timeout=10, trust_env=False)
        said: dict[str, Any] = answer.raise_for_status().json()
        return said


@asynccontextmanager
async def opened(name: Venue, twins: Twins, outside: Outside) -> AsyncIterator[Bench]:
    """One venue through its twin: a fresh, funded account, connected; its feed not started."""
    keys, known = new_keys(name, next(NUMBERS))
    twin = Twin(name, Door(twins), known.get("account", known["publicKey"]))
    twins.open_account(venue=str(name), balance="10000", **known)
    twins.control("limits", venue=str(name), per_minute=100_000)

    def another() -> VenueClient:
        endpoints = sandbox_endpoints(name, twins.port_base)
        return open_client(ACCOUNT_ID, keys, endpoints, outside, Timeouts(command_s=2.0))

    def newcomer() -> VenueClient:
        endpoints = sandbox_endpoints(name, twins.port_base)
        return open_client("new-1", unopened_keys(name, next(NUMBERS)), endpoints, outside, Timeouts(command_s=2.0))

    client = another()
    await client.connect()
    yield Bench(client, declared_by(name), outside, another, twin, newcomer=newcomer)
    await client.aclose()
    twin.calm()


@pytest.fixture
async def venue(request: pytest.FixtureRequest, twins: Twins, real_outside: Outside) -> AsyncIterator[Bench]:
    """One venue through its twin: a fresh, funded account, connected; its feed not started."""
    async with opened(request.param, twins, real_outside) as bench:
        yield bench
