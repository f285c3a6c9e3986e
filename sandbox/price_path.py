"""The seeded reference price of each instrument and each venue's small basis against it.

Duty: the only source of price movement. A gentle random walk; floats serve the random draw only, prices
are Decimal. Must not know books or accounts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

PRICE_STEP = Decimal("0.0001")
MARK_STEP = Decimal("0.000001")
JUMP_SECONDS_MAX = 3600.0
PREMIUM_PULL = 0.02  # share of the way back to its mean that a premium goes each second


@dataclass(frozen=True, slots=True)
class PathSpec:
    """Start price and volatility (standard deviation of the return over one second, in bps)."""

    start: Decimal
    volatility_bps: float


PATHS: dict[str, PathSpec] = {
    "ETH/USD": PathSpec(Decimal(2500), 0.8),
    "BTC/USD": PathSpec(Decimal(60000), 0.6),
    "SOL/USD": PathSpec(Decimal(150), 1.2),
}

TURNOVER_24H: dict[str, Decimal] = {
    "ETH/USD": Decimal(180_000_000),
    "BTC/USD": Decimal(400_000_000),
    "SOL/USD": Decimal(60_000_000),
}

# Mean basis of each venue's mark against the reference price, and mean funding premium, both in bps.
BASIS_BPS: dict[str, float] = {"pacifica": -0.4, "paradex": 0.6, "backpack": 0.1}
PREMIUM_BPS: dict[str, float] = {"pacifica": 2.0, "paradex": 7.0, "backpack": -5.0}


class ReferencePath:
    """One instrument's reference price: a random walk with an optional drift."""

    def __init__(self, instrument: str, spec: PathSpec, seed: int) -> None:
        self.instrument = instrument
        self.price = spec.start
        self.drift_bps_per_min = 0.0
        self._volatility_bps = spec.volatility_bps
        self._random = random.Random(f"{seed}/path/{instrument}")

    def step(self, elapsed_s: float) -> Decimal:
        """Move by `elapsed_s` seconds and return the new price; long jumps count at most an hour."""
        seconds = min(elapsed_s, JUMP_SECONDS_MAX)
        noise_bps = self._random.gauss(0.0, 1.0) * self._volatility_bps * seconds**0.5
        move_bps = noise_bps + self.drift_bps_per_min * seconds / 60.0
        factor = 1 + Decimal(f"{move_bps:.6f}") / 10_000
        self.price = max((self.price * factor).quantize(PRICE_STEP), PRICE_STEP)
        return self.price


class VenueBasis:
    """One venue's basis and funding premium in one market: both wander around their means."""

    def __init__(self, venue: str, instrument: str, seed: int) -> None:
        self._random = random.Random(f"{seed}/basis/{venue}/{instrument}")
        self._means = (BASIS_BPS[venue], PREMIUM_BPS[venue])
        self._basis_bps, self._premium_bps = self._means

    def step(self, elapsed_s: float) -> None:
        """Move by `elapsed_s` seconds."""
        seconds = min(elapsed_s, 60.0)
        pull = min(PREMIUM_PULL * seconds, 1.0)
        noise = 0.08 * seconds**0.5
        self._basis_bps += (self._means[0] - self._basis_bps) * pull + self._random.gauss(0.0, noise)
        self._premium_bps += (self._means[1] - self._premium_bps) * pull + self._random.gauss(0.0, noise)

    @property
    def premium(self) -> Decimal:
        """Funding premium, fraction of the index price."""
        return Decimal(f"{self._premium_bps:.6f}") / 10_000

    def mark(self, reference: Decimal) -> Decimal:
        """Mark price on top of the reference price."""
        return (reference * (1 + Decimal(f"{self._basis_bps:.6f}") / 10_000)).quantize(MARK_STEP)
