"""Pacifica's signatures, byte by byte against published-algorithm vectors, and what must not verify."""

from __future__ import annotations

import json
from pathlib import Path

import base58
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.pacifica.auth import Signer, canonical_message, encode_body, verifies
from connectors.settings import PacificaKeys
from core.errors import ConfigurationError

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors_pacifica.json").read_text())
MAIN, AGENT = VECTORS["keys"]["main"], VECTORS["keys"]["agent"]
names = {"argvalues": VECTORS["vectors"], "ids": [vector["name"] for vector in VECTORS["vectors"]]}


def signer_of(vector: dict) -> Signer:
    """The signer a vector means: its seed, for the account its body names where it names one."""
    secret = base58.b58encode(bytes.fromhex(vector["seed_hex"])).decode()
    body = vector.get("rest_body") or {}
    account = body.get("account", vector["public_key_base58"])
    agent = vector["public_key_base58"] if account != vector["public_key_base58"] else None
    return Signer(PacificaKeys(account=account, secret_key=SecretStr(secret), agent_wallet=agent))


def keys(secret: str, account: str = MAIN["public_key_base58"], agent: str | None = None) -> PacificaKeys:
    return PacificaKeys(account=account, secret_key=SecretStr(secret), agent_wallet=agent)


@pytest.mark.parametrize("vector", **names)
def test_message_and_signature_are_those_of_the_vector(vector: dict) -> None:
    stamp = {"timestamp_ms": vector["timestamp"], "expiry_window_ms": vector["expiry_window"]}
    message = canonical_message(vector["operation_type"], vector["payload"], **stamp)
    signature = signer_of(vector).signature(vector["operation_type"], vector["payload"], **stamp)
    assert message.decode() == vector["message"]
    assert signature == vector["signature_base58"]


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS["vectors"] if "account" in (vector.get("rest_body") or {})]
)
def test_the_signed_body_is_that_of_the_vector(vector: dict) -> None:
    if vector["operation_type"].startswith("subaccount"):
        pytest.skip("subaccount bodies have a form of their own; this connector makes none")
    body = signer_of(vector).signed_body(
        vector["operation_type"],
        vector["payload"],
        timestamp_ms=vector["timestamp"],
        expiry_window_ms=vector["expiry_window"],
    )
    assert body == vector["rest_body"]
    assert json.loads(encode_body(body)) == vector["rest_body"]
    if "agent_wallet" not in vector["payload"]:
        assert verifies(vector["operation_type"], body)


@pytest.mark.parametrize("case", VECTORS["negative"], ids=[case["name"] for case in VECTORS["negative"]])
def test_what_must_not_verify_does_not(case: dict) -> None:
    assert case["verifies"] is False
    assert not verifies(case["operation_type"], case["rest_body"])


@pytest.mark.parametrize("case", VECTORS["negative"], ids=[case["name"] for case in VECTORS["negative"]])
def test_our_signature_over_the_same_fields_differs_from_the_wrong_one(case: dict) -> None:
    body = case["rest_body"]
    payload = {k: v for k, v in body.items() if k not in ("account", "agent_wallet", "signature")}
    stamp = {"timestamp_ms": payload.pop("timestamp"), "expiry_window_ms": payload.pop("expiry_window")}
    signer = Signer(keys(MAIN["secret_key_base58_64_bytes"]))
    assert signer.signature(case["operation_type"], payload, **stamp) != body["signature"]


def test_an_agent_signs_for_the_account_and_is_named_in_the_body() -> None:
    agent = Signer(keys(AGENT["secret_key_base58_64_bytes"], agent=AGENT["public_key_base58"]))
    body = agent.signed_body("create_order", {"symbol": "BTC"}, timestamp_ms=1, expiry_window_ms=5000)
    assert body["account"] == MAIN["public_key_base58"]
    assert body["agent_wallet"] == AGENT["public_key_base58"]
    assert verifies("create_order", body)
    assert not verifies("create_order", {k: v for k, v in body.items() if k != "agent_wallet"})


@pytest.mark.parametrize(
    ("secret", "agent", "words"),
    [
        (AGENT["secret_key_base58_64_bytes"], None, "does not belong to account"),
        (MAIN["secret_key_base58_64_bytes"], AGENT["public_key_base58"], "does not belong to agent_wallet"),
        ("not base58 0OIl", None, "not base58"),
        (base58.b58encode(b"short").decode(), None, "32 or 64 bytes"),
        (
            base58.b58encode(bytes.fromhex(MAIN["seed_hex"]) + bytes(SigningKey(b"2" * 32).verify_key)).decode(),
            None,
            "do not fit together",
        ),
    ],
)
def test_a_secret_that_does_not_fit_is_refused_without_being_shown(secret: str, agent: str | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        Signer(keys(secret, agent=agent))
    assert secret not in str(refused.value)


def test_no_repr_shows_the_key() -> None:
    secret = MAIN["secret_key_base58_64_bytes"]
    assert secret not in repr(Signer(keys(secret))) + repr(keys(secret)) + str(Signer(keys(secret)))


def test_text_that_the_venue_might_escape_differently_is_not_signed() -> None:
    with pytest.raises(ValueError, match="ascii"):
        canonical_message("create_order", {"symbol": "BTC\u00e9"}, timestamp_ms=1, expiry_window_ms=1)
