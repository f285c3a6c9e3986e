"""What legs stood alone outside pairs on a day, as a frozen value. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class NakedDay:
    """One session's UTC day outside pairs: quote units x seconds counted so far, and what is still running.

    counted_until: up to when it is counted; usd: what stands alone from then on, quote units, zero when nothing does.
    """

    day: date
    usd_seconds: Decimal
    counted_until: datetime
    usd: Decimal


def first_moment_of(day: date) -> datetime:
    """Return midnight UTC at which a day begins."""
    return datetime.combine(day, time.min, tzinfo=UTC)
