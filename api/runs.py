"""Asking Prefect to run a session, over its REST API; imports nothing of Prefect, so that whoever asks stays quick.

The idempotency key `session:attempt` makes a repeated call return the first run, so a lost answer is harmless.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import httpx

from core.errors import ConfigurationError, HedgeError
from store.home import Home

_TRIES = 8
_ASYNC_TRIES = 3


@dataclass(frozen=True, slots=True)
class Created:
    """Prefect has the run."""

    flow_run_id: str


@dataclass(frozen=True, slots=True)
class NotCreated:
    """Prefect has no such run, for certain."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It was asked for and no conclusive answer came; ask again with the same attempt."""

    reason: str


RunOutcome = Created | NotCreated | Unclear


@dataclass(frozen=True, slots=True)
class RunState:
    """The type of a run's state, as Prefect names it, or GONE when there is no such run; since: aware, where told."""

    type: str
    since: datetime | None


class PrefectUnreachable(HedgeError):
    """Prefect does not answer; nothing is known."""

    code = "SERVICE_UNAVAILABLE"


class Runs:
    """Prefect as the API asks it, over one long-lived client."""

    def __init__(self, client: httpx.AsyncClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._client = client
        self._sleep = sleep

    async def create(self, *, environment: str, session_id: str, attempt: int) -> RunOutcome:
        """Create the flow run of a session's attempt; a busy server is asked again, for a few seconds."""
        reason, asked, loose = "", False, False
        for n in range(_ASYNC_TRIES):
            if n:
                await self._sleep(0.2 * 2**n)
            try:
                deployment = await self._client.get(f"/api/deployments/name/hedging-session/{environment}")
                if deployment.status_code == httpx.codes.NOT_FOUND:
                    reason = f"Prefect has no deployment hedging-session/{environment}; is `hedge up` running?"
                    return Unclear(reason) if loose else NotCreated(reason)
                deployment.raise_for_status()
                asked = True
                answer = await self._client.post(
                    f"/api/deployments/{deployment.json()['id']}/create_flow_run",
                    json=_run_document(environment, session_id, attempt),
                )
                answer.raise_for_status()
                return Created(str(answer.json()["id"]))
            except httpx.HTTPStatusError as error:
                reason = f"Prefect answered {error.response.status_code}"
                if error.response.is_client_error:
                    return Unclear(reason) if loose else NotCreated(reason)
            except (httpx.TransportError, ValueError, KeyError) as error:
                reason = f"Prefect does not answer ({type(error).__name__})"
                # Once it may have left, a request without an answer may still be worked on.
                loose = loose or (asked and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout))
        if not asked:
            return NotCreated(reason)
        found = await self.find(session_id=session_id, attempt=attempt, reason=reason)
        return Unclear(reason) if loose and isinstance(found, NotCreated) else found

    async def state_of(self, flow_run_id: str) -> RunState:
        """Return what Prefect says of a run. Raises PrefectUnreachable."""
        try:
            answer = await self._client.get(f"/api/flow_runs/{flow_run_id}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return RunState("GONE", None)
            answer.raise_for_status()
            document = answer.json()
            since = (document.get("state") or {}).get("timestamp")
            return RunState(str(document["state_type"]), None if since is None else datetime.fromisoformat(since))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PrefectUnreachable(f"Prefect does not answer ({type(error).__name__})") from None

    async def is_healthy(self) -> bool:
        """Tell whether Prefect answers."""
        try:
            return (await self._client.get("/api/health")).is_success
        except httpx.HTTPError:
            return False

    async def find(self, *, session_id: str, attempt: int, reason: str) -> RunOutcome:
        """After answers that say nothing, ask whether the run is there; `reason` is why it may not be."""
        wanted = {"flow_runs": {"idempotency_key": {"any_": [_idempotency_key(session_id, attempt)]}}}
        try:
            answer = await self._client.post("/api/flow_runs/filter", json=wanted)
            answer.raise_for_status()
            rows = answer.json()
            return Created(str(rows[0]["id"])) if rows else NotCreated(reason)
        except (httpx.HTTPError, ValueError, KeyError, IndexError):
            return Unclear(reason)


def start_run(
    home: Home,
    *,
    environment: str,
    session_id: str,
    attempt: int,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
) -> str:
    """Create the flow run of a session and return its id, blocking.

    A busy server (503) is asked again. Raises ConfigurationError when Prefect cannot be reached or refuses.
    """
    with httpx.Client(base_url=home.prefect_url, trust_env=False, timeout=10) as client:
        for n in range(_TRIES):
            try:
                return _create(client, environment, session_id, attempt)
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if (
                    isinstance(error, httpx.HTTPStatusError)
                    and error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE
                ):
                    raise ConfigurationError(f"Prefect refused the run: {error.response.text[:300]}") from None
                sleep(0.2 * 2**n if n < 5 else 5)
    raise ConfigurationError(f"Prefect at {home.prefect_url} cannot be reached; is `hedge up` running?")


def _create(client: httpx.Client, environment: str, session_id: str, attempt: int) -> str:
    deployment = client.get(f"/api/deployments/name/hedging-session/{environment}")
    deployment.raise_for_status()
    answer = client.post(
        f"/api/deployments/{deployment.json()['id']}/create_flow_run",
        json=_run_document(environment, session_id, attempt),
    )
    answer.raise_for_status()
    return str(answer.json()["id"])


def _run_document(environment: str, session_id: str, attempt: int) -> dict[str, object]:
    return {
        "parameters": {"environment": environment, "session_id": session_id, "request": None},
        "idempotency_key": _idempotency_key(session_id, attempt),
        "state": {"type": "SCHEDULED"},
    }


def _idempotency_key(session_id: str, attempt: int) -> str:
    return f"{session_id}:{attempt}"
