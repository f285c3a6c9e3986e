"""Child processes of one installation: started in order, watched, and stopped in reverse order, always."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.errors import ConfigurationError
from deployments.groups import end_group, is_ours, members, signal_group
from store.home import PRIVATE_UMASK, Home, appending_file, private_file

OWN_PREFIX = "HEDGE_"
LEFT_BEHIND_S = 5.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How a child is started, and so how it is started again.

    keeps_offspring: what it started goes on when it dies, as sessions do without their service; else it ends too.
    can_return: False for one whose state dies with it, so that a new one in its place would be a lie.
    """

    command: tuple[str, ...]
    environ: Mapping[str, str]
    with_secrets: bool = False
    keeps_offspring: bool = False
    can_return: bool = True


@dataclass(slots=True)
class Child:
    """One child process and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    launch: Launch

    def tail(self, lines: int = 5) -> str:
        """The last lines of its output, for an error message."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@dataclass(slots=True)
class Family:
    """The children of one `hedge up` or `hedge demo`."""

    home: Home
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep  # noqa: TID251
    children: list[Child] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *,
        with_secrets: bool = False, keeps_offspring: bool = False, can_return: bool = True,
    ) -> Child:  # fmt: skip
        """Start a child in a process group of its own, its output in the log folder; see `Launch`.

        What it writes only the owner can read, whatever our umask. Keys, passphrase and the database's URL, that is
        our own HEDGE_ variables, reach it only with_secrets.
        """
        log = self.home.logs / f"{name}.log"
        launch = Launch(tuple(command), environ, with_secrets, keeps_offspring, can_return)
        child = Child(name, _spawn(launch, log, is_new=True), log, launch)
        self.children.append(child)
        self.remember()
        return child

    def restart(self, child: Child) -> None:
        """Start a child that has ended once more, in its old place; its log goes on. Raises OSError.

        What it started and left behind is ended first, or remembered so that `stop` reaches it.
        """
        left = child.process.pid
        if not child.launch.keeps_offspring:
            end_group(left, LEFT_BEHIND_S)
        elif members(left):
            self.orphans.append(left)
        child.process = _spawn(child.launch, child.log, is_new=False)
        self.remember()

    def wait_for(self, child: Child, url: str, timeout_s: float) -> None:
        """Wait until a URL answers 200; raise ConfigurationError with the child's last words when it does not."""
        deadline = self.monotonic() + timeout_s
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            while self.monotonic() < deadline:
                if child.process.poll() is not None:
                    raise ConfigurationError(
                        f"{child.name} ended with code {child.process.returncode} while starting; "
                        f"its last words in {child.log}:\n{child.tail()}"
                    )
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(url).status_code == httpx.codes.OK:
                        return
                self.sleep(0.1)
        raise ConfigurationError(f"{child.name} did not answer within {timeout_s:.0f} s; see {child.log}")

    def remember(self) -> None:
        """Write down who runs, so that `hedge down` can stop it even after this process was killed."""
        children = {c.name: c.process.pid for c in self.children}
        record = {"parent": os.getpid(), "children": children, "orphans": self.orphans}
        with private_file(self.home.running) as file:
            file.write(json.dumps(record).encode())

    def stop(self, grace_s: float = 35.0) -> None:
        """Stop all children, last started first: SIGTERM to the group, then SIGKILL after the grace period."""
        for pgid in self.orphans:  # sessions of a service that is dead: they wind down while their venues still are
            end_group(pgid, grace_s)
        for child in reversed(self.children):
            signal_group(child.process.pid, signal.SIGTERM)
            try:
                child.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait(5)
            signal_group(child.process.pid, signal.SIGKILL)
        self.children.clear()
        self.orphans.clear()
        self.home.running.unlink(missing_ok=True)


def _spawn(launch: Launch, log: Path, *, is_new: bool) -> subprocess.Popen[bytes]:
    ours = {key: text for key, text in os.environ.items() if launch.with_secrets or not key.startswith(OWN_PREFIX)}
    with private_file(log) if is_new else appending_file(log) as output:
        return subprocess.Popen(  # noqa: S603
            launch.command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**ours, **launch.environ}, start_new_session=True, umask=PRIVATE_UMASK,
        )  # fmt: skip


def stop_recorded(home: Home, monotonic: Callable[[], float] = time.monotonic) -> list[str]:
    """Stop what an earlier `hedge up` left running, from its record; return the names of what was stopped."""
    try:
        record = json.loads(home.running.read_text())
    except (FileNotFoundError, ValueError):
        return []
    stopped = []
    parent = int(record["parent"])
    if is_ours(parent):
        os.kill(parent, signal.SIGTERM)
        stopped.append("hedge up")
        _wait_gone(parent, 60, monotonic)
    for pgid in record.get("orphans", []):
        if members(int(pgid)):
            end_group(int(pgid), 35)
            stopped.append("orphaned sessions")
    for name, pid in reversed(list(record["children"].items())):
        if is_ours(int(pid)):
            signal_group(int(pid), signal.SIGTERM)
            if not _wait_gone(int(pid), 35, monotonic):
                signal_group(int(pid), signal.SIGKILL)
            stopped.append(name)
    home.running.unlink(missing_ok=True)
    return stopped


def require_alone(home: Home) -> None:
    """Raise ConfigurationError while another `hedge up` or `hedge demo`, or what it left behind, uses the data folder.

    Free ports are not enough: two services on one store would drive each other's sessions against different venues.
    """
    try:
        record = json.loads(home.running.read_text())
    except (FileNotFoundError, ValueError):
        return
    pids = [int(pid) for pid in (record["parent"], *record["children"].values())]
    left = [pid for pgid in record.get("orphans", []) for pid in members(int(pgid))]
    alive = [pid for pid in pids if pid != os.getpid() and is_ours(pid)] + left
    if alive:
        raise ConfigurationError(
            f"the data folder {home.path} is in use by process {alive[0]}; `hedge down` stops it, or choose another "
            "folder with HEDGE_HOME",
            field="HEDGE_HOME",
        )


def require_free_ports(home: Home, *, with_api: bool = False) -> None:
    """Raise ConfigurationError naming the first occupied port and what to do about it."""
    wanted = {home.port_base + n: "the venue twins" for n in range(4)} | {home.prefect_port: "Prefect"}
    if with_api:
        wanted[home.api_port] = "the API"
    for port, purpose in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                variables = {home.prefect_port: "HEDGE_PREFECT_PORT", home.api_port: "HEDGE_API_PORT"}
                variable = variables.get(port, "HEDGE_PORT_BASE")
                raise ConfigurationError(
                    f"port {port} (for {purpose}) is occupied; stop what uses it (`hedge down` stops an earlier "
                    f"`hedge up`) or choose another with {variable}",
                    field=variable, port=port,
                ) from None  # fmt: skip


def _wait_gone(pid: int, timeout_s: float, monotonic: Callable[[], float]) -> bool:
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        if not is_ours(pid):
            return True
        time.sleep(0.1)  # noqa: TID251
    return False
