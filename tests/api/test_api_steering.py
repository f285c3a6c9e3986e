"""Commands over the API: answered with what the session did, with a refusal, or truthfully as not yet done."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from api_world import Api, code_of
from running_session import RunningSession

from core.risk import Severity
from store import NewBreach, SessionStatus
from store.api_records import Scope


async def test_pause_and_resume_answer_when_it_was_done(api: Api) -> None:
    session_id = await api.started()
    async with RunningSession(api, session_id):
        paused = await api.post(f"/sessions/{session_id}/pause")
        assert paused.status_code == 200, paused.text
        assert paused.json()["session"]["status"] == "paused"
        assert datetime.fromisoformat(paused.json()["session"]["pausedAt"]) == api.world.clock()
        resumed = await api.post(f"/sessions/{session_id}/resume")
        assert resumed.json()["session"]["status"] == "active"
        assert resumed.json()["session"]["resumedAt"]
        assert resumed.json()["pending"] is False


@pytest.mark.parametrize("verb", ["stop", "flatten"])
async def test_stop_answers_when_the_session_is_over(api: Api, verb: str) -> None:
    session_id = await api.started()
    async with RunningSession(api, session_id) as run:
        answer = await api.post(f"/sessions/{session_id}/{verb}", {})
    assert answer.status_code == 200
    session = answer.json()["session"]
    assert (session["status"], session["finalVolume"]) == ("completed", 0)
    assert session["endTime"]
    assert [c.kind.value for c in run.taken] == [verb]


async def test_command_that_nobody_takes_is_answered_as_pending_with_the_true_status(api: Api) -> None:
    session_id = await api.started()
    answer = await api.post(f"/sessions/{session_id}/pause")
    assert answer.status_code == 202
    assert answer.json()["pending"] is True
    assert answer.json()["session"]["status"] == "active"
    assert answer.json()["session"]["pausedAt"] is None


async def test_refusal_by_the_session_is_told_with_its_reason(api: Api) -> None:
    session_id = await api.started()
    run = RunningSession(api, session_id)
    run.refuses = "refused: the session is winding down"
    async with run:
        answer = await api.post(f"/sessions/{session_id}/pause")
    assert (answer.status_code, code_of(answer)) == (409, "INVALID_SESSION_STATUS")
    assert answer.json()["error"]["details"]["reason"] == "the session is winding down"


async def test_resume_is_refused_until_the_critical_breach_is_acknowledged(api: Api) -> None:
    session_id = await api.started()
    breach = NewBreach("b1", session_id, None, "naked_leg", Severity.CRITICAL, {"reason": "x"}, api.world.clock())
    await api.store.journal.record_breach(breach)
    async with RunningSession(api, session_id):
        await api.post(f"/sessions/{session_id}/pause")
        refused = await api.post(f"/sessions/{session_id}/resume")
        assert code_of(refused) == "INVALID_SESSION_STATUS"
        assert refused.json()["error"]["details"]["breachIds"] == ["b1"]
        path = f"/sessions/{session_id}/risk-breaches/b1/acknowledge"
        done = await api.post(path, {"action": "resolve", "comment": "looked at"})
        assert done.json()["breach"]["resolved"] is True
        assert done.json()["breach"]["action"] == "resolve"
        assert (await api.post(f"/sessions/{session_id}/resume")).status_code == 200


@pytest.mark.parametrize(
    ("verb", "status"),
    [(v, s) for v in ("pause", "resume", "stop", "flatten") for s in SessionStatus
     if (v, s) not in {("pause", "active"), ("resume", "paused"), ("stop", "active"), ("stop", "paused"),
                       ("flatten", "active"), ("flatten", "paused")}],
)  # fmt: skip
async def test_command_out_of_place_is_refused_and_written_nowhere(
    api: Api, verb: str, status: SessionStatus
) -> None:  # fmt: skip
    session_id = await api.created()
    await api.store.journal.set_session_status(session_id, tuple(SessionStatus), status, at=api.world.clock())
    answer = await api.post(f"/sessions/{session_id}/{verb}")
    details = answer.json()["error"]["details"]
    assert (answer.status_code, code_of(answer)) == (409, "INVALID_SESSION_STATUS")
    assert details["currentStatus"] == status.value
    assert api.store.reads.commands(session_id) == []


async def test_session_that_fails_while_being_stopped_is_no_success(api: Api) -> None:
    session_id = await api.started()
    run = RunningSession(api, session_id)
    run.halts_when_stopped = "MARKET_DATA_UNAVAILABLE: no mark"
    async with run:
        answer = await api.post(f"/sessions/{session_id}/stop?wait=0")
        assert answer.status_code == 202
        while not run.taken or api.store.reads.session(session_id).status is SessionStatus.ACTIVE:
            await asyncio.sleep(0)
        again = await api.post(f"/sessions/{session_id}/stop?wait=0")
    assert again.status_code == 202  # paused, not flat: it is still to be brought to its end
    assert again.json()["session"]["status"] == "paused"
    await api.store.journal.set_session_status(
        session_id, (SessionStatus.PAUSED,), SessionStatus.FAILED, at=api.world.clock(), reason="out of order"
    )
    assert code_of(await api.post(f"/sessions/{session_id}/stop")) == "INVALID_SESSION_STATUS"


async def test_flatten_all_ends_every_live_session_and_only_those(api: Api) -> None:
    live = [await api.started(), await api.started()]
    pending = await api.created()
    key = api.new_key(Scope.KILL, name="kill switch")
    async with RunningSession(api, live[0]) as one, RunningSession(api, live[1]):
        answer = await api.post("/flatten", key=key)
    assert answer.status_code == 200
    assert {s["id"]: s["status"] for s in answer.json()["sessions"]} == dict.fromkeys(live, "completed")
    assert api.store.reads.session(pending).status is SessionStatus.PENDING
    assert one.taken[0].created_by == "kill switch"


async def test_flatten_all_without_sessions_is_done_at_once(api: Api) -> None:
    answer = await api.post("/flatten")
    assert (answer.status_code, answer.json()["sessions"]) == (200, [])


@pytest.mark.parametrize("wait", ["-1", "121", "nan", "inf", "soon"])
async def test_wait_is_bounded(api: Api, wait: str) -> None:
    assert (await api.post(f"/flatten?wait={wait}")).status_code == 422


async def test_command_takes_no_body(api: Api) -> None:
    session_id = await api.started()
    answer = await api.post(f"/sessions/{session_id}/stop", {"force": True})
    assert code_of(answer) == "VALIDATION_ERROR"
    assert api.store.reads.commands(session_id) == []
