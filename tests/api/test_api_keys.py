"""Keys and tickets: made, used, revoked; their secrets are nowhere but in the answer."""

from __future__ import annotations

import os
import stat

import pytest
from api_world import Api, ApiWorld, code_of

from api.auth import digest, ensure_local_key, make_key
from api.routes.keys import TICKET_S
from store import open_store
from store.api_records import Scope


async def test_new_key_works_with_its_scopes_until_it_is_revoked(api: Api) -> None:
    answer = await api.post("/keys", {"name": "a reader", "scopes": ["read"]})
    assert answer.status_code == 201
    key, text = answer.json()["key"], answer.json()["apiKey"]
    assert (await api.get("/sessions", key=text)).status_code == 200
    assert (await api.post("/flatten", key=text)).status_code == 403
    revoked = await api.call("DELETE", f"/keys/{key['id']}")
    assert revoked.json()["key"]["revokedAt"]
    assert (await api.get("/sessions", key=text)).status_code == 401
    assert code_of(await api.call("DELETE", "/keys/nobody")) == "NOT_FOUND"


async def test_list_of_keys_says_who_they_are_and_when_they_were_used(api: Api) -> None:
    api.world.clock.advance(1)
    text = (await api.post("/keys", {"name": "a reader", "scopes": ["read"]})).json()["apiKey"]
    await api.get("/sessions", key=text)
    answer = await api.get("/keys")
    assert [(k["name"], k["scopes"]) for k in answer.json()["keys"]] == [("test", ["admin"]), ("a reader", ["read"])]
    assert all(k["lastUsedAt"] for k in answer.json()["keys"])
    assert text.split("_")[2] not in answer.text


@pytest.mark.parametrize(
    "body", [{}, {"name": "ab", "scopes": ["read"]}, {"name": "abc", "scopes": []}, {"name": "abc", "scopes": ["root"]}]
)
async def test_wish_for_a_key_that_is_none_is_refused(api: Api, body: object) -> None:
    assert code_of(await api.post("/keys", body)) == "VALIDATION_ERROR"


async def test_secrets_stay_out_of_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        text = (await api.post("/keys", {"name": "a reader", "scopes": ["read"]})).json()["apiKey"]
        await api.get("/sessions?api_key=" + text, key=text)
        ticket = (await api.post("/tickets")).json()["ticket"]
        await api.get(f"/report/none?ticket={ticket}", key="", base="")
    assert "POST /api/v1/hedging/keys 201" in caplog.text
    secrets = (text.split("_")[2], api.key.split("_")[2], ticket)
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith(("hedging", "uvicorn")))
    for secret in secrets:
        assert secret not in ours


def test_first_key_goes_into_a_private_file_and_a_second_is_not_made(world: ApiWorld) -> None:
    home, now = world.home, world.clock()
    with open_store(home.path) as store:
        assert ensure_local_key(store, home.api_key, at=now, random=os.urandom) is True
        text = home.api_key.read_text().strip()
        assert stat.S_IMODE(home.api_key.stat().st_mode) == 0o600
        assert ensure_local_key(store, home.api_key, at=now, random=os.urandom) is False
        assert home.api_key.read_text().strip() == text
        (key,) = store.reads.api_keys()
        assert (key.name, key.scopes) == ("local", {Scope.ADMIN})
        assert key.secret_sha256 == digest(text.split("_")[2])


async def test_key_of_the_file_opens_the_api(world: ApiWorld) -> None:
    with open_store(world.home.path) as store:
        ensure_local_key(store, world.home.api_key, at=world.clock(), random=os.urandom)
    async with world.opened() as api:
        assert (await api.get("/keys", key=world.home.api_key.read_text().strip())).status_code == 200


def test_first_key_is_made_again_once_every_administrators_key_is_revoked(world: ApiWorld) -> None:
    home, now = world.home, world.clock()
    with open_store(home.path) as store:
        ensure_local_key(store, home.api_key, at=now, random=os.urandom)
        store.journal.revoke_api_key.now(store.reads.api_keys()[0].key_id, at=now)
        before = home.api_key.read_text()
        assert ensure_local_key(store, home.api_key, at=now, random=os.urandom) is True
        assert home.api_key.read_text() != before


def test_keys_are_as_long_as_their_randomness_and_differ(world: ApiWorld) -> None:
    texts = {make_key("x", [Scope.READ], at=world.clock(), random=os.urandom)[1] for _ in range(200)}
    assert len(texts) == 200
    assert {len(text.split("_")[2]) for text in texts} == {43}
    zeros = make_key("x", [Scope.READ], at=world.clock(), random=bytes)[1]
    assert zeros == "hk_" + "0" * 11 + "_" + "0" * 43


async def test_ticket_is_good_once_and_for_a_short_while(api: Api) -> None:
    journal, clock = api.store.journal, api.world.clock
    tickets = [(await api.post("/tickets")).json()["ticket"] for _ in range(2)]
    key_id = api.key.split("_")[1]
    first = digest(tickets[0])
    assert [await journal.redeem_ticket(first, now=clock()) for _ in range(2)] == [key_id, None]
    clock.advance(TICKET_S)
    assert await journal.redeem_ticket(digest(tickets[1]), now=clock()) is None


async def test_revoked_keys_ticket_opens_nothing(api: Api) -> None:
    session_id = await api.created()
    reader = (await api.post("/keys", {"name": "a reader", "scopes": ["read"]})).json()
    ticket = (await api.post("/tickets", key=reader["apiKey"])).json()["ticket"]
    await api.call("DELETE", f"/keys/{reader['key']['id']}")
    assert (await api.get(f"/report/{session_id}?ticket={ticket}", key="", base="")).status_code == 401
