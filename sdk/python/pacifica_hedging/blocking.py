"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx

from pacifica_hedging import answers, calls
from pacifica_hedging.asynchronous import BASE_URL, PAGE, TIMEOUT_S
from pacifica_hedging.calls import Call
from pacifica_hedging.live import CHANNELS, LINGER_S, Follower
from pacifica_hedging.paging import Pages, headers, root_of, socket_url
from pacifica_hedging.requests import Body
from pacifica_hedging.retry import Retry, refusal, silence
from pacifica_hedging.subscription import Subscription

T = TypeVar("T")


class HedgingClient:
    """The hedging API; use it in a `with` block, or call `close()`. Safe to share between threads.

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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,  # noqa: TID251 - a caller's own thread
    ) -> None:
        self._api_key = api_key
        self._root = root_of(base_url)
        self._timeout_s = timeout_s
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.Client(base_url=self._root, headers=headers(api_key), trust_env=False, transport=transport)

    def create_session(self, request: Body, *, idempotency_key: str | None = None) -> answers.Session:
        """Create a pending session; trades nothing. The same idempotency_key creates it once."""
        return self._do(calls.create_session(request, idempotency_key))

    def get_session(self, session_id: str) -> answers.Session:
        """Return one session with its breaches, orders and metrics."""
        return self._do(calls.get_session(session_id))

    def list_sessions(
        self, *, status: str | None = None, account_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> answers.Page[answers.Session]:
        """Return sessions, newest first."""
        return self._do(calls.list_sessions(status, account_id, limit, offset))

    def iter_sessions(
        self, *, status: str | None = None, account_id: str | None = None, page_size: int = PAGE
    ) -> Iterator[answers.Session]:
        """Give every session once, newest first, page by page."""
        pages = Pages[answers.Session](lambda s: s.id)
        while not pages.is_done:
            call = calls.list_sessions(status, account_id, page_size, pages.offset)
            yield from pages.news(self._do(call))

    def start_session(self, session_id: str) -> answers.Session:
        """Check the funds and start trading; a started session is carried out once."""
        return self._do(calls.act(session_id, "start"))

    def pause_session(self, session_id: str) -> answers.Session:
        """Open no further pair until resumed; `pending` is true while the running pair is not done."""
        return self._do(calls.act(session_id, "pause"))

    def resume_session(self, session_id: str) -> answers.Session:
        """Go on after a pause."""
        return self._do(calls.act(session_id, "resume"))

    def stop_session(self, session_id: str, *, wait_s: int | None = None) -> answers.Session:
        """Cancel what rests, close what is unhedged, settle; waits up to wait_s, then `pending` is true."""
        return self._do(calls.act(session_id, "stop", wait_s=wait_s))

    def flatten(self, session_id: str, *, wait_s: int | None = None) -> answers.Session:
        """Close the session's positions now and end it; waits up to wait_s."""
        return self._do(calls.act(session_id, "flatten", wait_s=wait_s))

    def flatten_all(self, *, wait_s: int | None = None) -> answers.Flattened:
        """Close the positions of every active or paused session."""
        return self._do(calls.flatten_all(wait_s))

    def estimate(self, request: Body) -> answers.Estimate:
        """Say what a session would probably cost and take, from the books of now; creates nothing."""
        return self._do(calls.estimate(request))

    def list_orders(
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
        return self._do(calls.list_orders(session_id, limit, offset, status=status, account_id=account_id, side=side))

    def iter_orders(
        self,
        session_id: str,
        *,
        status: str | None = None,
        account_id: str | None = None,
        side: str | None = None,
        page_size: int = PAGE,
    ) -> Iterator[answers.OrderPair]:
        """Give every order pair once, page by page."""
        pages = Pages[answers.OrderPair](lambda pair: pair.id)
        while not pages.is_done:
            call = calls.list_orders(
                session_id, page_size, pages.offset, status=status, account_id=account_id, side=side
            )
            yield from pages.news(self._do(call))

    def explain(self, session_id: str, pair_id: str | int) -> answers.Explanation:
        """Tell why a pair was done as it was, with its certificates; pair_id is its id or its sequence."""
        return self._do(calls.explain(session_id, pair_id))

    def list_fills(self, session_id: str, *, limit: int = 100, offset: int = 0) -> answers.Page[answers.Fill]:
        """Return a session's executions."""
        return self._do(calls.list_fills(session_id, limit, offset))

    def iter_fills(self, session_id: str, *, page_size: int = PAGE) -> Iterator[answers.Fill]:
        """Give every execution once, page by page."""
        pages = Pages[answers.Fill](lambda f: f"{f.venue} {f.account_id} {f.trade_id}")
        while not pages.is_done:
            yield from pages.news(self._do(calls.list_fills(session_id, page_size, pages.offset)))

    def list_events(self, session_id: str, *, since: int = 0, limit: int = 100) -> list[answers.Event]:
        """Return a session's progress after a sequence."""
        return self._do(calls.list_events(session_id, since, limit))

    def iter_events(self, session_id: str, *, since: int = 0, page_size: int = PAGE) -> Iterator[answers.Event]:
        """Give every event after a sequence there is now, in order."""
        while events := self.list_events(session_id, since=since, limit=page_size):
            yield from events
            since = events[-1].sequence

    def risk_status(self, session_id: str) -> answers.RiskStatus:
        """Return how much is at risk now."""
        return self._do(calls.risk_status(session_id))

    def acknowledge_breach(
        self, session_id: str, breach_id: str, action: str = "resolve", comment: str | None = None
    ) -> answers.Breach:
        """Say that a breach was seen; action is "resolve" or "ignore"."""
        return self._do(calls.acknowledge_breach(session_id, breach_id, action, comment))

    def report(self, session_id: str) -> str:
        """Return the session's report, a page of HTML."""
        return self._do(calls.report(session_id))

    def accounts(self) -> list[answers.Account]:
        """Return the accounts the service knows."""
        return self._do(calls.accounts())

    def account(self, account_id: str) -> answers.Account:
        """Return one account with its health as its venue tells it now; None stands for what could not be read."""
        return self._do(calls.account(account_id))

    def venues(self) -> list[answers.VenueInfo]:
        """Return the venues: what each can do, and whether it is open."""
        return self._do(calls.venues())

    def markets(self, *, symbol: str | None = None) -> answers.Markets:
        """Return the markets of all venues, or those of one symbol; `unread` names venues that are missing."""
        return self._do(calls.markets(symbol))

    def create_ticket(self) -> answers.Ticket:
        """Make a single-use admission to the live stream for who cannot send a header."""
        return self._do(calls.create_ticket())

    def keys(self) -> list[answers.ApiKey]:
        """Return the API keys, without their texts."""
        return self._do(calls.keys())

    def create_key(self, name: str, scopes: Sequence[str]) -> answers.ApiKey:
        """Make an API key; its text is in `api_key`, now and never again."""
        return self._do(calls.create_key(name, scopes))

    def revoke_key(self, key_id: str) -> answers.ApiKey:
        """Make a key useless from now on."""
        return self._do(calls.revoke_key(key_id))

    def subscribe_to_session(
        self,
        session_id: str,
        callback: Callable[[answers.Update], object],
        channels: Sequence[str] = CHANNELS,
        *,
        since: int | None = None,
        until_end: bool = True,
        linger_s: float = LINGER_S,
    ) -> Subscription:
        """Call `callback(update)` for each update, in a thread of its own, and return at once.

        First comes one snapshot a channel, or with `since` everything after that sequence. A lost connection is made
        again and resumed. `stop()` ends it, `join()` waits for the session's end and raises what went wrong.
        """
        url = socket_url(self._root, session_id)
        follower = Follower(session_id, channels, since)
        return Subscription(
            url, self._api_key, follower, callback, retry=self._retry, until_end=until_end, linger_s=linger_s
        )

    def close(self) -> None:
        """Close the connections; subscriptions go on until they are stopped."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(
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
            self._sleep(pause)
