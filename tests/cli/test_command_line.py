"""The command line as an operator types it: one clear sentence on a mistake, and exit codes that mean something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def hedge(home: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "HEDGE_HOME": str(home), "HEDGE_PREFECT_PORT": "27399", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True, text=True, input=stdin, timeout=60, env=environ, check=False,
    )  # fmt: skip


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
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    done = hedge(tmp_path, "session", "run", "-", stdin=json.dumps(GOOD | change))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1, "one sentence"
    assert "Traceback" not in done.stderr
    assert json.loads(hedge(tmp_path, "session", "list", "--json").stdout) == []


def test_request_that_is_no_json_or_no_file_is_refused(tmp_path: Path) -> None:
    assert "is not JSON" in hedge(tmp_path, "session", "run", "-", stdin="[").stderr
    missing = hedge(tmp_path, "session", "run", str(tmp_path / "absent.json"))
    assert missing.returncode == 2
    assert "cannot read" in missing.stderr


@pytest.mark.parametrize("environment", ["testnet", "production"])
def test_real_venues_without_keys_say_what_is_missing(tmp_path: Path, environment: str) -> None:
    done = hedge(tmp_path, "session", "run", "-", "--environment", environment, stdin=json.dumps(GOOD))
    assert done.returncode == 2
    assert f"HEDGE_KEY_{environment.upper()}_<ID>" in done.stderr


def test_unknown_session_is_refused_and_nothing_running_is_no_error(tmp_path: Path) -> None:
    assert hedge(tmp_path, "session", "stop", "nope").returncode == 2
    down = hedge(tmp_path, "down")
    assert (down.returncode, down.stdout.strip()) == (0, "nothing is running")


def test_help_imports_nothing_heavy() -> None:
    """First output has to be quick; what a command needs is imported when it runs."""
    code = "import sys, cli.main; print([m for m in ('prefect', 'sqlalchemy', 'duckdb', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sparkline_spans_its_values() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.0, 1.0]) == "▁█"
    assert sparkline([5.0, 5.0]) == "▁▁"
