"""Slowing down who guesses keys: a bucket of failures by client address, in this process's memory and bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from api.errors import RateLimitExceeded

FAILURES_MAX = 20
REFILL_PER_S = 0.5
ADDRESSES_MAX = 4096


@dataclass(slots=True)
class _Bucket:
    left: float
    at: datetime


class FailureThrottle:
    """Counts failures; the oldest addresses are forgotten when there are too many."""

    def __init__(
        self, clock: Callable[[], datetime], *, failures_max: int = FAILURES_MAX, addresses_max: int = ADDRESSES_MAX
    ) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._addresses_max = addresses_max
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def failed(self, address: str) -> None:
        """Note a failure; raise RateLimitExceeded when the address has failed too often of late."""
        now = self._clock()
        bucket = self._buckets.pop(address, None) or _Bucket(float(self._failures_max), now)
        passed = max(0.0, (now - bucket.at).total_seconds())
        bucket.left, bucket.at = min(self._failures_max, bucket.left + passed * REFILL_PER_S), now
        self._buckets[address] = bucket
        while len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            raise RateLimitExceeded(
                "too many calls without a valid key from this address",
                retry_after_s=ceil((1 - bucket.left) / REFILL_PER_S),
            )
        bucket.left -= 1
