"""The schema: migrations run once, in parallel, offline; both databases get exact types; files are private."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError
from store_world import new_session, open_and_close, run_children

from core.errors import ConfigurationError
from store import Store, StoreError, open_store
from store.engine import reading_engine, sqlite_url, writing_engine
from store.schema import HEAD, alembic_config, revision, upgrade


def test_the_tables_and_the_migrations_agree(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    upgrade(url)

    command.check(alembic_config(url))


def test_the_known_head_is_the_last_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config("sqlite://")).get_current_head() == HEAD


def test_upgrading_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "home")
    upgrade(url)
    upgrade(url)

    engine = writing_engine(url)
    assert revision(engine) == HEAD
    engine.dispose()
    assert store.reads.session("s1").name == "session s1"


def test_processes_that_start_at_once_all_find_the_schema(tmp_path: Path) -> None:
    assert run_children(open_and_close, tmp_path / "home", count=4) == [0, 0, 0, 0]


def test_a_schema_can_be_taken_down_again(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    upgrade(url)

    command.downgrade(alembic_config(url), "base")

    engine = writing_engine(url)
    assert revision(engine) is None
    engine.dispose()


def test_postgres_gets_exact_and_wide_types() -> None:
    config = alembic_config("postgresql://")
    config.attributes["dialect"] = "postgresql"
    config.output_buffer = written = io.StringIO()

    command.upgrade(config, "head", sql=True)

    sql = written.getvalue()
    assert "volume_target NUMERIC" in sql
    assert "sequence BIGINT NOT NULL" in sql
    assert "command_id BIGSERIAL" in sql
    assert "created_at TIMESTAMP WITH TIME ZONE NOT NULL" in sql
    assert "CHECK (buy_venue <> sell_venue)" in sql


def test_everything_in_the_data_folder_is_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = open_store(home)
    store.journal.create_session.now(new_session())
    store.seal("s1")
    store.load()

    paths = [home, *home.rglob("*")]
    assert {path.name for path in paths} >= {"hedge.db", "hedge.db-wal", "results.duckdb", "segments"}
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    store.close()


def test_a_folder_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="choose another one"):
        open_store(tmp_path / "file" / "home")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path / "home").close()
    engine = writing_engine(sqlite_url(tmp_path / "home"))
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    engine.dispose()

    with pytest.raises(ConfigurationError, match="install the version that made it"):
        open_store(tmp_path / "home")


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "hedge.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "nosuchdialect://x/y"])
def test_a_url_that_cannot_be_used_is_a_configuration_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="database URL"):
        open_store(tmp_path, url)


def test_reads_cannot_write(tmp_path: Path) -> None:
    upgrade(sqlite_url(tmp_path))
    engine = reading_engine(sqlite_url(tmp_path))
    with pytest.raises(OperationalError, match="readonly"), engine.begin() as connection:
        connection.exec_driver_sql("delete from sessions")
    engine.dispose()
