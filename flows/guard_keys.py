"""Keys of the watchdog's own: what it signs with where it was given some, the accounts' keys everywhere else.

A key that can only be used by the watchdog can be revoked, and counted by the venue, apart from the sessions' keys.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import base58
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.settings import Environment
from core.errors import ConfigurationError
from core.instrument import Venue
from flows.accounts import Account, account_of, accounts_for
from flows.roster import Listed, listed
from store.home import Home


def guard_variable(entry: Listed) -> str:
    """Return the environment variable that may hold the watchdog's own secret for an account."""
    return entry.variable.replace("HEDGE_KEY_", "HEDGE_WATCHDOG_KEY_", 1)


def guard_accounts_for(environment: Environment, home: Home, environ: Mapping[str, str]) -> dict[str, Account]:
    """Return the accounts of an environment by id, with the watchdog's own keys where there are some.

    Raises ConfigurationError as `accounts_for` does, and for an own key that is none.
    """
    if environment is Environment.SANDBOX:
        return accounts_for(environment, home, environ)
    entries = [e for e in listed(home.path) if e.environment is environment]
    own = {e.id: SecretStr(environ[guard_variable(e)]) for e in entries if environ.get(guard_variable(e))}
    if not entries or len(own) < len(entries):
        # What has a key of its own needs no other: it stands in, so that only what really is missing is named.
        stand_in = {e.variable: own[e.id].get_secret_value() for e in entries if e.id in own}
        found = accounts_for(environment, home, {**stand_in, **environ})
    else:
        found = {}
    return found | {e.id: account_of(_as_guard(e, own[e.id]), own[e.id]) for e in entries if e.id in own}


def _as_guard(entry: Listed, secret: SecretStr) -> Listed:
    """The same account, named by the key that signs where the venue wants that."""
    try:
        match entry.venue:
            case Venue.PACIFICA:
                seed = base58.b58decode(secret.get_secret_value())[:32]
                signer = base58.b58encode(bytes(SigningKey(seed).verify_key)).decode()
                return entry.model_copy(update={"agent_wallet": None if signer == entry.account else signer})
            case Venue.BACKPACK:
                seed = base64.b64decode(secret.get_secret_value(), validate=True)
                return entry.model_copy(
                    update={"account": base64.b64encode(bytes(SigningKey(seed).verify_key)).decode()}
                )
            case Venue.PARADEX:
                return entry
    except ValueError:
        raise ConfigurationError(
            f"{guard_variable(entry)} does not hold a key of {entry.venue}", field=guard_variable(entry)
        ) from None
