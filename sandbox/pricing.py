"""Mark, index, funding rate, public trades, candles and day statistics of one market.

Duty: hold the market's public figures and let its continuous funding index grow with time.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from sandbox.candles import CandlePrice, CandleTape
from sandbox.events import Trade
from sandbox.funding import index_step, rate_for
from sandbox.model import ZERO, FundingMode, FundingPoint, VenueRules
from sandbox.statistics import DayFigures

TRADES_KEPT = 1000
POINTS_KEPT = 1000
SAMPLE_US = 60_000_000


class MarketFigures:
    """Public figures of one market of one venue."""

    def __init__(self, instrument: str, rules: VenueRules, price: Decimal, turnover: Decimal, now_us: int) -> None:
        self.instrument = instrument
        self.mark = price
        self.index = price
        self.last: Decimal | None = None
        self.tapes = {by: CandleTape(with_seconds=by is CandlePrice.LAST) for by in CandlePrice}
        self.day = DayFigures(self.tapes[CandlePrice.LAST], price, turnover, now_us)
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.points: deque[FundingPoint] = deque(maxlen=POINTS_KEPT)
        self.rate_override: Decimal | None = None
        self._rules = rules
        self._premium = ZERO
        self._rate: Decimal | None = None  # that follows from the premium, once worked out
        self._funding_index = ZERO
        self._accrued_to_us = now_us
        self._sampled_us = 0

    @property
    def rate(self) -> Decimal:
        """Running estimate of the funding rate, fraction per the venue's period."""
        if self.rate_override is not None:
            return self.rate_override
        if self._rate is None:
            self._rate = rate_for(self._premium, self._rules.funding_period_hours, self._rules.funding_rate_cap)
        return self._rate

    def set_prices(self, mark: Decimal, index: Decimal, premium: Decimal, now_us: int) -> None:
        """Take new prices; the time before is accrued at the old ones."""
        self.accrue(now_us)
        self.mark, self.index, self._premium, self._rate = mark, index, premium, None
        self.tapes[CandlePrice.MARK].note(now_us, mark)
        self.tapes[CandlePrice.INDEX].note(now_us, index)

    def set_rate(self, rate: Decimal | None, now_us: int) -> None:
        """Fix the funding rate, or return to the formula with None."""
        self.accrue(now_us)
        self.rate_override = rate

    def accrue(self, now_us: int) -> Decimal:
        """Let the funding index grow up to now (CONTINUOUS venues) and return it."""
        if self._rules.funding_mode is FundingMode.CONTINUOUS and now_us > self._accrued_to_us:
            elapsed = now_us - self._accrued_to_us
            self._funding_index += index_step(self.rate, self.index, elapsed, self._rules.funding_period_hours)
            if now_us - self._sampled_us >= SAMPLE_US:
                self._sampled_us = now_us
                self.note_rate(now_us)
        self._accrued_to_us = max(now_us, self._accrued_to_us)
        return self._funding_index

    def note_rate(self, now_us: int) -> None:
        """Keep the rate of now in the history."""
        self.points.append(FundingPoint(self.instrument, self.rate, self.index, self.mark, now_us))

    def note_trade(self, trade: Trade) -> None:
        """Keep a public trade."""
        self.trades.append(trade)
        self.last = trade.price
        self.tapes[CandlePrice.LAST].note(trade.time_us, trade.price, trade.quantity, trades=1)
