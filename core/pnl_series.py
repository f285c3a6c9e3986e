"""A session's result over time: its largest fall from a peak, and what a bad minute has cost so far.

One sample a minute is kept, for a day at most. Statistics, not money: floats.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from core.numbers import ZERO

STEP = timedelta(minutes=1)
SAMPLES_MAX = 24 * 60
CHANGES_MIN = 20


@dataclass(slots=True)
class PnlSeries:
    """Net PnL in quote units as it was noted; peak and fall are kept for the whole session, samples for a day."""

    peak: Decimal = ZERO
    max_drawdown: Decimal = ZERO
    _samples: deque[tuple[datetime, Decimal]] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))

    def note(self, at: datetime, pnl: Decimal) -> None:
        """Take the result of a moment; moments must not run backwards (an earlier one is ignored)."""
        if self._samples and at < self._samples[-1][0]:
            return
        self.peak = max(self.peak, pnl)
        self.max_drawdown = max(self.max_drawdown, self.peak - pnl)
        if not self._samples or at - self._samples[-1][0] >= STEP:
            self._samples.append((at, pnl))

    @property
    def since(self) -> datetime | None:
        """Since when the window reaches back; None before the first sample."""
        return self._samples[0][0] if self._samples else None

    def value_at_risk(self, share: float = 0.95) -> Decimal | None:
        """Return the loss (quote units, >= 0) that a minute's change stayed below in `share` of the window.

        Historical: the quantile of the changes seen, by the nearest rank, no distribution assumed. None before twenty
        changes: a quantile of fewer says nothing.
        """
        pairs = zip(self._samples, list(self._samples)[1:], strict=False)
        losses = sorted(before - after for (_, before), (_, after) in pairs)
        if len(losses) < CHANGES_MIN:
            return None
        rank = min(len(losses) - 1, int(len(losses) * share))
        return max(losses[rank], ZERO)
