"""Market facts beyond book and mark: trades, candles, day statistics, past funding, the venue's own state.

Each fact carries the venue's time and ours. What a venue does not tell is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.instrument import Venue
from core.order import Side


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the venue's tape. aggressor is the taker's side, price in quote units, quantity in base units.

    trade_id is the venue's own, None where its rows carry none.
    """

    venue: Venue
    symbol: str
    trade_id: str | None
    aggressor: Side
    price: Decimal
    quantity: Decimal
    venue_time: datetime
    received_time: datetime


class CandleInterval(StrEnum):
    """Candle lengths that every venue has."""

    MINUTE = "1m"
    MINUTES_3 = "3m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOUR = "1h"

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        number, unit = int(self.value[:-1]), self.value[-1]
        return number * (60 if unit == "m" else 3600)


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle of trades: prices in quote units, volume in base units, start inclusive.

    is_closed is False for the one still running. Candles without a trade are left out.
    """

    venue: Venue
    symbol: str
    interval: CandleInterval
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    is_closed: bool
    received_time: datetime


@dataclass(frozen=True, slots=True)
class Statistics:
    """The last 24 hours of one market and what is open now.

    volume_quote in quote units, volume_base and open_interest in base units, change as a fraction of the price a
    day ago (0.01 = 1 %), high and low in quote units.
    """

    venue: Venue
    symbol: str
    volume_quote: Decimal
    volume_base: Decimal | None
    change: Decimal | None
    high: Decimal | None
    low: Decimal | None
    open_interest: Decimal | None
    venue_time: datetime | None
    received_time: datetime


@dataclass(frozen=True, slots=True)
class PastFunding:
    """One point of a market's funding history: rate is a fraction per interval_s, positive means longs pay.

    index is the venue's cumulative funding index in quote units a base unit where funding accrues by index
    (Paradex), else None; such rows are samples of a running rate and must never be summed as payments.
    """

    venue: Venue
    symbol: str
    rate: Decimal
    interval_s: int
    index: Decimal | None
    mark: Decimal | None
    at: datetime
    received_time: datetime


class VenueState(StrEnum):
    """What a venue takes now. UNKNOWN: it said something this system has no word for."""

    OPEN = "open"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The venue's own state, with its own words."""

    venue: Venue
    state: VenueState
    text: str
    received_time: datetime

    @property
    def takes_new_risk(self) -> bool:
        """True only when the venue positively says that it is open."""
        return self.state is VenueState.OPEN
