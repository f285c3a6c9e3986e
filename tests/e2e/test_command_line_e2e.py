"""The command line on a whole installation: estimate, create, start, steer, look, as an operator does it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Installation, hedge, small_request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def told(installation: Installation, *arguments: str) -> Any:
    """What a command that must succeed says with --json."""
    done = hedge(installation.home, *arguments, "--json", timeout_s=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_session_is_estimated_created_started_paused_resumed_and_stopped_by_commands(
    installation: Installation, tmp_path: Path
) -> None:
    request = small_request(volumeTarget="60000")
    request["strategy"]["timing"] |= {"minInterval": 0.5, "maxInterval": 1.0}
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))

    estimate = told(installation, "session", "estimate", str(file))
    assert Decimal(estimate["volume"]["p50"]) >= 59_000
    assert Decimal(estimate["fees"]["p10"]) > 0

    session_id = told(installation, "session", "create", str(file))["sessionId"]
    run_id = told(installation, "session", "start", session_id)["flowRunId"]
    assert installation.prefect(f"/flow_runs/{run_id}")["id"] == run_id
    installation.wait(lambda: installation.store.reads.pairs(session_id), "a first pair")

    assert told(installation, "session", "pause", session_id, "--wait", "60")["status"] == "paused"
    assert hedge(installation.home, "session", "pause", session_id).returncode == 2
    assert told(installation, "session", "resume", session_id, "--wait", "60")["status"] == "active"
    assert hedge(installation.home, "session", "start", session_id).returncode == 2

    stopped = told(installation, "session", "stop", session_id, "--wait", "90")
    assert (stopped["status"], stopped["pending"]) == ("completed", False)

    installation.ended(session_id)
    watched = hedge(installation.home, "session", "watch", session_id, "--json")
    sequences = [json.loads(line)["sequence"] for line in watched.stdout.splitlines()]
    assert watched.returncode == 0
    assert sequences == list(range(1, len(sequences) + 1)), "every event, in order, once"
    sql = f"select count(*) as pairs from pairs where session_id = '{session_id}'"
    assert told(installation, "results", "query", sql)[0]["pairs"] == len(installation.store.reads.pairs(session_id))


def test_accounts_and_doctor_see_the_running_installation(installation: Installation) -> None:
    rows = {row["accountId"]: row for row in told(installation, "account", "check")}
    assert set(rows) == {"account1", "account2", "account3"}
    assert all(row["usable"] and Decimal(row["equity"]) > 0 for row in rows.values())

    findings = told(installation, "doctor")["findings"]
    levels = {row["subject"]: row["level"] for row in findings}
    assert {levels[s] for s in ("twins", "Prefect", "deployments", "API", "database", "integrity")} == {"ok"}
    assert {levels[f"{v}/{a}"] for v, a in (("pacifica", "account1"), ("paradex", "account2"))} == {"ok"}
