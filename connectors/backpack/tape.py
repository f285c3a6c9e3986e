"""Backpack's public streams besides the book, on a socket of their own: trades, best, candles, day figures, prices.

It fills snapshots and trades nothing. The venue confirms no subscription; a refused one comes back as an error frame,
which ends the connection. (docs.backpack.exchange, Streams)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from connectors.backpack import build, parse, parse_market, wire, wire_market
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.surface import Best, Channel
from core.errors import ProtocolViolation, VenueRejected
from core.instrument import Market, Venue
from core.market import FundingRate, Mark
from core.market_data import Candle, CandleInterval, PublicTrade, Statistics

NAME = "tape"
TRADES_MAX = 1000
# One stream may serve two channels, and statistics need two streams.
STREAMS = {
    Channel.TRADES: ("trade",),
    Channel.BEST: ("bookTicker",),
    Channel.CANDLES: ("kline",),
    Channel.STATISTICS: ("ticker", "openInterest"),
    Channel.FUNDING: ("markPrice",),
    Channel.MARK: ("markPrice",),
}


@dataclass(slots=True)
class _Market:
    """What was heard of one market on this connection."""

    market: Market
    trades: deque[PublicTrade] = field(default_factory=lambda: deque(maxlen=TRADES_MAX))
    newest_trade: int = -1
    best: Best | None = None
    candle: Candle | None = None
    statistics: Statistics | None = None
    open_interest: Decimal | None = None
    funding_rate: FundingRate | None = None
    mark: Mark | None = None


class BackpackTape:
    """The public tape (see VenueTape). It needs no key."""

    def __init__(
        self, endpoints: Endpoints, outside: Outside, timeouts: Timeouts, market: Callable[[str], Market]
    ) -> None:
        """Prepare without connecting; `market` gives a market by symbol."""
        self._endpoints = endpoints
        self._outside = outside
        self._timeouts = timeouts
        self._market = market
        self._stream: Stream | None = None
        self._channels: frozenset[Channel] = frozenset()
        self._interval = CandleInterval.MINUTE
        self._heard: dict[str, _Market] = {}
        self._last_heard: dict[Channel, datetime] = {}

    async def start(
        self, symbols: Sequence[str], channels: Collection[Channel], interval: CandleInterval = CandleInterval.MINUTE
    ) -> None:
        """Connect and subscribe; every channel is there on this venue.

        Raises VenueUnreachable when it does not come up in time, VenueRejected for an unknown market, RuntimeError
        when it is started already.
        """
        if self._stream is not None:
            raise RuntimeError("the tape was already started")
        self._channels, self._interval = frozenset(channels), interval
        self._heard = {(market := self._market(symbol)).venue_symbol: _Market(market) for symbol in symbols}
        self._stream = Stream(
            NAME, Venue.BACKPACK, self._endpoints.ws_url, self,
            outside=self._outside, settings=StreamSettings.of(self._timeouts), events=EventQueue(self._outside),
        )  # fmt: skip
        try:
            await self._stream.start()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection; safe to call twice. It may be started again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
        self._heard = {}
        self._last_heard = {}

    def trades(self, symbol: str) -> tuple[PublicTrade, ...]:
        """Return the newest trades since the connection came up, oldest first, each once."""
        heard = self._of(symbol)
        return tuple(heard.trades) if heard is not None else ()

    def best(self, symbol: str) -> Best | None:
        """Return the last best bid and ask; None while a side is empty."""
        heard = self._of(symbol)
        return heard.best if heard is not None else None

    def candle(self, symbol: str) -> Candle | None:
        """Return the candle that runs now, None before its first trade."""
        heard = self._of(symbol)
        return heard.candle if heard is not None else None

    def statistics(self, symbol: str) -> Statistics | None:
        """Return the last day statistics; open interest comes once a minute and is None until then."""
        heard = self._of(symbol)
        return heard.statistics if heard is not None else None

    def funding_rate(self, symbol: str) -> FundingRate | None:
        """Return the last running funding rate."""
        heard = self._of(symbol)
        return heard.funding_rate if heard is not None else None

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark and index price."""
        heard = self._of(symbol)
        return heard.mark if heard is not None else None

    def last_heard(self, channel: Channel) -> datetime | None:
        """Return when a channel last said something on this connection; None before it did."""
        return self._last_heard.get(channel)

    async def opened(self, send: Send) -> None:
        """Subscribe; nothing is confirmed."""
        await send(build.subscribe(self._stream_names()))

    def received(self, frame: str | bytes) -> None:
        """Take one frame; raise a VenueError to end a connection whose subscription was refused."""
        now = self._outside.clock()
        envelope = parse.read_frame(frame)
        if envelope.error is not None:
            raise VenueRejected(
                f"backpack refused the tape: {envelope.error.code} {envelope.error.message[:120]}", venue="backpack"
            )
        if envelope.stream is not None:
            self._take(envelope.stream.partition(".")[0], envelope.payload, now)

    def lost(self) -> None:
        """Forget everything: what comes next follows a hole."""
        self._heard = {name: _Market(heard.market) for name, heard in self._heard.items()}
        self._last_heard = {}

    def heartbeat(self) -> str | None:
        """Beat with WebSocket pings."""
        return None

    def _take(self, kind: str, payload: object, now: datetime) -> None:
        match kind:
            case "trade":
                self._take_trade(wire.read(wire_market.TradeEvent, payload, "trade event"), now)
            case "bookTicker":
                best = wire.read(wire_market.BestEvent, payload, "bookTicker event")
                heard = self._told(best.symbol, now, Channel.BEST)
                heard.best = parse_market.best_of(best, heard.market.symbol, now)
            case "kline":
                self._take_candle(wire.read(wire_market.CandleEvent, payload, "kline event"), now)
            case "ticker":
                ticker = wire.read(wire_market.TickerEvent, payload, "ticker event")
                heard = self._told(ticker.symbol, now, Channel.STATISTICS)
                heard.statistics = parse_market.statistics_of(ticker, heard.market.symbol, heard.open_interest, now)
            case "openInterest":
                interest = wire.read(wire_market.OpenInterestEvent, payload, "openInterest event")
                self._told(interest.symbol, now).open_interest = interest.open_interest
            case "markPrice":
                self._take_price(wire.read(wire_market.PriceEvent, payload, "markPrice event"), now)

    def _take_trade(self, event: wire_market.TradeEvent, now: datetime) -> None:
        """Keep a trade unless it was told before: ids of a market only grow."""
        heard = self._told(event.symbol, now, Channel.TRADES)
        if event.trade_id > heard.newest_trade:
            heard.newest_trade = event.trade_id
            heard.trades.append(parse_market.trade_of(event, heard.market.symbol, now))

    def _take_candle(self, event: wire_market.CandleEvent, now: datetime) -> None:
        """Keep the running candle; a closed one leaves its place to the next."""
        heard = self._told(event.symbol, now, Channel.CANDLES)
        candle = parse_market.candle_of(event, heard.market.symbol, self._interval, now)
        heard.candle = None if candle is None or candle.is_closed else candle

    def _take_price(self, event: wire_market.PriceEvent, now: datetime) -> None:
        heard = self._told(event.symbol, now, Channel.MARK, Channel.FUNDING)
        if Channel.MARK in self._channels:
            heard.mark = parse_market.price_of(event, heard.market.symbol, now)
        if Channel.FUNDING in self._channels:
            heard.funding_rate = parse_market.funding_of(event, heard.market, now)

    def _told(self, venue_symbol: str, now: datetime, *channels: Channel) -> _Market:
        heard = self._heard.get(venue_symbol)
        if heard is None:
            raise ProtocolViolation("backpack: the tape told of a market that was not asked for", venue="backpack")
        for channel in channels:
            if channel in self._channels:
                self._last_heard[channel] = now
        return heard

    def _of(self, symbol: str) -> _Market | None:
        if self._stream is None or not self._stream.is_up:
            return None
        return next((heard for heard in self._heard.values() if heard.market.symbol == symbol), None)

    def _stream_names(self) -> list[str]:
        kinds = list(
            dict.fromkeys(kind for channel in Channel if channel in self._channels for kind in STREAMS[channel])
        )
        names = {kind: f"kline.{self._interval.value}" if kind == "kline" else kind for kind in kinds}
        return [f"{names[kind]}.{venue_symbol}" for kind in kinds for venue_symbol in self._heard]
