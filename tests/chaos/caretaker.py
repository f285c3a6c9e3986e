"""The operator of a campaign: keeps a session running over the API, and does what the runbook says in trouble.

A thread of its own. Every call is bounded, and one that fails is tried again: what it calls may be dead just then.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from subprocess import TimeoutExpired
from typing import Any

import httpx

from store import Session, SessionStatus, Store, StoreError
from tests.chaos.chaos_world import Installation

BASE = "/api/v1/hedging"
LOOK_S = 0.5
# A paused session that the operator has looked at for this long is acknowledged and stopped.
PAUSED_S = 40.0
# A session without a run for this long is run again: the watchdog leaves alone what never sent an order.
ALONE_S = 150.0


class Operator:
    """One person with the API and the command line; `begin` starts the work, `finish` ends it without a new session."""

    def __init__(self, installation: Installation, store: Store, seed: int, say: Callable[[str], None]) -> None:
        self._installation, self._store, self._say = installation, store, say
        self._rng = random.Random(f"operator/{seed}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="operator", daemon=True)
        self._restart = threading.Event()
        self._paused_at: float | None = None
        self.session_ids: list[str] = []
        self.run_id: str | None = None

    def begin(self) -> None:
        """Start working."""
        self._thread.start()

    def finish(self, timeout_s: float) -> bool:
        """Bring the last session to its end and stop; False when that took longer than timeout_s."""
        self._stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run_was_killed(self) -> None:
        """Hear that a run was killed; half of the time it is run again at once, else the watchdog has it."""
        if self._rng.random() < 0.5:
            self._restart.set()

    def complete_one(self, timeout_s: float) -> Session:
        """Run one small session in peace, and return it as it then stands."""
        session_id = self._create("600", "market")
        self._start(session_id)
        for _ in range(round(timeout_s / LOOK_S)):
            session = self._store.reads.session(session_id)
            types = {e.type for e in self._store.reads.events_since(session_id, 0)}
            if session.status.is_final and "settled" in types:
                return session
            threading.Event().wait(LOOK_S)
        return self._store.reads.session(session_id)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(httpx.HTTPError, StoreError, TimeoutExpired):
                volume = str(self._rng.randrange(3000, 9000))
                session_id = self._create(volume, self._rng.choice(("market", "limit")))
                self._start(session_id)
                self._follow(session_id)

    def _follow(self, session_id: str) -> None:
        """Look after a session until it has ended, or is left paused because all is to be finished."""
        tries = 0
        while True:
            threading.Event().wait(LOOK_S)
            with suppress(httpx.HTTPError, StoreError, TimeoutExpired):
                session = self._store.reads.session(session_id)
                self.run_id = session.flow_run_id
                if session.status.is_final:
                    self._say(f"session {session_id[:8]} {session.status.value}: {session.status_reason}")
                    return
                if self._restart.is_set() or self._is_forgotten(session):
                    self._restart.clear()
                    done = self._installation.hedge("session", "start", session_id)
                    self._say(f"operator runs {session_id[:8]} again: exit code {done.returncode}")
                if self._is_paused_for_long(session):
                    tries += 1
                    self._put_an_end_to(session_id)
                    if tries > 3 and self._stopping.is_set():
                        return

    def _is_forgotten(self, session: Session) -> bool:
        lease = self._store.reads.lease(f"session:{session.session_id}")
        start = self._store.reads.last_start(session.session_id)
        since = max(x for x in (session.created_at, lease and lease.expires_at, start and start.created_at) if x)
        return (datetime.now(UTC) - since).total_seconds() > ALONE_S

    def _is_paused_for_long(self, session: Session) -> bool:
        now = datetime.now(UTC).timestamp()
        if session.status is not SessionStatus.PAUSED:
            self._paused_at = None
            return False
        if self._paused_at is None:
            self._say(f"session {session.session_id[:8]} paused: {session.status_reason}")
            self._paused_at = now
        if now - self._paused_at < PAUSED_S:
            return False
        self._paused_at = now
        return True

    def _put_an_end_to(self, session_id: str) -> None:
        """Acknowledge what a person has to have looked at, then stop."""
        for breach in self._store.reads.breaches(session_id, open_only=True):
            body = {"action": "resolve", "comment": "looked at"}
            self._call("POST", f"/sessions/{session_id}/risk-breaches/{breach.breach_id}/acknowledge", body)
        answer = self._call("POST", f"/sessions/{session_id}/stop?wait=5", {})
        self._say(f"operator stops {session_id[:8]}: {answer.status_code}")

    def _create(self, volume: str, primary: str) -> str:
        strategy = {
            "symbol": "ETH/USD", "volumeDistribution": "equal", "priceRange": {"min": "0.0001", "max": "0.0005"},
            "timing": {"minInterval": 0.2, "maxInterval": 1.5, "orderSize": {"min": 100, "max": 300}},
            "riskLimits": {"maxPositionSize": "0.5", "stopLossThreshold": "0.05", "maxSlippage": "0.01"},
            "orderTypes": {"primary": primary, "fallback": "market"},
        }  # fmt: skip
        body = {"accounts": ["account1", "account2", "account3"], "volumeTarget": volume, "strategy": strategy}
        answer = self._insist("/sessions", body)
        session_id = _id_in(answer)
        self.session_ids.append(session_id)
        self._say(f"session {session_id[:8]} created: {volume} USD, {primary}")
        return session_id

    def _start(self, session_id: str) -> None:
        self._insist(f"/sessions/{session_id}/start", {})

    def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call until it is done; bounded. A call without an answer is repeated as the same call, a refused one anew."""
        said, key = "no answer", str(uuid.uuid4())
        for _ in range(150):
            with suppress(httpx.HTTPError):
                answer = self._call("POST", path, body, {"Idempotency-Key": key})
                if answer.is_success:
                    return dict(answer.json())
                said, key = answer.text, str(uuid.uuid4()) if answer.status_code < 500 else key
                if answer.status_code == 409 and "INVALID_SESSION_STATUS" in said and path.endswith("/start"):
                    return {}
            threading.Event().wait(2.0)
        raise httpx.HTTPError(f"{path} was never done: {said[:300]}")

    def _call(
        self, method: str, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        home = self._installation.home
        key = {"Authorization": f"Bearer {home.api_key.read_text().strip()}"}
        with httpx.Client(base_url=home.api_url + BASE, trust_env=False, timeout=30) as client:
            return client.request(method, path, json=body, headers={**key, **(headers or {})})


def _id_in(answer: dict[str, Any]) -> str:
    for place in (answer, answer.get("data") or {}, answer.get("session") or {}):
        for name in ("sessionId", "id", "session_id"):
            if isinstance(place, dict) and name in place:
                return str(place[name])
    raise httpx.HTTPError(f"no session in {str(answer)[:200]}")
