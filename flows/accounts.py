"""The operator's accounts: who they are, and their keys: sealed, as environment variables, or well-known sandbox keys.

Keys are read here and handed to the connectors; they are never parameters of a flow, rows of a table or log lines.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import base58
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.registry import ENDPOINTS, sandbox_endpoints
from connectors.settings import BackpackKeys, Endpoints, Environment, Keys, PacificaKeys, ParadexKeys
from core.account import AccountRef
from core.errors import ConfigurationError, InsufficientAccounts
from core.instrument import Venue
from flows.roster import Listed, listed
from store.home import Home
from store.keystore import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE, Keystore, Label, passphrase_from

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


def accounts_for(environment: Environment, home: Home, environ: Mapping[str, str]) -> dict[str, Account]:
    """Return the accounts of an environment by id; raise ConfigurationError that says everything that is missing.

    A secret comes from the keystore; where that has none for the account, from its environment variable.
    """
    if environment is Environment.SANDBOX:
        return {a.ref.account_id: a for a in sandbox_accounts(home.port_base)}
    entries = [e for e in listed(home.path) if e.environment is environment]
    for entry in entries:
        entry.check()
    _refuse_doubles(entries)
    secrets = _secrets(entries, home, environ)
    missing = [e.variable for e in entries if e.id not in secrets]
    if not entries or missing:
        raise ConfigurationError(_what_is_missing(environment, home, entries, missing), field="accounts")
    return {e.id: account_of(e, secrets[e.id]) for e in entries}


def label_of(entry: Listed) -> Label:
    """Return the label under which the keystore holds an account's secret."""
    return Label(entry.environment.value, entry.venue.value, entry.id)


def _secrets(entries: Sequence[Listed], home: Home, environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """Raises WrongPassphrase, KeystoreDamaged, and ConfigurationError when a sealed key has no passphrase."""
    keystore = Keystore(home.path)
    sealed, found = set(keystore.labels()), {}
    passphrase = passphrase_from(environ) if any(label_of(e) in sealed for e in entries) else None
    for entry in entries:
        if label_of(entry) in sealed:
            if passphrase is None:
                raise ConfigurationError(
                    f"the key of account {entry.id} is sealed and no passphrase was given; set {PASSPHRASE_VARIABLE} "
                    f"or {PASSPHRASE_FILE_VARIABLE} for the process that executes sessions",
                    field="passphrase",
                )
            secret = keystore.get(label_of(entry), passphrase)
        else:
            secret = SecretStr(environ[entry.variable]) if environ.get(entry.variable) else None
        if secret is not None:
            found[entry.id] = secret
    return found


def _refuse_doubles(entries: Sequence[Listed]) -> None:
    """Two entries may share neither a key's variable nor a venue's account: one would stand in for the other."""
    variables = Counter(e.variable for e in entries)
    addresses = Counter((e.venue, e.account) for e in entries)
    for entry in entries:
        if variables[entry.variable] > 1:
            raise ConfigurationError(
                f"several accounts would take their key from {entry.variable}; give account {entry.id} another id",
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


def account_of(entry: Listed, secret: SecretStr) -> Account:
    """Return a listed account with its key; raises ConfigurationError for what its venue does not have."""
    entry.check()
    keys: Keys
    match entry.venue:
        case Venue.PACIFICA:
            keys = PacificaKeys(account=entry.account, secret_key=secret, agent_wallet=entry.agent_wallet)
        case Venue.PARADEX:
            keys = ParadexKeys(account=entry.account, private_key=secret)
        case Venue.BACKPACK:
            keys = BackpackKeys(api_key=entry.account, api_secret=secret)
    endpoints = ENDPOINTS[entry.environment, entry.venue]
    if entry.binary_version is not None:
        endpoints = replace(endpoints, binary_version=entry.binary_version)
    return Account(AccountRef(entry.id, entry.venue, entry.owner), entry.environment, keys, endpoints)


def _what_is_missing(environment: Environment, home: Home, entries: Sequence[Listed], missing: Sequence[str]) -> str:
    path = home.path / "accounts.yaml"
    if not entries:
        return (
            f"no {environment} accounts are known: write {path} with a list `accounts`, each with id, venue, "
            f"environment: {environment}, owner and account (the public address or API key), and put each secret "
            f"into the environment variable HEDGE_KEY_{environment.upper()}_<ID>, or let `hedge account add` do both"
        )
    return (
        f"the {environment} deployment needs keys: set {', '.join(missing)} (accounts are listed in {path}), "
        "or seal them with `hedge account add`"
    )
