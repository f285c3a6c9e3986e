"""Signing of Backpack requests against published vectors, and what must never be signed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backpack_samples import KEYS
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pydantic import SecretStr

from connectors.backpack.auth import WINDOW_MS_MAX, Signer, signing_text
from connectors.backpack.build import window_ms
from connectors.settings import BackpackKeys
from core.errors import ConfigurationError

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors_backpack.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS["vectors"]}
# The two whose signature is right and whose fault lies elsewhere have their own tests.
MISSIGNED = [case for case in VECTORS["must_be_refused"] if case["name"] not in ("expired", "window_too_big")]


def parts_of(vector) -> list[dict]:
    content = vector["body"] if vector["body"] is not None else vector["query"]
    if content is None:
        return []
    return content if isinstance(content, list) else [content]


def text_of(vector, **changes) -> str:
    named = {"timestamp_ms": vector["timestamp"], "window_ms": vector["window"]} | changes
    return signing_text(vector["instruction"], parts_of(vector), **named)


def verifies(text: str, signature: str) -> bool:
    try:
        VerifyKey(base64.b64decode(VECTORS["public_key_base64"])).verify(text.encode(), base64.b64decode(signature))
    except BadSignatureError:
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_every_vector_gives_its_text_and_its_signature(vector) -> None:
    text = text_of(vector)
    assert text == vector["signing_string"]
    assert Signer(KEYS).sign(text) == vector["signature"]


@pytest.mark.parametrize("vector", [v for v in VECTORS["vectors"] if "headers" in v], ids=lambda v: v["name"])
def test_headers_are_those_of_the_vector(vector) -> None:
    """The window header may be left out at its default; here it always goes along."""
    headers = Signer(KEYS).headers(
        vector["instruction"], parts_of(vector), timestamp_ms=vector["timestamp"], window_ms=vector["window"]
    )
    expected = {name: text for name, text in vector["headers"].items() if name != "Content-Type"}
    assert headers == expected | {"X-Window": str(vector["window"])}


def test_a_subscription_is_signed_as_four_texts() -> None:
    vector = BY_NAME["ws_subscribe"]
    assert Signer(KEYS).subscription(timestamp_ms=vector["timestamp"]) == vector["frame"]["signature"]


@pytest.mark.parametrize("case", MISSIGNED, ids=lambda case: case["name"])
def test_what_the_venue_must_refuse_is_not_what_is_signed_here(case) -> None:
    base = BY_NAME[case["based_on"]]
    sent_at = int(case["headers"].get("X-Timestamp", base["timestamp"]))
    ours = text_of(base, timestamp_ms=sent_at)
    assert ours != case["signed_text"]
    assert not verifies(ours, case["signature"])


def test_a_window_above_the_maximum_is_never_signed() -> None:
    case = next(case for case in VECTORS["must_be_refused"] if case["name"] == "window_too_big")
    with pytest.raises(ValueError, match="window"):
        text_of(BY_NAME[case["based_on"]], window_ms=int(case["headers"]["X-Window"]))


def test_a_request_that_would_arrive_too_late_gets_no_window() -> None:
    case = next(case for case in VECTORS["must_be_refused"] if case["name"] == "expired")
    base = BY_NAME[case["based_on"]]
    valid_until = at_ms(base["timestamp"] + base["window"])
    assert window_ms(valid_until, at_ms(case["server_time_ms"])) is None
    assert window_ms(valid_until, at_ms(base["timestamp"])) == base["window"]
    assert window_ms(valid_until + timedelta(hours=1), at_ms(base["timestamp"])) == WINDOW_MS_MAX


def test_no_text_of_a_signer_or_its_keys_shows_the_secret() -> None:
    shown = f"{Signer(KEYS)!r} {Signer(KEYS)} {KEYS!r}"
    assert VECTORS["seed_base64"] not in shown
    assert VECTORS["seed_hex"] not in shown


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("not base64!", "not base64"),
        (base64.b64encode(b"short").decode(), "32 bytes"),
        (base64.b64encode(bytes(32)).decode(), "do not belong together"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_showing_them(secret, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        Signer(BackpackKeys(api_key=KEYS.api_key, api_secret=SecretStr(secret)))
    assert secret not in str(refused.value)


def at_ms(value: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
