"""A started session is carried out once, whoever dies and however Prefect answers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from api_world import FORM_A, Api, ApiWorld, FakePrefect, code_of, new_home
from running_session import RunningSession

from api.abandoned import RUN_SETTLES_S
from api.starts import CLAIM_S, COMMAND_AGE_S, GIVE_UP_S
from store import CommandKind, SessionStatus
from store.api_records import StartState

CHILDREN = multiprocessing.get_context("forkserver")


class _Deadly(FakePrefect):
    """Kills this process when the run is to be created: after the outbox was committed, before Prefect has it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/create_flow_run"):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().handle_async_request(request)


def _start_and_die(folder: Path) -> None:
    async def run() -> None:
        async with ApiWorld(new_home(folder), prefect=_Deadly()).opened() as api:
            await api.post(f"/sessions/{await api.created()}/start")

    asyncio.run(run())


async def test_start_survives_the_death_of_the_process_between_commit_and_prefect(world: ApiWorld) -> None:
    child = CHILDREN.Process(target=_start_and_die, args=(world.home.path,))
    child.start()
    await asyncio.to_thread(child.join, 60)
    assert child.exitcode == -signal.SIGKILL

    async with world.opened() as api:
        (session,) = api.store.reads.sessions()
        assert session.status is SessionStatus.ACTIVE
        assert session.flow_run_id is None
        await api.services.starter.turn()
        assert world.prefect.created == {}  # its claim has not run out
        world.clock.advance(CLAIM_S + 1)
        await api.services.starter.turn()
        await api.services.starter.turn()
        session = api.store.reads.session(session.session_id)

    assert list(world.prefect.created) == [f"{session.session_id}:1"]
    assert world.prefect.created[f"{session.session_id}:1"]["session_id"] == session.session_id
    assert session.flow_run_id == f"run-{session.session_id}:1"
    assert world.prefect.asked == 1


async def test_busy_prefect_is_asked_again_and_creates_one_run(api: Api) -> None:
    session_id = await api.created()
    api.world.prefect.failures = [503, 503]
    answer = await api.post(f"/sessions/{session_id}/start")
    assert answer.status_code == 200
    assert answer.json()["session"] == {
        "id": session_id, "status": "active", "flowRunId": f"run-{session_id}:1",
        "startTime": answer.json()["session"]["startTime"],
    }  # fmt: skip
    assert list(api.world.prefect.created) == [f"{session_id}:1"]


async def test_busy_prefect_that_created_nothing_leaves_the_session_pending(api: Api) -> None:
    session_id = await api.created()
    api.world.prefect.failures = [503] * 3
    answer = await api.post(f"/sessions/{session_id}/start")
    assert (answer.status_code, code_of(answer)) == (503, "SERVICE_UNAVAILABLE")
    session = api.store.reads.session(session_id)
    assert session.status is SessionStatus.PENDING
    assert session.started_at is None
    start = api.store.reads.last_start(session_id)
    assert start is not None
    assert start.state is StartState.REFUSED

    again = await api.post(f"/sessions/{session_id}/start")
    assert again.status_code == 200
    assert list(api.world.prefect.created) == [f"{session_id}:2"]


async def test_run_whose_answers_were_lost_is_found_instead_of_made_twice(api: Api) -> None:
    session_id = await api.created()
    api.world.prefect.failures = [httpx.ReadTimeout("too late")] * 3
    api.world.prefect.creates_before_failing = True
    answer = await api.post(f"/sessions/{session_id}/start")
    assert answer.status_code == 200
    assert list(api.world.prefect.created) == [f"{session_id}:1"]


async def test_unclear_start_is_answered_as_pending_and_carried_out_once_later(api: Api) -> None:
    """After a timeout "there is no such run" proves nothing: Prefect may still be at it."""
    session_id = await api.created()
    api.world.prefect.failures = [httpx.ReadTimeout("too late")] * 3
    answer = await api.post(f"/sessions/{session_id}/start")
    assert answer.status_code == 202
    assert answer.json()["pending"] is True
    assert answer.json()["session"]["status"] == "active"
    api.world.clock.advance(CLAIM_S + 1)
    await api.services.starter.turn()
    await api.services.starter.turn()
    assert list(api.world.prefect.created) == [f"{session_id}:1"]
    assert api.store.reads.session(session_id).flow_run_id == f"run-{session_id}:1"


async def test_two_starts_at_once_make_one_run(world: ApiWorld) -> None:
    async with world.opened() as one, world.opened() as other:
        session_id = await one.created()
        answers = await asyncio.gather(
            one.post(f"/sessions/{session_id}/start"), other.post(f"/sessions/{session_id}/start")
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert world.prefect.asked == 1


async def test_start_nobody_could_carry_out_is_given_up_in_the_end(api: Api) -> None:
    session_id = await api.created()
    api.world.prefect.failures = [httpx.ReadTimeout("too late")] * 3
    await api.post(f"/sessions/{session_id}/start")
    api.world.prefect.is_away = True
    api.world.clock.advance(CLAIM_S + 1)
    await api.services.starter.turn()
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE
    api.world.clock.advance(GIVE_UP_S)
    api.world.prefect.is_away = False
    await api.services.starter.turn()
    session = api.store.reads.session(session_id)
    assert session.status is SessionStatus.PENDING
    assert "not started within" in (session.status_reason or "")
    assert api.world.prefect.created == {}


async def test_start_is_not_given_up_while_prefect_cannot_say_that_there_is_no_run(api: Api) -> None:
    """The run was created and the answer lost: a session called pending meanwhile would trade all the same."""
    session_id = await api.created()
    prefect = api.world.prefect
    prefect.failures, prefect.creates_before_failing = [httpx.ReadTimeout("too late")] * 3, True
    prefect.is_deaf_to_questions = True
    assert (await api.post(f"/sessions/{session_id}/start")).status_code == 202
    prefect.is_away = True
    api.world.clock.advance(GIVE_UP_S + CLAIM_S)
    await api.services.starter.turn()
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE
    prefect.is_away = prefect.is_deaf_to_questions = False
    api.world.clock.advance(CLAIM_S + 1)
    await api.services.starter.turn()
    assert api.store.reads.session(session_id).flow_run_id == f"run-{session_id}:1"
    assert list(prefect.created) == [f"{session_id}:1"]


class _SlowToDeny(FakePrefect):
    """Says that there is no run so slowly that meanwhile the dispatcher has one created; its answer comes later yet."""

    meanwhile: Callable[[], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.has_created, self.may_say_so = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/flow_runs/filter" and self.meanwhile is not None:
            self.meanwhile()
            await self.has_created.wait()
            return httpx.Response(200, json=[])
        answer = await super().handle_async_request(request)
        if request.url.path.endswith("/create_flow_run") and answer.is_success:
            self.has_created.set()
            await self.may_say_so.wait()
        return answer


async def test_start_that_the_same_process_took_up_again_meanwhile_is_not_taken_back(world: ApiWorld) -> None:
    prefect = _SlowToDeny()
    world.prefect = prefect
    async with world.opened() as api, asyncio.TaskGroup() as tasks:
        session_id = await api.created()

        def take_up() -> None:
            world.clock.advance(CLAIM_S + 1)
            tasks.create_task(api.services.starter.turn())

        prefect.failures, prefect.meanwhile = [503] * 3, take_up
        await api.post(f"/sessions/{session_id}/start")
        assert list(prefect.created) == [f"{session_id}:1"]
        assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE
        prefect.may_say_so.set()


@pytest.mark.parametrize("refusal", [404, 422])
async def test_refusal_after_an_answer_that_was_lost_proves_no_run_absent(api: Api, refusal: int) -> None:
    session_id = await api.created()
    prefect = api.world.prefect
    prefect.failures, prefect.creates_before_failing = [httpx.ReadTimeout("too late"), refusal], True
    answer = await api.post(f"/sessions/{session_id}/start")
    assert answer.status_code == 202
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE
    assert list(prefect.created) == [f"{session_id}:1"]


async def test_start_is_not_taken_back_once_a_run_has_begun(api: Api) -> None:
    """The answer was lost, Prefect is away, yet the run is there: it has the session, and keeps it."""
    session_id = await api.created()
    api.world.prefect.failures = [httpx.ReadTimeout("too late")] * 3
    await api.post(f"/sessions/{session_id}/start")
    await api.store.journal.set_flow_run(session_id, "the-run")
    await api.store.journal.begin_attempt(session_id)
    api.world.prefect.is_away = True
    api.world.clock.advance(GIVE_UP_S + CLAIM_S)
    await api.services.starter.turn()
    session = api.store.reads.session(session_id)
    assert session.status is SessionStatus.ACTIVE
    assert session.flow_run_id == "the-run"
    assert (start := api.store.reads.last_start(session_id)) is not None
    assert start.state is StartState.CREATED


@pytest.mark.parametrize("state", ["CRASHED", "COMPLETED", "gone"])
async def test_commanded_session_without_a_run_gets_another_one(api: Api, state: str) -> None:
    session_id = await api.started()
    _end_run(api, session_id, state)
    answer = await api.post(f"/sessions/{session_id}/stop?wait=0")
    assert answer.status_code == 202
    assert list(api.world.prefect.created) == [f"{session_id}:1", f"{session_id}:2"]


async def test_command_given_while_the_dead_runs_lease_lasts_is_not_forgotten(api: Api) -> None:
    session_id = await api.started()
    async with RunningSession(api, session_id):
        pass  # it dies, and its lease outlives it
    _end_run(api, session_id, "CRASHED")
    await api.post(f"/sessions/{session_id}/stop?wait=0")
    assert list(api.world.prefect.created) == [f"{session_id}:1"]
    api.world.clock.advance(601 + COMMAND_AGE_S)
    await api.services.starter.turn()
    await api.services.starter.turn()
    assert list(api.world.prefect.created) == [f"{session_id}:1", f"{session_id}:2"]


async def test_run_that_is_on_its_way_is_not_doubled(api: Api) -> None:
    session_id = await api.started()
    for state in ("SCHEDULED", "PENDING", "RUNNING"):
        _end_run(api, session_id, state)
        await api.post(f"/sessions/{session_id}/pause")
    assert list(api.world.prefect.created) == [f"{session_id}:1"]
    api.world.clock.advance(RUN_SETTLES_S + COMMAND_AGE_S)  # said to run, and still no lease: it is dead
    await api.services.starter.turn()
    assert list(api.world.prefect.created) == [f"{session_id}:1", f"{session_id}:2"]


async def test_session_that_cannot_be_asked_about_gets_no_second_run(api: Api) -> None:
    session_id = await api.started()
    api.world.prefect.is_away = True
    await api.post(f"/sessions/{session_id}/stop?wait=0")
    assert list(api.world.prefect.created) == [f"{session_id}:1"]
    commands = api.store.reads.pending_commands(session_id)
    assert [command.kind for command in commands] == [CommandKind.STOP]


async def test_start_that_is_refused_for_funds_changes_nothing(api: Api) -> None:
    session_id = await api.created()
    api.world.venues["account2"].is_active = False
    assert (await api.post(f"/sessions/{session_id}/start")).status_code == 409
    assert api.store.reads.session(session_id).status is SessionStatus.PENDING
    assert api.store.reads.last_start(session_id) is None
    assert api.world.prefect.asked == 0


async def test_position_that_is_not_the_sessions_keeps_it_from_starting(api: Api) -> None:
    session_id = await api.created()
    api.world.venues["account2"].meddle(Decimal("0.25"))
    answer = await api.post(f"/sessions/{session_id}/start")
    assert code_of(answer) == "ACCOUNT_NOT_ACTIVE"
    assert answer.json()["error"]["details"] == {"accountId": "account2", "position": "0.25"}


async def test_account_of_a_running_session_starts_no_other(api: Api) -> None:
    first, second = await api.started(), await api.created()
    await api.store.journal.acquire_lease(
        "account:account2", f"{first}/run", attempt=1, ttl_s=20, now=api.world.clock()
    )
    answer = await api.post(f"/sessions/{second}/start")
    assert code_of(answer) == "ACCOUNT_NOT_ACTIVE"
    assert answer.json()["error"]["details"] == {"accountId": "account2", "sessionId": first}


async def test_creating_and_starting_never_place_an_order(api: Api) -> None:
    await api.started()
    await api.post("/sessions/estimate", FORM_A)
    assert all(not venue.placed and not venue.cancelled for venue in api.world.venues.values())


def _end_run(api: Api, session_id: str, state: str) -> None:
    run_id = f"run-{session_id}:1"
    if state == "gone":
        del api.world.prefect.states[run_id]
    else:
        api.world.prefect.states[run_id] = state
