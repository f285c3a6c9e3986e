"""Following a session: over broken connections, doubles and gaps, nothing is lost and nothing comes twice."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from scripted_service import ScriptedHttp, ScriptedLive, ScriptedSocket, refused

from pacifica_hedging import (
    AsyncHedgingClient,
    ConnectionFailed,
    HedgingClient,
    Retry,
    SessionNotFound,
    Unauthorized,
    Update,
    ValidationFailed,
)

CHANNELS = ("status", "metrics")
Wish = dict[str, Any]


async def heard(service: ScriptedLive, **options: Any) -> list[Update]:
    """Follow session s1 to its end."""
    quiet = ScriptedHttp()
    retry = Retry(rng=random.Random(1))
    async with AsyncHedgingClient("hk_1", service.url, retry=retry, sleep=quiet.asleep) as client:
        return [
            update async for update in client.subscribe("s1", **{"channels": CHANNELS, "linger_s": 0.05, **options})
        ]


async def settle(socket: ScriptedSocket, sequence: int) -> None:
    await socket.update(sequence, type="session_update", channel="status", data={"status": "completed"})
    await socket.update(sequence + 1, type="settled", channel="status", data={})


async def test_snapshots_come_first_then_updates_to_the_settled_end() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(5, *CHANNELS)
        await socket.update(6)
        await settle(socket, 7)

    async with ScriptedLive([act]).running() as service:
        updates = await heard(service)
    assert [(u.type, u.sequence) for u in updates] == [
        ("snapshot", 5), ("snapshot", 5), ("metrics_update", 6), ("session_update", 7), ("settled", 8),
    ]  # fmt: skip
    assert service.wishes == [{"type": "subscribe", "sessionId": "s1", "channels": list(CHANNELS)}]
    assert service.authorizations == ["Bearer hk_1"]
    assert updates[2]["data"]["n"] == 6


async def test_a_cut_connection_is_made_again_and_resumed_where_it_broke() -> None:
    async def first(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await socket.update(1)
        await socket.update(2)
        await socket.close(1001, "the server stops")

    async def second(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(9, *CHANNELS)
        await socket.update(2, 1)  # said before
        await socket.update(3)
        socket.cut()

    async def third(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(9, *CHANNELS)
        for sequence in range(wish["since"] + 1, 6):
            await socket.update(sequence)
        await settle(socket, 6)

    async with ScriptedLive([first, second, third]).running() as service:
        updates = await heard(service)
    assert [u.sequence for u in updates if u.type != "snapshot"] == [1, 2, 3, 4, 5, 6, 7]
    assert len([u for u in updates if u.type == "snapshot"]) == 2
    assert [wish.get("since") for wish in service.wishes][:2] == [None, 2]


async def test_a_gap_is_not_passed_on_but_asked_for_again() -> None:
    async def first(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await socket.update(1)
        await socket.update(3)

    async def second(socket: ScriptedSocket, wish: Wish) -> None:
        assert wish["since"] == 1
        await socket.snapshots(3, *CHANNELS)
        await socket.update(2)
        await socket.update(3)
        await settle(socket, 4)

    async with ScriptedLive([first, second]).running() as service:
        updates = await heard(service)
    assert [u.sequence for u in updates if u.type != "snapshot"] == [1, 2, 3, 4, 5]


async def test_some_channels_only_are_no_gap() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, "status")
        await socket.update(4, 0, type="session_update", channel="status", data={"status": "completed"})
        await socket.update(9, 4, type="settled", channel="status", data={})

    async with ScriptedLive([act]).running() as service:
        assert [u.sequence for u in await heard(service, channels=["status"])] == [0, 4, 9]


async def test_with_since_there_are_no_snapshots_and_the_replay_begins_there() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(4, *CHANNELS)
        await socket.update(3, 2)
        await settle(socket, 4)

    async with ScriptedLive([act]).running() as service:
        assert [u.sequence for u in await heard(service, since=2)] == [3, 4, 5]
    assert service.wishes[0]["since"] == 2


async def test_a_session_that_was_over_before_ends_after_its_snapshots() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(4, *CHANNELS, status="completed")
        await socket._connection.wait_closed()

    async with ScriptedLive([act]).running() as service:
        assert [u.type for u in await heard(service)] == ["snapshot", "snapshot"]


async def test_pictures_of_the_market_are_passed_on_and_belong_to_no_order() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, "status", "market")
        await socket.send(type="market_update", sessionId="s1", channel="market", data={"legs": []}, timestamp=1)
        await settle(socket, 1)

    async with ScriptedLive([act]).running() as service:
        updates = await heard(service, channels=["status", "market"])
    assert [u.type for u in updates][2:] == ["market_update", "session_update", "settled"]


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(401, "UNAUTHORIZED", Unauthorized), (404, "SESSION_NOT_FOUND", SessionNotFound)],
)
async def test_a_refused_handshake_is_the_error_of_its_code(status: int, code: str, error: type[Exception]) -> None:
    async with ScriptedLive([], refusals=[(status, refused(code))]).running() as service:
        with pytest.raises(error):
            await heard(service)


async def test_a_service_that_is_busy_is_asked_again() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await settle(socket, 1)

    async with ScriptedLive([act], refusals=[(503, refused("SERVICE_UNAVAILABLE"))]).running() as service:
        assert len(await heard(service)) == 4


async def test_a_revoked_key_ends_it() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await socket.close(4401, "the key is not good any more")

    async with ScriptedLive([act]).running() as service:
        with pytest.raises(Unauthorized):
            await heard(service)


async def test_a_complaint_of_the_service_is_raised() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.send(type="error", error={"code": "VALIDATION_ERROR", "message": "since: no", "details": {}})

    async with ScriptedLive([act]).running() as service:
        with pytest.raises(ValidationFailed):
            await heard(service, since=99)


async def test_a_service_that_stays_away_is_given_up() -> None:
    async with ScriptedLive([]).running() as service:
        pass
    with pytest.raises(ConnectionFailed, match="since=None"):
        await heard(service)


async def test_a_thread_calls_back_in_order_and_joins_at_the_end() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        for sequence in range(1, 20):
            await socket.update(sequence)
        await settle(socket, 20)

    seen: list[int | None] = []
    async with ScriptedLive([act]).running() as service:
        with HedgingClient("hk_1", service.url) as client:
            subscription = client.subscribe_to_session("s1", lambda u: seen.append(u.sequence), CHANNELS)
            assert await _in_thread(subscription.join, 20)
    assert seen == [0, 0, *range(1, 22)]
    assert subscription.sequence == 21
    assert not subscription.is_alive


async def test_an_error_in_the_callback_ends_the_subscription_and_is_raised_by_join() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await socket._connection.wait_closed()

    def callback(update: Update) -> None:
        raise LookupError(update.type)

    async with ScriptedLive([act]).running() as service:
        subscription = HedgingClient("hk_1", service.url).subscribe_to_session("s1", callback, CHANNELS)
        with pytest.raises(LookupError):
            await _in_thread(subscription.join, 20)


async def test_a_subscription_can_be_stopped_from_outside_and_from_its_callback() -> None:
    async def act(socket: ScriptedSocket, wish: Wish) -> None:
        await socket.snapshots(0, *CHANNELS)
        await socket._connection.wait_closed()

    async with ScriptedLive([act, act]).running() as service:
        client = HedgingClient("hk_1", service.url)
        first = threading.Event()
        outside = client.subscribe_to_session("s1", lambda _: first.set(), CHANNELS)
        assert await _in_thread(first.wait, 20)
        await _in_thread(outside.stop)
        outside.stop()
        assert outside.join(20)
        inside = client.subscribe_to_session("s1", lambda _: inside.stop(), CHANNELS)
        assert await _in_thread(inside.join, 20)


async def _in_thread(work: Any, *args: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(work, *args)
