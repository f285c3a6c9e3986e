"""An API in this process: a real store, a virtual clock, fake venues, and a Prefect that does as it is told.

Nothing here patches the API: the ways out (to Prefect, to venues, the clock) are what `create_app` takes.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.auth import make_key
from api.context import Services
from api.settings import ApiSettings
from connectors.settings import Outside
from connectors.venue import VenueClient
from core.instrument import Venue
from flows.accounts import Account
from store import Store
from store.api_records import Scope
from store.home import Home
from tests.fakes.clock import FakeClock
from tests.fakes.empty_store import lay_empty_store
from tests.fakes.venue import FakeVenue
from tests.fakes.world import market

D = Decimal
BASE = "/api/v1/hedging"
STRATEGY: dict[str, Any] = {
    "symbol": "ETH/USD",
    "volumeDistribution": "equal",
    "priceRange": {"min": 0.001, "max": 0.01},
    "timing": {"minInterval": 30, "maxInterval": 120, "orderSize": {"min": 100, "max": 500}},
    "riskLimits": {"maxPositionSize": 0.1, "stopLossThreshold": 0.05, "maxSlippage": 0.02},
    "orderTypes": {"primary": "limit", "fallback": "market"},
}
FORM_A: dict[str, Any] = {"strategy": STRATEGY, "accounts": ["account1", "account2"], "duration": 300000}
FORM_B: dict[str, Any] = {
    "name": "ETH Delta Neutral", "accountIds": ["account1", "account2"], "volumeTarget": 10000, "strategy": STRATEGY,
}  # fmt: skip


class FakePrefect(httpx.AsyncBaseTransport):
    """A Prefect server: creates one run per idempotency key, and fails as it is told to.

    created: parameters of each run by idempotency key. states, and since when (where told): by run. asked: how often a
    run was asked for. failures: what the next requests to create a run get instead of an answer: an HTTP status, or an
    exception; creates_before_failing: the run is created all the same (the answer is lost). is_deaf_to_questions:
    whether a run is there is not answered.
    """

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.since: dict[str, datetime] = {}
        self.asked = 0
        self.failures: list[int | Exception] = []
        self.creates_before_failing = False
        self.is_away = False
        self.is_deaf_to_questions = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request as Prefect's REST API does."""
        await asyncio.sleep(0)
        if self.is_away:
            raise httpx.ConnectError("nobody listens")
        path = request.url.path
        if path == "/api/health":
            return httpx.Response(200, json=True)
        if path.startswith("/api/deployments/name/"):
            return httpx.Response(200, json={"id": "deployment-" + path.rsplit("/", 1)[-1]})
        if path.endswith("/create_flow_run"):
            return self._create(json.loads(request.content))
        if path == "/api/flow_runs/filter" and self.is_deaf_to_questions:
            return httpx.Response(503, json={"detail": "database is locked"})
        if path == "/api/flow_runs/filter":
            keys = json.loads(request.content)["flow_runs"]["idempotency_key"]["any_"]
            return httpx.Response(200, json=[{"id": _run_id(key)} for key in keys if key in self.created])
        found = re.fullmatch(r"/api/flow_runs/(.+)", path)
        if found and found.group(1) in self.states:
            return httpx.Response(200, json=self._state(found.group(1)))
        return httpx.Response(404, json={"detail": "not found"})

    def _state(self, run_id: str) -> dict[str, Any]:
        kind, since = self.states[run_id], self.since.get(run_id)
        return {"state_type": kind, **({"state": {"type": kind, "timestamp": since.isoformat()}} if since else {})}

    def _create(self, wish: dict[str, Any]) -> httpx.Response:
        self.asked += 1
        key = wish["idempotency_key"]
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.creates_before_failing:
            self.created.setdefault(key, wish["parameters"])
            self.states.setdefault(_run_id(key), "SCHEDULED")
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return httpx.Response(failure, json={"detail": "database is locked"})
        return httpx.Response(201, json={"id": _run_id(key)})


def _run_id(key: str) -> str:
    return f"run-{key}"


@dataclass
class ApiWorld:
    """What outlives an app: the data folder, the clock, the venues, Prefect. Apps are opened on it, one or more."""

    home: Home
    clock: FakeClock = field(default_factory=FakeClock)
    prefect: FakePrefect = field(default_factory=FakePrefect)
    venues: dict[str, FakeVenue] = field(default_factory=dict)
    rate: int = 100_000
    changes: dict[str, Any] = field(default_factory=dict)
    breaks: Exception | None = None

    def venue(self, account: Account) -> VenueClient:
        """The fake venue of an account; raises what `breaks` holds instead, as a defect of ours would."""
        if self.breaks is not None:
            raise self.breaks
        name = account.ref.account_id
        if name not in self.venues:
            floor = [v for v in self.venues.values() if v.venue is account.ref.venue]
            self.venues[name] = FakeVenue(account.ref, market(Venue(account.ref.venue)), self.clock, floor=floor)
        return self.venues[name]

    def app(self) -> FastAPI:
        """Build an app on this world; it begins to live in `opened`."""
        outside = Outside(self.clock, _yield_only, random.Random(1))
        settings = replace(ApiSettings(self.home, rate_per_window=self.rate), **self.changes)
        return create_app(
            settings, outside, prefect=self.prefect, open_venue=self.venue, looks_after_starts=False
        )  # fmt: skip

    @asynccontextmanager
    async def opened(self, scopes: tuple[Scope, ...] = (Scope.ADMIN,)) -> AsyncIterator[Api]:
        """One living app with a key of these scopes."""
        lay_empty_store(self.home.path)
        app = self.app()
        async with app.router.lifespan_context(app):
            api = Api(self, app)
            api.key = api.new_key(*scopes)
            yield api


@dataclass
class Api:
    """A living app and a client of it."""

    world: ApiWorld
    app: FastAPI
    key: str = ""

    @property
    def services(self) -> Services:
        """What the app runs on."""
        services: Services = self.app.state.services
        return services

    @property
    def store(self) -> Store:
        """The app's store."""
        return self.services.store

    def new_key(self, *scopes: Scope, name: str = "test") -> str:
        """Make a key and return its text."""
        key, text = make_key(name, scopes, at=self.world.clock(), random=os.urandom)
        self.store.journal.create_api_key.now(key)
        return text

    async def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None,
        headers: Mapping[str, str] | None = None, content: bytes | None = None, base: str = BASE,
        address: str = "127.0.0.1",
    ) -> httpx.Response:  # fmt: skip
        """Make one call from an address; key "" sends none."""
        sent = dict(headers or {})
        text = self.key if key is None else key
        if text:
            sent["Authorization"] = f"Bearer {text}"
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            if body is not None:
                return await client.request(method, base + path, json=body, headers=sent)
            return await client.request(method, base + path, content=content, headers=sent)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """POST."""
        return await self.call("POST", path, body, **options)

    async def created(self, form: Mapping[str, Any] = FORM_A, **changes: Any) -> str:
        """Create a session and return its id."""
        answer = await self.post("/sessions", {**form, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["session"]["id"])

    async def started(self, **changes: Any) -> str:
        """Create and start a session; return its id."""
        session_id = await self.created(**changes)
        answer = await self.post(f"/sessions/{session_id}/start")
        assert answer.status_code == 200, answer.text
        return session_id


async def _yield_only(seconds: float) -> None:
    """Let others run; no time passes."""
    await asyncio.sleep(0)


def code_of(answer: httpx.Response) -> str:
    """The error code of a refusal, after checking that it is one by the contract."""
    document = answer.json()
    assert document["success"] is False
    assert set(document) == {"success", "error", "timestamp"}
    assert set(document["error"]) == {"code", "message", "details"}
    assert answer.headers["X-Request-Id"]
    return str(document["error"]["code"])


Make = Callable[..., ApiWorld]


def new_home(folder: Path) -> Home:
    """A data folder with ports that nobody uses."""
    return Home(folder, 27_100, 27_200, 27_300)
