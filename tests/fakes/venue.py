"""A venue in memory, with one account: it does to each order what its script says, and remembers the truth.

It stands where a connector stands (VenueClient and VenueFeed), keeps orders, executions, position and margin
consistent with each other, and accuses whoever sends an order twice or lets two of its own orders meet.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from connectors.clock import ClockOffset
from connectors.venue import (
    Accepted,
    CancelOutcome,
    CancelRefused,
    CancelTaken,
    Disconnected,
    FeedEvent,
    FeedHealth,
    FillUpdate,
    FundingUpdate,
    NotFound,
    NotSent,
    OrderUpdate,
    PlaceOutcome,
    Reconnected,
    Rejected,
    TradeBusted,
    Unknown,
)
from core.account import AccountRef, Margin, Position
from core.errors import VenueUnreachable
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.numbers import ZERO, floor_to
from core.order import Fill, FillCause, Liquidity, OrderIntent, OrderReport, OrderStatus, Side, TimeInForce
from tests.fakes.clock import FakeClock
from tests.fakes.market_data import FakeMarketData


class Crash(BaseException):
    """The process dies here. No handler of the code under test may catch it."""


class Violation(AssertionError):
    """Something was done that must never be done: an order sent twice, own orders that could meet."""


class Answer(StrEnum):
    """What the caller of `place` gets to hear."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True)
class Script:
    """What becomes of one order.

    answer: what `place` returns. share: the part of the quantity that executes. fill_after_s: how long after its
    arrival. arrives_after_s: how long after sending the order reaches the venue; None: never (with `unknown` only).
    answer_after_s: how long `place` takes. crash: the process dies "before" the order arrives or "after" it. pieces:
    number of executions. events_after_s: how long the stream needs to tell; None: it never tells. copies: how often
    the stream tells each execution. reordered_s: how much later the stream tells the first execution; each further
    one less, so that they come in the wrong order. anonymous: executions and reports carry the venue's order id only.
    rest_after_s: how long REST needs to list the executions. not_found: how many questions about the order are
    answered "no such order" first. cross: the part of the rest that executes just before a cancel takes effect.
    cancel: what a cancel is answered with.
    """

    answer: Answer = Answer.ACCEPTED
    share: Decimal = Decimal(1)
    fill_after_s: float = 0.0
    arrives_after_s: float | None = 0.0
    answer_after_s: float = 0.0
    crash: str | None = None
    pieces: int = 1
    events_after_s: float | None = 0.0
    copies: int = 1
    reordered_s: float = 0.0
    anonymous: bool = False
    rest_after_s: float = 0.0
    not_found: int = 0
    cross: Decimal = ZERO
    cancel: Answer = Answer.ACCEPTED


WHOLE = Script()
NOTHING = Script(share=ZERO)
HALF = Script(share=Decimal("0.5"))
REJECTED = Script(answer=Answer.REJECTED)
NOT_SENT = Script(answer=Answer.NOT_SENT)
LOST = Script(answer=Answer.UNKNOWN)
LOST_ON_THE_WAY = Script(answer=Answer.UNKNOWN, arrives_after_s=None)


@dataclass
class Booked:
    """An order as the venue holds it."""

    intent: OrderIntent
    script: Script
    venue_order_id: str
    status: OrderStatus = OrderStatus.ACCEPTED
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    not_found: int = 0
    told: int = 0

    @property
    def rest(self) -> Decimal:
        """Base units that have not executed."""
        return self.intent.quantity - self.filled


@dataclass
class FakeFeed:
    """The account's streams: a queue that the venue fills. While down, book and mark are unproven and events lost."""

    venue: FakeVenue
    is_up: bool = True
    reconnects: int = 0
    _events: deque[FeedEvent] = field(default_factory=deque)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def start(self, symbols: Sequence[str]) -> None:
        """Nothing to connect."""

    async def aclose(self) -> None:
        """Nothing to close."""

    def book(self, symbol: str) -> Book | None:
        """The venue's book of now, or the one that got stuck; None while the stream is down."""
        shown = self.venue.stuck or self.venue.book_now()
        return shown if self.is_up and symbol == self.venue.market.symbol else None

    def mark(self, symbol: str) -> Mark | None:
        """The venue's mark of now, None while the stream is down."""
        return self.venue.mark_now() if self.is_up and symbol == self.venue.market.symbol else None

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take the queue."""
        taken = tuple(self._events)
        self._events.clear()
        return taken

    async def wait(self, timeout_s: float) -> bool:
        """Wait for an event for some virtual seconds."""
        if self._events:
            return True
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(woken)
        try:
            return await self.venue.clock.wait(woken, timeout_s)
        finally:
            self._waiting.remove(woken)

    def health(self) -> FeedHealth:
        """Up or down."""
        return FeedHealth(self.is_up, self.is_up, self.venue.clock(), self.reconnects, 0)

    def tell(self, event: FeedEvent) -> None:
        """Put an event into the stream; lost while it is down."""
        if self.is_up or isinstance(event, Disconnected):
            self._events.append(event)
            for woken in self._waiting:
                if not woken.done():
                    woken.set_result(None)

    def disconnect(self, for_s: float) -> None:
        """Lose the stream now and get it back after a while."""
        self.tell(Disconnected("private", self.venue.clock(), "scripted"))
        self.is_up = False
        self.venue.clock.later(for_s, self.reconnect)

    def reconnect(self) -> None:
        """Get the stream back."""
        self.is_up, self.reconnects = True, self.reconnects + 1
        self.tell(Reconnected("private", self.venue.clock()))

    def forget(self) -> None:
        """A new process has new streams: what the old one did not read is gone."""
        self._events.clear()
        self.is_up = True


@dataclass
class FakeVenue:
    """One account on one venue. Scripts are used up in order of placing; without one, `otherwise` decides.

    floor: all fakes of the same venue, so that own orders of several accounts are watched as well. placed: every
    client order id ever sent, in order. path: each execution with the position before it, undone ones too. meddled:
    base units somebody else traded on this account. liquidation: the price the venue tells with the position.
    foreign_orders: what somebody else has resting on this account.
    stuck: the book that the stream shows since it stands still.
    """

    ref: AccountRef
    market: Market
    clock: FakeClock
    mid: Decimal = Decimal(2500)
    half_spread: Decimal = Decimal("0.1")
    depth: Decimal = Decimal(1000)
    deposit: Decimal = Decimal(100_000)
    otherwise: Callable[[OrderIntent], Script] = lambda intent: WHOLE
    scripts: deque[Script] = field(default_factory=deque)
    floor: list[FakeVenue] = field(default_factory=list)
    wire: Callable[[str], str] = str
    is_active: bool = True
    rate: Decimal = Decimal("0.00001")
    is_history_dear: bool = False
    placed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    orders: dict[str, Booked] = field(default_factory=dict)
    executions: list[tuple[Fill, datetime]] = field(default_factory=list)
    path: list[tuple[Fill, Decimal]] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    meddled: Decimal = ZERO
    liquidation: Decimal | None = None
    foreign_orders: list[OrderReport] = field(default_factory=list)
    stuck: Book | None = None
    violations: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    _failing: dict[str, int] = field(default_factory=dict)
    _flying: dict[str, OrderIntent] = field(default_factory=dict)
    _trades: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    feed: FakeFeed = field(init=False)
    market_data: FakeMarketData = field(init=False)
    offset: ClockOffset | None = field(init=False)

    def __post_init__(self) -> None:
        self.feed = FakeFeed(self)
        self.market_data = FakeMarketData(self.venue, self.clock)
        self.offset = ClockOffset(timedelta(0), timedelta(0), self.clock())
        self.floor.append(self)

    # What tests say to it.

    def script(self, *scripts: Script) -> None:
        """Say what becomes of the next orders."""
        self.scripts.extend(scripts)

    def fail(self, read: str, times: int = 1) -> None:
        """Let the next calls of a read (its method's name) raise VenueUnreachable."""
        self._failing[read] = times

    def freeze(self, for_s: float) -> None:
        """Let the stream's book stand still for a while, older with every second."""
        self.stuck = self.book_now()
        self.clock.later(for_s, self.thaw)

    def thaw(self) -> None:
        """Let the book live again."""
        self.stuck = None

    def pay(self, payment: Decimal) -> None:
        """Book funding (received is positive); the stream tells of it."""
        number, now = len(self.payments) + 1, self.clock()
        booked = FundingPayment(
            self.venue, self.account_id, self.market.symbol, f"{self.account_id}-f{number}", payment, self.rate,
            now, now,
        )  # fmt: skip
        self.payments.append(booked)
        self.feed.tell(FundingUpdate(booked))

    def meddle(
        self,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
        liquidity: Liquidity = Liquidity.TAKER,
        cause: FillCause = FillCause.TRADE,
    ) -> None:
        """Something that no order here explains trades on this account (signed base units); the stream tells of it.

        With another cause than a trade it is the venue's own doing.
        """
        self.meddled += quantity
        side, now = Side.BUY if quantity > 0 else Side.SELL, self.clock()
        fill = Fill(
            self.venue, self.account_id, self.market.symbol, f"{self.account_id}-x{next(self._trades)}", None,
            f"{self.account_id}-other", side, abs(quantity), price or self.mid, ZERO, liquidity, now, now, cause,
        )  # fmt: skip
        self.path.append((fill, self.position))
        self.executions.append((fill, self.clock()))
        self.feed.tell(FillUpdate(fill))

    def bust(self, fill: Fill) -> None:
        """Undo an execution; the stream tells of it."""
        self.executions = [(kept, at) for kept, at in self.executions if kept.trade_id != fill.trade_id]
        self.feed.tell(TradeBusted(self.venue, self.account_id, fill.symbol, fill.trade_id, self.clock()))

    @property
    def position(self) -> Decimal:
        """What all executions of this account add up to, signed base units."""
        return sum((fill.quantity * fill.side.sign for fill, _ in self.executions), ZERO)

    @property
    def resting(self) -> list[Booked]:
        """Orders that may still execute."""
        return [order for order in self.orders.values() if not order.status.is_final]

    @property
    def live(self) -> list[OrderIntent]:
        """Orders that may still execute, those on their way here included."""
        now = self.clock()
        return [o.intent for o in self.resting] + [i for i in self._flying.values() if now <= i.valid_until]

    def book_now(self) -> Book:
        """Five levels a side, one quote unit apart."""
        now, share = self.clock(), self.depth / 5
        bids = tuple(Level(self.mid - self.half_spread - n, share) for n in range(5))
        asks = tuple(Level(self.mid + self.half_spread + n, share) for n in range(5))
        return Book(self.venue, self.market.symbol, bids, asks, 1, now, now)

    def mark_now(self) -> Mark:
        """The mid as mark and index."""
        return Mark(self.venue, self.market.symbol, self.mid, self.mid, self.clock(), self.clock())

    # VenueClient.

    @property
    def venue(self) -> Venue:
        """The venue of the market."""
        return self.market.venue

    @property
    def account_id(self) -> str:
        """The account's name."""
        return self.ref.account_id

    def wire_client_id(self, client_order_id: str) -> str:
        """The id on the wire, from `wire`."""
        return self.wire(client_order_id)

    async def connect(self) -> None:
        """Nothing to connect."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def markets(self) -> Mapping[str, Market]:
        """The one market."""
        self._read("markets")
        return {self.market.symbol: self.market}

    async def book(self, symbol: str) -> Book:
        """The book by REST."""
        self._read("book")
        return self.book_now()

    async def mark(self, symbol: str) -> Mark:
        """The mark by REST."""
        self._read("mark")
        return self.mark_now()

    async def funding_rate(self, symbol: str) -> FundingRate:
        """A constant rate."""
        self._read("funding_rate")
        interval = self.market.funding_interval_s
        return FundingRate(self.venue, symbol, self.rate, interval, None, self.clock(), self.clock())

    async def server_time(self) -> datetime:
        """The same clock."""
        return self.clock()

    @property
    def spares_questions(self) -> bool:
        """As on a venue where history is dear, when a test says so."""
        return self.is_history_dear

    @property
    def clock_offset(self) -> ClockOffset | None:
        """As measured last; right, unless a test says otherwise."""
        return self.offset

    async def measure_clock(self) -> ClockOffset:
        """Measure again what a test has set."""
        self._read("measure_clock")
        found = self.offset or ClockOffset(timedelta(0), timedelta(0), self.clock())
        self.offset = replace(found, measured_at=self.clock())
        return self.offset

    async def margin(self) -> Margin:
        """Equity from deposit, executions at mark, fees and funding."""
        self._read("margin")
        fills = [fill for fill, _ in self.executions]
        cash = sum((-fill.quantity * fill.side.sign * fill.price - fill.fee for fill in fills), self.deposit)
        equity = cash + self.position * self.mid + sum((p.payment for p in self.payments), ZERO)
        used = abs(self.position) * self.mid * self.market.initial_margin
        maintenance = abs(self.position) * self.mid * self.market.maintenance_margin
        return Margin(
            self.venue, self.account_id, equity, equity - used, used, maintenance, self.is_active, self.clock()
        )  # fmt: skip

    async def positions(self) -> Sequence[Position]:
        """What the executions add up to; nothing when flat."""
        self._read("positions")
        if self.position == 0:
            return []
        now = self.clock()
        return [
            Position(
                self.venue, self.account_id, self.market.symbol, self.position, self.mid, None, self.liquidation, now
            )
        ]  # fmt: skip

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Do what the next script says."""
        self.market.check_price(intent.price)
        self.market.check_quantity(intent.quantity)
        self._watch(intent)
        self.placed.append(intent.client_order_id)
        script = self.scripts.popleft() if self.scripts else self.otherwise(intent)
        if script.crash == "before":
            raise Crash(f"before {intent.client_order_id} left")
        if script.answer is Answer.NOT_SENT:
            return NotSent("connection refused")
        if script.answer is Answer.REJECTED:
            return Rejected("not accepted", "E1")
        self._send(intent, script)
        if script.crash == "after":
            raise Crash(f"after {intent.client_order_id} arrived")
        if script.answer_after_s:
            await self.clock.sleep(script.answer_after_s)
        if script.answer is Answer.UNKNOWN:
            return Unknown("no answer within the time limit")
        return Accepted(self._report(self.orders[intent.client_order_id]))

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Cancel what rests, perhaps after an execution that crossed the cancel."""
        self.cancelled.append(intent.client_order_id)
        order = self.orders.get(intent.client_order_id)
        if order is None or order.status.is_final:
            return CancelRefused("nothing to cancel")
        if order.script.cancel is Answer.NOT_SENT:
            order.script = replace(order.script, cancel=Answer.ACCEPTED)
            return NotSent("connection refused")
        if order.script.cross:
            self._execute(order, order.script.cross)
        if not order.status.is_final:
            self._end(order, OrderStatus.CANCELLED)
        if order.script.cancel is Answer.UNKNOWN:
            return Unknown("no answer within the time limit")
        return CancelTaken()

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Cancel everything that rests."""
        for order in self.resting:
            self._end(order, OrderStatus.CANCELLED)
        return CancelTaken()

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """What the venue knows of an order."""
        self.asked.append(intent.client_order_id)
        self._read("order")
        order = self.orders.get(intent.client_order_id)
        if order is None or order.not_found < order.script.not_found:
            if order is not None:
                order.not_found += 1
            return NotFound(self.venue, intent.client_order_id, self.clock())
        return self._report(order)

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Everything that rests."""
        self._read("open_orders")
        return [*(self._report(order) for order in self.resting), *self.foreign_orders]

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Every execution that REST lists by now."""
        self._read("fills")
        now = self.clock()
        told = [fill for fill, listed in self.executions if fill.venue_time >= since and listed <= now]
        return [replace(fill, received_time=now) for fill in told]

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """Most venues keep no list."""
        return ()

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Every payment since a time."""
        self._read("funding_payments")
        return [payment for payment in self.payments if payment.paid_at >= since]

    # The venue's own doings.

    def _read(self, name: str) -> None:
        self.reads.append(name)
        if self._failing.get(name, 0) > 0:
            self._failing[name] -= 1
            raise VenueUnreachable(f"{self.venue}: {name} did not come back", venue=str(self.venue))

    def _watch(self, intent: OrderIntent) -> None:
        problems = []
        if intent.client_order_id in self.placed:
            problems.append(f"order {intent.client_order_id} was sent twice")
        for other in [order for fake in self.floor for order in fake.live]:
            buy, sell = (intent, other) if intent.side is Side.BUY else (other, intent)
            if intent.side is other.side.opposite and buy.price >= sell.price:
                problems.append(f"{intent.client_order_id} could meet own order {other.client_order_id}")
        if problems:
            self.violations.extend(problems)
            raise Violation("; ".join(problems))

    def _send(self, intent: OrderIntent, script: Script) -> None:
        if script.arrives_after_s is None:
            return
        if script.arrives_after_s == 0:
            self._arrive(intent, script)
        else:
            self._flying[intent.client_order_id] = intent
            self.clock.later(script.arrives_after_s, lambda: self._arrive(intent, script))

    def _arrive(self, intent: OrderIntent, script: Script) -> None:
        self._flying.pop(intent.client_order_id, None)
        if self.clock() > intent.valid_until:
            return
        order = Booked(intent, script, f"{self.account_id}-o{len(self.orders) + 1}")
        self.orders[intent.client_order_id] = order
        if script.fill_after_s == 0:
            self._work(order)
        else:
            self.clock.later(script.fill_after_s, lambda: self._work(order))

    def _work(self, order: Booked) -> None:
        if order.status.is_final:
            return
        self._execute(order, order.script.share)
        if not order.status.is_final and order.intent.time_in_force is TimeInForce.IOC:
            self._end(order, OrderStatus.EXPIRED)

    def _execute(self, order: Booked, share: Decimal) -> None:
        price = self._price(order.intent)
        if price is None:
            return
        lot, left = self.market.lot, floor_to(order.rest * share, self.market.lot)
        piece = max(lot, floor_to(left / order.script.pieces, lot))
        while left > 0:
            quantity = left if left < 2 * piece else piece
            left -= quantity
            order.filled, order.paid = order.filled + quantity, order.paid + quantity * price
            if order.rest == 0:
                order.status = OrderStatus.FILLED
            self._tell(order, self._fill(order, quantity, price))

    def _price(self, intent: OrderIntent) -> Decimal | None:
        """The best price of the other side for what takes, its own for what rests; None beyond the limit."""
        if intent.time_in_force is not TimeInForce.IOC:
            return intent.price
        book = self.book_now()
        best = book.best_ask if intent.side is Side.BUY else book.best_bid
        assert best is not None
        return None if intent.side.is_worse(best, than=intent.price) else best

    def _fill(self, order: Booked, quantity: Decimal, price: Decimal) -> Fill:
        intent, now = order.intent, self.clock()
        maker = intent.time_in_force is not TimeInForce.IOC
        fee = quantity * price * (self.market.maker_fee if maker else self.market.taker_fee)
        fill = Fill(
            self.venue, self.account_id, intent.symbol, f"{self.account_id}-t{next(self._trades)}",
            None if order.script.anonymous else intent.client_order_id, order.venue_order_id, intent.side, quantity,
            price, fee, Liquidity.MAKER if maker else Liquidity.TAKER, now, now,
        )  # fmt: skip
        self.path.append((fill, self.position))
        self.executions.append((fill, now + timedelta(seconds=order.script.rest_after_s)))
        return fill

    def _end(self, order: Booked, status: OrderStatus) -> None:
        order.status = status
        self._tell(order, None)

    def _tell(self, order: Booked, fill: Fill | None) -> None:
        after = order.script.events_after_s
        if after is None:
            return
        order.told += 1
        after += order.script.reordered_s / order.told
        report = self._report(order)

        def speak() -> None:
            told = () if fill is None else (FillUpdate(fill),) * order.script.copies
            for event in (*told, OrderUpdate(report)):
                self.feed.tell(event)

        if after == 0:
            speak()
        else:
            self.clock.later(after, speak)

    def _report(self, order: Booked) -> OrderReport:
        intent, now = order.intent, self.clock()
        return OrderReport(
            self.venue, self.account_id, intent.symbol,
            None if order.script.anonymous else intent.client_order_id, order.venue_order_id, order.status,
            order.filled, order.paid / order.filled if order.filled else None, None, now, now,
        )  # fmt: skip
