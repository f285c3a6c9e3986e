"""Children that die are started again: when, how often, what is told, and what becomes of what they had started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.up import wind_down
from core.errors import ConfigurationError
from deployments.groups import members, wait_empty
from deployments.processes import Child, Family, Launch, require_alone, stop_recorded
from deployments.supervisor import DELAYS_S, RESTARTS_MAX, WINDOW_S, Supervisor
from store.home import Home, private_file


@dataclass
class FakeProcess:
    """A process that ends when a test says so."""

    pid: int = 1
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.returncode


@dataclass
class FakeFamily:
    """Children on a clock that only a test moves; a restart gives a child a new process."""

    children: list[Child]
    now: float = 1000.0
    started: list[str] = field(default_factory=list)
    refuse: bool = False

    def monotonic(self) -> float:
        """The time, in seconds."""
        return self.now

    def restart(self, child: Child) -> None:
        """Put a live process in the dead one's place."""
        if self.refuse:
            raise OSError("no process to be had")
        self.started.append(child.name)
        child.process = FakeProcess(child.process.pid + 1)


class Watched:
    """A supervisor over fake children, with what it said."""

    def __init__(self, folder: Path, *names: str, can_return: bool = True) -> None:
        launch = Launch(("true",), {}, can_return=can_return)
        self.family = FakeFamily([Child(name, FakeProcess(), folder / f"{name}.log", launch) for name in names])
        self.said: list[str] = []
        self.supervisor = Supervisor(self.family, self.said.append)

    def kill(self, name: str, code: int = -9) -> None:
        """Let a child be dead at the next look."""
        next(c for c in self.family.children if c.name == name).process.returncode = code

    def after(self, seconds: float) -> Child | None:
        """Move the clock and look."""
        self.family.now += seconds
        return self.supervisor.look()


@pytest.fixture
def watched(tmp_path: Path) -> Callable[..., Watched]:
    return lambda *names, **how: Watched(tmp_path, *names, **how)


def test_live_children_are_left_alone(watched: Callable[..., Watched]) -> None:
    world = watched("api", "service")
    assert [world.after(1) for _ in range(100)] == [None] * 100
    assert (world.family.started, world.said) == ([], [])


def test_dead_child_is_started_again_after_its_delay_and_both_are_told(watched: Callable[..., Watched]) -> None:
    world = watched("api", "service")
    world.kill("api")
    assert world.after(0) is None
    assert world.family.started == []
    assert world.after(DELAYS_S[0]) is None
    assert world.family.started == ["api"]
    death, birth = world.said
    assert "api ended by itself (killed by signal 9): started again in 0.5 s (1 of 5)" in death
    assert birth == "api is started again as process 2"


def test_child_that_keeps_dying_waits_longer_each_time_and_is_given_up_loudly(
    watched: Callable[..., Watched],
) -> None:
    world = watched("api")
    (child,) = world.family.children
    child.log.write_text("no such table\n")
    for delay_s in DELAYS_S:
        world.kill("api", 1)
        assert world.after(0) is None
        assert world.after(delay_s - 0.01) is None
        assert child.process.returncode == 1, "too soon"
        assert world.after(0.02) is None
        assert child.process.returncode is None
    world.kill("api", 1)
    assert world.after(0) is child
    assert len(world.family.started) == RESTARTS_MAX
    assert "code 1) after 5 restarts within 10 minutes: it is not started again" in world.said[-1]
    assert "no such table" in world.said[-1]


def test_deaths_long_ago_do_not_count(watched: Callable[..., Watched]) -> None:
    world = watched("api")
    for _ in range(4 * RESTARTS_MAX):
        world.kill("api")
        assert world.after(0) is None
        assert world.after(WINDOW_S / RESTARTS_MAX + 1) is None
    assert len(world.family.started) == 4 * RESTARTS_MAX


def test_deaths_of_one_child_do_not_count_for_another(watched: Callable[..., Watched]) -> None:
    world = watched("api", "service")
    for name in ("api", "service") * RESTARTS_MAX:
        world.kill(name)
        assert world.after(0) is None
        assert world.after(max(DELAYS_S)) is None
    assert sorted(world.family.started) == ["api"] * RESTARTS_MAX + ["service"] * RESTARTS_MAX


def test_child_whose_state_died_with_it_is_not_started_again(watched: Callable[..., Watched]) -> None:
    world = watched("twins", can_return=False)
    world.kill("twins")
    assert world.after(0) is world.family.children[0]
    assert "what it held died with it" in world.said[0]
    assert world.family.started == []


def test_child_that_cannot_be_started_counts_as_dead_again(watched: Callable[..., Watched]) -> None:
    world = watched("api")
    world.family.refuse = True
    world.kill("api")
    looks = [world.after(max(DELAYS_S)) for _ in range(3 * RESTARTS_MAX)]
    assert looks[-1] is world.family.children[0]
    assert sum("could not be started again: no process to be had" in text for text in world.said) == RESTARTS_MAX


# Real processes: a leader that starts one more and then waits, as a service does with a run.
LEADER = """
import subprocess, sys, time  # sandbox.server
print("up", flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # sandbox.server"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    home = Home(tmp_path / "home", 27_500, 27_600)
    home.make()
    made = Family(home)
    yield made
    for pgid in (*made.orphans, *(c.process.pid for c in made.children)):
        with suppress(ProcessLookupError):
            os.killpg(pgid, signal.SIGKILL)
    made.stop(grace_s=1)


def start_leader(family: Family, told: Path, *, keeps_offspring: bool) -> Child:
    """Start a leader and return once its own child runs; bounded by a wait of a second at most a hundred times."""
    child = family.start("leader", [sys.executable, "-c", LEADER, str(told)], {}, keeps_offspring=keeps_offspring)
    for _ in range(1000):
        if told.exists() and len(members(child.process.pid)) == 2:
            return child
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(0.05)
    raise AssertionError("the leader's child never came up")


def kill_leader(child: Child) -> int:
    """Kill a leader alone and return the id of the group it leaves behind."""
    pgid = child.process.pid
    os.kill(pgid, signal.SIGKILL)
    child.process.wait(10)
    return pgid


def test_restart_ends_what_the_dead_one_left_and_goes_on_in_its_log(family: Family, tmp_path: Path) -> None:
    child = start_leader(family, tmp_path / "told", keeps_offspring=False)
    left = kill_leader(child)
    assert len(members(left)) == 1
    family.restart(child)
    assert wait_empty(left, 10)
    assert family.orphans == []
    assert json.loads(family.home.running.read_text())["children"] == {"leader": child.process.pid}
    assert child.log.read_text().startswith("up\n")
    assert oct(child.log.stat().st_mode & 0o777) == "0o600"


def test_sessions_of_a_dead_service_go_on_and_are_reached_when_everything_is_stopped(
    family: Family, tmp_path: Path
) -> None:
    child = start_leader(family, tmp_path / "told", keeps_offspring=True)
    left = kill_leader(child)
    family.restart(child)
    assert family.orphans == [left]
    assert len(members(left)) == 1, "the session was ended with its service"
    with pytest.raises(ConfigurationError, match="in use by process"):
        require_alone(Home(family.home.path, 27_700, 27_800))
    family.stop(grace_s=5)
    assert wait_empty(left, 10)
    assert family.orphans == []


def test_orphaned_sessions_of_a_killed_parent_are_stopped_from_its_record(family: Family, tmp_path: Path) -> None:
    child = start_leader(family, tmp_path / "told", keeps_offspring=True)
    left = kill_leader(child)
    record = {"parent": 2**22 - 1, "children": {}, "orphans": [left]}
    with private_file(family.home.running) as file:
        file.write(json.dumps(record).encode())
    assert stop_recorded(family.home) == ["orphaned sessions"]
    assert wait_empty(left, 10)


def test_store_that_cannot_be_opened_does_not_keep_the_rest_from_being_stopped(
    family: Family, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEDGE_DATABASE_URL", "nonsense")
    assert wind_down(family.home) == 1
    assert "the sessions could not be wound down (" in capsys.readouterr().err
