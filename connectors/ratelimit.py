"""A fair request budget. It waits or refuses; it sends nothing.

Credits refill steadily. Reads leave a reserve: half of it is for orders and for questions what became of one, and all
of it for urgent requests (cancels, repairs, closing orders). Urgent requests stand before questions, those before
orders, then reads, then patient ones (history, statistics). Whoever would wait longer than the bound is refused with
RateLimited before the venue says 429.

Urgent requests and questions may go beyond what has refilled, as far as the venue's own count of what is left reaches.

With a lender the budget is shared with other processes: credits are borrowed in small portions and spent here. When
the lender does not answer, a quarter of the budget is used without it, and a log line says so.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol

from connectors.settings import Outside
from core.credits import Loan, LoanRequest, Terms, spared
from core.errors import HedgeError, RateLimited
from core.instrument import Venue

log = logging.getLogger(__name__)

WAIT_S_MAX = 5.0
# What a process uses of a shared budget while it cannot reach the lender, and how long until it tries again.
ALONE_SHARE = 0.25
ALONE_S = 5.0
_BORROW_S_MAX = 2.0
_OBSERVED_S_MAX = 1.0
# How long the venue's count, less what was spent since, may be counted on (by questions no longer than a lender counts
# what it lent; by urgent requests, which cost next to nothing, until refill has paid most debts), and how much of it is
# left for what is on its way, for others of the same quota, and (by questions) for the orders that follow from answers.
_HEADROOM_S_MAX = 2.5
_HEADROOM_URGENT_S_MAX = 30.0
_HEADROOM_LEFT = 2.0
_AHEAD_S_MIN = 1.0
_STEP_S_MIN = 0.001
_ROUNDING = 1e-9
_RETRY_AFTER_S_MAX = 300.0
RETRY_AFTER_S_MAX = 86_400.0


class Rank(IntEnum):
    """Who goes first."""

    URGENT = 0
    QUESTION = 1
    ORDER = 2
    ORDINARY = 3
    PATIENT = 4

    @property
    def is_half_spared(self) -> bool:
        """True when it may use a part of a budget's reserve, not all of it."""
        return self in (Rank.QUESTION, Rank.ORDER)

    @property
    def spares(self) -> float:
        """The share of a budget's reserve that it must leave."""
        return spared(is_urgent=self is Rank.URGENT, is_order=self.is_half_spared)


class CreditLender(Protocol):
    """Where processes share budgets; keys hold no secrets."""

    async def borrow(self, key: str, request: LoanRequest, now: datetime) -> Loan:
        """Lend from a budget, making it full at its first use; raise a HedgeError when nobody can be asked."""

    def pause(self, key: str, terms: Terms, until: datetime) -> None:
        """Tell all borrowers soon that the venue said stop; returns at once and never raises."""


class TokenBucket:
    """Credits of one budget. Time comes from outside.clock; a clock that steps back refills nothing."""

    def __init__(
        self,
        venue: Venue,
        *,
        capacity: float,
        per_s: float,
        outside: Outside,
        reserve: float = 0.0,
        wait_s_max: float = WAIT_S_MAX,
        key: str = "",
        lender: CreditLender | None = None,
        borrower: str = "",
    ) -> None:
        """Start full. `reserve` credits are kept from reads; a lender shares the budget under `key`."""
        self._venue = venue
        self._terms = self._assumed = self._claim = Terms(capacity, per_s, reserve)
        self._outside = outside
        self._wait_s_max = wait_s_max
        self._key = key
        self._lender = lender
        self._borrower = borrower
        self._credits = 0.0 if lender else capacity
        self._refilled_at = self._expires_at = self._used_at = outside.clock()
        self._paused_until: datetime | None = None
        self._alone_until: datetime | None = None
        self._observed: tuple[float, datetime] | None = None
        self._borrowing = asyncio.Lock()
        self._ticket = 0
        self._waiting: list[tuple[Rank, int, float]] = []

    @property
    def available(self) -> float:
        """Credits that an urgent request could spend now without asking a lender."""
        self._refill()
        return 0.0 if self._pause_s() > 0 else self._credits

    @property
    def used_at(self) -> datetime:
        """When somebody last asked for credits."""
        return self._used_at

    async def take(
        self,
        cost: float = 1.0,
        *,
        urgent: bool = False,
        question: bool = False,
        order: bool = False,
        patient: bool = False,
        wait_s_max: float | None = None,
    ) -> None:
        """Spend credits, waiting for one's turn; raise RateLimited when that would take longer than the bound.

        wait_s_max replaces the budget's own bound: shorter for a request that is worth nothing when late, longer for
        a patient one, which everybody else may overtake.
        """
        self._ticket += 1
        mine = (_rank(urgent=urgent, question=question, order=order, patient=patient), self._ticket, cost)
        heapq.heappush(self._waiting, mine)
        self._used_at = self._outside.clock()
        deadline = self._used_at + timedelta(seconds=self._wait_s_max if wait_s_max is None else wait_s_max)
        try:
            while (delay_s := await self._delay_s(mine)) > 0:
                now = self._outside.clock()
                if now + timedelta(seconds=delay_s) > deadline:
                    raise RateLimited(
                        f"{self._venue}: the request budget is spent; come back in {delay_s:.1f} s",
                        venue=str(self._venue),
                        retry_after_s=delay_s,
                    )
                await self._outside.sleep(max(delay_s, _STEP_S_MIN))
            self._spend(cost)
        finally:
            self._waiting.remove(mine)
            heapq.heapify(self._waiting)

    def _spend(self, cost: float) -> None:
        self._credits -= cost
        if self._observed is not None:
            self._observed = (self._observed[0] - cost, self._observed[1])

    def give_back(self, cost: float) -> None:
        """Return credits that were taken for a request that was not sent."""
        self._credits = min(self._terms.capacity, self._credits + cost)

    async def borrow_ahead(self) -> None:
        """Have a portion at hand for the next second, so that no request waits for the lender; never raises."""
        self._refill()
        least = self._terms.portion / 2
        fresh_until = self._outside.clock() + timedelta(seconds=_AHEAD_S_MIN)
        if not self._is_alone and not (self._borrowed >= least and self._expires_at > fresh_until):
            async with self._borrowing:
                await self._borrow(max(least - self._borrowed, 0.0), Rank.ORDER)

    def pause(self, retry_after_s: float) -> None:
        """Obey the venue's 429: nobody spends anything until its Retry-After has passed (bounded)."""
        seconds = min(max(retry_after_s, 0.0), _RETRY_AFTER_S_MAX)
        self._pause_until(self._outside.clock() + timedelta(seconds=seconds))
        if self._lender is not None and self._paused_until is not None:
            self._lender.pause(self._key, self._assumed, self._paused_until)

    def observe(self, remaining: float) -> None:
        """Take the venue's own count of what is left when it is lower than ours (other users of the same quota)."""
        self._refill()
        self._credits = min(self._credits, remaining)
        self._observed = (remaining, self._outside.clock())

    def resize(self, *, capacity: float, per_s: float) -> None:
        """Take over a quota that the venue states for this key or tier; what is left never grows by that."""
        if (capacity, per_s) == (self._terms.capacity, self._terms.per_s):
            return
        if capacity <= self._terms.reserve or per_s <= 0:
            raise ValueError("a budget needs a capacity above its reserve and a positive refill")
        self._refill()
        self._terms = self._claim = replace(self._terms, capacity=capacity, per_s=per_s, is_stated=True)
        self._credits = min(self._credits, capacity)

    async def _delay_s(self, mine: tuple[Rank, int, float]) -> float:
        """Seconds until this ticket's turn: credits for everyone before it, itself, and the reserve it must leave."""
        self._refill()
        if self._is_alone:
            return self._delay_alone_s(mine)
        if self._pause_s() > 0:
            return self._pause_s()
        if self._borrowed >= self._ahead(mine) + mine[2]:
            return 0.0
        async with self._borrowing:
            self._refill()
            lacking = self._ahead(mine) + mine[2] - self._borrowed
            wait_s = 0.0 if lacking <= 0 else await self._borrow(lacking, mine[0])
        if self._is_alone:
            return self._delay_alone_s(mine)
        # Somebody more urgent may have spent of what was held while the answer was on its way: ask again.
        is_short = self._ahead(mine) + mine[2] - self._borrowed > _ROUNDING
        return max(wait_s, self._pause_s(), _STEP_S_MIN if is_short else 0.0)

    def _delay_alone_s(self, mine: tuple[Rank, int, float]) -> float:
        terms, share = self._terms, self._share
        ahead = self._ahead(mine)
        reserve = mine[0].spares * terms.reserve * share
        needed = min(ahead + mine[2] + reserve, max(terms.capacity * share, ahead + mine[2]))
        lacking_s = (needed - self._credits) / (terms.per_s * share)
        headroom = self._headroom(mine[0]) if self._lender is None else None
        if headroom is not None and headroom >= ahead + mine[2]:
            lacking_s = 0.0
        return max(lacking_s, self._pause_s(), 0.0)

    def _headroom(self, rank: Rank) -> float | None:
        """What the venue said is left, less what was spent since, that such a request may count on; None: nothing."""
        if self._observed is None or rank not in (Rank.URGENT, Rank.QUESTION):
            return None
        remaining, seen_at = self._observed
        age_max = _HEADROOM_URGENT_S_MAX if rank is Rank.URGENT else _HEADROOM_S_MAX
        if self._outside.clock() - seen_at > timedelta(seconds=age_max):
            return None
        return remaining - _HEADROOM_LEFT - (self._terms.reserve if rank is Rank.QUESTION else 0.0)

    def _ahead(self, mine: tuple[Rank, int, float]) -> float:
        return sum(cost for rank, ticket, cost in self._waiting if (rank, ticket) < mine[:2])

    async def _borrow(self, lacking: float, rank: Rank) -> float:
        """Ask the lender for what is lacking and a portion more; return the seconds after which to ask again."""
        assert self._lender is not None
        now, holding = self._outside.clock(), self._borrowed
        seen = self._observed
        fresh = seen is not None and now - seen[1] <= timedelta(seconds=_OBSERVED_S_MAX)
        request = LoanRequest(
            self._borrower, self._claim, lacking, max(lacking, self._terms.portion), holding, rank is Rank.URGENT,
            seen[0] if seen is not None and fresh else None, rank.is_half_spared, self._headroom(rank),
        )  # fmt: skip
        try:
            async with asyncio.timeout(_BORROW_S_MAX):
                loan = await self._lender.borrow(self._key, request, now)
        except (HedgeError, TimeoutError) as failure:
            self._go_alone(failure)
            return 0.0
        # While the answer was on its way others may have spent of what was held.
        self._credits = max(0.0, loan.credits - (holding - self._borrowed))
        if self._alone_until is not None:
            self._alone_until = None
            log.info("venue=%s budget=%s is shared again", self._venue, self._key)
        self._expires_at, self._terms, self._claim = loan.expires_at, loan.terms, self._assumed
        if loan.paused_until is not None:
            self._pause_until(loan.paused_until)
        return loan.wait_s

    def _go_alone(self, failure: Exception) -> None:
        if self._alone_until is None:
            log.warning(
                "venue=%s budget=%s cannot be shared (%s); using %.0f %% of it without the others",
                self._venue, self._key, type(failure).__name__, ALONE_SHARE * 100,
            )  # fmt: skip
        self._alone_until = self._outside.clock() + timedelta(seconds=ALONE_S)

    @property
    def _borrowed(self) -> float:
        """Credits at hand that a lender lent; what was gathered alone does not count."""
        return self._credits if self._alone_until is None else 0.0

    @property
    def _is_alone(self) -> bool:
        """True without a lender, and for a while after the lender could not be reached."""
        return self._lender is None or (self._alone_until is not None and self._outside.clock() < self._alone_until)

    @property
    def _share(self) -> float:
        return 1.0 if self._lender is None else ALONE_SHARE

    def _pause_until(self, until: datetime) -> None:
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until
            self._observed = None  # the venue's last count was wrong, or others spent it

    def _pause_s(self) -> float:
        if self._paused_until is None:
            return 0.0
        left_s = (self._paused_until - self._outside.clock()).total_seconds()
        if left_s <= 0:
            self._paused_until = None
            return 0.0
        return left_s

    def _refill(self) -> None:
        """Add what time brought; a borrowed portion that grew too old is void instead."""
        now = self._outside.clock()
        elapsed_s = (now - self._refilled_at).total_seconds()
        self._refilled_at = now
        if self._lender is None or self._alone_until is not None:
            gained = max(0.0, elapsed_s) * self._terms.per_s * self._share
            self._credits = min(max(self._terms.capacity * self._share, self._credits), self._credits + gained)
        elif now >= self._expires_at:
            self._credits = 0.0


class JointBudget:
    """Several budgets that one request counts against: credits come from all of them or from none."""

    def __init__(self, *buckets: TokenBucket) -> None:
        """Order matters: the one that is most likely spent comes first."""
        self._buckets = buckets

    async def take(
        self,
        cost: float = 1.0,
        *,
        urgent: bool = False,
        question: bool = False,
        order: bool = False,
        patient: bool = False,
        wait_s_max: float | None = None,
    ) -> None:
        """Spend credits of all budgets; raise RateLimited when one of them would make it wait too long."""
        for number, bucket in enumerate(self._buckets):
            try:
                await bucket.take(
                    cost, urgent=urgent, question=question, order=order, patient=patient, wait_s_max=wait_s_max
                )
            except BaseException:
                for taken in self._buckets[:number]:
                    taken.give_back(cost)
                raise

    def pause(self, retry_after_s: float) -> None:
        """Obey a 429; which of the limits it was is not said, so all of them rest."""
        for bucket in self._buckets:
            bucket.pause(retry_after_s)


def _rank(*, urgent: bool, question: bool, order: bool, patient: bool) -> Rank:
    if urgent or question:
        return Rank.URGENT if urgent else Rank.QUESTION
    return Rank.ORDER if order else Rank.PATIENT if patient else Rank.ORDINARY


def retry_after_s(headers: Mapping[str, str], default_s: float) -> float:
    """Read Retry-After (RFC 9110, 10.2.3) in its seconds form; a date or nonsense gives the default.

    Never more than a day, however many digits stand there.
    """
    text = headers.get("retry-after", "").strip()
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdigit() else default_s
