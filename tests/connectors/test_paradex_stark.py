"""The plain-Python Stark curve: right by published vectors, equal to the compiled library, strict with bad input."""

from __future__ import annotations

import random

import fast_stark_crypto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paradex_fakes import VECTORS

from connectors.paradex import stark

field_elements = st.integers(0, stark.FIELD_PRIME - 1)
private_keys = st.integers(1, stark.CURVE_ORDER - 1)
hashes = st.integers(0, stark.HASH_BOUND - 1)
SIGNED = VECTORS["vectors"]


@given(field_elements, field_elements)
@settings(max_examples=30, deadline=None)
def test_pedersen_equals_the_compiled_library(first: int, second: int) -> None:
    assert stark.pedersen(first, second) == fast_stark_crypto.pedersen_hash(first, second)


@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (1, 0), (stark.FIELD_PRIME - 1, stark.FIELD_PRIME - 1)])
def test_pedersen_at_the_edges_of_the_field(pair: tuple[int, int]) -> None:
    assert stark.pedersen(*pair) == fast_stark_crypto.pedersen_hash(*pair)


@pytest.mark.parametrize("element", [-1, stark.FIELD_PRIME])
def test_pedersen_refuses_what_lies_outside_the_field(element: int) -> None:
    with pytest.raises(ValueError, match="outside the field"):
        stark.pedersen(element, 0)


@given(private_keys, hashes)
@settings(max_examples=10, deadline=None)
def test_signatures_equal_the_compiled_librarys_and_verify(private_key: int, message_hash: int) -> None:
    r, s = stark.sign(private_key, message_hash)

    assert (r, s) == fast_stark_crypto.sign(private_key, message_hash)
    assert stark.verify(stark.public_key(private_key), message_hash, r, s)


@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: vector["name"])
def test_signs_the_published_hashes_with_the_published_signatures(vector: dict[str, object]) -> None:
    private_key = int(str(vector["signer_private_key"]), 16)
    message_hash = int(str(vector["message_hash"]), 16)
    expected = tuple(int(part) for part in vector["signature_rfc6979"])  # type: ignore[attr-defined]

    assert hex(stark.public_key(private_key)) == vector["signer_public_key"]
    assert stark.sign(private_key, message_hash) == expected


@pytest.mark.parametrize("family", ["signature_rfc6979", "signature_rfc6979_seed32"])
def test_verifies_both_published_nonce_families(family: str) -> None:
    for vector in SIGNED:
        r, s = (int(part) for part in vector[family])
        assert stark.verify(int(vector["signer_public_key"], 16), int(vector["message_hash"], 16), r, s)


def test_a_signature_does_not_fit_another_hash_key_or_part() -> None:
    vector = SIGNED[3]
    key, message_hash = int(vector["signer_public_key"], 16), int(vector["message_hash"], 16)
    r, s = (int(part) for part in vector["signature_rfc6979"])
    other_key = int(VECTORS["subkey"]["l2_public_key"], 16)

    assert not stark.verify(key, message_hash + 1, r, s)
    assert not stark.verify(other_key, message_hash, r, s)
    assert not stark.verify(key, message_hash, r + 1, s)
    assert not stark.verify(key, message_hash, r, s + 1)


@pytest.mark.parametrize("name", ["r = 0", "r >= 2^251"])
def test_published_out_of_range_signatures_are_refused(name: str) -> None:
    r, s = (int(part) for part in _negative(name)["signature"])
    vector = SIGNED[3]

    assert not stark.verify(int(vector["signer_public_key"], 16), int(vector["message_hash"], 16), r, s)


def test_the_mirrored_s_verifies_mathematically_but_is_never_what_is_signed() -> None:
    r, s = (int(part) for part in _negative("malleated s -> N-s")["signature"])
    vector = SIGNED[3]
    key, message_hash = int(vector["signer_private_key"], 16), int(vector["message_hash"], 16)

    assert stark.verify(int(vector["signer_public_key"], 16), message_hash, r, s)
    assert stark.sign(key, message_hash) == (r, stark.CURVE_ORDER - s)


def test_s_out_of_range_and_keys_off_the_curve_are_refused() -> None:
    vector = SIGNED[3]
    key, message_hash = int(vector["signer_public_key"], 16), int(vector["message_hash"], 16)
    r, s = (int(part) for part in vector["signature_rfc6979"])
    rng = random.Random(5)
    strangers = (rng.randrange(stark.FIELD_PRIME) for _ in range(8))

    assert not stark.verify(key, message_hash, r, 0)
    assert not stark.verify(key, message_hash, r, s + stark.CURVE_ORDER)
    assert not stark.verify(stark.FIELD_PRIME + key, message_hash, r, s)
    assert not any(stark.verify(stranger, message_hash, r, s) for stranger in strangers)


@pytest.mark.parametrize("key", [0, stark.CURVE_ORDER, -1])
def test_impossible_private_keys_are_refused(key: int) -> None:
    with pytest.raises(ValueError, match="private key"):
        stark.sign(key, 1)


def test_a_hash_of_252_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="below 2\\^251"):
        stark.sign(1, stark.HASH_BOUND)


def _negative(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = next(case for case in VECTORS["sandbox_negative_cases"] if case["name"] == name)
    return found
