"""The account's session token: fetched once for everybody, renewed before it ends. It never shows a token.

docs.paradex.trade, "API authentication": a token lives five minutes and cannot be extended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.paradex.auth import token_lifetime_s
from connectors.settings import Outside
from core.errors import VenueError

log = logging.getLogger(__name__)

LIFE_S_MAX = 300
RENEW_AT = 0.6  # of its life: at three of five minutes
MARGIN_S = 10.0  # a token this near its end is not used any more
RETRY_S = 5.0

_Fetch = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    renew_at: datetime
    unusable_at: datetime


class TokenKeeper:
    """Holds the token of one account. At most one request for a new one is under way; all callers share its end."""

    def __init__(self, fetch: _Fetch, outside: Outside) -> None:
        self._fetch = fetch
        self._outside = outside
        self._token: _Token | None = None
        self._flight: asyncio.Task[str] | None = None

    async def current(self) -> str:
        """Return a usable token, fetching one when there is none. Raises what the fetch raises."""
        token = self._token
        if token is not None and self._outside.clock() < token.unusable_at:
            return token.text
        return await self._renew()

    async def renewed(self, refused: str) -> str:
        """Return a token other than the one the venue has just refused."""
        token = self._token
        if token is not None and token.text != refused:
            return await self.current()
        return await self._renew()

    async def keep_fresh(self) -> None:
        """Renew in time, for as long as this runs, so that no order waits for a token."""
        while True:
            token = self._token
            wait_s = (token.renew_at - self._outside.clock()).total_seconds() if token is not None else RETRY_S
            if wait_s > 0:
                await self._outside.sleep(wait_s)
                continue
            try:
                await self._renew()
            except VenueError as failure:
                log.warning("venue=paradex token not renewed, next try in %.0f s: %s", RETRY_S, failure)
                await self._outside.sleep(RETRY_S)

    async def aclose(self) -> None:
        """Forget the token and end a request under way."""
        self._token = None
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _renew(self) -> str:
        if self._flight is None:
            self._flight = asyncio.create_task(self._take_new(), name="paradex-token")
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    async def _take_new(self) -> str:
        began = self._outside.clock()
        text = await self._fetch()
        life_s = min(token_lifetime_s(text) or LIFE_S_MAX, LIFE_S_MAX)
        self._token = _Token(
            text=text,
            renew_at=began + timedelta(seconds=life_s * RENEW_AT),
            unusable_at=began + timedelta(seconds=max(life_s - MARGIN_S, life_s * RENEW_AT)),
        )
        return text

    def _landed(self, flight: asyncio.Task[str]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # seen here too, in case every waiter has gone
