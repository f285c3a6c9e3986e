"""`hedge key …`: a key is shown once, works at the API's door, and is useless after it was revoked."""

from __future__ import annotations

import asyncio

import pytest
from cli_world import Machine

from api.auth import Keys
from api.throttle import FailureThrottle
from store.api_records import ApiKey, Scope


def caller(machine: Machine, text: str) -> ApiKey | None:
    """Who the API would take the holder of a key for."""
    with machine.store() as store:
        return asyncio.run(Keys(store, FailureThrottle(lambda: 0.0)).look_up(text))


def test_a_made_key_is_known_at_the_door_with_its_scopes(machine: Machine) -> None:
    made = machine.hedge("key", "create", "a bot", "--scope", "trade", "--scope", "read")

    found = caller(machine, made.out.strip())
    assert found is not None
    assert (found.name, found.scopes) == ("a bot", {Scope.TRADE, Scope.READ})
    assert caller(machine, made.out.strip() + "x") is None


def test_without_a_scope_a_key_may_only_read(machine: Machine) -> None:
    assert machine.hedge("key", "create", "watcher", "--json").document["scopes"] == ["read"]


def test_the_secret_is_shown_once_and_stored_nowhere(machine: Machine) -> None:
    secret = machine.hedge("key", "create", "a bot").out.strip().rpartition("_")[2]

    for ended in (machine.hedge("key", "list"), machine.hedge("key", "list", "--json")):
        assert "a bot" in ended.out
        assert secret not in ended.out + ended.err
    for path in machine.home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path.name


def test_a_revoked_key_is_nobody(machine: Machine) -> None:
    made = machine.hedge("key", "create", "a bot", "--json").document

    assert machine.hedge("key", "revoke", made["keyId"]).code == 0

    assert caller(machine, made["key"]) is None
    (row,) = machine.hedge("key", "list", "--json").document
    assert (row["valid"], row["revokedAt"] is not None) == (False, True)


def test_bad_names_and_scopes_are_refused(machine: Machine) -> None:
    assert machine.hedge("key", "create", "").code == 2
    assert machine.hedge("key", "create", "a\nb").code == 2
    assert machine.hedge("key", "create", "x", "--scope", "everything").code == 2
    assert machine.hedge("key", "list", "--json").document == []


@pytest.mark.parametrize("name", ["ab", "x" * 51, "a\x1bb c"])
def test_names_of_keys_obey_the_rule_of_the_api(machine: Machine, name: str) -> None:
    refused = machine.hedge("key", "create", name)
    assert refused.code == 2
    assert refused.err.startswith("hedge: name: ")
    for taken in ("abc", "x" * 50):
        assert machine.hedge("key", "create", taken).code == 0
