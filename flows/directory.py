"""All accounts this installation knows, in every environment: who they are and where each lives. Trades nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.settings import Environment
from core.errors import ConfigurationError, InsufficientAccounts, RequestRefused
from flows.accounts import Account, accounts_for
from store.home import Home


@dataclass(frozen=True, slots=True)
class Directory:
    """Accounts by environment and id; problems says why an environment has none that can be used."""

    accounts: Mapping[Environment, Mapping[str, Account]]
    problems: Mapping[Environment, str]

    def every(self) -> list[Account]:
        """Return all accounts, sandbox first, by id."""
        return [known[name] for known in self.accounts.values() for name in sorted(known)]

    def find(self, account_id: str) -> Account | None:
        """Return the account of that id, None when there is none."""
        return next((known[account_id] for known in self.accounts.values() if account_id in known), None)


def read_directory(home: Home, environ: Mapping[str, str]) -> Directory:
    """Read every environment's accounts; one that is not set up, or whose keys are missing, has none."""
    accounts: dict[Environment, Mapping[str, Account]] = {}
    problems: dict[Environment, str] = {}
    for environment in Environment:
        try:
            accounts[environment] = accounts_for(environment, home, environ)
        except ConfigurationError as error:
            problems[environment] = error.message
    return Directory(accounts, problems)


def environment_of(directory: Directory, names: Sequence[str]) -> Environment:
    """Return the one environment all these accounts live in.

    Raises InsufficientAccounts naming unknown ones, and RequestRefused when they live in different environments or
    one id means accounts in several.
    """
    homes = {name: [e for e, known in directory.accounts.items() if name in known] for name in names}
    unknown = [name for name, found in homes.items() if not found]
    if unknown or not names:
        known_ids = sorted({a.ref.account_id for a in directory.every()})
        raise InsufficientAccounts(
            f"accounts: unknown {', '.join(unknown) or '(none given)'}; known are {', '.join(known_ids) or 'none'}",
            field="accounts",
        )
    several = [name for name, found in homes.items() if len(found) > 1]
    if several:
        raise RequestRefused(
            f"accounts: {', '.join(several)} is the id of accounts in several environments; give each its own id",
            field="accounts",
        )
    environments = {found[0] for found in homes.values()}
    if len(environments) > 1:
        told = ", ".join(f"{name} is in {found[0].value}" for name, found in homes.items())
        raise RequestRefused(
            f"accounts: a session stays in one environment, but {told}; choose accounts of one of them",
            field="accounts",
        )
    return environments.pop()
