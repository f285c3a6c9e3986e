"""Asking Prefect to run a session, over its REST API; imports nothing of Prefect, so the command line stays quick."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from core.errors import ConfigurationError
from store.home import Home

_TRIES = 8


def start_run(
    home: Home,
    *,
    environment: str,
    session_id: str,
    attempt: int,
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251
) -> str:
    """Create the flow run of a session and return its id.

    The idempotency key `session:attempt` makes a repeated call return the first run, so a lost answer is harmless;
    a busy server (503) is asked again. Raises ConfigurationError when Prefect cannot be reached.
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
        json={
            "parameters": {"environment": environment, "session_id": session_id, "request": None},
            "idempotency_key": f"{session_id}:{attempt}",
            "state": {"type": "SCHEDULED"},
        },
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
