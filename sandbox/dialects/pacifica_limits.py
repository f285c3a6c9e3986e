"""Pacifica's rate limit: credits in a fixed window of 60 seconds, per key or per address.

Duty: count credits and say how many are left. All wire values are ten times the credits.
Source: docs.pacifica.fi, Rate Limits (125 credits without a key, 300 with one; cancel 0.5, heavy GET 12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

WINDOW_US = 60_000_000
QUOTA_TENTHS = 1250
QUOTA_WITH_KEY_TENTHS = 3000
COST_TENTHS = 10
CANCEL_COST_TENTHS = 5
HEAVY_COST_TENTHS = 120
HEAVY_COST_WITH_KEY_TENTHS = 30
CALLERS_MAX = 10_000


@dataclass(slots=True)
class _Window:
    started_us: int
    used: int = 0


@dataclass(frozen=True, slots=True)
class Credits:
    """What is left after a request, in tenths; `refresh_s` until the window ends."""

    remaining: int
    quota: int
    refresh_s: int
    is_exceeded: bool

    def headers(self) -> dict[str, str]:
        """REST headers."""
        return {
            "ratelimit": f'"credits";r={self.remaining};t={self.refresh_s}',
            "ratelimit-policy": f'"credits";q={self.quota};w={WINDOW_US // 1_000_000}',
        }

    def frame(self) -> dict[str, int]:
        """The `rl` member of WebSocket answers."""
        return {"r": self.remaining, "q": self.quota, "t": self.refresh_s}


class CreditDesk:
    """Credit windows of all callers. `quotas` may replace the documented quota (credits a minute)."""

    def __init__(self, now_us: Callable[[], int], quotas: Mapping[str, int]) -> None:
        self._now_us = now_us
        self._quotas = quotas
        self._windows: dict[str, _Window] = {}

    def charge(self, caller: str, cost_tenths: int, *, has_key: bool) -> Credits:
        """Take credits for one request; an exceeded window takes none."""
        now = self._now_us()
        window = self._windows.get(caller)
        if window is None or now - window.started_us >= WINDOW_US:
            if len(self._windows) >= CALLERS_MAX:
                self._windows.clear()
            window = self._windows[caller] = _Window(started_us=now)
        quota = QUOTA_WITH_KEY_TENTHS if has_key else QUOTA_TENTHS
        if "pacifica" in self._quotas:
            quota = self._quotas["pacifica"] * 10
        is_exceeded = window.used + cost_tenths > quota
        if not is_exceeded:
            window.used += cost_tenths
        refresh_s = (window.started_us + WINDOW_US - now + 999_999) // 1_000_000
        return Credits(max(0, quota - window.used), quota, refresh_s, is_exceeded)


def cost_of_get(path: str, *, has_key: bool) -> int:
    """Tenths of a credit for a GET; history reads are heavy."""
    is_heavy = path.endswith(("/trades/history", "/orders/history", "/balance/history", "/kline", "/kline/mark"))
    if is_heavy:
        return HEAVY_COST_WITH_KEY_TENTHS if has_key else HEAVY_COST_TENTHS
    return COST_TENTHS


def cost_of_operation(operation: str) -> int:
    """Tenths of a credit for a signed operation."""
    return CANCEL_COST_TENTHS if operation.startswith("cancel") else COST_TENTHS
