"""Where a session stands: ACTIVE, REDUCING or HALTED, one value with its reason; and the meter of a leg alone. Pure.

The only place that derives the state. The run derives it at each beat, and whoever reads the store from the same facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.numbers import ZERO, canonical


class RiskState(StrEnum):
    """What a session's risk lets it do.

    ACTIVE: it may open, also while an operator has it paused. REDUCING: positions only go down, because a leg follows
    another one or because it winds down. HALTED: nothing goes on before a person has acted.
    """

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class RiskStateFacts:
    """What the state follows from.

    halted: why exposure is left that could not be removed, or an unknown outcome; closing: why the session winds down.
    gap: signed base units that no pair in progress and no leg hedges. critical: an open breach that waits for a person.
    """

    halted: str | None
    closing: str | None
    gap: Decimal
    critical: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The state and the sentence that says why; ACTIVE needs none."""

    state: RiskState
    reason: str | None


def stand(facts: RiskStateFacts) -> Standing:
    """Derive the state: what could not be removed halts, then what is being removed, then what waits for a person."""
    if facts.halted is not None:
        return Standing(RiskState.HALTED, facts.halted)
    if facts.gap != 0:
        return Standing(RiskState.REDUCING, f"{canonical(facts.gap)} is not hedged; the other legs follow")
    if facts.closing is not None:
        return Standing(RiskState.REDUCING, facts.closing)
    if facts.critical is not None:
        return Standing(RiskState.HALTED, f"the critical breach {facts.critical} waits for a person")
    return Standing(RiskState.ACTIVE, None)


@dataclass(slots=True)
class NakedMeter:
    """Counts what a leg that stands alone outside any pair costs: quote units x seconds.

    spent: so far. since: from when what is alone now counts, None while nothing is; usd: how much stands alone.
    """

    spent: Decimal = ZERO
    since: datetime | None = None
    usd: Decimal = ZERO
    opened_at: datetime | None = None

    def open(self, at: datetime, usd: Decimal) -> None:
        """Begin to count at a time, unless it is counting already."""
        if self.since is None:
            self.since, self.opened_at, self.usd = at, at, usd

    def look(self, at: datetime, usd: Decimal) -> Decimal:
        """Count up to a time, then go on with what stands alone now; returns what was added. Zero usd ends it."""
        if self.since is None:
            return ZERO
        added = self.usd * Decimal(str(max(0.0, (at - self.since).total_seconds())))
        self.spent += added
        self.since, self.usd = max(at, self.since), usd
        if usd == 0:
            self.since = self.opened_at = None
        return added
