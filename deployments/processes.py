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
from store.home import PRIVATE_UMASK, Home, private_file

OWN_PREFIX = "HEDGE_"


@dataclass(slots=True)
class Child:
    """One running child process and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

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

    def start(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *, with_secrets: bool = False
    ) -> Child:
        """Start a child in a process group of its own, its output in the log folder.

        What it writes only the owner can read, whatever our umask. Keys, passphrase and the database's URL, that is
        our own HEDGE_ variables, reach it only with_secrets.
        """
        log = self.home.logs / f"{name}.log"
        ours = {key: text for key, text in os.environ.items() if with_secrets or not key.startswith(OWN_PREFIX)}
        with private_file(log) as output:
            process = subprocess.Popen(  # noqa: S603
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**ours, **environ}, start_new_session=True, umask=PRIVATE_UMASK,
            )  # fmt: skip
        child = Child(name, process, log)
        self.children.append(child)
        self.remember()
        return child

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
        record = {"parent": os.getpid(), "children": {c.name: c.process.pid for c in self.children}}
        with private_file(self.home.running) as file:
            file.write(json.dumps(record).encode())

    def dead(self) -> Child | None:
        """Return the first child that has ended by itself."""
        return next((c for c in self.children if c.process.poll() is not None), None)

    def stop(self, grace_s: float = 35.0) -> None:
        """Stop all children, last started first: SIGTERM to the group, then SIGKILL after the grace period."""
        for child in reversed(self.children):
            _signal_group(child.process.pid, signal.SIGTERM)
            try:
                child.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait(5)
            _signal_group(child.process.pid, signal.SIGKILL)
        self.children.clear()
        self.home.running.unlink(missing_ok=True)


def stop_recorded(home: Home, monotonic: Callable[[], float] = time.monotonic) -> list[str]:
    """Stop what an earlier `hedge up` left running, from its record; return the names of what was stopped."""
    try:
        record = json.loads(home.running.read_text())
    except (FileNotFoundError, ValueError):
        return []
    stopped = []
    parent = int(record["parent"])
    if _is_ours(parent):
        os.kill(parent, signal.SIGTERM)
        stopped.append("hedge up")
        _wait_gone(parent, 60, monotonic)
    for name, pid in reversed(list(record["children"].items())):
        if _is_ours(int(pid)):
            _signal_group(int(pid), signal.SIGTERM)
            if not _wait_gone(int(pid), 35, monotonic):
                _signal_group(int(pid), signal.SIGKILL)
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
    alive = [pid for pid in pids if pid != os.getpid() and _is_ours(pid)]
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


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _is_ours(pid: int) -> bool:
    """A recorded pid may have been given to a stranger since; only a process that mentions us is touched."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    ours = (b"hedge", b"sandbox.server", b"deployments.service", b"deployments.watchdog", b"api.server", b"prefect")
    return any(word in words for word in ours)


def _wait_gone(pid: int, timeout_s: float, monotonic: Callable[[], float]) -> bool:
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        if not _is_ours(pid):
            return True
        time.sleep(0.1)  # noqa: TID251
    return False
