"""accounts.yaml: which accounts the operator has at the venues. Holds no secret; writes keep what a person wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.registry import ENDPOINTS
from connectors.settings import Environment
from core.errors import ConfigurationError
from core.instrument import Venue
from store.wording import field_of, problem_of

NAME = "accounts.yaml"
_FORM = "write a list `accounts:` with a line `- {id: …, venue: …, environment: …, owner: …, account: …}` for each"
_IN_QUOTES = ", in quotes where it looks like a number or a date"


class Listed(BaseModel):
    """One account as listed. account is public: the venue's address, or the API key where that names the account."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    venue: Venue
    environment: Literal[Environment.TESTNET, Environment.PRODUCTION]
    owner: str
    account: str
    agent_wallet: str | None = None
    binary_version: Annotated[int, Field(ge=0, le=9)] | None = None  # public stream in binary frames: Paradex only

    @property
    def variable(self) -> str:
        """The environment variable that may hold its secret."""
        return f"HEDGE_KEY_{self.environment.upper()}_{self.id.upper().replace('-', '_')}"

    def check(self) -> None:
        """Raise ConfigurationError for what the venue does not have."""
        if (self.environment, self.venue) not in ENDPOINTS:
            raise ConfigurationError(
                f"{self.venue} has no {self.environment}; take account {self.id} out of {NAME}", field="accounts"
            )
        if self.binary_version is not None and self.venue is not Venue.PARADEX:
            raise ConfigurationError(
                f"{self.venue} has no binary stream; take binary_version out of account {self.id} in {NAME}",
                field="accounts",
            )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    accounts: list[Listed]


def listed(home: Path) -> list[Listed]:
    """Return every account of every environment that is listed; empty without a file.

    Raises ConfigurationError naming the first field that is wrong by its path (`accounts[0].venue`) and what to give
    instead, never what stands there: it may be a key in the wrong place.
    """
    text = _read(home)
    return [] if text is None else _parse(text)


def add(home: Path, entry: Listed) -> None:
    """List one more account; raises ConfigurationError when its id is taken or the file cannot be written."""
    before = listed(home)
    if any(known.id == entry.id for known in before):
        raise ConfigurationError(f"account {entry.id} is listed already; remove it first", field="id")
    entry.check()
    row = f"  - {{{_fields(entry)}}}\n"
    text = _read(home) or "accounts:\n"
    appended = text.rstrip("\n") + "\n" + row
    _write(home, appended if _means(appended, [*before, entry]) else _dumped([*before, entry]))


def remove(home: Path, account_id: str) -> bool:
    """Take an account out; False when it is not listed. Other lines stay as they are where that is possible."""
    before = listed(home)
    left = [known for known in before if known.id != account_id]
    if len(left) == len(before):
        return False
    lines = (_read(home) or "").splitlines(keepends=True)
    kept = "".join(line for line in lines if not _is_row_of(line, account_id))
    _write(home, kept if left and _means(kept, left) else _dumped(left))
    return True


def _parse(text: str) -> list[Listed]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigurationError(f"{NAME} is not YAML{where}; {_FORM}", field="accounts") from None
    try:
        return _File.model_validate(document).accounts
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = field_of(first["loc"])
        # Nothing of what stands there is shown; a text that YAML takes for a number is the mistake to expect.
        problem = f"{problem_of(first, echoes=False)}{_IN_QUOTES if first['type'] == 'string_type' else ''}"
        if not path or path == "accounts":
            problem += f"; {_FORM}"
        raise ConfigurationError(f"{NAME}: {path or 'the file'}: {problem}", field=path or "accounts") from None


def _read(home: Path) -> str | None:
    """The file's text; None without a file."""
    try:
        return (home / NAME).read_text("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{NAME} cannot be read: {error.strerror}", field="accounts") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{NAME} is not text in UTF-8; write it anew", field="accounts") from None


def _means(text: str, wanted: Sequence[Listed]) -> bool:
    try:
        return _parse(text) == list(wanted)
    except ConfigurationError:
        return False


def _is_row_of(line: str, account_id: str) -> bool:
    """True for a line that lists just this account, as `add` writes it."""
    try:
        found = yaml.safe_load(line)
    except yaml.YAMLError:
        return False
    return (
        isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict) and found[0].get("id") == account_id
    )


def _fields(entry: Listed) -> str:
    document = entry.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(document, default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]


def _dumped(entries: Sequence[Listed]) -> str:
    rows = "".join(f"  - {{{_fields(entry)}}}\n" for entry in entries)
    return f"accounts:\n{rows}" if entries else "accounts: []\n"


def _write(home: Path, text: str) -> None:
    """Write beside and rename: a reader sees the old list or the new one."""
    beside = home / f".{NAME}.{os.getpid()}"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(home / NAME)
    except OSError as error:
        raise ConfigurationError(f"{NAME} cannot be written: {error.strerror}", field="accounts") from None
