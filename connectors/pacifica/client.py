"""One account on Pacifica by REST: it asks and sends, parse.py and outcomes.py understand. It decides nothing.

Source: docs.pacifica.fi, REST API. Reads are unsigned (any address can be read), commands are signed POSTs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import httpx

from connectors.clock import ClockOffset
from connectors.http import Answer
from connectors.pacifica import build, outcomes, parse, parse_orders, reading, wire
from connectors.pacifica.capabilities import CAPABILITIES
from connectors.pacifica.desk import PacificaDesk
from connectors.pacifica.feed import PacificaFeed
from connectors.pacifica.market_data import PacificaMarketData
from connectors.pacifica.records import PacificaRecords
from connectors.pacifica.rest import DATE_RESOLUTION, PacificaRest
from connectors.pacifica.tape import PacificaTape
from connectors.settings import Endpoints, Outside, PacificaKeys, Timeouts
from connectors.venue import Accepted, CancelOutcome, NotFound, NotSent, PlaceOutcome, TradeBusted, VenueFeed
from core.account import Margin, Position
from core.errors import NotOffered, VenueRejected
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Mark
from core.order import Fill, OrderIntent, OrderReport

# Stop paging a newest-first history once it is older than what is sought, with room for skewed clocks.
CLOCK_MARGIN = timedelta(minutes=5)
# GET /trades/history takes at most 30 days at once.
SPAN_MAX = timedelta(days=29)
SPANS_MAX = 200
MARKETS_FRESH_FOR = timedelta(minutes=1)


class PacificaClient:
    """See connectors.venue.VenueClient for the contract; here stand only Pacifica's own traits.

    Market intents go as IOC limit orders at the intent's price. Self-trade prevention is fixed by the venue
    (the resting order is cancelled); one-way positions only. There is no server-time endpoint: the clock is read
    from the Date header (1 s resolution) and refined by the newest price stamp of the same answer.
    """

    venue = Venue.PACIFICA
    capabilities = CAPABILITIES

    def __init__(
        self,
        account_id: str,
        keys: PacificaKeys,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Read the keys (ConfigurationError when they do not fit) and prepare; nothing is connected yet."""
        self.account_id = account_id
        self._outside = outside
        self._rest = PacificaRest(keys, endpoints, outside, timeouts, transport, account_id=account_id)
        self._markets: dict[str, Market] = {}
        self._markets_at: datetime | None = None
        self.feed: VenueFeed = PacificaFeed(
            account_id, keys.account, endpoints.ws_url, outside, timeouts, headers=self._rest.headers
        )
        self.market_data = PacificaMarketData(self._rest)
        self.records = PacificaRecords(account_id, self._rest, self.markets)
        self.desk = PacificaDesk(account_id, self._rest, self.records, lambda: self._markets)
        self.tape = PacificaTape(endpoints.ws_url, outside, timeouts, headers=self._rest.headers)

    # ---- life --------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Warm the connections, learn markets, fees and the clock offset.

        Reads are unsigned here, so a wrong or unbound agent key only shows with the first order (Rejected, AUTH).
        """
        await self.measure_clock()
        await self.markets()

    async def aclose(self) -> None:
        """Close streams and connections; safe to call twice."""
        await self.feed.aclose()
        await self.tape.aclose()
        await self._rest.aclose()

    def wire_client_id(self, client_order_id: str) -> str:
        """Return the id as the venue sees it: the same UUID text."""
        return client_order_id

    # ---- market reads ------------------------------------------------------------------------------------------

    async def markets(self) -> Mapping[str, Market]:
        """Return the perpetual markets with this account's fees; read again when older than a minute."""
        now = self._outside.clock()
        if self._markets_at is None or now - self._markets_at > MARKETS_FRESH_FOR:
            listed, _ = await self._rest.read("/info")
            state, _ = await self._rest.read("/account", {"account": self._rest.account})
            self._markets = parse.markets(reading.rows(wire.MarketRow, listed), parse.account_state(state))
            self._markets_at = now
        return dict(self._markets)

    async def book(self, symbol: str) -> Book:
        """Read ten levels a side."""
        params = {"symbol": build.venue_symbol_of(symbol), "agg_level": "1"}
        answer, received = await self._rest.read("/book", params)
        return parse.book(parse.book_snapshot(answer), received)

    async def mark(self, symbol: str) -> Mark:
        """Read mark and oracle price."""
        row, received = await self._price_row(symbol)
        return parse.mark(row, received)

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Read the running hourly estimate of the coming settlement (next_funding)."""
        row, received = await self._price_row(symbol)
        return parse.funding_rate(row, received)

    async def server_time(self) -> datetime:
        """Read the venue's clock: the Date header, refined by the newest price stamp of the same answer.

        The header cuts off fractions, so the true time is at most a second later; a stamp within that second says
        more exactly how much later, one outside of it says nothing. The error is below a second plus the way back.
        """
        answer = await self._rest.get("/info/prices")
        dated = reading.http_date(answer.headers)
        priced = reading.rows(wire.PriceRow, reading.envelope(answer.status, answer.headers, answer.body))
        stamps = [reading.moment(row.timestamp) for row in priced]
        return max([dated, *(stamp for stamp in stamps if stamp - dated < DATE_RESOLUTION)])

    @property
    def spares_questions(self) -> bool:
        """True without a config key: one question reads a history for 12 of 100 credits a minute."""
        return self._rest.spares_history

    @property
    def clock_offset(self) -> ClockOffset | None:
        """Return the offset measured last."""
        return self._rest.clock_offset

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock by its Date header; signing and order validity follow it."""
        return await self._rest.measure_clock()

    # ---- account reads -----------------------------------------------------------------------------------------

    async def margin(self) -> Margin:
        """Read equity and margin of the account."""
        answer, received = await self._rest.read("/account", {"account": self._rest.account})
        return parse.margin(self.account_id, parse.account_state(answer), received)

    async def positions(self) -> Sequence[Position]:
        """Read all positions. unrealized_pnl is reckoned from the feed's mark and None where the feed has none."""
        answer, received = await self._rest.read("/positions", {"account": self._rest.account})
        found = []
        for row in reading.rows(wire.PositionRow, answer):
            live = self.feed.mark(build.symbol_of(row.symbol))
            found.append(parse.position(self.account_id, row, live.mark if live else None, received))
        return found

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Read the resting orders of one market, untriggered stops included."""
        return [report for report in await self._all_open_orders() if report.symbol == symbol]

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Ask the open orders, then the order's own events, then the whole history back to the intent's time.

        Raises instead of answering NotFound when any of these did not answer.
        """
        asked_at = self._outside.clock()

        def is_it(report: OrderReport) -> bool:
            if report.client_order_id is not None:
                return report.client_order_id.lower() == intent.client_order_id.lower()
            return venue_order_id is not None and report.venue_order_id == venue_order_id

        for report in await self._all_open_orders(is_question=True):
            if is_it(report):
                return report
        by_events = await self._order_by_events(venue_order_id) if venue_order_id else None
        if by_events is not None and is_it(by_events):
            return by_events
        for report in await self._past_orders(back_to=intent.created_at - CLOCK_MARGIN):
            if is_it(report):
                return report
        return NotFound(self.venue, intent.client_order_id, asked_at)

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Read all executions since a time, oldest first, each once; the dearest of reads."""
        floor_ms = build.millis_of(since)
        found: dict[str, Fill] = {}
        for start, stop in self._spans(since):
            query = build.trades_query(self._rest.account, symbol, start=start, stop=stop)
            listed, received = await self._rest.pages("/trades/history", query, wire.TradeRow, is_question=is_question)
            for row in listed:
                if row.created_at >= floor_ms and build.symbol_of(row.symbol) == symbol:
                    found[str(row.history_id)] = parse_orders.fill(self.account_id, row, received)
        return sorted(found.values(), key=lambda fill: (fill.venue_time, int(fill.trade_id)))

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """No list of them is known: an undone trade is missing from the executions."""
        return ()

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Read all booked payments since a time, oldest first, each once; the venue filters by neither."""
        query = {"account": self._rest.account, "limit": str(build.PAGE_ROWS)}
        floor_ms = build.millis_of(since)
        listed, received = await self._rest.pages("/funding/history", query, wire.FundingRow, back_to=since)
        found = {
            row.history_id: parse.funding_payment(self.account_id, row, received)
            for row in listed
            if row.created_at >= floor_ms and build.symbol_of(row.symbol) == symbol
        }
        return sorted(found.values(), key=lambda payment: (payment.paid_at, int(payment.payment_id)))

    # ---- commands ----------------------------------------------------------------------------------------------

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Send one order once. See build.create_order for how each type goes over the wire."""
        market = self._markets.get(intent.symbol)
        if market is None or intent.venue is not self.venue or intent.account_id != self.account_id:
            return NotSent(f"pacifica: {intent.symbol} of {intent.account_id} is not traded by this client")
        try:
            command = build.create_order(intent, market)
        except NotOffered as lacking:
            return NotSent(lacking.message)
        answer = await self._rest.send(command, intent)
        if not isinstance(answer, Answer):
            return answer
        order_id = outcomes.order_id_of(answer.body) if 200 <= answer.status < 300 else None
        if order_id is None:
            return outcomes.refused_order(answer.status, answer.body)
        return Accepted(
            parse_orders.taken_report(
                self.account_id, intent.symbol, intent.client_order_id, order_id, answer.received_at
            )
        )

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel one order. A cancel turned away unseen (rate, signature) is NotSent."""
        command = build.cancel_order(intent.symbol, intent.client_order_id, venue_order_id)
        return await self._cancel(command)

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Ask to cancel every order of one market, stops and reduce-only orders included."""
        return await self._cancel(build.cancel_all_orders(symbol))

    async def _cancel(self, command: build.Command) -> CancelOutcome:
        answer = await self._rest.send(command)
        return answer if not isinstance(answer, Answer) else outcomes.cancel_outcome(answer.status, answer.body)

    # ---- several answers made one ------------------------------------------------------------------------------

    def _spans(self, since: datetime) -> list[tuple[datetime, datetime | None]]:
        """Cut the time since then into spans the venue takes; the last is open, so that no clock can cut it short."""
        now = self._rest.venue_now
        if now - since > SPAN_MAX * SPANS_MAX:
            raise VenueRejected(f"pacifica: fills since {since:%Y-%m-%d} are further back than can be read")
        spans: list[tuple[datetime, datetime | None]] = []
        while now - since > SPAN_MAX:
            spans.append((since, since + SPAN_MAX))
            since += SPAN_MAX
        return [*spans, (since, None)]

    async def _price_row(self, symbol: str) -> tuple[wire.PriceRow, datetime]:
        answer, received = await self._rest.read("/info/prices")
        return parse.price_row(reading.rows(wire.PriceRow, answer), build.venue_symbol_of(symbol)), received

    async def _all_open_orders(self, *, is_question: bool = False) -> list[OrderReport]:
        query = {"account": self._rest.account}
        answer, received = await self._rest.read("/orders", query, is_question=is_question)
        return [
            parse_orders.open_order(self.account_id, row, received) for row in reading.rows(wire.OpenOrderRow, answer)
        ]

    async def _order_by_events(self, venue_order_id: str) -> OrderReport | None:
        """Ask for one order's events; an unknown id is answered with 404 or with an empty list."""
        try:
            query = {"order_id": venue_order_id}
            answer, received = await self._rest.read("/orders/history_by_id", query, is_question=True)
        except VenueRejected as refused:
            if refused.details.get("status") == 404:
                return None
            raise
        events = reading.rows(wire.OrderEventRow, answer)
        return parse_orders.order_from_events(self.account_id, events, received) if events else None

    async def _past_orders(self, back_to: datetime) -> list[OrderReport]:
        """Read the order history back to a time, newest state first; the venue filters neither by id nor market."""
        query = {"account": self._rest.account, "limit": str(build.PAGE_ROWS)}
        listed, received = await self._rest.pages(
            "/orders/history", query, wire.OrderHistoryRow, back_to=back_to, is_question=True
        )
        newest_first = sorted(listed, key=lambda row: (row.updated_at, row.order_id), reverse=True)
        return [parse_orders.past_order(self.account_id, row, received) for row in newest_first]
