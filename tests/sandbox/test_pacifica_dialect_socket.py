"""The Pacifica twin's WebSocket: channels, order of frames, trading, heartbeat, faults."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from asgi_socket import AsgiSocket, connect
from pacifica_client import Twin, limit_fields

from sandbox.dialects.pacifica import create_app
from sandbox.dialects.pacifica_socket import SocketLimits
from sandbox.faults import FaultKind
from sandbox.model import Side

BEAT_US = 250_000


def subscription(source: str, **params: object) -> dict[str, object]:
    return {"method": "subscribe", "params": {"source": source, **params}}


async def subscribe(socket: AsgiSocket, twin: Twin, *sources: str) -> None:
    """Subscribe account channels and wait for every answer."""
    for source in sources:
        await socket.send(subscription(source, account=twin.signer.public))
        assert (await socket.frame_of("subscribe"))["data"]["source"] == source
    await socket.settle()
    socket.waiting()


async def test_a_subscription_is_acknowledged_before_its_snapshot() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(subscription("account_positions", account=twin.signer.public))

        ack, snapshot = await socket.frame(), await socket.frame()

    assert ack == {
        "channel": "subscribe",
        "data": {"source": "account_positions", "account": twin.signer.public},
    }
    assert (snapshot["channel"], snapshot["data"]) == ("account_positions", [])
    assert snapshot["li"] == twin.exchange.last_seq


async def test_the_order_update_comes_before_the_fill_and_the_fill_before_the_position() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await subscribe(socket, twin, "account_trades", "account_positions", "account_order_updates")

        await twin.market(amount="0.2")
        frames = [await socket.frame() for _ in range(3)]

    assert [f["channel"] for f in frames] == ["account_order_updates", "account_trades", "account_positions"]
    (update,), (fill,), (position,) = (f["data"] for f in frames)
    assert (update["oe"], update["os"], update["a"], update["f"], update["p"]) == (
        "fulfill_market",
        "filled",
        "0.2",
        "0.2",
        "2500.5",
    )
    assert (fill["i"], fill["te"], fill["ts"], fill["f"], fill["n"]) == (
        update["i"],
        "fulfill_taker",
        "open_long",
        "0.20004",
        "-0.20004",
    )
    assert (position["s"], position["d"], position["a"], position["m"]) == ("ETH", "bid", "0.2", "0")
    assert update["li"] == fill["li"] == position["li"]


async def test_a_resting_orders_life_is_told_event_by_event() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await subscribe(socket, twin, "account_order_updates")
        await twin.limit("2500", amount="0.3")
        twin.take(Side.SELL, "0.1", "2500")
        await twin.post("/orders/cancel_all", "cancel_all_orders", all_symbols=True, exclude_reduce_only=False)

        rows = [(await socket.frame())["data"][0] for _ in range(3)]

    assert [(r["oe"], r["os"], r["f"]) for r in rows] == [
        ("make", "open", "0"),
        ("fulfill_limit", "partially_filled", "0.1"),
        ("cancel", "cancelled", "0.1"),
    ]
    assert rows[0]["li"] < rows[1]["li"] < rows[2]["li"]


async def test_each_book_frame_is_a_full_replacement_on_the_beat() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(subscription("book", symbol="ETH", agg_level=1))
        await socket.frame_of("book")
        twin.quote("2499", "2501", "3")

        twin.world.advance(BEAT_US)
        book = (await socket.frame_of("book"))["data"]

    assert book["l"] == [[{"p": "2499", "a": "3", "n": 1}], [{"p": "2501", "a": "3", "n": 1}]]
    assert book["t"] == twin.world.now_us() // 1000


@pytest.mark.parametrize(
    "params",
    [{"symbol": "ETH"}, {"symbol": "eth", "agg_level": 1}, {"symbol": "ETH", "agg_level": 3}],
    ids=["no agg_level", "wrong symbol", "wrong agg_level"],
)
async def test_a_wrong_subscription_is_met_with_silence(params: dict[str, object]) -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(subscription("book", **params))
        await socket.settle()
        twin.world.advance(BEAT_US)
        await socket.settle()

        assert socket.waiting() == []


async def test_bbo_and_trades_follow_the_market() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        for source in ("bbo", "trades"):
            await socket.send(subscription(source, symbol="ETH"))
            await socket.frame_of("subscribe")
        await socket.settle()
        socket.waiting()

        twin.take(Side.BUY, "5", "2500.5")
        trade, bbo = await socket.frame(), await socket.frame()

    assert (trade["channel"], trade["data"][0]["p"], trade["data"][0]["d"]) == ("trades", "2500.5", "open_long")
    assert (bbo["channel"], bbo["data"]["b"], bbo["data"]["a"]) == ("bbo", "2499.5", "0")


async def test_the_running_candle_follows_trades_and_the_mark() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        for source in ("candle", "mark_price_candle"):
            await socket.send(subscription(source, symbol="ETH", interval="1m"))
            assert (await socket.frame_of("subscribe"))["data"]["interval"] == "1m"

        twin.take(Side.BUY, "1", "2500.5")
        traded = (await socket.frame_of("candle"))["data"]
        twin.exchange.set_prices("ETH/USD", *(twin.exchange.mark("ETH/USD") + 1,) * 2, 0)
        marked = (await socket.frame_of("mark_price_candle"))["data"]

    assert (traded["s"], traded["i"], traded["c"], traded["v"], traded["n"]) == ("ETH", "1m", "2500.5", "1", 1)
    assert (marked["v"], marked["n"], marked["T"] - marked["t"]) == ("0", 0, 60_000)


async def test_a_stop_is_told_when_it_waits_and_when_it_goes_off() -> None:
    twin = Twin()
    await twin.market()
    stop = {"stop_price": "2450", "amount": "0.1", "trigger_price_type": "mark_price"}
    async with connect(twin.app, "/ws") as socket:
        await subscribe(socket, twin, "account_order_updates")
        await twin.post(
            "/orders/stop/create", "create_stop_order", symbol="ETH", side="ask", reduce_only=True, stop_order=stop
        )
        (waiting,) = (await socket.frame_of("account_order_updates"))["data"]
        twin.exchange.set_prices("ETH/USD", *(twin.exchange.mark("ETH/USD") - 60,) * 2, 0)
        words = [(await socket.frame_of("account_order_updates"))["data"][0]["oe"] for _ in range(2)]

    assert (waiting["oe"], waiting["os"], waiting["ot"], waiting["sp"]) == (
        "stop_created", "open", "stop_market", "2450",
    )  # fmt: skip
    assert words == ["stop_triggered", "fulfill_market"]


async def test_prices_come_for_all_symbols_with_long_keys() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(subscription("prices"))
        rows = {row["symbol"]: row for row in (await socket.frame_of("prices"))["data"]}

    assert set(rows) == {"ETH", "BTC", "SOL"}
    assert (rows["ETH"]["mark"], rows["ETH"]["next_funding"]) == ("2500", "0.0000125")


async def test_unsubscribing_ends_a_channel() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await subscribe(socket, twin, "account_order_updates")
        await socket.send(
            {
                "method": "unsubscribe",
                "params": {"source": "account_order_updates", "account": twin.signer.public},
            }
        )
        assert (await socket.frame())["channel"] == "unsubscribe"

        await twin.limit("2400")
        await socket.settle()

        assert socket.waiting() == []


async def test_the_documented_ping_is_answered_and_the_other_form_is_an_error() -> None:
    async with connect(Twin().app, "/ws") as socket:
        await socket.send({"method": "ping"})
        await socket.send({"op": "ping"})
        await socket.send("no json")

        assert await socket.frame() == {"channel": "pong"}
        assert (await socket.frame())["code"] == 400
        assert (await socket.frame())["code"] == 400


async def test_a_silent_connection_is_closed() -> None:
    twin = Twin()
    app = create_app(twin.world, twin.exchange, limits=SocketLimits(idle_s=0.02))

    async with connect(app, "/ws") as socket:
        await asyncio.wait_for(socket.closed.wait(), 2)


async def test_a_connection_takes_twenty_subscriptions_of_a_channel() -> None:
    async with connect(Twin().app, "/ws") as socket:
        for number in range(21):
            await socket.send(subscription("account_trades", account=f"account-{number}"))
        frames = [await socket.frame() for _ in range(21)]

    assert [f.get("channel") for f in frames[:20]] == ["subscribe"] * 20
    assert (frames[20]["code"], frames[20]["err"]) == (400, "Too many subscriptions")


def request(operation: str, body: dict[str, object]) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "params": {operation: body}}


async def test_orders_are_placed_edited_and_cancelled_over_the_socket() -> None:
    twin, client_id = Twin(), str(uuid.uuid4())
    sign = twin.signer.sign
    async with connect(twin.app, "/ws") as socket:
        create = request(
            "create_order",
            sign("create_order", twin.now_ms, **limit_fields("2400", tif="ALO", client_order_id=client_id)),
        )
        await socket.send(create)
        created = await socket.frame()
        edit = request(
            "edit_order",
            sign("edit_order", twin.now_ms, symbol="ETH", price="2410", amount="0.1", order_id=created["data"]["i"]),
        )
        await socket.send(edit)
        edited = await socket.frame()
        cancel = request("cancel_order", sign("cancel_order", twin.now_ms, symbol="ETH", client_order_id=client_id))
        await socket.send(cancel)
        cancelled = await socket.frame()

    assert (created["code"], created["id"], created["type"]) == (200, create["id"], "create_order")
    assert created["data"] == {"I": client_id, "i": created["data"]["i"], "s": "ETH"}
    assert edited["data"]["i"] > created["data"]["i"]
    assert cancelled["data"] == {"I": client_id, "i": None, "s": "ETH"}
    assert twin.exchange.open_orders(twin.signer.public) == []


async def test_cancel_all_and_batch_answer_their_own_shapes() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        create = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400", tif="ALO"))
        missing = twin.signer.sign("cancel_order", twin.now_ms, symbol="ETH", order_id=1)
        actions = [{"type": "Create", "data": create}, {"type": "Cancel", "data": missing}]
        await socket.send(request("batch_orders", {"actions": actions}))
        batch = await socket.frame()
        body = twin.signer.sign("cancel_all_orders", twin.now_ms, all_symbols=True, exclude_reduce_only=False)
        await socket.send(request("cancel_all_orders", body))
        all_ = await socket.frame()

    done, failed = batch["data"]["results"]
    assert (done["success"], done["client_order_id"], done["symbol"]) == (
        True,
        create["client_order_id"],
        "ETH",
    )
    assert (failed["success"], failed["error"]) == (False, "Failed to cancel order")
    assert all_["data"] == {"cancelled_count": 1}


async def test_socket_errors_carry_the_sockets_codes() -> None:
    twin = Twin()
    forged = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400")) | {"amount": "9"}
    unknown = twin.signer.sign("cancel_order", twin.now_ms, symbol="ETH", order_id=1)
    untyped = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400")) | {"tif": "FOK"}
    async with connect(twin.app, "/ws") as socket:
        answers = []
        for operation, body in (
            ("create_order", forged),
            ("cancel_order", unknown),
            ("create_order", untyped),
            ("withdraw", unknown),
        ):
            await socket.send(request(operation, body))
            answers.append(await socket.frame())

    assert [(a["code"], a["type"]) for a in answers] == [
        (401, "create_order"),
        (420, "cancel_order"),
        (400, "create_order"),
        (400, "withdraw"),
    ]
    assert answers[1]["err"] == "Failed to cancel order"
    assert all("rl" not in a for a in answers)


async def test_with_a_key_answers_tell_the_credits_left() -> None:
    twin = Twin()
    key = (await twin.post("/account/api_keys/create", "create_api_key")).json()["data"]["api_key"]
    async with connect(twin.app, "/ws", {"PF-API-KEY": key}) as socket:
        body = twin.signer.sign("cancel_order", twin.now_ms, symbol="ETH", order_id=1)
        await socket.send(request("cancel_order", body))
        answer = await socket.frame()

    assert answer["rl"] == {"r": 2995, "q": 3000, "t": 60}


async def test_a_duplicated_fill_frame_repeats_the_same_history_id() -> None:
    twin = Twin()
    twin.world.faults.arm("pacifica", FaultKind.DUPLICATE_FILL_FRAME)
    async with connect(twin.app, "/ws") as socket:
        await subscribe(socket, twin, "account_trades")
        await twin.market()

        first, second = await socket.frame(), await socket.frame()

    assert first == second
    assert len(twin.exchange.fills(twin.signer.public)) == 1


async def test_a_gap_drops_one_book_frame() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(subscription("book", symbol="ETH", agg_level=1))
        await socket.frame_of("book")
        twin.world.faults.arm("pacifica", FaultKind.WS_GAP)
        twin.world.advance(BEAT_US)
        await socket.settle()
        assert socket.waiting() == []

        twin.world.advance(BEAT_US)
        assert await socket.frame_of("book")


async def test_a_disconnect_fault_closes_instead_of_sending() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        twin.world.faults.arm("pacifica", FaultKind.WS_DISCONNECT)
        await socket.send({"method": "ping"})

        await asyncio.wait_for(socket.closed.wait(), 2)
        assert socket.waiting() == []


@pytest.mark.parametrize(("kind", "placed"), [(FaultKind.LOST_REQUEST, 0), (FaultKind.LOST_ANSWER, 1)])
async def test_lost_frames_close_the_socket_before_or_after_the_engine(kind: FaultKind, placed: int) -> None:
    twin = Twin()
    twin.world.faults.arm("pacifica", kind)
    async with connect(twin.app, "/ws") as socket:
        body = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400", tif="ALO"))
        await socket.send(request("create_order", body))

        await asyncio.wait_for(socket.closed.wait(), 2)

        assert socket.waiting() == []
    assert len(twin.exchange.open_orders(twin.signer.public)) == placed
