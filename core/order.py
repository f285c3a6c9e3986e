"""Orders and fills as an explicit state machine: `apply(order, event)`. Knows no venue and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from core.instrument import Venue
from core.numbers import ZERO


class Side(StrEnum):
    """Direction of an order from its owner's view."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill adds to a signed position."""
        return 1 if self is Side.BUY else -1

    def is_worse(self, price: Decimal, *, than: Decimal) -> bool:
        """Tell whether `price` is less favourable to this side than another price."""
        return price > than if self is Side.BUY else price < than


class OrderType(StrEnum):
    """Order types every venue has. A market order always carries a bound price as well."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    IOC = "ioc"
    POST_ONLY = "post_only"
    FOK = "fok"


class Liquidity(StrEnum):
    """Which side of the match a fill was on."""

    MAKER = "maker"
    TAKER = "taker"


class FillCause(StrEnum):
    """Why an execution happened. Only TRADE comes from an order of ours; the rest is the venue's doing."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    BACKSTOP = "backstop"
    ADL = "adl"
    SETTLEMENT = "settlement"


class TriggerKind(StrEnum):
    """What a trigger order does to a position."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


class TriggerPrice(StrEnum):
    """Which price sets a trigger order off."""

    MARK = "mark"
    INDEX = "index"
    LAST = "last"


class OrderStatus(StrEnum):
    """Where an order stands, as far as we know.

    INTENDED: journalled, not known to have been sent. SENT: handed to the wire. UNKNOWN: sent, no answer came.
    ACCEPTED: the venue has it, resting or queued. The rest is final.
    """

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """True when no further fill can come."""
        return self in _FINAL


_FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What we want a venue to do, complete enough to be sent again to the letter.

    quantity in base units (> 0); price in quote units: the limit price, and for a market order the worst price
    we would take (slippage bound). reference_price is the arrival mid that slippage is measured against.
    valid_until bounds how late the venue may act on it. evens_out: it repairs a pair whose legs are uneven, so that it
    goes before everything else; a matter of one sending, kept in no record.
    """

    client_order_id: str
    session_id: str
    pair_id: str
    account_id: str
    venue: Venue
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    reference_price: Decimal
    reduce_only: bool
    created_at: datetime
    valid_until: datetime
    evens_out: bool = field(default=False, compare=False)

    @property
    def is_urgent(self) -> bool:
        """True when it can only bring exposure down: it reduces, or evens out a pair."""
        return self.reduce_only or self.evens_out

    def could_meet(self, other: OrderIntent) -> bool:
        """Tell whether the two could trade with each other, whatever their time in force: then both must not live."""
        if (self.venue, self.symbol) != (other.venue, other.symbol) or self.side is other.side:
            return False
        buy, sell = (self, other) if self.side is Side.BUY else (other, self)
        return buy.price >= sell.price


@dataclass(frozen=True, slots=True)
class TriggerIntent:
    """An order that waits for a price: `order` is sent by the venue once trigger_price (quote units) is reached.

    A stop-loss or take-profit always reduces: order.reduce_only is True, and its price bounds the execution.
    """

    order: OrderIntent
    kind: TriggerKind
    trigger_price: Decimal
    trigger_by: TriggerPrice


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. fee is in quote units, positive paid, negative a rebate; trade_id is unique per account.

    cause tells a trade from a liquidation, a backstop transfer or deleveraging, which no order of ours explains.
    """

    venue: Venue
    account_id: str
    symbol: str
    trade_id: str
    client_order_id: str | None
    venue_order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    liquidity: Liquidity
    venue_time: datetime
    received_time: datetime
    cause: FillCause = FillCause.TRADE


@dataclass(frozen=True, slots=True)
class Resting:
    """Where an order lies in a book: its side, and its price in quote units."""

    side: Side
    price: Decimal


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What a venue says about one order, by REST or stream.

    status is ACCEPTED or final; filled_quantity is cumulative. average_price is None until something filled or
    where the venue does not tell. reason is the venue's own text for a refusal, cancel or expiry. resting: where it
    lies in the book, from lists of open orders; None elsewhere, and while it waits for a trigger.
    """

    venue: Venue
    account_id: str
    symbol: str
    client_order_id: str | None
    venue_order_id: str | None
    status: OrderStatus
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str | None
    venue_time: datetime | None
    received_time: datetime
    resting: Resting | None = None


@dataclass(frozen=True, slots=True)
class WasSent:
    """The signed request is about to leave; from here on the outcome may be unknown."""

    at: datetime


@dataclass(frozen=True, slots=True)
class OutcomeLost:
    """It was sent and no answer came: unknown, which is not a no."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class NeverSent:
    """Positive evidence that the venue never got it (local refusal, connection never opened)."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The venue said something about this order."""

    report: OrderReport


OrderEvent = WasSent | OutcomeLost | NeverSent | Reported


class ImpossibleEvent(ValueError):
    """An event that contradicts what is already known for certain."""


@dataclass(frozen=True, slots=True)
class Order:
    """An intent and everything known about it. filled_quantity never falls and never exceeds the quantity."""

    intent: OrderIntent
    status: OrderStatus = OrderStatus.INTENDED
    venue_order_id: str | None = None
    filled_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    reason: str | None = None
    updated_at: datetime | None = None

    @property
    def remaining(self) -> Decimal:
        """Base units that may still fill; zero once final."""
        return ZERO if self.status.is_final else self.intent.quantity - self.filled_quantity

    @property
    def signed_filled(self) -> Decimal:
        """What the order has added to the position, long positive."""
        return self.filled_quantity * self.intent.side.sign


def apply(order: Order, event: OrderEvent) -> Order:
    """Return the order after an event; late, repeated and reordered events are harmless.

    Raises ImpossibleEvent when a report claims more than was asked for, or a fill on an order that was never sent.
    """
    match event:
        case WasSent(at):
            if order.status is not OrderStatus.INTENDED:
                return order
            return replace(order, status=OrderStatus.SENT, updated_at=at)
        case OutcomeLost(at, reason):
            if order.status not in (OrderStatus.INTENDED, OrderStatus.SENT):
                return order
            return replace(order, status=OrderStatus.UNKNOWN, reason=reason, updated_at=at)
        case NeverSent(at, reason):
            if order.status.is_final or order.filled_quantity > 0 or order.status is OrderStatus.ACCEPTED:
                return order
            return replace(order, status=OrderStatus.REJECTED, reason=reason, updated_at=at)
        case Reported(report):
            return _apply_report(order, report)
        case _:
            assert_never(event)


def _apply_report(order: Order, report: OrderReport) -> Order:
    if report.filled_quantity > order.intent.quantity:
        raise ImpossibleEvent(
            f"{report.venue} reports {report.filled_quantity} filled of {order.intent.quantity} "
            f"for client order id {order.intent.client_order_id}"
        )
    filled = max(order.filled_quantity, report.filled_quantity)
    newer = report.filled_quantity >= order.filled_quantity
    average = report.average_price if newer and report.average_price is not None else order.average_price
    status = _merge_status(order, report, filled)
    return replace(
        order,
        status=status,
        venue_order_id=order.venue_order_id or report.venue_order_id,
        filled_quantity=filled,
        average_price=average,
        reason=report.reason or order.reason,
        updated_at=report.received_time,
    )


def _merge_status(order: Order, report: OrderReport, filled: Decimal) -> OrderStatus:
    if filled == order.intent.quantity:
        return OrderStatus.FILLED
    if report.status.is_final and report.status is not OrderStatus.FILLED:
        return report.status
    if order.status.is_final:
        return order.status
    return OrderStatus.ACCEPTED
