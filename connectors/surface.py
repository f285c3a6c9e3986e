"""What a connector offers beyond trading a pair: market data, account records, the wider order desk, the public tape.

Each client carries one object of each kind (`client.market_data`, `.records`, `.desk`, `.tape`), so that the trading
seam of venue.py stays small. Reads answer or raise. What a venue does not have raises NotOffered, and its capability
table says `never`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from connectors.venue import CancelOutcome, PlaceOutcome, VenueClient
from core.account import Balance, FeeTier, LeverageSetting, MarginMode, RequestQuota, Subaccount, Transfer
from core.market import FundingRate, Mark
from core.market_data import Candle, CandleInterval, PastFunding, PublicTrade, Statistics, SystemStatus
from core.order import OrderIntent, OrderReport, TriggerIntent


class VenueMarketData(Protocol):
    """Public facts by REST."""

    async def statistics(self, symbol: str) -> Statistics:
        """Read 24 h volume, change and open interest."""

    async def trades(self, symbol: str, limit: int = 100) -> Sequence[PublicTrade]:
        """Read the newest trades, oldest first."""

    async def candles(
        self, symbol: str, interval: CandleInterval, since: datetime, until: datetime
    ) -> Sequence[Candle]:
        """Read candles that start in [since, until), oldest first, all pages."""

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[PastFunding]:
        """Read the market's funding history since a time (inclusive), oldest first, all pages."""

    async def system_status(self) -> SystemStatus:
        """Read the venue's own state; raise NotOffered where it publishes none."""


class VenueRecords(Protocol):
    """What a venue keeps about the account. Nothing here changes anything."""

    async def balances(self) -> Sequence[Balance]:
        """Read every asset the account holds."""

    async def order_history(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Read ended orders created since a time, newest first, all pages."""

    async def transfers(self, since: datetime) -> Sequence[Transfer]:
        """Read deposits, withdrawals and transfers since a time, oldest first, all pages."""

    async def subaccounts(self) -> Sequence[Subaccount]:
        """Read the accounts under the same owner; raise NotOffered where a venue has no such list."""

    async def fee_tier(self) -> FeeTier:
        """Read the account's fee tier."""

    async def request_quota(self) -> RequestQuota:
        """Return what is left of the request budget, as the venue said last or says now."""

    async def leverage(self, symbol: str) -> LeverageSetting:
        """Read leverage and margin mode of one market."""


class VenueDesk(Protocol):
    """Order commands beyond place and cancel. The same four outcomes; nothing is retried inside.

    These send what they are told: the firewall against own orders stands before them, as it does before `place`.
    """

    async def place_batch(self, intents: Sequence[OrderIntent]) -> Sequence[PlaceOutcome]:
        """Send several orders in one request; one outcome each, in the same order. Several requests when too many."""

    async def cancel_batch(self, orders: Sequence[tuple[OrderIntent, str | None]]) -> Sequence[CancelOutcome]:
        """Ask to cancel several orders, each by venue order id where known; one outcome each, in the same order."""

    async def edit(self, intent: OrderIntent, venue_order_id: str, replacement: OrderIntent) -> PlaceOutcome:
        """Change price and quantity of a resting order to the replacement's; raise NotOffered where there is no edit.

        An edit keeps the client order id, so the journal's firewall never sees it: one whose price lies nearer to the
        other side than `intent`, the journalled one, is NotSent. Accepted carries the order that rests now, whose venue
        order id may be a new one.
        """

    async def place_trigger(self, trigger: TriggerIntent) -> PlaceOutcome:
        """Place a stop-loss or take-profit that reduces the position."""

    async def cancel_trigger(self, trigger: TriggerIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask to cancel a trigger order that has not gone off."""

    async def open_triggers(self, symbol: str) -> Sequence[OrderReport]:
        """Read the trigger orders that wait on one market."""

    async def set_leverage(self, symbol: str, leverage: Decimal) -> LeverageSetting:
        """Set a market's leverage and return what the venue holds now; VenueRejected with its words when refused."""

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> LeverageSetting:
        """Set a market's margin mode; NotOffered where the venue has one mode only."""


class Channel(StrEnum):
    """Public channels of the tape."""

    TRADES = "trades"
    BEST = "best"
    CANDLES = "candles"
    STATISTICS = "statistics"
    FUNDING = "funding"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Best:
    """Best bid and ask as a venue's own channel says them: prices in quote units, quantities in base units."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    venue_time: datetime
    received_time: datetime


class VenueTape(Protocol):
    """Public streams besides the book, on a connection of their own: a busy tape never slows the trading feed.

    Every value is None (or empty) before the first message and while disconnected. Memory is bounded: the newest
    1,000 trades a symbol are kept.
    """

    async def start(
        self, symbols: Sequence[str], channels: Collection[Channel], interval: CandleInterval = CandleInterval.MINUTE
    ) -> None:
        """Connect and subscribe; raise NotOffered for a channel the venue does not have."""

    async def aclose(self) -> None:
        """Close the connection; safe to call twice."""

    def trades(self, symbol: str) -> tuple[PublicTrade, ...]:
        """Return the newest trades, oldest first, each once."""

    def best(self, symbol: str) -> Best | None:
        """Return the last best bid and ask."""

    def candle(self, symbol: str) -> Candle | None:
        """Return the candle that runs now."""

    def statistics(self, symbol: str) -> Statistics | None:
        """Return the last day statistics."""

    def funding_rate(self, symbol: str) -> FundingRate | None:
        """Return the last running funding rate."""

    def mark(self, symbol: str) -> Mark | None:
        """Return the last mark and index price."""

    def last_heard(self, channel: Channel) -> datetime | None:
        """Return when a channel last said something, to judge its staleness; None before it did."""


class WholeClient(VenueClient, Protocol):
    """A client with everything its venue offers; trading a pair needs VenueClient alone."""

    @property
    def records(self) -> VenueRecords:
        """What the venue keeps about the account."""

    @property
    def desk(self) -> VenueDesk:
        """Order commands beyond place and cancel."""

    @property
    def tape(self) -> VenueTape:
        """Public streams besides the book."""
