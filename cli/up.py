"""`hedge up` and `hedge down`: everything on one machine, until told to stop; then sessions wind down first."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import typer

from cli.place import database_url
from core.errors import HedgeError
from deployments.local import start
from deployments.processes import Family, stop_recorded
from deployments.supervisor import Supervisor
from store import CommandKind, SessionStatus, Store, open_store
from store.home import Home, appending_file

WIND_DOWN_S = 60.0
LOOK_S = 0.5


def run(*, seed: int, speed: float) -> int:
    """Start everything and wait; a child that dies is started again, one past help ends it all with exit code 1."""
    home = Home.from_env(os.environ)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    family = Family(home)
    family = start(home, seed=seed, speed=speed, say=typer.echo, family=family)
    code = 0
    try:
        typer.echo(f"data folder   {home.path}")
        typer.echo("")
        for name, text in home.environ().items():
            if name in os.environ:  # another terminal needs what was chosen here, or it looks elsewhere
                typer.echo(f"  export {name}={shlex.quote(text)}")
        typer.echo(f"  export PREFECT_API_URL={home.prefect_url}/api")
        typer.echo("  prefect deployment run 'hedging-session/sandbox'")
        typer.echo("")
        typer.echo("Ctrl-C stops everything.")
        supervisor = Supervisor(family, _teller(home))
        while not stopping.wait(LOOK_S):
            lost = supervisor.look()
            if lost is not None:
                typer.echo(f"hedge: without {lost.name} everything is stopped", err=True)
                code = 1
                break
        code = wind_down(home) or code
    finally:
        family.stop()
    typer.echo("stopped")
    return code


def stop() -> int:
    """Stop what runs on this data folder; says so when nothing does."""
    stopped = stop_recorded(Home.from_env(os.environ))
    typer.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing is running")
    return 0


def _teller(home: Home) -> Callable[[str], None]:
    """Tell the console, and logs/up.log with the time: who looks later has no console."""

    def tell(text: str) -> None:
        typer.echo(f"hedge: {text}", err=True)
        with suppress(OSError), appending_file(home.logs / "up.log") as log:
            log.write(f"{_now():%Y-%m-%d %H:%M:%S} {text}\n".encode())

    return tell


def wind_down(home: Home, timeout_s: float = WIND_DOWN_S) -> int:
    """Ask every running session to stop and wait for them to be flat and settled, at most `timeout_s`.

    Returns 1 when the store could not be asked, which must not keep what runs from being stopped.
    """
    try:
        _wind_down(home, timeout_s)
    except HedgeError as error:
        typer.echo(f"hedge: the sessions could not be wound down ({error.code}: {error})", err=True)
        return 1
    return 0


def _wind_down(home: Home, timeout_s: float) -> None:
    live = (SessionStatus.ACTIVE, SessionStatus.PAUSED)
    with open_store(home.path, database_url()) as store:
        running = [s for s in store.reads.sessions(statuses=live) if _is_driven(store, s.session_id)]
        for session in running:
            store.journal.add_command.now(
                session.session_id, CommandKind.STOP, created_by="hedge down", created_at=_now()
            )  # fmt: skip
            typer.echo(f"winding down {session.name}")
        deadline = time.monotonic() + timeout_s
        while running and time.monotonic() < deadline:
            time.sleep(0.25)  # noqa: TID251
            running = [s for s in running if not store.reads.session(s.session_id).status.is_final]
        for session in running:
            typer.echo(f"hedge: {session.name} is not flat yet; run it again to go on where it stands", err=True)


def _is_driven(store: Store, session_id: str) -> bool:
    lease = store.reads.lease(f"session:{session_id}")
    return lease is not None and lease.expires_at > _now()


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251
