"""Pacifica's streams as a snapshot: live books and marks, private events in a queue. Nothing trades here.

Two connections, so that trouble with a book never blinds the account's events. Continuity: every message of the
book channel is the full picture, so a book is proven as long as its venue time does not run backwards on a living
connection; when it does, the book is None until time has caught up. Private channels have no snapshot: after a
reconnect the missing part is read by REST. Source: docs.pacifica.fi, WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.pacifica import build, frames, parse, parse_account, parse_orders, wire, wire_surface
from connectors.pacifica.subscriptions import Subscriptions
from connectors.settings import Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.venue import BalanceUpdate, FeedEvent, FeedHealth, FillUpdate, MarginUpdate, OrderUpdate, PositionUpdate
from core.errors import ProtocolViolation, VenueUnreachable
from core.instrument import Venue
from core.market import Book, Mark

log = logging.getLogger(__name__)

# The venue closes a connection 60 s after the last message of ours.
HEARTBEAT_S = 20.0
# So many pictures older than the last one in a row are no hiccup any more: open a fresh connection.
BACKWARD_PICTURES_MAX = 20


class PacificaFeed:
    """Streams of one account. See connectors.venue.VenueFeed for the contract of every method."""

    def __init__(
        self,
        account_id: str,
        account: str,
        url: str,
        outside: Outside,
        timeouts: Timeouts,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare without connecting; `account` is the address whose events are wanted."""
        self._url = url
        self._outside = outside
        self._timeouts = timeouts
        self._headers = headers
        self._events = EventQueue(outside)
        self._public = _PublicChannels(outside)
        self._private = _PrivateChannels(account_id, account, outside, self._events)
        self._streams: tuple[Stream, Stream] | None = None

    async def start(self, symbols: Sequence[str]) -> None:
        """Open both streams; return when every book and mark has been seen once and the account is subscribed."""
        if self._streams is not None:
            raise RuntimeError("this feed was already started")
        self._public.expect(symbols)
        public, private = self._stream("public", self._public), self._stream("private", self._private)
        self._streams = (public, private)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(public.start())
                both.create_task(private.start())
            async with asyncio.timeout(self._timeouts.stream_start_s):
                await self._public.complete.wait()
        except TimeoutError:
            await self.aclose()
            raise VenueUnreachable(
                f"pacifica: no book or mark came for {', '.join(self._public.missing())} in time", venue="pacifica"
            ) from None
        except ExceptionGroup as failed:
            await self.aclose()
            raise failed.exceptions[0] from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close both streams; safe to call twice, and the feed may be started again afterwards."""
        streams, self._streams = self._streams, None
        if streams is not None:
            await asyncio.gather(*(stream.aclose() for stream in streams))
            self._public.lost()

    def book(self, symbol: str) -> Book | None:
        """Return the live book, or None while it is not proven."""
        return self._public.book(symbol)

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark, or None before the first and while disconnected."""
        return self._public.marks.get(symbol)

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take the private events since the last call."""
        return self._events.drain()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a private event."""
        return await self._events.wait(timeout_s)

    def health(self) -> FeedHealth:
        """Say how the streams are."""
        if self._streams is None:
            return FeedHealth(False, False, None, 0, 0)
        public, private = self._streams
        times = [stream.last_message_at for stream in self._streams if stream.last_message_at is not None]
        return FeedHealth(
            public_up=public.is_up,
            private_up=private.is_up,
            last_message_at=max(times, default=None),
            reconnects=public.reconnects + private.reconnects,
            gaps=self._public.gaps,
            last_heard={**self._public.heard, **self._private.heard},
        )

    def _stream(self, name: str, handler: _PublicChannels | _PrivateChannels) -> Stream:
        settings = StreamSettings.of(self._timeouts, heartbeat_s=HEARTBEAT_S)
        return Stream(
            name, Venue.PACIFICA, self._url, handler,
            outside=self._outside, settings=settings, events=self._events, headers=self._headers,
        )  # fmt: skip


class _PublicChannels:
    """Books and prices of the wanted symbols."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._subscriptions = Subscriptions()
        self._symbols: tuple[str, ...] = ()
        self._books: dict[str, Book] = {}
        self._newest: dict[str, int] = {}
        self._backward: dict[str, int] = {}
        self.marks: dict[str, Mark] = {}
        self.heard: dict[str, datetime] = {}
        self.gaps = 0
        self.complete = asyncio.Event()

    def expect(self, symbols: Sequence[str]) -> None:
        """Say which symbols are wanted; complete is set when each has a book and a mark."""
        self._symbols = tuple(dict.fromkeys(symbols))
        self.complete.clear()
        self._check_complete()

    def missing(self) -> list[str]:
        """List the symbols without a book or a mark."""
        return [symbol for symbol in self._symbols if symbol not in self._books or symbol not in self.marks]

    def book(self, symbol: str) -> Book | None:
        """Return the newest proven book."""
        return self._books.get(symbol)

    async def opened(self, send: Send) -> None:
        """Subscribe books and prices."""
        await self._subscriptions.make(build.public_subscriptions(self._symbols), send)

    def received(self, frame: str | bytes) -> None:
        """Take one frame."""
        match frames.frame(frame):
            case wire.BookSnapshot() as snapshot:
                self.heard["book"] = self._outside.clock()
                self._take_picture(snapshot)
            case frames.Subscribed() as echo:
                self._subscriptions.acknowledged(echo)
            case frames.Refused() as answer:
                self._subscriptions.refused(answer)
            case tuple() as listed:
                self._take_prices([row for row in listed if isinstance(row, wire.PriceRow)])
            case _:
                return

    def lost(self) -> None:
        """Nothing is proven without a connection."""
        self._books.clear()
        self._newest.clear()
        self._backward.clear()
        self.marks.clear()

    def heartbeat(self) -> str:
        """Beat in the venue's own way; control pings do not count there."""
        return build.ping_frame()

    def _take_picture(self, snapshot: wire.BookSnapshot) -> None:
        symbol = build.symbol_of(snapshot.s)
        if symbol not in self._symbols:
            return
        if snapshot.t < self._newest.get(symbol, 0):
            self._ran_backwards(symbol)
            return
        self._newest[symbol] = snapshot.t
        self._backward[symbol] = 0
        self._books[symbol] = parse.book(snapshot, self._outside.clock())
        self._check_complete()

    def _ran_backwards(self, symbol: str) -> None:
        """Distrust the book until the venue's time has caught up; one gap however many old pictures come."""
        if self._books.pop(symbol, None) is not None:
            self.gaps += 1
            log.warning("venue=pacifica symbol=%s book time ran backwards; no book until it has caught up", symbol)
        self._backward[symbol] = self._backward.get(symbol, 0) + 1
        if self._backward[symbol] > BACKWARD_PICTURES_MAX:
            raise ProtocolViolation(f"pacifica: the {symbol} book keeps running backwards", venue="pacifica")

    def _take_prices(self, listed: Sequence[wire.PriceRow]) -> None:
        received = self.heard["prices"] = self._outside.clock()
        for row in listed:
            symbol = build.symbol_of(row.symbol)
            if symbol in self._symbols:
                self.marks[symbol] = parse.mark(row, received)
        self._check_complete()

    def _check_complete(self) -> None:
        if not self.complete.is_set() and not self.missing():
            self.complete.set()


class _PrivateChannels:
    """The account's orders, fills, positions and money, put into the queue in order of arrival."""

    def __init__(self, account_id: str, account: str, outside: Outside, events: EventQueue) -> None:
        self._account_id = account_id
        self._account = account
        self._outside = outside
        self._events = events
        self._subscriptions = Subscriptions()
        self._held: set[str] = set()
        self.heard: dict[str, datetime] = {}

    async def opened(self, send: Send) -> None:
        """Subscribe the account's channels; they need no signature (docs.pacifica.fi, WebSocket)."""
        await self._subscriptions.make(build.private_subscriptions(self._account), send)

    def received(self, frame: str | bytes) -> None:
        """Take one frame."""
        match frames.frame(frame):
            case tuple() as listed:
                for row in listed:
                    self._take_row(row)
            case frames.PositionSet() as whole:
                self._take_positions(whole)
            case wire_surface.AccountInfo() as info:
                self._take_money(info)
            case frames.Unreadable() as unread:
                log.warning("venue=pacifica channel=%s cannot be read: %s", unread.channel, unread.why)
            case frames.Subscribed() as echo:
                self._subscriptions.acknowledged(echo)
            case frames.Refused() as answer:
                self._subscriptions.refused(answer)
            case _:
                return

    def lost(self) -> None:
        """Keep the queue: what was reported stays true."""

    def heartbeat(self) -> str:
        """Beat in the venue's own way."""
        return build.ping_frame()

    def _take_row(self, row: object) -> None:
        now = self._outside.clock()
        match row:
            case wire.OrderUpdateRow() if row.u == self._account:
                self.heard["account_order_updates"] = now
                self._events.put(OrderUpdate(parse_orders.order_update(self._account_id, row, now)))
            case wire.TradeUpdateRow() if row.u == self._account:
                self.heard["account_trades"] = now
                self._events.put(FillUpdate(parse_orders.fill_update(self._account_id, row, now)))
            case _:
                return

    def _take_positions(self, whole: frames.PositionSet) -> None:
        """Tell every position, and of those held before (also before a reconnect) which are closed."""
        now = self._outside.clock()
        try:
            told = parse_account.position_frame(self._account_id, whole.rows, self._held, now)
        except ProtocolViolation as wrong:
            log.warning("venue=pacifica channel=account_positions cannot be read: %s", wrong.message)
            return
        self.heard["account_positions"] = now
        self._held = {position.symbol for position in told if position.quantity}
        for position in told:
            self._events.put(PositionUpdate(position))

    def _take_money(self, info: wire_surface.AccountInfo) -> None:
        now = self.heard["account_info"] = self._outside.clock()
        self._events.put(MarginUpdate(parse_account.margin_frame(self._account_id, info, now)))
        self._events.put(BalanceUpdate(parse_account.balance_frame(self._account_id, info, now)))
