"""The service that runs sessions: serves the deployments that prefect.yaml lists, each run in its own process.

Not a process worker: a worker that is stopped kills its runs at once, while this lets each session wind down.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Any, cast

import httpx
import yaml
from prefect import Flow, serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

from core.errors import ConfigurationError
from flows.flatten import flatten
from flows.hedging_session import hedging_session
from store.home import PRIVATE_UMASK, Home

FLOWS: dict[str, Flow[..., Any]] = {
    "flows/hedging_session.py:hedging_session": hedging_session,
    "flows/flatten.py:flatten": flatten,
}
SESSIONS_MAX = 50
_TRIES = 1200


def listed(path: Path) -> list[dict[str, Any]]:
    """Read the deployments of a prefect.yaml; raise ConfigurationError for an entrypoint this service does not have."""
    document = yaml.safe_load(path.read_text())
    deployments = cast(list[dict[str, Any]], document["deployments"])
    for deployment in deployments:
        if deployment["entrypoint"] not in FLOWS:
            raise ConfigurationError(
                f"{path.name}: deployment {deployment['name']!r} has the entrypoint {deployment['entrypoint']!r}; "
                f"known are {', '.join(FLOWS)}",
                field="entrypoint",
            )
    return deployments


def build(deployment: dict[str, Any]) -> RunnerDeployment:
    """Turn one entry of prefect.yaml into a deployment that can be served."""
    schedules = [
        Cron(s["cron"], timezone=s.get("timezone", "UTC"), active=s.get("active", True))
        for s in deployment.get("schedules", [])
    ]
    return cast(
        RunnerDeployment,
        FLOWS[deployment["entrypoint"]].to_deployment(
            name=deployment["name"],
            description=deployment.get("description"),
            tags=deployment.get("tags"),
            parameters=deployment.get("parameters"),
            schedules=schedules or None,
        ),
    )


def _wait_for_server(home: Home) -> None:
    """Started beside the server, this process has imported everything by the time the server answers."""
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        for _ in range(_TRIES):
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{home.prefect_url}/api/health").is_success:
                    return
            time.sleep(0.1)  # noqa: TID251


def main() -> None:
    """Serve until SIGTERM; running sessions are cancelled gracefully."""
    os.umask(PRIVATE_UMASK)
    path = Path(__file__).resolve().parent.parent / "prefect.yaml"
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        _wait_for_server(Home.from_env(os.environ))
        serve(
            *(build(d) for d in listed(path)), limit=SESSIONS_MAX, pause_on_shutdown=False, print_starting_message=False
        )


if __name__ == "__main__":
    main()
