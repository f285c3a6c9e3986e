"""Sessions as an operator runs them: through Prefect, on real ports, against the venue twins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import httpx
import pytest

from store import Session
from store.results import session_fills, session_rows
from tests.e2e.conftest import Installation, hedge, kill, small_request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def venue_fills(installation: Installation, client_ids: set[str]) -> Counter[tuple[object, ...]]:
    """Executions of the given orders from the twins' own books."""
    return Counter(
        (venue, fill["side"].lower(), Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill["fee"]))
        for venue, truth in installation.state()["venues"].items()
        for account in truth["accounts"].values()
        for fill in account["fills"]
        if str(fill["client_id"]) in client_ids
    )


def assert_clean(installation: Installation, session_id: str) -> None:
    """Flat at every venue, nothing resting, own orders never met, and results equal to the venues' truth."""
    state = installation.state()
    for venue, truth in state["venues"].items():
        assert truth["self_trades"] == 0, venue
        operators = set(truth["accounts"])
        for name, account in truth["accounts"].items():
            assert account["positions"] == {}, (venue, name)
            assert not [o for o in account["orders"] if o["status"] in ("OPEN", "PARTIALLY_FILLED", "NEW")], venue
            assert not [f for f in account["fills"] if f["counterparty"] in operators], "own orders met"
            ids = [o["client_id"] for o in account["orders"] if o["client_id"]]
            assert len(ids) == len(set(ids)), f"{venue}: a client order id was used twice"
    orders = session_rows(installation.home.path, "orders", session_id)
    with_wire = installation.store.reads.orders_of_session(session_id)
    assert len(orders) == len(with_wire)
    wire = {installation.store.reads.journal_order(o.intent.client_order_id).wire_client_id for o in with_wire}
    assert Counter(session_fills(installation.home.path, session_id)) == venue_fills(installation, wire)


@pytest.fixture(scope="module")
def finished(installation: Installation) -> tuple[Session, str]:
    """A session that ran through Prefect to its end, and its flow run."""
    session = installation.create()
    run_id = installation.run(session.session_id)
    return installation.ended(session.session_id), run_id


def test_session_through_prefect_ends_flat_and_reconciled_to_the_last_digit(
    installation: Installation, finished: tuple[Session, str]
) -> None:
    ended, run_id = finished
    assert ended.status.value == "completed"
    assert ended.totals.volume_generated >= Decimal(1200)
    assert_clean(installation, ended.session_id)
    installation.wait(
        lambda: installation.prefect(f"/flow_runs/{run_id}")["state"]["type"] == "COMPLETED", "the flow run is green"
    )
    pairs = session_rows(installation.home.path, "pairs", ended.session_id)
    assert sum(p["volume"] for p in pairs) == ended.totals.volume_generated
    assert all(p["buy_venue"] != p["sell_venue"] for p in pairs)
    report = installation.home.reports / f"{ended.session_id}.html"
    assert report.stat().st_size < 300_000
    assert ended.session_id in report.read_text()


def test_tasks_and_artifacts_are_what_an_operator_sees(
    installation: Installation, finished: tuple[Session, str]
) -> None:
    _, run_id = finished
    wanted = {"fund-check", "risk-gate", "place-pair", "reconcile-fills", "settle"}

    def names() -> bool:
        rows = installation.prefect_rows("/task_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return wanted <= {row["name"].rsplit("-", 1)[0] for row in rows}

    installation.wait(names, "the tasks show by name", 30)

    def artifacts() -> bool:
        rows = installation.prefect_rows("/artifacts/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
        return {"volume", "pairs", "summary"} <= {row["key"] for row in rows}

    installation.wait(artifacts, "progress, pairs and summary show", 30)


@pytest.mark.slow
def test_resting_legs_with_a_market_fallback_end_flat(installation: Installation) -> None:
    types = {"orderTypes": {"primary": "limit", "fallback": "market"}}
    session = installation.create(volumeTarget="800", strategy=types)
    installation.run(session.session_id)
    ended = installation.ended(session.session_id, 180)
    assert ended.status.value == "completed", ended.status_reason
    assert_clean(installation, session.session_id)
    kinds = {o.intent.time_in_force.value for o in installation.store.reads.orders_of_session(session.session_id)}
    assert "post_only" in kinds


def test_killed_in_the_middle_of_a_pair_a_restart_ends_flat_and_sends_nothing_twice(installation: Installation) -> None:
    session = installation.create()
    installation.fault(venue="pacifica", kind="delay", delay_ms=1500, count=100)
    run_id = installation.run(session.session_id)
    pid = installation.process_of(run_id)
    reads = installation.store.reads
    installation.wait(lambda: reads.open_orders_of(session.session_id), "an order is on its way")
    kill(pid)
    left = reads.open_orders_of(session.session_id)
    assert left, "the kill came between pairs; nothing was proven"
    installation.fault(venue="pacifica", kind="clear")
    installation.run(session.session_id, attempt=2)
    ended = installation.ended(session.session_id)
    assert ended.status.value == "completed", ended.status_reason
    assert ended.attempt == 2
    assert_clean(installation, session.session_id)


def test_lost_answers_are_asked_about_and_never_sent_again(installation: Installation) -> None:
    session = installation.create(volumeTarget="900")
    for venue in ("pacifica", "paradex", "backpack"):
        installation.fault(venue=venue, kind="lost_answer", count=1)
    installation.run(session.session_id)
    ended = installation.ended(session.session_id)
    assert ended.status.value == "completed", ended.status_reason
    assert_clean(installation, session.session_id)


def test_cancel_in_prefect_winds_down_and_settles(installation: Installation) -> None:
    session = installation.create(volumeTarget="100000")
    run_id = installation.run(session.session_id)
    reads = installation.store.reads
    installation.wait(lambda: reads.session(session.session_id).totals.pairs_filled >= 2, "it trades")
    installation.prefect(f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    ended = installation.ended(session.session_id, 40)
    assert ended.status.value == "completed"
    assert "cancel" in (ended.status_reason or "")
    assert_clean(installation, session.session_id)


@pytest.mark.slow
def test_second_session_on_busy_accounts_is_refused_and_leaves_the_first_alone(installation: Installation) -> None:
    first = installation.create(volumeTarget="100000")
    installation.run(first.session_id)
    reads = installation.store.reads
    installation.wait(lambda: reads.session(first.session_id).totals.pairs_filled >= 1, "the first one trades")
    second = installation.create(volumeTarget="500")
    installation.run(second.session_id)
    refused = installation.ended(second.session_id)
    assert refused.status.value == "failed"
    assert "held by another running session" in (refused.status_reason or "")
    assert reads.orders_of_session(second.session_id) == []
    stopped = hedge(installation.home, "session", "stop", first.session_id)
    assert stopped.returncode == 0, stopped.stderr
    assert installation.ended(first.session_id).status.value == "completed"
    assert_clean(installation, first.session_id)


def prefect_command(installation: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ, "PREFECT_API_URL": f"{installation.home.prefect_url}/api",
        "PREFECT_HOME": str(installation.home.prefect),
    }  # fmt: skip
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environ, check=False)


@pytest.mark.slow
def test_prefect_deployment_run_without_parameters_runs_the_listed_session(installation: Installation) -> None:
    known = {s.session_id for s in installation.store.reads.sessions()}
    done = prefect_command(installation, "deployment", "run", "hedging-session/sandbox")
    assert done.returncode == 0, done.stderr

    def new() -> str | None:
        found = [s for s in installation.store.reads.sessions() if s.session_id not in known]
        return found[0].session_id if found else None

    session_id = installation.wait(new, "the run created its session")
    assert installation.ended(session_id, 180).status.value == "completed"
    assert_clean(installation, session_id)


def test_prefect_deployment_run_takes_a_request_as_parameter(installation: Installation) -> None:
    request = json.dumps(small_request(name="by parameter", volumeTarget=400))
    arguments = ("deployment", "run", "hedging-session/sandbox", "--param", f"request={request}")
    done = prefect_command(installation, *arguments)
    assert done.returncode == 0, done.stderr

    def new() -> str | None:
        found = [s for s in installation.store.reads.sessions() if s.name == "by parameter"]
        return found[0].session_id if found else None

    session_id = installation.wait(new, "the run created its session")
    ended = installation.ended(session_id)
    assert ended.status.value == "completed", ended.status_reason
    assert ended.totals.volume_generated >= 400
    assert_clean(installation, session_id)


@pytest.mark.parametrize("environment", ["testnet", "production"])
def test_real_venues_are_refused_without_keys_saying_what_is_missing(
    installation: Installation, environment: str
) -> None:
    deployment_id = installation.prefect(f"/deployments/name/hedging-session/{environment}")["id"]
    url = f"{installation.home.prefect_url}/api/deployments/{deployment_id}/create_flow_run"

    def created() -> str | None:
        """A Prefect that is busy answers 503 and is asked again."""
        answer = httpx.post(url, json={}, trust_env=False, timeout=30)
        return str(answer.json()["id"]) if answer.is_success else None

    run_id = installation.wait(created, "Prefect takes the run", 30)

    def failed() -> str | None:
        state = installation.prefect(f"/flow_runs/{run_id}")["state"]
        return str(state["message"]) if state["type"] == "FAILED" else None

    message = installation.wait(failed, "the run is refused", 60)
    assert "accounts.yaml" in message
    assert f"HEDGE_KEY_{environment.upper()}" in message
