"""A fourth venue, whole and small: what a connector has to offer, with the wire left out.

It fills what crosses a fixed book, rests what does not, and remembers. It shows that a new venue needs nothing but
VenueClient and VenueFeed: no shared module knows it. The list of venue names is closed; until a fourth name stands
in it, this one borrows one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.capabilities import Capabilities, Capability, Entry, Evidence, Support, whole
from connectors.clock import ClockOffset
from connectors.settings import Outside
from connectors.venue import (
    Accepted,
    CancelOutcome,
    CancelRefused,
    CancelTaken,
    FeedEvent,
    FeedHealth,
    FillUpdate,
    NotFound,
    OrderUpdate,
    PlaceOutcome,
    Rejected,
    TradeBusted,
)
from core.account import Margin, Position
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.numbers import ZERO
from core.order import Fill, Liquidity, OrderIntent, OrderReport, OrderStatus, Resting, TimeInForce
from tests.fakes.market_data import FakeMarketData

NAME = Venue.BACKPACK
BASE, QUOTE = "ETH", "USD"
MID, STEP, DEPTH, LEVELS = Decimal(3000), Decimal("0.1"), Decimal(10), 5
LEVERAGE_MAX = 20

_LACKING = {
    "FOK", "STOP_ORDERS", "BATCH_PLACE", "BATCH_CANCEL", "EDIT", "LEVERAGE_MARGIN_MODE", "TRADES", "FUNDING_HISTORY",
    "CANDLES", "STATS_24H", "OPEN_INTEREST", "SYSTEM_STATUS", "BALANCES", "ORDER_HISTORY", "TRANSFERS", "SUBACCOUNTS",
    "RATE_QUOTA", "WITHDRAWALS", "KEY_MANAGEMENT", "PRIVATE_POSITIONS", "PRIVATE_ACCOUNT", "PRIVATE_FUNDING",
    "TRADEBUSTS", "FORCED_TRADES", "FUNDING_PAYMENTS", "BOOK_CONTINUITY", "CLOCK_OFFSET", "ORDER_VALIDITY",
    "FEE_TIER", "ONBOARDING",
}  # fmt: skip
_HERE = Evidence("docs/add_a_venue.md", "2026-11-21")
CAPABILITIES: Capabilities = whole(
    {c: Entry(Support.NEVER if c.name in _LACKING else Support.WORKS, _HERE, quirk="a fake") for c in Capability}
)


@dataclass
class Taken:
    """An order the venue took."""

    intent: OrderIntent
    venue_order_id: str
    status: OrderStatus = OrderStatus.ACCEPTED
    filled: Decimal = ZERO
    price: Decimal | None = None


@dataclass
class Account:
    """What the venue itself keeps: it outlives every client."""

    cash: Decimal = Decimal(10_000)
    quantity: Decimal = ZERO
    entry: Decimal = ZERO  # price of the last fill
    orders: dict[str, Taken] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)


class FourthFeed:
    """Streams: the book is a picture of the venue, private events are queued by the client's own commands."""

    def __init__(self, client: FourthVenue) -> None:
        self._client = client
        self._symbols: tuple[str, ...] = ()
        self._events: deque[FeedEvent] = deque(maxlen=1000)
        self._ready = asyncio.Event()

    async def start(self, symbols: Sequence[str]) -> None:
        """Subscribe."""
        self._symbols = tuple(symbols)

    async def aclose(self) -> None:
        """Unsubscribe; safe to call twice."""
        self._symbols = ()

    def book(self, symbol: str) -> Book | None:
        """The book, None before start."""
        return self._client.book_now() if symbol in self._symbols else None

    def mark(self, symbol: str) -> Mark | None:
        """The mark, None before start."""
        return self._client.mark_now() if symbol in self._symbols else None

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take what is queued."""
        self._ready.clear()
        return tuple(self._events.popleft() for _ in range(len(self._events)))

    async def wait(self, timeout_s: float) -> bool:
        """Wait for an event; False when the time is up first."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), timeout_s)
        return self._ready.is_set()

    def health(self) -> FeedHealth:
        """Up while subscribed."""
        return FeedHealth(bool(self._symbols), bool(self._symbols), self._client.now() if self._symbols else None, 0, 0)

    def tell(self, event: FeedEvent) -> None:
        """Queue an event for whoever is subscribed."""
        if self._symbols:
            self._events.append(event)
            self._ready.set()


class FourthVenue:
    """One account on the fourth venue (see VenueClient)."""

    venue, capabilities = NAME, CAPABILITIES
    clock_offset: ClockOffset | None = None
    spares_questions = False

    def __init__(self, account_id: str, account: Account, outside: Outside) -> None:
        """Prepare; `account` stands for what lives at the venue."""
        self.account_id = account_id
        self._account = account
        self._outside = outside
        self.feed, self.market_data = FourthFeed(self), FakeMarketData(NAME, self.now)
        self._market = Market(
            NAME, f"{BASE}/{QUOTE}", f"{BASE}-4", BASE, QUOTE, STEP, Decimal("0.001"), Decimal("0.001"), Decimal(10),
            None, None, Decimal(1) / LEVERAGE_MAX, Decimal(1) / LEVERAGE_MAX / 2, Decimal("0.0001"),
            Decimal("0.0005"), 3600,
        )  # fmt: skip

    def now(self) -> datetime:
        """The venue's clock."""
        return self._outside.clock()

    def wire_client_id(self, client_order_id: str) -> str:
        """The id unchanged."""
        return client_order_id

    async def connect(self) -> None:
        """Nothing to warm."""

    async def aclose(self) -> None:
        """Close; safe to call twice."""
        await self.feed.aclose()

    def book_now(self) -> Book:
        """The fixed book."""
        bids, asks = (tuple(Level(MID + s * STEP * n, DEPTH) for n in range(1, LEVELS + 1)) for s in (-1, 1))
        return Book(NAME, self._market.symbol, bids, asks, 1, self.now(), self.now())

    def mark_now(self) -> Mark:
        """The mid as mark and index."""
        return Mark(NAME, self._market.symbol, MID, MID, self.now(), self.now())

    async def markets(self) -> Mapping[str, Market]:
        """The one market."""
        return {self._market.symbol: self._market}

    async def book(self, symbol: str) -> Book:
        """The book once."""
        return self.book_now()

    async def mark(self, symbol: str) -> Mark:
        """The mark once."""
        return self.mark_now()

    async def funding_rate(self, symbol: str) -> FundingRate:
        """A constant rate an hour."""
        return FundingRate(NAME, symbol, Decimal("0.0000125"), 3600, None, self.now(), self.now())

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return self.now()

    async def measure_clock(self) -> ClockOffset:
        """It is our own."""
        self.clock_offset = ClockOffset(timedelta(0), timedelta(0), self.now())
        return self.clock_offset

    async def margin(self) -> Margin:
        """Cash (every fill moves it) and the position at the mid."""
        account, market = self._account, self._market
        notional = abs(account.quantity) * MID
        equity = account.cash + account.quantity * MID
        initial, maintenance = notional * market.initial_margin, notional * market.maintenance_margin
        return Margin(NAME, self.account_id, equity, equity - initial, initial, maintenance, True, self.now())

    async def positions(self) -> Sequence[Position]:
        """The netted position; nothing when flat."""
        if (account := self._account).quantity == 0:
            return ()
        pnl = account.quantity * (MID - account.entry)
        liquidation = -account.cash / account.quantity
        return (
            Position(
                NAME, self.account_id, self._market.symbol, account.quantity, account.entry, pnl,
                liquidation if liquidation > 0 else None, self.now(),
            ),
        )  # fmt: skip

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Take the order, fill what crosses, end or rest the remainder; post-only and reduce-only may refuse."""
        self._market.check_price(intent.price)
        self._market.check_quantity(intent.quantity)
        if intent.client_order_id in self._account.orders:
            return Rejected("this client order id was used before", "DUPLICATE")
        walk = self.book_now().walk(intent.side, intent.quantity, intent.price)
        if intent.time_in_force is TimeInForce.POST_ONLY and walk.filled:
            return Rejected("would take", "POST_ONLY")
        if intent.reduce_only and intent.side.sign * self._account.quantity >= 0:
            return Rejected("nothing to reduce", "REDUCE_ONLY")
        order = Taken(intent, f"4-{len(self._account.orders) + 1}")
        self._account.orders[intent.client_order_id] = order
        if walk.average is not None:
            self._fill(order, walk.filled, walk.average)
        if order.filled == intent.quantity:
            order.status = OrderStatus.FILLED
        elif intent.time_in_force is TimeInForce.IOC:
            order.status = OrderStatus.EXPIRED
        self.feed.tell(OrderUpdate(self._report(order)))
        return Accepted(self._report(order))

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Cancel by the venue's id where given, else by the client's."""
        order = self._find(intent, venue_order_id)
        if order is None or order.status.is_final:
            return CancelRefused("nothing to cancel")
        self._end(order)
        return CancelTaken()

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Cancel everything that rests."""
        for order in self._resting():
            self._end(order)
        return CancelTaken()

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """What became of an order."""
        order = self._find(intent, venue_order_id)
        return self._report(order) if order else NotFound(NAME, intent.client_order_id, self.now())

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Everything that rests."""
        resting = [(order, Resting(order.intent.side, order.intent.price)) for order in self._resting()]
        return tuple(replace(self._report(order), resting=where) for order, where in resting)

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Executions since a time, oldest first."""
        return tuple(fill for fill in self._account.fills if fill.venue_time >= since)

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """Nothing is ever undone."""
        return ()

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """None was ever booked: no hour passes here."""
        return ()

    def _find(self, intent: OrderIntent, venue_order_id: str | None) -> Taken | None:
        if venue_order_id is None:
            return self._account.orders.get(intent.client_order_id)
        return next((o for o in self._account.orders.values() if o.venue_order_id == venue_order_id), None)

    def _resting(self) -> list[Taken]:
        return [order for order in self._account.orders.values() if not order.status.is_final]

    def _end(self, order: Taken) -> None:
        order.status = OrderStatus.CANCELLED
        self.feed.tell(OrderUpdate(self._report(order)))

    def _fill(self, order: Taken, quantity: Decimal, price: Decimal) -> None:
        intent, account, fee = order.intent, self._account, quantity * price * self._market.taker_fee
        signed = quantity * intent.side.sign
        account.entry, account.quantity = price, account.quantity + signed
        account.cash -= signed * price + fee
        order.filled, order.price = quantity, price
        fill = Fill(
            NAME, self.account_id, intent.symbol, f"t{len(account.fills) + 1}", intent.client_order_id,
            order.venue_order_id, intent.side, quantity, price, fee, Liquidity.TAKER, self.now(), self.now(),
        )  # fmt: skip
        account.fills.append(fill)
        self.feed.tell(FillUpdate(fill))

    def _report(self, order: Taken) -> OrderReport:
        intent, now = order.intent, self.now()
        return OrderReport(
            NAME, self.account_id, intent.symbol, intent.client_order_id, order.venue_order_id, order.status,
            order.filled, order.price, None, now, now,
        )  # fmt: skip
