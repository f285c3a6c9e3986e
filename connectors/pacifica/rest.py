"""Pacifica's REST door for one account: the credit budget, signing at the last moment, paging. No facts are made here.

Source: docs.pacifica.fi, Rate limits, Signing, Pagination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import httpx

from connectors.budgets import HERE, budgets_of
from connectors.http import Answer, HttpVenue
from connectors.pacifica import build, outcomes, reading, wire
from connectors.pacifica.auth import Signer, encode_body
from connectors.ratelimit import retry_after_s
from connectors.settings import Endpoints, Outside, PacificaKeys, Timeouts
from connectors.venue import NotSent, Unknown
from core.credits import Terms
from core.errors import ProtocolViolation, RateLimited
from core.instrument import Venue
from core.order import OrderIntent

# Credits in any 60 s without a config key (then they count per network address) and with one; the venue's ratelimit
# headers, which count in tenths of credits, correct both. Two fifths may go at once, the rest refills within the 60 s.
CREDITS = 100.0
CREDITS_WITH_KEY = 300.0
WINDOW_S = 60.0
BURST = 0.4
HEADER_UNIT = 10.0
RESERVE = 10.0
COST_READ = 1.0
COST_ORDER = 1.0
COST_CANCEL = 0.5
# Reads of history cost by the size of their result; the dearest is assumed, and others go first.
COST_HEAVY = 12.0
COST_HEAVY_WITH_KEY = 4.0
HEAVY_PATHS = frozenset(
    {
        "/kline",
        "/kline/mark",
        "/trades/history",
        "/account/balance/history",
        "/orders/history",
        "/orders/twap/history",
        "/funding/history",
        "/positions/history",
    }
)
HEAVY_WAIT_S_MAX = 25.0
# An order that would wait longer for its turn is late: better not sent.
ORDER_WAIT_S_MAX = 0.5

PAGES_MAX = 100

_QUOTA = re.compile(r"q=(\d{1,9})\b")
_REMAINING = re.compile(r"r=(\d{1,9})\b")

DatedT = TypeVar("DatedT", bound=wire.Dated)


class PacificaRest:
    """Paced, signed, bounded exchanges with one account's REST API."""

    def __init__(
        self,
        keys: PacificaKeys,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Read the keys (ConfigurationError when they do not fit) and prepare; nothing is connected yet."""
        self.account = keys.account
        self.headers = {"PF-API-KEY": keys.config_key.get_secret_value()} if keys.config_key else {}
        self._signer = Signer(keys)
        self._outside = outside
        self._http = HttpVenue(
            Venue.PACIFICA,
            endpoints.rest_url,
            outside=outside,
            timeouts=timeouts,
            headers=self.headers,
            transport=transport,
        )
        self._has_key = keys.config_key is not None
        scope, owner = ("key", keys.config_key.get_secret_value()) if keys.config_key else ("address", HERE)
        terms = _terms(CREDITS_WITH_KEY if self._has_key else CREDITS)
        self._budget = budgets_of(outside).bucket(Venue.PACIFICA, endpoints.rest_url, scope, owner, terms)
        self._offset = timedelta(0)
        self._last_stamp_ms = 0

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        await self._http.aclose()

    @property
    def venue_now(self) -> datetime:
        """The venue's clock as far as we know it."""
        return self._outside.clock() + self._offset

    def adjust_clock(self, offset: timedelta) -> None:
        """Sign and ask in the venue's time from now on."""
        self._offset = offset

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Read a path below the API root, waiting for its turn; any status is returned."""
        if path in HEAVY_PATHS:
            cost = COST_HEAVY_WITH_KEY if self._has_key else COST_HEAVY
            await self._budget.take(cost, patient=True, wait_s_max=HEAVY_WAIT_S_MAX)
        else:
            await self._budget.take(COST_READ)
        answer = await self._http.read(f"{build.API}{path}", params=params)
        self._learn_budget(answer)
        return answer

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> tuple[wire.Envelope, datetime]:
        """Read a path and return its envelope and when it came; raise what any other answer means."""
        answer = await self.get(path, params)
        return reading.envelope(answer.status, answer.headers, answer.body), answer.received_at

    async def pages(
        self, path: str, params: Mapping[str, str], model: type[DatedT], *, back_to: datetime | None = None
    ) -> tuple[list[DatedT], datetime]:
        """Read a history page by page, in the venue's order, and return the rows and when the last page came.

        The order of some histories is not documented: `back_to` ends the reading early only after a page that
        runs from newer to older and has got behind that time. Raises ProtocolViolation for endless histories.
        """
        found: list[DatedT] = []
        cursor: str | None = None
        floor_ms = build.millis_of(back_to) if back_to else None
        for _ in range(PAGES_MAX):
            query = {**params, "cursor": cursor} if cursor else params
            answer, received = await self.read(path, query)
            page = reading.rows(model, answer)
            found.extend(page)
            if not answer.has_more or _is_behind(page, floor_ms):
                return found, received
            if not answer.next_cursor or answer.next_cursor == cursor:
                raise ProtocolViolation(f"pacifica: {path} says there is more and does not say where", venue="pacifica")
            cursor = answer.next_cursor
        raise ProtocolViolation(f"pacifica: {path} has more than {PAGES_MAX} pages for one question", venue="pacifica")

    async def send(self, command: build.Command, intent: OrderIntent | None = None) -> Answer | NotSent | Unknown:
        """Wait for a turn, sign with the present time, post once.

        Without an intent it is a cancel: those, and orders that only reduce, may use the budget's reserve.
        """
        urgent = intent is None or intent.reduce_only
        cost = COST_CANCEL if intent is None else COST_ORDER
        try:
            await self._budget.take(cost, urgent=urgent, wait_s_max=None if intent is None else ORDER_WAIT_S_MAX)
        except RateLimited as spent:
            return NotSent(spent.message)
        window_ms = build.expiry_window_ms(intent, self._outside.clock()) if intent else build.EXPIRY_WINDOW_MS_MAX
        if window_ms is None:
            return NotSent("pacifica: the time in which this intent was valid is over")
        body = self._signer.signed_body(
            command.operation, command.payload, timestamp_ms=self._stamp(), expiry_window_ms=window_ms
        )
        headers = {"content-type": "application/json"}
        answer = await self._http.command("POST", command.path, content=encode_body(body), headers=headers)
        if isinstance(answer, Answer):
            self._learn_budget(answer)
        return answer

    def _stamp(self) -> int:
        """Return a signing time that is never used twice, so that no two requests can be taken for a replay."""
        self._last_stamp_ms = max(self._last_stamp_ms + 1, build.millis_of(self.venue_now))
        return self._last_stamp_ms

    def _learn_budget(self, answer: Answer) -> None:
        """Obey a 429, and take over the quota and the rest that the headers state."""
        if answer.status == 429:
            self._budget.pause(retry_after_s(answer.headers, outcomes.RETRY_AFTER_DEFAULT_S))
        policy = _QUOTA.search(answer.headers.get("ratelimit-policy", ""))
        if policy:
            stated = _terms(int(policy[1]) / HEADER_UNIT)
            self._budget.resize(capacity=stated.capacity, per_s=stated.per_s)
        remaining = _REMAINING.search(answer.headers.get("ratelimit", ""))
        if remaining:
            self._budget.observe(int(remaining[1]) / HEADER_UNIT)


def _terms(credits_per_window: float) -> Terms:
    """Size a budget so that no window, wherever it begins, sees more than its credits: the burst and its refill."""
    burst = max(BURST * credits_per_window, RESERVE + COST_ORDER)
    return Terms(burst, max(credits_per_window - burst, COST_CANCEL) / WINDOW_S, RESERVE)


def _is_behind(page: list[DatedT], floor_ms: int | None) -> bool:
    """Tell whether a page runs from newer to older and ends before a time."""
    if floor_ms is None or not page:
        return False
    return page[0].created_at > page[-1].created_at and page[-1].created_at < floor_ms
