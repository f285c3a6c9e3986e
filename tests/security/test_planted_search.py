"""The search for planted secrets finds them, so that finding none means something."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import base58
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.accounts import sandbox_accounts
from tests.fakes.planted import Search

KEY = bytes(range(7, 39))
SECRETS = {
    "pacifica": base58.b58encode(KEY + bytes(range(100, 132))).decode(),
    "paradex": hex(int.from_bytes(KEY, "big")),
    "backpack": base64.b64encode(KEY).decode(),
    "passphrase": "zK4#plantedPhrase 7731",
}


def written(secret: str) -> list[str]:
    """A secret as it could stand somewhere."""
    cut = secret.removeprefix("0x")[:8]
    return [secret, repr(secret), secret.encode().hex(), base64.b64encode(secret.encode()).decode(), cut]


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_found_in_every_form_and_cut_short(name: str) -> None:
    search = Search(SECRETS)
    for text in written(SECRETS[name]):
        assert f"{name} in log" in search.found("log", f"sending {text} away")
    assert search.found("log", "sending nothing away; 0123456789 abcdefgh") == []


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(), KEY.hex().upper(), base64.b64encode(KEY).decode(), base58.b58encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode(), "x" + KEY.hex()[:16],
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["pacifica", "paradex", "backpack"])
def test_bytes_of_a_key_are_found_in_other_encodings_than_its_own(name: str, text: str) -> None:
    assert Search({name: SECRETS[name]}).found("log", f"key={text}") == [f"{name} in log"]
    assert Search({name: SECRETS[name]}).found("log", b"\0" + KEY + b"\0") == [f"{name} in log"]


def test_cells_of_databases_and_compressed_segments_are_searched(tmp_path: Path) -> None:
    told = ["x" * 50_000, SECRETS["backpack"]]
    pq.write_table(pa.table({"told": told}), tmp_path / "a.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "b.duckdb")) as opened:
        opened.execute("create table t as select unnest(?) as told", [told])
    with sqlite3.connect(tmp_path / "c.db") as rows:
        rows.execute("create table t (told text)")
        rows.executemany("insert into t values (?)", [(text,) for text in told])
    rows.close()
    search, names = Search({"key": SECRETS["backpack"]}), ("a.parquet", "b.duckdb", "c.db")
    assert set(search.files(tmp_path, but={})) == {f"key in {name}" for name in names}
    assert search.files(tmp_path, but={name: ["key"] for name in names}) == []


def test_a_web_token_is_found_without_being_planted() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT"}').decode().rstrip("=")
    assert Search({}).found("log", f"Bearer {header}.eyJzdWIiOiJ4In0.c2ln") == ["a web token in log"]


def test_representation_of_accounts_shows_no_key() -> None:
    accounts = sandbox_accounts()
    secrets = {
        f"{account.ref.account_id}.{field}": value.get_secret_value()
        for account in accounts
        for field, value in account.keys
        if hasattr(value, "get_secret_value")
    }
    assert len(secrets) == 3
    text = repr(accounts) + str([account.keys.model_dump() for account in accounts])
    text += "".join(account.keys.model_dump_json() for account in accounts)
    assert Search(secrets).found("repr", text) == []
