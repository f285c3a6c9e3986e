"""The Backpack twin's WebSocket: subscriptions, error frames, payloads, and the depth procedure."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from backpack_twin import SOL, START_MS, Bench, Client, Socket

from sandbox.dialects.backpack_context import BackpackSwitches
from sandbox.dialects.backpack_socket import FRAMES_QUEUED_MAX, Connection
from sandbox.faults import FaultKind
from sandbox.model import Side

US = START_MS * 1000
ORDERS, POSITIONS, BALANCES = "account.orderUpdate", "account.positionUpdate", "account.balanceUpdate"


async def payloads(socket: Socket) -> list[dict[str, Any]]:
    """Return the payloads that have arrived."""
    return [frame["data"] for frame in await socket.waiting()]


def error(code: int, message: str) -> dict[str, Any]:
    """Return an error frame."""
    return {"id": None, "error": {"code": code, "message": message}}


async def test_a_subscription_is_not_acknowledged() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"bookTicker.{SOL}", f"depth.{SOL}", ORDERS, BALANCES, client=bench.alice)
        assert await socket.waiting() == []


@pytest.mark.parametrize(
    ("frame", "code", "message"),
    [
        ("{", 4002, "Parse error"),
        ("[]", 4002, "Parse error"),
        ({"method": "LIST", "params": []}, 4002, "Parse error"),
        ({"method": "SUBSCRIBE"}, 4002, "Parse error"),
        ({"method": "SUBSCRIBE", "params": [1]}, 4002, "Parse error"),
        ({"method": "SUBSCRIBE", "params": [ORDERS]}, 4003, "Invalid signature"),
        ({"method": "SUBSCRIBE", "params": [ORDERS], "signature": ["a", "b", "c"]}, 4003, "Invalid signature"),
        (
            {"method": "SUBSCRIBE", "params": [ORDERS], "signature": ["a", "b", "c", 5000]},
            4003,
            "Invalid signature",
        ),
        ({"method": "SUBSCRIBE", "params": ["bookTicker.DOGE_USDC_PERP"]}, 4005, "Invalid market"),
        ({"method": "SUBSCRIBE", "params": [f"{ORDERS}.DOGE_USDC_PERP"]}, 4005, "Invalid market"),
        ({"method": "SUBSCRIBE", "params": [f"nothing.{SOL}"]}, 4006, "Invalid stream"),
        ({"method": "SUBSCRIBE", "params": ["trade"]}, 4006, "Invalid stream"),
        ({"method": "SUBSCRIBE", "params": ["account.secrets"]}, 4006, "Invalid stream"),
        ({"method": "SUBSCRIBE", "params": [f"depth.300ms.{SOL}"]}, 4008, "Invalid depth window"),
    ],
)
async def test_a_wrong_frame_gets_an_error_frame_and_the_socket_stays_open(
    frame: object, code: int, message: str
) -> None:
    bench = Bench()
    async with bench.socket() as socket:
        socket.send(frame)
        assert await socket.next() == error(code, message)
        await socket.subscribe(f"depth.{SOL}")
        await bench.bob.rest("Bid", "1", "149")
        assert (await socket.next())["stream"] == f"depth.{SOL}"


@pytest.mark.parametrize("stream", ["depth.DOGE_USDC_PERP", "depth.200ms.DOGE_USDC_PERP"])
async def test_a_depth_stream_of_an_unknown_symbol_is_silent(stream: str) -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(stream)
        await bench.bob.rest("Bid", "1", "149")
        assert await socket.waiting() == []


async def test_the_good_streams_of_a_partly_wrong_frame_are_served() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}", "nothing", ORDERS)
        assert [frame["error"]["code"] for frame in await socket.waiting()] == [4006, 4003]
        await bench.bob.rest("Bid", "1", "149")
        assert (await socket.next())["stream"] == f"depth.{SOL}"


@pytest.mark.parametrize("fault", ["expired", "stranger", "other_text"])
async def test_a_bad_signature_opens_no_private_stream(fault: str) -> None:
    bench = Bench()
    client = bench.stranger(b"\x55" * 32) if fault == "stranger" else bench.alice
    member = client.signature_member()
    if fault == "other_text":
        member = list(client.headers("instruction=orderQuery").values())
    if fault == "expired":
        bench.world.advance(5_001_000)
    async with bench.socket() as socket:
        socket.send({"method": "SUBSCRIBE", "params": [ORDERS], "signature": member})
        assert await socket.next() == error(4003, "Invalid signature")
        await bench.alice.rest("Bid", "1", "149")
        assert await socket.waiting() == []


async def test_one_signature_serves_several_frames_inside_its_window() -> None:
    bench = Bench()
    member = bench.alice.signature_member()
    async with bench.socket() as socket:
        for stream in (ORDERS, BALANCES):
            socket.send({"method": "SUBSCRIBE", "params": [stream], "signature": member})
        await socket.settle()
        await bench.alice.rest("Bid", "1", "149")
        assert [frame["stream"] for frame in await socket.waiting()] == [ORDERS]


async def test_an_account_sees_its_own_events_only() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, POSITIONS, BALANCES, client=bench.stranger_with_money())
        await bench.trade("1")
        assert await socket.waiting() == []


async def test_a_repeated_subscription_does_not_double_the_frames() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        await socket.subscribe(f"depth.{SOL}")
        await bench.bob.rest("Bid", "1", "149")
        assert len(await socket.waiting()) == 1


async def test_unsubscribing_needs_no_signature_and_stops_the_stream() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, f"depth.{SOL}", client=bench.alice)
        socket.send({"method": "UNSUBSCRIBE", "params": [ORDERS, "never.subscribed"]})
        await socket.settle()
        await bench.alice.rest("Bid", "1", "149")
        assert [frame["stream"] for frame in await socket.waiting()] == [f"depth.{SOL}"]


async def test_depth_frames_pad_numbers_and_write_zero_for_a_removed_level() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        row = await bench.bob.rest("Bid", "1.5", "149.9")
        await bench.bob.cancel(orderId=row["id"])
        first, second = await payloads(socket)
    assert (first["b"], first["a"]) == ([["149.90", "1.50"]], [])
    assert second["b"] == [["149.90", "0.00"]]
    assert (first["U"], first["u"], second["U"], second["u"]) == (1, 1, 2, 2)
    assert (first["e"], first["s"], first["T"]) == ("depth", SOL, US)


async def test_book_ticker_comes_when_the_best_level_changes_and_shares_the_depth_counter() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"bookTicker.{SOL}", f"depth.{SOL}")
        await bench.bob.rest("Bid", "1", "149.90")
        await bench.bob.rest("Bid", "1", "149.80")
        await bench.bob.rest("Ask", "2", "150.20")
        frames = await socket.waiting()
    tickers = [frame["data"] for frame in frames if frame["stream"].startswith("bookTicker")]
    depths = [frame["data"]["u"] for frame in frames if frame["stream"].startswith("depth")]
    assert depths == [1, 2, 3]
    assert [ticker["u"] for ticker in tickers] == [1, 3]
    assert (tickers[0]["a"], tickers[0]["A"], tickers[0]["b"], tickers[0]["B"]) == (
        None,
        None,
        "149.90",
        "1.00",
    )
    assert (tickers[1]["a"], tickers[1]["A"]) == ("150.20", "2.00")


async def test_trades_name_both_orders_and_the_buyers_role() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"trade.{SOL}")
        maker = await bench.bob.rest("Ask", "1", "150")
        taker = (await bench.alice.order("Bid", "1", "150")).json()
        [trade] = await payloads(socket)
    assert (trade["b"], trade["a"], trade["m"]) == (taker["id"], maker["id"], False)
    assert (trade["p"], trade["q"], trade["T"]) == ("150.00", "1.00", US + 100_000)
    fill = bench.exchange.fills(bench.alice.public_key)[0]
    assert trade["t"] == fill.trade_id


async def test_mark_prices_come_at_most_once_a_second() -> None:
    bench = Bench(with_makers=True)
    async with bench.socket() as socket:
        await socket.subscribe(f"markPrice.{SOL}")
        for _ in range(20):
            bench.world.advance(250_000)
        frames = await payloads(socket)
    assert 4 <= len(frames) <= 6
    assert all(b["T"] - a["T"] >= 1_000_000 for a, b in pairwise(frames))
    assert frames[0]["n"] == (START_MS // 3_600_000 + 1) * 3_600_000
    assert Decimal(frames[0]["p"]) > 0


async def test_order_events_run_from_acceptance_to_the_last_fill() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150.10")
    await bench.bob.rest("Ask", "1", "150.20")
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, client=bench.alice)
        row = (await bench.alice.order("Bid", "1.5", "150.20", clientId=8)).json()
        accepted, first, second = await payloads(socket)
    assert [e["e"] for e in (accepted, first, second)] == ["orderAccepted", "orderFill", "orderFill"]
    assert [e["X"] for e in (accepted, first, second)] == ["New", "PartiallyFilled", "Filled"]
    assert {(e["i"], e["c"], e["o"], e["f"], e["V"], e["O"]) for e in (accepted, first, second)} == {
        (row["id"], 8, "LIMIT", "GTC", "RejectTaker", "USER")
    }
    assert (accepted["t"], accepted["z"], accepted["Q"]) == (None, "0.00", "225.300")
    assert (first["l"], first["L"], first["z"], first["Z"]) == ("1.00", "150.10", "1.00", "150.1")
    assert (second["l"], second["L"], second["z"], second["Z"]) == ("0.50", "150.20", "1.50", "225.2")
    assert (first["n"], first["N"], first["m"]) == ("0.07505", "USDC", False)
    assert isinstance(first["t"], int)
    assert (first["E"], first["T"]) == (US + 100_000, US + 100_000)


async def test_a_market_order_event_has_no_limit_price() -> None:
    bench = Bench()
    await bench.bob.rest("Ask", "1", "150")
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, client=bench.alice)
        await bench.alice.order("Bid", "1", reduceOnly=False)
        events = await payloads(socket)
    assert [(e["e"], e["o"], "p" in e, "y" in e) for e in events] == [
        ("orderAccepted", "MARKET", False, False),
        ("orderFill", "MARKET", False, False),
    ]
    assert "c" not in events[0]


async def test_a_cancelled_order_and_an_expired_one_have_different_events() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"{ORDERS}.{SOL}", client=bench.alice)
        row = await bench.alice.rest("Bid", "1", "149")
        await bench.alice.cancel(orderId=row["id"])
        await bench.alice.order("Bid", "1", "149", timeInForce="IOC")
        events = await payloads(socket)
    assert [(e["e"], e["X"], e.get("R")) for e in events] == [
        ("orderAccepted", "New", None),
        ("orderCancelled", "Cancelled", None),
        ("orderAccepted", "New", None),
        ("orderExpired", "Expired", "ImmediateOrCancel"),
    ]


async def test_a_resting_reduce_only_order_that_is_cut_is_modified() -> None:
    bench = Bench()
    await bench.trade("2")
    await bench.alice.rest("Ask", "2", "151", reduceOnly=True)
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, client=bench.alice)
        await bench.bob.rest("Bid", "1.5", "150")
        await bench.alice.order("Ask", "1.5", "150", timeInForce="IOC")
        events = [e for e in await payloads(socket) if e["e"] == "orderModified"]
    assert [(e["q"], e["r"]) for e in events] == [("0.50", True)]


async def test_open_positions_come_once_without_an_event_name_after_subscribing() -> None:
    bench = Bench()
    await bench.trade("2")
    async with bench.socket() as socket:
        await socket.subscribe(POSITIONS, client=bench.bob)
        [snapshot] = await payloads(socket)
        await socket.subscribe(f"{POSITIONS}.ETH_USDC_PERP", client=bench.bob)
        assert await socket.waiting() == []
    assert "e" not in snapshot
    assert (snapshot["q"], snapshot["B"], snapshot["s"], snapshot["l"]) == ("-2.00", "150", SOL, "0")
    assert isinstance(snapshot["i"], int)


async def test_a_position_is_opened_adjusted_and_closed() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(POSITIONS, client=bench.alice)
        await bench.trade("1", "150")
        await bench.trade("1", "151")
        await bench.bob.rest("Bid", "2", "150")
        await bench.alice.order("Ask", "2", "150")
        events = await payloads(socket)
    assert [(e["e"], e["q"], e["B"]) for e in events] == [
        ("positionOpened", "1.00", "150"),
        ("positionAdjusted", "2.00", "150.5"),
        ("positionClosed", "0.00", "0"),
    ]
    assert {e["i"] for e in events} == {events[0]["i"]}
    assert events[2]["p"] == "-1"


async def test_balance_updates_are_absolute_and_have_no_snapshot() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(BALANCES, client=bench.alice)
        assert await socket.waiting() == []
        await bench.trade("2", "150")
        [frame] = await payloads(socket)
        assert (frame["A"], frame["L"], frame["S"], frame["a"]) == ("9999.85", "0", "0", "USDC")
        bench.world.advance(10_000_000)
        bench.exchange.set_prices("SOL/USD", Decimal(151), Decimal(151), Decimal(0))
        [settled] = await payloads(socket)
    assert settled["A"] == "10001.85"


async def test_deleveraging_names_its_origin() -> None:
    bench = Bench()
    await bench.trade("2")
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, client=bench.alice)
        bench.exchange.deleverage(bench.alice.public_key, "SOL/USD")
        events = await payloads(socket)
    assert {e["O"] for e in events} == {"ADL_AUTOCLOSE"}


async def test_a_merged_depth_stream_covers_every_update_of_its_window() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.200ms.{SOL}")
        for price in ("149.90", "149.80", "149.70"):
            row = await bench.bob.rest("Bid", "1", price)
        await bench.bob.cancel(orderId=row["id"])
        bench.world.advance(199_999)
        assert await socket.waiting() == []
        bench.world.advance(1)
        [merged] = await payloads(socket)
        await bench.bob.rest("Bid", "1", "149.60")
        bench.world.advance(200_000)
        [following] = await payloads(socket)
    assert (merged["U"], merged["u"]) == (1, 4)
    assert merged["b"] == [["149.70", "0.00"], ["149.80", "1.00"], ["149.90", "1.00"]]
    assert (following["U"], following["u"]) == (5, 5)


class LocalBook:
    """The documented procedure: buffer, snapshot, drop, check the seam, then demand contiguous ids."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"a": {}, "b": {}}
        self.last: int | None = None
        self.snapshots = 0

    async def follow(self, bench: Bench, socket: Socket, stream: str, beats: int) -> None:
        """Follow the stream for some beats of market life, taking new snapshots after gaps."""
        buffered: list[dict[str, Any]] = []
        for _ in range(beats):
            bench.world.advance(250_000)
            buffered += [f["data"] for f in await socket.waiting() if f["stream"] == stream]
            if self.last is None and buffered:
                await self._snapshot(bench)
            if self.last is not None:
                buffered = self._apply(buffered)

    async def _snapshot(self, bench: Bench) -> None:
        book = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()
        self.last = int(book["lastUpdateId"])
        self.snapshots += 1
        for side, rows in (("a", book["asks"]), ("b", book["bids"])):
            self.sides[side] = {Decimal(price): Decimal(quantity) for price, quantity in rows}

    def _apply(self, updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Apply updates; at a seam that does not fit, forget the book and return what is left."""
        for number, update in enumerate(updates):
            assert self.last is not None
            if update["u"] <= self.last:
                continue
            if update["U"] > self.last + 1:
                self.last = None
                return updates[number:]
            self.last = update["u"]
            for side in ("a", "b"):
                for price, quantity in update[side]:
                    self.sides[side][Decimal(price)] = Decimal(quantity)
                    if not Decimal(quantity):
                        del self.sides[side][Decimal(price)]
        return []

    def agrees_with(self, bench: Bench) -> bool:
        """Tell whether the book equals the engine's own."""
        truth = bench.exchange.book("SOL/USD")
        rows = {Side.SELL: truth.asks, Side.BUY: truth.bids}
        return self.last == truth.seq and all(
            self.sides[key] == {level.price: level.quantity for level in rows[side]}
            for key, side in (("a", Side.SELL), ("b", Side.BUY))
        )


async def test_the_documented_procedure_keeps_a_book_equal_to_the_engines() -> None:
    bench = Bench(with_makers=True)
    book = LocalBook()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        await book.follow(bench, socket, f"depth.{SOL}", beats=60)
    assert book.agrees_with(bench)
    assert book.snapshots == 1
    assert book.last is not None
    assert book.last > 30


async def test_the_procedure_works_on_the_merged_stream() -> None:
    """The last window is still open at the end, so the book may be behind, but never wrong."""
    bench = Bench(with_makers=True)
    book = LocalBook()
    async with bench.socket() as socket:
        stream = f"depth.200ms.{SOL}"
        await socket.subscribe(stream)
        await book.follow(bench, socket, stream, beats=30)
        bench.world.faults.arm("backpack", FaultKind.STALE_MARK)
        await book.follow(bench, socket, stream, beats=1)
    assert book.snapshots == 1
    assert book.last is not None
    assert bench.exchange.book("SOL/USD").seq - book.last <= 2


async def test_a_dropped_book_frame_shows_as_a_gap_and_a_new_snapshot_mends_it() -> None:
    bench = Bench(with_makers=True)
    book = LocalBook()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        await book.follow(bench, socket, f"depth.{SOL}", beats=10)
        bench.world.faults.arm("backpack", FaultKind.WS_GAP)
        await book.follow(bench, socket, f"depth.{SOL}", beats=20)
    assert book.snapshots == 2
    assert book.agrees_with(bench)


async def test_a_late_snapshot_is_older_than_the_first_buffered_update() -> None:
    """With a lagging snapshot the seam check fails at first; asking again later mends it."""
    bench = Bench(BackpackSwitches(depth_lag_us=600_000), with_makers=True)
    bench.world.advance(2_000_000)
    book = LocalBook()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        await book.follow(bench, socket, f"depth.{SOL}", beats=20)
    assert book.snapshots > 1
    assert book.agrees_with(bench)


async def test_a_fill_frame_can_come_twice() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(ORDERS, client=bench.alice)
        bench.world.faults.arm("backpack", FaultKind.DUPLICATE_FILL_FRAME)
        await bench.trade("1")
        fills = [e for e in await payloads(socket) if e["e"] == "orderFill"]
    assert len(fills) == 2
    assert fills[0] == fills[1]


async def test_an_injected_disconnect_closes_the_socket_and_frees_its_subscriptions() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"depth.{SOL}")
        bench.world.faults.arm("backpack", FaultKind.WS_DISCONNECT)
        await bench.bob.rest("Bid", "1", "149")
        with pytest.raises(ConnectionError):
            await socket.next()
        assert socket.close_code == 1001
    async with bench.socket() as again:
        await again.subscribe(f"depth.{SOL}")
        await bench.bob.rest("Bid", "1", "148")
        assert (await again.next())["data"]["u"] == 2


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    """The queue of a connection is bounded; a full one ends the connection instead of growing."""
    bench = Bench()
    closed: list[int] = []

    class StuckSocket:
        """A socket whose close is recorded."""

        async def close(self, code: int) -> None:
            closed.append(code)

    connection = Connection(bench.twin(), StuckSocket())  # type: ignore[arg-type]
    for _ in range(FRAMES_QUEUED_MAX + 1):
        connection.offer("{}", "other")
    await asyncio.wait_for(connection.send_queued(), 2)
    assert closed == [1008]


async def test_two_accounts_may_share_one_socket() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        clients: tuple[Client, ...] = (bench.alice, bench.bob)
        for client in clients:
            await socket.subscribe(ORDERS, client=client)
        await bench.trade("1")
        sides = [e["S"] for e in await payloads(socket) if e["e"] == "orderFill"]
    assert sorted(sides) == ["Ask", "Bid"]
