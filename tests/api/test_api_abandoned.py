"""A session whose run is gone before its first order is brought back by itself, a bounded number of times."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from api_world import Api, ApiWorld
from running_session import RunningSession

from api.abandoned import PAUSES_S, PROCESS_STARTS_S, RUN_SETTLES_S, TOO_LATE_S
from api.starts import CLAIM_S, LOOK_S
from store import SessionStatus

HOUR_S = 3600


async def left_alone(api: Api, state: str) -> str:
    """A session that was started and whose run ended up in this state, right after its creation."""
    session_id = await api.started()
    run_is(api, session_id, state)
    return session_id


def run_is(api: Api, session_id: str, state: str, number: int | None = None) -> None:
    """Have Prefect say this of a session's run (the last one), from now on."""
    run_id = f"run-{session_id}:{number or runs_of(api, session_id)}"
    api.world.prefect.states[run_id] = state
    api.world.prefect.since[run_id] = api.world.clock()


def runs_of(api: Api, session_id: str) -> int:
    """How many runs Prefect was made to create for a session."""
    return sum(key.startswith(session_id) for key in api.world.prefect.created)


async def pass_time(api: Api, seconds: float, every_s: float = LOOK_S) -> None:
    """Let the dispatcher look again and again for as long as that."""
    for _ in range(int(seconds / every_s) + 1):
        api.world.clock.advance(every_s)
        await api.services.starter.turn()


def told(api: Api, session_id: str) -> list[str]:
    """The reasons that the session's followers were given."""
    events = api.store.reads.events_since(session_id, 0)
    return [str(e.payload["reason"]) for e in events if e.type == "session_update" and e.payload.get("reason")]


@pytest.mark.parametrize(
    ("state", "after_s"),
    [("CRASHED", PAUSES_S[0]), ("FAILED", PAUSES_S[0]), ("RUNNING", RUN_SETTLES_S), ("PENDING", PROCESS_STARTS_S)],
)
async def test_session_whose_run_is_gone_gets_another_one_and_its_followers_are_told(
    api: Api, state: str, after_s: float
) -> None:
    session_id = await left_alone(api, state)
    await pass_time(api, after_s - 2 * LOOK_S)
    assert runs_of(api, session_id) == 1, "too soon"
    await pass_time(api, 3 * LOOK_S)
    assert runs_of(api, session_id) == 2
    assert api.store.reads.session(session_id).flow_run_id == f"run-{session_id}:2"
    assert told(api, session_id)[-1].endswith(f"it is brought back, try 1 of {len(PAUSES_S)}")


async def test_session_is_brought_back_once_by_several_api_processes(world: ApiWorld) -> None:
    async with world.opened() as one, world.opened() as other:
        session_id = await left_alone(one, "CRASHED")
        world.clock.advance(PAUSES_S[0] + LOOK_S)
        await asyncio.gather(one.services.starter.turn(), other.services.starter.turn())
        world.clock.advance(LOOK_S)
        await asyncio.gather(one.services.starter.turn(), other.services.starter.turn())
        assert runs_of(one, session_id) == 2


async def test_run_that_prefect_holds_ready_is_waited_for_however_long(api: Api) -> None:
    session_id = await left_alone(api, "SCHEDULED")
    await pass_time(api, 2 * TOO_LATE_S, 300)
    assert runs_of(api, session_id) == 1
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE


async def test_session_that_is_driven_is_left_to_its_run(api: Api) -> None:
    session_id = await left_alone(api, "RUNNING")
    async with RunningSession(api, session_id):
        await pass_time(api, 500, 50)
        assert runs_of(api, session_id) == 1


async def test_nothing_is_tried_and_no_try_is_spent_while_prefect_is_away(api: Api) -> None:
    session_id = await left_alone(api, "CRASHED")
    api.world.prefect.is_away = True
    await pass_time(api, TOO_LATE_S - 200, 100)
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE
    assert len(api.store.reads.starts_of(session_id)) == 1
    api.world.prefect.is_away = False
    await pass_time(api, 1)
    assert runs_of(api, session_id) == 2


async def test_prefect_that_dies_when_it_is_asked_for_the_run_is_asked_again(api: Api) -> None:
    session_id = await left_alone(api, "CRASHED")
    api.world.prefect.failures = [503] * 3
    await pass_time(api, PAUSES_S[0] + LOOK_S)
    assert runs_of(api, session_id) == 1
    await pass_time(api, CLAIM_S + LOOK_S)
    assert runs_of(api, session_id) == 2
    assert len(api.store.reads.starts_of(session_id)) == 2, "the same try"


async def test_tries_grow_apart_and_the_session_fails_in_the_end(api: Api) -> None:
    session_id = await left_alone(api, "CRASHED")
    began, at = api.world.clock(), []
    while api.store.reads.session(session_id).status is SessionStatus.ACTIVE:
        known = runs_of(api, session_id)
        await pass_time(api, 1, 20)
        if runs_of(api, session_id) > known:
            run_is(api, session_id, "CRASHED")
            at.append((api.world.clock() - began).total_seconds())
        assert api.world.clock() - began < timedelta(seconds=2 * HOUR_S), "it is tried for ever"
    assert len(at) == len(PAUSES_S)
    gaps = [later - earlier for earlier, later in zip([0.0, *at], at, strict=False)]
    assert all(gap >= pause for gap, pause in zip(gaps, PAUSES_S, strict=True))
    session = api.store.reads.session(session_id)
    assert session.status is SessionStatus.FAILED
    assert session.status_reason is not None
    assert session.status_reason.startswith("SERVICE_UNAVAILABLE: no run of it reached its first order")
    assert told(api, session_id)[-1] == session.status_reason
    await pass_time(api, HOUR_S, 300)
    assert runs_of(api, session_id) == len(PAUSES_S) + 1


async def test_session_found_without_a_run_after_long_does_not_begin_to_trade_by_itself(world: ApiWorld) -> None:
    """The machine was off for a night: nobody expects orders now."""
    async with world.opened() as api:
        session_id = await left_alone(api, "CRASHED")
    world.clock.advance(8 * HOUR_S)
    async with world.opened() as api:
        await pass_time(api, 1)
        assert runs_of(api, session_id) == 1
        assert api.store.reads.session(session_id).status is SessionStatus.FAILED


@pytest.mark.parametrize("state", ["CANCELLED", "CANCELLING"])
async def test_session_whose_run_was_cancelled_is_not_brought_back_but_ends(api: Api, state: str) -> None:
    session_id = await left_alone(api, state)
    await pass_time(api, RUN_SETTLES_S + LOOK_S)
    session = api.store.reads.session(session_id)
    assert runs_of(api, session_id) == 1
    assert session.status is SessionStatus.FAILED
    assert session.status_reason == "CANCELLED: the run was cancelled"


async def test_run_that_a_person_paused_in_prefect_is_left_as_it_is(api: Api) -> None:
    session_id = await left_alone(api, "PAUSED")
    await pass_time(api, 200, 20)
    assert runs_of(api, session_id) == 1
    assert api.store.reads.session(session_id).status is SessionStatus.ACTIVE


async def test_session_that_is_paused_or_not_started_is_left_as_it_is(api: Api) -> None:
    paused, pending = await left_alone(api, "CRASHED"), await api.created()
    statuses = (SessionStatus.ACTIVE,)
    await api.store.journal.set_session_status(paused, statuses, SessionStatus.PAUSED, at=api.world.clock())
    await pass_time(api, 500, 50)
    assert runs_of(api, paused) == 1
    assert runs_of(api, pending) == 0
