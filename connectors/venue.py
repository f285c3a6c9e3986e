"""The seam between this system and a venue: what every connector offers, in one vocabulary.

A command has four outcomes: accepted, rejected (positive evidence only), unknown, never sent. They are values, not
exceptions, so that no caller can forget one. A read either answers or raises; it never returns a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.clock import ClockOffset
from core.account import Balance, Margin, Position
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Mark
from core.order import Fill, OrderIntent, OrderReport

if TYPE_CHECKING:
    from connectors.surface import VenueMarketData


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue took the order; the report holds what it said (perhaps fills already)."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue refused, with positive evidence; nothing rests and nothing filled. text is the venue's own."""

    text: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It was sent and no conclusive answer came. Ask by client order id; never send again blindly."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """It never left this machine (local refusal, connection refused, spent budget). Safe to decide anew."""

    reason: str


PlaceOutcome = Accepted | Rejected | Unknown | NotSent


@dataclass(frozen=True, slots=True)
class CancelTaken:
    """The venue took the cancel; the order's final state still has to be read (a fill may have crossed it)."""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The venue says there is nothing to cancel (filled, gone, unknown); read the order's final state."""

    text: str


CancelOutcome = CancelTaken | CancelRefused | Unknown | NotSent


@dataclass(frozen=True, slots=True)
class NotFound:
    """The venue answered that it knows no such order. Right after sending this is not yet proof of anything.

    asked_at: when the first question was asked. Several are, one after the other, and an order that arrives between
    them may be in none of the answers.
    """

    venue: Venue
    client_order_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """A private stream reported an order."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class FillUpdate:
    """A private stream reported an execution."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A stream was lost: from `at` until Reconnected nothing the stream did not say is known."""

    channel: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnected:
    """A stream is back and subscribed; whoever needs what happened between must read it by REST."""

    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PositionUpdate:
    """A private stream reported a position; a quantity of zero says that it is closed."""

    position: Position


@dataclass(frozen=True, slots=True)
class BalanceUpdate:
    """A private stream reported an asset's balance."""

    balance: Balance


@dataclass(frozen=True, slots=True)
class MarginUpdate:
    """A private stream reported the account's equity and margin."""

    margin: Margin


@dataclass(frozen=True, slots=True)
class FundingUpdate:
    """A private stream reported a booked funding payment."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True)
class TradeBusted:
    """The venue undid an execution: its quantity, price and fee no longer count. trade_id is the undone fill's."""

    venue: Venue
    account_id: str
    symbol: str
    trade_id: str
    at: datetime


AccountEvent = PositionUpdate | BalanceUpdate | MarginUpdate | FundingUpdate | TradeBusted
FeedEvent = OrderUpdate | FillUpdate | AccountEvent | Disconnected | Reconnected


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """Streams at a glance: private_up says that order and fill events are flowing; gaps counts book resyncs.

    last_heard: when each channel last said something, to judge its staleness by itself.
    """

    public_up: bool
    private_up: bool
    last_message_at: datetime | None
    reconnects: int
    gaps: int
    last_heard: Mapping[str, datetime] = field(default_factory=dict)


class VenueFeed(Protocol):
    """Streams of one account on one venue. Callbacks fill a snapshot; the session reads it at its own pace."""

    async def start(self, symbols: Sequence[str]) -> None:
        """Connect, authenticate, subscribe books, marks, orders and fills; return when all have answered once.

        Raises VenueUnreachable or AuthenticationFailed when that does not happen within the settings' bound.
        """

    async def aclose(self) -> None:
        """Close both streams and every task behind them; safe to call twice."""

    def book(self, symbol: str) -> Book | None:
        """Return the live book, or None while its continuity is not proven (start, gap, disconnect)."""

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark price, or None before the first one and while disconnected."""

    def drain(self) -> tuple[FeedEvent, ...]:
        """Take all private events since the last call, in order of arrival (bounded; overflow is a Disconnected)."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait until a private event is ready to drain; False when the time is up first."""

    def health(self) -> FeedHealth:
        """Say how the streams are."""


class VenueClient(Protocol):
    """One account on one venue. Every method raises core.errors.VenueError kinds, never a library's error."""

    @property
    def venue(self) -> Venue:
        """The venue this client speaks to."""

    @property
    def account_id(self) -> str:
        """The account it acts for, by our own name."""

    @property
    def feed(self) -> VenueFeed:
        """The account's streams."""

    @property
    def market_data(self) -> VenueMarketData:
        """Public facts beyond book and mark."""

    @property
    def clock_offset(self) -> ClockOffset | None:
        """The venue's clock minus ours as measured last, with its bound; None before the first measurement."""

    @property
    def spares_questions(self) -> bool:
        """True where `order` takes so much of the request budget that it is asked only when its answer can be proof."""

    def wire_client_id(self, client_order_id: str) -> str:
        """Return the text under which the venue knows an order of ours (its own id format may be shorter)."""

    async def connect(self) -> None:
        """Warm the connections, learn the markets and the clock offset, and authenticate where tokens are needed."""

    async def aclose(self) -> None:
        """Close everything; safe to call twice."""

    async def markets(self) -> Mapping[str, Market]:
        """Return the open perpetual markets by symbol ("ETH/USD"), fees as charged to this account."""

    async def book(self, symbol: str) -> Book:
        """Read the book once by REST."""

    async def mark(self, symbol: str) -> Mark:
        """Read mark and index price once by REST."""

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Read the running funding rate with its own interval."""

    async def server_time(self) -> datetime:
        """Read the venue's clock."""

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock anew; what is signed from here on follows it."""

    async def margin(self) -> Margin:
        """Read the account's equity, available and required margin."""

    async def positions(self) -> Sequence[Position]:
        """Read all open positions; an empty sequence only when the venue positively said so."""

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Send one order with the strictest self-trade prevention; never retried inside.

        Raises PrecisionRefused before signing when price or quantity is off the market's grid.
        """

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel one order by venue order id where known, else by client order id."""

    async def cancel_all(self, symbol: str) -> CancelOutcome:
        """Ask to cancel every own order of one market on this account."""

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Ask what became of an order: open orders first, then history."""

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Read the account's resting orders of one market."""

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Read all executions since a time (inclusive), oldest first, all pages.

        is_question: what becomes of a lone leg waits for the answer, so it goes before other reads of the budget.
        """

    async def undone_trades(self, since: datetime) -> Sequence[TradeBusted]:
        """Read what the venue says it undid since a time, oldest first; empty where it keeps no list of that.

        The symbol is empty where this client has not seen the execution.
        """

    async def funding_payments(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Read all booked funding payments since a time (inclusive), oldest first, all pages."""
