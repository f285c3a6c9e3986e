"""The operator's accounts on the local venue twins: well-known keys that hold sandbox money only."""

from __future__ import annotations

import httpx

from core.errors import ConfigurationError
from flows.accounts import sandbox_accounts
from store.home import Home

BALANCE = "10000"


def open_sandbox_accounts(home: Home) -> None:
    """Open and fund the sandbox accounts on freshly started twins; raise ConfigurationError when a twin refuses."""
    with httpx.Client(base_url=home.sandbox_url, trust_env=False, timeout=10) as client:
        for account in sandbox_accounts():
            body = {"venue": account.ref.venue.value, "balance": BALANCE, **account.public_identity()}
            answer = client.post("/control/accounts", json=body)
            if answer.is_error:
                raise ConfigurationError(
                    f"the {account.ref.venue} twin refused {account.ref.account_id}: {answer.text}"
                )
