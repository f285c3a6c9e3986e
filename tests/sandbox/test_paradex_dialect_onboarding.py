"""Paradex's twin opens an account once: the venue's words, the address that follows from a key, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fast_stark_crypto as stark
import pytest
from paradex_client import ADDRESS, PUBLIC, Desk, Signer, open_client, open_world

from sandbox.dialects.paradex_auth import account_address


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A twin with one account that is open."""
    world = open_world()
    with open_client(world) as client:
        desk = Desk(client, world, Signer())
        desk.exchange.open_account(ADDRESS, Decimal(10_000), attributes={"public_key": PUBLIC})
        yield desk


def error(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error", "message"}
    return answer.status_code, body["error"]


@pytest.fixture
def newcomer() -> Signer:
    """An account nobody opened yet, with the address that follows from its key."""
    private = 0x5EED5EED
    return Signer(private, hex(account_address(stark.get_public_key(private))))


def test_onboarding_opens_an_empty_account_once(desk: Desk, newcomer: Signer):
    for _ in range(2):
        answer = desk.client.post("/v1/onboarding", headers=newcomer.onboarding(), json={"public_key": newcomer.public})
        assert (answer.status_code, answer.content) == (200, b"")
    desk.signer = newcomer
    desk.sign_in()
    assert desk.get("/v1/balance")["results"][0]["size"] == "0"


def test_onboarding_refuses_an_address_of_another_key(desk: Desk, newcomer: Signer):
    headers = newcomer.onboarding() | {"PARADEX-STARKNET-ACCOUNT": "0x1234"}
    answer = desk.client.post("/v1/onboarding", headers=headers, json={"public_key": newcomer.public})
    assert error(answer) == (400, "INVALID_STARKNET_ADDRESS")


def test_onboarding_refuses_another_key_for_a_known_account(desk: Desk, newcomer: Signer):
    headers = Signer().onboarding()
    answer = desk.client.post("/v1/onboarding", headers=headers, json={"public_key": newcomer.public})
    assert error(answer) == (400, "PUBLIC_KEY_INVALID")


def test_onboarding_refuses_a_signature_of_something_else(desk: Desk, newcomer: Signer):
    headers = newcomer.onboarding()
    headers["PARADEX-STARKNET-SIGNATURE"] = Signer().onboarding()["PARADEX-STARKNET-SIGNATURE"]
    answer = desk.client.post("/v1/onboarding", headers=headers, json={"public_key": newcomer.public})
    assert error(answer) == (400, "STARKNET_SIGNATURE_VERIFICATION_FAILED")


def test_a_key_is_told_its_account_and_whether_it_is_open(desk: Desk, newcomer: Signer):
    query = {"account_signer_type": "starknet", "public_key": newcomer.public}
    before = desk.client.get("/v1/onboarding", params=query).json()
    desk.client.post("/v1/onboarding", headers=newcomer.onboarding(), json={"public_key": newcomer.public})
    after = desk.client.get("/v1/onboarding", params=query).json()

    config = desk.client.get("/v1/system/config").json()
    derivation = {
        "class_hash": config["paraclear_account_hash"],
        "proxy_class_hash": config["paraclear_account_proxy_hash"],
    }
    assert before == {
        "address": newcomer.address, "exists": False, "account_signer_type": "starknet", "derivation_info": derivation,
    }  # fmt: skip
    assert after == before | {"exists": True}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "VALIDATION_ERROR"),
        ({"account_signer_type": "eip191", "eth_address": "0x1"}, "INVALID_REQUEST_PARAMETER"),
        ({"account_signer_type": "starknet"}, "VALIDATION_ERROR"),
        ({"account_signer_type": "starknet", "public_key": "0x0"}, "PUBLIC_KEY_INVALID"),
    ],
)
def test_a_question_about_no_key_is_refused(desk: Desk, query: dict[str, str], code: str):
    assert error(desk.client.get("/v1/onboarding", params=query)) == (400, code)


@pytest.mark.parametrize("ethereum", [None, "0x12", "511671d631CEA1E4C66f8b93bc467646C8e994B9"])
def test_onboarding_wants_the_wallets_address(desk: Desk, newcomer: Signer, ethereum: str | None):
    headers = newcomer.onboarding()
    del headers["PARADEX-ETHEREUM-ACCOUNT"]
    if ethereum is not None:
        headers["PARADEX-ETHEREUM-ACCOUNT"] = ethereum
    answer = desk.client.post("/v1/onboarding", headers=headers, json={"public_key": newcomer.public})
    assert error(answer) == (400, "INVALID_REQUEST_PARAMETER")
