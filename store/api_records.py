"""What the API keeps in the store, as frozen values: keys, counted calls, first answers, tickets, starts.

Secrets are never in here: a key or ticket is known by the SHA-256 of its secret, which is random and long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do. READ < TRADE < ADMIN; KILL alone may stop and flatten and see nothing."""

    READ = "read"
    TRADE = "trade"
    KILL = "kill"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: its public id, the digest of its secret, what it may do."""

    key_id: str
    name: str
    secret_sha256: str
    scopes: frozenset[Scope]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def is_valid(self) -> bool:
        """True until it is revoked."""
        return self.revoked_at is None


@dataclass(frozen=True, slots=True)
class CountedCalls:
    """How many calls a key made in the window that began at window_start, this one included."""

    calls: int
    window_start: datetime


class CallState(StrEnum):
    """What is known of a call with an Idempotency-Key.

    FRESH: it is this caller's to carry out. ANSWERED: status and body are the first answer. RUNNING: another process
    carries it out. CONFLICT: the key was used for another call or body.
    """

    FRESH = "fresh"
    ANSWERED = "answered"
    RUNNING = "running"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class KeptCall:
    """The store's word on a call with an Idempotency-Key."""

    state: CallState
    status: int | None = None
    body: str | None = None


class StartState(StrEnum):
    """OPEN: Prefect may or may not have been asked. CREATED: the run exists. REFUSED: it never will."""

    OPEN = "open"
    CREATED = "created"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Start:
    """One run to be created at Prefect; (session, attempt) is its idempotency key there.

    is_first: the session was pending before and becomes pending again should Prefect refuse. Only who claimed it
    (until claimed_until) may ask Prefect.
    """

    session_id: str
    attempt: int
    state: StartState
    is_first: bool
    created_at: datetime
    claimed_by: str
    claimed_until: datetime
    flow_run_id: str | None
    ended_at: datetime | None
    reason: str | None
