"""The plan of a campaign, the finding of its victims, and one short campaign for `make test-slow`."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.supervisor import RESTARTS_MAX, WINDOW_S
from store.home import Home
from tests.chaos.chaos_world import ROOT, Installation, is_running, keeper_of
from tests.chaos.strikes import CHILDREN, FREEZE_S, Victim, plan
from tests.fakes.postgres_server import missing

CAMPAIGN_S = 1500


@pytest.mark.parametrize("with_postgres", [False, True])
def test_a_seed_makes_one_plan_that_strikes_everything_and_never_more_than_is_forgiven(with_postgres: bool) -> None:
    for seed in range(200):
        strikes = plan(seed, 30, with_postgres=with_postgres)
        assert strikes == plan(seed, 30, with_postgres=with_postgres)
        assert {s.victim for s in strikes} == set(Victim) - (set() if with_postgres else {Victim.POSTGRES})
        assert all(0 <= s.at_s < 1800 and s.freeze_s <= FREEZE_S[1] for s in strikes)
        assert not [s for s in strikes if s.victim is Victim.TWINS and not s.freeze_s], "a twin was killed"
        for child in CHILDREN:
            kills = [s.at_s for s in strikes if s.victim is child and not s.freeze_s]
            for at_s in kills:
                assert sum(at_s - WINDOW_S < other <= at_s for other in kills) < RESTARTS_MAX
    assert plan(1, 30) != plan(2, 30)


def test_whoever_holds_the_lock_of_the_results_is_the_keeper(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert keeper_of(home) is None
    with (tmp_path / "results.lock").open("w") as lock:
        assert keeper_of(home) is None
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert keeper_of(home) is None, "a reader is no keeper"
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert keeper_of(home) == os.getpid()


def test_a_frozen_process_goes_on_and_a_killed_one_is_not_running(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    world = Installation(Home(tmp_path), child, {})
    try:
        world.strike(child.pid, 30.0)
        assert world.thaw() == []
        assert world.thaw(everything=True) == [child.pid]
        assert is_running(child.pid)
        world.strike(child.pid, 0.0)
        assert child.wait(20) == -signal.SIGKILL
        assert not is_running(child.pid)
    finally:
        world.destroy()


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(CAMPAIGN_S + 60)
@pytest.mark.parametrize("words", [("7", "2"), ("7", "2", "postgres")])
def test_a_short_campaign_holds_every_law(words: tuple[str, ...]) -> None:
    if "postgres" in words and (reason := missing()) is not None:
        pytest.skip(f"Postgres: {reason}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.campaign", *words], capture_output=True, text=True, timeout=CAMPAIGN_S,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
