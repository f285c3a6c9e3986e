"""The operator's accounts: what is missing is said exactly, and a secret is never shown."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.settings import Environment
from core.errors import ConfigurationError, InsufficientAccounts
from core.instrument import Venue
from flows.accounts import Account, accounts_for, choose, sandbox_accounts
from store.home import Home

SECRET = "5ecret5ecret5ecret5ecret"


def entry(account_id: str, venue: str = "pacifica", environment: str = "testnet", **more: object) -> dict[str, object]:
    """One entry of accounts.yaml."""
    return {
        "id": account_id,
        "venue": venue,
        "environment": environment,
        "owner": "desk",
        "account": f"0x{account_id}",
        **more,
    }


def home_with(folder: Path, *entries: object) -> Home:
    """A data folder with these entries in accounts.yaml."""
    (folder / "accounts.yaml").write_text(yaml.safe_dump({"accounts": list(entries)}))
    return Home(folder)


def secrets(*names: str) -> dict[str, str]:
    """Environment variables with a secret each."""
    return {f"HEDGE_KEY_TESTNET_{name}": f"{SECRET}{n}" for n, name in enumerate(names)}


def test_sandbox_needs_no_file_and_no_keys(tmp_path: Path) -> None:
    found = accounts_for(Environment.SANDBOX, Home(tmp_path), {})
    assert {a.ref.venue for a in found.values()} == set(Venue)


def test_sandbox_accounts_are_the_same_every_time() -> None:
    assert [a.public_identity() for a in sandbox_accounts()] == [a.public_identity() for a in sandbox_accounts()]


def test_a_paradex_account_may_ask_for_the_binary_stream_and_nobody_else_may(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main", "paradex"), entry("sub-1", "paradex", binary_version=2))
    found = accounts_for(Environment.TESTNET, home, secrets("MAIN", "SUB_1"))
    assert found["main"].endpoints.binary_version is None
    assert found["sub-1"].endpoints.binary_version == 2

    home = home_with(tmp_path, entry("main", binary_version=2))
    with pytest.raises(ConfigurationError, match="pacifica has no binary stream"):
        accounts_for(Environment.TESTNET, home, secrets("MAIN"))


def test_each_account_gets_its_own_key_and_the_endpoints_of_its_venue(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main"), entry("sub-1", "paradex"))
    found = accounts_for(Environment.TESTNET, home, secrets("MAIN", "SUB_1"))
    assert found["main"].keys.secret_key.get_secret_value() == SECRET + "0"  # type: ignore[union-attr]
    assert found["sub-1"].keys.private_key.get_secret_value() == SECRET + "1"  # type: ignore[union-attr]
    assert found["main"].endpoints != found["sub-1"].endpoints
    assert found["main"].ref.owner == "desk"


def test_accounts_of_other_environments_are_left_out(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main"), entry("real", environment="production"))
    assert set(accounts_for(Environment.TESTNET, home, secrets("MAIN"))) == {"main"}


def test_without_a_file_the_message_says_where_to_write_it_and_what(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        accounts_for(Environment.TESTNET, Home(tmp_path), {})
    text = str(refused.value)
    for part in (str(tmp_path / "accounts.yaml"), "id", "venue", "owner", "account", "HEDGE_KEY_TESTNET_<ID>"):
        assert part in text


def test_exactly_the_missing_keys_are_named(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main"), entry("sub-1", "paradex"), entry("third"))
    with pytest.raises(ConfigurationError) as refused:
        accounts_for(Environment.TESTNET, home, secrets("MAIN"))
    text = str(refused.value)
    assert "HEDGE_KEY_TESTNET_SUB_1" in text
    assert "HEDGE_KEY_TESTNET_THIRD" in text
    assert "HEDGE_KEY_TESTNET_MAIN" not in text


def test_empty_key_is_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HEDGE_KEY_TESTNET_MAIN"):
        accounts_for(Environment.TESTNET, home_with(tmp_path, entry("main")), {"HEDGE_KEY_TESTNET_MAIN": ""})


def test_testnet_key_does_not_open_production(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main", environment="production"))
    with pytest.raises(ConfigurationError, match="HEDGE_KEY_PRODUCTION_MAIN"):
        accounts_for(Environment.PRODUCTION, home, secrets("MAIN"))


def test_venue_without_such_an_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="backpack has no testnet; take account bp out"):
        accounts_for(Environment.TESTNET, home_with(tmp_path, entry("bp", "backpack")), secrets("BP"))


@pytest.mark.parametrize("ids", [("main", "main"), ("sub-1", "sub_1"), ("Main", "main")])
def test_two_accounts_that_would_share_a_key_are_refused(tmp_path: Path, ids: tuple[str, str]) -> None:
    """The second would silently replace the first, or sign with the first one's key."""
    home = home_with(tmp_path, entry(ids[0]), entry(ids[1], "paradex"))
    variable = ids[1].upper().replace("-", "_")
    with pytest.raises(ConfigurationError, match=f"HEDGE_KEY_TESTNET_{variable}"):
        accounts_for(Environment.TESTNET, home, secrets(variable))


def test_one_account_of_a_venue_is_not_taken_for_two(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("one", account="0xabc"), entry("two", account="0xabc"))
    with pytest.raises(ConfigurationError, match="its pacifica account is listed twice"):
        accounts_for(Environment.TESTNET, home, secrets("ONE", "TWO"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accounts: [", "not YAML"),
        ("- 1\n- 2", "accounts.yaml"),
        ("accounts: 3", "accounts"),
        ("", "accounts.yaml"),
        (yaml.safe_dump({"accounts": [entry("a b")]}), "accounts[0].id"),
        (yaml.safe_dump({"accounts": [entry("main", "binance")]}), "accounts[0].venue"),
        (yaml.safe_dump({"accounts": [entry("main"), entry("x", key=SECRET)]}), "accounts[1].key"),
        (yaml.safe_dump({"accounts": [entry("main", environment="sandbox")]}), "accounts[0].environment"),
    ],
)
def test_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "accounts.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        accounts_for(Environment.TESTNET, Home(tmp_path), secrets("MAIN"))
    assert says in str(refused.value)
    assert SECRET not in _everything(refused.value)


def test_unknown_account_is_named_beside_the_known_ones() -> None:
    known = {a.ref.account_id: a for a in sandbox_accounts()}
    with pytest.raises(InsufficientAccounts, match=r"unknown ghost; known are account1, account2, account3") as refused:
        choose(known, ["account1", "ghost"])
    assert refused.value.details["field"] == "accounts"


@pytest.mark.parametrize("show", [repr, str, "{0!r} {0}".format])
def test_secrets_are_in_no_text_of_an_account(tmp_path: Path, show: Any) -> None:
    home = home_with(tmp_path, entry("main"), entry("sub", "paradex"))
    found = accounts_for(Environment.TESTNET, home, secrets("MAIN", "SUB"))
    assert SECRET not in show(found)
    for account in found.values():
        assert SECRET not in show(account.keys)
        assert SECRET not in account.keys.model_dump_json()


def test_secrets_of_the_sandbox_are_in_no_text_either() -> None:
    for account in sandbox_accounts():
        for secret in _secrets_of(account):
            assert secret not in repr(account)
            assert secret not in str(account.public_identity())


def test_missing_key_does_not_show_the_others(tmp_path: Path) -> None:
    home = home_with(tmp_path, entry("main"), entry("sub", "paradex"))
    with pytest.raises(ConfigurationError) as refused:
        accounts_for(Environment.TESTNET, home, secrets("MAIN"))
    assert SECRET not in _everything(refused.value)


def _everything(error: BaseException) -> str:
    """What a log would show of an error, its causes included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "details", ""))


def _secrets_of(account: Account) -> list[str]:
    values = (getattr(account.keys, name) for name in type(account.keys).model_fields)
    return [value.get_secret_value() for value in values if hasattr(value, "get_secret_value")]
