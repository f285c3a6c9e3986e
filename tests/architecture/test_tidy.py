"""Tidiness as a test: no secret, machine or registry in the repository, bounded sizes, docs that point somewhere."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import typer.main
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
FILE_BYTES_MAX = 1_000_000
MODULE_LINES_MAX, TEST_MODULE_LINES_MAX, FUNCTION_LINES_MAX = 420, 570, 60
FORBIDDEN_NAMES = {"uv.lock", "pylock.toml", ".env", "accounts.yaml", "keystore.json", "api_key"}

# Longer than the bound, and why: one table, one protocol surface or one suite each. Nothing new belongs here.
LONG_MODULES = {
    "sandbox/model.py": 520,  # the engine's vocabulary
    "store/reads.py": 480,  # every read of the store
    "store/tables.py": 510,  # every table
    "tests/contract/cards.py": 680,
    "tests/fakes/venue.py": 620,
    "tests/sandbox/test_paradex_dialect_rest.py": 880,
}
LONG_FUNCTIONS = {
    "store/migrations/versions/0001_create_the_operational_store.py:upgrade": 260,
    "tests/flows/test_report.py:trade": 90,
}

# What looks like a key. Where it is a published constant, vector or planted by a test, the file is named below.
KEYS = {
    "a PEM private key": re.compile(r"BEGIN [A-Z ]*PRIVATE KEY"),
    "an API key of ours": re.compile(r"\bhk_[0-9A-Za-z]{11}_[0-9A-Za-z]{43}\b"),
    "a cloud or forge token": re.compile(r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[0-9A-Za-z-]{20,})"),
    "a web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    "a Stark key": re.compile(r"\b0x[0-9a-fA-F]{58,64}\b"),
    "32 bytes of hex": re.compile(r"(?<![0-9a-zA-Z:])[0-9a-fA-F]{64}(?![0-9a-zA-Z])"),
    "32 bytes of base64": re.compile(r"[\"'][A-Za-z0-9+/]{43}=[\"']"),
    "64 bytes of base58": re.compile(r"[\"'][1-9A-HJ-NP-Za-km-z]{86,88}[\"']"),
}
KNOWN = {
    "connectors/paradex/auth.py": "type hashes of signed messages",
    "connectors/paradex/stark.py": "the curve",
    "flows/accounts.py": "the curve's order",
    "sandbox/dialects/paradex_auth.py": "the curve and type hashes",
    "sandbox/dialects/paradex_public.py": "contract addresses",
    "sandbox/dialects/paradex_rows.py": "the collateral's address",
    "tests/connectors/test_paradex_reads.py": "contract classes",
    "tests/connectors/test_paradex_surface_parse.py": "contract classes",
    "tests/sandbox/paradex_client.py": "the curve",
    "tests/fixtures/said_paradex.json": "public keys and contract addresses as a twin says them",
    "tests/fixtures/vectors_backpack.json": "published vectors",
    "tests/fixtures/vectors_pacifica.json": "published vectors",
    "tests/fixtures/vectors_paradex.json": "published vectors",
    "tests/e2e/test_planted_keys.py": "planted",
    "tests/connectors/backpack_samples.py": "the public key of seed 0, 1, 2 …",
}
MACHINE = re.compile(r"(?<![\w.])/(?:root|work|Users/\w+|home/\w+|private/var|mnt/\w+)/[\w.]")
REGISTRY = re.compile(
    r"https?://[^\s\"')]*(?:pypi|pythonhosted|npmjs|artifactory|nexus|/simple\b|goproxy)", re.IGNORECASE
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every tracked file that is there, or, in an export without history, every file outside of made folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        return tuple(path for path in names if path.is_file())
    made = {".venv", "var", "node_modules", "__pycache__", ".git", "dist"}
    return tuple(p for p in ROOT.rglob("*") if p.is_file() and not made & set(p.relative_to(ROOT).parts))


@cache
def texts() -> dict[str, str]:
    """The text files by their path; what is no text is left to the size bound."""
    found = {}
    for path in tracked():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def python_sources() -> dict[str, str]:
    return {name: text for name, text in texts().items() if name.endswith(".py")}


def test_no_tracked_file_holds_what_looks_like_a_key() -> None:
    found = [
        f"{kind} in {name}"
        for name, text in texts().items()
        if name not in KNOWN and not name.endswith(".lock")
        for kind, pattern in KEYS.items()
        if pattern.search(text)
    ]
    assert found == [], "\n".join(found)


def test_known_places_of_key_like_constants_still_hold_some() -> None:
    """An entry that protects nothing any more must go."""
    assert [name for name in KNOWN if not any(p.search(texts().get(name, "")) for p in KEYS.values())] == []


@pytest.mark.parametrize(
    "secret",
    [
        "hk_" + "a" * 11 + "_" + "b" * 43, "-----BEGIN EC " + "PRIVATE KEY-----", "0x" + "ab" * 31,
        "secret: " + "0f" * 32, "'" + "A" * 43 + "='", '"' + "z" * 88 + '"',
        "ey" + "JhbGciOiJFUzI1NiJ9.ey" + "JzdWIiOiJ4eHh4In0.x",
    ],
)  # fmt: skip
def test_scan_knows_a_key_when_it_sees_one(secret: str) -> None:
    assert any(pattern.search(secret) for pattern in KEYS.values())


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    own = str(Path(__file__).resolve().relative_to(ROOT))
    found = [
        f"{name}: {match[0]}"
        for name, text in texts().items()
        if name != own
        for pattern in (MACHINE, REGISTRY)
        if (match := pattern.search(text))
    ]
    assert found == []


def test_no_tracked_file_is_big_or_belongs_to_one_machine() -> None:
    assert [str(p) for p in tracked() if p.stat().st_size > FILE_BYTES_MAX] == []
    assert [str(p) for p in tracked() if p.name in FORBIDDEN_NAMES or p.suffix in (".db", ".duckdb", ".parquet")] == []


def test_modules_have_one_idea() -> None:
    def bound(name: str) -> int:
        usual = TEST_MODULE_LINES_MAX if name.startswith("tests/") else MODULE_LINES_MAX
        return LONG_MODULES.get(name, usual)

    lines = {name: text.count("\n") for name, text in python_sources().items()}
    assert {name: count for name, count in lines.items() if count > bound(name)} == {}
    assert set(LONG_MODULES) <= set(lines)


def test_functions_fit_on_a_screen() -> None:
    too_long = {}
    for name, text in python_sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                count = node.end_lineno - node.lineno + 1
                if count > LONG_FUNCTIONS.get(f"{name}:{node.name}", FUNCTION_LINES_MAX):
                    too_long[f"{name}:{node.name}"] = count
    assert too_long == {}


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for name, text in texts().items():
        if not name.endswith(".md"):
            continue
        bare = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", bare):
            file, _, _ = target.partition("#")
            if file and not re.match(r"[a-z]+:", file) and not (ROOT / name).parent.joinpath(file).exists():
                broken.append(f"{name}: {target}")
    assert broken == []


def test_commands_of_the_documents_exist() -> None:
    from cli.main import app

    verbs = set(re.findall(r"^([a-z][a-z-]*):", texts()["Makefile"], re.MULTILINE))
    root = typer.main.get_command(app)
    missing = []
    for name, text in texts().items():
        if not name.endswith(".md") or name == "CHANGELOG.md":
            continue
        for verb in re.findall(r"(?:`|^\$? ?)make ([a-z][a-z-]*)", text, re.MULTILINE):
            missing += [f"{name}: make {verb}"] if verb not in verbs else []
        for noun, verb in re.findall(r"(?:`|^\$? ?)hedge ([a-z]+)(?: ([a-z-]+))?", text, re.MULTILINE):
            missing += [] if _is_command(root, noun, verb) else [f"{name}: hedge {noun} {verb}"]
    assert missing == []


def _is_command(root: object, noun: str, verb: str) -> bool:
    context = typer.Context(root)  # type: ignore[arg-type]
    found = root.get_command(context, noun)  # type: ignore[attr-defined]
    if found is None:
        return False
    return not verb or not hasattr(found, "get_command") or found.get_command(context, verb) is not None


# ---- dependencies ------------------------------------------------------------------------------------------------


def _locked(name: str) -> dict[str, tuple[str, str, int]]:
    """Package by lower name: its version, its marker, and how many hashes it has."""
    found: dict[str, tuple[str, str, int]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        head = entry.split("\\\n", 1)[0].strip()
        if match := re.match(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)\s*(?:;\s*(.*))?$", head):
            found[_canonical(match[1])] = (match[2], match[3] or "", entry.count("--hash=sha256:"))
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    locked = _locked(lock)
    assert len(locked) > 50
    assert [name for name, (_, _, hashes) in locked.items() if hashes == 0] == []


def test_installed_packages_are_the_locked_ones() -> None:
    locked = _locked("requirements-dev.lock")
    installed = {_canonical(d.metadata["Name"]): d.version for d in importlib.metadata.distributions()}
    wrong = [
        f"{name} is {installed.get(name)}, locked is {version}"
        for name, (version, marker, _) in locked.items()
        if (not marker or Marker(marker).evaluate()) and installed.get(name) != version
    ]
    assert wrong == []


def test_both_locks_agree() -> None:
    run, dev = _locked("requirements.lock"), _locked("requirements-dev.lock")
    assert {name for name, entry in run.items() if dev.get(name, ("", "", 0))[0] != entry[0]} == set()


def test_installed_packages_fit_each_other() -> None:
    """What `pip check` says: every requirement of every locked package is met."""
    installed = {_canonical(d.metadata["Name"]): d for d in importlib.metadata.distributions()}
    unmet = []
    for name in _locked("requirements-dev.lock").keys() & installed.keys():
        for text in installed[name].requires or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
                continue
            there = installed.get(_canonical(wanted.name))
            if there is None or not wanted.specifier.contains(there.version, prereleases=True):
                unmet.append(f"{name} needs {wanted}, {there.version if there else 'nothing'} is installed")
    assert unmet == []


def test_no_two_test_files_share_a_name() -> None:
    """Folders of tests are no packages, so two files of one name cannot be collected together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
