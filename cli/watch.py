"""Watching a session: a live picture in a terminal, plain lines elsewhere. Reads the store; touches nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import typer
from rich.console import Console
from rich.live import Live

from cli.picture import Picture, line, render
from cli.place import now
from cli.standing import day_limit
from flows.day_limit import naked_limit
from store import Event, Session, SessionStatus, Store
from store.api_records import Start, StartState

POLL_S = 0.25
LINE_EVERY_S = 5.0
ABANDONED_S = 10.0
LAUNCH_S = 45.0
_BY_AN_OPERATOR = "paused by "
_ABANDONED = "its run has ended without an end; run the session again to go on where it stands"


def watch(store: Store, session_id: str, console: Console, *, timeout_s: float) -> Session:
    """Follow a session until it has ended, is halted, or the time is up; return it as it then stands."""
    picture = _blank(store, session_id)
    show = _live if console.is_terminal else _lines
    show(store, picture, console, timeout_s)
    return picture.session


def follow_as_json(store: Store, session_id: str, *, timeout_s: float) -> Session:
    """Print each event as one line of JSON as it comes; end as `watch` does."""
    picture = _blank(store, session_id)
    for events in updates(store, picture, timeout_s):
        for event in events:
            document = {
                "sequence": event.sequence, "at": event.at.isoformat(), "channel": event.channel, "type": event.type,
                "data": dict(event.payload),
            }  # fmt: skip
            typer.echo(json.dumps(document, default=str, ensure_ascii=False))
    return picture.session


def _blank(store: Store, session_id: str) -> Picture:
    """A picture of a session before its first event, with the limits that its lone legs are set against."""
    session = store.reads.session(session_id)
    return Picture(session, naked_limit=naked_limit(session.strategy, session.accounts), naked_day_max=day_limit())


def _live(store: Store, picture: Picture, console: Console, timeout_s: float) -> None:
    """Draw in place; the last picture stays on the screen."""
    with Live(render(picture, now()), console=console, auto_refresh=False) as live:
        for _ in updates(store, picture, timeout_s):
            live.update(render(picture, now()), refresh=True)


def _lines(store: Store, picture: Picture, console: Console, timeout_s: float) -> None:
    shown_at, shown = 0.0, ""
    for _ in updates(store, picture, timeout_s):
        at, text = time.monotonic(), line(picture)
        if text != shown and (at - shown_at >= LINE_EVERY_S or picture.session.status.is_final):
            shown_at, shown = at, text
            console.print(text, highlight=False, soft_wrap=True, markup=False)


def updates(
    store: Store,
    picture: Picture,
    timeout_s: float,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[list[Event]]:
    """Yield what is new, time and again, until nothing more is to come or the time is up."""
    deadline, driven_at = monotonic() + timeout_s, monotonic()
    while True:
        session_id = picture.session.session_id
        picture.session = store.reads.session(session_id)
        picture.naked_today = store.reads.ledger.naked_on_day_of(now())
        events = store.reads.events_since(session_id, picture.last_sequence)
        for event in events:
            picture.take(event)
        yield events
        if _has_ended(picture) or monotonic() >= deadline:
            return
        if _is_driven(store, picture.session):
            driven_at = monotonic()
        elif monotonic() - driven_at > ABANDONED_S:
            picture.note(now(), _ABANDONED)
            yield []
            return
        sleep(POLL_S)


def _has_ended(picture: Picture) -> bool:
    """Ended and on record; or failed, or halted: then nothing changes without an operator who looks.

    An operator's own pause is no end: whoever watches sees it being resumed.
    """
    session = picture.session
    if session.status is SessionStatus.COMPLETED:
        return picture.is_on_record
    reason = session.status_reason
    is_halted = reason is not None and session.started_at is not None and not reason.startswith(_BY_AN_OPERATOR)
    return session.status is SessionStatus.FAILED or is_halted


def _is_driven(store: Store, session: Session) -> bool:
    """Tell whether somebody has held the session's lease lately; one that is not to run now counts as driven."""
    if session.status not in (SessionStatus.ACTIVE, SessionStatus.PAUSED):
        return True
    lease = store.reads.lease(f"session:{session.session_id}")
    if lease is not None and lease.expires_at > now() - timedelta(seconds=ABANDONED_S):
        return True
    return _is_coming(store.reads.last_start(session.session_id))


def _is_coming(start: Start | None) -> bool:
    """Tell whether a run has been asked for and may not have taken the lease yet: a busy machine is slow to launch."""
    if start is None:
        return False
    return start.state is StartState.OPEN or start.created_at > now() - timedelta(seconds=LAUNCH_S)
