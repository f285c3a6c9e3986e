"""The signed door to Backpack's REST API: clock, signature, request budget. It knows no orders and parses no facts.

(docs.backpack.exchange, Authentication; support.backpack.exchange, API FAQ)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx

from connectors.backpack import build, parse, verdict, wire
from connectors.backpack.auth import WINDOW_MS_DEFAULT, Signer
from connectors.budgets import HERE, budgets_of
from connectors.clock import ClockOffset, measure
from connectors.http import Answer, HttpVenue
from connectors.ratelimit import TokenBucket, retry_after_s
from connectors.settings import BackpackKeys, Endpoints, Outside, Timeouts
from connectors.venue import NotSent, Unknown
from core.credits import Terms
from core.errors import RateLimited, VenueError
from core.instrument import Venue

# support.backpack.exchange, API FAQ: 2000 requests a minute for each subaccount, of historical market data 30. What
# counts for unsigned requests is not said: the same number per network address is assumed.
ACCOUNT = Terms(capacity=200, per_s=25, reserve=20)
ADDRESS = Terms(capacity=200, per_s=25)
HISTORICAL = Terms(capacity=6, per_s=0.4)
HISTORICAL_PATHS = frozenset({"/api/v1/klines", "/api/v1/trades/history"})
HISTORICAL_WAIT_S_MAX = 30.0
CLOCK_AGE_S_MAX = 300.0
CLOCK_RESOLUTION = timedelta(milliseconds=1)


class BackpackRest:
    """Requests of one API key, signed in the venue's time."""

    def __init__(
        self,
        account_id: str,
        keys: BackpackKeys,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare without connecting; raise ConfigurationError for keys that cannot be used."""
        self._account_id = account_id
        self._signer = Signer(keys)
        self._outside = outside
        self._http = HttpVenue(
            Venue.BACKPACK, endpoints.rest_url, outside=outside, timeouts=timeouts, transport=transport
        )
        budgets, url = budgets_of(outside), endpoints.rest_url
        self._budget = budgets.bucket(Venue.BACKPACK, url, "account", keys.api_key, ACCOUNT)
        self._public = budgets.bucket(Venue.BACKPACK, url, "address", HERE, ADDRESS)
        self._historical = budgets.bucket(Venue.BACKPACK, url, "address-historical", HERE, HISTORICAL)
        self.clock_offset: ClockOffset | None = None
        self._is_clock_doubted = False

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        await self._http.aclose()

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        return parse.parse_server_time((await self.read("/api/v1/time")).body)

    async def measure_clock(self) -> ClockOffset:
        """Measure the distance of the venue's clock from ours; from then on requests are signed by it."""
        self.clock_offset = await measure(self.server_time, self._outside.clock, resolution=CLOCK_RESOLUTION)
        self._is_clock_doubted = False
        return self.clock_offset

    def subscription(self) -> list[str]:
        """Sign a stream subscription now."""
        return self._signer.subscription(timestamp_ms=self._venue_ms())

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Do an unsigned read; anything but 200 raises."""
        budget = self._public
        if path in HISTORICAL_PATHS:
            budget = self._historical
            await budget.take(patient=True, wait_s_max=HISTORICAL_WAIT_S_MAX)
        await self._public.take()
        answer = await self._http.read(path, params=params)
        if answer.status != 200:
            raise self._read_error(answer, f"GET {path}", budget)
        return answer

    async def ask(self, request: build.Request, *, or_absent: bool = False) -> Answer:
        """Do a signed read; anything but 200 raises, except a positive "no such thing" where that is an answer.

        One that came too late by the venue's clock is asked once more, after measuring it.
        """
        answer = await self._ask(request)
        if verdict.is_expired(answer):
            self._is_clock_doubted = True
            answer = await self._ask(request)
        if answer.status == 200 or (or_absent and verdict.is_absent(answer)):
            return answer
        raise self._read_error(answer, f"GET {request.path}", self._budget)

    async def _ask(self, request: build.Request) -> Answer:
        await self._keep_clock()
        await self._budget.take()
        return await self._http.read(request.path, params=request.query(), headers=lambda: self._headers(request))

    async def command(
        self, request: build.Request, *, valid_until: datetime | None = None, is_urgent: bool = True
    ) -> Answer | NotSent | Unknown:
        """Sign and send one command once.

        The window is what is left of its validity after waiting for the budget, less what the clock may be wrong by:
        whatever arrives after valid_until is refused by the venue.
        """
        try:
            await self._budget.take(urgent=is_urgent, order=True)
        except RateLimited as limited:
            return NotSent(limited.message)
        window_ms: int | None = WINDOW_MS_DEFAULT
        if valid_until is not None:
            window_ms = build.window_ms(valid_until, self._outside.clock() + self._clock_error())
        if window_ms is None:
            return NotSent(f"backpack: {request.method} {request.path} was no longer valid before it could be sent")
        headers = self._headers(request, window_ms) | {"Content-Type": "application/json; charset=utf-8"}
        answer = await self._http.command(request.method, request.path, content=request.body(), headers=headers)
        if isinstance(answer, Answer):
            self._heed(answer, self._budget)
        return answer

    def _read_error(self, answer: Answer, what: str, budget: TokenBucket) -> VenueError:
        self._heed(answer, budget)
        return verdict.read_error(answer, what, self._account_id)

    def _heed(self, answer: Answer, budget: TokenBucket) -> None:
        """Slow down when told to, and measure the clock again before the next read when a time was not taken."""
        refused = verdict.refusal(answer)
        if refused is None:
            return
        if refused.code == verdict.RATE_LIMITED:
            budget.pause(retry_after_s(answer.headers, verdict.PAUSE_S_DEFAULT))
        elif refused.code == verdict.REQUEST_EXPIRED or verdict.is_ahead(refused):
            self._is_clock_doubted = True

    async def _keep_clock(self) -> None:
        known, now = self.clock_offset, self._outside.clock()
        if known is None or self._is_clock_doubted or (now - known.measured_at).total_seconds() > CLOCK_AGE_S_MAX:
            await self.measure_clock()

    def _clock_error(self) -> timedelta:
        return self.clock_offset.error if self.clock_offset is not None else timedelta(0)

    def _headers(self, request: build.Request, window_ms: int = WINDOW_MS_DEFAULT) -> dict[str, str]:
        return self._signer.headers(
            request.instruction, request.groups(), timestamp_ms=self._venue_ms(), window_ms=window_ms
        )

    def _venue_ms(self) -> int:
        now = self._outside.clock()
        theirs = now if self.clock_offset is None else self.clock_offset.venue_time(now)
        return (theirs - wire.EPOCH) // timedelta(milliseconds=1)
