"""The Python client as its users get it: a wheel of its own, installed without any of the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SDK = Path(__file__).parents[2] / "sdk" / "python"
NEEDS = ("httpx", "pydantic", "websockets")
SERVICE = (
    "core",
    "connectors",
    "sandbox",
    "store",
    "tasks",
    "flows",
    "api",
    "cli",
    "deployments",
    "prefect",
    "fastapi",
)

USE = """
import importlib.util, json, sys
import httpx
from pacifica_hedging import HedgingClient

answer = {"success": True, "session": {"id": "s1", "status": "pending"}}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
with HedgingClient("hk_1", transport=transport) as client:
    session = client.get_session("s1")
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"id": session["id"], "service": found, "from": importlib.util.find_spec("pacifica_hedging").origin}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the build backend of this environment; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=SDK, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    (built,) = folder.glob("pacifica_hedging-*.whl")
    return built


def test_the_wheel_holds_the_client_its_types_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith("METADATA"))
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"pacifica_hedging"}
    assert "pacifica_hedging/py.typed" in names
    needed = [line.split(": ")[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert sorted(Requirement(text).name for text in needed) == sorted(NEEDS)


def test_it_works_where_only_it_and_its_dependencies_are_installed(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "alone"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q", str(wheel)],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    (site,) = home.glob("lib/python*/site-packages")
    shared = tmp_path / "dependencies"
    shared.mkdir()
    for name in _closure(NEEDS):
        _link(name, shared)
    (site / "dependencies.pth").write_text(f"{shared}\n")

    done = subprocess.run(
        [str(python), "-I", "-W", "error", "-c", USE, *SERVICE],
        cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["id"], told["service"]) == ("s1", [])
    assert Path(told["from"]).is_relative_to(site)


def _closure(names: tuple[str, ...]) -> set[str]:
    """The distributions that these need, and those that they need in turn."""
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = canonicalize_name(open_.pop())
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in distribution(name).requires or []]
            open_ += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def _link(name: str, folder: Path) -> None:
    """Make one installed distribution, and nothing beside it, importable from a folder."""
    package = distribution(name)
    tops = {file.parts[0] for file in package.files or [] if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        (folder / top).symlink_to(Path(str(package.locate_file(top))))
