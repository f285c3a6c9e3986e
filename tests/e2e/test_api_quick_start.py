"""The older documents' quick start, against the demo accounts: everything over HTTP, as curl would ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Installation, kill
from tests.e2e.test_sessions import assert_clean

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OLDER_FORM = """{"strategy": {"symbol": "ETH/USD", "volumeDistribution": "equal",
  "priceRange": {"min": 0.001, "max": 0.01},
  "timing": {"minInterval": 30, "maxInterval": 120, "orderSize": {"min": 100, "max": 500}},
  "riskLimits": {"maxPositionSize": 0.1, "stopLossThreshold": 0.05, "maxSlippage": 0.02},
  "orderTypes": {"primary": "limit", "fallback": "market"}},
 "accounts": ["account1", "account2"], "duration": 300000}"""


@pytest.fixture
def api(installation: Installation) -> Iterator[httpx.Client]:
    """A client with a trading key of its own, made with the key that `hedge up` left in the data folder."""
    base = f"{installation.home.api_url}/api/v1/hedging"
    admin = {"Authorization": f"Bearer {installation.home.api_key.read_text().strip()}"}
    with httpx.Client(base_url=base, trust_env=False, timeout=150) as client:
        made = client.post("/keys", json={"name": "quick start", "scopes": ["trade"]}, headers=admin)
        assert made.status_code == 201, made.text
        client.headers["Authorization"] = f"Bearer {made.json()['apiKey']}"
        yield client
        client.post("/flatten", params={"wait": 100})  # what a test that failed left behind holds the accounts


def told(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer that went well."""
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is True
    return dict(answer.json())


def steered(installation: Installation, api: httpx.Client, session_id: str, verb: str, *, becomes: str) -> None:
    """Command a session: answered when done, or as noted while the pair in progress (here: resting legs) lasts."""
    answer = api.post(f"/sessions/{session_id}/{verb}")
    assert answer.status_code in (200, 202), answer.text
    assert answer.json()["pending"] is (answer.status_code == 202)
    assert answer.status_code == 202 or answer.json()["session"]["status"] == becomes
    reads = installation.store.reads
    installation.wait(lambda: reads.session(session_id).status.value == becomes, f"the session is {becomes}", 120)


def test_older_form_as_it_stands_is_created_started_paused_resumed_and_stopped(
    installation: Installation, api: httpx.Client
) -> None:
    created = told(api.post("/sessions", content=OLDER_FORM), 201)["session"]
    path = f"/sessions/{created['id']}"
    started = told(api.post(f"{path}/start"))["session"]
    assert (started["id"], started["status"]) == (created["id"], "active")
    assert installation.prefect(f"/flow_runs/{started['flowRunId']}")["parameters"]["session_id"] == created["id"]
    _wait_for_a_run(installation, created["id"])

    steered(installation, api, created["id"], "pause", becomes="paused")
    assert told(api.get("/sessions", params={"status": "paused"}))["total"] == 1
    steered(installation, api, created["id"], "resume", becomes="active")
    risk = told(api.get(f"{path}/risk-status"))["riskStatus"]
    assert [account["reason"] for account in risk["accountRisks"]] == [None, None]

    stopped = told(api.post(f"{path}/stop", params={"wait": 120}))["session"]
    assert stopped["status"] == "completed"
    assert stopped["finalVolume"] == float(installation.ended(created["id"]).totals.volume_generated)
    assert_clean(installation, created["id"])
    again = api.post(f"{path}/start")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "INVALID_SESSION_STATUS")


def test_session_by_volume_reports_its_pairs_fills_and_figures(installation: Installation, api: httpx.Client) -> None:
    form = json.loads(OLDER_FORM) | {"name": "by volume", "volumeTarget": 1000}
    form["accountIds"] = [*form.pop("accounts"), "account3"]
    form["strategy"]["timing"] |= {"minInterval": 0.05, "maxInterval": 0.1}
    form["strategy"]["orderTypes"]["primary"] = "market"
    del form["duration"]
    headers = {"Idempotency-Key": "by-volume"}
    session_id = told(api.post("/sessions", json=form, headers=headers), 201)["session"]["id"]
    assert told(api.post("/sessions", json=form, headers=headers), 201)["session"]["id"] == session_id
    told(api.post(f"/sessions/{session_id}/start"))
    installation.ended(session_id, 200)

    session = told(api.get(f"/sessions/{session_id}"))["session"]
    assert session["status"] == "completed", session["statusReason"]
    assert session["volumeGenerated"] >= 1000
    pairs = told(api.get(f"/sessions/{session_id}/orders", params={"limit": 1000}))["orders"]
    filled = [pair for pair in pairs if pair["status"] == "filled"]
    assert sum(pair["volume"] for pair in filled) == pytest.approx(session["volumeGenerated"])
    for pair in filled:
        legs = pair["orderPair"]
        assert legs["buyOrder"]["venue"] != legs["sellOrder"]["venue"]
    fills = told(api.get(f"/sessions/{session_id}/fills", params={"limit": 1000}))
    assert fills["total"] == len(installation.store.reads.fills_of_session(session_id))
    figures = session["metrics"]
    assert figures["pnl"] == pytest.approx(
        figures["realizedPnl"] + figures["unrealizedPnl"] - figures["fees"] + figures["fundingPnl"]
    )
    assert "<html" in api.get(f"/sessions/{session_id}/report").text
    assert_clean(installation, session_id)


BUTTON = "paused by Prefect's own button"  # which takes as long as the lease, and half a minute more


@pytest.mark.parametrize("how", ["killed", pytest.param(BUTTON, marks=pytest.mark.slow)])
def test_session_whose_run_is_gone_is_stopped_flat_over_the_api(
    installation: Installation, api: httpx.Client, how: str
) -> None:
    form = json.loads(OLDER_FORM) | {"name": "loses its run"}
    form["strategy"]["timing"] |= {"minInterval": 0.5, "maxInterval": 1}
    form["strategy"]["orderTypes"]["primary"] = "market"
    session_id = told(api.post("/sessions", json=form), 201)["session"]["id"]
    run_id = told(api.post(f"/sessions/{session_id}/start"))["session"]["flowRunId"]
    reads = installation.store.reads
    installation.wait(lambda: reads.fills_of_session(session_id), "something was traded")
    if how == "killed":
        kill(installation.process_of(run_id))
    else:
        wish = {"state": {"type": "PAUSED", "name": "Suspended"}, "force": True}
        installation.prefect(f"/flow_runs/{run_id}/set_state", wish)
        installation.wait(lambda: _is_alone(installation, session_id), "the run let the session go")
    answer = api.post(f"/sessions/{session_id}/stop", params={"wait": 0})
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    ended = installation.ended(session_id, 200)
    assert ended.status.value == "completed", ended.status_reason
    assert ended.attempt == 2
    assert_clean(installation, session_id)


def _wait_for_a_run(installation: Installation, session_id: str) -> None:
    reads = installation.store.reads
    installation.wait(lambda: reads.lease(f"session:{session_id}") is not None, "the run has begun")


def _is_alone(installation: Installation, session_id: str) -> bool:
    return installation.store.reads.lease(f"session:{session_id}") is None
