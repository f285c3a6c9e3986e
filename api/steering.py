"""Commands to running sessions: written down, then waited for. What a session does with one is its own affair.

A session whose run is gone is given another one, so that stop and flatten work after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from api.context import Services, read
from core.errors import InvalidSessionStatus, SessionHalted
from core.risk import Severity
from store import Command, CommandKind, Session, SessionStatus

POLL_S = 0.05
REVIVE_EVERY = 40
_REFUSED = "refused"
_ENDING = (CommandKind.STOP, CommandKind.FLATTEN)


@dataclass(frozen=True, slots=True)
class Steered:
    """A session after a command was waited for; is_pending: it was not carried out yet."""

    session: Session
    command: Command
    is_pending: bool


async def steer(here: Services, session_id: str, kind: CommandKind, *, by: str, wait_s: float) -> Steered:
    """Write a command down and wait for what comes of it, at most wait_s seconds.

    Raises InvalidSessionStatus when the session refuses it, SessionHalted when stopping left exposure.
    """
    command = await here.store.journal.add_command(session_id, kind, created_by=by, created_at=here.now())
    for n in range(ceil(wait_s / POLL_S) + 1):
        if n % REVIVE_EVERY == 0:
            await here.starter.revive(session_id)
        command = await read(here.store.reads.command, command.command_id)
        session = await read(here.store.reads.session, session_id)
        if command.outcome is not None and command.outcome.startswith(_REFUSED):
            raise refused(session, kind, command.outcome.removeprefix(f"{_REFUSED}: "))
        if _has_halted(kind, command, session):
            raise SessionHalted(
                f"The session could not be brought flat: {session.status_reason}",
                sessionId=session_id, currentStatus=session.status.value,
            )  # fmt: skip
        if _is_carried_out(kind, command, session):
            return Steered(session, command, is_pending=False)
        await here.outside.sleep(POLL_S)
    return Steered(session, command, is_pending=True)


async def require_no_critical_breach(here: Services, session: Session) -> None:
    """Raise InvalidSessionStatus while a critical breach waits for a person."""
    open_ones = await read(here.store.reads.breaches, session.session_id, open_only=True)
    critical = [breach for breach in open_ones if breach.severity is Severity.CRITICAL]
    if critical:
        raise InvalidSessionStatus(
            f"Cannot resume while the critical breach {critical[0].breach_id} ({critical[0].category}) is not "
            "acknowledged",
            sessionId=session.session_id, currentStatus=session.status.value, requiredStatus="paused",
            breachIds=[breach.breach_id for breach in critical],
        )  # fmt: skip


def refused(session: Session, kind: CommandKind, reason: str) -> InvalidSessionStatus:
    """Return the refusal of a command with the session's own reason."""
    return InvalidSessionStatus(
        f"Cannot {kind} now: {reason}",
        sessionId=session.session_id, currentStatus=session.status.value, requiredStatus=required_for(kind),
        reason=reason,
    )  # fmt: skip


def required_for(kind: CommandKind) -> str:
    """Return the statuses a command needs, as a refusal tells them."""
    return " or ".join(status.value for status in STATUSES[kind])


STATUSES = {
    CommandKind.PAUSE: (SessionStatus.ACTIVE,),
    CommandKind.RESUME: (SessionStatus.PAUSED,),
    CommandKind.STOP: (SessionStatus.ACTIVE, SessionStatus.PAUSED),
    CommandKind.FLATTEN: (SessionStatus.ACTIVE, SessionStatus.PAUSED),
}


def _has_halted(kind: CommandKind, command: Command, session: Session) -> bool:
    """After it took the command the run ended with exposure that a venue would not let it remove."""
    reason = session.status_reason or ""
    ended = session.status in (SessionStatus.PAUSED, SessionStatus.FAILED) and command.done_at is not None
    return ended and kind in _ENDING and reason.startswith(SessionHalted.code)


def _is_carried_out(kind: CommandKind, command: Command, session: Session) -> bool:
    """Pause and resume are when the session says so, stop and flatten when it is over."""
    if session.status is SessionStatus.FAILED or (
        session.status is SessionStatus.COMPLETED and kind in (CommandKind.PAUSE, CommandKind.RESUME)
    ):
        raise refused(session, kind, session.status_reason or f"the session is {session.status}")
    if kind in _ENDING:
        return session.status.is_final
    return command.done_at is not None
