"""One account on Paradex: read, build, sign, send, classify. Thin: what words mean is decided in parse, outcomes
and build. It never sends an order twice on its own and holds no opinion about what to trade.

docs.paradex.trade: API reference (orders, account, markets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import httpx

from connectors.clock import ClockOffset
from connectors.http import Answer
from connectors.paradex import build, outcomes, parse
from connectors.paradex.auth import StarkCurve, StarkKey, best_curve
from connectors.paradex.capabilities import CAPABILITIES
from connectors.paradex.desk import ParadexDesk
from connectors.paradex.executions import Executions
from connectors.paradex.feed import ParadexFeed
from connectors.paradex.feed_needs import FeedNeeds
from connectors.paradex.market_data import ParadexMarketData
from connectors.paradex.onboarding import ParadexOnboarding
from connectors.paradex.order_writer import OrderWriter
from connectors.paradex.own_sides import OwnSides
from connectors.paradex.records import ParadexRecords
from connectors.paradex.rest import ParadexRest
from connectors.paradex.tape import ParadexTape
from connectors.paradex.wire import (
    AccountRow,
    BookBody,
    FillRow,
    FundingPaymentRow,
    OrderRow,
    read_json,
    shaped,
    violation,
)
from connectors.paradex.wire_account import BustRow
from connectors.settings import Endpoints, Outside, ParadexKeys, Timeouts
from connectors.surface import VenueDesk, VenueMarketData, VenueRecords, VenueTape
from connectors.venue import Accepted, CancelOutcome, NotFound, NotSent, PlaceOutcome, TradeBusted, VenueFeed
from core.account import Margin, Position
from core.errors import VenueError
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Mark
from core.order import Fill, OrderIntent, OrderReport, OrderStatus

SIDE_LOOKUPS_MAX = 50
HISTORY_TRIES = 3
HISTORY_WAIT_S = 0.25


class ParadexClient:
    """One account on Paradex (see VenueClient). Orders are always LIMIT at intent.price; a market order is an IOC.

    Self-trade prevention is EXPIRE_BOTH: should two own orders ever meet, neither stays.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        account_id: str,
        keys: ParadexKeys,
        endpoints: Endpoints,
        outside: Outside,
        timeouts: Timeouts,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        curve: StarkCurve | None = None,
    ) -> None:
        """Prepare without connecting; raises ConfigurationError for a key that cannot be one."""
        self.venue = Venue.PARADEX
        self.account_id = account_id
        self._key = StarkKey.of(keys)
        self._outside = outside
        self._rest = ParadexRest(
            account_id, self._key, endpoints, outside, timeouts, curve=curve or best_curve(), transport=transport
        )
        self._sides = OwnSides()
        self._writer = OrderWriter(self._rest, self._sides, outside)
        self._executions = Executions()
        self._listing: build.Listing | None = None
        needs = FeedNeeds(
            account_id=account_id,
            listing=self._require_listing,
            tokens=self._rest.tokens,
            sides=self._sides,
            learn_sides=self._learn_sides,
            read_mark=self.mark,
            read_busts=self._busts,
            executions=self._executions,
        )
        self.feed: VenueFeed = ParadexFeed(needs, endpoints, outside, timeouts)
        listing = self._require_listing
        self._facts = ParadexMarketData(self._rest, listing, outside)
        self.market_data: VenueMarketData = self._facts
        self.records: VenueRecords = ParadexRecords(account_id, self._key.account, self._rest, listing, outside)
        self.desk: VenueDesk = ParadexDesk(account_id, self._rest, self._writer, listing, outside)
        self.onboarding = ParadexOnboarding(self._key, self._rest)
        self.tape: VenueTape = ParadexTape(listing, endpoints, outside, timeouts)

    async def connect(self) -> None:
        """Learn chain and clock, get a token and keep it fresh, read markets and fees.

        Raises ProtocolViolation when the chain is not this host's, AuthenticationFailed when no token is given.
        """
        await self._rest.open()
        await self.markets()

    async def aclose(self) -> None:
        """Close streams, token renewal and connections; safe to call twice."""
        await self.tape.aclose()
        await self.feed.aclose()
        await self._rest.aclose()

    def wire_client_id(self, client_order_id: str) -> str:
        """Return the client order id as the venue sees it: unchanged."""
        return client_order_id

    # --- markets -------------------------------------------------------------------------------------------------

    async def markets(self) -> Mapping[str, Market]:
        """Return the open perpetuals by symbol, with this account's fees where /account/info states them."""
        info = await self._rest.results("/v1/account/info", "account info")
        rows = await self._rest.results("/v1/markets", "markets", public=True)
        found = parse.markets(rows, parse.own_fees(info, self._key.account))
        self._listing = build.Listing.of(found)
        return found

    async def book(self, symbol: str) -> Book:
        """Read the book once (orders by API only, no retail price improvement)."""
        market = self._market(symbol)
        path = f"/v1/orderbook/{market.venue_symbol}"
        body = await self._rest.fetch(BookBody, path, "book", {"depth": str(build.BOOK_DEPTH)}, public=True)
        if body.market != market.venue_symbol:
            raise violation(f"asked for the book of {market.venue_symbol}, got {body.market}")
        return parse.book(body, symbol, self._outside.clock())

    async def mark(self, symbol: str) -> Mark:
        """Read mark and underlying price once."""
        row = await self._facts.summary(self._market(symbol))
        return parse.mark(row, symbol, self._outside.clock())

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Read the running rate, a fraction per the market's own period."""
        market = self._market(symbol)
        return parse.funding_rate(await self._facts.summary(market), market, self._outside.clock())

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        return await self._rest.server_time()

    @property
    def spares_questions(self) -> bool:
        """Questions cost what any read costs."""
        return False

    @property
    def clock_offset(self) -> ClockOffset | None:
        """The venue's clock minus ours as measured last (with every new token); None before connect()."""
        return self._rest.clock_offset

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock anew; signatures follow it, by the bound's earlier end."""
        return await self._rest.measure_clock()

    # --- account -------------------------------------------------------------------------------------------------

    async def margin(self) -> Margin:
        """Read the account's money in USDC."""
        row = await self._rest.fetch(AccountRow, "/v1/account", "account")
        return parse.margin(row, self.account_id, self._outside.clock())

    async def positions(self) -> Sequence[Position]:
        """Read all open positions."""
        rows = await self._rest.results("/v1/positions", "positions")
        return parse.positions(rows, self.account_id, self._require_listing(), self._outside.clock())

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Read all executions since a time (inclusive), oldest first, each once, direction from the own order."""
        market = self._market(symbol)
        params = {"market": market.venue_symbol, "start_at": str(build.millis(since))}
        rows = [shaped(FillRow, raw, "fill") for raw in await self._rest.all_pages("/v1/fills", "fills", params)]
        rows = [row for row in rows if row.market == market.venue_symbol]
        await self._learn_makers(rows, market)
        received, listing = self._outside.clock(), self._require_listing()
        sides = [self._sides.of(row.client_id, row.order_id) for row in rows]
        read = [
            parse.fill(row, self.account_id, listing, side, received) for row, side in zip(rows, sides, strict=True)
        ]
        self._executions.remember((row.id, fill) for row, fill in zip(rows, read, strict=True))
        once = {fill.trade_id: fill for fill in read if fill.venue_time >= _floor_ms(since)}
        return tuple(sorted(once.values(), key=lambda fill: (fill.venue_time, fill.trade_id)))

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Read realised funding since a time (inclusive), oldest first.

        Funding accrues continuously here and is realised only when a position changes: an untouched position has
        no payments although its value moves with the funding index.
        """
        market = self._market(symbol)
        params = {"market": market.venue_symbol, "start_at": str(build.millis(since))}
        raws = await self._rest.all_pages("/v1/funding/payments", "funding payments", params)
        received = self._outside.clock()
        rows = (shaped(FundingPaymentRow, raw, "funding payment") for raw in raws)
        read = (
            parse.funding_payment(row, self.account_id, symbol, received)
            for row in rows
            if row.market == market.venue_symbol
        )
        once = {payment.payment_id: payment for payment in read if payment.paid_at >= _floor_ms(since)}
        return tuple(sorted(once.values(), key=lambda payment: (payment.paid_at, payment.payment_id)))

    # --- orders --------------------------------------------------------------------------------------------------

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Sign and send one order, once.

        Accepted means queued: margin, price band and post-only are judged later and close the order with a
        reason. A refused token is Rejected (code AUTH) and renewed for the next order. Raises PrecisionRefused
        before signing; ValueError for an intent that is not this account's.
        """
        market = self._market_of(intent)
        market.check_price(intent.price)
        market.check_quantity(intent.quantity)
        try:
            token = await self._rest.permit(intent)
        except VenueError as failure:
            return NotSent(failure.message)
        body = await self._writer.order(intent, market)
        if isinstance(body, NotSent):
            return body
        answer = await self._rest.send("POST", "/v1/orders", build.encoded(body), token)
        if not isinstance(answer, Answer):
            return answer
        outcome = outcomes.place_outcome(answer, self.account_id, self._require_listing(), intent.client_order_id)
        if isinstance(outcome, Accepted):
            self._sides.remember(intent.side, outcome.report.venue_order_id)
        return outcome

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel one order. The venue queues it; the end has to be read."""
        market = self._market_of(intent)
        if venue_order_id is not None:
            return await self._cancel(build.order_path(venue_order_id))
        return await self._cancel(build.in_market(build.client_order_path(intent.client_order_id), market))

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Ask to cancel every own order of one market."""
        return await self._cancel(build.in_market("/v1/orders", self._market(symbol)))

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Ask what became of an order: among the open ones, then in the history, the only place of closed ones.

        History comes last because orders only ever move into it. An order whose venue id is known must be
        somewhere, so the history is then asked a few times before NotFound.
        """
        market, asked_at = self._market_of(intent), self._outside.clock()
        self._sides.remember(intent.side, intent.client_order_id, venue_order_id)
        row = await self._open_order(intent, venue_order_id, market)
        tries = 1 if venue_order_id is None else HISTORY_TRIES
        for attempt in range(tries):
            if row is not None:
                break
            if attempt:
                await self._outside.sleep(HISTORY_WAIT_S)
            rows = await self._history(intent.client_order_id, market)
            row = parse.the_order(rows, intent.client_order_id, venue_order_id)
        if row is None:
            return NotFound(Venue.PARADEX, intent.client_order_id, asked_at)
        return parse.order_report(row, self.account_id, self._require_listing(), self._outside.clock())

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Read the account's resting orders of one market; those that wait for a trigger are the desk's."""
        rows = [row for row in await self._resting(self._market(symbol)) if row.status != parse.WAITING]
        listing, received = self._require_listing(), self._outside.clock()
        reports = (parse.order_report(row, self.account_id, listing, received) for row in rows)
        return tuple(report for report in reports if report.status is OrderStatus.ACCEPTED)

    # --- orders, inside ------------------------------------------------------------------------------------------

    async def _open_order(self, intent: OrderIntent, venue_order_id: str | None, market: Market) -> OrderRow | None:
        """Look among open orders. Not yet risk-checked ones are missing by client id, so the list is asked as well."""
        path = build.order_path(venue_order_id) if venue_order_id else build.client_order_path(intent.client_order_id)
        row = await self._lookup(path)
        found = [row] if row is not None else []
        if not found and venue_order_id is None:
            found = await self._resting(market)
        return parse.the_order(found, intent.client_order_id, venue_order_id)

    async def _lookup(self, path: str) -> OrderRow | None:
        answer = await self._rest.read(path)
        if outcomes.says_no_such_order(answer):
            return None
        return shaped(OrderRow, read_json(outcomes.require_ok(answer, "an order"), "order"), "order")

    async def _resting(self, market: Market) -> list[OrderRow]:
        raws = await self._rest.results("/v1/orders", "open orders", {"market": market.venue_symbol})
        rows = [shaped(OrderRow, raw, "open order") for raw in raws]
        return [row for row in rows if row.market == market.venue_symbol]

    async def _history(self, client_order_id: str, market: Market) -> list[OrderRow]:
        params = {"market": market.venue_symbol, "client_id": client_order_id}
        raws = await self._rest.all_pages("/v1/orders-history", "order history", params)
        return [shaped(OrderRow, raw, "past order") for raw in raws]

    async def _cancel(self, path: str) -> CancelOutcome:
        answer = await self._rest.delete(path)
        return outcomes.cancel_outcome(answer) if isinstance(answer, Answer) else answer

    async def _learn_makers(self, rows: Sequence[FillRow], market: Market) -> None:
        """Find the own side of maker fills whose order this client has not seen (after a restart)."""
        unknown = {
            row.client_id
            for row in rows
            if row.liquidity == "MAKER" and row.client_id and self._sides.of(row.client_id, row.order_id) is None
        }
        for client_order_id in sorted(unknown)[:SIDE_LOOKUPS_MAX]:
            for row in await self._history(client_order_id, market):
                self._sides.remember(parse.side_of(row.side), row.id, row.client_id)

    async def _learn_sides(self) -> None:
        """Remember the sides of all resting orders."""
        for raw in await self._rest.results("/v1/orders", "open orders"):
            row = shaped(OrderRow, raw, "open order")
            self._sides.remember(parse.side_of(row.side), row.id, row.client_id)

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """Read what was undone since a time, oldest first; `fills` goes on listing it.

        The symbol is empty where this client has not seen the fill.
        """
        found = [(row, self._executions.of(row.busted_fill_id)) for row in await self._busts(since)]
        return [
            TradeBusted(
                Venue.PARADEX, self.account_id, known.symbol if known else "",
                known.trade_id if known else row.busted_fill_id, parse.moment(row.created_at),
            )
            for row, known in found
        ]  # fmt: skip

    async def _busts(self, since: datetime) -> Sequence[BustRow]:
        """Read the notices of undone trades since a time, oldest first."""
        params = {"start_at": str(build.millis(since))}
        rows = [
            shaped(BustRow, raw, "tradebust") for raw in await self._rest.all_pages("/v1/tradebusts", "busts", params)
        ]
        return sorted((row for row in rows if parse.moment(row.created_at) >= since), key=lambda row: row.created_at)

    # --- state ---------------------------------------------------------------------------------------------------

    def _market(self, symbol: str) -> Market:
        return self._require_listing().market(symbol)

    def _market_of(self, intent: OrderIntent) -> Market:
        if intent.venue is not Venue.PARADEX or intent.account_id != self.account_id:
            raise ValueError(f"intent {intent.client_order_id} belongs to {intent.venue} {intent.account_id}")
        return self._market(intent.symbol)

    def _require_listing(self) -> build.Listing:
        if self._listing is None:
            raise RuntimeError("paradex: connect() first")
        return self._listing


def _floor_ms(moment: datetime) -> datetime:
    """The venue counts in milliseconds, so "since" is compared in them."""
    return parse.moment(build.millis(moment))
