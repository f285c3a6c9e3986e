"""A short slice of the soak: real connectors, real sockets, every kind of trouble, in virtual time."""

from __future__ import annotations

from benchmarks.soak import soak

SEED = 7


def test_no_execution_is_lost_doubled_or_changed_whatever_the_venues_do() -> None:
    verdicts = soak(SEED, minutes=0.6, gap_s=(1.0, 4.0))

    for verdict in verdicts:
        assert verdict.holds, f"seed {SEED}: {verdict}"
        assert verdict.executions > 0, f"seed {SEED}: {verdict.venue} executed nothing, so nothing was shown"
    assert sum(verdict.by_stream for verdict in verdicts) > 0
