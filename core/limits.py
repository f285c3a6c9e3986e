"""The bounds of a session and how grave it is to pass one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.strategy import Strategy

# What the legs of all sessions may stand alone in a UTC day, quote units x seconds, unless the operator says otherwise.
NAKED_DAY_MAX_DEFAULT = Decimal(5_000_000)
NAKED_DAY_REMEDY = "new pairs open again after midnight UTC, or with a higher HEDGE_NAKED_DAY_MAX"


class Severity(StrEnum):
    """warning: may pass by itself; critical: a person must look, and the session does not resume before."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Bounds of a session.

    max_position in base units; max_slippage, stop_loss, spread_max as fractions (of pair volume, capital, mid); ages in
    seconds; naked_usd_seconds_max in quote units x seconds per session, naked_day_max in the same per UTC day over all
    sessions of the installation; margin ratios are maintenance over equity, margin_floor_warning
    is available margin over equity; liquidation distances are fractions of mark.
    """

    max_position: Decimal
    max_slippage: Decimal
    stop_loss: Decimal
    book_age_s_max: float = 5.0
    mark_age_s_max: float = 30.0
    spread_max: Decimal = Decimal("0.01")
    margin_cushion: Decimal = Decimal("1.1")
    naked_usd_seconds_max: Decimal = Decimal(500_000)
    naked_day_max: Decimal = NAKED_DAY_MAX_DEFAULT
    margin_ratio_warning: Decimal = Decimal("0.5")
    margin_ratio_critical: Decimal = Decimal("0.8")
    margin_floor_warning: Decimal = Decimal("0.03")
    liquidation_distance_warning: Decimal = Decimal("0.10")
    liquidation_distance_critical: Decimal = Decimal("0.03")

    @classmethod
    def of(cls, strategy: Strategy, *, naked_day_max: Decimal = NAKED_DAY_MAX_DEFAULT) -> RiskLimits:
        """Take the operator's limits, and the defaults for what a strategy does not say.

        naked_day_max: the installation's own limit for a UTC day, which no strategy changes.

        Unless it says otherwise, a session may leave legs alone for as long as a hundred of its largest pairs at the
        longest delay would.
        """
        delay = Decimal(str(strategy.max_leg_delay_s))
        naked = strategy.max_naked_usd_seconds
        return cls(
            max_position=strategy.max_position,
            max_slippage=strategy.max_slippage,
            stop_loss=strategy.stop_loss,
            naked_usd_seconds_max=strategy.order_size_max * delay * 100 if naked is None else naked,
            naked_day_max=naked_day_max,
        )
