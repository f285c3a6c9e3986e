"""The operator's accounts: who they are, and their keys as environment variables or well-known sandbox keys.

Keys are read here and handed to the connectors; they are never parameters of a flow, rows of a table or log lines.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import base58
import yaml
from nacl.signing import SigningKey
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.registry import ENDPOINTS, sandbox_endpoints
from connectors.settings import BackpackKeys, Endpoints, Environment, Keys, PacificaKeys, ParadexKeys
from core.account import AccountRef
from core.errors import ConfigurationError, InsufficientAccounts
from core.instrument import Venue
from store.home import Home

_STARK_ORDER = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
_SANDBOX = {"account1": Venue.PACIFICA, "account2": Venue.PARADEX, "account3": Venue.BACKPACK}


@dataclass(frozen=True, slots=True)
class Account:
    """One account with the keys to act for it and the place where it lives."""

    ref: AccountRef
    environment: Environment
    keys: Keys
    endpoints: Endpoints

    def public_identity(self) -> dict[str, str]:
        """What the venue knows the account by: public key, and account address where the two differ."""
        match self.keys:
            case PacificaKeys(account=address):
                return {"publicKey": address}
            case ParadexKeys(account=address, private_key=key):
                from connectors.paradex.stark import public_key

                return {"account": address, "publicKey": hex(public_key(int(key.get_secret_value(), 16)))}
            case BackpackKeys(api_key=key):
                return {"publicKey": key}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    venue: Venue
    environment: Literal[Environment.TESTNET, Environment.PRODUCTION]
    owner: str
    account: str
    agent_wallet: str | None = None
    binary_version: Annotated[int, Field(ge=0, le=9)] | None = None  # public stream in binary frames: Paradex only


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    accounts: list[_Entry]


def accounts_for(environment: Environment, home: Home, environ: Mapping[str, str]) -> dict[str, Account]:
    """Return the accounts of an environment by id; raise ConfigurationError that says everything that is missing."""
    if environment is Environment.SANDBOX:
        return {a.ref.account_id: a for a in sandbox_accounts(home.port_base)}
    entries = [e for e in _read(home.path / "accounts.yaml", environment) if e.environment is environment]
    missing = [_variable(e) for e in entries if not environ.get(_variable(e))]
    if not entries or missing:
        raise ConfigurationError(_what_is_missing(environment, home, entries, missing), field="accounts")
    _refuse_doubles(entries)
    return {e.id: _account(e, SecretStr(environ[_variable(e)])) for e in entries}


def _refuse_doubles(entries: Sequence[_Entry]) -> None:
    """Two entries may share neither a key's variable nor a venue's account: one would stand in for the other."""
    variables = Counter(_variable(e) for e in entries)
    addresses = Counter((e.venue, e.account) for e in entries)
    for entry in entries:
        if variables[_variable(entry)] > 1:
            raise ConfigurationError(
                f"several accounts would take their key from {_variable(entry)}; give account {entry.id} another id",
                field="accounts",
            )
        if addresses[entry.venue, entry.account] > 1:
            raise ConfigurationError(
                f"account {entry.id}: its {entry.venue} account is listed twice; list each account of a venue once",
                field="accounts",
            )


def choose(accounts: Mapping[str, Account], wanted: Sequence[str]) -> dict[str, Account]:
    """Pick the accounts a request names; raise InsufficientAccounts naming the unknown ones and those there are."""
    unknown = [name for name in wanted if name not in accounts]
    if unknown:
        raise InsufficientAccounts(
            f"accounts: unknown {', '.join(unknown)}; known are {', '.join(sorted(accounts)) or 'none'}",
            field="accounts",
        )
    return {name: accounts[name] for name in wanted}


def sandbox_accounts(port_base: int = 7100) -> list[Account]:
    """The three accounts of the local twins. Their keys follow from their names: they guard nothing of value."""
    return [
        Account(
            AccountRef(account_id, venue, "sandbox"),
            Environment.SANDBOX,
            _sandbox_keys(account_id, venue),
            sandbox_endpoints(venue, port_base),
        )
        for account_id, venue in _SANDBOX.items()
    ]


def _sandbox_keys(account_id: str, venue: Venue) -> Keys:
    seed = hashlib.sha256(f"sandbox/{venue}/{account_id}".encode()).digest()
    public = bytes(SigningKey(seed).verify_key)
    match venue:
        case Venue.PACIFICA:
            secret = base58.b58encode(seed + public).decode()
            return PacificaKeys(account=base58.b58encode(public).decode(), secret_key=SecretStr(secret))
        case Venue.PARADEX:
            private = int.from_bytes(seed, "big") % _STARK_ORDER
            address = int.from_bytes(hashlib.sha256(seed).digest(), "big") >> 6
            return ParadexKeys(account=hex(address), private_key=SecretStr(hex(private)))
        case Venue.BACKPACK:
            secret = base64.b64encode(seed).decode()
            return BackpackKeys(api_key=base64.b64encode(public).decode(), api_secret=SecretStr(secret))


def _account(entry: _Entry, secret: SecretStr) -> Account:
    keys: Keys
    match entry.venue:
        case Venue.PACIFICA:
            keys = PacificaKeys(account=entry.account, secret_key=secret, agent_wallet=entry.agent_wallet)
        case Venue.PARADEX:
            keys = ParadexKeys(account=entry.account, private_key=secret)
        case Venue.BACKPACK:
            keys = BackpackKeys(api_key=entry.account, api_secret=secret)
    endpoints = ENDPOINTS.get((entry.environment, entry.venue))
    if endpoints is None:
        raise ConfigurationError(
            f"{entry.venue} has no {entry.environment}; take account {entry.id} out of accounts.yaml"
        )
    if entry.binary_version is not None:
        if entry.venue is not Venue.PARADEX:
            raise ConfigurationError(
                f"{entry.venue} has no binary stream; take binary_version out of account {entry.id} in accounts.yaml",
                field="accounts",
            )
        endpoints = replace(endpoints, binary_version=entry.binary_version)
    return Account(AccountRef(entry.id, entry.venue, entry.owner), entry.environment, keys, endpoints)


def _read(path: Path, environment: Environment) -> list[_Entry]:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text())).accounts
    except FileNotFoundError:
        return []
    except (yaml.YAMLError, ValidationError) as error:
        where = _first_problem(error) if isinstance(error, ValidationError) else "not YAML"
        raise ConfigurationError(f"{path.name} cannot be read for {environment}: {where}", field="accounts") from None


def _first_problem(error: ValidationError) -> str:
    """The first field that is wrong and why; never what stands there, it may be a key in the wrong place."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"


def _variable(entry: _Entry) -> str:
    return f"HEDGE_KEY_{entry.environment.upper()}_{entry.id.upper().replace('-', '_')}"


def _what_is_missing(environment: Environment, home: Home, entries: Sequence[_Entry], missing: Sequence[str]) -> str:
    path = home.path / "accounts.yaml"
    if not entries:
        return (
            f"no {environment} accounts are known: write {path} with a list `accounts`, each with id, venue, "
            f"environment: {environment}, owner and account (the public address or API key), and put each secret "
            f"into the environment variable HEDGE_KEY_{environment.upper()}_<ID>"
        )
    return f"the {environment} deployment needs keys: set {', '.join(missing)} (accounts are listed in {path})"
