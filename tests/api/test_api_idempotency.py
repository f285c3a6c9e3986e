"""The same Idempotency-Key gets the first answer again, from any process and after a restart, with one effect."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from api_world import FORM_A, FORM_B, Api, ApiWorld, code_of

from api.idempotency import HOLD_S, Claim, Idempotency
from store import StoreBusy
from store.api_records import Scope

KEY = {"Idempotency-Key": "order-of-the-day"}


async def test_first_answer_is_given_again_after_a_restart(world: ApiWorld) -> None:
    async with world.opened() as api:
        key = api.key
        first = await api.post("/sessions", FORM_A, headers=KEY)
    async with world.opened() as api:
        second = await api.post("/sessions", FORM_A, headers=KEY, key=key)
        assert len(api.store.reads.sessions()) == 1
    assert first.status_code == second.status_code == 201
    assert second.json() == first.json()
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"


async def test_refusal_is_given_again_even_when_its_cause_is_gone(api: Api) -> None:
    session_id = await api.created()
    api.world.venues["account1"].is_active = False
    first = await api.post(f"/sessions/{session_id}/start", headers=KEY)
    api.world.venues["account1"].is_active = True
    second = await api.post(f"/sessions/{session_id}/start", headers=KEY)
    assert (first.status_code, second.status_code) == (409, 409)
    assert second.json() == first.json()


async def test_failure_of_ours_is_not_kept(api: Api) -> None:
    session_id = await api.created()
    api.world.prefect.is_away = True
    assert (await api.post(f"/sessions/{session_id}/start", headers=KEY)).status_code == 503
    api.world.prefect.is_away = False
    assert (await api.post(f"/sessions/{session_id}/start", headers=KEY)).status_code == 200


@pytest.mark.parametrize("other", ["body", "call"])
async def test_key_used_for_something_else_is_a_conflict(api: Api, other: str) -> None:
    await api.post("/sessions", FORM_A, headers=KEY)
    path, body = ("/sessions", FORM_B) if other == "body" else ("/sessions/estimate", FORM_A)
    answer = await api.post(path, body, headers=KEY)
    assert (answer.status_code, code_of(answer)) == (409, "IDEMPOTENCY_CONFLICT")
    assert len(api.store.reads.sessions()) == 1


async def test_two_keys_of_the_api_do_not_share_idempotency_keys(api: Api) -> None:
    first = await api.post("/sessions", FORM_A, headers=KEY)
    second = await api.post("/sessions", FORM_A, headers=KEY, key=api.new_key(Scope.TRADE))
    assert first.json()["session"]["id"] != second.json()["session"]["id"]


async def test_calls_at_once_have_one_effect(world: ApiWorld) -> None:
    async with world.opened() as one, world.opened() as other:
        answers = await asyncio.gather(
            *(api.post("/sessions", FORM_A, headers=KEY, key=one.key) for api in (one, other, one, other))
        )
        assert len(one.store.reads.sessions()) == 1
    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert code_of(answer) == "IDEMPOTENCY_CONFLICT"
            assert answer.headers["Retry-After"] == "1"


async def test_call_of_a_process_that_died_is_taken_up_and_creates_nothing_twice(api: Api) -> None:
    """The session was written and the answer was not: the id follows from the key, so it is the same session."""
    first = await api.post("/sessions", FORM_A, headers=KEY)
    key_id = api.key.split("_")[1]
    _take_answer_away(api, key_id)
    assert code_of(await api.post("/sessions", FORM_A, headers=KEY)) == "IDEMPOTENCY_CONFLICT"
    api.world.clock.advance(HOLD_S + 1)
    second = await api.post("/sessions", FORM_A, headers=KEY)
    assert second.status_code == 201
    assert second.json()["session"]["id"] == first.json()["session"]["id"]
    assert len(api.store.reads.sessions()) == 1


class _Stumbling:
    """The journal of a store that is locked at the first renewal."""

    def __init__(self, api: Api) -> None:
        self._journal, self.renewals = api.store.journal, 0

    @property
    def journal(self) -> _Stumbling:
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    async def hold_call(self, *call: str, **how: object) -> bool:
        self.renewals += 1
        if self.renewals == 1:
            raise StoreBusy("locked by a test")
        return await self._journal.hold_call(*call, **how)  # type: ignore[arg-type]


async def test_call_goes_on_being_held_after_a_renewal_that_failed(api: Api) -> None:
    """Another process would carry it out a second time, and this one would answer with the store's failure."""
    store = _Stumbling(api)
    keeper = Idempotency(store, api.world.clock, keep_s=86_400, sleep=lambda _: asyncio.sleep(0))  # type: ignore[arg-type]
    claim = Claim(api.key.split("_")[1], "k", "POST /sessions", "0" * 64)
    await keeper.begin(claim)
    async with asyncio.timeout(20), keeper.holding(claim):
        while store.renewals < 2:
            await asyncio.sleep(0)


async def test_answers_are_kept_for_a_day(api: Api) -> None:
    await api.post("/keys", {"name": "one", "scopes": ["read"]}, headers=KEY)
    api.world.clock.advance(86_400 - 60)
    assert (await api.post("/keys", {"name": "two", "scopes": ["read"]}, headers=KEY)).status_code == 409
    api.world.clock.advance(120)
    assert (await api.post("/keys", {"name": "two", "scopes": ["read"]}, headers=KEY)).status_code == 201


async def test_new_keys_secret_is_answered_once_and_kept_nowhere(world: ApiWorld) -> None:
    async with world.opened() as api:
        wish = {"name": "a reader", "scopes": ["read"]}
        first = (await api.post("/keys", wish, headers=KEY)).json()
        second = (await api.post("/keys", wish, headers=KEY)).json()
        ticket = (await api.post("/tickets", headers={"Idempotency-Key": "t"})).json()["ticket"]
        again = (await api.post("/tickets", headers={"Idempotency-Key": "t"})).json()["ticket"]
    assert second["key"] == first["key"]
    assert (second["apiKey"], again) == (None, None)
    kept = b"".join(path.read_bytes() for path in world.home.path.rglob("*") if path.is_file())
    for secret in (first["apiKey"].split("_")[2], api.key.split("_")[2], ticket):
        assert len(secret) >= 32
        assert secret.encode() not in kept


@pytest.mark.parametrize("text", ["", "x" * 256, "tab\there"])
async def test_idempotency_key_that_is_none_is_refused(api: Api, text: str) -> None:
    answer = await api.post("/sessions", FORM_A, headers={"Idempotency-Key": text})
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")


def _take_answer_away(api: Api, key_id: str) -> None:
    """Put the call back to where a process that dies before it kept the answer leaves it."""
    from sqlalchemy import update

    from store.tables import IDEMPOTENCY

    held_until = api.world.clock() + timedelta(seconds=HOLD_S)
    statement = update(IDEMPOTENCY).where(IDEMPOTENCY.c.key_id == key_id)
    values = {"status": None, "body": None, "holder": "dead", "held_until": held_until}
    api.store.journal.writer.write_now(lambda tx: tx.connection.execute(statement.values(**values)))
