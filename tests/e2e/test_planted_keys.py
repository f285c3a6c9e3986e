"""Planted keys: a whole installation trades, fails and is killed with recognisable secrets, and none lies anywhere.

Everything runs under umask 000 and Prefect logs as loud as it can, so what holds here holds for a careless machine too.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.settings import Environment
from core.errors import HedgeError
from core.instrument import Venue
from flows.accounts import accounts_for, label_of, sandbox_accounts
from flows.roster import Listed, add
from store.home import Home
from store.keystore import Keystore
from tests.e2e.conftest import Installation, hedge, installed, kill, small_request
from tests.fakes.planted import Search

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PASSPHRASE = "zK4#plantedPhrase 7731"
WRONG = "wR0ng#phrase 9917"
IN_ENVIRONMENT = "0x5ec7e7c0ffee1dea" + "42" * 23
SEALED = "c2VhbGVkLXBsYW50ZWQta2V5LW9mLWJhY2twYWNrLTE="
LISTED = (
    Listed(id="from-env", venue=Venue.PARADEX, environment=Environment.TESTNET, owner="desk", account="0x7007"),
    Listed(
        id="sealed", venue=Venue.BACKPACK, environment=Environment.PRODUCTION, owner="desk",
        account="11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
)  # fmt: skip
LOUD = {"PREFECT_LOGGING_LEVEL": "DEBUG"}
ROWS = ("artifacts", "logs", "flow_runs", "task_runs", "deployments", "variables", "block_documents", "flows")


def prepare(home: Home) -> Mapping[str, str]:
    """List two accounts and seal a key; the rest is in the environment of whoever runs `hedge up`."""
    for entry in LISTED:
        add(home.path, entry)
    Keystore(home.path).put(label_of(LISTED[1]), SecretStr(SEALED), SecretStr(PASSPHRASE))
    return {"HEDGE_PASSPHRASE": PASSPHRASE, LISTED[0].variable: IN_ENVIRONMENT, **LOUD}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with secrets, two sessions behind it: one through faults to its end, one killed."""
    before = os.umask(0)
    try:
        with installed(tmp_path_factory.mktemp("planted"), prepare) as made:
            _live_through_much(made)
            yield made
    finally:
        os.umask(before)


def _live_through_much(planted: Installation) -> None:
    for venue in ("pacifica", "paradex", "backpack"):
        for kind in ("lost_answer", "http_5xx", "ws_disconnect"):
            planted.fault(venue=venue, kind=kind, count=1)
    session = planted.create(volumeTarget="500")
    planted.run(session.session_id)
    planted.ended(session.session_id)
    killed = planted.create(volumeTarget="90000")
    run_id = planted.run(killed.session_id)
    pid = planted.process_of(run_id)
    planted.wait(lambda: planted.store.reads.fills_of_session(killed.session_id), "something was traded")
    assert _processes_with_secrets(planted) == []
    assert PASSPHRASE.encode() in Path(f"/proc/{pid}/environ").read_bytes(), "the run has what it may need"
    kill(pid)
    hedge(planted.home, "doctor", "--offline")
    hedge(planted.home, "report", session.session_id)


def secrets(planted: Installation) -> dict[str, str]:
    """Every secret of this installation by name."""
    found = {"passphrase": PASSPHRASE, "key in the environment": IN_ENVIRONMENT, "sealed key": SEALED}
    for account in sandbox_accounts():
        for field, value in account.keys:
            if isinstance(value, SecretStr):
                found[f"{account.ref.account_id}.{field}"] = value.get_secret_value()
    found["API key"] = planted.home.api_key.read_text().strip().rsplit("_", 1)[-1]
    return found


def _processes_with_secrets(planted: Installation) -> list[str]:
    """Command lines of everybody, and the environments of those that act for no account."""
    search, hits = Search(secrets(planted)), []
    children = json.loads(planted.home.running.read_text())["children"]
    keyless = {children["twins"]: "twins", children["prefect"]: "Prefect"}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            group = os.getpgid(int(folder.name))
        except OSError:
            continue
        hits += search.found(f"command line of {line[:80]!r}", line)
        if group in keyless:
            hits += search.found(f"environment of {keyless[group]}", environ)
    return hits


def test_no_secret_lies_in_any_file_of_the_data_folder(planted: Installation) -> None:
    names = {path.suffix for path in planted.home.path.rglob("*") if path.is_file()}
    assert {".db", ".duckdb", ".parquet", ".html", ".log", ".json"} <= names, "there was something to search"
    assert Search(secrets(planted)).files(planted.home.path, but={"api_key": ["API key"]}) == []


def test_no_secret_is_shown_by_prefect(planted: Installation) -> None:
    search = Search(secrets(planted))
    for noun in ROWS:
        rows: list[Any] = []
        while len(page := planted.prefect_rows(f"/{noun}/filter", {"offset": len(rows), "limit": 200})) == 200:
            rows += page
        rows += page
        assert rows or noun in ("variables", "block_documents"), noun
        assert search.found(noun, json.dumps(rows)) == []
    events = planted.prefect("/events/filter", {"limit": 50})
    assert events["total"] > 0
    assert search.found("events", json.dumps(events)) == []


def test_no_secret_is_in_a_command_line_or_in_the_environment_of_a_process_without_accounts(
    planted: Installation,
) -> None:
    assert _processes_with_secrets(planted) == []


def test_no_secret_is_said_by_the_api_or_the_command_line(planted: Installation) -> None:
    search = Search(secrets(planted))
    admin = {"Authorization": f"Bearer {planted.home.api_key.read_text().strip()}"}
    with httpx.Client(base_url=planted.home.api_url, headers=admin, trust_env=False, timeout=60) as client:
        for path in ("accounts", "sessions", "keys", "venues", "metrics", "healthz", "openapi.json"):
            for base in ("/api/v1/hedging/", "/"):
                answer = client.get(f"{base}{path}")
                assert search.found(path, answer.text + str(answer.headers)) == []
        wrong = client.post("/api/v1/hedging/sessions", json=small_request(accounts=[PASSPHRASE[:3], "from-env"]))
        assert wrong.status_code >= 400
        assert search.found("a refusal", wrong.text) == []
    for arguments in (("account", "list"), ("doctor", "--offline"), ("session", "list"), ("session", "start", "none")):
        for options in ((), ("--json",)):
            said = hedge(planted.home, *arguments, *options)
            assert search.found(" ".join(arguments), said.stdout + said.stderr) == []


def test_wrong_passphrase_is_refused_without_a_word_of_it_or_the_key(planted: Installation) -> None:
    search = Search(secrets(planted) | {"wrong passphrase": WRONG})
    environ = {**os.environ, "HEDGE_PASSPHRASE": WRONG}
    with pytest.raises(HedgeError) as refused:
        accounts_for(Environment.PRODUCTION, planted.home, environ)
    told = "".join(traceback.format_exception(refused.value))
    assert search.found("the error", f"{refused.value!r} {refused.value.details} {told}") == []
    opened = accounts_for(Environment.PRODUCTION, planted.home, os.environ)
    assert search.found("the accounts", repr(opened)) == []


def test_every_file_below_the_data_folder_is_its_owners_alone_even_under_umask_000(planted: Installation) -> None:
    open_to_others = {
        str(path.relative_to(planted.home.path)): oct(path.stat().st_mode & 0o777)
        for path in planted.home.path.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    }
    assert open_to_others == {}
