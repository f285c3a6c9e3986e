"""One state per session, from facts alone; and a leg that stands alone is counted from its first second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.risk_state import NakedMeter, RiskState, RiskStateFacts, stand

D = Decimal
NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("halted", "closing", "gap", "critical", "state", "why"),
    [
        (None, None, "0", None, RiskState.ACTIVE, None),
        (None, None, "0.1", "trade_bust", RiskState.REDUCING, "0.1 is not hedged"),
        (None, "stopped by ops", "0", "stop_loss", RiskState.REDUCING, "stopped by ops"),
        (None, None, "0", "trade_bust", RiskState.HALTED, "trade_bust"),
        ("the leg cannot follow", "stopped by ops", "0.1", None, RiskState.HALTED, "cannot follow"),
    ],
)
def test_state_follows_from_the_facts(
    halted: str | None, closing: str | None, gap: str, critical: str | None, state: RiskState, why: str | None
) -> None:
    standing = stand(RiskStateFacts(halted, closing, D(gap), critical))
    assert standing.state is state
    assert (standing.reason is None) is (why is None)
    assert why is None or (standing.reason is not None and why in standing.reason)


def test_what_stands_alone_is_counted_from_its_first_second_to_its_last() -> None:
    meter = NakedMeter()
    assert meter.look(NOW, D(100)) == 0
    meter.open(NOW, D(100))
    meter.open(NOW + timedelta(seconds=1), D(5))
    assert meter.look(NOW + timedelta(seconds=2), D(40)) == 200
    assert meter.look(NOW + timedelta(seconds=5), D(0)) == 120
    assert meter.spent == 320
    assert meter.since is None
    assert meter.look(NOW + timedelta(seconds=9), D(0)) == 0


def test_what_stands_alone_over_midnight_counts_on_each_day_for_its_seconds() -> None:
    meter = NakedMeter()
    meter.open(NOW - timedelta(seconds=3), D(10))
    assert meter.look(NOW + timedelta(days=1, seconds=2), D(0)) == 10 * (3 + 86_400 + 2)
    days = [(NOW + timedelta(days=n)).date() for n in (-1, 0, 1)]
    assert meter.by_day == dict(zip(days, (D(30), D(864_000), D(20)), strict=True))
    assert meter.spent == 864_050
