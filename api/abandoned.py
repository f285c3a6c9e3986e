"""Sessions that were started and that no run drives: what Prefect says of their last run, and what to do. Pure.

Only for sessions that never sent an order. One that has belongs to the watchdog, which flattens it: nothing here may
start a run that would open positions while the watchdog closes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from api.runs import RunState
from store.api_records import Start

# A run holds its lease this long after Prefect called it running, or handed it to a process, at the latest. Many that
# start at once on a small machine take minutes to import what they need: another one each would only make it worse.
RUN_SETTLES_S = 45.0
PROCESS_STARTS_S = 180.0

# How long after the last sign of life each try comes; only tries of the last hour count.
PAUSES_S = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
TRIES_COUNT_S = 3600.0
# Without a run for longer than this, nobody is surprised by trades that begin by themselves.
TOO_LATE_S = 1800.0


class Fate(StrEnum):
    """What has become of a run. ALIVE: it drives, or will; SUSPENDED: a person paused it in Prefect."""

    ALIVE = "alive"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Wait:
    """It is not time yet."""


@dataclass(frozen=True, slots=True)
class BringBack:
    """Have another run created; number: which try of the last hour it is, from 1."""

    number: int

    @property
    def text(self) -> str:
        """The reason, for the session's followers."""
        return f"its run was gone before its first order: it is brought back, try {self.number} of {len(PAUSES_S)}"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It ends as failed, for this reason."""

    reason: str


def fate_of(run: RunState, begun_at: datetime | None, now: datetime) -> Fate:
    """Judge a run of a session whose lease nobody holds; begun_at: when it began where Prefect does not say."""
    since = run.since or begun_at
    match run.type:
        case "SCHEDULED":
            return Fate.ALIVE
        case "PENDING":
            return Fate.GONE if _is_past(run.since, PROCESS_STARTS_S, now) else Fate.ALIVE
        case "CANCELLED":
            return Fate.CANCELLED
        case "COMPLETED" | "FAILED" | "CRASHED" | "GONE":
            return Fate.GONE
    if not _is_past(since, RUN_SETTLES_S, now):
        return Fate.ALIVE
    return {"CANCELLING": Fate.CANCELLED, "PAUSED": Fate.SUSPENDED}.get(run.type, Fate.GONE)


def next_step(starts: Sequence[Start], last_sign_at: datetime, now: datetime) -> Wait | BringBack | GiveUp:
    """Decide about a session whose run is gone. starts: oldest first; last_sign_at: when a run of it last lived."""
    tries = sum(not s.is_first and not _is_past(s.created_at, TRIES_COUNT_S, now) for s in starts)
    last_at = max(last_sign_at, *(s.ended_at or s.created_at for s in starts)) if starts else last_sign_at
    if not _is_past(last_at, PAUSES_S[min(tries, len(PAUSES_S) - 1)], now):
        return Wait()
    if _is_past(last_at, TOO_LATE_S, now):
        return GiveUp(f"no run drove it for {(now - last_at).total_seconds() / 60:.0f} minutes before its first order")
    if tries >= len(PAUSES_S):
        return GiveUp(
            f"no run of it reached its first order in {tries} tries to bring it back; see the runs in Prefect"
        )
    return BringBack(tries + 1)


def _is_past(at: datetime | None, seconds: float, now: datetime) -> bool:
    return at is not None and now - at > timedelta(seconds=seconds)
