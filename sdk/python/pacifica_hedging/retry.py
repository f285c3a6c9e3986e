"""What to do with an answer, or with none: take it, raise it, or wait and ask again. Decides; sends nothing.

Sent again is only what is safe: reads, and calls with an Idempotency-Key; whatever never reached the service too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from pacifica_hedging.calls import Call, decode
from pacifica_hedging.errors import (
    ConnectionFailed,
    HedgingError,
    IdempotencyConflict,
    RateLimitExceeded,
    ServiceUnavailable,
    UnexpectedAnswer,
    error_for,
)

_GATEWAY = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to wait: growing pauses with some chance in them, or what the service says."""

    tries: int = 5
    pause_s: float = 0.25
    pause_s_max: float = 8.0
    retry_after_s_max: float = 90.0
    rng: random.Random = field(default_factory=random.Random)

    def after_silence(self, call: Call[Any], error: httpx.TransportError, attempt: int) -> float | None:
        """Return how long to wait after no answer came; None when the call must not be sent again."""
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        is_safe = call.is_repeatable or never_sent
        return self.pause(attempt) if is_safe and attempt < self.tries else None

    def after_refusal(self, call: Call[Any], error: HedgingError, attempt: int) -> float | None:
        """Return how long to wait after a refusal; None when asking again makes no sense or is not safe."""
        if attempt >= self.tries or not _is_passing(error) or not call.is_repeatable:
            return None
        if error.retry_after_s is None:
            return self.pause(attempt)
        return error.retry_after_s if error.retry_after_s <= self.retry_after_s_max else None

    def pause(self, attempt: int) -> float:
        """Return the pause after the attempt-th try (from 1 on)."""
        return float(min(self.pause_s * 2 ** (attempt - 1), self.pause_s_max) * self.rng.uniform(0.75, 1.25))


def refusal(status: int, headers: Mapping[str, str], text: str) -> HedgingError | None:
    """Return the error an answer stands for, None for a success."""
    if 200 <= status < 300:
        return None
    retry_after_s = _retry_after(headers)
    request_id = headers.get("X-Request-Id")
    try:
        problem = decode(text)["error"]
        code, message, details = str(problem["code"]), str(problem["message"]), dict(problem.get("details") or {})
    except (UnexpectedAnswer, KeyError, TypeError, ValueError):
        kind = ServiceUnavailable if status in _GATEWAY else UnexpectedAnswer
        return kind(
            f"something that is not the service answered {status}", status=status, retry_after_s=retry_after_s,
            request_id=request_id,
        )  # fmt: skip
    return error_for(code, message, details=details, status=status, request_id=request_id, retry_after_s=retry_after_s)


def silence(error: httpx.TransportError) -> ConnectionFailed:
    """Return the error that says that no answer came."""
    return ConnectionFailed(f"no answer came ({type(error).__name__}); what became of the call is unknown")


def _is_passing(error: HedgingError) -> bool:
    if isinstance(error, IdempotencyConflict):
        return error.retry_after_s is not None  # the first call is still being carried out
    return isinstance(error, RateLimitExceeded | ServiceUnavailable)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
