"""The app: its parts put together, and their life. Routes are one file a noun in `api.routes`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.auth import Keys
from api.context import Services
from api.guard import answer_failure
from api.idempotency import Idempotency
from api.metrics import Metrics
from api.openapi import document
from api.outer import Outer
from api.rate import RateLimit
from api.roster import Roster
from api.routes import accounts, certificates, docs, health, keys, live, page, records, sessions, steering, venues
from api.runs import Runs
from api.settings import ApiSettings
from api.starts import Starter
from api.throttle import FailureThrottle
from api.venues_pool import OpenVenue, VenuesPool
from connectors.registry import open_client
from connectors.settings import Outside
from connectors.venue import VenueClient
from flows.accounts import Account
from flows.wiring import sharing
from store import Store, open_store

PREFECT_TIMEOUT = httpx.Timeout(4.0, connect=2.0)
ROUTERS = (
    sessions.router,
    steering.router,
    records.router,
    certificates.router,
    records.by_ticket,
    accounts.router,
    venues.router,
    keys.router,
    docs.router,
    health.router,
    live.router,
    page.router,
)


def create_app(
    settings: ApiSettings,
    outside: Outside,
    *,
    random: Callable[[int], bytes] = os.urandom,
    prefect: httpx.AsyncBaseTransport | None = None,
    open_venue: OpenVenue | None = None,
    looks_after_starts: bool = True,
) -> FastAPI:
    """Build the API. `prefect` and `open_venue` replace the ways out: to Prefect's server, and to a venue.

    Raises what opening the store raises when the app begins to serve.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        store = await asyncio.to_thread(open_store, settings.home.path, settings.database_url)
        client = httpx.AsyncClient(
            base_url=settings.home.prefect_url, timeout=PREFECT_TIMEOUT, trust_env=False, transport=prefect
        )
        services = _services(settings, outside, store, random=random, client=client, open_venue=open_venue)
        app.state.services = services
        looking_after = asyncio.create_task(services.starter.run()) if looks_after_starts else None
        try:
            yield
        finally:
            if looking_after is not None:
                looking_after.cancel()
                with suppress(asyncio.CancelledError):
                    await looking_after
            await services.pool.aclose()
            await client.aclose()
            await asyncio.to_thread(store.close)

    app = FastAPI(title="Hedging API", version="1", lifespan=life, docs_url=None, redoc_url=None)
    app.add_middleware(Outer)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/web", page.PageFiles())
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _failed)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def _failed(request: Request, error: Exception) -> Response:
    return answer_failure(request, error)


def _services(
    settings: ApiSettings,
    outside: Outside,
    store: Store,
    *,
    random: Callable[[int], bytes],
    client: httpx.AsyncClient,
    open_venue: OpenVenue | None,
) -> Services:
    clock = outside.clock
    runs = Runs(client, sleep=outside.sleep)
    world = sharing(store, outside)

    def open_real(account: Account) -> VenueClient:
        return open_client(account.ref.account_id, account.keys, account.endpoints, world)

    return Services(
        settings=settings,
        store=store,
        outside=outside,
        random=random,
        keys=Keys(store, FailureThrottle(clock)),
        rate=RateLimit(store, clock, limit=settings.rate_per_window, window_s=settings.window_s),
        idempotency=Idempotency(store, clock, keep_s=settings.keep_answers_s, sleep=outside.sleep),
        runs=runs,
        starter=Starter(store, runs, clock, sleep=outside.sleep),
        pool=VenuesPool(open_venue or open_real),
        roster=Roster(settings.home, os.environ),
        metrics=Metrics(),
    )
