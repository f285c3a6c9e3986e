"""Pacifica's public streams besides the book, as a snapshot on a connection of their own. Nothing trades here.

Statistics, funding and mark share one channel of the venue (prices); best comes from bbo, which is silent while the
top of the book stands still. Source: docs.pacifica.fi, WebSocket: Prices, BBO, Trades, Candle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from connectors.pacifica import build, frames, parse, parse_market, wire, wire_surface
from connectors.pacifica.feed import HEARTBEAT_S
from connectors.pacifica.subscriptions import Subscriptions
from connectors.settings import Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.surface import Best, Channel
from core.instrument import Venue
from core.market import FundingRate, Mark
from core.market_data import Candle, CandleInterval, PublicTrade, Statistics

TRADES_MAX = 1000

_SOURCES = {
    Channel.TRADES: "trades",
    Channel.BEST: "bbo",
    Channel.CANDLES: "candle",
    Channel.STATISTICS: "prices",
    Channel.FUNDING: "prices",
    Channel.MARK: "prices",
}


class PacificaTape:
    """See connectors.surface.VenueTape for the contract of every method."""

    def __init__(
        self, url: str, outside: Outside, timeouts: Timeouts, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Prepare without connecting."""
        self._url = url
        self._outside = outside
        self._timeouts = timeouts
        self._headers = headers
        self._picture = _Picture(outside)
        self._stream: Stream | None = None

    async def start(
        self, symbols: Sequence[str], channels: Collection[Channel], interval: CandleInterval = CandleInterval.MINUTE
    ) -> None:
        """Connect and subscribe; return when all is acknowledged."""
        if self._stream is not None:
            raise RuntimeError("this tape was already started")
        self._picture.expect(symbols, channels, interval)
        stream = Stream(
            "tape", Venue.PACIFICA, self._url, self._picture, outside=self._outside,
            settings=StreamSettings.of(self._timeouts, heartbeat_s=HEARTBEAT_S), events=EventQueue(self._outside, 100),
            headers=self._headers,
        )  # fmt: skip
        await stream.start()
        self._stream = stream

    async def aclose(self) -> None:
        """Close the connection; safe to call twice, and the tape may be started again afterwards."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
        self._picture.lost()

    def trades(self, symbol: str) -> tuple[PublicTrade, ...]:
        """Return the newest trades, oldest first, each once."""
        return tuple(self._picture.trades.get(symbol, {}).values())

    def best(self, symbol: str) -> Best | None:
        """Return the last best bid and ask; None while a side is empty."""
        return self._picture.bests.get(symbol)

    def candle(self, symbol: str) -> Candle | None:
        """Return the candle that runs now (or ran when the last trade came)."""
        return self._picture.candles.get(symbol)

    def statistics(self, symbol: str) -> Statistics | None:
        """Return the last day statistics."""
        return self._picture.days.get(symbol)

    def funding_rate(self, symbol: str) -> FundingRate | None:
        """Return the last running funding rate."""
        return self._picture.rates.get(symbol)

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark and oracle price."""
        return self._picture.marks.get(symbol)

    def last_heard(self, channel: Channel) -> datetime | None:
        """Return when a channel last said something; None before, and for one that was not asked for."""
        return self._picture.heard.get(channel)


class _Picture:
    """What the wanted channels said last."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._subscriptions = Subscriptions()
        self._symbols: tuple[str, ...] = ()
        self._channels: frozenset[Channel] = frozenset()
        self._interval = CandleInterval.MINUTE
        self.trades: dict[str, dict[str, PublicTrade]] = {}
        self.bests: dict[str, Best] = {}
        self.candles: dict[str, Candle] = {}
        self.days: dict[str, Statistics] = {}
        self.rates: dict[str, FundingRate] = {}
        self.marks: dict[str, Mark] = {}
        self.heard: dict[Channel, datetime] = {}

    def expect(self, symbols: Sequence[str], channels: Collection[Channel], interval: CandleInterval) -> None:
        """Say what is wanted."""
        self._symbols, self._channels, self._interval = tuple(dict.fromkeys(symbols)), frozenset(channels), interval
        self.heard.clear()

    async def opened(self, send: Send) -> None:
        """Subscribe what is wanted."""
        sources = {_SOURCES[channel] for channel in self._channels}
        await self._subscriptions.make(build.tape_subscriptions(self._symbols, sources, self._interval), send)

    def received(self, frame: str | bytes) -> None:
        """Take one frame."""
        match frames.frame(frame):
            case frames.Subscribed() as echo:
                self._subscriptions.acknowledged(echo)
            case frames.Refused() as answer:
                self._subscriptions.refused(answer)
            case wire_surface.BestRow() as row:
                self._take_best(row)
            case wire_surface.CandleRow() as row:
                self._take_candle(row)
            case tuple() as listed:
                for row in listed:
                    self._take_row(row)
            case _:
                return

    def lost(self) -> None:
        """Nothing is known without a connection."""
        for told in (self.trades, self.bests, self.candles, self.days, self.rates, self.marks):
            told.clear()

    def heartbeat(self) -> str:
        """Beat in the venue's own way."""
        return build.ping_frame()

    def _take_best(self, row: wire_surface.BestRow) -> None:
        now = self._hear(Channel.BEST)
        symbol, best = build.symbol_of(row.s), parse_market.best(row, now)
        if best is None:
            self.bests.pop(symbol, None)
        elif symbol in self._symbols:
            self.bests[symbol] = best

    def _take_candle(self, row: wire_surface.CandleRow) -> None:
        now = self._hear(Channel.CANDLES)
        candle = parse_market.running(parse_market.candle(row, now, now))
        last = self.candles.get(candle.symbol)
        if candle.symbol in self._symbols and (last is None or last.start <= candle.start):
            self.candles[candle.symbol] = candle

    def _take_row(self, row: object) -> None:
        match row:
            case wire_surface.TapeTradeRow():
                self._take_trade(row)
            case wire.PriceRow() if build.symbol_of(row.symbol) in self._symbols:
                self._take_prices(row)
            case _:
                return

    def _take_trade(self, row: wire_surface.TapeTradeRow) -> None:
        trade = parse_market.tape_trade(row, self._hear(Channel.TRADES))
        assert trade.trade_id is not None
        if trade.symbol not in self._symbols:
            return
        kept = self.trades.setdefault(trade.symbol, {})
        kept.setdefault(trade.trade_id, trade)
        if len(kept) > TRADES_MAX:
            del kept[next(iter(kept))]

    def _take_prices(self, row: wire.PriceRow) -> None:
        symbol = build.symbol_of(row.symbol)
        if Channel.MARK in self._channels:
            self.marks[symbol] = parse.mark(row, self._hear(Channel.MARK))
        if Channel.STATISTICS in self._channels:
            self.days[symbol] = parse_market.statistics(row, self._hear(Channel.STATISTICS))
        if Channel.FUNDING in self._channels:
            self.rates[symbol] = parse.funding_rate(row, self._hear(Channel.FUNDING))

    def _hear(self, channel: Channel) -> datetime:
        now = self.heard[channel] = self._outside.clock()
        return now
