"""Paradex's rate limits: token buckets with continuous refill, and the headers that tell of them.

Written from docs.paradex.trade (REST API, Rate Limits; WebSocket API, Rate Limits). Must not know what a
request means. Times are microseconds of the clock that clients share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sandbox.dialects.paradex_errors import TooManyRequests

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`units` requests per `window_s` seconds; the bucket holds as many."""

    units: int
    window_s: int


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The venue's published allowances; each applies by IP address or by account as named."""

    ip_public: tuple[Allowance, ...] = (Allowance(1500, 60),)
    ip_private: tuple[Allowance, ...] = (Allowance(1500, 60),)
    ip_auth: tuple[Allowance, ...] = (Allowance(600, 60),)
    ip_connects: tuple[Allowance, ...] = (Allowance(20, 1), Allowance(600, 60))
    account_orders: tuple[Allowance, ...] = (Allowance(800, 1), Allowance(17_250, 60))
    account_reads: tuple[Allowance, ...] = (Allowance(120, 1), Allowance(600, 60))


@dataclass(slots=True)
class _Bucket:
    allowance: Allowance
    level: float
    updated_us: int

    def refill(self, now_us: int) -> None:
        gained = (now_us - self.updated_us) * self.allowance.units / (self.allowance.window_s * MICRO)
        self.level = min(float(self.allowance.units), self.level + max(0.0, gained))
        self.updated_us = max(now_us, self.updated_us)

    def wait_s(self, units: float) -> float:
        return max(0.0, units - self.level) * self.allowance.window_s / self.allowance.units


@dataclass(frozen=True, slots=True)
class Gauge:
    """State of the tightest bucket a request drew from."""

    limit: int
    remaining: int
    full_at_s: int
    window_s: int

    def headers(self) -> dict[str, str]:
        """Return the X-RateLimit headers; Reset is the unix second at which the bucket is full again."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.full_at_s),
            "X-RateLimit-Window": str(self.window_s),
        }


class RateLimiter:
    """All buckets of one venue, made on first use and forgotten oldest first."""

    BUCKETS_MAX: Final = 50_000

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._buckets: dict[tuple[str, Allowance], _Bucket] = {}

    def take(self, owner: str, allowances: Iterable[Allowance], *, now_us: int) -> Gauge:
        """Draw one unit from each of the owner's buckets or, if one is empty, from none (TooManyRequests)."""
        buckets = [self._bucket(owner, allowance, now_us) for allowance in allowances]
        wait_s = max(bucket.wait_s(1) for bucket in buckets)
        if wait_s > 0:
            raise TooManyRequests(math.ceil(wait_s))
        for bucket in buckets:
            bucket.level -= 1
        return self._gauge(buckets, now_us)

    def peek(self, owner: str, allowances: Iterable[Allowance], *, now_us: int) -> Gauge:
        """Return the state without drawing."""
        return self._gauge([self._bucket(owner, allowance, now_us) for allowance in allowances], now_us)

    def _bucket(self, owner: str, allowance: Allowance, now_us: int) -> _Bucket:
        key = (owner, allowance)
        if key not in self._buckets:
            if len(self._buckets) >= self.BUCKETS_MAX:
                self._buckets.pop(next(iter(self._buckets)))
            self._buckets[key] = _Bucket(allowance, float(allowance.units), now_us)
        bucket = self._buckets[key]
        bucket.refill(now_us)
        return bucket

    @staticmethod
    def _gauge(buckets: list[_Bucket], now_us: int) -> Gauge:
        tightest = min(buckets, key=lambda bucket: bucket.level / bucket.allowance.units)
        units = tightest.allowance.units
        return Gauge(
            limit=units,
            remaining=int(tightest.level),
            full_at_s=math.ceil(now_us / MICRO + tightest.wait_s(units)),
            window_s=tightest.allowance.window_s,
        )
