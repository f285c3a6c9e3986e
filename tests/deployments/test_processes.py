"""Starting and stopping child processes, ports and the data folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import sys
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from core.errors import ConfigurationError
from deployments.local import listed_names
from deployments.processes import Family, require_alone, require_free_ports, stop_recorded
from deployments.service import FLOWS, listed
from store.home import Home

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)  # sandbox.server"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A data folder of its own, on ports nobody should use."""
    made = Home(tmp_path / "home", 27_100, 27_200)
    made.make()
    return made


def until_named(pid: int) -> None:
    """Wait until a fresh process shows its own command line; right after the start it may still be empty."""
    for _ in range(10_000):
        if b"sandbox.server" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
    raise AssertionError(f"process {pid} never showed its command line")


def test_occupied_port_is_named_with_what_to_do(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.port_base + 2))
        taken.listen()
        with pytest.raises(ConfigurationError, match=rf"port {home.port_base + 2} .*hedge down.*HEDGE_PORT_BASE"):
            require_free_ports(home)
    require_free_ports(home)


def test_stopping_ends_every_child_and_forgets_them(home: Home) -> None:
    family = Family(home)
    child = family.start("sleeper", SLEEPER, {})
    assert json.loads(home.running.read_text())["children"] == {"sleeper": child.process.pid}
    family.stop(grace_s=5)
    assert child.process.poll() is not None
    assert not home.running.exists()


def test_child_that_dies_while_starting_is_reported_with_its_last_words(home: Home) -> None:
    family = Family(home)
    child = family.start("broken", [sys.executable, "-c", "raise SystemExit('no such venue')"], {})
    with pytest.raises(ConfigurationError, match=r"(?s)broken ended with code 1.*no such venue"):
        family.wait_for(child, "http://127.0.0.1:27399/", 20)
    family.stop()


def test_what_a_killed_parent_left_behind_can_be_stopped(home: Home) -> None:
    family = Family(home)
    child = family.start("twins", SLEEPER, {})
    until_named(child.process.pid)
    record = json.loads(home.running.read_text())
    home.running.write_text(json.dumps(record | {"parent": 2**22 - 1}))
    assert stop_recorded(home) == ["twins"]
    assert child.process.wait(5) != 0
    assert stop_recorded(home) == []


def test_data_folder_in_use_is_refused_even_on_other_ports_until_its_processes_are_stopped(home: Home) -> None:
    family = Family(home)
    child = family.start("twins", SLEEPER, {})
    until_named(child.process.pid)
    with pytest.raises(ConfigurationError, match=rf"in use by process {child.process.pid}.*hedge down.*HEDGE_HOME"):
        require_alone(Home(home.path, 27_300, 27_400))
    family.stop(grace_s=5)
    require_alone(home)


def test_pid_given_to_a_stranger_is_left_alone(home: Home) -> None:
    family = Family(home)
    stranger = family.start("other", [sys.executable, "-c", "import time; time.sleep(60)"], {})
    assert stop_recorded(home) == []
    assert stranger.process.poll() is None
    family.children = [stranger]
    family.stop(grace_s=5)


def test_full_disk_is_refused_before_anything_starts(tmp_path: Path, mocker: MockerFixture) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    mocker.patch("shutil.disk_usage", return_value=usage)
    with pytest.raises(ConfigurationError, match=r"only 1 MB are free.*HEDGE_HOME"):
        Home(tmp_path / "home").make()


def test_unusable_folder_and_port_settings_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="cannot write to the data folder"):
        Home(Path("/dev/null/home")).make()
    with pytest.raises(ConfigurationError, match="HEDGE_PORT_BASE must be a port"):
        Home.from_env({"HEDGE_PORT_BASE": "eighty"})


def test_every_listed_deployment_can_be_served(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    deployments = listed(root / "prefect.yaml")
    environments = [f"hedging-session/{name}" for name in ("sandbox", "testnet", "production")]
    assert listed_names() == [*environments, "flatten/now"]
    assert listed_names() == [f"{FLOWS[d['entrypoint']].name}/{d['name']}" for d in deployments]
    for deployment in deployments:
        file, name = deployment["entrypoint"].split(":")
        assert (root / file).is_file()
        assert FLOWS[deployment["entrypoint"]].fn.__name__ == name
    wrong = tmp_path / "prefect.yaml"
    wrong.write_text("deployments: [{name: x, entrypoint: 'flows/nowhere.py:nothing'}]")
    with pytest.raises(ConfigurationError, match="nowhere"):
        listed(wrong)


def test_child_without_secrets_gets_none_and_what_it_writes_is_private(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGE_PASSPHRASE", "planted")
    monkeypatch.setenv("HEDGE_KEY_TESTNET_A", "planted")
    before = os.umask(0)
    try:
        family = Family(home)
        script = "import os; open(os.environ['WHERE'], 'w').write(' '.join(k for k in os.environ if k[:6] == 'HEDGE_'))"
        told = {}
        for name, with_secrets in (("venue", False), ("service", True)):
            environ = {**home.environ(), "WHERE": str(home.path / name)}
            child = family.start(name, [sys.executable, "-c", script], environ, with_secrets=with_secrets)
            assert child.process.wait(30) == 0
            told[name] = set((home.path / name).read_text().split())
            assert {oct(path.stat().st_mode & 0o777) for path in (home.path / name, child.log)} == {"0o600"}
        assert stat.S_IMODE(home.running.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert told["venue"] == set(home.environ())
    assert told["service"] >= set(home.environ()) | {"HEDGE_PASSPHRASE", "HEDGE_KEY_TESTNET_A"}
    family.stop(grace_s=1)
