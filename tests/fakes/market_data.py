"""Market data without a network: what a test sets, and NotOffered for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.errors import NotOffered, VenueUnreachable
from core.instrument import Venue
from core.market_data import (
    Candle,
    CandleInterval,
    PastFunding,
    PublicTrade,
    Statistics,
    SystemStatus,
    VenueState,
)


@dataclass
class FakeMarketData:
    """See VenueMarketData. volume None: no such thing here; state None: the venue publishes none.

    failing: readings (by method name) that are not answered. read: every reading asked for, in order.
    """

    venue: Venue
    clock: Callable[[], datetime]
    volume: Decimal | None = None
    state: VenueState | None = None
    points: list[PastFunding] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    read: list[str] = field(default_factory=list)

    async def statistics(self, symbol: str) -> Statistics:
        """The volume, nothing else."""
        self._read("statistics")
        if self.volume is None:
            raise NotOffered(f"{self.venue}: no statistics")
        return Statistics(self.venue, symbol, self.volume, None, None, None, None, None, None, self.clock())

    async def system_status(self) -> SystemStatus:
        """The state as set."""
        self._read("system_status")
        if self.state is None:
            raise NotOffered(f"{self.venue}: no status")
        return SystemStatus(self.venue, self.state, f"says {self.state}", self.clock())

    async def trades(self, symbol: str, limit: int = 100) -> Sequence[PublicTrade]:
        """Not here."""
        raise NotOffered(f"{self.venue}: no trades")

    async def candles(
        self, symbol: str, interval: CandleInterval, since: datetime, until: datetime
    ) -> Sequence[Candle]:
        """Not here."""
        raise NotOffered(f"{self.venue}: no candles")

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[PastFunding]:
        """The points as set; NotOffered without any."""
        self._read("past_funding")
        if not self.points:
            raise NotOffered(f"{self.venue}: no funding history")
        return [point for point in self.points if point.at >= since]

    def _read(self, name: str) -> None:
        self.read.append(name)
        if name in self.failing:
            raise VenueUnreachable(f"{self.venue}: {name} was not answered")
