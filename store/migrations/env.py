"""Alembic's entry: runs migrations on the connection it is given, or on the configured URL. Reads no file."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from store.engine import writing_engine
from store.foreign_tables import metadata


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    attributes = context.config.attributes
    if context.is_offline_mode():
        context.configure(dialect_name=attributes["dialect"], target_metadata=metadata, literal_binds=True)
        context.run_migrations()
        return
    given = attributes.get("connection")
    if isinstance(given, Connection):
        _run(given)
        return
    engine = writing_engine(attributes["url"])
    with engine.connect() as connection:
        _run(connection)
    engine.dispose()


_main()
