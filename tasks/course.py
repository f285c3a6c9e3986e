"""Where a session is on its way: counters, and whether it runs, is paused, halts or winds down. Holds no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.numbers import ZERO
from core.pnl_series import PnlSeries
from core.risk_state import NakedMeter
from store.records import SessionTotals


@dataclass(slots=True)
class Course:
    """The state of a session's run.

    closing: why it winds down to flat, None while it may open. urgent: it closes at once, leg by leg where the gate
    refuses for long. paused: why it opens nothing now. halted: exposure is
    open that could not be removed. volume in quote units; sequence is the last pair's. series: the net result over
    time. What legs stood alone, quote units x seconds: naked_pairs in pairs that have ended, naked_open in one that has
    no end yet, gap outside any pair; naked_today: of all sessions of the installation since midnight UTC, as of the
    last beat or pair.
    """

    started_at: datetime
    sequence: int = 0
    volume: Decimal = ZERO
    naked_pairs: Decimal = ZERO
    naked_open: Decimal = ZERO
    naked_today: Decimal = ZERO
    max_net_exposure_usd: Decimal = ZERO
    slippage_paid: Decimal = ZERO
    pairs_filled: int = 0
    pairs_unwound: int = 0
    unwinding: bool = False
    closing: str | None = None
    urgent: bool = False
    paused: str | None = None
    halted: str | None = None
    last_decision: str = "starting"
    last_progress_at: datetime | None = None
    refusals: dict[str, int] = field(default_factory=dict)
    last_code: str | None = None
    series: PnlSeries = field(default_factory=PnlSeries)
    gap: NakedMeter = field(default_factory=NakedMeter)

    def close(self, reason: str) -> None:
        """Wind down: only closing pairs from now on. The first reason holds."""
        self.closing = self.closing or reason
        self.paused = None

    @property
    def naked_usd_seconds(self) -> Decimal:
        """What legs stood alone in pairs that have ended, and outside pairs, quote units x seconds."""
        return self.naked_pairs + self.gap.spent

    @property
    def naked_spent(self) -> Decimal:
        """What the session has spent so far, the pair without an end included, quote units x seconds."""
        return self.naked_usd_seconds + self.naked_open

    def news(self, code: str | None) -> bool:
        """Tell whether a refusal's code is another than the last one: the same reason is said once, not every beat."""
        changed, self.last_code = code != self.last_code, code
        return changed

    def totals(self, *, pnl: Decimal, fees: Decimal, funding: Decimal) -> SessionTotals:
        """The running sums for the session's row."""
        return SessionTotals(
            volume_generated=self.volume,
            pnl=pnl,
            fees=fees,
            funding=funding,
            slippage=self.slippage_paid / self.volume if self.volume else ZERO,
            pairs_filled=self.pairs_filled,
            pairs_unwound=self.pairs_unwound,
            max_net_exposure_usd=self.max_net_exposure_usd,
            naked_usd_seconds=self.naked_usd_seconds,
        )
