"""Reads of certificates, and of what they certify. Cannot write; checks nothing.

`evidence` reads a session as it lies in the database, whatever has become of its bytes: a value that cannot be read
any more becomes a text that says so and stops nothing, because it is just what a verification looks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Dialect, Engine, Table, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NULLTYPE, TypeEngine

from core.certificate import Certificate, copies, moment
from store.errors import RecordNotFound, SessionNotFound
from store.operations.certificates import certificate_of
from store.tables import CERTIFICATES, FILLS, ORDERS, PAIRS, SESSIONS
from store.writer import typed_error

Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A session as one snapshot shows it: its row, its certificates, and its pairs, orders and fills as rows.

    changes: the store's number of the change that wrote each certificate, by certificate id.
    """

    session: Mapping[str, object]
    certificates: tuple[Certificate, ...]
    changes: Mapping[str, object]
    pairs: Rows
    orders: Mapping[str, Rows]
    fills: Mapping[str, Rows]


class CertificateReads:
    """Questions about certificates."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_pair(self, pair_id: str) -> list[Certificate]:
        """Return a pair's certificates, its corrections after the first; empty while the pair has not ended."""
        chosen = select(CERTIFICATES).where(CERTIFICATES.c.pair_id == pair_id).order_by(CERTIFICATES.c.position)
        with self._snapshot() as connection:
            return [certificate_of(row) for row in connection.execute(chosen).mappings()]

    def head(self, session_id: str) -> Certificate | None:
        """Return a session's last certificate; None while it has none."""
        chosen = select(CERTIFICATES).where(CERTIFICATES.c.session_id == session_id)
        with self._snapshot() as connection:
            last = connection.execute(chosen.order_by(CERTIFICATES.c.position.desc()).limit(1)).mappings().first()
        return None if last is None else certificate_of(last)

    def record_of(self, session_id: str, pair_id: str) -> dict[str, object]:
        """Return a pair with its orders and fills as a certificate would show it now; raise RecordNotFound."""
        with self._snapshot() as connection:
            wanted = select(PAIRS).where(PAIRS.c.pair_id == pair_id, PAIRS.c.session_id == session_id)
            pair = connection.execute(wanted).mappings().one_or_none()
            if pair is None:
                raise RecordNotFound(f"session {session_id} has no pair {pair_id}", pairId=pair_id)
            orders = connection.execute(select(ORDERS).where(ORDERS.c.pair_id == pair_id)).mappings().all()
            fills = connection.execute(select(FILLS).where(FILLS.c.pair_id == pair_id)).mappings().all()
            return copies(dict(pair), map(dict, orders), map(dict, fills))

    def evidence(self, session_id: str) -> Evidence:
        """Return everything a verification looks at, from one snapshot; raise SessionNotFound."""
        with self._snapshot() as connection, _broken_texts_too(connection):
            found = _raw(connection, SESSIONS, session_id)
            if not found:
                raise SessionNotFound(f"no session {session_id}; list the sessions to see which exist")
            tables = {"certificates": CERTIFICATES, "pairs": PAIRS, "orders": ORDERS, "fills": FILLS}
            return evidence_of(found[0], {name: _raw(connection, table, session_id) for name, table in tables.items()})

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise typed_error(error) from error


def evidence_of(session: Mapping[str, object], rows: Mapping[str, Rows]) -> Evidence:
    """Put a session's rows of certificates, pairs, orders and fills together, wherever they were read."""
    links = rows["certificates"]
    return Evidence(
        session,
        tuple(_link(row) for row in links),
        {str(row["certificate_id"]): row["change"] for row in links},
        sorted(rows["pairs"], key=lambda row: str(row["sequence"]).rjust(20)),
        _by_pair(rows["orders"]),
        _by_pair(rows["fills"]),
    )


def _link(row: Mapping[str, object]) -> Certificate:
    """Read a certificate whatever its columns hold; a position that is no number is none."""
    names = ("certificate_id", "session_id", "pair_id", "kind", "previous", "sha256", "document")
    position = row["position"]
    return Certificate(
        **{name: str(row[name]) for name in names},
        position=position if isinstance(position, int) else 0,
        created_at=moment(row["created_at"]) if isinstance(row["created_at"], datetime) else str(row["created_at"]),
    )


def _by_pair(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for row in rows:
        found[str(row["pair_id"])].append(row)
    return found


def _raw(connection: Connection, table: Table, session_id: str) -> Rows:
    """Read a session's rows of a table; on SQLite, where any column can hold any bytes, value by value."""
    mine = table.c.session_id == session_id
    if connection.dialect.name != "sqlite":
        return [dict(row) for row in connection.execute(select(table).where(mine)).mappings()]
    columns = [type_coerce(column, NULLTYPE).label(column.name) for column in table.c]
    readers = {column.name: _reader(connection.dialect, column.type) for column in table.c}
    found = connection.execute(select(*columns).where(mine)).mappings()
    return [{name: read(row[name]) for name, read in readers.items()} for row in found]


def _reader(dialect: Dialect, type_: TypeEngine[object]) -> Callable[[object], object]:
    """Return what turns a stored text into its value, or into a text that says that it is not what we write."""
    implementation = type_.dialect_impl(dialect)
    reads, writes = implementation.result_processor(dialect, None), implementation.bind_processor(dialect)

    def read(value: object) -> object:
        if value is None or reads is None:
            return value
        try:
            found = reads(value)
            return found if writes is None or writes(found) == value else f"unreadable: {value!r}"
        except (ValueError, ArithmeticError, TypeError, AttributeError, LookupError):
            return f"unreadable: {value!r}"

    return read


@contextmanager
def _broken_texts_too(connection: Connection) -> Iterator[None]:
    """Let SQLite hand out texts that are no UTF-8 (any more), with their bytes kept, instead of refusing the row."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    usual, driver.text_factory = driver.text_factory, lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = usual
