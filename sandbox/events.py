"""What the engine tells its listeners, in order, after each command.

Duty: event types only. Orders and positions inside are copies taken when the event arose, so a listener
may render them at any time. Book and mark events concern everybody, the rest one account.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sandbox.model import EndReason, Fill, FundingPayment, Order, OrderChange, Position, Side, VenueMode


@dataclass(frozen=True, slots=True)
class LevelChange:
    """New total quantity of one level (0 = gone) and what it was before (0 = new)."""

    side: Side  # BUY = bid side
    price: Decimal
    quantity: Decimal
    before: Decimal


@dataclass(frozen=True, slots=True)
class BookChanged:
    """All levels one command changed. `seq` is contiguous within the market: exactly +1 for each event."""

    instrument: str
    seq: int
    levels: tuple[LevelChange, ...]
    time_us: int


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade; `side` is the taker's. `taker_position_before` is signed."""

    id: int
    instrument: str
    price: Decimal
    quantity: Decimal
    side: Side
    maker_order_id: int
    taker_order_id: int
    taker_position_before: Decimal
    time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order of a client account changed. Before a fill's own event for FILLED."""

    order: Order
    change: OrderChange
    reason: EndReason | None
    time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class FillHappened:
    """A client account's order was executed; `order` is its state right after this fill."""

    fill: Fill
    order: Order


@dataclass(frozen=True, slots=True)
class FillBusted:
    """An earlier fill was undone; `undo` is the reversing fill with cause BUST."""

    fill: Fill
    undo: Fill


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A client account's position changed (fill or funding). quantity 0 = closed."""

    account: str
    position: Position
    quantity_before: Decimal  # signed
    time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A client account's cash balance changed."""

    account: str
    balance_before: Decimal
    balance: Decimal
    time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """Funding was booked to a client account."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True)
class MarkChanged:
    """New mark, index and running funding estimate of a market."""

    instrument: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal  # fraction per the venue's funding period, estimate for the running one
    next_funding_us: int
    time_us: int


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The venue, or with `instrument` one market, takes other orders from now on."""

    mode: VenueMode
    instrument: str | None
    time_us: int


Event = (
    BookChanged
    | Trade
    | OrderChanged
    | FillHappened
    | FillBusted
    | PositionChanged
    | BalanceChanged
    | FundingPaid
    | MarkChanged
    | ModeChanged
)
