"""An installation as `hedge up` makes it, in a folder of its own: its processes, found, struck and ended. Bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deployments.groups import members
from store.home import Home
from tests.chaos.strikes import Victim

READY_S = 240.0
DOWN_S = 200.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Installation:
    """A running `hedge up`, and what was frozen in it: pid by the time at which it is let go."""

    home: Home
    up: subprocess.Popen[bytes]
    environ: Mapping[str, str]
    frozen: dict[int, float] = field(default_factory=dict)
    groups: set[int] = field(default_factory=set)

    def recorded(self) -> dict[str, int]:
        """The children by name, as `hedge up` wrote them down."""
        with suppress(OSError, ValueError):
            record = json.loads(self.home.running.read_text())
            self.groups |= {int(pid) for pid in (*record["children"].values(), *record.get("orphans", []))}
            return {str(name): int(pid) for name, pid in record["children"].items()}
        return {}

    def pid_of(self, victim: Victim, run_id: str | None) -> int | None:
        """The process to strike; None while there is none."""
        match victim:
            case Victim.RUN:
                return None if run_id is None else process_of_run(run_id)
            case Victim.KEEPER:
                return keeper_of(self.home)
            case _:
                pid = self.recorded().get(victim.value)
                return pid if pid is not None and is_running(pid) else None

    def strike(self, pid: int, freeze_s: float) -> None:
        """Kill a process, or stop it and note when it goes on."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if freeze_s else signal.SIGKILL)
            if freeze_s:
                self.frozen[pid] = time.monotonic() + freeze_s

    def thaw(self, *, everything: bool = False) -> list[int]:
        """Let go on what was frozen for long enough, and return it."""
        due = [pid for pid, at in self.frozen.items() if everything or time.monotonic() >= at]
        for pid in due:
            del self.frozen[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return due

    def all_up(self) -> bool:
        """Whether `hedge up`, API and Prefect answer."""
        return self.up.poll() is None and all(
            _answers(url) for url in (f"{self.home.api_url}/readyz", f"{self.home.prefect_url}/api/health")
        )

    def hedge(self, *words: str, timeout_s: float = 90.0) -> subprocess.CompletedProcess[str]:
        """Run the command line as an operator would."""
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *words], capture_output=True, text=True, timeout=timeout_s,
            env=dict(self.environ), cwd=ROOT, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def end(self) -> tuple[int | None, list[int]]:
        """SIGTERM to `hedge up`; return its exit code, None when it did not end in time, and what it left running."""
        self.recorded()
        self.thaw(everything=True)
        self.up.send_signal(signal.SIGTERM)
        try:
            code: int | None = self.up.wait(DOWN_S)
        except subprocess.TimeoutExpired:
            code = None
        return code, [pid for group in self.groups for pid in members(group)]

    def destroy(self) -> None:
        """Leave nothing of it, whatever happened."""
        self.recorded()
        for group in (*self.groups, self.up.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.up.wait(10)


@contextmanager
def installed(folder: Path, first_port: int, seed: int, database_url: str | None) -> Iterator[Installation]:
    """Start `hedge up` and yield when it says that it is ready; destroyed at the end, however that came."""
    home = Home(folder, first_port, first_port + 4, first_port + 5)
    folder.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, **home.environ(), "HEDGE_API_RATE": "100000"}
    environ.pop("HEDGE_DATABASE_URL", None)
    if database_url is not None:
        environ["HEDGE_DATABASE_URL"] = database_url
    console = folder / "console.log"
    with console.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--seed", str(seed)], stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env=environ, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    made = Installation(home, up, environ)
    try:
        deadline = time.monotonic() + READY_S
        while b"Ctrl-C stops everything" not in console.read_bytes():
            if up.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"hedge up did not come up:\n{console.read_text()[-2000:]}")
            time.sleep(0.2)
        limits = {"venue": "pacifica", "per_minute": 100_000}
        httpx.post(f"{home.sandbox_url}/control/limits", json=limits, trust_env=False, timeout=10).raise_for_status()
        yield made
    finally:
        made.destroy()


def process_of_run(run_id: str) -> int | None:
    """The process that executes a flow run."""
    marker = f"PREFECT__FLOW_RUN_ID={run_id}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
    return None


def keeper_of(home: Home) -> int | None:
    """The process that holds the results' lock for writing, right now."""
    lock = home.path / "results.lock"
    with suppress(OSError):
        inode = lock.stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[3] == "WRITE" and words[5].endswith(f":{inode}"):
                return int(words[4])
    return None


def is_running(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False, timeout=5).is_success
    return False
