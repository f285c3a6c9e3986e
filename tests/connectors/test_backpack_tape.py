"""Backpack's public tape against a WebSocket server on loopback that says what the venue says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from backpack_samples import NOW, listing, mark_event
from backpack_venue import ScriptedStreams, frame
from websockets.asyncio.server import serve

from connectors.backpack import tape as module
from connectors.backpack.tape import BackpackTape
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.surface import Channel
from core.errors import VenueRejected, VenueUnreachable
from core.market_data import CandleInterval
from core.order import Side

D = Decimal
BOUND_S = 5.0
SYMBOL, NAME = "ETH/USD", "ETH_USDC_PERP"
QUICK = Timeouts(connect_s=1.0, stream_start_s=0.5, stream_silence_s=30.0)
TIMES = {"E": 1788368290063153, "T": 1788368290062001}
ALL = tuple(Channel)


@asynccontextmanager
async def tape_on(streams: ScriptedStreams) -> AsyncIterator[BackpackTape]:
    """A tape whose venue is `streams`; closed at the end, together with the server. Back-off costs milliseconds."""
    streams.greeting = []
    outside = Outside(lambda: datetime.now(UTC), lambda s: asyncio.sleep(s / 50), random.Random(1))
    async with serve(streams.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tape = BackpackTape(
            Endpoints("https://unused.test", f"ws://127.0.0.1:{port}/"), outside, QUICK, listing().market
        )
        try:
            yield tape
        finally:
            await tape.aclose()


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.002)


def trade(number: int, price: str = "3000", *, buyer_is_maker: bool = False) -> dict[str, object]:
    told = TIMES | {
        "e": "trade",
        "s": NAME,
        "p": price,
        "q": "0.5",
        "a": "1",
        "b": "2",
        "t": number,
        "m": buyer_is_maker,
    }
    return frame(f"trade.{NAME}", told)


def best(**changes: object) -> dict[str, object]:
    told = TIMES | {"e": "bookTicker", "s": NAME, "a": "3000.1", "A": "2", "b": "3000.0", "B": "1", "u": 7}
    return frame(f"bookTicker.{NAME}", told | changes)


def candle(start: str, close: str | None, *, is_closed: bool = False) -> dict[str, object]:
    prices = dict.fromkeys(("o", "h", "l", "c"), close)
    told = {"e": "kline", "E": 1, "s": NAME, "t": start, "T": start, "v": "1", "n": 1, "X": is_closed}
    return frame(f"kline.1m.{NAME}", told | prices)


def ticker(last: str = "3030") -> dict[str, object]:
    told = {"e": "ticker", "E": TIMES["E"], "s": NAME, "o": "3000", "c": last, "h": "3100", "l": "2950", "v": "10",
            "V": "30000", "n": 5}  # fmt: skip
    return frame(f"ticker.{NAME}", told)


async def test_channels_become_streams_each_once_and_unsigned() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], ALL, CandleInterval.MINUTES_5)
        await until(lambda: bool(streams.subscriptions))
    (sent,) = streams.subscriptions
    kinds = {"trade", "bookTicker", "kline.5m", "ticker", "openInterest", "markPrice"}
    assert sent.keys() == {"method", "params"}
    assert sorted(sent["params"]) == sorted(f"{kind}.{NAME}" for kind in kinds)


async def test_a_trade_told_twice_or_late_is_kept_once() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.TRADES])
        await streams.say(trade(5), trade(6, buyer_is_maker=True), trade(6), trade(5), trade(7))
        await until(lambda: len(tape.trades(SYMBOL)) >= 3)
        kept = tape.trades(SYMBOL)
    assert [(one.trade_id, one.aggressor) for one in kept] == [("5", Side.BUY), ("6", Side.SELL), ("7", Side.BUY)]


async def test_only_the_newest_trades_are_kept() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.TRADES])
        await streams.say(*(trade(number) for number in range(module.TRADES_MAX + 5)))
        await until(lambda: len(tape.trades(SYMBOL)) == module.TRADES_MAX and tape.trades(SYMBOL)[0].trade_id == "5")


async def test_best_is_none_while_a_side_is_empty() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.BEST])
        await streams.say(best())
        await until(lambda: tape.best(SYMBOL) is not None)
        said = tape.best(SYMBOL)
        assert (said.bid, said.bid_quantity, said.ask, said.ask_quantity) == (D(3000), D(1), D("3000.1"), D(2))
        await streams.say(best(b=None, B=None))
        await until(lambda: tape.best(SYMBOL) is None)


async def test_statistics_join_the_day_with_the_open_interest_told_before() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.STATISTICS])
        await streams.say(ticker())
        await until(lambda: tape.statistics(SYMBOL) is not None)
        said = tape.statistics(SYMBOL)
        assert (said.volume_quote, said.change, said.open_interest) == (D(30000), D("0.01"), None)
        await streams.say(frame(f"openInterest.{NAME}", {"e": "openInterest", "E": 1, "s": NAME, "o": "77"}), ticker())
        await until(lambda: tape.statistics(SYMBOL).open_interest == 77)


async def test_one_price_stream_serves_mark_and_funding_as_asked_for() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.FUNDING])
        await streams.say(frame(f"markPrice.{NAME}", mark_event()))
        await until(lambda: tape.funding_rate(SYMBOL) is not None)
        rate = tape.funding_rate(SYMBOL)
        assert (rate.rate, rate.interval_s, tape.mark(SYMBOL)) == (D("0.0000125"), 3600, None)
        assert tape.last_heard(Channel.FUNDING) is not None
        assert tape.last_heard(Channel.MARK) is None


async def test_a_closed_candle_leaves_its_place_to_the_next() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.CANDLES])
        await streams.say(candle("2026-11-20T12:00:00", "3000"))
        await until(lambda: tape.candle(SYMBOL) is not None)
        assert (tape.candle(SYMBOL).start, tape.candle(SYMBOL).is_closed) == (NOW, False)
        await streams.say(candle("2026-11-20T12:00:00", "3001", is_closed=True))
        await until(lambda: tape.candle(SYMBOL) is None)
        await streams.say(candle("2026-11-20T12:01:00", None), candle("2026-11-20T12:01:00", "3002"))
        await until(lambda: tape.candle(SYMBOL) is not None and tape.candle(SYMBOL).close == 3002)


async def test_a_lost_connection_leaves_nothing_and_the_next_one_starts_anew() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.TRADES, Channel.BEST])
        await streams.say(trade(5), best())
        await until(lambda: tape.best(SYMBOL) is not None)
        await streams.connections[-1].close()
        await until(lambda: len(streams.subscriptions) == 2)
        assert (tape.trades(SYMBOL), tape.best(SYMBOL), tape.last_heard(Channel.BEST)) == ((), None, None)
        await streams.say(trade(5))
        await until(lambda: [one.trade_id for one in tape.trades(SYMBOL)] == ["5"])


async def test_a_refused_stream_or_a_market_that_was_not_asked_for_ends_the_connection() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.TRADES])
        await streams.say({"id": None, "error": {"code": 4005, "message": "Invalid market"}})
        await until(lambda: len(streams.connections) == 2)
        await until(lambda: len(streams.subscriptions) == 2)
        await streams.say(frame("trade.SOL_USDC_PERP", trade(1)["data"] | {"s": "SOL_USDC_PERP"}))
        await until(lambda: len(streams.connections) == 3)


async def test_starting_needs_a_known_market_and_a_venue_and_leaves_nothing_running() -> None:
    tape = BackpackTape(
        Endpoints("https://unused.test", "ws://127.0.0.1:9/"),
        Outside(lambda: datetime.now(UTC), lambda s: asyncio.sleep(s / 50), random.Random(1)),
        QUICK,
        listing().market,
    )
    with pytest.raises(VenueRejected):
        await tape.start(["DOGE/USD"], [Channel.TRADES])
    with pytest.raises(VenueUnreachable):
        await tape.start([SYMBOL], [Channel.TRADES])
    await tape.aclose()
    assert tape.trades(SYMBOL) == ()


async def test_a_tape_may_be_closed_twice_and_started_again_but_not_started_twice() -> None:
    streams = ScriptedStreams()
    async with tape_on(streams) as tape:
        await tape.start([SYMBOL], [Channel.TRADES])
        with pytest.raises(RuntimeError, match="already started"):
            await tape.start([SYMBOL], [Channel.TRADES])
        await tape.aclose()
        await tape.aclose()
        await tape.start([SYMBOL], [Channel.TRADES])
        await streams.say(trade(9))
        await until(lambda: len(tape.trades(SYMBOL)) == 1)
