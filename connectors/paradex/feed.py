"""Paradex streams: books and marks on one socket, own orders and fills on another. It fills snapshots, trades nothing.

The public socket asks for JSON or, where Endpoints.binary_version is set, for binary frames; on every socket a text
frame is JSON-RPC and a binary one SBE (sbe.py). docs.paradex.trade, WebSocket API: channels order_book.*.deltas
(first the whole book, then changes whose seq_no grows by one; after a gap one subscribes anew), markets_summary.*;
the venue pings by itself. The account's own channels are read in private_stream.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from connectors.paradex import build, parse, sbe
from connectors.paradex.book import LiveBook
from connectors.paradex.calls import Calls
from connectors.paradex.encoding import Negotiation
from connectors.paradex.feed_needs import FeedNeeds
from connectors.paradex.private_stream import PrivateStream
from connectors.paradex.wire import BookFrame, SummaryRow, rpc_frame, shaped
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.venue import FeedEvent, FeedHealth
from core.errors import VenueError, VenueRejected
from core.instrument import Market, Venue
from core.market import Book, Mark

log = logging.getLogger(__name__)


class ParadexFeed:
    """Streams of one account (see VenueFeed)."""

    def __init__(self, needs: FeedNeeds, endpoints: Endpoints, outside: Outside, timeouts: Timeouts) -> None:
        self._needs = needs
        self._events = EventQueue(outside)
        self._books = _BookStream(outside, timeouts, needs, self._renew_public)
        self._orders = PrivateStream(outside, needs, self._events)
        settings = StreamSettings.of(timeouts)
        negotiation = Negotiation(endpoints.ws_url, endpoints.binary_version)
        self._public = Stream(
            "public",
            Venue.PARADEX,
            negotiation.url(),
            self._books,
            outside=outside,
            settings=settings,
            events=self._events,
            readdress=negotiation.refused,
        )
        self._private = Stream(
            "private",
            Venue.PARADEX,
            endpoints.ws_url,
            self._orders,
            outside=outside,
            settings=settings,
            events=self._events,
        )

    async def start(self, symbols: Sequence[str]) -> None:
        """Connect both sockets; return when every book is live, every mark known, the private channels confirmed.

        The mark channel speaks when something changes, so a first mark may come by REST.
        Raises VenueRejected for an unknown symbol, VenueUnreachable or AuthenticationFailed as VenueFeed says.
        """
        self._books.follow(symbols)
        try:
            await asyncio.gather(self._public.start(), self._private.start())
            await self._needs.learn_sides()
            await asyncio.gather(*map(self._first_mark, symbols))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close both sockets; safe to call twice."""
        await asyncio.gather(self._public.aclose(), self._private.aclose())
        self._orders.lost()
        await self._books.aclose()

    def book(self, symbol: str) -> Book | None:
        """Return the live book, None while its continuity is not proven."""
        return self._books.book(symbol)

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark, None before the first and while disconnected."""
        return self._books.marks.get(symbol)

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take all events since the last call."""
        return self._events.drain()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until an event is ready; False when the time is up first."""
        return await self._events.wait(timeout_s)

    def health(self) -> FeedHealth:
        """Say how the streams are."""
        seen = [at for at in (self._public.last_message_at, self._private.last_message_at) if at is not None]
        return FeedHealth(
            public_up=self._public.is_up,
            private_up=self._private.is_up,
            last_message_at=max(seen, default=None),
            reconnects=self._public.reconnects + self._private.reconnects,
            gaps=self._books.gaps,
            last_heard={**self._books.heard, **self._orders.heard},
        )

    async def _first_mark(self, symbol: str) -> None:
        if symbol not in self._books.marks:
            mark = await self._needs.read_mark(symbol)
            self._books.marks.setdefault(symbol, mark)

    async def _renew_public(self, reason: str) -> None:
        await self._public.renew(reason)


class _BookStream:
    """The public socket's part: books and marks."""

    def __init__(
        self, outside: Outside, timeouts: Timeouts, needs: FeedNeeds, renew: Callable[[str], Awaitable[None]]
    ) -> None:
        self._outside = outside
        self._timeouts = timeouts
        self._needs = needs
        self._renew = renew
        self._calls: Calls | None = None
        self._books: dict[str, LiveBook] = {}
        self._names: dict[str, str] = {}  # channel of each book, as the venue took it
        self._proven = asyncio.Event()
        self._repairs: dict[str, asyncio.Task[None]] = {}
        self.marks: dict[str, Mark] = {}
        self.heard: dict[str, datetime] = {}
        self.gaps = 0

    def follow(self, symbols: Sequence[str]) -> None:
        """Say which markets to stream; raise VenueRejected for an unknown one."""
        listing = self._needs.listing()
        self._books = {listing.market(symbol).symbol: LiveBook(symbol) for symbol in symbols}

    def book(self, symbol: str) -> Book | None:
        """Return the proven book or None."""
        book = self._books.get(symbol)
        return book.view() if book is not None else None

    async def opened(self, send: Send) -> None:
        """Subscribe everything; return when every book is whole."""
        self._calls = Calls(send)
        for symbol in self._books:
            market = self._needs.listing().market(symbol)
            await self._subscribe_book(self._calls, market)
            await self._calls.subscribe(build.mark_channel(market))
        await self._until_proven(*self._books)

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
        topic = message.params.channel.split(".", 1)[0]
        if topic == "order_book":
            self._book_frame(shaped(BookFrame, message.params.data, "book frame"))
        elif topic == "markets_summary":
            self._mark_frame(shaped(SummaryRow, message.params.data, "market summary"))

    def lost(self) -> None:
        """Nothing is proven any more."""
        if self._calls is not None:
            self._calls.give_up()
            self._calls = None
        for repair in self._repairs.values():
            repair.cancel()
        self._repairs.clear()
        for book in self._books.values():
            book.forget()
        self.marks.clear()

    async def aclose(self) -> None:
        """Forget everything and end repairs under way."""
        repairs = tuple(self._repairs.values())
        self.lost()
        await asyncio.gather(*repairs, return_exceptions=True)

    def heartbeat(self) -> None:
        """Beat with a WebSocket ping: the venue has no ping of its own for clients."""
        return

    def _event(self, event: sbe.Event | None) -> None:
        if isinstance(event, sbe.BookEvent):
            self._book_frame(sbe.book_frame(event))
        elif isinstance(event, sbe.SummaryEvent):
            self._mark_frame(sbe.summary_row(event))

    def _book_frame(self, frame: BookFrame) -> None:
        self.heard["order_book"] = self._outside.clock()
        symbol = self._needs.listing().symbol_of(frame.market)
        book = self._books.get(symbol)
        if book is None:
            return
        if book.apply(frame, self._outside.clock()):
            self._proven.set()
            return
        self.gaps += 1
        log.warning("venue=paradex market=%s book not continuous at seq=%d, asked anew", symbol, frame.seq_no)
        if symbol not in self._repairs:
            self._repairs[symbol] = asyncio.create_task(self._repair(symbol), name=f"paradex-book-{symbol}")

    def _mark_frame(self, row: SummaryRow) -> None:
        self.heard["markets_summary"] = self._outside.clock()
        symbol = self._needs.listing().symbol_of(row.symbol)
        if row.mark_price is None:
            self.marks.pop(symbol, None)
        elif symbol in self._books:
            self.marks[symbol] = parse.mark(row, symbol, self._outside.clock())

    async def _repair(self, symbol: str) -> None:
        """Ask for the whole book by subscribing anew; if that fails, the connection is renewed."""
        market, calls = self._needs.listing().market(symbol), self._calls
        if calls is None:
            return
        try:
            async with asyncio.timeout(self._timeouts.stream_start_s):
                await calls.call("unsubscribe", {"channel": self._names[symbol]})
                await self._subscribe_book(calls, market)
                await self._until_proven(symbol)
        except (VenueError, TimeoutError) as failure:
            self._repairs.pop(symbol, None)
            await self._renew(f"the book of {symbol} could not be resynchronised: {failure}")
        else:
            self._repairs.pop(symbol, None)

    async def _subscribe_book(self, calls: Calls, market: Market) -> None:
        """Subscribe a book under the name that the venue takes, and remember it."""
        bare, with_parameters = build.book_channels(market)
        self._names[market.symbol] = bare
        try:
            await calls.subscribe(bare)
        except VenueRejected:
            self._names[market.symbol] = with_parameters
            await calls.subscribe(with_parameters)

    async def _until_proven(self, *symbols: str) -> None:
        while not all(self._books[symbol].is_proven for symbol in symbols):
            self._proven.clear()
            await self._proven.wait()
