"""The Backpack twin's signature check, against fixed vectors of the published signing rule."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.dialects import backpack_auth as auth
from sandbox.dialects.backpack_errors import ApiRefusal

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors_backpack.json").read_text())
BY_NAME: dict[str, Any] = {vector["name"]: vector for vector in VECTORS["vectors"]}
REFUSED: list[dict[str, Any]] = VECTORS["must_be_refused"]


def groups_of(vector: dict[str, Any]) -> list[dict[str, auth.SignedValue]]:
    """Return the pair groups of a vector: the query, the body, or one group for each order of a batch."""
    body = vector["body"]
    if isinstance(body, list):
        return body
    return [body or vector["query"] or {}]


def credentials_of(vector: dict[str, Any], **changed: str) -> auth.Credentials:
    """Return what the vector's headers (or subscribe frame) present, with some headers replaced."""
    if "frame" in vector:
        key, signature, timestamp, window = vector["frame"]["signature"]
        return auth.read_parts(key, signature, timestamp, window)
    headers = {name.lower(): value for name, value in (vector["headers"] | changed).items()}
    return auth.read_headers(headers)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_vector_gives_the_published_text_and_verifies(name: str) -> None:
    vector = BY_NAME[name]
    credentials = credentials_of(vector)
    text = auth.signing_text(vector["instruction"], groups_of(vector), credentials.timestamp, credentials.window)
    assert text == vector["signing_string"]
    auth.check_window(credentials, vector["timestamp"])
    assert auth.is_signed_by_key(credentials, text)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_every_wrongly_signed_text_is_refused(case: dict[str, Any]) -> None:
    """Each case must fail at the door that its expectation names: window, clock, or signature."""
    vector = BY_NAME[case["based_on"]]
    changed = {"X-Signature": case["signature"], **case["headers"]}
    if "window" in case["expect"] and case["expect"].startswith("refused"):
        with pytest.raises(ApiRefusal, match="Invalid window"):
            credentials_of(vector, **changed)
        return
    credentials = credentials_of(vector, **changed)
    now_ms = case.get("server_time_ms", vector["timestamp"])
    if case["expect"] == "request has expired":
        with pytest.raises(ApiRefusal, match="Request has expired"):
            auth.check_window(credentials, now_ms)
        return
    auth.check_window(credentials, now_ms)
    text = auth.signing_text(vector["instruction"], groups_of(vector), credentials.timestamp, credentials.window)
    assert not auth.is_signed_by_key(credentials, text)


def test_a_null_member_is_left_out_of_the_text() -> None:
    text = auth.signing_text("orderQuery", [{"symbol": "X", "clientId": None}], "1", "2")
    assert text == "instruction=orderQuery&symbol=X&timestamp=1&window=2"


@pytest.mark.parametrize("offset_ms", [-5000, 0, 5000])
def test_a_timestamp_at_the_edge_of_the_window_is_accepted(offset_ms: int) -> None:
    credentials = credentials_of(BY_NAME["account_no_params"])
    auth.check_window(credentials, int(credentials.timestamp) + offset_ms)


def test_a_timestamp_further_ahead_than_the_window_is_refused() -> None:
    credentials = credentials_of(BY_NAME["account_no_params"])
    with pytest.raises(ApiRefusal, match="Invalid timestamp"):
        auth.check_window(credentials, int(credentials.timestamp) - 5001)


@pytest.mark.parametrize("header", ["x-api-key", "x-signature", "x-timestamp"])
def test_a_missing_header_is_refused_by_name(header: str) -> None:
    headers = {name.lower(): value for name, value in BY_NAME["account_no_params"]["headers"].items()}
    del headers[header]
    with pytest.raises(ApiRefusal) as refusal:
        auth.read_headers(headers)
    assert (refusal.value.status, refusal.value.code) == (400, "INVALID_CLIENT_REQUEST")
    assert header in refusal.value.message.lower()


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("x-api-key", "not base64!", "Invalid X-API-Key header"),
        ("x-api-key", base64.b64encode(b"short").decode(), "Invalid X-API-Key header"),
        ("x-signature", "%%%", "Invalid X-Signature header"),
        ("x-signature", base64.b64encode(bytes(63)).decode(), "Invalid X-Signature header"),
        ("x-timestamp", "17e11", "Invalid timestamp"),
        ("x-timestamp", "-1", "Invalid timestamp"),
        ("x-window", "5000.0", "Invalid window"),
        ("x-window", "60001", "Invalid window"),
    ],
)
def test_a_malformed_header_is_refused(header: str, value: str, message: str) -> None:
    headers = {name.lower(): value for name, value in BY_NAME["account_no_params"]["headers"].items()}
    headers[header] = value
    with pytest.raises(ApiRefusal) as refusal:
        auth.read_headers(headers)
    assert refusal.value.body() == {"code": "INVALID_CLIENT_REQUEST", "message": message}


def test_another_key_with_the_same_signature_does_not_verify() -> None:
    vector = BY_NAME["account_no_params"]
    other = replace(credentials_of(vector), api_key=base64.b64encode(bytes(32)).decode())
    assert not auth.is_signed_by_key(other, vector["signing_string"])


def test_credentials_do_not_show_their_signature() -> None:
    assert "signature" not in repr(credentials_of(BY_NAME["account_no_params"]))
