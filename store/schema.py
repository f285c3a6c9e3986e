"""Bringing a database to the current schema. Works offline, from an installed package, and when two start at once.

The migrations run in one transaction. On SQLite a lock file beside the database keeps a second process out until the
first is done; on Postgres an advisory lock does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from core.errors import ConfigurationError
from store.engine import sqlite_file, writing_engine
from store.writer import typed_error

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0011"
MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x6865646765  # "hedge"


def upgrade(url: str) -> None:
    """Upgrade the database to HEAD; does nothing, quickly, when it is there.

    Raises a StoreError, or ConfigurationError when a newer version of this system made the database.
    """
    engine = writing_engine(url)
    try:
        if revision(engine) != HEAD:
            _upgrade(engine, url)
    except DBAPIError as error:
        raise typed_error(error) from error
    finally:
        engine.dispose()


def revision(engine: Engine) -> str | None:
    """Return the schema revision of a database, None for an empty one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("select version_num from alembic_version")).scalar_one_or_none()


def alembic_config(url: str) -> Config:
    """Return alembic's configuration without any file of its own: `alembic.command.check(alembic_config(url))`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def _upgrade(engine: Engine, url: str) -> None:
    # Imported only when there is something to upgrade: every start of every process would pay for it.
    from alembic import command
    from alembic.util import CommandError

    with _alone(url), engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = alembic_config(url)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigurationError(
                f"the operational store cannot be brought to schema {HEAD} ({error}): install the version that made it",
                field="url",
            ) from error


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Keep other processes of this machine out of a SQLite file's upgrade; the lock dies with its process."""
    database = sqlite_file(url)
    if database is None:
        yield
        return
    handle = os.open(database.with_name(database.name + ".upgrade"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
