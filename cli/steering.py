"""Asking a running session for something and waiting for what comes of it. Commands are rows; the run obeys them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import typer

from cli.output import emit
from cli.place import DONE, NOT_CLEAN, NotReachable, here, now, opened
from cli.runs import revive
from core.errors import InvalidSessionStatus
from store import CommandKind, Session, SessionStatus, Store
from store.home import Home

POLL_S = 0.1
BY = "command line"
LIVE = (SessionStatus.ACTIVE, SessionStatus.PAUSED)
_FROM = {
    CommandKind.PAUSE: (SessionStatus.ACTIVE,),
    CommandKind.RESUME: (SessionStatus.PAUSED,),
    CommandKind.STOP: LIVE,
    CommandKind.FLATTEN: LIVE,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command: the session as it then stands, the run's own word, None while it has said nothing."""

    session: Session
    outcome: str | None
    revived: str | None

    @property
    def is_pending(self) -> bool:
        """True while the session is not yet where it was asked to go."""
        return self.outcome is None

    def document(self) -> dict[str, object]:
        """For programs."""
        return {
            "sessionId": self.session.session_id, "status": self.session.status.value, "outcome": self.outcome,
            "pending": self.is_pending, "newFlowRunId": self.revived,
        }  # fmt: skip


def steer(session_id: str, kind: CommandKind, *, wait_s: float, as_json: bool) -> int:
    """Carry out one command and say what came of it; returns the exit code.

    Raises InvalidSessionStatus when the session, or its run, refuses.
    """
    with opened() as store:
        answer = ask(store, here(), session_id, kind, wait_s=wait_s)
    if answer.outcome is not None and answer.outcome.startswith("refused"):
        raise InvalidSessionStatus(f"session {session_id}: {answer.outcome}", sessionId=session_id)
    if as_json:
        emit(answer.document())
    elif answer.is_pending:
        typer.echo(f"{kind} is asked and not yet done; the session is {answer.session.status}")
    else:
        typer.echo(f"session {session_id}: {answer.outcome} ({answer.session.status})")
    late = answer.is_pending and kind in (CommandKind.STOP, CommandKind.FLATTEN) and wait_s > 0
    return NOT_CLEAN if late or answer.session.status is SessionStatus.FAILED else DONE


def ask(
    store: Store, home: Home, session_id: str, kind: CommandKind, *, wait_s: float,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
    monotonic: Callable[[], float] = time.monotonic,
) -> Answer:  # fmt: skip
    """Write a command, see to it that a run is there to obey, and wait for the outcome at most wait_s."""
    session = store.reads.session(session_id)
    if session.status not in _FROM[kind]:
        wanted = " or ".join(status.value for status in _FROM[kind])
        raise InvalidSessionStatus(
            f"session {session_id} is {session.status}; {kind} needs it {wanted}",
            sessionId=session_id, currentStatus=session.status.value, requiredStatus=wanted,
        )  # fmt: skip
    command = store.journal.add_command.now(session_id, kind, created_by=BY, created_at=now())
    revived = _see_that_it_runs(store, home, session)
    deadline = monotonic() + wait_s
    while True:
        outcome, session = store.reads.command(command.command_id).outcome, store.reads.session(session_id)
        if outcome is not None and (kind not in (CommandKind.STOP, CommandKind.FLATTEN) or session.status.is_final):
            return Answer(session, outcome, revived)
        if session.status.is_final:
            return Answer(session, outcome or f"the session is {session.status}", revived)
        if monotonic() >= deadline:
            return Answer(session, None, revived)
        sleep(POLL_S)


def _see_that_it_runs(store: Store, home: Home, session: Session) -> str | None:
    """The command stands whatever comes of this: it is obeyed by the session's next run."""
    try:
        return revive(store, home, session.session_id)
    except NotReachable as error:
        raise NotReachable(f"it is asked, but no run is there to obey and none could be started: {error}") from None


def flatten_all(*, wait_s: float, as_json: bool) -> int:
    """Ask every active or paused session to wind down, then wait for all of them; returns the exit code."""
    deadline = time.monotonic() + wait_s
    rows: list[dict[str, object]] = []
    with opened() as store:
        sessions = store.reads.sessions(statuses=LIVE, limit=1000)
        failures = {s.session_id: _flatten(store, s) for s in sessions}
        for session in sessions:
            left = max(0.0, deadline - time.monotonic())
            ended = _final(store, session.session_id, left)
            problem = failures[session.session_id]
            rows.append({
                "sessionId": session.session_id, "name": session.name, "status": ended.status.value, "problem": problem,
            })  # fmt: skip
    if as_json:
        emit(rows)
    elif not rows:
        typer.echo("no session is running or paused")
    else:
        for row in rows:
            typer.echo(f"{row['status']:<9} {row['sessionId']}  {row['problem'] or ''}".rstrip())
    return DONE if all(row["status"] == SessionStatus.COMPLETED for row in rows) else NOT_CLEAN


def _flatten(store: Store, session: Session) -> str | None:
    """One session that cannot be reached must not keep the others from being told."""
    try:
        ask(store, here(), session.session_id, CommandKind.FLATTEN, wait_s=0)
    except (NotReachable, InvalidSessionStatus) as error:
        return str(error)
    return None


def _final(store: Store, session_id: str, wait_s: float) -> Session:
    deadline = time.monotonic() + wait_s
    while True:
        session = store.reads.session(session_id)
        if session.status.is_final or time.monotonic() >= deadline:
            return session
        time.sleep(POLL_S)  # noqa: TID251
