"""Live progress of the whole API over real sockets: who may listen, and what the record becomes on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from api_world import ApiWorld
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from api.documents.common import iso
from api.live import LiveLimits
from store.api_records import Scope
from tests.fakes.served_api import ServedApi, served, told_session

Message = dict[str, Any]


@pytest.fixture
async def service(world: ApiWorld) -> AsyncIterator[ServedApi]:
    async with served(world) as running:
        yield running


async def hear(socket: ClientConnection) -> Message:
    async with asyncio.timeout(20):
        message: Message = json.loads(await socket.recv())
        return message


async def subscribe(socket: ClientConnection, session_id: str, *channels: str, **more: Any) -> list[Message]:
    """Subscribe and return the snapshots."""
    wanted = list(channels or ("status", "orders", "risk", "metrics"))
    await socket.send(json.dumps({"type": "subscribe", "sessionId": session_id, "channels": wanted, **more}))
    assert (await hear(socket))["type"] == "subscribed"
    return [await hear(socket) for _ in wanted]


async def refusal(url: str, **headers: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers=headers):
            pass
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body or b"{}")["error"]["code"]


async def test_the_handshake_is_refused_in_the_envelope(service: ServedApi) -> None:
    session_id = await service.api.created()
    url, key = service.socket(session_id), service.api.key
    assert await refusal(url) == (401, "UNAUTHORIZED")
    assert await refusal(f"{url}?api_key=hk_wrong_key") == (401, "UNAUTHORIZED")
    assert await refusal(url, Authorization="Bearer nonsense") == (401, "UNAUTHORIZED")
    assert await refusal(f"{url}?ticket=nonsense") == (401, "UNAUTHORIZED")
    kill = service.api.new_key(Scope.KILL, name="kill switch")
    assert await refusal(f"{url}?api_key={kill}") == (403, "FORBIDDEN")
    assert await refusal(f"{service.socket('nobody')}?api_key={key}") == (404, "SESSION_NOT_FOUND")


async def test_who_guesses_keys_is_slowed_down(service: ServedApi) -> None:
    url = service.socket(await service.api.created())
    answers = [await refusal(f"{url}?api_key=guess{n}") for n in range(22)]
    assert answers[0] == (401, "UNAUTHORIZED")
    assert answers[-1] == (429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize("way", ["header", "query", "ticket"])
async def test_header_query_and_ticket_let_a_reader_in(service: ServedApi, way: str) -> None:
    session_id = await service.api.created()
    key = service.api.new_key(Scope.READ, name="reader")
    url, headers = service.socket(session_id), {}
    if way == "header":
        headers = {"Authorization": f"Bearer {key}"}
    elif way == "query":
        url += f"?api_key={key}"
    else:
        url += f"?ticket={(await service.api.post('/tickets', key=key)).json()['ticket']}"
    async with connect(url, additional_headers=headers) as socket:
        snapshots = await subscribe(socket, session_id)
    assert [s["channel"] for s in snapshots] == ["status", "orders", "risk", "metrics"]
    assert snapshots[0]["data"]["status"] == "pending"
    if way == "ticket":
        assert await refusal(url) == (401, "UNAUTHORIZED")


async def test_a_ticket_that_ran_out_opens_nothing(service: ServedApi, world: ApiWorld) -> None:
    session_id = await service.api.created()
    ticket = (await service.api.post("/tickets")).json()["ticket"]
    await world.clock.sleep(300)
    assert await refusal(f"{service.socket(session_id)}?ticket={ticket}") == (401, "UNAUTHORIZED")


async def test_what_a_session_says_becomes_the_four_channels_without_a_gap(service: ServedApi) -> None:
    told = await told_session(service.api)
    async with connect(service.socket(told.session_id), additional_headers=service.bearer) as socket:
        await subscribe(socket, told.session_id)
        await told.tell()
        updates = [await hear(socket) for _ in range(told.EVENTS)]
    assert [u["sequence"] for u in updates] == list(range(1, told.EVENTS + 1))
    assert [u["previousSequence"] for u in updates] == list(range(told.EVENTS))
    assert [(u["channel"], u["type"]) for u in updates] == [
        ("status", "session_update"), ("orders", "order_update"), ("metrics", "metrics_update"),
        ("status", "decision"), ("risk", "risk_update"), ("status", "notice"), ("status", "session_update"),
        ("status", "settled"),
    ]  # fmt: skip
    begun, pair, metrics, decision, risk, notice, ended, settled = (u["data"] for u in updates)
    assert settled["report"] == f"/api/v1/hedging/sessions/{told.session_id}/report"
    assert (begun["status"], begun["volumeGenerated"], begun["activeOrders"]) == ("active", 0.0, 0)
    assert pair["orderPair"]["buyOrder"]["filledQuantity"] == 0.1
    assert pair["orderPair"]["sellOrder"]["venue"] == "paradex"
    assert (pair["status"], pair["volume"], pair["pairId"]) == ("filled", 250.0, pair["id"])
    assert (metrics["totalVolume"], metrics["pnl"], metrics["pairsFilled"]) == (250.0, -0.13, 1)
    assert metrics["positions"] == {"account1": 0.1, "account2": -0.1}
    assert (decision["kind"], decision["code"]) == ("refused", "SPREAD")
    assert risk["breach"]["timestamp"].endswith("Z")
    assert notice["text"] == "the venue is slow"
    assert (ended["status"], ended["volumeGenerated"], ended["riskBreaches"]) == ("completed", 250.0, 1)
    assert all(isinstance(u["timestamp"], int) for u in updates)


async def test_a_replay_says_what_was_said_live_even_after_more_has_happened(service: ServedApi) -> None:
    told = await told_session(service.api)
    async with connect(service.socket(told.session_id), additional_headers=service.bearer) as socket:
        await subscribe(socket, told.session_id)
        await told.tell()
        live = [await hear(socket) for _ in range(told.EVENTS)]
        await subscribe(socket, told.session_id, since=0)
        assert [await hear(socket) for _ in range(told.EVENTS)] == live


async def test_snapshots_tell_where_an_ended_session_stands(service: ServedApi) -> None:
    told = await told_session(service.api)
    await told.tell()
    async with connect(service.socket(told.session_id), additional_headers=service.bearer) as socket:
        status, orders, risk, metrics = await subscribe(socket, told.session_id)
    assert {s["sequence"] for s in (status, orders, risk, metrics)} == {told.EVENTS}
    assert (status["data"]["status"], status["data"]["volumeGenerated"]) == ("completed", 250.0)
    assert orders["data"]["total"] == 1
    assert [pair["status"] for pair in orders["data"]["orders"]] == ["filled"]
    assert (risk["data"]["riskLevel"], len(risk["data"]["activeBreaches"])) == ("high", 1)
    assert metrics["data"]["totalVolume"] == 250.0


async def test_what_a_session_sees_comes_on_request_as_a_picture(service: ServedApi, world: ApiWorld) -> None:
    session_id = await service.api.created()
    async with connect(service.socket(session_id), additional_headers=service.bearer) as socket:
        _, empty = await subscribe(socket, session_id, "status", "market")
        assert empty["data"] is None
        await service.api.store.journal.put_view(
            session_id, at=world.clock(), payload={"symbol": "ETH/USD", "legs": []}
        )
        picture = await hear(socket)
        assert (picture["type"], picture["channel"], picture["data"]["symbol"]) == (
            "market_update",
            "market",
            "ETH/USD",
        )
        assert "sequence" not in picture
    async with connect(service.socket(session_id), additional_headers=service.bearer) as socket:
        (again,) = await subscribe(socket, session_id, "market")
    assert again["data"] == picture["data"]
    assert again["data"]["asOf"] == iso(world.clock())


async def test_a_session_that_is_over_sees_nothing_any_more(service: ServedApi) -> None:
    """Its last books are no books of now: neither a snapshot nor a picture shows them."""
    told, journal = await told_session(service.api), service.api.store.journal
    at = service.api.world.clock()
    await journal.put_view(told.session_id, at=at, payload={"symbol": "ETH/USD", "legs": []})
    assert told.session_id in service.api.store.reads.views([told.session_id])
    await told.tell()
    assert service.api.store.reads.session(told.session_id).status.is_final
    async with connect(service.socket(told.session_id), additional_headers=service.bearer) as socket:
        (snapshot,) = await subscribe(socket, told.session_id, "market")
    assert snapshot["data"] is None
    assert service.api.store.reads.views([told.session_id]) == {}


async def test_two_processes_on_one_store_each_tell_everything(world: ApiWorld) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(served(world)) for _ in range(2)]
        told = await told_session(one.api)
        sockets = [
            await stack.enter_async_context(connect(s.socket(told.session_id), additional_headers=s.bearer))
            for s in (one, other)
        ]
        for socket in sockets:
            await subscribe(socket, told.session_id)
        await told.tell()
        heard = [[await hear(socket) for _ in range(told.EVENTS)] for socket in sockets]
    assert heard[0] == heard[1]


async def test_more_listeners_than_the_process_serves_are_sent_away(service: ServedApi) -> None:
    session_id = await service.api.created()
    service.api.app.state.live.limits = LiveLimits(sockets=1)
    url = f"{service.socket(session_id)}?api_key={service.api.key}"
    async with connect(url) as socket:
        await subscribe(socket, session_id)
        assert await refusal(url) == (503, "SERVICE_UNAVAILABLE")
