"""The Paradex feed over real sockets: books proven by sequence, marks, own orders and fills, and honest losses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from paradex_fakes import CID, NOW, NOW_MS, fill_row, listing, order_row, summary_row
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.paradex import parse
from connectors.paradex.feed import FeedNeeds, ParadexFeed
from connectors.paradex.own_sides import OwnSides
from connectors.paradex.tokens import TokenKeeper
from connectors.paradex.wire import SummaryRow, shaped
from connectors.paradex.wire_account import BustRow
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.venue import (
    BalanceUpdate,
    Disconnected,
    FeedEvent,
    FillUpdate,
    FundingUpdate,
    MarginUpdate,
    OrderUpdate,
    PositionUpdate,
    Reconnected,
    TradeBusted,
)
from core.errors import AuthenticationFailed, VenueRejected, VenueUnreachable
from core.instrument import Venue
from core.market import Mark
from core.order import FillCause, Side

BOUND_S = 5.0
TIMEOUTS = Timeouts(connect_s=1, stream_start_s=0.8)
ETH = "ETH-USD-PERP"
BOOK = f"order_book.{ETH}.deltas"
SUMMARY = f"markets_summary.{ETH}"


@dataclass
class SocketVenue:
    """Paradex's WebSocket, as documented: JSON-RPC, a whole book on subscribing, refusals by code.

    `refused_tokens` are answered with 40111; while `gagged`, book channels are confirmed but send no first book;
    while `half_open`, connections stay open and calls are heard, but nothing is ever answered.
    """

    sequence: int = 100
    refused_tokens: set[str] = field(default_factory=set)
    gagged: bool = False
    half_open: bool = False
    unsubscribed: list[str] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)
    live: dict[str, ServerConnection] = field(default_factory=dict)
    connections: list[ServerConnection] = field(default_factory=list)
    url: str = ""

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        assert "?" not in socket.request.path
        self.connections.append(socket)
        with contextlib.suppress(ConnectionClosed):
            async for frame in socket:
                await self._answer(socket, json.loads(frame))

    async def push(self, channel: str, row: dict[str, Any]) -> None:
        """Send a notification to whoever subscribed the channel."""
        await _notify(self.live[channel], channel, row)

    async def push_book(self, *, seq: int, kind: str = "d", **changes: Any) -> None:
        frame = {"market": ETH, "seq_no": seq, "last_updated_at": NOW_MS, "update_type": kind, **changes}
        await self.push(BOOK, frame)

    async def _answer(self, socket: ServerConnection, call: dict[str, Any]) -> None:
        if self.half_open:
            return
        method, params = call["method"], call["params"]
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"], "usIn": 1, "usOut": 2}
        channel = params.get("channel", "")
        if method == "auth":
            self.bearers.append(params["bearer"])
            refused = params["bearer"] in self.refused_tokens
            said = {"error": {"code": 40111, "message": "invalid bearer"}} if refused else {"result": {}}
            await socket.send(json.dumps(reply | said))
            return
        if method == "unsubscribe":
            self.unsubscribed.append(channel)
            self.live.pop(channel)
        elif channel in self.live and self.live[channel] is socket:
            await socket.send(json.dumps(reply | {"error": {"code": -32600, "message": "already subscribed"}}))
            return
        else:
            self.live[channel] = socket
        await socket.send(json.dumps(reply | {"result": {"channel": channel}}))
        if method == "subscribe" and channel == BOOK and not self.gagged:
            await self.push_book(seq=self.sequence, kind="s", inserts=_levels())


async def _notify(socket: ServerConnection, channel: str, row: dict[str, Any]) -> None:
    params = {"channel": channel, "data": row}
    await socket.send(json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}))


def _levels() -> list[dict[str, str]]:
    return [
        {"side": "BUY", "price": "2999.5", "size": "2"},
        {"side": "BUY", "price": "2999", "size": "1"},
        {"side": "SELL", "price": "3000.5", "size": "3"},
    ]


class Rest:
    """The client's part: numbered tokens, resting orders (counted), a mark of 2950, and undone trades."""

    def __init__(self) -> None:
        self.undone: list[BustRow] = []
        self.made = 0
        self.learned = 0

    async def fetch(self) -> str:
        self.made += 1
        return f"token-{self.made}"

    async def learn(self) -> None:
        self.learned += 1

    async def busts(self, since: datetime) -> list[BustRow]:
        return self.undone

    async def mark(self, symbol: str) -> Mark:
        row = shaped(SummaryRow, summary_row(mark_price="2950"), "summary")
        return parse.mark(row, symbol, NOW)


@pytest.fixture
async def venue() -> AsyncIterator[SocketVenue]:
    fake = SocketVenue()
    server: Server = await serve(fake.handle, "127.0.0.1", 0)
    fake.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1"
    yield fake
    server.close()
    await server.wait_closed()


@pytest.fixture
def rest() -> Rest:
    return Rest()


@pytest.fixture
def sides() -> OwnSides:
    return OwnSides()


@pytest.fixture
async def feed(venue: SocketVenue, rest: Rest, sides: OwnSides, real_outside: Outside) -> AsyncIterator[ParadexFeed]:
    keeper = TokenKeeper(rest.fetch, real_outside)
    needs = FeedNeeds("par-1", listing, keeper, sides, rest.learn, rest.mark, rest.busts)
    opened = ParadexFeed(needs, Endpoints("http://127.0.0.1", venue.url), real_outside, TIMEOUTS)
    yield opened
    await opened.aclose()
    await keeper.aclose()


async def _until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.005)


async def _events(feed: ParadexFeed, wanted: int) -> list[FeedEvent]:
    events: list[FeedEvent] = []
    while len(events) < wanted:
        assert await feed.wait(BOUND_S), f"only {events} came"
        events.extend(feed.drain())
    return events


async def test_start_returns_with_a_live_book_and_confirmed_private_channels(
    feed: ParadexFeed, venue: SocketVenue, rest: Rest
) -> None:
    await feed.start(["ETH/USD"])
    book, health = feed.book("ETH/USD"), feed.health()

    assert book is not None
    assert (book.best_bid, book.best_ask, book.sequence) == (Decimal("2999.5"), Decimal("3000.5"), 100)
    assert book.venue is Venue.PARADEX
    assert health.public_up
    assert health.private_up
    assert (health.gaps, health.reconnects) == (0, 0)
    assert health.last_message_at is not None
    assert set(venue.live) == {
        BOOK, SUMMARY, "orders.ALL", "fills.ALL", "positions", "account", "balance_events", "funding_payments.ALL",
        "tradebusts",
    }  # fmt: skip
    assert rest.learned == 1


async def test_an_unknown_market_is_refused_before_connecting(feed: ParadexFeed, venue: SocketVenue) -> None:
    with pytest.raises(VenueRejected, match="DOGE/USD"):
        await feed.start(["DOGE/USD"])
    assert not venue.connections


async def test_changes_move_the_book_and_marks_arrive(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    first = feed.mark("ETH/USD")
    assert first is not None
    assert first.mark == Decimal(2950)

    await venue.push_book(seq=101, inserts=[{"side": "BUY", "price": "3000", "size": "1"}])
    await venue.push(SUMMARY, summary_row())
    await _until(lambda: feed.mark("ETH/USD") != first)

    book, mark = feed.book("ETH/USD"), feed.mark("ETH/USD")
    assert book is not None
    assert book.best_bid == Decimal(3000)
    assert mark is not None
    assert (mark.mark, mark.index) == (Decimal("3000.12"), Decimal("3000.5"))


async def test_a_summary_that_lost_its_mark_leaves_none(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])

    await venue.push(SUMMARY, summary_row(mark_price=""))
    await _until(lambda: feed.mark("ETH/USD") is None)


async def test_a_gap_hides_the_book_until_it_was_subscribed_anew(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    venue.gagged = True
    await venue.push_book(seq=103)
    await _until(lambda: venue.unsubscribed == [BOOK] and BOOK in venue.live)
    assert feed.book("ETH/USD") is None
    assert feed.health().gaps == 1

    await venue.push_book(seq=104)
    await venue.push_book(seq=200, kind="s", inserts=_levels())
    await _until(lambda: feed.book("ETH/USD"))

    book = feed.book("ETH/USD")
    assert book is not None
    assert book.sequence == 200
    assert len(venue.connections) == 2
    assert feed.health().reconnects == 0


async def test_a_book_that_stays_away_renews_the_connection(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    venue.gagged = True
    await venue.push_book(seq=103)
    await _until(lambda: venue.unsubscribed == [BOOK] and BOOK in venue.live)
    venue.gagged = False

    await _until(lambda: feed.health().reconnects == 1 and feed.book("ETH/USD"))


async def test_a_repair_whose_calls_are_never_answered_renews_the_connection(
    feed: ParadexFeed, venue: SocketVenue
) -> None:
    await feed.start(["ETH/USD"])
    venue.half_open = True
    await venue.push_book(seq=venue.sequence + 2)
    await _until(lambda: feed.book("ETH/USD") is None and feed.health().gaps == 1)
    await _until(lambda: not feed.health().public_up)
    venue.half_open = False
    await _until(lambda: feed.book("ETH/USD") is not None and feed.health().public_up)

    health = feed.health()
    assert (health.gaps, health.public_up, health.private_up) == (1, True, True)
    assert health.reconnects == 1


async def test_a_start_over_a_half_open_connection_ends_in_bounded_time(feed: ParadexFeed, venue: SocketVenue) -> None:
    venue.half_open = True

    async with asyncio.timeout(BOUND_S):
        with pytest.raises(VenueUnreachable):
            await feed.start(["ETH/USD"])
    assert feed.book("ETH/USD") is None


async def test_own_orders_and_fills_become_events_in_order(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.push("orders.ALL", order_row(side="SELL", status="OPEN"))
    await venue.push("fills.ALL", fill_row(side="BUY", liquidity="MAKER"))

    order, fill = await _events(feed, 2)

    assert isinstance(order, OrderUpdate)
    assert (order.report.client_order_id, order.report.symbol) == (CID, "ETH/USD")
    assert isinstance(fill, FillUpdate)
    assert fill.fill.side is Side.SELL


async def test_position_money_and_funding_become_events_of_their_own(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    position = {
        "market": ETH, "side": "LONG", "status": "OPEN", "size": "0.5", "average_entry_price": "3000",
        "unrealized_pnl": "0", "liquidation_price": "",
    }  # fmt: skip
    account = {
        "status": "ACTIVE", "account_value": "9999.5", "free_collateral": "9000", "initial_margin_requirement": "30",
        "maintenance_margin_requirement": "15",
    }  # fmt: skip
    await venue.push("positions", position)
    await venue.push("account", account)
    balance = {"settlement_asset_name": "USDC", "settlement_asset_balance_after": "9998"}
    await venue.push("balance_events", balance)
    await venue.push("funding_payments.ALL", {"id": "f1", "market": ETH, "payment": "-0.01", "created_at": NOW_MS})
    await venue.push("positions", position | {"status": "CLOSED", "size": "0"})

    opened, margin, cash, funding, closed = await _events(feed, 5)

    assert isinstance(opened, PositionUpdate)
    assert (opened.position.symbol, opened.position.quantity) == ("ETH/USD", Decimal("0.5"))
    assert isinstance(margin, MarginUpdate)
    assert (margin.margin.equity, margin.margin.available, margin.margin.active) == (
        Decimal("9999.5"), Decimal(9000), True,
    )  # fmt: skip
    assert isinstance(cash, BalanceUpdate)
    assert (cash.balance.asset, cash.balance.total) == ("USDC", Decimal(9998))
    assert isinstance(funding, FundingUpdate)
    assert (funding.payment.symbol, funding.payment.payment) == ("ETH/USD", Decimal("-0.01"))
    assert isinstance(closed, PositionUpdate)
    assert closed.position.quantity == 0
    assert set(feed.health().last_heard) == {
        "order_book", "positions", "account", "balance_events", "funding_payments"
    }  # fmt: skip


async def test_an_undone_trade_is_named_as_its_fill_was_told(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.push("fills.ALL", fill_row(id="77", fill_type="LIQUIDATION", client_id=""))
    await venue.push("tradebusts", {"account": "0x1", "busted_fill_id": "77", "created_at": NOW_MS})

    told, busted = await _events(feed, 2)

    assert isinstance(told, FillUpdate)
    assert told.fill.cause is FillCause.LIQUIDATION
    assert isinstance(busted, TradeBusted)
    assert (busted.symbol, busted.trade_id) == ("ETH/USD", told.fill.trade_id)


async def test_a_trade_undone_while_the_stream_was_lost_is_told_once(
    feed: ParadexFeed, venue: SocketVenue, rest: Rest
) -> None:
    await feed.start(["ETH/USD"])
    await venue.push("fills.ALL", fill_row(id="77"))
    await _events(feed, 1)
    notice = {"busted_fill_id": "77", "created_at": NOW_MS}
    rest.undone = [shaped(BustRow, notice, "tradebust")]
    await venue.live["tradebusts"].close()

    lost, busted, back = await _events(feed, 3)
    await venue.push("tradebusts", {"account": "0x1", **notice})
    await venue.push("orders.ALL", order_row(status="OPEN"))
    (after,) = await _events(feed, 1)

    assert isinstance(lost, Disconnected)
    assert isinstance(busted, TradeBusted)
    assert (busted.symbol, busted.trade_id) == ("ETH/USD", "77")
    assert isinstance(back, Reconnected)
    assert isinstance(after, OrderUpdate)


async def test_an_undone_trade_nobody_saw_is_told_all_the_same(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.push("tradebusts", {"account": "0x1", "busted_fill_id": "78", "created_at": NOW_MS})

    (busted,) = await _events(feed, 1)

    assert isinstance(busted, TradeBusted)
    assert (busted.symbol, busted.trade_id) == ("", "78")


async def test_a_refused_token_is_replaced_once(feed: ParadexFeed, venue: SocketVenue) -> None:
    venue.refused_tokens = {"token-1"}
    await feed.start(["ETH/USD"])

    assert venue.bearers == ["token-1", "token-2"]


async def test_tokens_that_stay_refused_fail_the_start(feed: ParadexFeed, venue: SocketVenue) -> None:
    venue.refused_tokens = {f"token-{number}" for number in range(9)}

    with pytest.raises(AuthenticationFailed, match="40111"):
        await feed.start(["ETH/USD"])


async def test_a_venue_that_sends_no_book_fails_the_start_in_bounded_time(
    feed: ParadexFeed, venue: SocketVenue
) -> None:
    venue.gagged = True

    with pytest.raises(VenueUnreachable, match="public stream"):
        await feed.start(["ETH/USD"])


async def test_a_lost_private_stream_says_so_and_comes_back_authenticated(
    feed: ParadexFeed, venue: SocketVenue
) -> None:
    await feed.start(["ETH/USD"])
    await venue.live["orders.ALL"].close()

    lost, back = await _events(feed, 2)

    assert isinstance(lost, Disconnected)
    assert isinstance(back, Reconnected)
    assert lost.channel == back.channel == "private"
    assert feed.health().private_up
    assert len(venue.bearers) == 2


async def test_a_lost_public_stream_hides_book_and_mark_until_the_next_snapshot(
    feed: ParadexFeed, venue: SocketVenue
) -> None:
    await feed.start(["ETH/USD"])
    venue.gagged = True
    await venue.live[BOOK].close()
    await _until(lambda: feed.book("ETH/USD") is None)
    assert feed.mark("ETH/USD") is None

    await _until(lambda: len(venue.connections) == 3 and BOOK in venue.live)
    await _until(lambda: venue.live[BOOK] is venue.connections[-1])
    await venue.push_book(seq=7, kind="s", inserts=_levels())
    await _until(lambda: feed.book("ETH/USD"))


async def test_garbage_ends_the_connection_instead_of_being_guessed_at(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.push("orders.ALL", order_row(status="HALF_OPEN"))

    lost, back = await _events(feed, 2)

    assert isinstance(lost, Disconnected)
    assert "HALF_OPEN" in lost.reason
    assert isinstance(back, Reconnected)


async def test_a_binary_frame_on_a_json_socket_ends_the_connection(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.live[BOOK].send(b"\x59\x00\x03\x00")

    (lost, *_) = await _events(feed, 1)

    assert isinstance(lost, Disconnected)
    assert "binary" in lost.reason


def _binary_bid(seq: int) -> bytes:
    """A change in binary: one ETH more is bid at 3000."""
    header = struct.pack("<4H", 89, 3, 1, 2)
    block = struct.pack("<2qB", NOW_MS * 1000, seq, 1) + bytes(72)
    bids = struct.pack("<2H2q", 16, 1, 300_000_000_000, 100_000_000)
    return header + block + bids + struct.pack("<2H", 16, 0) + bytes([len(ETH)]) + ETH.encode()


async def test_a_gap_between_binary_changes_is_a_gap(feed: ParadexFeed, venue: SocketVenue) -> None:
    """Nothing but the number tells: the change itself would fit the book."""
    await feed.start(["ETH/USD"])
    await venue.live[BOOK].send(_binary_bid(101))
    await venue.live[BOOK].send(_binary_bid(103))
    await _until(lambda: venue.unsubscribed == [BOOK])
    await _until(lambda: (book := feed.book("ETH/USD")) is not None and book.sequence == 100)

    assert feed.health().gaps == 1
    assert feed.health().reconnects == 0


async def test_a_binary_book_on_a_json_socket_is_read_all_the_same(feed: ParadexFeed, venue: SocketVenue) -> None:
    await feed.start(["ETH/USD"])
    await venue.live[BOOK].send(_binary_bid(101))

    await _until(lambda: (book := feed.book("ETH/USD")) is not None and book.sequence == 101)
    book = feed.book("ETH/USD")
    assert book is not None
    assert book.best_bid == Decimal(3000)


@pytest.mark.parametrize("template", [20, 21])
async def test_own_orders_and_fills_in_binary_end_the_connection_instead_of_being_lost(
    feed: ParadexFeed, venue: SocketVenue, template: int
) -> None:
    await feed.start(["ETH/USD"])
    socket = venue.live["orders.ALL"]
    await socket.send(struct.pack("<4H", 0, 40, 1, 2))
    await venue.push("orders.ALL", order_row(status="OPEN"))
    await socket.send(struct.pack("<4H", 8, template, 1, 2) + bytes(8))

    order, lost, back = await _events(feed, 3)

    assert isinstance(order, OrderUpdate), "a heartbeat before it did no harm"
    assert isinstance(lost, Disconnected)
    assert lost.channel == "private"
    assert isinstance(back, Reconnected)


async def test_closing_twice_is_harmless_and_leaves_no_task(feed: ParadexFeed) -> None:
    await feed.start(["ETH/USD"])
    await feed.aclose()
    await feed.aclose()

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("paradex")]
    assert feed.book("ETH/USD") is None
