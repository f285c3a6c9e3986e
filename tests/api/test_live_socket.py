"""Live progress over real loopback sockets: the conversation, its bounds, and who is let go of."""

from __future__ import annotations

import asyncio
import logging

import pytest
from live_world import PATIENCE_S, Listener, World, live_server
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.live import LiveLimits
from api.sockets import hide_queries


async def closed(world: World, key: str = "good", session_id: str = "s1") -> int:
    with pytest.raises(InvalidStatus) as refused:
        async with world.client(session_id, key):
            pass
    return refused.value.response.status_code


async def close_code(listener: Listener) -> int | None:
    """Read to the end and return the close code the server gave, None when it only cut the line."""
    while True:
        try:
            await listener.hear()
        except ConnectionClosed as ended:
            return ended.rcvd.code if ended.rcvd else None


async def seated(world: World) -> None:
    """Wait until somebody is served live."""
    async with asyncio.timeout(PATIENCE_S):
        while world.live.hub.seats == 0:
            await asyncio.sleep(0)


async def test_without_a_good_key_or_a_known_session_the_handshake_is_refused() -> None:
    async with live_server() as world:
        assert await closed(world, key="bad") == 401
        assert await closed(world, session_id="nobody") == 404


async def test_a_subscription_is_confirmed_then_shown_then_told_what_happens() -> None:
    async with live_server() as world, world.client() as client:
        world.record.add()
        confirmed, *snapshots = await client.subscribe("status", "metrics")
        assert (confirmed["type"], confirmed["channels"]) == ("subscribed", ["status", "metrics"])
        assert [(s["type"], s["channel"], s["sequence"]) for s in snapshots] == [
            ("snapshot", "status", 1),
            ("snapshot", "metrics", 1),
        ]
        world.record.add(channel="orders")
        world.record.add(channel="status")
        update = await client.hear()
        assert (update["sequence"], update["previousSequence"], update["channel"]) == (3, 1, "status")


async def test_since_replays_what_was_missed_as_it_was_sent_live() -> None:
    async with live_server() as world, world.client() as first:
        await first.subscribe()
        for channel in ("status", "metrics", "orders", "risk", "metrics"):
            world.record.add(channel=channel)
        live = [await first.hear() for _ in range(5)]
        async with world.client() as second:
            await second.subscribe(since=0)
            assert [await second.hear() for _ in range(5)] == live


async def test_a_long_replay_runs_into_live_updates_without_gap_or_double() -> None:
    async with live_server() as world, world.client() as client:
        for _ in range(1500):
            world.record.add()
        await client.subscribe(since=0)
        for _ in range(50):
            world.record.add()
        assert await client.hear_sequences(1550) == list(range(1, 1551))


async def test_since_beyond_the_session_is_refused_and_the_socket_lives() -> None:
    async with live_server() as world, world.client() as client:
        await client.say(type="subscribe", since=7)
        error = await client.hear()
        assert error["type"] == "error"
        assert error["error"]["details"]["field"] == "since"  # type: ignore[index]
        assert len(await client.subscribe("status")) == 2


async def test_a_second_subscription_replaces_the_first() -> None:
    async with live_server() as world, world.client() as client:
        await client.subscribe("metrics")
        await client.subscribe("status")
        world.record.add(channel="metrics")
        world.record.add(channel="status")
        assert (await client.hear())["channel"] == "status"
        assert world.live.hub.seats == 1


async def test_unsubscribing_from_a_channel_leaves_the_others_and_from_all_ends_it() -> None:
    async with live_server() as world, world.client() as client:
        await client.subscribe()
        await client.say(type="unsubscribe", sessionId="s1", channels=["metrics"])
        assert (await client.hear())["channels"] == ["status", "orders", "risk"]
        world.record.add(channel="metrics")
        world.record.add(channel="risk")
        assert (await client.hear())["channel"] == "risk"
        await client.say(type="unsubscribe")
        assert (await client.hear())["channels"] == []
        assert world.live.hub.seats == 0


async def test_ping_is_answered_with_pong_with_and_without_a_subscription() -> None:
    async with live_server() as world, world.client() as client:
        await client.say(type="ping", sentAt=1)
        assert (await client.hear())["type"] == "pong"
        await client.subscribe("status")
        await client.say(type="ping")
        assert (await client.hear())["type"] == "pong"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("not json", "message"),
        ("[]", "message"),
        ("{}", "message"),
        ('{"type":"buy"}', "message"),
        ('{"type":"subscribe","channels":["prices"]}', "subscribe.channels.0"),
        ('{"type":"subscribe","channels":[]}', "subscribe.channels"),
        ('{"type":"subscribe","since":-1}', "subscribe.since"),
        ('{"type":"subscribe","since":"1"}', "subscribe.since"),
        ('{"type":"subscribe","all":true}', "subscribe.all"),
    ],
)
async def test_what_cannot_be_understood_is_answered_with_a_typed_error(message: str, field: str) -> None:
    async with live_server() as world, world.client() as client:
        await client.socket.send(message)
        answer = await client.hear()
        assert (answer["type"], answer["error"]["code"]) == ("error", "VALIDATION_ERROR")  # type: ignore[index]
        assert answer["error"]["details"]["field"] == field  # type: ignore[index]


async def test_another_session_than_the_sockets_own_is_refused() -> None:
    async with live_server("s1", "s2") as world, world.client("s1") as client:
        await client.say(type="subscribe", sessionId="s2")
        assert (await client.hear())["error"]["code"] == "SESSION_NOT_FOUND"  # type: ignore[index]


async def test_a_binary_frame_is_no_message() -> None:
    async with live_server() as world, world.client() as client:
        await client.socket.send(b'{"type":"ping"}')
        assert (await client.hear())["type"] == "error"


async def test_a_long_message_closes_the_socket() -> None:
    async with live_server() as world, world.client() as client:
        await client.say(type="ping", note="x" * 5000)
        assert await close_code(client) == 1009


async def test_too_many_mistakes_close_the_socket() -> None:
    async with live_server(limits=LiveLimits(mistakes=3)) as world, world.client() as client:
        for _ in range(4):
            await client.socket.send("?")
        assert await close_code(client) == 1008


async def test_a_socket_that_never_subscribes_is_closed() -> None:
    async with live_server(limits=LiveLimits(idle_s=0.05)) as world, world.client() as client:
        assert await close_code(client) == 1008


async def test_a_record_that_cannot_be_read_closes_the_socket_to_come_back_later() -> None:
    async with live_server() as world, world.client() as client:
        world.record.broken = True
        await client.say(type="subscribe")
        assert await close_code(client) == 1013


async def test_a_revoked_key_closes_its_open_sockets() -> None:
    async with live_server(limits=LiveLimits(recheck_s=0.02)) as world, world.client() as client:
        await client.subscribe("status")
        world.keys.good = False
        assert await close_code(client) == 4401


async def test_a_server_that_stops_says_goodbye_with_1001() -> None:
    async with live_server() as world, world.client() as client:
        await client.subscribe("status")
        world.server.should_exit = True
        assert await close_code(client) == 1001


async def test_a_hundred_clients_each_get_each_event_in_order() -> None:
    async with live_server() as world:

        async def listen(ready: asyncio.Semaphore) -> list[object]:
            async with world.client() as client:
                await client.subscribe("metrics", "orders")
                ready.release()
                return await client.hear_sequences(200)

        ready = asyncio.Semaphore(0)
        listeners = [asyncio.create_task(listen(ready)) for _ in range(100)]
        for _ in listeners:
            await ready.acquire()
        for number in range(200):
            world.record.add(channel=("metrics", "orders")[number % 2])
        heard = await asyncio.gather(*listeners)
        assert heard == [list(range(1, 201))] * 100


async def test_a_reader_that_does_not_read_is_let_go_of_and_nobody_else_notices() -> None:
    limits = LiveLimits(queue=20, send_s=0.2)
    async with live_server(limits=limits) as world, world.client(max_queue=1) as stuck, world.client() as quick:
        await stuck.subscribe("metrics")
        await quick.subscribe("metrics")
        for number in range(400):
            world.record.add(padding=20_000)
            assert (await quick.hear())["sequence"] == number + 1
        async with asyncio.timeout(PATIENCE_S):
            while world.live.sockets > 1 or len(world.server.server_state.connections) > 1:
                await asyncio.sleep(0)
        assert await close_code(stuck) in (4408, None)


async def test_a_slow_reader_that_still_takes_the_end_is_told_4408() -> None:
    async with live_server(limits=LiveLimits(queue=5), poll_s=0) as world, world.client() as client:
        await client.subscribe("metrics")
        await seated(world)  # what came before is history, which is read at the reader's own pace
        for _ in range(2000):
            world.record.add()
        assert await close_code(client) == 4408


async def test_a_session_that_has_ended_can_still_be_replayed_to_its_last_word() -> None:
    async with live_server() as world:
        for channel in ("status", "orders", "status"):
            world.record.add(channel=channel)
        async with world.client() as client:
            await client.subscribe(since=0)
            assert await client.hear_sequences(3) == [1, 2, 3]
            await client.say(type="ping")
            assert (await client.hear())["type"] == "pong"


async def test_queries_of_requests_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    hide_queries()
    hide_queries()
    with caplog.at_level(logging.INFO, logger="uvicorn.error"):
        logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "1.2.3.4:5", "/ws/a?api_key=hk_1")
        logging.getLogger("uvicorn.error").info("started on port %d", 8000)
    assert [record.getMessage() for record in caplog.records] == [
        '1.2.3.4:5 - "WebSocket /ws/a" [accepted]',
        "started on port 8000",
    ]
