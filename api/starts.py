"""From an accepted start to a run at Prefect, whoever dies in between. Never trades.

The session's status and a line of the outbox are written in one transaction; then Prefect is asked. What another
process left open is taken up by the dispatcher, which every API process runs: the same attempt is asked for again,
and Prefect creates it once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count

from api.abandoned import BringBack, Fate, GiveUp, Wait, fate_of, next_step
from api.errors import ServiceUnavailable
from api.runs import Created, NotCreated, PrefectUnreachable, RunOutcome, Runs, Unclear
from core.errors import HedgeError
from store import Session, Store
from store.api_records import Start, StartState

_log = logging.getLogger("hedging.api.starts")

CLAIM_S = 30.0
TURN_S = 1.0
GIVE_UP_S = 900.0
COMMAND_AGE_S = 2.0
LOOK_S = 5.0


class Starter:
    """Carries starts out, and gives a session whose run is gone another one."""

    def __init__(
        self, store: Store, runs: Runs, clock: Callable[[], datetime],
        *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._store = store
        self._runs = runs
        self._clock = clock
        self._sleep = sleep
        self._holder = f"api/{uuid.uuid4()}"
        self._claims = count(1)
        self._look_at = clock()

    async def start(self, session_id: str) -> RunOutcome:
        """Make a pending session active and have its run created: Created, or Unclear (it will be, or was).

        Raises InvalidSessionStatus unless it is pending, and ServiceUnavailable when Prefect certainly created
        nothing; then the session is pending again.
        """
        start = await self._store.journal.open_start(
            session_id, holder=self._claimant(), now=self._clock(), claim_s=CLAIM_S
        )  # fmt: skip
        outcome = await self._carry_out(start)
        if isinstance(outcome, NotCreated) and await self._refuse(start, outcome.reason):
            raise ServiceUnavailable(f"the session was not started, nothing was changed: {outcome.reason}")
        return outcome

    async def revive(self, session_id: str) -> None:
        """Have another run created when the session's last one is gone; nothing to do while one lives or comes."""
        if not await self._has_no_run(session_id):
            return
        start = await self._store.journal.open_restart(
            session_id, holder=self._claimant(), now=self._clock(), claim_s=CLAIM_S
        )  # fmt: skip
        if start is not None:
            _log.info("session %s: its run is gone, asking for attempt %s", session_id, start.attempt)
            await self._carry_out(start)

    async def run(self) -> None:
        """Take up what was left open, until cancelled."""
        while True:
            await self._sleep(TURN_S)
            try:
                await self.turn()
            except HedgeError as error:
                _log.warning("starts cannot be looked after now (%s); trying again", error.code)
            except Exception:  # noqa: BLE001 - the one task that looks after starts: it tries again, and says so
                _log.exception("starts cannot be looked after now; trying again")

    async def turn(self) -> None:
        """Take up open starts that nobody carries out, and sessions without a run: commanded, or not traded yet."""
        claimed = await self._store.journal.claim_starts(holder=self._claimant(), now=self._clock(), claim_s=CLAIM_S)
        for start in claimed:
            too_old = self._clock() - start.created_at > timedelta(seconds=GIVE_UP_S)
            outcome = await self._carry_out(start, too_old=too_old)
            # What was asked for earlier may have been created although nobody heard of it: only Prefect can deny it.
            if isinstance(outcome, NotCreated) and too_old:
                await self._refuse(start, outcome.reason)
        before = self._clock() - timedelta(seconds=COMMAND_AGE_S)
        for session_id in await asyncio.to_thread(self._store.reads.unanswered_sessions, before):
            await self.revive(session_id)
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + timedelta(seconds=LOOK_S)
            for session_id in await asyncio.to_thread(self._store.reads.abandoned_sessions, self._clock()):
                await self.bring_back(session_id)

    async def _carry_out(self, start: Start, *, too_old: bool = False) -> RunOutcome:
        """Have the run created; of a start that is too old only find out whether there is one."""
        session = await asyncio.to_thread(self._store.reads.session, start.session_id)
        if session.attempt >= start.attempt and session.flow_run_id is not None:
            # The run is there already; only the note of it is missing.
            outcome: RunOutcome = Created(session.flow_run_id)
        elif too_old:
            reason = f"not started within {GIVE_UP_S:.0f} s"
            outcome = await self._runs.find(session_id=start.session_id, attempt=start.attempt, reason=reason)
        else:
            outcome = await self._runs.create(
                environment=session.environment, session_id=start.session_id, attempt=start.attempt
            )
        if isinstance(outcome, Created):
            await self._store.journal.finish_start(
                start.session_id, start.attempt, outcome.flow_run_id, at=self._clock()
            )
        elif isinstance(outcome, Unclear):
            _log.warning("session %s attempt %s: %s; asking again", start.session_id, start.attempt, outcome.reason)
        return outcome

    async def _refuse(self, start: Start, reason: str) -> bool:
        return await self._store.journal.refuse_start(
            start.session_id, start.attempt, holder=start.claimed_by, reason=reason, at=self._clock()
        )

    def _claimant(self) -> str:
        """Name whoever claims a start now: a claim that ran out must not pass for one made later in this process."""
        return f"{self._holder}/{next(self._claims)}"

    async def bring_back(self, session_id: str) -> None:
        """Have another run created for a session that has sent no order and lost its run; end it when that is vain."""
        reads, now = self._store.reads, self._clock()
        session = await asyncio.to_thread(reads.session, session_id)
        starts = await asyncio.to_thread(reads.starts_of, session_id)
        lease = await asyncio.to_thread(reads.lease, f"session:{session_id}")
        if starts and starts[-1].state is StartState.OPEN:
            return
        last_sign_at = lease.expires_at if lease is not None else session.started_at or session.created_at
        step = next_step(starts, last_sign_at, now)
        if isinstance(step, Wait):
            return
        fate = await self._fate(session, starts[-1] if starts else None)
        known = max([session.attempt, *(start.attempt for start in starts)])
        if fate is Fate.CANCELLED:
            await self._end(session_id, known, "CANCELLED: the run was cancelled")
        elif fate is Fate.GONE and isinstance(step, GiveUp):
            await self._end(session_id, known, f"{PrefectUnreachable.code}: {step.reason}")
        elif fate is Fate.GONE and isinstance(step, BringBack):
            start = await self._store.journal.open_restart(
                session_id, holder=self._claimant(), now=now, claim_s=CLAIM_S, untraded_since=known, reason=step.text
            )  # fmt: skip
            if start is not None:
                _log.warning("session %s: %s", session_id, step.text)
                await self._carry_out(start)

    async def _end(self, session_id: str, known: int, reason: str) -> None:
        """End a session that has sent no order, unless a run came meanwhile; one that comes later sends none."""
        end = self._store.journal.end_untraded
        if await end(session_id, now=self._clock(), untraded_since=known, reason=reason):
            _log.error("session %s has failed: %s", session_id, reason)

    async def _has_no_run(self, session_id: str) -> bool:
        reads, now = self._store.reads, self._clock()
        lease = await asyncio.to_thread(reads.lease, f"session:{session_id}")
        if lease is not None and lease.expires_at > now:
            return False
        session = await asyncio.to_thread(reads.session, session_id)
        start = await asyncio.to_thread(reads.last_start, session_id)
        if session.status.is_final or (start is not None and start.state is StartState.OPEN):
            return False
        return await self._fate(session, start) not in (None, Fate.ALIVE)

    async def _fate(self, session: Session, start: Start | None) -> Fate | None:
        """What has become of the runs that are known of a session without a lease; None when Prefect does not say."""
        begun_at = start.ended_at if start is not None and start.ended_at else session.started_at
        known = dict.fromkeys(run for run in (start and start.flow_run_id, session.flow_run_id) if run)
        fate = Fate.GONE
        for run_id in known:
            try:
                fate = fate_of(await self._runs.state_of(run_id), begun_at, self._clock())
            except PrefectUnreachable:
                return None
            if fate is Fate.ALIVE:
                return fate
        return fate
