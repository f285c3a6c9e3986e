"""Pacifica's streams against a scripted venue on a loopback WebSocket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.pacifica.feed import BACKWARD_PICTURES_MAX, PacificaFeed
from connectors.settings import Outside, Timeouts
from connectors.venue import (
    BalanceUpdate,
    Disconnected,
    FeedEvent,
    FillUpdate,
    MarginUpdate,
    OrderUpdate,
    PositionUpdate,
    Reconnected,
)
from core.errors import VenueUnreachable
from core.order import FillCause, OrderStatus

ACCOUNT = "FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"
BOUND_S = 5.0
T = 1748970123456


def book_frame(symbol: str, t: int, bid: str = "3000") -> dict[str, object]:
    levels = [[{"p": bid, "a": "1", "n": 1}], [{"p": "3000.5", "a": "2", "n": 1}]]
    return {"channel": "book", "data": {"s": symbol, "l": levels, "t": t}}


def prices_frame(symbol: str, mark: str = "3000") -> dict[str, object]:
    row = {"symbol": symbol, "mark": mark, "oracle": "3001", "next_funding": "0.0000125", "timestamp": T}
    other = {"symbol": "SOL-USDC", "mark": "1", "timestamp": T}
    return {"channel": "prices", "data": [other, row]}


def order_frame(account: str = ACCOUNT) -> dict[str, object]:
    row = {
        "i": 7, "I": "c", "u": account, "s": "ETH", "d": "bid", "p": "3000", "ip": "3000", "lp": "3000", "a": "0.5",
        "f": "0.5", "oe": "fulfill_limit", "os": "filled", "ot": "limit", "sp": None, "si": None, "r": False,
        "ct": T, "ut": T, "li": 9,
    }  # fmt: skip
    return {"channel": "account_order_updates", "data": [row]}


def trade_frame(account: str = ACCOUNT) -> dict[str, object]:
    row = {
        "h": 1, "i": 7, "I": "c", "u": account, "s": "ETH", "p": "3000", "o": "3000", "a": "0.5",
        "te": "fulfill_taker", "ts": "open_long", "tc": "normal", "f": "0.6", "n": "-0.6", "t": T, "li": 9,
    }  # fmt: skip
    return {"channel": "account_trades", "data": [row]}


class ScriptedVenue:
    """Acknowledges every known subscription and lets the test speak to whoever has subscribed a channel."""

    def __init__(self) -> None:
        self.subscribers: dict[str, ServerConnection] = {}
        self.heard: list[dict[str, object]] = []
        self.known_symbols = {"ETH", "BTC"}
        self.greeting: Callable[[str], list[dict[str, object]]] = lambda symbol: [book_frame(symbol, T)]
        self.url = ""

    async def talk(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                await self.answer(connection, json.loads(text))
        except ConnectionClosed:
            return

    async def answer(self, connection: ServerConnection, said: dict) -> None:
        self.heard.append(said)
        if said["method"] == "ping":
            await self.tell(connection, {"channel": "pong"})
            return
        params = said["params"]
        symbol = params.get("symbol")
        if symbol is not None and symbol not in self.known_symbols:
            return
        if symbol is not None:
            for frame in self.greeting(symbol):
                await self.tell(connection, frame)
        echo = {key: value for key, value in params.items() if key != "agg_level"}
        await self.tell(connection, {"channel": "subscribe", "data": echo})
        if params["source"] == "prices":
            await self.tell(connection, prices_frame("ETH"))
        self.subscribers[params["source"]] = connection

    async def tell(self, connection: ServerConnection, frame: dict[str, object]) -> None:
        await connection.send(json.dumps(frame))

    async def say(self, source: str, *frames: dict[str, object]) -> None:
        for frame in frames:
            await self.tell(self.subscribers[source], frame)


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    scripted = ScriptedVenue()
    async with serve(scripted.talk, "127.0.0.1", 0) as server:
        scripted.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield scripted


async def briefly(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


def feed_of(venue: ScriptedVenue, **timeouts: float) -> PacificaFeed:
    outside = Outside(lambda: datetime.now(UTC), briefly, random.Random(1))
    bounds = Timeouts(**{"connect_s": 1.0, "stream_start_s": 1.0, **timeouts})
    return PacificaFeed("acc-1", ACCOUNT, venue.url, outside, bounds)


@pytest.fixture
async def feed(venue: ScriptedVenue) -> AsyncIterator[PacificaFeed]:
    started = feed_of(venue)
    await started.start(["ETH/USD"])
    yield started
    await started.aclose()


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.002)


async def next_events(feed: PacificaFeed, count: int) -> list[FeedEvent]:
    got: list[FeedEvent] = []
    async with asyncio.timeout(BOUND_S):
        while len(got) < count:
            await feed.wait(10)
            got.extend(feed.drain())
    return got


async def test_start_returns_with_books_and_marks_live_and_the_account_subscribed(feed, venue) -> None:
    book, mark, health = feed.book("ETH/USD"), feed.mark("ETH/USD"), feed.health()
    assert book.best_bid == Decimal(3000)
    assert mark.mark == Decimal(3000)
    assert health.public_up
    assert health.private_up
    assert {"account_order_updates", "account_trades", "book", "prices"} <= set(venue.subscribers)
    assert feed.drain() == ()


async def test_books_of_markets_nobody_asked_for_stay_unknown(feed) -> None:
    assert feed.book("BTC/USD") is None
    assert feed.mark("SOL-USDC/USD") is None


async def test_every_picture_replaces_the_book(feed, venue) -> None:
    await venue.say("book", book_frame("ETH", T + 250, bid="3000.1"))
    await until(lambda: feed.book("ETH/USD").best_bid == Decimal("3000.1"))
    assert len(feed.book("ETH/USD").bids) == 1


async def test_a_book_whose_time_runs_backwards_is_none_until_it_has_caught_up(feed, venue) -> None:
    await venue.say("book", book_frame("ETH", T - 1), book_frame("ETH", T - 2))
    await until(lambda: feed.book("ETH/USD") is None)
    await venue.say("book", book_frame("ETH", T))
    await until(lambda: feed.book("ETH/USD") is not None)
    assert feed.health().gaps == 1
    assert feed.health().reconnects == 0


async def test_a_book_that_keeps_running_backwards_costs_the_connection_and_starts_afresh(feed, venue) -> None:
    await venue.say("book", *(book_frame("ETH", T - 1) for _ in range(BACKWARD_PICTURES_MAX + 1)))
    down, up = await next_events(feed, 2)
    assert isinstance(down, Disconnected)
    assert down.channel == "public"
    assert isinstance(up, Reconnected)
    await until(lambda: feed.book("ETH/USD") is not None)


async def test_orders_and_fills_arrive_as_events_in_order(feed, venue) -> None:
    await venue.say("account_order_updates", order_frame(), trade_frame())
    order, fill = await next_events(feed, 2)
    assert isinstance(order, OrderUpdate)
    assert (order.report.status, order.report.client_order_id) == (OrderStatus.FILLED, "c")
    assert isinstance(fill, FillUpdate)
    assert (fill.fill.trade_id, fill.fill.price, fill.fill.account_id) == ("1", Decimal(3000), "acc-1")


async def test_events_of_another_account_are_not_ours(feed, venue) -> None:
    await venue.say("account_order_updates", order_frame("somebody"), trade_frame("somebody"), order_frame())
    (event,) = await next_events(feed, 1)
    assert isinstance(event, OrderUpdate)


async def test_a_lost_public_stream_takes_books_and_marks_with_it_and_not_the_account(feed, venue) -> None:
    venue.greeting = lambda symbol: []
    await venue.subscribers["book"].close()
    down, up = await next_events(feed, 2)
    assert (down.channel, up.channel) == ("public", "public")
    assert feed.book("ETH/USD") is None
    assert feed.health().private_up
    await venue.say("book", book_frame("ETH", T + 500))
    await until(lambda: feed.book("ETH/USD") is not None)


async def test_a_lost_private_stream_is_reported_and_subscribed_again(feed, venue) -> None:
    await venue.subscribers["account_trades"].close()
    down, up = await next_events(feed, 2)
    assert (down.channel, up.channel) == ("private", "private")
    assert feed.health().reconnects == 1
    assert feed.book("ETH/USD") is not None
    await venue.say("account_trades", trade_frame())
    (event,) = await next_events(feed, 1)
    assert isinstance(event, FillUpdate)


async def test_a_frame_that_cannot_be_read_is_not_skipped(feed, venue) -> None:
    await venue.say("account_trades", {"channel": "account_trades", "data": [{"h": "?"}]})
    down, _ = await next_events(feed, 2)
    assert isinstance(down, Disconnected)
    assert "ProtocolViolation" in down.reason


async def test_it_beats_in_the_venues_own_way(feed, venue) -> None:
    await until(lambda: {"method": "ping"} in venue.heard)


@pytest.mark.parametrize("symbol", ["NOPE/USD", "BTC/USD"])
async def test_a_symbol_the_venue_stays_silent_about_fails_the_start_in_time(venue, symbol: str) -> None:
    venue.known_symbols = {"ETH", "BTC"}
    late = feed_of(venue, stream_start_s=0.2, connect_s=0.2)
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(VenueUnreachable):
            await late.start([symbol])
    assert not late.health().public_up


async def test_a_refused_subscription_fails_the_start(venue) -> None:
    async def refuse(connection: ServerConnection, said: dict) -> None:
        await venue.tell(connection, {"code": 400, "err": "Invalid subscription"})

    venue.answer = refuse
    late = feed_of(venue, stream_start_s=0.2, connect_s=0.2)
    with pytest.raises(VenueUnreachable, match="Invalid subscription"):
        await late.start(["ETH/USD"])


async def test_a_closed_feed_knows_nothing_and_may_start_again(venue) -> None:
    again = feed_of(venue)
    await again.start(["ETH/USD"])
    await again.aclose()
    await again.aclose()
    assert again.book("ETH/USD") is None
    assert again.mark("ETH/USD") is None
    await again.start(["ETH/USD"])
    assert again.book("ETH/USD") is not None
    await again.aclose()


# ---- positions, money, causes


def position_frame(*rows: tuple[str, str, str]) -> dict[str, object]:
    data = [
        {"s": s, "d": d, "a": a, "p": "3000", "m": "0", "f": "0", "i": False, "l": "-5", "t": T} for s, d, a in rows
    ]
    return {"channel": "account_positions", "data": data, "li": 3}


INFO = {
    "channel": "account_info",
    "data": {"ae": "1010.5", "as": "900", "aw": "880", "b": "1000", "f": 0, "mu": "110", "cm": "55", "t": T},
}


async def test_a_position_that_is_missing_from_the_full_set_is_closed(venue, feed) -> None:
    await venue.say("account_positions", position_frame(("ETH", "ask", "0.5"), ("BTC", "bid", "1")))
    await venue.say("account_positions", position_frame(("BTC", "bid", "2")), position_frame())

    events = await next_events(feed, 5)

    assert all(isinstance(event, PositionUpdate) for event in events)
    said = [(event.position.symbol, event.position.quantity) for event in events]
    assert said == [
        ("ETH/USD", Decimal("-0.5")), ("BTC/USD", Decimal(1)), ("BTC/USD", Decimal(2)), ("ETH/USD", Decimal(0)),
        ("BTC/USD", Decimal(0)),
    ]  # fmt: skip
    assert events[0].position.liquidation_price is None


async def test_a_position_closed_while_the_stream_was_down_is_told_afterwards(venue, feed) -> None:
    await venue.say("account_positions", position_frame(("ETH", "bid", "1")))
    await next_events(feed, 1)
    await venue.subscribers.pop("account_positions").close()
    await until(lambda: "account_positions" in venue.subscribers and feed.health().private_up)
    await venue.say("account_positions", position_frame())

    events = await next_events(feed, 3)

    assert [type(event) for event in events] == [Disconnected, Reconnected, PositionUpdate]
    assert events[-1].position.quantity == 0


async def test_equity_margin_and_cash_come_in_one_message(venue, feed) -> None:
    await venue.say("account_info", INFO)

    margin, balance = await next_events(feed, 2)

    assert isinstance(margin, MarginUpdate)
    assert isinstance(balance, BalanceUpdate)
    told = margin.margin
    assert (told.equity, told.available, told.initial, told.maintenance, told.active) == (
        Decimal("1010.5"), Decimal(900), Decimal(110), Decimal(55), True,
    )  # fmt: skip
    assert (balance.balance.asset, balance.balance.total, balance.balance.available) == (
        "USDC", Decimal(1000), Decimal(880),
    )  # fmt: skip


@pytest.mark.parametrize(
    "strange",
    [
        {"channel": "account_info", "data": {"ae": "1"}},
        {"channel": "account_positions", "data": {"s": "ETH"}},
        position_frame(("ETH", "sideways", "1")),
    ],
)
async def test_what_is_new_about_positions_or_money_does_not_end_the_fills(venue, feed, strange) -> None:
    await venue.say("account_trades", strange, trade_frame())

    (fill,) = await next_events(feed, 1)

    assert isinstance(fill, FillUpdate)
    assert feed.health().reconnects == 0


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("normal", FillCause.TRADE),
        ("market_liquidation", FillCause.LIQUIDATION),
        ("backstop_liquidation", FillCause.BACKSTOP),
        ("adl_liquidation", FillCause.ADL),
        ("settlement", FillCause.SETTLEMENT),
    ],
)
async def test_a_fill_carries_its_cause(venue, feed, word, cause) -> None:
    frame = trade_frame()
    frame["data"][0]["tc"] = word
    await venue.say("account_trades", frame)

    (fill,) = await next_events(feed, 1)

    assert fill.fill.cause is cause


async def test_each_channel_has_its_own_last_word(venue, feed) -> None:
    assert set(feed.health().last_heard) == {"book", "prices"}
    await venue.say("account_info", INFO)
    await next_events(feed, 2)
    assert set(feed.health().last_heard) == {"book", "prices", "account_info"}
