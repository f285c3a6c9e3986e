"""The asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, TypeVar

import httpx

from pacifica_hedging import answers, calls
from pacifica_hedging.calls import Call
from pacifica_hedging.live import CHANNELS, LINGER_S, Follower, follow
from pacifica_hedging.paging import Pages, headers, root_of, socket_url
from pacifica_hedging.requests import Body
from pacifica_hedging.retry import Retry, refusal, silence

T = TypeVar("T")

BASE_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 10.0
PAGE = 200


class AsyncHedgingClient:
    """The hedging API; use it in an `async with` block, or call `aclose()`.

    base_url is the service's root. timeout_s bounds each attempt; retry says how often is tried again. `transport`
    and `sleep` are for tests. Every call raises HedgingError's children.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = BASE_URL,
        *,
        timeout_s: float = TIMEOUT_S,
        retry: Retry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api_key = api_key
        self._root = root_of(base_url)
        self._timeout_s = timeout_s
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self._root, headers=headers(api_key), trust_env=False, transport=transport
        )

    async def create_session(self, request: Body, *, idempotency_key: str | None = None) -> answers.Session:
        """Create a pending session; trades nothing. The same idempotency_key creates it once."""
        return await self._do(calls.create_session(request, idempotency_key))

    async def get_session(self, session_id: str) -> answers.Session:
        """Return one session with its breaches, orders and metrics."""
        return await self._do(calls.get_session(session_id))

    async def list_sessions(
        self, *, status: str | None = None, account_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> answers.Page[answers.Session]:
        """Return sessions, newest first."""
        return await self._do(calls.list_sessions(status, account_id, limit, offset))

    async def iter_sessions(
        self, *, status: str | None = None, account_id: str | None = None, page_size: int = PAGE
    ) -> AsyncIterator[answers.Session]:
        """Give every session once, newest first, page by page."""
        pages = Pages[answers.Session](lambda s: s.id)
        while not pages.is_done:
            call = calls.list_sessions(status, account_id, page_size, pages.offset)
            for session in pages.news(await self._do(call)):
                yield session

    async def start_session(self, session_id: str) -> answers.Session:
        """Check the funds and start trading; a started session is carried out once."""
        return await self._do(calls.act(session_id, "start"))

    async def pause_session(self, session_id: str) -> answers.Session:
        """Open no further pair until resumed; `pending` is true while the running pair is not done."""
        return await self._do(calls.act(session_id, "pause"))

    async def resume_session(self, session_id: str) -> answers.Session:
        """Go on after a pause."""
        return await self._do(calls.act(session_id, "resume"))

    async def stop_session(self, session_id: str, *, wait_s: int | None = None) -> answers.Session:
        """Cancel what rests, close what is unhedged, settle; waits up to wait_s, then `pending` is true."""
        return await self._do(calls.act(session_id, "stop", wait_s=wait_s))

    async def flatten(self, session_id: str, *, wait_s: int | None = None) -> answers.Session:
        """Close the session's positions now and end it; waits up to wait_s."""
        return await self._do(calls.act(session_id, "flatten", wait_s=wait_s))

    async def flatten_all(self, *, wait_s: int | None = None) -> answers.Flattened:
        """Close the positions of every active or paused session."""
        return await self._do(calls.flatten_all(wait_s))

    async def estimate(self, request: Body) -> answers.Estimate:
        """Say what a session would probably cost and take, from the books of now; creates nothing."""
        return await self._do(calls.estimate(request))

    async def list_orders(
        self,
        session_id: str,
        *,
        status: str | None = None,
        account_id: str | None = None,
        side: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> answers.Page[answers.OrderPair]:
        """Return a session's order pairs."""
        return await self._do(
            calls.list_orders(session_id, limit, offset, status=status, account_id=account_id, side=side)
        )

    async def iter_orders(
        self,
        session_id: str,
        *,
        status: str | None = None,
        account_id: str | None = None,
        side: str | None = None,
        page_size: int = PAGE,
    ) -> AsyncIterator[answers.OrderPair]:
        """Give every order pair once, page by page."""
        pages = Pages[answers.OrderPair](lambda pair: pair.id)
        while not pages.is_done:
            call = calls.list_orders(
                session_id, page_size, pages.offset, status=status, account_id=account_id, side=side
            )
            for pair in pages.news(await self._do(call)):
                yield pair

    async def explain(self, session_id: str, pair_id: str | int) -> answers.Explanation:
        """Tell why a pair was done as it was, with its certificates; pair_id is its id or its sequence."""
        return await self._do(calls.explain(session_id, pair_id))

    async def list_fills(self, session_id: str, *, limit: int = 100, offset: int = 0) -> answers.Page[answers.Fill]:
        """Return a session's executions."""
        return await self._do(calls.list_fills(session_id, limit, offset))

    async def iter_fills(self, session_id: str, *, page_size: int = PAGE) -> AsyncIterator[answers.Fill]:
        """Give every execution once, page by page."""
        pages = Pages[answers.Fill](lambda f: f"{f.venue} {f.account_id} {f.trade_id}")
        while not pages.is_done:
            for fill in pages.news(await self._do(calls.list_fills(session_id, page_size, pages.offset))):
                yield fill

    async def list_events(self, session_id: str, *, since: int = 0, limit: int = 100) -> list[answers.Event]:
        """Return a session's progress after a sequence."""
        return await self._do(calls.list_events(session_id, since, limit))

    async def iter_events(
        self, session_id: str, *, since: int = 0, page_size: int = PAGE
    ) -> AsyncIterator[answers.Event]:
        """Give every event after a sequence there is now, in order."""
        while events := await self.list_events(session_id, since=since, limit=page_size):
            for event in events:
                yield event
            since = events[-1].sequence

    async def risk_status(self, session_id: str) -> answers.RiskStatus:
        """Return how much is at risk now."""
        return await self._do(calls.risk_status(session_id))

    async def acknowledge_breach(
        self, session_id: str, breach_id: str, action: str = "resolve", comment: str | None = None
    ) -> answers.Breach:
        """Say that a breach was seen; action is "resolve" or "ignore"."""
        return await self._do(calls.acknowledge_breach(session_id, breach_id, action, comment))

    async def report(self, session_id: str) -> str:
        """Return the session's report, a page of HTML."""
        return await self._do(calls.report(session_id))

    async def accounts(self) -> list[answers.Account]:
        """Return the accounts the service knows."""
        return await self._do(calls.accounts())

    async def account(self, account_id: str) -> answers.Account:
        """Return one account with its health as its venue tells it now; None stands for what could not be read."""
        return await self._do(calls.account(account_id))

    async def venues(self) -> list[answers.VenueInfo]:
        """Return the venues: what each can do, and whether it is open."""
        return await self._do(calls.venues())

    async def markets(self, *, symbol: str | None = None) -> answers.Markets:
        """Return the markets of all venues, or those of one symbol; `unread` names venues that are missing."""
        return await self._do(calls.markets(symbol))

    async def create_ticket(self) -> answers.Ticket:
        """Make a single-use admission to the live stream for who cannot send a header."""
        return await self._do(calls.create_ticket())

    async def keys(self) -> list[answers.ApiKey]:
        """Return the API keys, without their texts."""
        return await self._do(calls.keys())

    async def create_key(self, name: str, scopes: Sequence[str]) -> answers.ApiKey:
        """Make an API key; its text is in `api_key`, now and never again."""
        return await self._do(calls.create_key(name, scopes))

    async def revoke_key(self, key_id: str) -> answers.ApiKey:
        """Make a key useless from now on."""
        return await self._do(calls.revoke_key(key_id))

    async def subscribe(
        self,
        session_id: str,
        *,
        channels: Sequence[str] = CHANNELS,
        since: int | None = None,
        until_end: bool = True,
        linger_s: float = LINGER_S,
    ) -> AsyncIterator[answers.Update]:
        """Give a session's updates as they happen: `async for update in client.subscribe(id)`.

        First comes one snapshot a channel, or with `since` everything after that sequence. A lost connection is made
        again and resumed. With until_end (and channel status) it returns when the session has ended and is on record.
        """
        follower = Follower(session_id, channels, since)
        stream = follow(
            socket_url(self._root, session_id), self._api_key, follower,
            retry=self._retry, sleep=self._sleep, until_end=until_end, linger_s=linger_s,
        )  # fmt: skip
        async with aclosing(stream):
            async for update in stream:
                yield update

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _do(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.request(
                    call.method, call.path, params=dict(call.query), content=call.content,
                    headers=dict(call.headers or {}), timeout=self._timeout_s + call.wait_s,
                )  # fmt: skip
            except httpx.TransportError as error:
                pause = self._retry.after_silence(call, error, attempt)
                if pause is None:
                    raise silence(error) from error
            else:
                refused = refusal(response.status_code, response.headers, response.text)
                if refused is None:
                    return call.read(response.text)
                pause = self._retry.after_refusal(call, refused, attempt)
                if pause is None:
                    raise refused
            await self._sleep(pause)
