"""A data folder, the command line in this process, and a Prefect that answers the three questions it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli.main import answer
from store import NewSession, Session, SessionTotals, Store
from tests.fakes.empty_store import fresh_store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass
class Machine:
    """One machine with a data folder; `hedge` runs a command there, in this process."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self.monkeypatch.setenv(name, value)

    def hedge(self, *arguments: str) -> Ended:
        self.capsys.readouterr()
        code = answer(list(arguments))
        seen = self.capsys.readouterr()
        return Ended(code, seen.out, seen.err)

    @contextmanager
    def store(self) -> Iterator[Store]:
        with fresh_store(self.home) as store:
            yield store

    def session(self, session_id: str = "s1", **changes: Any) -> Session:
        """Write a pending session of the sandbox."""
        with self.store() as store:
            return store.journal.create_session.now(new_session(session_id, **changes))


def new_session(session_id: str = "s1", *, created_at: datetime = NOW, name: str = "a session") -> NewSession:
    return NewSession(
        session_id=session_id, name=name, symbol="ETH/USD",
        strategy={"symbol": "ETH/USD", "riskLimits": {"maxPositionSize": "0.5"}}, accounts=("account1", "account2"),
        environment="sandbox", volume_target=Decimal(10_000), duration_s=None, seed=7, created_at=created_at,
    )  # fmt: skip


def totals(volume: str) -> SessionTotals:
    return SessionTotals(volume_generated=Decimal(volume), pnl=Decimal("-1.5"), fees=Decimal("0.75"), pairs_filled=3)


@dataclass
class FakePrefect:
    """Prefect as far as the command line asks it: deployments by name, runs to create, the state of a run.

    takes_runs False: every creation is refused with 409. state is what a run is told to be in.
    """

    port: int = 0
    takes_runs: bool = True
    state: str = "RUNNING"
    created: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.startswith("/api/deployments/name/"):
            return 200, {"id": "deployment-1"}
        if path.endswith("/create_flow_run"):
            if not self.takes_runs:
                return 409, {"detail": "no"}
            self.created.append(body)
            return 201, {"id": f"run-{len(self.created)}"}
        if path.startswith("/api/flow_runs/") and method == "GET":
            return 200, {"id": path.rpartition("/")[2], "state_type": self.state}
        return 404, {}


@contextmanager
def served(prefect: FakePrefect) -> Iterator[FakePrefect]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, document = prefect.answer(self.command, self.path, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _reply

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    prefect.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield prefect
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
