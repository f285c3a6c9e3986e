"""The kill switch: takes a session over from whoever drives it, brings it flat and ends it. Needs no run that is well.

A live run is asked first; one that does not answer loses its lease, and with it the right to send orders, before this
sends any. Only what the session itself holds is traded, toward zero.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from prefect import flow

from connectors.settings import Environment, Outside
from core.errors import HedgeError, LeaseLost, ReconciliationFailed, SessionHalted, VenueError
from core.numbers import canonical
from core.risk import Severity
from flows.closing import Proof, close_out, leave_foreign, prove
from flows.output import outlive_readers
from flows.record import write_results
from flows.steps import PLAIN, NoBoard
from flows.story import complete
from flows.wiring import home, open_closing_desk, open_home_store, outside
from store import CommandKind, Session, SessionStatus, Store
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import LEASE_TTL_S, LEASE_UNATTENDED_S, Desk, sit_down
from tasks.publish import say
from tasks.recover import load_course

_log = logging.getLogger("hedging.flatten")

# A live run obeys within two seconds; one that hangs gives its lease up after LEASE_UNATTENDED_S, one that was frozen
# or killed after LEASE_TTL_S. One that has taken the command may need as long as closing may take.
ANSWER_S = LEASE_UNATTENDED_S + LEASE_TTL_S + 10
OBEY_S = 600.0
_LOOK_S = 0.5
_TRIES = 8
_BACK_OFF_S = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0)
_LIVE = (SessionStatus.ACTIVE, SessionStatus.PAUSED)


class OpenDesk(Protocol):
    """What opens a desk on a session: takes its leases, connects its accounts; undoes both at the end."""

    def __call__(
        self, store: Store, session_id: str, environment: Environment
    ) -> AbstractAsyncContextManager[Desk]: ...


@dataclass(frozen=True, slots=True)
class Flattened:
    """How a session stands after it was flattened; text says it in words, with what is left where it is not flat."""

    session_id: str
    is_flat: bool
    text: str


async def flatten_session(
    store: Store, session_id: str, *, reason: str, by: str,
    opening: OpenDesk = open_closing_desk, world: Outside | None = None,
) -> Flattened:  # fmt: skip
    """Bring a session flat and end it: completed when the venues show it flat, else paused with a critical breach.

    reason stands in the row. Raises LeaseLost when a live run neither obeys nor lets go, AccountNotActive when
    another session holds an account, VenueError when a venue cannot be reached at all, and the store's errors; nothing
    has changed then and calling again goes on where it stands.
    """
    session = store.reads.session(session_id)
    if session.status not in _LIVE:
        return Flattened(session_id, True, f"nothing to do: the session is {session.status}")
    await _ask_the_run(store, session_id, by, world or outside())
    session = store.reads.session(session_id)
    if session.status not in _LIVE:
        return Flattened(session_id, session.status.is_final, f"its own run ended it: {session.status_reason}")
    async with opening(store, session_id, Environment(session.environment)) as desk:
        sit_down(desk)
        session = store.reads.session(session_id)
        if session.status not in _LIVE:
            return Flattened(session_id, session.status.is_final, f"another run ended it: {session.status_reason}")
        return await _close(desk, session, reason)


async def flatten_persistently(
    store: Store, session_id: str, *, reason: str, by: str, tries: int | None = _TRIES,
    opening: OpenDesk = open_closing_desk, world: Outside | None = None,
) -> Flattened:  # fmt: skip
    """Flatten a session, again after failures, with a growing pause; None for tries: until it is flat.

    Returns how it stands after the last try; raises what the last try raised.
    """
    world = world or outside()
    tried = 0
    while True:
        tried += 1
        is_last = tries is not None and tried >= tries
        try:
            done = await flatten_session(store, session_id, reason=reason, by=by, opening=opening, world=world)
            if done.is_flat or is_last:
                return done
            _log.error("session %s is not flat after try %d: %s", session_id, tried, done.text)
        except HedgeError as error:
            if is_last:
                raise
            _log.error("session %s cannot be flattened now (%s: %s), try %d", session_id, error.code, error, tried)
        await world.sleep(_BACK_OFF_S[min(tried, len(_BACK_OFF_S)) - 1])


async def _ask_the_run(store: Store, session_id: str, by: str, world: Outside) -> None:
    """Command a live run to flatten and wait until it has ended, has let go, or its lease ran out."""
    if not _is_driven(store, session_id, world):
        return
    asked = world.clock()
    command = await store.journal.add_command(session_id, CommandKind.FLATTEN, created_by=by, created_at=asked)
    _log.info("session %s: its run is asked to flatten", session_id)
    while _is_driven(store, session_id, world) and store.reads.session(session_id).status in _LIVE:
        is_taken = store.reads.command(command.command_id).done_at is not None
        if world.clock() > asked + timedelta(seconds=OBEY_S if is_taken else ANSWER_S):
            raise LeaseLost(f"session {session_id}: its run keeps the lease alive and does not get flat; kill the run")
        await world.sleep(_LOOK_S)


def _is_driven(store: Store, session_id: str, world: Outside) -> bool:
    lease = store.reads.lease(f"session:{session_id}")
    return lease is not None and lease.expires_at > world.clock()


async def _close(desk: Desk, session: Session, reason: str) -> Flattened:
    course = await load_course(desk, session)
    course.closing, course.paused, course.urgent = reason, None, True
    heart = Heart(desk, course, NoBoard())
    await desk.store.journal.reopen_commands(desk.session_id)
    await say(desk, "status", "flattening", {"reason": reason})
    try:
        await _read_margins(desk)
        await close_out(desk, course, heart, PLAIN)
        proof = await prove(desk, course.started_at)
    except (SessionHalted, ReconciliationFailed, VenueError) as error:
        return await _not_flat(desk, heart, str(error))
    if not proof.is_flat:
        return await _not_flat(desk, heart, proof.text)
    return await _flat(desk, course, heart, proof)


async def _read_margins(desk: Desk) -> None:
    """What the gate and the limits look at; an account whose margin cannot be read takes no part in pairs."""
    await desk.refresh_margins()
    desk.capital = sum((m.equity for m in desk.margins.values()), Decimal(0))


async def _flat(desk: Desk, course: Course, heart: Heart, proof: Proof) -> Flattened:
    """Settle and complete; books that do not balance keep the session open for a person, flat as it is."""
    await say(desk, "status", "flattened", {"text": proof.text})
    try:
        await leave_foreign(desk, proof)
        settlement = await PLAIN.settle(course.started_at)
        await complete(desk, course, heart, settlement)
    except (SessionHalted, ReconciliationFailed, VenueError) as error:
        await _pause(desk, f"{error.code}: flat, and not settled: {error}")
        return Flattened(desk.session_id, True, f"flat, and not settled: {error}")
    _log.warning("session %s is flat and completed (%s): %s", desk.session_id, course.closing, proof.text)
    return Flattened(desk.session_id, True, proof.text)


async def _not_flat(desk: Desk, heart: Heart, left: str) -> Flattened:
    """Exposure is left: paused, with a critical breach that states it."""
    held = {name: canonical(q) for name, q in desk.positions.items()}
    text = f"{SessionHalted.code}: flattening left {left}; positions {held}"
    await heart.breach("not_flat", Severity.CRITICAL, {"left": left, "positions": held})
    await _pause(desk, text)
    _log.error("session %s is NOT FLAT: %s", desk.session_id, text)
    return Flattened(desk.session_id, False, text)


async def _pause(desk: Desk, reason: str) -> None:
    now, reason = desk.now(), reason[:1000]
    await desk.store.journal.set_session_status(desk.session_id, _LIVE, SessionStatus.PAUSED, at=now, reason=reason)
    await say(desk, "status", "session_update", {"status": "paused", "reason": reason})
    await write_results(desk.store, desk.session_id)


@flow(name="flatten", persist_result=False)
async def flatten(session_id: str | None = None) -> dict[str, str]:
    """Flatten one session, or every active and paused one; red unless all are flat at the end."""
    outlive_readers(home())
    store = open_home_store()
    try:
        chosen = (
            [session_id] if session_id else [s.session_id for s in store.reads.sessions(statuses=_LIVE, limit=1000)]
        )
        told, failed = dict[str, str](), []
        for one in chosen:
            try:
                done = await flatten_persistently(store, one, reason="flattened by an operator", by="prefect")
                told[one] = done.text
                failed += [] if done.is_flat else [one]
            except HedgeError as error:
                told[one] = f"{error.code}: {error}"
                failed.append(one)
        if failed:
            raise SessionHalted(f"not flat: {'; '.join(f'{one}: {told[one]}' for one in failed)}", sessions=failed)
        return told
    finally:
        store.close()


__all__ = ["Flattened", "flatten", "flatten_persistently", "flatten_session"]
