"""A run's risk state as it is told: derived by core from what the run knows, and rebuilt from what it told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.numbers import ZERO, canonical
from core.risk import Severity
from core.risk_state import RiskStateFacts, Standing, stand
from store.reads import Reads
from store.records import Breach, Event, Session, SessionStatus

if TYPE_CHECKING:
    from tasks.course import Course
    from tasks.desk import Desk

_TOLD = "standing"


def announcement(desk: Desk, course: Course) -> dict[str, object]:
    """Return the payload that tells the state: the state, its reason, and the facts it follows from."""
    breaches = desk.store.reads.breaches(desk.session_id, open_only=True)
    gap = desk.net
    if gap != 0 and desk.store.reads.open_pairs(desk.session_id):
        gap = ZERO
    standing = stand(RiskStateFacts(course.halted, course.closing, gap, first_critical(breaches)))
    level = "high" if first_critical(breaches) else "medium" if breaches else "low"
    return {
        "riskLevel": level,
        "riskState": standing.state.value,
        "reason": standing.reason,
        _TOLD: {"halted": course.halted, "closing": course.closing, "gap": canonical(gap)},
    }


def standing_now(session: Session, reads: Reads) -> Standing | None:
    """Derive the state from the store alone; None for a session that has not begun or is over."""
    if session.status not in (SessionStatus.ACTIVE, SessionStatus.PAUSED):
        return None
    told = last_told(reads, session.session_id)
    halted, closing, gap = told.get("halted"), told.get("closing"), Decimal(str(told.get("gap", 0)))
    critical = first_critical(reads.breaches(session.session_id, open_only=True))
    return stand(
        RiskStateFacts(
            None if halted is None else str(halted), None if closing is None else str(closing), gap, critical
        )
    )


def last_told(reads: Reads, session_id: str) -> dict[str, object]:
    """Return the facts that the session's run told last; empty before it told any."""
    event = reads.last_event(session_id, "risk", type="risk_update")
    told = {} if event is None else event.payload.get(_TOLD)
    return dict(told) if isinstance(told, dict) else {}


def gap_told(event: Event) -> Decimal:
    """Return what a risk update said to stand alone, signed base units; zero where it says nothing of it."""
    told = event.payload.get(_TOLD)
    return Decimal(str(told.get("gap", 0))) if isinstance(told, dict) else ZERO


def first_critical(breaches: Sequence[Breach]) -> str | None:
    """Return the category of the first critical breach among these."""
    return next((b.category for b in breaches if b.severity is Severity.CRITICAL), None)
