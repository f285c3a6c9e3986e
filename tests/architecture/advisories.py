"""Ask the public advisory service for known weaknesses of every locked package; `make lint` does it each time.

    python -m tests.architecture.advisories [--required] [LOCK ...]

The packages are those of the requirement locks as they stand; nothing is resolved, downloaded or installed, and names
and versions are all that is sent. `uv audit` asks (its own lock format is written into a folder that is thrown away).
Exits with 1 when an advisory is known, and, with --required, with 2 when nobody could be asked; without it that is
said and passes, because a machine without the network must be able to check everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements-dev.lock", "requirements-postgres.lock")
PATIENCE_S = 60.0
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
# Advisories are asked for by name and version; where a package would be fetched from does not matter, so nowhere.
_SOURCE = '{ registry = "nowhere" }'
_KNOWN, _NOT_ASKED = 1, 2


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known. found: a line for each advisory; None when nobody could be asked, and error says why."""

    packages: int
    found: tuple[str, ...] | None
    error: str = ""


def pins_of(lock: str) -> list[tuple[str, str]]:
    """Return names and versions of a requirement lock, in order, each once."""
    return list(dict.fromkeys(_PIN.findall(lock)))


def uv_lock_of(pins: Sequence[tuple[str, str]]) -> str:
    """Write the same pins as uv's own lock of a project that needs them all."""
    packages = [f'[[package]]\nname = "{n}"\nversion = "{v}"\nsource = {_SOURCE}\n' for n, v in pins]
    needs = "\n".join(f'    {{ name = "{n}", version = "{v}", source = {_SOURCE} }},' for n, v in pins)
    root = f'[[package]]\nname = "audited"\nversion = "0"\nsource = {{ virtual = "." }}\ndependencies = [\n{needs}\n]\n'
    return "\n".join(['version = 1\nrequires-python = ">=3.11"\n', *packages, root])


def audit(pins: Sequence[tuple[str, str]], *, service: str | None = None, uv: Path | None = None) -> Audit:
    """Ask about packages; service: the address of another service that speaks the OSV protocol."""
    uv = uv or Path(sys.executable).with_name("uv")
    if not uv.exists():
        return Audit(len(pins), None, "uv is not installed")
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        needs = ", ".join(f'"{n}=={v}"' for n, v in pins)
        project = f'[project]\nname = "audited"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{needs}]\n'
        Path(folder, "pyproject.toml").write_text(project, encoding="utf-8")
        Path(folder, "uv.lock").write_text(uv_lock_of(pins), encoding="utf-8")
        command = [str(uv), "audit", "-q", "--preview-features", "audit-command", "--frozen", "--project", folder]
        command += ["--output-format", "json", *(["--service-url", service] if service else [])]
        environ = os.environ | {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
        try:
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            return Audit(len(pins), None, f"no answer within {PATIENCE_S:.0f} s")
    return _read(done, len(pins))


def _read(done: subprocess.CompletedProcess[str], packages: int) -> Audit:
    try:
        told = json.loads(done.stdout)
        asked = int(told["summary"]["audited_packages"])
        found = [
            f"{one['dependency']['name']} {one['dependency']['version']}: {one['display_id']} {one['summary'] or ''}"
            f" (mended in {', '.join(one['fix_versions']) or 'no version'})" for one in told["vulnerabilities"]
        ]  # fmt: skip
        found += [f"{one}" for one in told["adverse_statuses"]]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines()
        return Audit(packages, None, lines[-1].strip() if lines else f"uv audit ended with {done.returncode}")
    if asked != packages:
        return Audit(packages, None, f"{asked} of {packages} packages were asked about")
    return Audit(packages, tuple(found))


def main(arguments: Sequence[str]) -> int:
    """Audit the locks and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--required", action="store_true", help="fail when nobody could be asked")
    parser.add_argument("--service-url", help="another service that speaks the OSV protocol")
    parser.add_argument("locks", nargs="*", default=[str(ROOT / name) for name in LOCKS])
    options = parser.parse_args(arguments)
    pins = pins_of("\n".join(Path(lock).read_text(encoding="utf-8") for lock in options.locks))
    seen = audit(pins, service=options.service_url)
    if seen.found is None:
        print(f"NOT AUDITED: {seen.packages} locked packages, the advisory service could not be asked ({seen.error})")
        return _NOT_ASKED if options.required else 0
    for line in seen.found:
        print(line)
    print(f"{seen.packages} locked packages audited, {len(seen.found)} known weaknesses")
    return _KNOWN if seen.found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
