"""What a request's handler may use: the services of this process, and who calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from api.auth import Keys
from api.idempotency import Idempotency
from api.metrics import Metrics
from api.pair_texts import PairTexts
from api.rate import RateLimit
from api.roster import Roster
from api.runs import Runs
from api.settings import ApiSettings
from api.starts import Starter
from api.venues_pool import VenuesPool
from connectors.settings import Outside
from store import Store
from store.api_records import ApiKey

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Services:
    """Everything that lives as long as the process. random gives secret bytes; estimates are made one at a time."""

    settings: ApiSettings
    store: Store
    outside: Outside
    random: Callable[[int], bytes]
    keys: Keys
    rate: RateLimit
    idempotency: Idempotency
    runs: Runs
    starter: Starter
    pool: VenuesPool
    roster: Roster
    metrics: Metrics
    pair_texts: PairTexts = field(default_factory=PairTexts)
    estimating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def now(self) -> datetime:
        """The time, from the clock this process was given."""
        return self.outside.clock()


async def read(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the store without holding up the other requests."""
    return await asyncio.to_thread(question, *args, **kwargs)


def services_of(request: Request) -> Services:
    """Return the services of the app that got the request."""
    services: Services = request.app.state.services
    return services


def caller_of(request: Request) -> ApiKey:
    """Return the key of a request that the guard let through."""
    key: ApiKey = request.state.key
    return key


Here = Annotated[Services, Depends(services_of)]
Caller = Annotated[ApiKey, Depends(caller_of)]
