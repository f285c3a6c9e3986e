"""Help, the written reference and completion: all three tell of the same commands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cli_world import Machine
from typer.main import get_command

from cli.main import app
from cli.nouns import NOUNS
from cli.reference import PAGE, page

VERBS = {"demo", "up", "down", "sandbox", "doctor", "flatten", "report"}
SESSION = {
    "create", "start", "run", "pause", "resume", "stop", "flatten", "list", "show", "watch", "estimate", "report",
    "breaches", "acknowledge",
}  # fmt: skip


def test_the_page_says_what_the_commands_say() -> None:
    written = PAGE.read_text()
    assert page(written) == written, "run `python -m cli.reference`"


@pytest.mark.parametrize("words", [(), ("session",), ("account",), ("key",), ("results",), ("session", "run")])
def test_help_is_plain_and_ends_well(machine: Machine, words: tuple[str, ...]) -> None:
    ended = machine.hedge(*words, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: hedge {' '.join(words)}".rstrip())
    assert ended.err == ""


def test_help_names_every_verb_and_noun(machine: Machine) -> None:
    shown = machine.hedge("--help").out
    assert set(get_command(app).commands) >= VERBS  # type: ignore[attr-defined]
    for name in VERBS | set(NOUNS):
        assert f"  {name} " in shown
    sessions = machine.hedge("session", "--help").out
    for name in SESSION:
        assert f"  {name} " in sessions


def test_a_mistyped_verb_is_answered_with_the_nearest(machine: Machine) -> None:
    ended = machine.hedge("session", "lsit")
    assert (ended.code, "'list'" in ended.err) == (2, True)


def test_the_version_is_told(machine: Machine) -> None:
    assert machine.hedge("--version").out.startswith("hedge 0.")


def completed(line: str) -> set[str]:
    """What a shell would offer after a line, through the real protocol of the completion script."""
    environ = {**os.environ, "_HEDGE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    code = "import sys; sys.argv = ['hedge']; from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    return set(done.stdout.split())


def test_verbs_nouns_their_commands_and_options_are_completed() -> None:
    assert VERBS | set(NOUNS) <= completed("hedge ")
    assert completed("hedge session st") == {"start", "stop"}
    assert completed("hedge account ch") == {"check"}
    assert "--json" in completed("hedge session list --j")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_this_program(shell: str) -> None:
    environ = {**os.environ, "_HEDGE_COMPLETE": f"source_{shell}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    code = "import sys; sys.argv = ['hedge']; from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    assert "_HEDGE_COMPLETE" in done.stdout
    assert "hedge" in done.stdout


def test_the_list_of_sessions_needs_no_heavy_library(machine: Machine) -> None:
    """What is asked most must not wait for databases, frameworks or drawing to load."""
    machine.session()
    code = (
        "import sys; from cli.main import answer; code = answer(['session', 'list']); "
        "heavy = ('sqlalchemy', 'pydantic', 'rich', 'duckdb', 'httpx', 'prefect'); "
        "print(code, [name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "a session" in done.stdout
    assert done.stderr.strip() == "0 []"
