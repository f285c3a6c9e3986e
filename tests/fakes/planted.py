"""Planted secrets and the search for them: in plain, hex, base64 and base58, whole or cut, in bytes of any kind."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import base58
import duckdb
import pyarrow.parquet as pq

PREFIX = 8
"""So much of a secret's beginning, in any of its forms, is already too much."""

JSON_WEB_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.")


def forms(secret: str) -> set[bytes]:
    """The beginnings under which a secret could lie about: as written, and its bytes in every usual encoding."""
    found: set[str] = set()
    for raw in _byte_forms(secret):
        found |= {raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
        found |= {base58.b58encode(raw).decode(), base64.b32encode(raw).decode()}
    texts = {one[: 2 * PREFIX if _is_hex(one) else PREFIX].encode() for one in found}
    return texts | {raw[:PREFIX] for raw in _byte_forms(secret)} | {secret.removeprefix("0x")[:PREFIX].encode()}


def _byte_forms(secret: str) -> Iterator[bytes]:
    """The text itself, and the bytes it stands for where it is hex, base64 or base58 of a key's length."""
    yield secret.encode()
    bare = secret.removeprefix("0x")
    if _is_hex(bare):
        yield bytes.fromhex(bare.rjust(64, "0")).lstrip(b"\0")
    for decode in (base58.b58decode, lambda text: base64.b64decode(text, validate=True)):
        try:
            raw = decode(secret)
        except ValueError:
            continue
        if len(raw) in (32, 64):
            yield raw
            yield raw[:32]


def _is_hex(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{16,}", text) is not None


class Search:
    """Looks for secrets, by name, in whatever it is given."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._forms = {name: forms(secret) for name, secret in secrets.items()}

    def found(self, where: str, text: bytes | str, *, but: Iterable[str] = ()) -> list[str]:
        """Say which secrets stand in a text, as `name in where`; never what they are."""
        content = text.encode() if isinstance(text, str) else text
        hits = [
            f"{name} in {where}"
            for name, wanted in self._forms.items()
            if name not in but and any(form in content for form in wanted)
        ]
        return hits + [f"a web token in {where}"] * bool(JSON_WEB_TOKEN.search(content))

    def files(self, folder: Path, *, but: Mapping[str, Iterable[str]]) -> list[str]:
        """Search every file below a folder, and the tables inside of databases and segments.

        but: by file name, the secrets that belong there.
        """
        hits: list[str] = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            where = str(path.relative_to(folder))
            for text in (path.read_bytes(), *tables_of(path)):
                hits += self.found(where, text, but=but.get(path.name, ()))
        return hits


def tables_of(path: Path) -> Iterator[bytes]:
    """The cells of a database or a segment, which may be compressed in the file."""
    match path.suffix:
        case ".parquet":
            yield json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
        case ".duckdb":
            with duckdb.connect(str(path), read_only=True) as opened:
                for names in opened.sql("select schema_name, table_name from duckdb_tables()").fetchall():
                    yield repr(opened.sql('select * from "{}"."{}"'.format(*names)).fetchall()).encode()
        case ".db" | ".sqlite" | ".sqlite3":
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as opened_rows:
                names = opened_rows.execute("select name from sqlite_master where type = 'table'").fetchall()
                for (name,) in names:
                    yield repr(opened_rows.execute(f'select * from "{name}"').fetchall()).encode()
            opened_rows.close()
