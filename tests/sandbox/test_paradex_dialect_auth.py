"""The Paradex twin's own cryptography against published and cross-checked vectors."""

import json
from pathlib import Path

import fast_stark_crypto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.dialects import paradex_auth as auth

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures" / "vectors_paradex.json").read_text())
MESSAGES = VECTORS["vectors"]
LIMIT_BUY = next(v for v in MESSAGES if v["name"] == "order_limit_buy_mainnet")


def recomputed(vector: dict) -> int:
    hasher = auth.MessageHasher(vector["chain_id"])
    account, message = int(vector["account"], 16), vector["message"]
    match vector["primary_type"]:
        case "Constant":
            return hasher.constant(account, message["action"])
        case "Request":
            return hasher.request(
                account,
                method=message["method"],
                path=message["path"],
                timestamp=message["timestamp"],
                expiration=message["expiration"],
            )
        case kind:
            terms = auth.SignedTerms(
                timestamp=int(message["timestamp"]),
                market=auth.short_string(message["market"]),
                side=int(message["side"]),
                order_type=auth.short_string(message["orderType"]),
                size=int(message["size"]),
                price=int(message["price"]),
            )
            if kind == "Order":
                return hasher.order(account, terms)
            return hasher.modify_order(account, terms, message["id"])


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v["name"])
def test_message_hash_equals_the_vector(vector: dict):
    assert hex(recomputed(vector)) == vector["message_hash"]
    assert hex(auth.MessageHasher(vector["chain_id"]).domain_hash) == vector["domain_hash"]


@pytest.mark.parametrize("family", ["signature_rfc6979_str", "signature_rfc6979_seed32_str"])
@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v["name"])
def test_both_families_of_signatures_verify(vector: dict, family: str):
    signature = auth.parse_signature(vector[family])
    assert auth.verify(int(vector["signer_public_key"], 16), recomputed(vector), signature)


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda v: v["name"])
def test_a_signature_of_another_message_or_key_is_refused(vector: dict):
    signature = auth.parse_signature(vector["signature_rfc6979_str"])
    key = int(vector["signer_public_key"], 16)
    assert not auth.verify(key, recomputed(vector) ^ 1, signature)
    stranger = int(VECTORS["accounts"][0]["l2_public_key"], 16)
    if stranger == key:
        stranger = int(VECTORS["accounts"][1]["l2_public_key"], 16)
    assert not auth.verify(stranger, recomputed(vector), signature)


def test_repeated_hashing_with_the_cached_prefix_gives_the_same_hash():
    hasher = auth.MessageHasher(LIMIT_BUY["chain_id"])
    account = int(LIMIT_BUY["account"], 16)
    assert hasher.constant(account, "Onboarding") == hasher.constant(account, "Onboarding")
    assert hasher.constant(account, "Onboarding") != hasher.constant(account + 1, "Onboarding")


def test_the_hash_made_with_the_wrong_domain_order_is_not_ours():
    wrong = VECTORS["sandbox_negative_cases"][0]["message_hash_if_wrong"]
    assert hex(recomputed(LIMIT_BUY)) != wrong


def test_the_mirrored_s_is_a_mathematically_good_signature_and_taken():
    mirrored = VECTORS["sandbox_negative_cases"][1]["signature"]
    signature = auth.parse_signature(json.dumps(mirrored))
    assert auth.verify(int(LIMIT_BUY["signer_public_key"], 16), recomputed(LIMIT_BUY), signature)


@pytest.mark.parametrize("case", VECTORS["sandbox_negative_cases"][2:], ids=lambda c: c["name"])
def test_r_out_of_range_is_refused_before_the_curve_library_sees_it(case: dict):
    with pytest.raises(ValueError, match="out of range"):
        auth.parse_signature(json.dumps(case["signature"]))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '["1"]', '["1","2","3"]', "[1,2]", '["1","-2"]', '["1","0x"]', '["1"," 2"]', "x" * 500, None],
)
def test_a_signature_of_another_shape_is_refused(text: object):
    with pytest.raises(ValueError):
        auth.parse_signature(text)


def test_hexadecimal_signature_parts_are_taken_too():
    r, s = LIMIT_BUY["signature_rfc6979"]
    spelled = auth.parse_signature(json.dumps([hex(int(r)), hex(int(s))]))
    assert (spelled.r, spelled.s) == (int(r), int(s))


@settings(max_examples=40, deadline=None)
@given(
    key=st.integers(0, 2**256),
    message=st.integers(0, 2**256),
    r=st.integers(1, 2**251 - 1),
    s=st.integers(1, auth.CURVE_ORDER - 1),
)
def test_hostile_numbers_never_verify_and_never_raise(key: int, message: int, r: int, s: int):
    assert auth.verify(key, message, auth.Signature(r, s)) is False


def test_the_message_that_anyone_can_sign_proves_nothing():
    key = next(x for x in range(1, 100) if auth.is_public_key(x))
    assert auth.verify(key, 0, auth.Signature(key, key)) is False


def test_a_panic_of_the_library_counts_as_a_bad_signature():
    # The dataclass can hold what the parser would have refused.
    assert auth.verify(int(LIMIT_BUY["signer_public_key"], 16), 5, auth.Signature(0, 1)) is False


@pytest.mark.parametrize("entry", VECTORS["accounts"], ids=lambda a: a["label"])
def test_account_address_follows_from_the_public_key(entry: dict):
    assert hex(auth.account_address(int(entry["l2_public_key"], 16))) == entry["l2_address"]


def test_every_known_public_key_is_on_the_curve_and_its_neighbours_are_told_apart():
    known = [int(entry["l2_public_key"], 16) for entry in [*VECTORS["accounts"], VECTORS["subkey"]]]
    assert all(auth.is_public_key(key) for key in known)
    assert not all(auth.is_public_key(known[0] + step) for step in range(1, 12))
    assert not auth.is_public_key(0)
    assert not auth.is_public_key(auth.FIELD_PRIME + known[0])


def test_subkey_registration_hash_equals_the_vector():
    registration = VECTORS["subkey_registration"]
    digest = auth.list_hash([int(element, 16) for element in registration["elements"]])
    assert hex(digest) == registration["message_hash"]
    signature = auth.parse_signature(json.dumps(registration["signature_rfc6979"]))
    subkey = int(VECTORS["subkey"]["l2_public_key"], 16)
    signers = [int(VECTORS["accounts"][1]["l2_public_key"], 16), subkey]
    assert any(auth.verify(key, digest, signature) for key in signers)


def test_a_signature_made_here_verifies_here():
    private = 0x1234567
    public = fast_stark_crypto.get_public_key(private)
    digest = auth.MessageHasher(auth.TESTNET_CHAIN).constant(7, "Onboarding")
    assert auth.verify(public, digest, auth.Signature(*fast_stark_crypto.sign(private, digest)))


@pytest.mark.parametrize("text", ["0x", "12", "0xg", "0x" + "f" * 64, " 0x1"])
def test_felts_are_read_strictly(text: str):
    with pytest.raises(ValueError):
        auth.felt_of_hex(text)


def test_addresses_have_one_spelling():
    assert auth.canonical_hex("0X00AbC") == "0xabc"


def test_short_strings_are_bounded():
    assert auth.short_string("") == 0
    for text in ("x" * 32, "é"):
        with pytest.raises(ValueError):
            auth.short_string(text)


def test_a_token_lives_five_minutes_to_the_second():
    mint = auth.TokenMint(b"secret")
    token = mint.issue("0x1", now_s=1000)
    assert token.count(".") == 2
    assert mint.check(token, now_s=1299) == auth.TokenClaims("0x1", 1300)
    with pytest.raises(auth.TokenError, match=r"^missing or malformed jwt: token is expired by 5s$"):
        mint.check(token, now_s=1305)


def test_a_token_of_another_process_or_a_changed_one_is_refused():
    mint = auth.TokenMint(b"secret")
    token = mint.issue("0x1", now_s=1000)
    head, claims, seal = token.split(".")
    other = auth.TokenMint(b"other").issue("0x1", now_s=1000)
    for bad in (other, f"{head}.{claims[:-2]}AA.{seal}", f"{head}.{claims}.", "a.b", "", "é.é.é"):
        with pytest.raises(auth.TokenError, match="missing or malformed jwt"):
            mint.check(bad, now_s=1001)
