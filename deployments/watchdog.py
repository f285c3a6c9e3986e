"""The watchdog: a process of its own that flattens sessions which nobody drives any more. Needs no Prefect server.

It looks at what runs leave behind, their leases, and asks no run whether it is well. What it decides is one line in
its log each time; what fails is tried again, for as long as it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.settings import Outside
from core.errors import ConfigurationError, HedgeError
from core.risk import Severity
from deployments.loneliness import CHANNEL, TYPE, Loneliness, remembered
from flows.flatten import OpenDesk, flatten_persistently
from flows.wiring import open_closing_desk, open_home_store, outside
from store import Lease, NewBreach, Session, SessionStatus, Store

_log = logging.getLogger("hedging.watchdog")

PATIENCE_VARIABLE = "HEDGE_WATCHDOG_S"
PATIENCE_S = 30.0
# A new run needs this long from being asked for to its lease: Prefect picks it up, Python starts, venues connect.
START_S = 60.0
LOOK_S = 2.0
_LOOK_S_MAX = 30.0
_LIVE = (SessionStatus.ACTIVE, SessionStatus.PAUSED)
_SESSIONS_MAX = 1000


@dataclass(slots=True)
class Watchdog:
    """Looks after the sessions of one store.

    patience_s: how long a session may be without a live lease, in seconds beyond its expiry. settle_s: how much longer
    for sessions that were without one when this process started, since what restarted it may be restarting them; once
    each, however often this process is started, for what it found is in the session's events.
    """

    store: Store
    world: Outside
    patience_s: float = PATIENCE_S
    settle_s: float = START_S
    opening: OpenDesk = open_closing_desk
    _alone: dict[str, Loneliness] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _work: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _began: datetime | None = None

    async def run(self) -> None:
        """Look, for ever; a store that cannot be read is waited for. Ends only when cancelled, with its work."""
        pause_s = LOOK_S
        try:
            while True:
                try:
                    self.look()
                    pause_s = LOOK_S
                except HedgeError as error:
                    pause_s = min(2 * pause_s, _LOOK_S_MAX)
                    _log.error("the store cannot be read (%s: %s); looking again in %.0f s", error.code, error, pause_s)
                await self.world.sleep(pause_s)
        finally:
            for task in self._work.values():
                task.cancel()
            await asyncio.gather(*self._work.values(), return_exceptions=True)

    def look(self) -> None:
        """Look at every session once, and begin to flatten those that have been without a run for too long."""
        now = self.world.clock()
        self._began = self._began or now
        sessions = self.store.reads.sessions(statuses=_LIVE, limit=_SESSIONS_MAX)
        for gone in self._alone.keys() - {s.session_id for s in sessions}:
            del self._alone[gone]
        self._work = {key: task for key, task in self._work.items() if not task.done()}
        for session in sessions:
            if session.session_id not in self._work and self._is_due(session, now):
                work = self._flatten(session.session_id)
                self._work[session.session_id] = asyncio.create_task(work, name=f"flatten {session.session_id}")

    def _is_due(self, session: Session, now: datetime) -> bool:
        key = session.session_id
        lease = self.store.reads.lease(f"session:{key}")
        if lease is not None and lease.expires_at > now:
            if self._alone.pop(key, None) is not None:
                self._decide(key, "a run drives it again; nothing to do")
            return False
        if not self._is_at_stake(session):
            return False
        if key not in self._alone:
            self._alone[key] = self._find(session, lease, now)
        alone = self._alone[key]
        due = self._due(key, alone)
        if now < due:
            since = f"{alone.since:%H:%M:%S}"
            self._decide(key, f"no live lease since {since}; it is flattened at {due:%H:%M:%S} if none comes")
        return now >= due

    def _find(self, session: Session, lease: Lease | None, now: datetime) -> Loneliness:
        """Find a session alone: as it was found before, else as of now, which is written down for the next process."""
        assert self._began is not None
        since = now if lease is None else min(lease.expires_at, now)
        settles_at = self._began + timedelta(seconds=self.settle_s) if since <= self._began else None
        found = Loneliness(since, settles_at, session.attempt, None if lease is None else lease.expires_at)
        alone, is_told = remembered(self.store, session.session_id, found)
        if not is_told:
            text = "no run drives this session; the watchdog flattens it if none comes"
            # Not waited for: where it cannot be written, nothing can be sent either.
            self.store.journal.append_event.soon(
                session.session_id, at=now, channel=CHANNEL, type=TYPE, payload={"text": text, **alone.payload()}
            )
        return alone

    def _due(self, key: str, alone: Loneliness) -> datetime:
        """When it is too long: the patience, and what a run that was asked for or may be starting anew needs."""
        candidates = [alone.since] if alone.settles_at is None else [alone.since, alone.settles_at]
        start = self.store.reads.last_start(key)
        if start is not None:
            candidates.append(start.created_at + timedelta(seconds=START_S))
        return max(candidates) + timedelta(seconds=self.patience_s)

    def _is_at_stake(self, session: Session) -> bool:
        """Tell whether there is something to lose: orders were sent; when paused, a position or an open order."""
        reads = self.store.reads
        if session.status is SessionStatus.ACTIVE:
            return bool(reads.orders_of_session(session.session_id))
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for fill in reads.fills_of_session(session.session_id):
            held[fill.account_id] += fill.quantity * fill.side.sign
        open_ones = reads.open_orders_of(session.session_id) or reads.open_pairs(session.session_id)
        return any(held.values()) or bool(open_ones)

    async def _flatten(self, key: str) -> None:
        """Flatten one session until it is flat; what is not foreseen is told and tried again at the next look."""
        self._decide(key, "nobody drives it: it is flattened now")
        with contextlib.suppress(HedgeError):  # a full disk must not keep it from trying
            await self._note(key)
        try:
            done = await flatten_persistently(
                self.store, key, reason="flattened by the watchdog: its run was gone", by="watchdog", tries=None,
                opening=self.opening, world=self.world,
            )  # fmt: skip
            self._decide(key, f"flat: {done.text}")
        except Exception as error:  # noqa: BLE001 - the edge of the one process that must go on
            _log.exception("session %s: flattening failed (%s); trying again", key, type(error).__name__)
            await self.world.sleep(_LOOK_S_MAX)

    async def _note(self, key: str) -> None:
        """Write down that a session was left alone: a breach, and an event for whoever follows it."""
        now, alone = self.world.clock(), self._alone[key]
        details: dict[str, object] = {"aloneSince": alone.since.isoformat(), "patienceS": self.patience_s}
        if not any(b.category == "unattended" for b in self.store.reads.breaches(key, open_only=True)):
            breach = NewBreach(str(uuid.uuid4()), key, None, "unattended", Severity.WARNING, details, now)
            await self.store.journal.record_breach(breach)
        text = "the watchdog flattens this session: nobody drives it"
        payload = {"text": text, **details, **alone.payload(flattens=True)}
        await self.store.journal.append_event(key, at=now, channel=CHANNEL, type=TYPE, payload=payload)

    def _decide(self, key: str, text: str) -> None:
        """One line for each decision, once."""
        if self._told.get(key) != text:
            self._told[key] = text
            _log.warning("session %s: %s", key, text)


def patience_from(environ: Mapping[str, str]) -> float:
    """Read HEDGE_WATCHDOG_S, seconds beyond a lease's expiry; raise ConfigurationError for what is none."""
    text = environ.get(PATIENCE_VARIABLE, "")
    if not text:
        return PATIENCE_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise ConfigurationError(
            f"{PATIENCE_VARIABLE} must be a number of seconds from 0 to 86400, got {text[:20]!r}",
            field=PATIENCE_VARIABLE,
        )
    return seconds


def open_patiently(open_: Callable[[], Store], wait: Callable[[float], object]) -> Store:
    """Open the store, again and again while it cannot be opened: a watchdog that gives up watches nothing."""
    pause_s = LOOK_S
    while True:
        try:
            return open_()
        except ConfigurationError:
            raise
        except HedgeError as error:
            _log.error("the store cannot be opened (%s: %s); trying again in %.0f s", error.code, error, pause_s)
            wait(pause_s)
            pause_s = min(2 * pause_s, _LOOK_S_MAX)


async def watch(patience_s: float) -> None:
    """Watch this machine's store until SIGTERM or SIGINT."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    store = await asyncio.to_thread(open_patiently, open_home_store, _wait)
    try:
        _log.warning("watching: sessions without a live lease for %.0f s are flattened", patience_s)
        watching = asyncio.create_task(Watchdog(store, outside(), patience_s).run())
        ending = asyncio.create_task(stopped.wait())
        await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, ending):
            task.cancel()
        await asyncio.gather(watching, ending, return_exceptions=True)
    finally:
        store.close()


def main() -> int:
    """Run the watchdog in the foreground."""
    os.umask(0o077)
    _log_here()
    try:
        asyncio.run(watch(patience_from(os.environ)))
    except HedgeError as error:
        print(f"watchdog: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _log_here() -> None:
    """Write our own lines to stderr and nowhere else: the handlers that Prefect installs would ask its server."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    ours = logging.getLogger("hedging")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(logging.INFO)


def _wait(seconds: float) -> None:
    import time

    time.sleep(seconds)  # noqa: TID251


if __name__ == "__main__":
    sys.exit(main())
