"""The data folder: where everything this installation writes lives, and nothing else on the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import ConfigurationError

PORT_BASE_DEFAULT = 7100
PREFECT_PORT_DEFAULT = 4200
API_PORT_DEFAULT = 8000
FREE_BYTES_MIN = 200_000_000
PRIVATE_UMASK = 0o077


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below HEDGE_HOME, and the loopback ports of this installation."""

    path: Path
    port_base: int = PORT_BASE_DEFAULT
    prefect_port: int = PREFECT_PORT_DEFAULT
    api_port: int = API_PORT_DEFAULT

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Home:
        """Read HEDGE_HOME (default ./var), HEDGE_PORT_BASE, HEDGE_PREFECT_PORT, HEDGE_API_PORT; ConfigurationError."""
        return cls(
            Path(environ.get("HEDGE_HOME") or "var").expanduser().resolve(),
            _port(environ, "HEDGE_PORT_BASE", PORT_BASE_DEFAULT),
            _port(environ, "HEDGE_PREFECT_PORT", PREFECT_PORT_DEFAULT),
            _port(environ, "HEDGE_API_PORT", API_PORT_DEFAULT),
        )

    def environ(self) -> dict[str, str]:
        """The variables that make a child process use this home."""
        return {
            "HEDGE_HOME": str(self.path),
            "HEDGE_PORT_BASE": str(self.port_base),
            "HEDGE_PREFECT_PORT": str(self.prefect_port),
            "HEDGE_API_PORT": str(self.api_port),
        }

    @property
    def results(self) -> Path:
        """The DuckDB file with the results."""
        return self.path / "results.duckdb"

    @property
    def reports(self) -> Path:
        """One HTML file per session."""
        return self.path / "reports"

    @property
    def logs(self) -> Path:
        """Output of the child processes."""
        return self.path / "logs"

    @property
    def prefect(self) -> Path:
        """Prefect's own home, so that nothing is written to the user's."""
        return self.path / "prefect"

    @property
    def running(self) -> Path:
        """The file that says which processes `hedge up` started."""
        return self.path / "run" / "up.json"

    @property
    def prefect_url(self) -> str:
        """The Prefect server's address; its API is below /api."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def api_url(self) -> str:
        """The hedging API's address."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def api_key(self) -> Path:
        """The file with the key that the first `hedge up` makes, readable by the owner only."""
        return self.path / "api_key"

    @property
    def sandbox_url(self) -> str:
        """The twins' control address."""
        return f"http://127.0.0.1:{self.port_base}"

    def make(self) -> None:
        """Create the folder, readable by its owner only; raise ConfigurationError when that is not possible."""
        try:
            for folder in (self.path, self.reports, self.logs, self.prefect, self.running.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.path / ".writable"
            with private_file(probe) as file:
                file.write(b"can this be written?")
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to the data folder {self.path}: {error.strerror}; "
                "free some space or point HEDGE_HOME to a folder on another disk",
                field="HEDGE_HOME",
            ) from None
        if free < FREE_BYTES_MIN:
            raise ConfigurationError(
                f"only {free / 1e6:.0f} MB are free for the data folder {self.path}, {FREE_BYTES_MIN / 1e6:.0f} MB are "
                "needed to start; free some space or point HEDGE_HOME to a folder on another disk",
                field="HEDGE_HOME",
            )


def private_file(path: Path) -> BinaryIO:
    """Open a file for writing, from its start, that only its owner can read, whatever the umask; raises OSError."""
    return _private(path, os.O_TRUNC)


def appending_file(path: Path) -> BinaryIO:
    """Open a file for writing at its end that only its owner can read, whatever the umask; raises OSError."""
    return _private(path, os.O_APPEND)


def _private(path: Path, how: int) -> BinaryIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    try:
        os.fchmod(handle, 0o600)  # a file that was there keeps its mode otherwise
        return os.fdopen(handle, "wb")
    except BaseException:
        os.close(handle)
        raise


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise ConfigurationError(f"{name} must be a port between 1024 and 65000, got {text[:20]!r}", field=name)
    return int(text)
