"""Streams of one Backpack account over one socket: books, marks, orders, fills. It fills snapshots and trades nothing.

One signed SUBSCRIBE frame carries public and private streams together, prices last. The venue confirms nothing, so
the first price is the proof that the frame was taken whole; a bad signature comes back as error 4003. Prices come
once a second, so their silence means that the streams are dead even if the socket is not.
(docs.backpack.exchange, Streams)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from connectors.backpack import build, parse, parse_account, wire, wire_account
from connectors.backpack.client_ids import ClientIds
from connectors.backpack.depth import DepthBook, Joined
from connectors.backpack.listing import Listing
from connectors.settings import Endpoints, Outside, Timeouts
from connectors.stream import EventQueue, Send, Stream, StreamSettings
from connectors.venue import BalanceUpdate, FeedEvent, FeedHealth, FillUpdate, OrderUpdate, PositionUpdate
from core.errors import AuthenticationFailed, ProtocolViolation, VenueError, VenueRejected, VenueUnreachable
from core.instrument import Venue
from core.market import Book, Mark

log = logging.getLogger(__name__)

CHANNEL = "private"
ORDERS = "account.orderUpdate"
POSITIONS = "account.positionUpdate"
BALANCES = "account.balanceUpdate"
INVALID_SIGNATURE = 4003
SNAPSHOT_RETRY_S = 0.25
SNAPSHOT_RETRY_S_MAX = 5.0

Snapshot = Callable[[str], Awaitable[tuple[wire.DepthRow, datetime]]]
Subscription = Callable[[], list[str]]


class BackpackFeed:
    """The account's streams. Books are live only while their continuity is proven.

    A market whose price stream is silent from the start (closed, unknown) makes start() fail.
    """

    def __init__(
        self,
        account_id: str,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        ids: ClientIds,
        listing: Callable[[], Listing],
        subscription: Subscription,
        snapshot: Snapshot,
    ) -> None:
        """Prepare without connecting. `subscription` signs afresh; `snapshot` reads a venue symbol's depth by REST."""
        self._account_id = account_id
        self._outside = outside
        self._timeouts = timeouts
        self._ids = ids
        self._listing = listing
        self._subscription = subscription
        self._snapshot = snapshot
        self._events = EventQueue(outside)
        self._stream = Stream(
            CHANNEL, Venue.BACKPACK, endpoints.ws_url, self,
            outside=outside, settings=StreamSettings.of(timeouts), events=self._events,
        )  # fmt: skip
        self._venue_symbols: dict[str, str] = {}
        self._books: dict[str, DepthBook] = {}
        self._marks: dict[str, Mark] = {}
        self._spoken = asyncio.Event()
        self._complete = asyncio.Event()
        self._syncs: dict[str, asyncio.Task[None]] = {}
        self._price_at: datetime | None = None
        self._refused: str | None = None
        self._gaps = 0
        self._last_heard: dict[str, datetime] = {}

    async def start(self, symbols: Sequence[str]) -> None:
        """Connect, subscribe books, marks and orders in one signed frame; return when all books and marks are there.

        Raises AuthenticationFailed when the signature is refused, VenueUnreachable when it takes too long,
        VenueRejected for a market the venue does not have, ValueError without any market.
        """
        if not symbols:
            raise ValueError("a feed needs at least one market")
        for symbol in symbols:
            market = self._listing().market(symbol)
            self._venue_symbols[market.venue_symbol] = symbol
            self._books[symbol] = DepthBook(symbol, snapshot_rows=build.DEPTH_ROWS_MAX)
        await self._stream.start()
        try:
            async with asyncio.timeout(self._timeouts.stream_start_s):
                await self._complete.wait()
        except TimeoutError:
            missing = [s for s in symbols if not self._books[s].is_live or s not in self._marks]
            await self.aclose()
            if self._refused is not None:
                raise AuthenticationFailed(self._refused, venue="backpack", account=self._account_id) from None
            raise VenueUnreachable(
                f"backpack: no live book and mark of {', '.join(missing)} in time", venue="backpack"
            ) from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the stream and every task behind it; safe to call twice."""
        await self._stream.aclose()
        self._stop_syncs()
        await asyncio.gather(*self._syncs.values(), return_exceptions=True)
        self._syncs.clear()
        self._forget()

    def book(self, symbol: str) -> Book | None:
        """Return the live book (at most 50 levels a side), or None while its continuity is not proven."""
        live = self._books.get(symbol)
        return live.book() if live is not None and self._stream.is_up else None

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark price, or None before the first one and while disconnected."""
        return self._marks.get(symbol)

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take all private events since the last call, in order of arrival."""
        return self._events.drain()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until a private event is ready to drain; False when the time is up first."""
        return await self._events.wait(timeout_s)

    def health(self) -> FeedHealth:
        """Say how the stream is; public_up needs every book to be live as well.

        Channels are orders, positions, balances, and book and mark of each market ("book ETH/USD"). The three private
        ones speak only when something changes.
        """
        is_up = self._stream.is_up
        books_live = all(book.is_live for book in self._books.values())
        return FeedHealth(
            public_up=is_up and books_live,
            private_up=is_up,
            last_message_at=self._stream.last_message_at,
            reconnects=self._stream.reconnects,
            gaps=self._gaps,
            last_heard=dict(self._last_heard),
        )

    async def opened(self, send: Send) -> None:
        """Subscribe with a fresh signature and wait for the first price, then fetch the snapshots."""
        self._forget()
        await send(build.subscribe(self._stream_names(), self._subscription()))
        await self._spoken.wait()
        for symbol in self._books:
            self._sync(symbol)

    def received(self, frame: str | bytes) -> None:
        """Take one frame; raise a VenueError to end a connection whose state cannot be proven."""
        now = self._outside.clock()
        envelope = parse.read_frame(frame)
        if envelope.error is not None:
            self._complain(envelope.error)
            return
        if envelope.stream is None:
            return
        kind = envelope.stream.partition(".")[0]
        if kind == "depth":
            self._take_depth(wire.read(wire.DepthEvent, envelope.payload, "depth event"), now)
        elif kind == "markPrice":
            self._take_mark(wire.read(wire.MarkEvent, envelope.payload, "mark event"), now)
        elif envelope.stream.startswith(ORDERS):
            self._take_order(wire.read(wire.OrderEvent, envelope.payload, "order event"), now)
        elif envelope.stream.startswith(POSITIONS):
            self._take_position(envelope.payload, now)
        elif envelope.stream.startswith(BALANCES):
            self._take_balance(envelope.payload, now)
        self._look_whether_complete()

    def lost(self) -> None:
        """Forget what only a living connection can prove."""
        self._forget()

    def heartbeat(self) -> str | None:
        """Beat with WebSocket pings; raise VenueUnreachable when prices stopped although the socket still lives."""
        if self._price_at is not None:
            silent_s = (self._outside.clock() - self._price_at).total_seconds()
            if silent_s > self._timeouts.stream_silence_s:
                raise VenueUnreachable(f"backpack: no price for {silent_s:.0f} s", venue="backpack")
        return None

    def _stream_names(self) -> list[str]:
        depths = [f"depth.{venue_symbol}" for venue_symbol in self._venue_symbols]
        return [
            ORDERS,
            POSITIONS,
            BALANCES,
            *depths,
            *(f"markPrice.{venue_symbol}" for venue_symbol in self._venue_symbols),
        ]

    def _complain(self, problem: wire.StreamProblem) -> None:
        text = f"backpack refused the stream: {problem.code} {problem.message[:120]}"
        if problem.code == INVALID_SIGNATURE:
            self._refused = text
            raise AuthenticationFailed(text, venue="backpack", account=self._account_id)
        raise VenueRejected(text, venue="backpack", account=self._account_id)

    def _take_depth(self, event: wire.DepthEvent, now: datetime) -> None:
        symbol = self._venue_symbols.get(event.symbol)
        if symbol is None:
            raise ProtocolViolation("backpack: depth of a market that was not asked for", venue="backpack")
        self._last_heard[f"book {symbol}"] = now
        if self._books[symbol].apply(event, now) is Joined.GAP:
            self._gaps += 1
            log.warning("venue=backpack account=%s symbol=%s book gap; asking again", self._account_id, symbol)
            self._sync(symbol)

    def _take_mark(self, event: wire.MarkEvent, now: datetime) -> None:
        symbol = self._venue_symbols.get(event.symbol)
        if symbol is None:
            raise ProtocolViolation("backpack: a price of a market that was not asked for", venue="backpack")
        self._last_heard[f"mark {symbol}"] = now
        self._marks[symbol] = parse.mark_of(event, symbol, now)
        self._price_at = now
        self._spoken.set()

    def _take_order(self, event: wire.OrderEvent, now: datetime) -> None:
        """Queue the execution before the state it led to. Spot orders (collateral conversion) are not reported."""
        self._last_heard["orders"] = now
        if event.symbol not in self._listing().symbol_of:
            return
        facts = parse.Facts(self._account_id, self._listing(), self._ids)
        fill = parse.fill_of_event(event, facts, now)
        report = parse.report_of_event(event, facts, now)
        if fill is not None:
            self._events.put(FillUpdate(fill))
        self._events.put(OrderUpdate(report))

    def _take_position(self, payload: object, now: datetime) -> None:
        """Queue a position; right after subscribing the open ones come once."""
        event = self._told(wire_account.PositionEvent, payload, "positions", now)
        if event is not None and event.symbol in self._listing().symbol_of:
            facts = parse.Facts(self._account_id, self._listing(), self._ids)
            self._events.put(PositionUpdate(parse_account.position_of_event(event, facts, now)))

    def _take_balance(self, payload: object, now: datetime) -> None:
        event = self._told(wire_account.BalanceEvent, payload, "balances", now)
        if event is not None:
            self._events.put(BalanceUpdate(parse_account.balance_of_event(event, self._account_id, now)))

    def _told(self, model: type[wire.M], payload: object, channel: str, now: datetime) -> wire.M | None:
        """Read what only informs; unreadable it is not heard, and books and orders go on: REST still tells it."""
        try:
            event = wire.read(model, payload, f"{channel} event")
        except ProtocolViolation as violation:
            log.warning("venue=backpack account=%s %s", self._account_id, violation.message)
            return None
        self._last_heard[channel] = now
        return event

    def _sync(self, symbol: str) -> None:
        """Start fetching a snapshot for one book unless that is under way; one task per market at most."""
        running = self._syncs.get(symbol)
        if running is None or running.done() or running.cancelling():
            self._syncs[symbol] = asyncio.create_task(self._fetch_until_live(symbol), name=f"backpack-depth-{symbol}")

    async def _fetch_until_live(self, symbol: str) -> None:
        """Ask for snapshots until one joins the stream. Attempts end with the connection; their rate is bounded."""
        venue_symbol = self._listing().market(symbol).venue_symbol
        book, pause_s = self._books[symbol], SNAPSHOT_RETRY_S
        while not book.is_live:
            try:
                snapshot, received_time = await self._snapshot(venue_symbol)
            except VenueError as failure:
                log.warning("venue=backpack symbol=%s no depth snapshot: %s", symbol, failure)
            else:
                if book.join(snapshot, received_time) is Joined.LIVE:
                    self._look_whether_complete()
                    return
            await self._outside.sleep(pause_s * self._outside.rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, SNAPSHOT_RETRY_S_MAX)

    def _look_whether_complete(self) -> None:
        if all(book.is_live and symbol in self._marks for symbol, book in self._books.items()):
            self._complete.set()

    def _forget(self) -> None:
        self._spoken.clear()
        self._complete.clear()
        self._stop_syncs()
        self._marks.clear()
        self._price_at = None
        self._last_heard.clear()
        for book in self._books.values():
            book.reset()

    def _stop_syncs(self) -> None:
        for task in self._syncs.values():
            task.cancel()
