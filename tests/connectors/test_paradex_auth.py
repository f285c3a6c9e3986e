"""Signing for Paradex: every published message hash and signature, by the compiled curve and by the plain one."""

from __future__ import annotations

import base64
import json
import logging
import sys
from decimal import Decimal
from typing import Any

import pytest
from paradex_fakes import ACCOUNT, VECTORS, keys

from connectors.paradex import auth, stark
from connectors.paradex.auth import CompiledCurve, OrderFields, PlainCurve, Signer, StarkCurve, StarkKey, best_curve
from connectors.settings import ParadexKeys
from core.errors import ConfigurationError, PrecisionRefused
from core.order import Side

BY_NAME: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in VECTORS["vectors"]}
ORDERS = [vector for vector in VECTORS["vectors"] if vector["primary_type"] == "Order"]
CURVES = [best_curve(), PlainCurve()]


@pytest.fixture(params=CURVES, ids=lambda curve: type(curve).__name__)
def curve(request: pytest.FixtureRequest) -> StarkCurve:
    chosen: StarkCurve = request.param
    return chosen


def test_the_compiled_curve_is_the_one_used_where_it_is_installed() -> None:
    assert isinstance(best_curve(), CompiledCurve)
    assert best_curve().is_fast


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_every_published_message_hash_is_reproduced(vector: dict[str, Any], curve: StarkCurve) -> None:
    signer = Signer(_key_of(vector), vector["chain_id"], curve)
    fields = tuple(int(felt) for felt in vector["fields_as_felts"].values())

    assert hex(signer.message_hash(int(vector["type_hash"], 16), fields)) == vector["message_hash"]


@pytest.mark.parametrize("vector", ORDERS, ids=lambda vector: vector["name"])
def test_every_published_order_is_signed_from_its_request_fields(vector: dict[str, Any], curve: StarkCurve) -> None:
    message = vector["message"]
    order = OrderFields(
        timestamp_ms=int(message["timestamp"]),
        venue_symbol=message["market"],
        side=Side.BUY if message["side"] == "1" else Side.SELL,
        type=message["orderType"],
        size=Decimal(message["size"]).scaleb(-8),
        price=Decimal(message["price"]).scaleb(-8),
    )

    signature = Signer(_key_of(vector), vector["chain_id"], curve).sign_order(order)

    assert signature == vector["signature_rfc6979_str"]


@pytest.mark.parametrize("name", ["auth_testnet", "auth_mainnet"])
def test_token_requests_are_signed_over_the_bare_auth_path(name: str, curve: StarkCurve) -> None:
    vector = BY_NAME[name]
    signer = Signer(_key_of(vector), vector["chain_id"], curve)

    signature = signer.sign_auth(vector["message"]["timestamp"], vector["message"]["expiration"])

    assert signature == vector["signature_rfc6979_str"]


def test_a_subkey_signs_for_the_main_account() -> None:
    vector = BY_NAME["order_signed_by_subkey_mainnet"]
    key = _key_of(vector)

    assert key.account_text == vector["account"]
    assert key.public_key_text == VECTORS["subkey"]["l2_public_key"]


def test_the_other_order_of_domain_fields_gives_a_hash_that_our_signature_does_not_fit(curve: StarkCurve) -> None:
    vector = BY_NAME["order_limit_buy_mainnet"]
    wrong = int(VECTORS["sandbox_negative_cases"][0]["message_hash_if_wrong"], 16)
    fields = tuple(int(felt) for felt in vector["fields_as_felts"].values())
    ours = Signer(_key_of(vector), vector["chain_id"], curve).message_hash(auth.ORDER_TYPE, fields)
    signature = curve.sign(int(vector["signer_private_key"], 16), ours)
    public_key = int(vector["signer_public_key"], 16)

    assert stark.verify(public_key, ours, *signature)
    assert not stark.verify(public_key, wrong, *signature)


def test_the_domain_is_hashed_as_published(curve: StarkCurve) -> None:
    vector = BY_NAME["order_limit_buy_mainnet"]
    domain = (auth.DOMAIN_TYPE, auth.DOMAIN_NAME, int(vector["chain_id_hex"], 16), auth.DOMAIN_VERSION)

    assert hex(auth.list_hash(curve, domain)) == vector["domain_hash"]


def test_the_list_hash_gives_the_published_subkey_registration(curve: StarkCurve) -> None:
    registration = VECTORS["subkey_registration"]
    elements = tuple(int(element, 16) for element in registration["elements"])

    assert hex(auth.list_hash(curve, elements)) == registration["message_hash"]


@pytest.mark.parametrize("type_hash", ["StarkNetDomain", "Order", "Request"])
def test_type_hashes_are_the_published_ones(type_hash: str) -> None:
    ours = {"StarkNetDomain": auth.DOMAIN_TYPE, "Order": auth.ORDER_TYPE, "Request": auth.REQUEST_TYPE}

    assert hex(ours[type_hash]) == VECTORS["type_hashes"][type_hash]


def test_a_ninth_decimal_is_refused_instead_of_signed_away() -> None:
    assert auth.quantums(Decimal("0.00000001")) == 1
    assert auth.quantums(Decimal("0.1000000000")) == 10_000_000
    with pytest.raises(PrecisionRefused, match="8 decimals"):
        auth.quantums(Decimal("0.000000001"))
    with pytest.raises(PrecisionRefused):
        auth.quantums(Decimal("-1"))


@pytest.mark.parametrize("text", ["", "x" * 32, "ÉTH-USD-PERP"])
def test_short_strings_that_cannot_be_encoded_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="31 ASCII"):
        auth.short_string(text)


def test_a_private_key_whose_leading_zeros_were_dropped_is_the_same_key() -> None:
    short = ACCOUNT["l2_private_key"].removeprefix("0x")
    padded = ParadexKeys.model_validate({"account": ACCOUNT["l2_address"], "private_key": "0x" + short.zfill(64)})

    assert StarkKey.of(padded) == StarkKey.of(keys())
    assert StarkKey.of(padded).public_key_text == ACCOUNT["l2_public_key"]


@pytest.mark.parametrize("bad", ["", "0x", "0", "not hex at all", "0x" + "f" * 64, "0x" + "1" * 65])
def test_an_impossible_key_is_named_but_not_shown(bad: str) -> None:
    broken = ParadexKeys.model_validate({"account": ACCOUNT["l2_address"], "private_key": bad})

    with pytest.raises(ConfigurationError) as refused:
        StarkKey.of(broken)
    assert len(bad) < 4 or bad not in str(refused.value)


def test_an_impossible_account_is_refused() -> None:
    broken = ParadexKeys.model_validate({"account": "0", "private_key": ACCOUNT["l2_private_key"]})

    with pytest.raises(ConfigurationError, match="L2 address"):
        StarkKey.of(broken)


def test_the_private_key_is_in_no_repr() -> None:
    key = StarkKey.of(keys())

    assert str(key.private_key) not in repr(key)
    assert ACCOUNT["l2_private_key"].removeprefix("0x") not in repr(key) + repr(keys())


def test_the_compiled_curve_is_never_given_what_makes_it_panic() -> None:
    compiled = CompiledCurve(_must_not_be_called, _must_not_be_called)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="outside the field"):
        compiled.pedersen(stark.FIELD_PRIME, 0)
    with pytest.raises(ValueError, match="out of range"):
        compiled.sign(1, stark.HASH_BOUND)
    with pytest.raises(ValueError, match="out of range"):
        compiled.sign(0, 1)


def test_without_the_wheel_orders_are_signed_in_plain_python_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "fast_stark_crypto", None)
    best_curve.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            chosen = best_curve()
    finally:
        best_curve.cache_clear()

    assert isinstance(chosen, PlainCurve)
    assert not chosen.is_fast
    assert "plain Python" in caplog.text


def test_a_tokens_lifetime_is_read_from_its_claims_and_nothing_else() -> None:
    assert auth.token_lifetime_s(_token({"iat": 1000, "exp": 1300})) == 300
    for unreadable in ("", "abc", "a.b.c", "a..c", _token({"exp": 5}), _token([]), _token({"iat": 9, "exp": 9})):
        assert auth.token_lifetime_s(unreadable) is None


def _token(claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sig"


def _must_not_be_called(*_: int) -> int:
    raise AssertionError("the library was called")


def _key_of(vector: dict[str, Any]) -> StarkKey:
    return StarkKey.of(
        ParadexKeys.model_validate({"account": vector["account"], "private_key": vector["signer_private_key"]})
    )
