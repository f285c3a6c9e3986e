"""One Backpack account over REST: thin I/O round build, parse and verdict. It decides nothing and retries no command.

How orders are sent: every order is a Limit order. A market order is an IOC limit at intent.price, because the
venue's own market order has no exact bound; post-only orders are refused (400) rather than moved when they would
cross. Self-trade prevention is RejectBoth. Orders that are not post-only wait in the venue's speed bump, so their
answer comes after the matching and holds the executed quantity. (docs.backpack.exchange, REST)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import httpx

from connectors.backpack import build, parse, verdict, wire
from connectors.backpack.capabilities import CAPABILITIES
from connectors.backpack.client_ids import ClientIds
from connectors.backpack.desk import TRIGGER_PENDING, BackpackDesk
from connectors.backpack.feed import BackpackFeed
from connectors.backpack.listing import Listing, parse_listing, parse_terms
from connectors.backpack.market_data import BackpackMarketData
from connectors.backpack.pages import all_pages
from connectors.backpack.records import BackpackRecords
from connectors.backpack.rest import BackpackRest
from connectors.backpack.tape import BackpackTape
from connectors.clock import ClockOffset
from connectors.http import Answer
from connectors.settings import BackpackKeys, Endpoints, Outside, Timeouts
from connectors.venue import CancelOutcome, NotFound, NotSent, PlaceOutcome, TradeBusted, Unknown
from core.account import Margin, Position
from core.errors import ProtocolViolation, VenueRejected
from core.ids import uint32_of
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Mark
from core.numbers import ZERO
from core.order import Fill, OrderIntent, OrderReport, OrderStatus

BOOK_ROWS = 50
# An order found by its 32-bit id must not be older than the intent by more than the clocks may differ.
CLOCK_SLACK = timedelta(seconds=60)
MILLISECOND = timedelta(milliseconds=1)


class BackpackClient:
    """One account (one subaccount's API key) on Backpack."""

    venue = Venue.BACKPACK
    capabilities = CAPABILITIES

    def __init__(
        self,
        account_id: str,
        keys: BackpackKeys,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare without connecting; raise ConfigurationError for keys that cannot be used."""
        self.account_id = account_id
        self._outside = outside
        self._rest = BackpackRest(account_id, keys, endpoints, outside, timeouts, transport=transport)
        self._ids = ClientIds()
        self._known_listing: Listing | None = None
        self.feed = BackpackFeed(
            account_id, endpoints, outside, timeouts,
            ids=self._ids, listing=self._listing, subscription=self._rest.subscription, snapshot=self._snapshot,
        )  # fmt: skip
        self.market_data = BackpackMarketData(self._rest, self._market)
        self.records = BackpackRecords(account_id, self._rest, self._market, self._facts)
        self.desk = BackpackDesk(
            self._rest, self.records, self._ids, market=self._market, facts=self._facts, mark=self.mark
        )
        self.tape = BackpackTape(endpoints, outside, timeouts, self._market)

    async def connect(self) -> None:
        """Measure the clock offset, prove the keys on a signed read, and learn the markets."""
        await self.measure_clock()
        await self.markets()

    async def aclose(self) -> None:
        """Close streams and connections; safe to call twice."""
        await self.tape.aclose()
        await self.feed.aclose()
        await self._rest.aclose()

    def wire_client_id(self, client_order_id: str) -> str:
        """Return the id by which the venue knows an order: 32 bits of the client order id, in decimal.

        Whoever asks for it is about to look for the order, so it is remembered as one of ours.
        """
        self._ids.remember(client_order_id)
        return str(uint32_of(client_order_id))

    async def markets(self) -> Mapping[str, Market]:
        """Return the open perpetual markets by symbol, with this account's own fees and leverage limit."""
        terms = parse_terms((await self._rest.ask(build.account())).body)
        answer = await self._rest.read("/api/v1/markets")
        self._known_listing = parse_listing(answer.body, terms)
        return self._known_listing.open_markets

    async def book(self, symbol: str) -> Book:
        """Read the book once by REST, at most 50 levels a side."""
        market = self._market(symbol)
        answer = await self._rest.read("/api/v1/depth", {"symbol": market.venue_symbol, "limit": str(BOOK_ROWS)})
        return parse.book_of(parse.parse_depth(answer.body), symbol, answer.received_at)

    async def mark(self, symbol: str) -> Mark:
        """Read mark and index once by REST; a cache of the venue may have held the answer for up to four seconds."""
        market = self._market(symbol)
        answer = await self._rest.read("/api/v1/markPrices", {"symbol": market.venue_symbol})
        return parse.parse_mark(answer.body, market, answer.received_at)

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Read the estimate of the running interval; the interval is the market's own (one hour at present)."""
        market = self._market(symbol)
        answer = await self._rest.read("/api/v1/markPrices", {"symbol": market.venue_symbol})
        return parse.parse_funding_rate(answer.body, market, answer.received_at)

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        return await self._rest.server_time()

    @property
    def spares_questions(self) -> bool:
        """Questions cost what any read costs."""
        return False

    @property
    def clock_offset(self) -> ClockOffset | None:
        """The venue's clock against ours as measured last, None before connecting."""
        return self._rest.clock_offset

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock against ours now; signing and order validity follow it."""
        return await self._rest.measure_clock()

    async def margin(self) -> Margin:
        """Read equity and margin; active is False while the venue liquidates the account."""
        terms = parse_terms((await self._rest.ask(build.account())).body)
        answer = await self._rest.ask(build.collateral())
        return parse.parse_margin(
            answer.body,
            is_liquidating=terms.is_liquidating,
            account_id=self.account_id,
            received_time=answer.received_at,
        )

    async def positions(self) -> Sequence[Position]:
        """Read all open positions, each again by itself because only then the venue computes a liquidation price."""
        answer = await self._rest.ask(build.position())
        found = []
        for row in parse.parse_position_rows(answer.body):
            position = await self._position(row.symbol)
            if position is not None:
                found.append(position)
        return tuple(found)

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Send one order, once. The venue refuses it when it arrives after intent.valid_until (at most 60 s ahead)."""
        market = self._market(intent.symbol)
        client_id = uint32_of(intent.client_order_id)
        request = build.place_order(intent, market, client_id)
        if not self._ids.remember(intent.client_order_id):
            return NotSent(f"backpack: client id {client_id} stands for another order; use the next attempt")
        answer = await self._rest.command(request, valid_until=intent.valid_until, is_urgent=intent.is_urgent)
        if not isinstance(answer, Answer):
            return answer
        return verdict.place_outcome(answer, intent, client_id, self._facts())

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel one order by venue order id where known, else by client id."""
        request = build.cancel_order(
            self._market(intent.symbol).venue_symbol,
            venue_order_id=venue_order_id,
            client_id=uint32_of(intent.client_order_id),
        )
        return self._cancelled(await self._rest.command(request))

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Ask to cancel every own order of one market, conditional ones included."""
        return self._cancelled(await self._rest.command(build.cancel_all(self._market(symbol).venue_symbol)))

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Ask what became of an order: resting orders, then history, then executions (history may lag behind them).

        NotFound only when all three answered. An order known by executions alone is ACCEPTED until all of it filled.
        """
        if not self._ids.remember(intent.client_order_id):
            raise VenueRejected(
                f"backpack: the client id of {intent.client_order_id} stands for another order", venue="backpack"
            )
        asked_at = self._outside.clock()
        report = (
            await self._resting(intent, venue_order_id)
            or await self._ended(intent, venue_order_id)
            or await self._executed(intent, venue_order_id)
        )
        return report or NotFound(self.venue, intent.client_order_id, asked_at)

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Read the account's resting orders of one market, without those that still wait for a price.

        Those of other clients, or from before a restart, have no client order id; the venue's own id tells.
        """
        answer = await self._rest.ask(build.resting_orders(self._market(symbol).venue_symbol))
        facts = self._facts()
        rows = [row for row in parse.parse_orders(answer.body) if row.status != TRIGGER_PENDING]
        return tuple(parse.report_of(row, facts, answer.received_at) for row in rows)

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Read all executions since a time (inclusive, to the millisecond), oldest first, ADL and liquidations too."""
        venue_symbol, facts = self._market(symbol).venue_symbol, self._facts()
        from_ms = (since - wire.EPOCH) // MILLISECOND
        found: dict[str, Fill] = {}

        async def page(offset: int) -> tuple[int, int]:
            answer = await self._rest.ask(build.fill_history(venue_symbol, from_ms=from_ms, offset=offset))
            rows = parse.parse_fill_rows(answer.body)
            for row in rows:
                fill = parse.fill_of(row, facts, answer.received_at)
                found.setdefault(fill.trade_id, fill)
            return len(rows), parse.rows_left(answer.headers, offset, len(rows))

        await all_pages(page, "fills")
        earliest = wire.EPOCH + from_ms * MILLISECOND
        wanted = (fill for fill in found.values() if fill.venue_time >= earliest)
        return tuple(sorted(wanted, key=lambda fill: fill.venue_time))

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """No list of them is known: an undone trade shows as an execution against the side of its own order."""
        return ()

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Read all booked funding payments since a time (inclusive), oldest first."""
        venue_symbol, facts = self._market(symbol).venue_symbol, self._facts()
        found: dict[str, FundingPayment] = {}

        async def page(offset: int) -> tuple[int, int]:
            answer = await self._rest.ask(build.funding_history(venue_symbol, offset=offset))
            rows = parse.parse_funding_rows(answer.body)
            for row in rows:
                payment = parse.payment_of(row, facts, answer.received_at)
                found.setdefault(payment.payment_id, payment)
            is_past = bool(rows) and rows[-1].interval_end_timestamp < since
            return len(rows), 0 if is_past else parse.rows_left(answer.headers, offset, len(rows))

        await all_pages(page, "funding history")
        wanted = (payment for payment in found.values() if payment.paid_at >= since)
        return tuple(sorted(wanted, key=lambda payment: payment.paid_at))

    async def _position(self, venue_symbol: str) -> Position | None:
        """Read one position; with a symbol the venue answers 404 when it is flat."""
        answer = await self._rest.ask(build.position(venue_symbol), or_absent=True)
        if answer.status != 200:
            return None
        for row in parse.parse_position_rows(answer.body):
            if row.symbol == venue_symbol:
                return parse.position_of(row, self._facts(), answer.received_at)
        return None

    async def _resting(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | None:
        request = build.resting_order(
            self._market(intent.symbol).venue_symbol,
            venue_order_id=venue_order_id,
            client_id=uint32_of(intent.client_order_id),
        )
        answer = await self._rest.ask(request, or_absent=True)
        if answer.status != 200:
            return None
        return self._report_if_ours(parse.parse_order(answer.body), intent, venue_order_id, answer)

    async def _ended(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | None:
        """Look through history, newest first, back to the intent's creation."""
        venue_symbol = self._market(intent.symbol).venue_symbol
        found: list[OrderReport] = []

        async def page(offset: int) -> tuple[int, int]:
            request = build.order_history(venue_symbol, venue_order_id=venue_order_id, offset=offset)
            answer = await self._rest.ask(request)
            rows = parse.parse_orders(answer.body)
            for row in rows:
                report = self._report_if_ours(row, intent, venue_order_id, answer)
                if report is not None:
                    found.append(report)
            is_past = bool(rows) and rows[-1].created_at < intent.created_at - CLOCK_SLACK
            is_done = bool(found) or is_past
            return len(rows), 0 if is_done else parse.rows_left(answer.headers, offset, len(rows))

        await all_pages(page, "order history")
        return found[0] if found else None

    async def _executed(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | None:
        fills = [
            fill
            for fill in await self.fills(intent.symbol, intent.created_at - CLOCK_SLACK)
            if fill.side is intent.side
            and (fill.venue_order_id == venue_order_id or fill.client_order_id == intent.client_order_id)
        ]
        if not fills:
            return None
        filled = sum((fill.quantity for fill in fills), ZERO)
        paid = sum((fill.quantity * fill.price for fill in fills), ZERO)
        last = fills[-1]
        return OrderReport(
            self.venue,
            self.account_id,
            intent.symbol,
            intent.client_order_id,
            last.venue_order_id,
            OrderStatus.FILLED if filled == intent.quantity else OrderStatus.ACCEPTED,
            filled,
            paid / filled,
            None,
            last.venue_time,
            last.received_time,
        )

    def _report_if_ours(
        self, row: wire.OrderRow, intent: OrderIntent, venue_order_id: str | None, answer: Answer
    ) -> OrderReport | None:
        """Return the report of a row that is this intent's order; a 32-bit id proves it only with age and side."""
        market = self._market(intent.symbol)
        if venue_order_id is not None:
            is_named = row.id == venue_order_id
        else:
            is_young = row.created_at >= intent.created_at - CLOCK_SLACK
            is_named = row.client_id == uint32_of(intent.client_order_id) and is_young
        if not is_named or row.symbol != market.venue_symbol or parse.side_of(row.side) is not intent.side:
            return None
        return parse.report_of(row, self._facts(), answer.received_at)

    async def _snapshot(self, venue_symbol: str) -> tuple[wire.DepthRow, datetime]:
        answer = await self._rest.read("/api/v1/depth", {"symbol": venue_symbol, "limit": str(build.DEPTH_ROWS_MAX)})
        return parse.parse_depth(answer.body), answer.received_at

    def _cancelled(self, answer: Answer | NotSent | Unknown) -> CancelOutcome:
        return verdict.cancel_outcome(answer) if isinstance(answer, Answer) else answer

    def _facts(self) -> parse.Facts:
        return parse.Facts(self.account_id, self._listing(), self._ids)

    def _listing(self) -> Listing:
        if self._known_listing is None:
            raise ProtocolViolation("backpack: connect() comes before anything about markets", venue="backpack")
        return self._known_listing

    def _market(self, symbol: str) -> Market:
        return self._listing().market(symbol)
