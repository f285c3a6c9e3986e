"""Market facts: books, marks, funding rates. Each carries the venue's time and ours; none is ever a default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.instrument import Venue
from core.order import Side


@dataclass(frozen=True, slots=True)
class Level:
    """One price level: price in quote units, quantity in base units (> 0)."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Walk:
    """What taking liquidity would do: the part that can be filled, its average price and its worst price.

    filled is in base units and may be less than asked for; average and worst are None when nothing can be filled.
    """

    filled: Decimal
    average: Decimal | None
    worst: Decimal | None


@dataclass(frozen=True, slots=True)
class Book:
    """An order book: bids best (highest) first, asks best (lowest) first; sequence is the venue's own counter."""

    venue: Venue
    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int | None
    venue_time: datetime
    received_time: datetime

    @property
    def best_bid(self) -> Decimal | None:
        """Highest bid price, None for an empty side."""
        return self.bids[0].price if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        """Lowest ask price, None for an empty side."""
        return self.asks[0].price if self.asks else None

    @property
    def mid(self) -> Decimal | None:
        """Mean of best bid and best ask, None unless both sides are there."""
        if not self.bids or not self.asks:
            return None
        return (self.bids[0].price + self.asks[0].price) / 2

    @property
    def spread(self) -> Decimal | None:
        """Best ask minus best bid as a fraction of mid, None unless both sides are there."""
        mid = self.mid
        return None if mid is None else (self.asks[0].price - self.bids[0].price) / mid

    def walk(self, side: Side, quantity: Decimal, limit: Decimal | None = None) -> Walk:
        """Walk the book as a taker on `side` for `quantity` base units, not beyond the limit price."""
        levels = self.asks if side is Side.BUY else self.bids
        filled, paid, worst = Decimal(0), Decimal(0), None
        for level in levels:
            if limit is not None and side.is_worse(level.price, than=limit):
                break
            take = min(level.quantity, quantity - filled)
            if take <= 0:
                break
            filled, paid, worst = filled + take, paid + take * level.price, level.price
        return Walk(filled, paid / filled if filled else None, worst)

    def age_s(self, now: datetime) -> float:
        """Seconds since this book was received."""
        return (now - self.received_time).total_seconds()


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark and index price in quote units; index is None where the venue does not send it."""

    venue: Venue
    symbol: str
    mark: Decimal
    index: Decimal | None
    venue_time: datetime
    received_time: datetime


@dataclass(frozen=True, slots=True)
class FundingRate:
    """The running estimate of the coming funding: rate is a fraction per interval_s; positive means longs pay."""

    venue: Venue
    symbol: str
    rate: Decimal
    interval_s: int
    next_at: datetime | None
    venue_time: datetime
    received_time: datetime

    @property
    def hourly(self) -> Decimal:
        """The rate normalised to one hour; the only form in which two venues may be compared."""
        return self.rate * 3600 / self.interval_s


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One booked funding payment, in quote units from the account's view: positive received, negative paid."""

    venue: Venue
    account_id: str
    symbol: str
    payment_id: str
    payment: Decimal
    rate: Decimal | None
    paid_at: datetime
    received_time: datetime
