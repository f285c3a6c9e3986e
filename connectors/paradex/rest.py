"""Paradex by REST as this account: budgets, token, clock, signing, pages. It sends and reads; it knows no orders' fate.

docs.paradex.trade: "Rate limits", "API authentication".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx

from connectors.http import Answer, HttpVenue
from connectors.paradex import build, outcomes, parse
from connectors.paradex.auth import OrderFields, Signer, StarkCurve, StarkKey
from connectors.paradex.tokens import TokenKeeper
from connectors.paradex.wire import Shape, SystemConfig, SystemTime, TokenBody, page, read_json, shaped, violation
from connectors.ratelimit import TokenBucket, retry_after_s
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.venue import NotSent, Unknown
from core.errors import VenueError, VenueUnreachable
from core.instrument import Venue

log = logging.getLogger(__name__)

PAGES_MAX = 200


class ParadexRest:
    """REST of one account: every private request carries the one current token."""

    def __init__(
        self,
        key: StarkKey,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        curve: StarkCurve,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Prepare without connecting."""
        self._key = key
        self._rest_url = endpoints.rest_url
        self._outside = outside
        self._curve = curve
        self._http = HttpVenue(
            Venue.PARADEX, endpoints.rest_url, outside=outside, timeouts=timeouts, transport=transport
        )
        # The venue's cap of 1500 private requests a minute and address, shared between commands and reads.
        self._commands = TokenBucket(Venue.PARADEX, capacity=200, per_s=15, reserve=50, outside=outside)
        self._private_reads = TokenBucket(Venue.PARADEX, capacity=100, per_s=10, outside=outside)
        self._public_reads = TokenBucket(Venue.PARADEX, capacity=200, per_s=20, outside=outside)
        self.tokens = TokenKeeper(self._fetch_token, outside)
        self._signer: Signer | None = None
        self._clock_offset = timedelta(0)
        self._last_timestamp_ms = 0
        self._renewing: asyncio.Task[None] | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Learn chain and clock, get a token, and keep it fresh from here on; harmless when done again.

        Raises ProtocolViolation when the chain is not this host's, AuthenticationFailed when no token is given.
        """
        config = await self.fetch(SystemConfig, "/v1/system/config", "system config", public=True)
        chain_id = parse.check_system(config, self._rest_url)
        self._signer = await asyncio.to_thread(Signer, self._key, chain_id, self._curve)
        await self.tokens.current()
        if self._renewing is None:
            self._renewing = asyncio.create_task(self.tokens.keep_fresh(), name="paradex-token-renewal")

    async def aclose(self) -> None:
        """End the renewal, forget the token, close the connections; safe to call twice."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self.tokens.aclose()
        await self._http.aclose()

    async def server_time(self) -> datetime:
        """Read the venue's clock, and set ours to it: never ahead, so that no timestamp lies in its future."""
        body = await self.fetch(SystemTime, "/v1/system/time", "system time", public=True)
        venue_time = parse.moment(body.server_time)
        self._clock_offset = venue_time - self._outside.clock()
        return venue_time

    # --- commands ------------------------------------------------------------------------------------------------

    async def permit(self) -> str:
        """Wait for a place in the order budget and return the token to send with. Raises VenueError kinds."""
        await self._commands.take()
        return await self.tokens.current()

    async def post_order(self, content: bytes, token: str) -> Answer | NotSent | Unknown:
        """Send one order exactly once. When the token was refused, have a new one ready for the next."""
        headers = {**_bearer(token), "content-type": "application/json"}
        answer = await self._http.command("POST", "/v1/orders", content=content, headers=headers)
        if isinstance(answer, Answer):
            self._obey(answer, self._commands)
            if answer.status == 401:
                await self._replace_token(token)
        return answer

    async def delete(self, path: str) -> Answer | NotSent | Unknown:
        """Send a cancel. A refused token proves that it was not taken, so it goes once more with a new one."""
        try:
            await self._commands.take(urgent=True)
            token = await self.tokens.current()
            answer = await self._http.command("DELETE", path, headers=_bearer(token))
            if isinstance(answer, Answer) and answer.status == 401:
                token = await self.tokens.renewed(token)
                answer = await self._http.command("DELETE", path, headers=_bearer(token))
        except VenueError as failure:
            return NotSent(failure.message)
        if isinstance(answer, Answer):
            self._obey(answer, self._commands)
        return answer

    async def sign(self, fields: OrderFields) -> str:
        """Sign an order; in a thread where the curve library is slow enough to hold up the loop."""
        signer = self._require_signer()
        if self._curve.is_fast:
            return signer.sign_order(fields)
        return await asyncio.to_thread(signer.sign_order, fields)

    def next_timestamp_ms(self) -> int:
        """The venue's time in ms, strictly increasing: no two orders share a signed timestamp."""
        now_ms = build.millis(self._outside.clock() + self._clock_offset)
        self._last_timestamp_ms = max(now_ms, self._last_timestamp_ms + 1)
        return self._last_timestamp_ms

    # --- reads ---------------------------------------------------------------------------------------------------

    async def read(self, path: str, params: Mapping[str, str] | None = None, *, public: bool = False) -> Answer:
        """GET; a private read refused with 401 is asked once more with a new token."""
        bucket = self._public_reads if public else self._private_reads
        await bucket.take()
        if public:
            answer = await self._http.read(path, params=params)
        else:
            token = await self.tokens.current()
            answer = await self._http.read(path, params=params, headers=lambda: _bearer(token))
            if answer.status == 401:
                renewed = await self.tokens.renewed(token)
                answer = await self._http.read(path, params=params, headers=lambda: _bearer(renewed))
        self._obey(answer, bucket)
        return answer

    async def fetch(
        self, shape: type[Shape], path: str, what: str, params: Mapping[str, str] | None = None, *, public: bool = False
    ) -> Shape:
        body = outcomes.require_ok(await self.read(path, params, public=public), what)
        return shaped(shape, read_json(body, what), what)

    async def results(
        self, path: str, what: str, params: Mapping[str, str] | None = None, *, public: bool = False
    ) -> tuple[dict[str, Any], ...]:
        """Read a list that comes whole."""
        return page(outcomes.require_ok(await self.read(path, params, public=public), what), what).rows

    async def all_pages(self, path: str, what: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """Read a paged list to its end; more pages than the bound, or a cursor that repeats, is a violation."""
        rows: list[dict[str, Any]] = []
        query = {**params, "page_size": str(build.PAGE_SIZE)}
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            got = page(outcomes.require_ok(await self.read(path, query), what), what)
            rows.extend(got.rows)
            if got.next_cursor is None:
                return rows
            if got.next_cursor in seen:
                raise violation(f"{what} repeats its cursor")
            seen.add(got.next_cursor)
            query["cursor"] = got.next_cursor
        raise violation(f"{what} has more than {PAGES_MAX} pages; ask for a shorter time")

    # --- token ---------------------------------------------------------------------------------------------------

    async def _fetch_token(self) -> str:
        """Set the clock, sign and ask for a token. Asking twice harms nothing; it still is one request, unretried."""
        signer = self._require_signer()
        timestamp_s = int((await self.server_time()).timestamp())
        expiration_s = timestamp_s + build.AUTH_SIGNATURE_LIFE_S
        signature = await asyncio.to_thread(signer.sign_auth, timestamp_s, expiration_s)
        answer = await self._http.command(
            "POST", build.auth_path(self._key), headers=build.auth_headers(self._key, signature, timestamp_s)
        )
        if isinstance(answer, NotSent | Unknown):
            raise VenueUnreachable(f"paradex: no token: {answer.reason}", venue=str(Venue.PARADEX))
        if not 200 <= answer.status < 300:
            raise outcomes.auth_failure(answer, self._key.account_text)
        return shaped(TokenBody, read_json(answer.body, "token"), "token").jwt_token

    async def _replace_token(self, refused: str) -> None:
        try:
            await self.tokens.renewed(refused)
        except VenueError as failure:
            log.warning("venue=paradex no new token: %s", failure)

    def _obey(self, answer: Answer, bucket: TokenBucket) -> None:
        if answer.status == 429:
            bucket.pause(retry_after_s(answer.headers, outcomes.DEFAULT_RETRY_AFTER_S))

    def _require_signer(self) -> Signer:
        if self._signer is None:
            raise RuntimeError("paradex: connect() first")
        return self._signer


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
