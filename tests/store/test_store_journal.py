"""The journal acknowledges only what is durable, and one operation's failure is its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from store_world import (
    CHILD_TIMEOUT_S,
    CHILDREN,
    NOW,
    append_events,
    entry,
    journal_then_wait,
    new_session,
    run_children,
)

from core.order import OrderStatus
from store import Store, StoreBusy, StoreClosed, StoreError, StoreFull, WireIdTaken, open_store
from store.engine import reading_engine, sqlite_url, writing_engine
from store.journal import Journal
from store.reads import Reads
from store.tables import CLOCK
from store.writer import Tx, Writer


def append(journal: Journal, index: int, *, size: int = 1) -> asyncio.Future[int]:
    payload = {"index": index, "text": "x" * size}
    return asyncio.ensure_future(journal.append_event("s1", at=NOW, channel="status", type="tick", payload=payload))


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=journal_then_wait, args=(theirs, tmp_path))
    child.start()
    assert ours.poll(CHILD_TIMEOUT_S)
    assert ours.recv() == "acknowledged"
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(CHILD_TIMEOUT_S)

    assert child.exitcode == -signal.SIGKILL
    with open_store(tmp_path) as store:
        assert [order.status for order in store.reads.open_orders_of("s1")] == [OrderStatus.INTENDED]


async def test_operations_of_many_tasks_share_transactions(store: Store) -> None:
    before = store.journal.writer.write_now(lambda tx: tx.change)

    sequences = await asyncio.gather(*(append(store.journal, index) for index in range(500)))

    transactions = store.journal.writer.write_now(lambda tx: tx.change) - before
    assert sorted(sequences) == list(range(1, 501))
    assert transactions < 100


async def test_a_failing_operation_takes_back_only_itself(store: Store) -> None:
    await store.journal.record_intents([entry("c0", wire_id="taken")])

    outcomes = await asyncio.gather(
        *(store.journal.record_intents([entry(f"c{n}")]) for n in range(1, 20)),
        store.journal.record_intents([entry("bad", wire_id="taken")]),
        *(store.journal.record_intents([entry(f"c{n}")]) for n in range(20, 40)),
        return_exceptions=True,
    )

    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(outcome) for outcome in failed] == [WireIdTaken]
    assert {order.intent.client_order_id for order in store.reads.orders_of_session("s1")} == {
        f"c{n}" for n in range(40)
    }


async def test_a_programming_error_reaches_its_caller_and_the_writer_lives_on(store: Store) -> None:
    def broken(_tx: Tx) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.journal.writer.write(broken)
    assert await append(store.journal, 1) == 1


async def test_a_value_that_is_not_json_is_refused_with_a_typed_error(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be kept as JSON"):
        await store.journal.append_event("s1", at=NOW, channel="status", type="tick", payload={"x": object()})


async def test_a_cancelled_waiter_does_not_disturb_the_others(store: Store) -> None:
    tasks = [append(store.journal, index) for index in range(50)]
    await asyncio.sleep(0)
    tasks[10].cancel()

    done = await asyncio.gather(*tasks, return_exceptions=True)

    kept = sorted(number for number in done if isinstance(number, int))
    assert len(kept) == 49
    events = store.reads.events_since("s1", 0)
    assert [one.sequence for one in events] == list(range(1, len(events) + 1))


async def test_a_small_queue_slows_callers_down_and_loses_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.journal.create_session.now(new_session())
    writer = Writer(writing_engine(sqlite_url(tmp_path)), queue_max=2, batch_max=2)

    changes = await asyncio.gather(*(writer.write(lambda tx: tx.change) for _ in range(40)))

    writer.close()
    assert len(changes) == 40
    assert len(set(changes)) >= 20


def test_closing_writes_what_is_queued_and_refuses_what_comes_after(tmp_path: Path) -> None:
    async def run() -> Store:
        store = open_store(tmp_path)
        store.journal.create_session.now(new_session())
        waiting = [append(store.journal, index) for index in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(store.close)
        assert sorted(await asyncio.gather(*waiting)) == list(range(1, 21))
        return store

    closed = asyncio.run(run())
    with pytest.raises(StoreClosed):
        closed.journal.append_event.now("s1", at=NOW, channel="status", type="tick", payload={})
    closed.close()


def limited_journal(home: Path, pages: int) -> Journal:
    """A journal whose database may not grow beyond a number of pages: SQLite then answers as on a full disk."""
    engine = writing_engine(sqlite_url(home))

    @event.listens_for(engine, "connect")
    def _limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    return Journal(engine)


def pages_of(home: Path) -> int:
    with sqlite3.connect(home / "hedge.db") as connection:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return int(count)


async def test_a_full_disk_is_told_to_each_caller_and_acknowledged_rows_stay(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.journal.create_session.now(new_session())
    journal = limited_journal(tmp_path, pages_of(tmp_path) + 40)

    answers = await asyncio.gather(
        *(append(journal, index, size=10_000) for index in range(60)), return_exceptions=True
    )

    journal.close()
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    acknowledged = [answer for answer in answers if isinstance(answer, int)]
    assert refused
    assert acknowledged
    assert {type(answer) for answer in refused} == {StoreFull}
    assert all("free disk space" in str(answer) for answer in refused)
    kept = Reads(reading_engine(sqlite_url(tmp_path))).events_since("s1", 0)
    assert [one.sequence for one in kept] == sorted(acknowledged)
    with open_store(tmp_path) as store:
        assert await append(store.journal, 99, size=10_000) == len(acknowledged) + 1


async def test_a_database_held_by_somebody_else_is_a_typed_error(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.journal.create_session.now(new_session())
    holder = sqlite3.connect(tmp_path / "hedge.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    journal = Journal(writing_engine(sqlite_url(tmp_path), busy_timeout_s=0.05))

    with pytest.raises(StoreBusy, match="locked by another process"):
        await append(journal, 1)

    holder.execute("ROLLBACK")
    holder.close()
    assert await append(journal, 2) == 1
    journal.close()


def test_two_processes_number_one_sessions_events_without_gaps(store: Store, tmp_path: Path) -> None:
    run_children(append_events, tmp_path / "home", store.url, 30, count=2)

    events = store.reads.events_since("s1", 0)
    assert [one.sequence for one in events] == list(range(1, 61))
    assert {one.payload["by"] for one in events} == {0, 1}


def test_the_clock_counts_every_transaction(store: Store) -> None:
    first = store.journal.writer.write_now(lambda tx: tx.change)
    second = store.journal.writer.write_now(lambda tx: tx.change)

    def stored(tx: Tx) -> int:
        return int(tx.connection.execute(CLOCK.select()).one().change)

    assert second == first + 1
    assert store.journal.writer.write_now(stored) == second + 1
