"""The rate limit: so many calls a key and window, counted in the store, so that all processes mean the same limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from api.errors import RateLimitExceeded
from store import Store
from store.api_records import ApiKey


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key has left: remaining of limit calls until resets_at."""

    limit: int
    remaining: int
    resets_at: datetime

    def headers(self) -> dict[str, str]:
        """The headers that every answer to a key carries; the reset in Unix seconds."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(ceil(self.resets_at.timestamp())),
        }


class RateLimit:
    """Counts each call durably before it is answered."""

    def __init__(self, store: Store, clock: Callable[[], datetime], *, limit: int, window_s: int) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._spent: dict[str, datetime] = {}

    async def count(self, key: ApiKey) -> tuple[Allowance, RateLimitExceeded | None]:
        """Count one call; with what is left, and the refusal when it was one too many."""
        now = self._clock()
        resets_at = self._spent.get(key.key_id, now)
        if resets_at > now:
            # Known to be spent: who calls all the same cannot make the store write.
            return Allowance(self._limit, 0, resets_at), self._refusal(resets_at, now)
        counted = await self._store.journal.count_call(key.key_id, now=now, window_s=self._window_s)
        resets_at = counted.window_start + timedelta(seconds=self._window_s)
        allowance = Allowance(self._limit, max(0, self._limit - counted.calls), resets_at)
        if counted.calls <= self._limit:
            return allowance, None
        self._spent[key.key_id] = resets_at
        return allowance, self._refusal(resets_at, now)

    def _refusal(self, resets_at: datetime, now: datetime) -> RateLimitExceeded:
        wait_s = max(1, ceil((resets_at - now).total_seconds()))
        return RateLimitExceeded(
            f"{self._limit} calls in {self._window_s} s are allowed for a key; wait {wait_s} s", retry_after_s=wait_s
        )
