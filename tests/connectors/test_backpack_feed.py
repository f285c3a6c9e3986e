"""The Backpack feed against a WebSocket server on loopback that says what the venue says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from backpack_samples import (
    ACCOUNT_ID,
    DEPTH,
    KEYS,
    ORDER_ACCEPTED,
    ORDER_FILL,
    depth_event,
    intent,
    listing,
)
from backpack_venue import ScriptedStreams, frame
from websockets.asyncio.server import serve

from connectors.backpack import wire
from connectors.backpack.auth import Signer
from connectors.backpack.client_ids import ClientIds
from connectors.backpack.feed import BackpackFeed
from connectors.settings import Clock, Endpoints, Outside, Timeouts
from connectors.venue import BalanceUpdate, Disconnected, FillUpdate, OrderUpdate, PositionUpdate, Reconnected
from core.errors import AuthenticationFailed, VenueRejected, VenueUnreachable
from core.order import FillCause, OrderStatus

BOUND_S = 5.0
QUICK = Timeouts(connect_s=1.0, stream_start_s=0.3, stream_silence_s=30.0)
INVALID_SIGNATURE = {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}


def real_clock() -> datetime:
    return datetime.now(UTC)


class LateClock:
    """The machine's clock, moved forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def briefly(seconds: float) -> None:
    """A sleep fifty times as fast, so that back-off costs milliseconds."""
    await asyncio.sleep(seconds / 50)


class ScriptedDepth:
    """REST depth snapshots: the n-th call gets the n-th update id, the last one repeated."""

    def __init__(self, *update_ids: int) -> None:
        self.update_ids = list(update_ids)
        self.calls = 0

    async def __call__(self, venue_symbol: str) -> tuple[wire.DepthRow, datetime]:
        self.calls += 1
        update_id = self.update_ids.pop(0) if len(self.update_ids) > 1 else self.update_ids[0]
        if update_id < 0:
            raise VenueUnreachable("no answer")
        return wire.read(wire.DepthRow, DEPTH | {"lastUpdateId": str(update_id)}, "depth"), datetime.now(UTC)


def depth(first: int, last: int, **sides) -> dict:
    return frame("depth.ETH_USDC_PERP", depth_event(first, last, **sides))


def order(payload: dict) -> dict:
    return frame("account.orderUpdate", payload)


@asynccontextmanager
async def feed_on(
    streams: ScriptedStreams, snapshots: ScriptedDepth, clock: Clock = real_clock
) -> AsyncIterator[BackpackFeed]:
    """A feed whose venue is `streams`; closed at the end, together with the server."""
    ids = ClientIds()
    ids.remember(intent().client_order_id)
    outside = Outside(clock, briefly, random.Random(1))
    async with serve(streams.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        feed = BackpackFeed(
            ACCOUNT_ID,
            Endpoints("https://unused.test", f"ws://127.0.0.1:{port}/"),
            outside,
            QUICK,
            ids=ids,
            listing=listing,
            subscription=lambda: Signer(KEYS).subscription(timestamp_ms=1_700_000_000_000),
            snapshot=snapshots,
        )
        try:
            yield feed
        finally:
            await feed.aclose()


async def until(claim) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.002)


async def events(feed: BackpackFeed, count: int) -> list:
    taken: list = []
    async with asyncio.timeout(BOUND_S):
        while len(taken) < count:
            await feed.wait(1.0)
            taken += feed.drain()
    return taken


async def test_one_signed_frame_subscribes_everything_and_prices_come_last() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        (subscribed,) = streams.subscriptions
        assert subscribed == {
            "method": "SUBSCRIBE",
            "params": [
                "account.orderUpdate",
                "account.positionUpdate",
                "account.balanceUpdate",
                "depth.ETH_USDC_PERP",
                "markPrice.ETH_USDC_PERP",
            ],
            "signature": Signer(KEYS).subscription(timestamp_ms=1_700_000_000_000),
        }
        assert feed.book("ETH/USD").best_ask == Decimal("2999.5")
        assert feed.mark("ETH/USD").mark == Decimal("2999.25")
        health = feed.health()
        assert (health.public_up, health.private_up, health.gaps, health.reconnects) == (True, True, 0, 0)


async def test_the_book_follows_the_stream() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(depth(1001, 1001, bids=[["2999.25", "1"]]))
        await until(lambda: feed.book("ETH/USD").sequence == 1001)
        assert feed.book("ETH/USD").best_bid == Decimal("2999.25")


async def test_a_snapshot_that_is_too_old_or_missing_is_asked_for_again() -> None:
    streams = ScriptedStreams()
    streams.greeting.insert(0, depth(1002, 1002))
    snapshots = ScriptedDepth(1000, -1, 1001)
    async with feed_on(streams, snapshots) as feed:
        await feed.start(["ETH/USD"])
        assert (snapshots.calls, feed.book("ETH/USD").sequence) == (3, 1002)


async def test_a_gap_hides_the_book_until_it_is_proven_again() -> None:
    streams = ScriptedStreams()
    snapshots = ScriptedDepth(1000, -1, 1005)
    async with feed_on(streams, snapshots) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(depth(1005, 1005))
        await until(lambda: feed.health().gaps == 1)
        assert feed.book("ETH/USD") is None
        assert not feed.health().public_up
        await until(lambda: feed.book("ETH/USD") is not None)
        assert snapshots.calls == 3
        assert feed.health().private_up


async def test_an_execution_comes_before_the_state_it_led_to() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(order(ORDER_ACCEPTED), order(ORDER_FILL))
        accepted, fill, filled = await events(feed, 3)
        assert isinstance(accepted, OrderUpdate)
        assert accepted.report.status is OrderStatus.ACCEPTED
        assert accepted.report.client_order_id == intent().client_order_id
        assert isinstance(fill, FillUpdate)
        assert fill.fill.quantity == Decimal("0.2")
        assert filled.report.filled_quantity == Decimal("0.2")


async def test_spot_orders_are_not_reported_and_waiting_ones_have_executed_nothing() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        spot = ORDER_FILL | {"s": "ETH_USDC", "N": "ETH"}
        trigger = ORDER_ACCEPTED | {"e": "triggerPlaced", "X": "TriggerPending", "z": None}
        await streams.say(order(spot), order(trigger), order(ORDER_ACCEPTED))
        waiting, resting = await events(feed, 2)
        assert waiting.report.venue_order_id == resting.report.venue_order_id == ORDER_ACCEPTED["i"]
        assert (waiting.report.status, waiting.report.filled_quantity) == (OrderStatus.ACCEPTED, 0)


POSITION_EVENT = {
    "e": "positionOpened", "E": 1788368290063153, "T": 1788368290062001, "s": "ETH_USDC_PERP", "B": "2999.5",
    "b": "3001", "M": "2999.25", "P": "-0.05", "p": "0", "q": "-0.2", "Q": "0.2", "n": "599.85", "f": "0.02",
    "m": "0.0125", "l": "0", "i": 5411399049,
}  # fmt: skip
BALANCE_EVENT = {"e": "balanceUpdate", "E": 1, "T": 1, "a": "USDC", "A": "90.5", "L": "9", "S": "0.5"}


async def test_positions_and_balances_are_told_as_they_change() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        picture = {key: value for key, value in POSITION_EVENT.items() if key != "e"}
        closed = POSITION_EVENT | {"e": "positionClosed", "q": "0", "P": None}
        await streams.say(
            *(frame("account.positionUpdate", one) for one in (picture, closed)),
            frame("account.balanceUpdate", BALANCE_EVENT),
        )
        first, last, balance = await events(feed, 3)
    assert isinstance(first, PositionUpdate)
    assert (first.position.symbol, first.position.quantity) == ("ETH/USD", Decimal("-0.2"))
    assert (first.position.entry_price, first.position.unrealized_pnl) == (Decimal("2999.5"), Decimal("-0.05"))
    assert first.position.liquidation_price is None, "l is always 0 on the wire, which is not a price"
    assert (last.position.quantity, last.position.unrealized_pnl) == (0, None)
    assert isinstance(balance, BalanceUpdate)
    assert (balance.balance.asset, balance.balance.total, balance.balance.available) == (
        "USDC", Decimal(100), Decimal("90.5")
    )  # fmt: skip


async def test_an_unreadable_position_or_balance_is_not_heard_and_orders_go_on() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(
            frame("account.positionUpdate", POSITION_EVENT | {"q": None}),
            frame("account.balanceUpdate", {"a": "USDC"}),
            order(ORDER_ACCEPTED),
        )
        (only,) = await events(feed, 1)
        assert isinstance(only, OrderUpdate)
        assert feed.health().private_up
        assert not {"positions", "balances"} & feed.health().last_heard.keys()


async def test_each_channel_has_an_age_of_its_own_that_ends_with_the_connection() -> None:
    clock = LateClock()
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000), clock) as feed:
        assert feed.health().last_heard == {}
        await feed.start(["ETH/USD"])
        assert feed.health().last_heard.keys() == {"mark ETH/USD"}
        before = feed.health().last_heard["mark ETH/USD"]
        clock.ahead = timedelta(seconds=5)
        await streams.say(depth(1001, 1001), order(ORDER_ACCEPTED), frame("account.balanceUpdate", BALANCE_EVENT))
        await events(feed, 2)
        heard = feed.health().last_heard
        assert heard.keys() == {"mark ETH/USD", "book ETH/USD", "orders", "balances"}
        assert heard["mark ETH/USD"] == before
        assert heard["book ETH/USD"] - before >= timedelta(seconds=5)
        streams.greeting = []
        await streams.connections[-1].close()
        await until(lambda: feed.health().last_heard == {})


@pytest.mark.parametrize(
    ("origin", "cause"),
    [
        ("USER", FillCause.TRADE),
        (None, FillCause.TRADE),
        ("LIQUIDATION_AUTOCLOSE", FillCause.LIQUIDATION),
        ("BACKSTOP_LIQUIDITY_PROVIDER", FillCause.BACKSTOP),
        ("ADL_AUTOCLOSE", FillCause.ADL),
        ("SETTLEMENT_AUTOCLOSE", FillCause.SETTLEMENT),
        ("COLLATERAL_CONVERSION", FillCause.SETTLEMENT),
        ("SOMETHING_NEW", FillCause.SETTLEMENT),
    ],
)
async def test_an_execution_says_whose_doing_it_was(origin: str | None, cause: FillCause) -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(order(ORDER_FILL | {"O": origin}))
        fill, _ = await events(feed, 2)
    assert fill.fill.cause is cause


async def test_a_lost_connection_is_told_and_nothing_stays_proven() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        streams.greeting = []
        await streams.connections[-1].close()
        (lost,) = await events(feed, 1)
        assert isinstance(lost, Disconnected)
        assert (feed.book("ETH/USD"), feed.mark("ETH/USD")) == (None, None)
        assert not feed.health().private_up


async def test_after_a_reconnect_everything_is_subscribed_and_proven_anew() -> None:
    streams = ScriptedStreams()
    snapshots = ScriptedDepth(1000)
    async with feed_on(streams, snapshots) as feed:
        await feed.start(["ETH/USD"])
        await streams.connections[-1].close()
        lost, back = await events(feed, 2)
        assert isinstance(lost, Disconnected)
        assert isinstance(back, Reconnected)
        await until(lambda: feed.book("ETH/USD") is not None)
        assert (len(streams.subscriptions), snapshots.calls, feed.health().reconnects) == (2, 2, 1)


async def test_an_unreadable_order_event_ends_the_connection() -> None:
    """What it said is not known, so the account must be read again: that is what Disconnected makes one do."""
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await streams.say(order(ORDER_ACCEPTED | {"X": "Melted"}))
        lost, back = await events(feed, 2)
        assert isinstance(lost, Disconnected)
        assert "Melted" in lost.reason
        assert isinstance(back, Reconnected)


async def test_a_refused_signature_fails_the_start() -> None:
    streams = ScriptedStreams()
    streams.greeting = [INVALID_SIGNATURE]
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        with pytest.raises(AuthenticationFailed, match="4003"):
            await feed.start(["ETH/USD"])


async def test_a_signature_refused_after_the_first_prices_fails_the_start_too() -> None:
    streams = ScriptedStreams()
    streams.greeting = [*streams.greeting, INVALID_SIGNATURE]
    async with feed_on(streams, ScriptedDepth(-1)) as feed:
        with pytest.raises(AuthenticationFailed, match="4003"):
            await feed.start(["ETH/USD"])


async def test_silent_prices_or_a_book_that_never_joins_fail_the_start() -> None:
    silent = ScriptedStreams()
    silent.greeting = []
    async with feed_on(silent, ScriptedDepth(1000)) as feed:
        with pytest.raises(VenueUnreachable):
            await feed.start(["ETH/USD"])
    async with feed_on(ScriptedStreams(), ScriptedDepth(-1)) as feed:
        with pytest.raises(VenueUnreachable, match="ETH/USD"):
            await feed.start(["ETH/USD"])


async def test_a_market_the_venue_does_not_have_is_refused_before_connecting() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        with pytest.raises(VenueRejected):
            await feed.start(["DOGE/USD"])
    assert not streams.connections


async def test_prices_that_stopped_on_a_living_socket_end_the_connection() -> None:
    clock = LateClock()
    async with feed_on(ScriptedStreams(), ScriptedDepth(1000), clock) as feed:
        await feed.start(["ETH/USD"])
        assert feed.heartbeat() is None
        clock.ahead = timedelta(seconds=QUICK.stream_silence_s + 1)
        with pytest.raises(VenueUnreachable, match="no price"):
            feed.heartbeat()


async def test_closing_twice_is_safe_and_leaves_nothing_proven() -> None:
    streams = ScriptedStreams()
    async with feed_on(streams, ScriptedDepth(1000)) as feed:
        await feed.start(["ETH/USD"])
        await feed.aclose()
        await feed.aclose()
        assert feed.book("ETH/USD") is None
        assert not feed.health().private_up
