"""A short slice of the soak: real connectors, real sockets, every kind of trouble, in virtual time."""

from __future__ import annotations

from benchmarks.soak import soak

SEED = 7


def test_no_execution_is_lost_doubled_or_changed_whatever_the_venues_do() -> None:
    verdicts = soak(SEED, minutes=0.5, gap_s=(1.5, 4.0))

    for verdict in verdicts:
        assert verdict.holds, f"seed {SEED}: {verdict}"
    assert sum(verdict.executions for verdict in verdicts) > 3, f"seed {SEED} executed nothing, so nothing was shown"
    assert sum(verdict.by_stream for verdict in verdicts) > 0
