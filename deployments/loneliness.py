"""What the watchdog found when it saw a session without a run, kept in the session's events. Decides nothing.

A watchdog that dies and is started again reads here since when the session is alone, and how long it was to wait: it
must not begin to count anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from store import Event, Store

CHANNEL, TYPE = "risk", "watchdog"
_FLATTENS = "flattens"


@dataclass(frozen=True, slots=True)
class Loneliness:
    """A session without a live lease: since when, and until when a run that may be on its way is waited for.

    settles_at: None until a watchdog that was started since has granted that time, which is done once. attempt and
    lease_end tell it from other times: whoever opens the session's desk changes at least one of them.
    """

    since: datetime
    settles_at: datetime | None
    attempt: int
    lease_end: datetime | None

    def payload(self, *, flattens: bool = False) -> dict[str, object]:
        """As it stands in an event; flattens: the watchdog begins to flatten the session."""
        return {
            "aloneSince": self.since.isoformat(), "settlesAt": _iso(self.settles_at), "attempt": self.attempt,
            "leaseEnd": _iso(self.lease_end), _FLATTENS: flattens,
        }  # fmt: skip


def remembered(store: Store, session_id: str, found: Loneliness) -> tuple[Loneliness, bool]:
    """Return what is to be held of a session that is found alone, and whether it is in the events already.

    The same loneliness counts from when it was found first, with one time of grace after a start. One that began when a
    watchdog died that was flattening the session waits for no run: it was the watchdog itself that drove it.
    """
    last = store.reads.last_event(session_id, CHANNEL, type=TYPE)
    if last is None:
        return found, False
    known = _read(last.payload)
    flattens = last.payload.get(_FLATTENS) is True
    if known is not None and (known.attempt, known.lease_end) == (found.attempt, found.lease_end):
        if known.settles_at is None and found.settles_at is not None and not flattens:
            return replace(known, settles_at=found.settles_at), False
        return known, True
    if flattens and not _has_run_since(store, last):
        return replace(found, settles_at=found.since), False
    return found, False


def _has_run_since(store: Store, event: Event) -> bool:
    """Whether a run of the session, not the watchdog, has begun after an event; a run tells its attempt."""
    last = event.sequence
    while page := store.reads.events_since(event.session_id, last):
        last = page[-1].sequence
        if any(e.type == "session_update" and "attempt" in e.payload for e in page):
            return True
    return False


def _read(payload: Mapping[str, object]) -> Loneliness | None:
    since, attempt = _time(payload.get("aloneSince")), payload.get("attempt")
    if since is None or not isinstance(attempt, int):
        return None
    return Loneliness(since, _time(payload.get("settlesAt")), attempt, _time(payload.get("leaseEnd")))


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
