"""Both older request forms work as they stand, and answers have the shape of the contract."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from api_world import FORM_A, FORM_B, STRATEGY, Api

# As the older documents print them, letter for letter.
OLDER_A = """{"strategy": {"symbol": "ETH/USD", "volumeDistribution": "equal",
  "priceRange": {"min": 0.001, "max": 0.01},
  "timing": {"minInterval": 30, "maxInterval": 120, "orderSize": {"min": 100, "max": 500}},
  "riskLimits": {"maxPositionSize": 0.1, "stopLossThreshold": 0.05, "maxSlippage": 0.02},
  "orderTypes": {"primary": "limit", "fallback": "market"}},
 "accounts": ["account1", "account2"], "duration": 300000}"""
OLDER_B = json.dumps({"name": "My hedge", "accountIds": ["account1", "account3"], "volumeTarget": 10000,
                      "strategy": json.loads(OLDER_A)["strategy"]})  # fmt: skip


@pytest.mark.parametrize("text", [OLDER_A, OLDER_B], ids=["A", "B"])
async def test_older_form_is_created_and_started_as_it_stands(api: Api, text: str) -> None:
    created = await api.post("/sessions", content=text.encode())
    assert created.status_code == 201, created.text
    session_id = created.json()["session"]["id"]
    started = await api.post(f"/sessions/{session_id}/start")
    assert started.status_code == 200, started.text
    read = (await api.get(f"/sessions/{session_id}")).json()["session"]
    assert read["status"] == "active"
    assert read["strategy"] == json.loads(OLDER_A)["strategy"]


async def test_created_session_has_everything_the_contract_names(api: Api) -> None:
    answer = (await api.post("/sessions", FORM_B)).json()
    session = answer["session"]
    assert answer["success"] is True
    assert session["status"] == "pending"
    assert session["name"] == FORM_B["name"]
    assert session["accounts"] == FORM_B["accountIds"]
    assert session["strategy"] == STRATEGY
    assert session["volumeTarget"] == 10000
    assert session["volumeGenerated"] == 0
    assert session["riskBreaches"] == session["orders"] == []
    assert _is_utc(session["startTime"])
    wanted = {
        "totalVolume", "netPosition", "pnl", "slippage", "lastUpdated", "realizedPnl", "unrealizedPnl", "fundingPnl",
        "fees", "pairsFilled", "pairsUnwound", "maxNetExposure", "nakedUsdSeconds",
    }  # fmt: skip
    assert set(session["metrics"]) == wanted
    assert _is_utc(session["metrics"]["lastUpdated"])


async def test_form_a_has_a_name_made_up_and_its_duration_in_milliseconds(api: Api) -> None:
    session = (await api.post("/sessions", FORM_A)).json()["session"]
    assert 3 <= len(session["name"]) <= 50
    assert session["duration"] == 300000
    assert session["volumeTarget"] is None


async def test_money_keeps_its_digits_through_the_door(api: Api) -> None:
    created = await api.post("/sessions", {**FORM_A, "volumeTarget": 12345.678901})
    row = api.store.reads.session(created.json()["session"]["id"])
    assert str(row.volume_target) == "12345.678901"
    assert created.json()["session"]["volumeTarget"] == 12345.678901


@pytest.mark.parametrize(
    ("older", "word"), [("created", "pending"), ("running", "active"), ("stopped", "completed"), ("paused", "paused")]
)
async def test_older_status_words_filter_as_the_newer_ones(api: Api, older: str, word: str) -> None:
    await api.created()
    await api.started()
    found = [(await api.get(f"/sessions?status={name}")).json() for name in (older, word)]
    assert found[0] == found[1]
    assert all(session["status"] == word for session in found[0]["sessions"])


async def test_list_is_newest_first_paged_and_filtered_by_account(api: Api) -> None:
    ids = [await api.created(accounts=["account1", "account2"]) for _ in range(3)]
    other = await api.created(accounts=["account2", "account3"])
    page = (await api.get("/sessions?limit=2&offset=1")).json()
    assert {k: page[k] for k in ("total", "limit", "offset")} == {"total": 4, "limit": 2, "offset": 1}
    everything = (await api.get("/sessions")).json()["sessions"]
    assert [s["id"] for s in page["sessions"]] == [s["id"] for s in everything][1:3]
    assert sorted(s["createdAt"] for s in everything) == [s["createdAt"] for s in reversed(everything)]
    mine = (await api.get("/sessions?accountId=account1")).json()
    assert {s["id"] for s in mine["sessions"]} == set(ids)
    assert other not in {s["id"] for s in mine["sessions"]}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "limit=x", "status=odd", "limt=5"])
async def test_query_that_is_none_is_refused_by_name(api: Api, query: str) -> None:
    answer = await api.get(f"/sessions?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == query.split("=", maxsplit=1)[0]


async def test_estimate_creates_nothing_and_is_the_same_for_the_same_request(api: Api) -> None:
    first = await api.post("/sessions/estimate", FORM_A)
    second = await api.post("/sessions/estimate", FORM_A)
    assert first.status_code == 200, first.text
    made: dict[str, Any] = first.json()["estimate"]
    assert made == second.json()["estimate"]
    assert made["fees"]["p10"] <= made["fees"]["p50"] <= made["fees"]["p90"]
    assert made["fees"]["p50"] > 0
    assert {share["accountId"] for share in made["accounts"]} == {"account1", "account2"}
    assert (await api.get("/sessions")).json()["total"] == 0


def _is_utc(text: str) -> bool:
    return text.endswith("Z") and datetime.fromisoformat(text).tzinfo is not None
