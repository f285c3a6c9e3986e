"""Pacifica's REST door for one account: the credit budget, signing at the last moment, paging. No facts are made here.

Source: docs.pacifica.fi, Rate limits, Signing, Pagination.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import httpx
from pydantic import JsonValue

from connectors.budgets import HERE, budgets_of
from connectors.clock import ClockOffset, measure
from connectors.http import Answer, HttpVenue
from connectors.pacifica import build, build_desk, outcomes, reading, wire
from connectors.pacifica.auth import Signer, encode_body
from connectors.ratelimit import retry_after_s
from connectors.settings import Endpoints, Outside, PacificaKeys, Timeouts
from connectors.venue import NotSent, Unknown
from core.account import RequestQuota
from core.credits import Terms
from core.errors import ProtocolViolation, RateLimited, VenueUnreachable
from core.instrument import Venue
from core.order import OrderIntent

log = logging.getLogger(__name__)

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
_RESETS = re.compile(r"t=(\d{1,9})\b")
TENTHS = 10

TIME_OVER = "pacifica: the time in which this intent was valid is over"
DATE_RESOLUTION = timedelta(seconds=1)
# Differences below this are within the Date header's resolution and the way there: no word in the log.
CLOCK_NOTED = timedelta(seconds=2)

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
        *,
        account_id: str,
    ) -> None:
        """Read the keys (ConfigurationError when they do not fit) and prepare; nothing is connected yet."""
        self.account = keys.account
        self._account_id = account_id
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
        self.clock_offset: ClockOffset | None = None
        self.quota: RequestQuota | None = None
        self._offset = timedelta(0)
        self._last_stamp_ms = 0

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        await self._http.aclose()

    @property
    def spares_history(self) -> bool:
        """True while history is so dear that a few reads of it use up a minute's credits."""
        return not self._has_key

    @property
    def venue_now(self) -> datetime:
        """The venue's clock as far as we know it."""
        return self._outside.clock() + self._offset

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock by its Date header (whole seconds) and sign in its time from now on.

        A difference that lies within its own bound may be none at all, and is not followed.
        """
        found = await measure(self._date, self._outside.clock, resolution=DATE_RESOLUTION)
        self.clock_offset = found
        self._offset = found.offset if abs(found.offset) > found.error else timedelta(0)
        if abs(found.offset) > CLOCK_NOTED:
            log.warning("venue=pacifica clock differs by %.1f s; signing in its time", found.offset.total_seconds())
        return found

    async def _date(self) -> datetime:
        answer = await self.get("/info/prices")
        return reading.http_date(answer.headers)

    @property
    def _doubt(self) -> timedelta:
        """By how much the venue's clock may be behind what is signed with; unmeasured it counts as right."""
        found = self.clock_offset
        return timedelta(0) if found is None else abs(found.offset - self._offset) + found.error

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, is_question: bool = False) -> Answer:
        """Read a path below the API root, waiting for its turn; any status is returned.

        is_question: a lone leg waits for what became of an order, so it goes before everything but repairs and cancels.
        """
        if path in HEAVY_PATHS:
            cost = COST_HEAVY_WITH_KEY if self._has_key else COST_HEAVY
            patient = not is_question
            await self._budget.take(cost, question=is_question, patient=patient, wait_s_max=HEAVY_WAIT_S_MAX)
        else:
            await self._budget.take(COST_READ, question=is_question)
        answer = await self._http.read(f"{build.API}{path}", params=params)
        self._learn_budget(answer)
        return answer

    async def read(
        self, path: str, params: Mapping[str, str] | None = None, *, is_question: bool = False
    ) -> tuple[wire.Envelope, datetime]:
        """Read a path and return its envelope and when it came; raise what any other answer means."""
        answer = await self.get(path, params, is_question=is_question)
        return reading.envelope(answer.status, answer.headers, answer.body), answer.received_at

    async def pages(
        self,
        path: str,
        params: Mapping[str, str],
        model: type[DatedT],
        *,
        back_to: datetime | None = None,
        is_question: bool = False,
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
            answer, received = await self.read(path, query, is_question=is_question)
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

        Without an intent it is a cancel: those, repairs and orders that only reduce may use all of the budget's
        reserve, other orders a part of it.
        """
        urgent = intent is None or intent.is_urgent
        cost = COST_CANCEL if intent is None else COST_ORDER
        try:
            wait_s_max = None if intent is None else ORDER_WAIT_S_MAX
            await self._budget.take(cost, urgent=urgent, order=True, wait_s_max=wait_s_max)
        except RateLimited as spent:
            return NotSent(spent.message)
        body = self._signed(command, intent)
        return await self._post(command.path, body) if body is not None else NotSent(TIME_OVER)

    async def send_batch(
        self, kind: str, commands: Sequence[tuple[build.Command, OrderIntent | None]]
    ) -> tuple[Answer | NotSent | Unknown, Sequence[bool]]:
        """Post several actions of one kind as one request, each signed alone; also say which of them went.

        Actions whose time is over are left out. What a batch costs is not documented: every action is paid for.
        """
        is_cancel = kind == build_desk.CANCEL
        cost = (COST_CANCEL if is_cancel else COST_ORDER) * len(commands)
        urgent = all(intent is None or intent.is_urgent for _, intent in commands)
        try:
            wait_s_max = None if is_cancel else ORDER_WAIT_S_MAX
            await self._budget.take(cost, urgent=urgent, order=True, wait_s_max=wait_s_max)
        except RateLimited as spent:
            return NotSent(spent.message), [False] * len(commands)
        bodies = [self._signed(command, intent) for command, intent in commands]
        going = [body for body in bodies if body is not None]
        went = [body is not None for body in bodies]
        if not going:
            return NotSent(TIME_OVER), went
        return await self._post(build_desk.BATCH_PATH, build_desk.batch_body(kind, going)), went

    async def ask(self, command: build.Command) -> tuple[wire.Envelope, datetime]:
        """Post a signed question or setting (no order) and return its envelope; raise what any other answer means.

        Raises VenueUnreachable when no answer came: whether a setting was taken has then to be read.
        """
        await self._budget.take(COST_READ)
        body = self._signed(command, None)
        assert body is not None
        answer = await self._post(command.path, body)
        if not isinstance(answer, Answer):
            raise VenueUnreachable(answer.reason, venue="pacifica")
        return reading.envelope(answer.status, answer.headers, answer.body), answer.received_at

    def _signed(self, command: build.Command, intent: OrderIntent | None) -> dict[str, JsonValue] | None:
        """Sign with the earliest time the venue's clock may show; None when the intent's time is over.

        A venue may refuse a time of its own future, so the doubt about its clock is taken off. The window is
        longer by as much: its end stays where the intent ends.
        """
        window_ms, early = build.EXPIRY_WINDOW_MS_MAX, self._doubt
        if intent is not None:
            now = self._outside.clock()
            left_ms = build.expiry_window_ms(intent, now, self._doubt)
            if left_ms is None:
                return None
            early = min(early, (intent.valid_until - now) / 2)
            window_ms = min(left_ms + early // timedelta(milliseconds=1), build.EXPIRY_WINDOW_MS_MAX)
        return self._signer.signed_body(
            command.operation, command.payload, timestamp_ms=self._stamp(early), expiry_window_ms=window_ms
        )

    async def _post(self, path: str, body: Mapping[str, JsonValue]) -> Answer | NotSent | Unknown:
        headers = {"content-type": "application/json"}
        answer = await self._http.command("POST", path, content=encode_body(body), headers=headers)
        if isinstance(answer, Answer):
            self._learn_budget(answer)
        return answer

    def _stamp(self, early: timedelta) -> int:
        """Return a signing time that is never used twice, so that no two requests can be taken for a replay."""
        self._last_stamp_ms = max(self._last_stamp_ms + 1, build.millis_of(self.venue_now - early))
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
        if policy and remaining:
            self._note_quota(answer, int(policy[1]), int(remaining[1]))

    def _note_quota(self, answer: Answer, quota: int, remaining: int) -> None:
        """Keep the venue's own words about the budget, in credits (its headers count tenths)."""
        resets = _RESETS.search(answer.headers.get("ratelimit", ""))
        self.quota = RequestQuota(
            venue=Venue.PACIFICA,
            account_id=self._account_id,
            scope="config key" if self._has_key else "network address",
            limit=Decimal(quota) / TENTHS,
            remaining=Decimal(remaining) / TENTHS,
            resets_at=answer.received_at + timedelta(seconds=int(resets[1])) if resets else None,
            received_time=answer.received_at,
        )


def _terms(credits_per_window: float) -> Terms:
    """Size a budget so that no window, wherever it begins, sees more than its credits: the burst and its refill."""
    burst = max(BURST * credits_per_window, RESERVE + COST_ORDER)
    return Terms(burst, max(credits_per_window - burst, COST_CANCEL) / WINDOW_S, RESERVE)


def _is_behind(page: list[DatedT], floor_ms: int | None) -> bool:
    """Tell whether a page runs from newer to older and ends before a time."""
    if floor_ms is None or not page:
        return False
    return page[0].created_at > page[-1].created_at and page[-1].created_at < floor_ms
