"""Pacifica's tape against a scripted venue on a loopback WebSocket: bounded, each once, nothing after it is lost."""

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

from connectors.pacifica.tape import TRADES_MAX, PacificaTape
from connectors.settings import Outside, Timeouts
from connectors.surface import Channel
from core.errors import VenueUnreachable
from core.market_data import CandleInterval
from core.order import Side

T = 1748970123456
ETH = "ETH/USD"


class ScriptedTape:
    """Acknowledges subscriptions of ETH and lets the test speak."""

    def __init__(self) -> None:
        self.wanted: list[dict[str, object]] = []
        self.connection: ServerConnection | None = None
        self.url = ""

    async def talk(self, connection: ServerConnection) -> None:
        self.connection = connection
        try:
            async for text in connection:
                said = json.loads(text)
                if said["method"] == "subscribe" and said["params"].get("symbol", "ETH") == "ETH":
                    self.wanted.append(said["params"])
                    await connection.send(json.dumps({"channel": "subscribe", "data": said["params"]}))
        except ConnectionClosed:
            return

    async def say(self, channel: str, data: object) -> None:
        assert self.connection is not None
        await self.connection.send(json.dumps({"channel": channel, "data": data}))


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedTape]:
    scripted = ScriptedTape()
    async with serve(scripted.talk, "127.0.0.1", 0) as server:
        scripted.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield scripted


@pytest.fixture
async def tape(venue: ScriptedTape) -> AsyncIterator[PacificaTape]:
    outside = Outside(lambda: datetime.now(UTC), lambda seconds: asyncio.sleep(seconds / 100), random.Random(1))
    made = PacificaTape(venue.url, outside, Timeouts(connect_s=1.0, stream_start_s=1.0))
    yield made
    await made.aclose()


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0.002)


def trade(number: int, **changes: object) -> dict[str, object]:
    row = {"h": number, "s": "ETH", "a": "0.1", "p": "3000", "d": "open_long", "tc": "normal", "t": T + number}
    return row | changes


def prices(**changes: object) -> list[dict[str, object]]:
    row = {
        "symbol": "ETH", "mark": "3030", "oracle": "3001", "next_funding": "0.0000125", "volume_24h": "5000",
        "yesterday_price": "3000", "open_interest": "12", "timestamp": T,
    }  # fmt: skip
    return [row | changes]


async def test_only_the_asked_channels_are_subscribed_and_shared_ones_once(venue, tape) -> None:
    await tape.start([ETH], [Channel.MARK, Channel.FUNDING, Channel.CANDLES], CandleInterval.MINUTES_5)

    assert sorted(venue.wanted, key=str) == sorted(
        [{"source": "prices"}, {"source": "candle", "symbol": "ETH", "interval": "5m"}], key=str
    )
    await venue.say("prices", prices())
    await until(lambda: tape.mark(ETH) is not None and tape.funding_rate(ETH) is not None)
    assert tape.statistics(ETH) is None
    assert tape.last_heard(Channel.STATISTICS) is None


async def test_trades_are_kept_once_and_only_the_newest(venue, tape) -> None:
    await tape.start([ETH], [Channel.TRADES])
    await venue.say("trades", [trade(n) for n in range(TRADES_MAX + 5)])
    await venue.say("trades", [trade(TRADES_MAX + 4), trade(TRADES_MAX + 5, d="close_long"), trade(1, s="BTC")])

    await until(lambda: len(tape.trades(ETH)) > 0 and tape.trades(ETH)[-1].trade_id == str(TRADES_MAX + 5))
    trades = tape.trades(ETH)
    assert [row.trade_id for row in trades] == [str(n) for n in range(6, TRADES_MAX + 6)]
    assert (trades[0].aggressor, trades[-1].aggressor) == (Side.BUY, Side.SELL)
    assert tape.trades("BTC/USD") == ()


async def test_an_empty_side_of_the_book_leaves_no_best(venue, tape) -> None:
    await tape.start([ETH], [Channel.BEST])
    best = {"s": "ETH", "i": 1, "t": T, "b": "2999", "B": "1", "a": "3001", "A": "2", "li": 1}
    await venue.say("bbo", best)
    await until(lambda: tape.best(ETH) is not None)
    told = tape.best(ETH)
    assert (told.bid, told.bid_quantity, told.ask, told.ask_quantity) == (2999, 1, 3001, 2)

    await venue.say("bbo", best | {"a": "0", "A": "0"})

    await until(lambda: tape.best(ETH) is None)


async def test_statistics_and_the_running_candle(venue, tape) -> None:
    await tape.start([ETH], [Channel.STATISTICS, Channel.CANDLES])
    row = {"t": T, "T": T + 60_000, "s": "ETH", "i": "1m", "o": "3", "c": "2", "h": "4", "l": "1", "v": "7", "n": 3}
    await venue.say("prices", prices())
    await venue.say("candle", row)
    await venue.say("candle", row | {"t": T - 60_000, "v": "99"})

    await until(lambda: tape.candle(ETH) is not None and tape.statistics(ETH) is not None)
    day, candle = tape.statistics(ETH), tape.candle(ETH)
    assert (day.volume_quote, day.change, day.open_interest) == (Decimal(5000), Decimal("0.01"), Decimal(12))
    assert (candle.volume, candle.is_closed) == (Decimal(7), False)


async def test_nothing_is_known_after_closing_and_it_may_start_again(venue, tape) -> None:
    await tape.start([ETH], [Channel.TRADES, Channel.MARK])
    await venue.say("trades", [trade(1)])
    await venue.say("prices", prices())
    await until(lambda: len(tape.trades(ETH)) == 1 and tape.mark(ETH) is not None)

    await tape.aclose()
    await tape.aclose()

    assert (tape.trades(ETH), tape.mark(ETH)) == ((), None)
    await tape.start([ETH], [Channel.TRADES])
    await venue.say("trades", [trade(2)])
    await until(lambda: [row.trade_id for row in tape.trades(ETH)] == ["2"])


async def test_a_market_the_venue_does_not_know_is_no_start(venue, tape) -> None:
    with pytest.raises(VenueUnreachable):
        await tape.start(["NOPE/USD"], [Channel.TRADES])
    await tape.start([ETH], [Channel.TRADES])
