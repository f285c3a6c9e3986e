"""`hedge doctor`: what is wrong is found, said with its remedy, and nothing is changed by looking."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import httpx
import pytest
from cli_world import NOW, Machine

from cli import checkup, checkup_services
from cli.checkup import fits
from cli.findings import Finding, Level
from core.risk import Severity
from store import NewBreach, SessionStatus
from store.home import Home


def findings(machine: Machine, *arguments: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in machine.hedge("doctor", "--json", *arguments).document["findings"]:
        found.setdefault(row["subject"], []).append(row)
    return found


def levels(rows: list[dict[str, str]]) -> list[str]:
    return [row["level"] for row in rows]


def test_an_empty_machine_is_no_failure_and_stays_empty(machine: Machine) -> None:
    ended = machine.hedge("doctor", "--json")

    assert ended.code == 0
    assert ended.document["ok"] is True
    assert not machine.home.exists()
    found = findings(machine)
    assert levels(found["packages"]) == ["ok"]
    assert levels(found["twins"] + found["Prefect"] + found["API"]) == ["warn"] * 3
    assert all(row["remedy"] for rows in found.values() for row in rows if row["level"] != "ok")


def test_a_used_machine_is_well(machine: Machine) -> None:
    machine.session()
    found = findings(machine, "--offline")
    assert levels(found["database"] + found["integrity"] + found["sessions"]) == ["ok"] * 3


def test_a_broken_database_file_is_a_failure(machine: Machine) -> None:
    machine.session()
    for name in ("hedge.db-wal", "hedge.db-shm"):
        (machine.home / name).unlink(missing_ok=True)
    with sqlite3.connect(machine.home / "hedge.db") as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("update sqlite_master set rootpage = 9999 where name = 'sessions'")
    connection.close()

    ended = machine.hedge("doctor", "--offline", "--json")
    assert ended.code == 1
    assert any(
        row["level"] == "fail" and row["subject"] in ("integrity", "database") for row in ended.document["findings"]
    )


def test_an_older_schema_is_told_and_left_as_it_is(machine: Machine) -> None:
    machine.session()
    with sqlite3.connect(machine.home / "hedge.db") as connection:
        connection.execute("update alembic_version set version_num = '0001'")
    connection.close()

    found = findings(machine, "--offline")

    assert levels(found["database"]) == ["warn"]
    assert "sessions" not in found
    with sqlite3.connect(machine.home / "hedge.db") as connection:
        assert connection.execute("select version_num from alembic_version").fetchone() == ("0001",)
    connection.close()


def test_sessions_that_wait_for_somebody_are_named_with_what_to_do(machine: Machine) -> None:
    machine.session()
    with machine.store() as store:
        store.journal.set_session_status.now("s1", (SessionStatus.PENDING,), SessionStatus.ACTIVE, at=NOW)
        store.journal.record_breach.now(NewBreach("b1", "s1", None, "naked_leg", Severity.CRITICAL, {}, NOW))

    ended = machine.hedge("doctor", "--offline", "--json")

    rows = [row for row in ended.document["findings"] if row["subject"] == "sessions"]
    assert sorted(levels(rows)) == ["fail", "warn"]
    assert any("hedge session start s1" in row["remedy"] for row in rows)
    assert any("acknowledge s1 b1" in row["remedy"] for row in rows)
    assert ended.code == 1


def test_a_keystore_that_others_can_read_is_a_failure(machine: Machine) -> None:
    machine.home.mkdir(mode=0o700)
    (machine.home / "keystore.json").write_text("{}")
    (machine.home / "keystore.json").chmod(0o644)
    found = findings(machine, "--offline")
    assert levels(found["keys"]) == ["fail"]
    assert "chmod 600" in found["keys"][0]["text"]


def test_an_account_without_a_key_is_a_failure(machine: Machine) -> None:
    machine.home.mkdir(mode=0o700)
    entry = "{id: main, venue: paradex, environment: testnet, owner: desk, account: '0x1'}"
    (machine.home / "accounts.yaml").write_text(f"accounts:\n  - {entry}\n")
    found = findings(machine, "--offline")
    assert levels(found["accounts"]) == ["fail"]
    assert "HEDGE_KEY_TESTNET_MAIN" in found["accounts"][0]["remedy"]


def test_an_open_data_folder_and_a_taken_port_are_told(machine: Machine) -> None:
    machine.home.mkdir(mode=0o755)
    machine.home.chmod(0o755)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        machine.set(HEDGE_API_PORT=str(port))
        found = findings(machine, "--offline")
    assert levels(found["data folder"]) == ["warn"]
    assert f"{port} (for the API)" in found["ports"][0]["text"]
    assert levels(found["ports"]) == ["fail"]


@pytest.mark.parametrize(
    ("installed", "bounds", "expected"),
    [
        ("3.8.8", ">=3.8.8,<4", True), ("3.9", ">=3.8.8,<4", True), ("4.0", ">=3.8.8,<4", False),
        ("3.8", ">=3.8.8", False), ("0.5.0", "==0.5.0", True), ("0.5", "==0.5.0", True), ("0.5.1", "==0.5.0", False),
        ("2.1.0rc1", ">=2.1", True), ("16.1.1", ">=16,<17", True), ("1.4.9", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False), ("7", "", True),
    ],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(installed: str, bounds: str, expected: bool) -> None:
    assert fits(installed, bounds) is expected


def test_every_bound_of_this_installation_is_looked_at() -> None:
    assert [f.level for f in checkup.packages()] == [Level.OK]


class Answers(BaseHTTPRequestHandler):
    """Any service: answers by path, from the class's table."""

    table: ClassVar[dict[str, tuple[int, Any]]] = {}

    def _reply(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, document = self.table.get(self.path, (404, {}))
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _reply

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Home, dict[str, tuple[int, Any]]]]:
    """One server in the place of Prefect, API and twins."""
    table: ClassVar[dict[str, tuple[int, Any]]] = {}
    handler = type("Handler", (Answers,), {"table": table})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    port = server.server_address[1]
    yield Home(Path("unused"), port_base=port, prefect_port=port, api_port=port), table
    server.shutdown()
    server.server_close()
    thread.join()


def prefect_findings(home: Home) -> list[Finding]:
    with httpx.Client(trust_env=False, timeout=5) as client:
        return list(checkup_services.prefect(home, client))


def test_prefect_of_another_version_or_without_deployments_is_a_failure(
    service: tuple[Home, dict[str, tuple[int, Any]]],
) -> None:
    home, table = service
    table["/api/health"] = (200, True)
    table["/api/admin/version"] = (200, "2.0.0")
    table["/api/deployments/filter"] = (200, [{"name": "sandbox"}])
    assert [f.level for f in prefect_findings(home)] == [Level.FAIL, Level.FAIL]

    table["/api/admin/version"] = (200, version("prefect"))
    table["/api/deployments/filter"] = (200, [{"name": n} for n in ("sandbox", "testnet", "production")])
    assert [f.level for f in prefect_findings(home)] == [Level.OK, Level.OK]


def test_an_api_that_is_not_ready_is_a_failure(service: tuple[Home, dict[str, tuple[int, Any]]]) -> None:
    home, table = service
    with httpx.Client(trust_env=False, timeout=5) as client:
        table["/readyz"] = (503, {})
        assert [f.level for f in checkup_services.api(home, client)] == [Level.FAIL]
        table["/readyz"] = (200, {})
        assert [f.level for f in checkup_services.api(home, client)] == [Level.OK]
