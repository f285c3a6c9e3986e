"""How far a venue's clock is from ours, measured and bounded. Measures only; it signs and waits for nothing.

The offset of one question is the venue's answer minus the middle of asking and answering; the truth lies within half
the round trip (plus the answer's own resolution) of it. Of several rounds the one with the smallest bound is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.settings import Clock

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """offset: the venue's clock minus ours, signed; error: the bound within which the truth lies (>= 0)."""

    offset: timedelta
    error: timedelta
    measured_at: datetime

    def is_safe(self, *, tolerance: timedelta) -> bool:
        """True when even the bound's worse end is within the tolerance."""
        return abs(self.offset) + self.error <= tolerance

    def venue_time(self, ours: datetime) -> datetime:
        """Return what the venue's clock shows at a moment of ours."""
        return ours + self.offset


async def measure(
    ask: Callable[[], Awaitable[datetime]],
    clock: Clock,
    *,
    resolution: timedelta = timedelta(0),
    rounds: int = ROUNDS,
) -> ClockOffset:
    """Ask the venue's clock a few times and keep the answer with the smallest bound.

    resolution: by how much a true time may be later than the answer (1 s for a clock that cuts off fractions); the
    middle of it is added. Raises whatever `ask` raises.
    """
    best: ClockOffset | None = None
    for _ in range(max(rounds, 1)):
        asked = clock()
        said = await ask()
        answered = clock()
        half = (answered - asked) / 2
        found = ClockOffset(said + resolution / 2 - (asked + half), abs(half) + resolution / 2, answered)
        if best is None or found.error < best.error:
            best = found
    assert best is not None
    return best
