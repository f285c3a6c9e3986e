"""The API's benchmark measures what it says: its record is whole, its clients hear, and its quantiles are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.api import quantiles
from benchmarks.api_record import PAIRS, write_record
from store import open_store

ROOT = Path(__file__).parents[2]


def test_quantiles_are_taken_from_all_delays() -> None:
    assert quantiles([float(n) for n in range(100, 0, -1)]) == ("51.0", "100.0")
    assert quantiles([]) == ("-", "-")


def test_the_record_has_one_session_that_traded_and_others_that_wait(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        write_record(store, 3)
        assert store.reads.count_sessions() == 3
        assert store.reads.count_pairs("session-0") == PAIRS
        assert store.reads.totals("session-0").pairs_filled == PAIRS
        assert store.reads.last_event_sequence("session-0") == 2 * PAIRS
        assert store.reads.count_pairs("session-1") == 0


def test_listeners_hear_the_bare_fan_out_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "0.json").write_text("{}")
    port, ws_port = _ports()
    limit = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.api_limit", str(tmp_path), str(port), str(ws_port)], cwd=ROOT
    )  # fmt: skip
    try:
        done = None
        for _ in range(100):  # until it listens
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.api_listeners", "3", "1", "listen"], cwd=ROOT, capture_output=True,
                env={**os.environ, "URL": f"ws://127.0.0.1:{ws_port}/"}, text=True, timeout=60, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                break
        assert done is not None
        heard = json.loads(done.stdout.splitlines()[-1])
    finally:
        limit.kill()
        limit.wait()
    assert len(heard["delays_ms"]) >= 3
    assert heard["missed"] == 0


def _ports() -> tuple[int, int]:
    import socket

    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
