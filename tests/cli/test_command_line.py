"""The command line as an operator types it: one clear sentence on a mistake, and exit codes that mean something."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import Ended, Machine

from cli.picture import sparkline

GOOD: dict[str, Any] = {
    "accounts": ["account1", "account2"],
    "volumeTarget": 1000,
    "strategy": {
        "symbol": "ETH/USD",
        "priceRange": {"min": 0.001, "max": 0.01},
        "timing": {"minInterval": 1, "maxInterval": 2, "orderSize": {"min": 100, "max": 200}},
        "riskLimits": {"maxPositionSize": 0.2, "stopLossThreshold": 0.05, "maxSlippage": 0.02},
    },
}


def typed(home: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "HEDGE_HOME": str(home), "HEDGE_PREFECT_PORT": "27399", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True, text=True, input=stdin, timeout=60, env=environ, check=False,
    )  # fmt: skip


@pytest.fixture
def hedge(machine: Machine) -> Callable[..., Ended]:
    """The command line in this process, which need not start: `typed` starts one."""

    def run(*arguments: str, stdin: str = "") -> Ended:
        machine.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return machine.hedge(*arguments)

    return run


def test_bad_request_is_refused_by_a_process_of_its_own_in_one_sentence(tmp_path: Path) -> None:
    done = typed(tmp_path, "session", "run", "-", stdin=json.dumps(GOOD | {"accounts": ["account1"]}))
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs two different accounts on two venues" in done.stderr
    assert done.stderr.count("\n") == 1
    assert json.loads(typed(tmp_path, "session", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"accounts": ["account1"]}, "needs two different accounts on two venues"),
        ({"accounts": ["account1", "nobody"]}, "unknown nobody; known are account1, account2, account3"),
        ({"volumeTarget": float("nan")}, "volumeTarget"),
        ({"volumeTarget": -1}, "volumeTarget"),
        ({"volumeTarget": None}, "duration"),
        ({"volumeTraget": 5}, "volumeTraget: not a known field"),
    ],
)
def test_bad_request_is_refused_naming_the_field_and_nothing_is_created(
    hedge: Callable[..., Ended], change: dict[str, Any], sentence: str
) -> None:
    done = hedge("session", "run", "-", stdin=json.dumps(GOOD | change))
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1, "one sentence"
    assert "Traceback" not in done.err
    assert hedge("session", "list", "--json").document == []


def test_request_that_is_no_json_or_no_file_is_refused(hedge: Callable[..., Ended], tmp_path: Path) -> None:
    assert "is not JSON" in hedge("session", "run", "-", stdin="[").err
    missing = hedge("session", "run", str(tmp_path / "absent.json"))
    assert missing.code == 2
    assert "cannot read" in missing.err


@pytest.mark.parametrize("environment", ["testnet", "production"])
def test_real_venues_without_keys_say_what_is_missing(hedge: Callable[..., Ended], environment: str) -> None:
    done = hedge("session", "run", "-", "--environment", environment, stdin=json.dumps(GOOD))
    assert done.code == 2
    assert f"HEDGE_KEY_{environment.upper()}_<ID>" in done.err


def test_unknown_session_is_refused_and_nothing_running_is_no_error(hedge: Callable[..., Ended]) -> None:
    assert hedge("session", "stop", "nope").code == 2
    down = hedge("down")
    assert (down.code, down.out.strip()) == (0, "nothing is running")


def test_help_imports_nothing_heavy() -> None:
    """First output has to be quick; what a command needs is imported when it runs."""
    code = "import sys, cli.main; print([m for m in ('prefect', 'sqlalchemy', 'duckdb', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sparkline_spans_its_values() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.0, 1.0]) == "▁█"
    assert sparkline([5.0, 5.0]) == "▁▁"
