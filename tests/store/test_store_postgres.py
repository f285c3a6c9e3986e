"""The store on a Postgres server that is killed, cut off, or blocked by a frozen process: nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, make_url, text
from store_world import NOW, new_session

from core.errors import ConfigurationError
from store import Store, open_store
from store import engine as engine_module
from store.engine import reading_engine, writing_engine
from store.errors import StoreUnreachable
from store.journal import Journal
from store.reads import Reads
from tests.fakes.postgres_server import PostgresServer


@pytest.fixture
def served(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    """A store on Postgres."""
    with open_store(tmp_path / "home", postgres_url) as opened:
        yield opened


def names(url: str) -> list[str]:
    """The ids of all sessions, read on a connection of its own."""
    engine = reading_engine(url)
    found = sorted(s.session_id for s in Reads(engine).sessions())
    engine.dispose()
    return found


def test_server_that_was_killed_and_is_back_is_used_again_by_writer_and_readers(
    served: Store, postgres: PostgresServer
) -> None:
    served.journal.create_session.now(new_session("before"))
    postgres.kill()
    postgres.start()
    served.journal.create_session.now(new_session("after"))
    assert [s.session_id for s in served.reads.sessions()] == ["before", "after"]


def test_server_that_stays_away_is_told_as_such_and_nothing_is_written(
    served: Store, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "RECONNECT_S", 0.3)
    served.journal.create_session.now(new_session("before"))
    postgres.kill()
    try:
        with pytest.raises(StoreUnreachable, match="does not answer"):
            served.reads.sessions()
        with pytest.raises(StoreUnreachable, match="nothing was written, try again"):
            served.journal.create_session.now(new_session("lost"))
        with pytest.raises(StoreUnreachable, match="does not answer"):
            served.seal("before")
    finally:
        postgres.start()
    assert [s.session_id for s in served.reads.sessions()] == ["before"]
    served.journal.create_session.now(new_session("after"))
    assert len(served.reads.sessions()) == 2


def cut_once(journal_engine: object, how: Callable[[Connection], None]) -> list[int]:
    """Let the line break at the next commit, and only there; returns a list that then has one entry."""
    cuts: list[int] = []

    @event.listens_for(journal_engine, "commit")
    def _cut(connection: Connection) -> None:
        if not cuts:
            cuts.append(1)
            how(connection)

    return cuts


def close_line(connection: Connection) -> None:
    """Break the line: the server takes the transaction back."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.close()


def commit_and_close_line(connection: Connection) -> None:
    """Break the line after the server has committed and before anybody here is told."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.commit()
    driver.close()


@pytest.mark.parametrize("how", [close_line, commit_and_close_line])
def test_write_whose_acknowledgement_was_lost_is_in_once_and_acknowledged(
    postgres_url: str, how: Callable[[Connection], None]
) -> None:
    engine = writing_engine(postgres_url)
    with closing(Journal(engine)) as journal:
        journal.create_session.now(new_session("s1"))
        cuts = cut_once(engine, how)
        first = journal.append_event.now("s1", at=NOW, channel="log", type="notice", payload={"text": "once"})
        assert cuts == [1], "the line did not break; nothing was proven"
        second = journal.append_event.now("s1", at=NOW, channel="log", type="notice", payload={"text": "next"})
    reading = reading_engine(postgres_url)
    events = Reads(reading).events_since("s1", 0)
    assert [e.payload["text"] for e in events] == ["once", "next"]
    assert [first, second] == [e.sequence for e in events]
    engine.dispose()
    reading.dispose()


def test_process_that_froze_in_a_transaction_holds_nobody_up_for_long(postgres_url: str) -> None:
    options = "-c idle_in_transaction_session_timeout=200ms -c lock_timeout=20s"
    frozen = writing_engine(make_url(postgres_url).update_query_dict({"options": options}).render_as_string(False))
    engine = writing_engine(postgres_url)
    connection = frozen.connect()
    transaction = connection.begin()
    connection.execute(text("update clock set change = change + 1"))
    with closing(Journal(engine)) as journal:
        journal.create_session.now(new_session("s1"))
    assert names(postgres_url) == ["s1"]
    connection.invalidate()
    transaction.rollback()
    connection.close()
    frozen.dispose()
    engine.dispose()


def test_server_that_was_never_there_is_told_at_once(tmp_path: Path, postgres: PostgresServer) -> None:
    nowhere = make_url(postgres.url()).set(port=1).render_as_string(hide_password=False)
    with pytest.raises(StoreUnreachable, match="does not answer"):
        open_store(tmp_path / "home", nowhere)


def test_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="install the driver it names"):
        open_store(tmp_path / "home", "postgresql+pg8000://127.0.0.1/x")
