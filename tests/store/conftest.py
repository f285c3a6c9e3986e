"""A store with one session, s1, in a folder of its own: on SQLite, and on Postgres where a server is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from store_world import new_session

from store import Store, open_store
from store.schema import upgrade
from store.tables import CLOCK
from tests.fakes.empty_store import lay_empty_store
from tests.fakes.postgres_server import PostgresServer, missing, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests; skipped, saying why, where none can be had."""
    reason = missing()
    if reason is not None:
        pytest.skip(f"Postgres: {reason}")
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """The URL of a database with the current schema."""
    url = postgres.create("hedge")
    upgrade(url)
    return url


@pytest.fixture
def postgres_url(migrated: str) -> str:
    """The same database without a row, as the migrations leave it."""
    engine = create_engine(migrated)
    with engine.begin() as connection:
        tables = ", ".join(f'"{table.name}"' for table in CLOCK.metadata.sorted_tables)
        connection.execute(text(f"truncate {tables} restart identity cascade"))
        connection.execute(CLOCK.insert().values(clock_id=1, change=0))
    engine.dispose()
    return migrated


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    if url is None:
        lay_empty_store(tmp_path / "home")
    with open_store(tmp_path / "home", url) as opened:
        opened.journal.create_session.now(new_session())
        yield opened
