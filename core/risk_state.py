"""Where a session stands: ACTIVE, REDUCING or HALTED, one value with its reason; and the meter of a leg alone. Pure.

The only place that derives the state. The run derives it at each beat, and whoever reads the store from the same facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
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
    """Counts what a leg that stands alone outside any pair costs: quote units x seconds, each on its UTC day.

    by_day: so far. since: from when what is alone now counts, None while nothing is; usd: how much stands alone.
    """

    by_day: dict[date, Decimal] = field(default_factory=dict)
    since: datetime | None = None
    usd: Decimal = ZERO

    @property
    def spent(self) -> Decimal:
        """What was counted so far, over all days."""
        return sum(self.by_day.values(), ZERO)

    def open(self, at: datetime, usd: Decimal) -> None:
        """Begin to count at a time, unless it is counting already."""
        if self.since is None:
            self.since, self.usd = at, usd

    def look(self, at: datetime, usd: Decimal) -> Decimal:
        """Count up to a time, then go on with what stands alone now; returns what was added. Zero usd ends it."""
        if self.since is None:
            return ZERO
        added = ZERO
        for day, seconds in _by_day(self.since, at):
            self.by_day[day] = self.by_day.get(day, ZERO) + self.usd * seconds
            added += self.usd * seconds
        self.since, self.usd = max(at, self.since), usd
        if usd == 0:
            self.since = None
        return added


def _by_day(since: datetime, until: datetime) -> Iterator[tuple[date, Decimal]]:
    """The seconds of each UTC day from one time to another; none when there are none between them."""
    while since < until:
        day = since.astimezone(UTC).date()
        midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
        end = min(until, midnight)
        yield day, Decimal((end - since) // timedelta(microseconds=1)) / 1_000_000
        since = end
