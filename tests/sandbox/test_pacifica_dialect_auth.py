"""Pacifica's signatures: published vectors pass, everything changed after signing fails."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pacifica_client import Signer, Twin, limit_fields

from sandbox.dialects.pacifica_auth import Header, canonical_message, signed_fields, verify
from sandbox.dialects.pacifica_errors import ApiError

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors_pacifica.json").read_text())
ACCOUNTS = VECTORS["keys"]


def header_of(body: dict[str, object]) -> Header:
    agent = body.get("agent_wallet")
    return Header(
        account=str(body["account"]),
        signature=str(body["signature"]),
        timestamp=int(str(body["timestamp"])),
        expiry_window=int(str(body["expiry_window"])),
        agent_wallet=None if agent is None else str(agent),
    )


def check(operation: str, body: dict[str, object], *, is_bound: bool = True) -> None:
    """Verify a REST body at the second it was signed."""
    header = header_of(body)
    verify(
        operation,
        header,
        signed_fields(operation, body),
        now_ms=header.timestamp,
        is_agent=lambda _account, _agent: is_bound,
    )


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_the_canonical_message_is_the_published_one(vector: dict[str, object]) -> None:
    payload = vector["payload"]
    assert isinstance(payload, dict)

    message = canonical_message(
        str(vector["operation_type"]),
        timestamp=int(str(vector["timestamp"])),
        expiry_window=int(str(vector["expiry_window"])),
        fields=payload,
    )

    assert message.decode() == vector["message"]
    assert hashlib.sha256(message).hexdigest() == vector["message_sha256"]


@pytest.mark.parametrize("vector", [v for v in VECTORS["vectors"] if v.get("rest_body")], ids=lambda v: v["name"])
def test_a_published_body_verifies(vector: dict[str, object]) -> None:
    body = vector["rest_body"]
    assert isinstance(body, dict)

    check(str(vector["operation_type"]), body)


def test_the_subaccount_signatures_verify_over_their_own_payloads() -> None:
    body = VECTORS["subaccount_create"]["rest_body"]
    for operation, account, signature, fields in (
        ("subaccount_initiate", body["subaccount"], body["sub_signature"], {"account": body["main_account"]}),
        ("subaccount_confirm", body["main_account"], body["main_signature"], {"signature": body["sub_signature"]}),
    ):
        header = Header(account, signature, body["timestamp"], body["expiry_window"], None)
        verify(operation, header, fields, now_ms=body["timestamp"], is_agent=lambda _a, _b: False)


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda v: v["name"])
def test_a_changed_body_does_not_verify(vector: dict[str, object]) -> None:
    body = vector["rest_body"]
    assert isinstance(body, dict)

    with pytest.raises(ApiError) as caught:
        check(str(vector["operation_type"]), body)

    assert caught.value.error_id == "signature_verification_failed"


def test_an_unknown_member_of_the_body_is_not_part_of_the_message() -> None:
    check("create_order", VECTORS["vectors"][0]["rest_body"] | {"type": "create_order"})


def test_an_agent_must_be_bound_to_the_account() -> None:
    agent_body = next(v for v in VECTORS["vectors"] if v["name"] == "create_market_order_agent")["rest_body"]

    check("create_market_order", agent_body, is_bound=True)
    with pytest.raises(ApiError) as caught:
        check("create_market_order", agent_body, is_bound=False)

    assert caught.value.text == "Agent not authorized for account"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"signature": "0OIl"}, "Invalid signature"),
        ({"signature": "2" * 40}, "Invalid signature"),
        ({"account": "not-a-key"}, "Invalid public key"),
        ({"account": "2" * 20}, "Invalid public key"),
    ],
)
def test_a_malformed_key_or_signature_has_its_own_text(change: dict[str, object], text: str) -> None:
    with pytest.raises(ApiError) as caught:
        check("create_order", VECTORS["vectors"][0]["rest_body"] | change)

    assert (caught.value.status, caught.value.text) == (400, text)


@pytest.mark.parametrize(
    ("age_ms", "is_valid"), [(0, True), (5000, True), (5001, False), (-5000, True), (-5001, False)]
)
async def test_a_message_lives_for_its_window_and_not_far_in_the_future(age_ms: int, is_valid: bool) -> None:
    twin = Twin()
    body = twin.signer.sign("create_order", twin.now_ms - age_ms, **limit_fields("2400"))

    answer = await twin.http.post("/orders/create", json=body)

    assert (answer.status_code == 200) is is_valid
    if not is_valid:
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid message")


async def test_a_venue_clock_that_is_wrong_rejects_good_messages() -> None:
    twin = Twin()
    twin.world.shift_wall("pacifica", 6_000_000)
    body = twin.signer.sign("create_order", twin.world.wall_us() // 1000, **limit_fields("2400"))

    answer = await twin.http.post("/orders/create", json=body)

    assert answer.json()["error"] == "Invalid message"


async def test_an_agent_trades_for_the_account_after_it_was_bound_and_not_after_it_was_revoked() -> None:
    twin, agent = Twin(), Signer(2)

    async def place() -> str:
        body = agent.sign("create_order", twin.now_ms, account=twin.signer.public, **limit_fields("2400", tif="ALO"))
        answer = await twin.http.post("/orders/create", json=body)
        return str(answer.json()["error"])

    assert await place() == "Agent not authorized for account"
    await twin.post("/agent/bind", "bind_agent_wallet", agent_wallet=agent.public)
    assert await place() == "None"
    await twin.post("/agent/revoke", "revoke_agent_wallet", agent_wallet=agent.public)
    assert await place() == "Agent not authorized for account"


async def test_an_agent_cannot_bind_another_agent() -> None:
    twin, agent = Twin(), Signer(2)
    await twin.post("/agent/bind", "bind_agent_wallet", agent_wallet=agent.public)
    body = agent.sign("bind_agent_wallet", twin.now_ms, agent_wallet=Signer(3).public)

    answer = await twin.http.post("/agent/bind", json=body | {"account": twin.signer.public})

    assert answer.json()["error_id"] == "signature_verification_failed"


async def test_types_are_checked_before_the_signature() -> None:
    twin = Twin()

    answer = await twin.http.post("/orders/create_market", json={"account": "x", "signature": "y", "timestamp": 1})

    assert answer.status_code == 400
    assert answer.text.startswith("Json deserialize error: missing field `symbol`")


async def test_no_answer_repeats_a_signature() -> None:
    twin = Twin()
    body = twin.signer.sign("create_order", twin.now_ms, **limit_fields("2400")) | {"amount": "0.2"}

    answer = await twin.http.post("/orders/create", json=body)

    assert str(body["signature"]) not in answer.text
