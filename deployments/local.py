"""Everything on one machine: the venue twins, the Prefect server and the service that runs sessions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

from api.auth import ensure_local_key
from deployments.processes import Family, require_alone, require_free_ports
from deployments.twins import open_sandbox_accounts
from store import open_store
from store.home import Home

CODE = Path(__file__).resolve().parent.parent
SLOW_START_S = 150.0


def prefect_environ(home: Home) -> dict[str, str]:
    """The settings under which Prefect behaves as this system needs; why each is there: docs/adr/0002-prefect.md."""
    return {
        **home.environ(),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "hedging",
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_API_URL": f"{home.prefect_url}/api",
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P2D",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_RUNNER_PROCESS_LIMIT": "50",
    }


def start(
    home: Home,
    *,
    seed: int,
    speed: float,
    say: Callable[[str], None],
    family: Family | None = None,
    with_api: bool = True,
) -> Family:
    """Start twins, Prefect, the service, the API and the watchdog; return when a session can be started.

    On failure nothing is left.
    """
    home.make()
    require_alone(home)
    require_free_ports(home, with_api=with_api)
    family = family or Family(home)
    environ = prefect_environ(home)
    try:
        twins = family.start(
            "twins",
            [sys.executable, "-m", "sandbox.server", "--seed", str(seed), "--port-base", str(home.port_base),
             "--speed", str(speed)],
            environ, can_return=False,  # its accounts and positions die with it
        )  # fmt: skip
        server = family.start(
            "prefect",
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port",
             str(home.prefect_port), "--log-level", "WARNING"],
            environ,
        )  # fmt: skip
        service = family.start(
            "service", [sys.executable, "-m", "deployments.service"], environ, with_secrets=True, keeps_offspring=True
        )
        family.wait_for(twins, home.sandbox_url + "/", 20)
        open_sandbox_accounts(home)
        say(f"venue twins   {home.sandbox_url}")
        family.wait_for(server, f"{home.prefect_url}/api/health", SLOW_START_S)
        say(f"Prefect       {home.prefect_url}")
        for name in listed_names():
            family.wait_for(service, f"{home.prefect_url}/api/deployments/name/{name}", SLOW_START_S)
        say("deployments   " + ", ".join(deployment_names(home)))
        if with_api:
            _start_api(home, family, environ, say)
            # Last, so that what it watches has had its time to come up.
            family.start("watchdog", [sys.executable, "-m", "deployments.watchdog"], environ, with_secrets=True)
            say("watchdog      flattens what nobody drives")
    except BaseException:
        family.stop()
        raise
    return family


def _start_api(home: Home, family: Family, environ: dict[str, str], say: Callable[[str], None]) -> None:
    with open_store(home.path, os.environ.get("HEDGE_DATABASE_URL") or None) as store:
        ensure_local_key(store, home.api_key, at=datetime.now(UTC), random=os.urandom)  # noqa: TID251
    api = family.start("api", [sys.executable, "-m", "api.server"], environ, with_secrets=True)
    family.wait_for(api, f"{home.api_url}/healthz", SLOW_START_S)
    say(f"API           {home.api_url}")
    if home.api_key.exists():
        say(f"API key       in {home.api_key}")


def listed_names() -> list[str]:
    """The deployments that prefect.yaml lists, as `flow/deployment`; a flow is named after its function."""
    document = yaml.safe_load((CODE / "prefect.yaml").read_text())
    listed = [(str(d["entrypoint"]).split(":")[1], str(d["name"])) for d in document["deployments"]]
    return [f"{function.replace('_', '-')}/{name}" for function, name in listed]


def deployment_names(home: Home) -> list[str]:
    """Ask the Prefect server for the names of the deployments it has, as `flow/deployment`."""
    with httpx.Client(base_url=home.prefect_url, trust_env=False, timeout=10) as client:
        flows, deployments = (client.post(f"/api/{kind}/filter", json={}) for kind in ("flows", "deployments"))
        for answer in (flows, deployments):
            answer.raise_for_status()
        names = {row["id"]: row["name"] for row in flows.json()}
        return sorted(f"{names[row['flow_id']]}/{row['name']}" for row in deployments.json())
