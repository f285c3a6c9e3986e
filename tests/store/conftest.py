"""A store with one session, s1, in a folder of its own.

HEDGE_TEST_POSTGRES, a SQLAlchemy URL of a server's maintenance database, runs the tests that use `store` on Postgres:
every test gets a database of its own there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from store_world import new_session

from store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with _url() as url, open_store(tmp_path / "home", url) as opened:
        opened.journal.create_session.now(new_session())
        yield opened


@contextmanager
def _url() -> Iterator[str | None]:
    server = os.environ.get("HEDGE_TEST_POSTGRES")
    if server is None:
        yield None
        return
    name = f"hedge_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")
    admin.dispose()
