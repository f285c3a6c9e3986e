"""One venue's REST door: one warm client, bounded waits and bodies. It knows no venue's shapes and signs nothing.

What matters is what it says when no answer came. A command is sent once, ever, and ends as an answer, as NotSent
(the connection never opened, so the venue cannot have it) or as Unknown (it may have arrived). A read is
idempotent: it is asked again a few times, and then raises VenueUnreachable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from connectors.settings import Outside, Timeouts
from connectors.tls import tls
from connectors.venue import NotSent, Unknown
from core.errors import ProtocolViolation, VenueUnreachable
from core.instrument import Venue

log = logging.getLogger(__name__)

HeaderSource = Callable[[], Mapping[str, str]]

BODY_BYTES_MAX = 8 * 1024 * 1024
READ_RETRIES_MAX = 2
RETRY_BASE_S = 0.2
KEEPALIVE_S = 60.0
CONNECTIONS_MAX = 10

# A read answered with one of these may be asked again; a command may not.
_TRANSIENT = frozenset({500, 502, 503, 504})

# httpx raises these only before the first byte of the request is written.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _BodyTooLarge(Exception):
    """More bytes than any answer of a venue can have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a venue answered: any status, the whole body, headers with lower-case names, and when it had arrived."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received_at: datetime


class HttpVenue:
    """Requests to one venue on behalf of one account, over one long-lived keep-alive connection pool."""

    def __init__(
        self,
        venue: Venue,
        base_url: str,
        *,
        outside: Outside,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """Prepare the pool without connecting. `transport` replaces the network in tests; proxies are never used."""
        self._venue = venue
        self._outside = outside
        self._timeouts = timeouts
        self._body_bytes_max = body_bytes_max
        self._client = httpx.AsyncClient(
            base_url=base_url,
            # Only what cannot grow a small answer without bound: a chunk of gzip becomes a thousand times as much.
            headers={
                "user-agent": "hedging",
                "accept": "application/json",
                "accept-encoding": "gzip",
                **(headers or {}),
            },
            transport=transport,
            verify=tls(),
            trust_env=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=KEEPALIVE_S),
        )

    async def aclose(self) -> None:
        """Close the pool; safe to call twice."""
        await self._client.aclose()

    async def read(
        self, path: str, *, params: Mapping[str, str] | None = None, headers: HeaderSource | None = None
    ) -> Answer:
        """GET a path and return the answer, whatever its status. Never carries a body.

        `headers` is called for every attempt, so that a signature is never stale. Transport failures and 500, 502,
        503, 504 are retried READ_RETRIES_MAX times with jitter; a last 5xx is returned for the caller to classify.
        Raises VenueUnreachable when no answer came, ProtocolViolation for an answer larger than the bound.
        """
        for attempt in range(READ_RETRIES_MAX + 1):
            last = attempt == READ_RETRIES_MAX
            try:
                answer = await self._exchange("GET", path, params, None, headers() if headers else {})
            except _BodyTooLarge:
                raise ProtocolViolation(
                    f"{self._venue}: the answer to GET {path} is larger than {self._body_bytes_max} bytes",
                    venue=str(self._venue),
                ) from None
            except (httpx.HTTPError, TimeoutError) as failure:
                if last:
                    raise VenueUnreachable(
                        f"{self._venue}: GET {path} was not answered ({_kind(failure)}) in {attempt + 1} attempts",
                        venue=str(self._venue),
                    ) from failure
                log.info("venue=%s GET %s attempt=%d failed: %s", self._venue, path, attempt + 1, _kind(failure))
            else:
                if last or answer.status not in _TRANSIENT:
                    return answer
            await self._outside.sleep(RETRY_BASE_S * 2**attempt * self._outside.rng.uniform(0.5, 1.5))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def command(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer | NotSent | Unknown:
        """Send one command exactly once and say what is known about it.

        NotSent only when the connection could not be opened. Every other missing, cut or oversized answer is
        Unknown: the venue may have acted on it. The body is never logged.
        """
        try:
            return await self._exchange(method, path, None, content, headers or {})
        except _NEVER_SENT as failure:
            return NotSent(f"{self._venue}: {method} {path} was not sent ({_kind(failure)})")
        except (httpx.HTTPError, TimeoutError, _BodyTooLarge) as failure:
            return Unknown(f"{self._venue}: {method} {path} was sent, no conclusive answer ({_kind(failure)})")

    async def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        """Do one exchange within its bound. The outer bound also ends an answer that trickles in byte by byte."""
        answer_s = self._timeouts.read_s if content is None else self._timeouts.command_s
        request = self._client.build_request(
            method,
            path,
            params=params,
            content=content,
            headers=dict(headers),
            timeout=httpx.Timeout(answer_s, connect=self._timeouts.connect_s, pool=self._timeouts.connect_s),
        )
        async with asyncio.timeout(2 * self._timeouts.connect_s + answer_s):
            response = await self._client.send(request, stream=True)
            try:
                body = await self._bounded_body(response)
            finally:
                await response.aclose()
        return Answer(response.status_code, body, dict(response.headers), self._outside.clock())

    async def _bounded_body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._body_bytes_max:
                raise _BodyTooLarge
        return bytes(body)


def _kind(failure: Exception) -> str:
    """Name a transport failure by its class: its text may hold an address, never a secret, but is not needed."""
    return type(failure).__name__.lstrip("_")
