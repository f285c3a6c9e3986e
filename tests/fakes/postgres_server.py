"""A Postgres server of one's own on loopback, for tests that want one: made, killed and started again as they say.

Everything is bounded; as root it runs as the user postgres, as Postgres insists. It waits for no disk: a killed process
loses nothing that it gave to the system, a machine without power would.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import NullPool, create_engine

START_S = 60.0


def missing() -> str | None:
    """Say what keeps Postgres from being used here; None when nothing does."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed (`make postgres` installs it)"
    if _binaries() is None:
        return "no Postgres server is installed here (`apt-get install postgresql`)"
    if os.geteuid() == 0 and _account() is None:
        return "there is no user postgres, and Postgres does not run as root"
    return None


class PostgresServer:
    """One server process with a data folder of its own; `kill` is a power cut, `start` what an operator does then."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database there."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, after a kill too, and return when it answers."""
        for _ in range(20):  # after a kill its old processes may hold the shared memory a moment longer
            self._process = self._spawn()
            if self._is_ready(self._process):
                return
        raise AssertionError(f"Postgres does not start; see {self.folder / 'log'}")

    def kill(self) -> None:
        """SIGKILL the first process; the others notice and end by themselves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def stop(self) -> None:
        """End it for good, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def pids(self) -> list[int]:
        """The server's first process and all that it made."""
        made = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *(int(pid) for pid in made)]

    def create(self, database: str) -> str:
        """Create an empty database and return its URL."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"create database {database}")
        return self.url(database)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        words = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(_required() / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, start_new_session=True, **_as_user(),
            )  # fmt: skip

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_S
        asked = [str(_required() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        while time.monotonic() < deadline:
            if process.poll() is not None:
                time.sleep(0.2)
                return False
            if subprocess.run(asked, check=False, timeout=20).returncode == 0:
                return True
            time.sleep(0.05)
        return False


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Make a server in a folder of its own, run it, and leave nothing of it; see `missing` first."""
    folder = Path(tempfile.mkdtemp(prefix="hedge-postgres-"))
    server = None
    try:
        user = _as_user()
        if user:
            shutil.chown(folder, "postgres")
        made = [str(_required() / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync"]
        subprocess.run(made, check=True, timeout=120, capture_output=True, cwd=folder, **user)
        server = PostgresServer(folder, _free_port())
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").is_file()), None)


def _required() -> Path:
    found = _binaries()
    assert found is not None, "ask `missing` first"
    return found


def _account() -> pwd.struct_passwd | None:
    return next((entry for entry in pwd.getpwall() if entry.pw_name == "postgres"), None)


def _as_user() -> dict[str, object]:
    """What makes a child run as the user postgres, when we are root."""
    entry = _account() if os.geteuid() == 0 else None
    return {} if entry is None else {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
