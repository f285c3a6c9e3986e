"""A fair request budget for one account on one venue. It waits or refuses; it sends nothing.

Credits refill steadily. Ordinary requests leave a reserve that only urgent ones (cancels, closing orders) may use,
and an urgent request stands before every ordinary one. Whoever would wait longer than the bound is refused with
RateLimited before the venue has to say 429.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta

from connectors.settings import Outside
from core.errors import RateLimited
from core.instrument import Venue

WAIT_S_MAX = 5.0
_STEP_S_MIN = 0.001
_RETRY_AFTER_S_MAX = 300.0


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
    ) -> None:
        """Start full. `reserve` credits are kept for urgent requests."""
        if not 0 <= reserve < capacity or per_s <= 0:
            raise ValueError("a budget needs 0 <= reserve < capacity and a positive refill")
        self._venue = venue
        self._capacity = capacity
        self._per_s = per_s
        self._outside = outside
        self._reserve = reserve
        self._wait_s_max = wait_s_max
        self._credits = capacity
        self._refilled_at = outside.clock()
        self._paused_until: datetime | None = None
        self._ticket = 0
        self._waiting: list[tuple[bool, int, float]] = []

    @property
    def available(self) -> float:
        """Credits that an urgent request could spend now."""
        self._refill()
        return 0.0 if self._pause_s() > 0 else self._credits

    async def take(self, cost: float = 1.0, *, urgent: bool = False, wait_s_max: float | None = None) -> None:
        """Spend credits, waiting for one's turn; raise RateLimited when that would take longer than the bound.

        wait_s_max narrows the budget's own bound for a request that is worth nothing when late.
        """
        self._ticket += 1
        mine = (not urgent, self._ticket, cost)
        heapq.heappush(self._waiting, mine)
        deadline = self._outside.clock() + timedelta(seconds=self._wait_s_max if wait_s_max is None else wait_s_max)
        try:
            while (delay_s := self._delay_s(mine)) > 0:
                now = self._outside.clock()
                if now + timedelta(seconds=delay_s) > deadline:
                    raise RateLimited(
                        f"{self._venue}: the request budget is spent; come back in {delay_s:.1f} s",
                        venue=str(self._venue),
                        retry_after_s=delay_s,
                    )
                await self._outside.sleep(max(delay_s, _STEP_S_MIN))
            self._credits -= cost
        finally:
            self._waiting.remove(mine)
            heapq.heapify(self._waiting)

    def pause(self, retry_after_s: float) -> None:
        """Obey the venue's 429: nobody spends anything until its Retry-After has passed (bounded)."""
        seconds = min(max(retry_after_s, 0.0), _RETRY_AFTER_S_MAX)
        until = self._outside.clock() + timedelta(seconds=seconds)
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until

    def observe(self, remaining: float) -> None:
        """Take the venue's own count of what is left when it is lower than ours (other users of the same quota)."""
        self._refill()
        self._credits = min(self._credits, remaining)

    def resize(self, *, capacity: float, per_s: float) -> None:
        """Take over a quota that the venue states for this key or tier; what is left never grows by that."""
        if capacity <= self._reserve or per_s <= 0:
            raise ValueError("a budget needs a capacity above its reserve and a positive refill")
        self._refill()
        self._capacity, self._per_s = capacity, per_s
        self._credits = min(self._credits, capacity)

    def _delay_s(self, mine: tuple[bool, int, float]) -> float:
        """Seconds until this ticket's turn: credits for everyone before it, itself, and the reserve it must leave."""
        self._refill()
        ahead = sum(cost for patient, ticket, cost in self._waiting if (patient, ticket) < mine[:2])
        needed = min(ahead + mine[2] + (self._reserve if mine[0] else 0.0), max(self._capacity, ahead + mine[2]))
        lacking_s = (needed - self._credits) / self._per_s
        return max(lacking_s, self._pause_s(), 0.0)

    def _pause_s(self) -> float:
        if self._paused_until is None:
            return 0.0
        left_s = (self._paused_until - self._outside.clock()).total_seconds()
        if left_s <= 0:
            self._paused_until = None
            return 0.0
        return left_s

    def _refill(self) -> None:
        now = self._outside.clock()
        elapsed_s = (now - self._refilled_at).total_seconds()
        self._refilled_at = now
        if elapsed_s > 0:
            self._credits = min(self._capacity, self._credits + elapsed_s * self._per_s)


def retry_after_s(headers: Mapping[str, str], default_s: float) -> float:
    """Read Retry-After (RFC 9110, 10.2.3) in its seconds form; a date or nonsense gives the default."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else default_s
