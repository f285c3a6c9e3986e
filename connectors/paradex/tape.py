"""Paradex's public streams besides the book (see VenueTape), on a connection of their own. It fills snapshots.

Channels trades.*, bbo.*, markets_summary.* (mark and statistics) and funding_data.*; candles are not streamed. Frames
are JSON or, where Endpoints.binary_version is set, binary ones. docs.paradex.trade, WebSocket API, "Channels".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from connectors.paradex import build, parse, parse_market, sbe, sbe_rows
from connectors.paradex.calls import Calls
from connectors.paradex.encoding import Negotiation
from connectors.paradex.wire import SummaryRow, rpc_frame, shaped
from connectors.paradex.wire_market import BestRow, FundingRow, TradeRow
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.surface import Best, Channel
from core.errors import NotOffered
from core.instrument import Market, Venue
from core.market import FundingRate, Mark
from core.market_data import Candle, CandleInterval, PublicTrade, Statistics

TRADES_KEPT = 1000

_TOPICS = {
    Channel.TRADES: "trades",
    Channel.BEST: "bbo",
    Channel.STATISTICS: "markets_summary",
    Channel.MARK: "markets_summary",
    Channel.FUNDING: "funding_data",
}


class ParadexTape:
    """The public tape; one start for its life."""

    def __init__(
        self, listing: Callable[[], build.Listing], endpoints: Endpoints, outside: Outside, timeouts: Timeouts
    ) -> None:
        self._listing = listing
        self._events = EventQueue(outside)
        self._reader = _Reader(listing, outside, self._events)
        negotiation = Negotiation(endpoints.ws_url, endpoints.binary_version)
        self._stream = Stream(
            "tape",
            Venue.PARADEX,
            negotiation.url(),
            self._reader,
            outside=outside,
            settings=StreamSettings.of(timeouts),
            events=self._events,
            readdress=negotiation.refused,
        )

    async def start(
        self, symbols: Sequence[str], channels: Collection[Channel], interval: CandleInterval = CandleInterval.MINUTE
    ) -> None:
        """Connect and subscribe; return when every channel is confirmed.

        Raises NotOffered for candles, VenueRejected for an unknown symbol, VenueUnreachable when it does not come up.
        """
        if Channel.CANDLES in channels:
            raise NotOffered("paradex streams no candles; ask market_data.candles()", venue=str(Venue.PARADEX))
        markets = [self._listing().market(symbol) for symbol in symbols]
        self._reader.follow(markets, channels)
        await self._stream.start()

    async def aclose(self) -> None:
        """Close the connection; safe to call twice."""
        await self._stream.aclose()
        self._reader.lost()

    def trades(self, symbol: str) -> tuple[PublicTrade, ...]:
        """Return the newest trades, oldest first, each once."""
        return tuple(self._reader.trades.get(symbol, {}).values())

    def best(self, symbol: str) -> Best | None:
        """Return the last best bid and ask; None too while a side is empty."""
        return self._reader.bests.get(symbol)

    def candle(self, symbol: str) -> Candle | None:
        """Return None: candles are not streamed here."""
        return None

    def statistics(self, symbol: str) -> Statistics | None:
        """Return the last day statistics."""
        return self._reader.days.get(symbol)

    def funding_rate(self, symbol: str) -> FundingRate | None:
        """Return the last sample of the running rate."""
        return self._reader.rates.get(symbol)

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark and index price."""
        return self._reader.marks.get(symbol)

    def last_heard(self, channel: Channel) -> datetime | None:
        """Return when a channel last said something; None before it did."""
        return self._reader.heard.get(channel)


class _Reader:
    """The connection's part (see StreamHandler): it subscribes, and keeps the last word of each channel."""

    def __init__(self, listing: Callable[[], build.Listing], outside: Outside, events: EventQueue) -> None:
        self._listing = listing
        self._outside = outside
        self._events = events
        self._calls: Calls | None = None
        self._names: tuple[str, ...] = ()
        self._wanted: frozenset[Channel] = frozenset()
        self.trades: dict[str, OrderedDict[str, PublicTrade]] = {}
        self.bests: dict[str, Best] = {}
        self.days: dict[str, Statistics] = {}
        self.rates: dict[str, FundingRate] = {}
        self.marks: dict[str, Mark] = {}
        self.heard: dict[Channel, datetime] = {}

    def follow(self, markets: Sequence[Market], channels: Collection[Channel]) -> None:
        """Say what to subscribe."""
        self._wanted = frozenset(channels)
        topics = sorted({_TOPICS[channel] for channel in channels})
        self._names = tuple(f"{topic}.{market.venue_symbol}" for market in markets for topic in topics)

    async def opened(self, send: Send) -> None:
        """Subscribe everything; return when each channel is confirmed."""
        self._calls = Calls(send)
        await self._calls.subscribe(*self._names)

    def received(self, frame: str | bytes) -> None:
        """Route a frame by its channel, a binary one by its template."""
        if isinstance(frame, bytes):
            self._event(sbe.decode(frame))
            return
        message = rpc_frame(frame)
        if message.params is None:
            if self._calls is not None:
                self._calls.answer(message)
            return
        self._row(message.params.channel.split(".", 1)[0], message.params.data)

    def lost(self) -> None:
        """Forget everything that only a living connection can keep true; nobody waits for what it reports."""
        if self._calls is not None:
            self._calls.give_up()
            self._calls = None
        for kept in (self.trades, self.bests, self.days, self.rates, self.marks):
            kept.clear()
        self._events.drain()

    def heartbeat(self) -> None:
        """Beat with a WebSocket ping."""
        return

    def _row(self, topic: str, content: dict[str, Any]) -> None:
        match topic:
            case "trades":
                self._trade(shaped(TradeRow, content, "trade event"))
            case "bbo":
                self._best(shaped(BestRow, content, "best event"))
            case "markets_summary":
                self._summary(shaped(SummaryRow, content, "market summary"))
            case "funding_data":
                self._funding(shaped(FundingRow, content, "funding event"))
            case _:
                return

    def _event(self, event: sbe.Event | None) -> None:
        if isinstance(event, sbe.TradeEvent):
            self._trade(sbe_rows.trade_row(event))
        elif isinstance(event, sbe.BboEvent):
            self._best(sbe_rows.best_row(event))
        elif isinstance(event, sbe.SummaryEvent):
            self._summary(sbe.summary_row(event))
        elif isinstance(event, sbe.FundingEvent):
            self._funding(sbe_rows.funding_row(event))

    def _trade(self, row: TradeRow) -> None:
        symbol = self._hear(row.market, Channel.TRADES)
        kept = self.trades.setdefault(symbol, OrderedDict())
        kept.setdefault(row.id, parse_market.trade(row, symbol, self._outside.clock()))
        while len(kept) > TRADES_KEPT:
            kept.popitem(last=False)

    def _best(self, row: BestRow) -> None:
        symbol = self._hear(row.market, Channel.BEST)
        best = parse_market.best(row, symbol, self._outside.clock())
        if best is None:
            self.bests.pop(symbol, None)
        else:
            self.bests[symbol] = best

    def _summary(self, row: SummaryRow) -> None:
        symbol, now = self._listing().symbol_of(row.symbol), self._outside.clock()
        if Channel.MARK in self._wanted and row.mark_price is not None:
            self._hear(row.symbol, Channel.MARK)
            self.marks[symbol] = parse.mark(row, symbol, now)
        if Channel.STATISTICS in self._wanted and row.volume_24h is not None:
            self._hear(row.symbol, Channel.STATISTICS)
            self.days[symbol] = parse_market.statistics(row, symbol, now)

    def _funding(self, row: FundingRow) -> None:
        symbol = self._hear(row.market, Channel.FUNDING)
        self.rates[symbol] = parse_market.funding_rate(row, self._listing().market(symbol), self._outside.clock())

    def _hear(self, venue_symbol: str, channel: Channel) -> str:
        self.heard[channel] = self._outside.clock()
        return self._listing().symbol_of(venue_symbol)
