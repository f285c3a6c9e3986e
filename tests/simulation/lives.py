"""Runs that may die: every effect of a run on venues and journal is counted, and the n-th one is the last.

The effects pass through wrappers round the venue clients and the journal. Once a run is dead nothing of it happens
any more, whatever its handlers still try: a process that is gone writes no last line.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import event, update

from connectors.venue import CancelOutcome, NotFound, PlaceOutcome, VenueClient
from core.order import OrderIntent, OrderReport
from store import Store
from store.engine import writing_engine
from store.tables import CLOCK
from store.writer import Tx, Writer, typed_error
from tests.fakes.empty_store import fresh_store
from tests.fakes.venue import Crash

T = TypeVar("T")

READS = ("fills", "positions", "margin", "open_orders", "funding_payments", "funding_rate", "measure_clock")
_TICK = update(CLOCK).values(change=CLOCK.c.change + 1).returning(CLOCK.c.change)


@dataclass
class Life:
    """One run's effects so far. dies_at: the number of its last effect, from 1; before: it does not take place.

    trace: a line for each effect and its time; equal traces mean equal runs. effects: without times. done: those whose
    answer was heard, and when.
    """

    clock: Callable[[], datetime]
    dies_at: int | None = None
    before: bool = False
    count: int = 0
    is_dead: bool = False
    trace: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    done: list[tuple[datetime, str]] = field(default_factory=list)

    def begin(self, effect: str) -> int:
        """Count an effect that is about to take place; returns its number."""
        if self.is_dead:
            raise Crash(f"dead, {effect} does not happen")
        self.count += 1
        self.effects.append(effect)
        self.trace.append(f"{self.clock():%H:%M:%S.%f} {self.count} {effect}")
        if self.count == self.dies_at and self.before:
            self._die(f"before {effect}")
        return self.count

    def end(self, number: int) -> None:
        """The effect of this number has taken place, and its answer is about to be heard."""
        if self.is_dead or number == self.dies_at:
            self._die(f"after effect {number}")
        self.done.append((self.clock(), self.effects[number - 1]))

    def _die(self, when: str) -> None:
        self.is_dead = True
        self.trace.append(f"{self.clock():%H:%M:%S.%f} dies {when}")
        raise Crash(when)


class MortalClient:
    """A venue client whose calls are a run's effects."""

    def __init__(self, client: VenueClient, life: Life, name: str) -> None:
        self._client, self._life, self._name = client, life, name

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Send, if the run lives until then."""
        number = self._life.begin(f"place {self._name} {intent.client_order_id} {intent.side} {intent.quantity}")
        outcome = await self._client.place(intent)
        self._life.end(number)
        return outcome

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Cancel, if the run lives until then."""
        number = self._life.begin(f"cancel {self._name} {intent.client_order_id}")
        outcome = await self._client.cancel(intent, venue_order_id)
        self._life.end(number)
        return outcome

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Ask, if the run lives until then."""
        number = self._life.begin(f"ask {self._name} {intent.client_order_id}")
        answer = await self._client.order(intent, venue_order_id)
        self._life.end(number)
        return answer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in READS:
            return found

        async def read(*args: object, **options: object) -> object:
            number = self._life.begin(f"{name} {self._name}")
            answer = await found(*args, **options)
            self._life.end(number)
            return answer

        return read


class MortalJournal:
    """A journal whose writes are a run's effects; a death after one leaves it durable and unanswered."""

    def __init__(self, journal: object, life: Life) -> None:
        self._journal, self._life = journal, life

    def __getattr__(self, name: str) -> Any:
        operation, life = getattr(self._journal, name), self._life

        async def write(*args: object, **kwargs: object) -> object:
            number = life.begin(f"journal {name}")
            written = await operation(*args, **kwargs)
            life.end(number)
            return written

        return write


class MortalStore:
    """A store with such a journal; its reads are the store's own. Closing it closes nothing: the store lives on."""

    def __init__(self, store: Store, life: Life, journal: object | None = None) -> None:
        self.reads, self.journal = store.reads, MortalJournal(journal or store.journal, life)

    def close(self) -> None:
        """The next run uses the store again."""


class WriterInline:
    """The journal's writer without its thread: each operation is one transaction at once, so that runs repeat exactly.

    Nothing waits for the disk: what is simulated is the death of a run, not of the machine.
    """

    def __init__(self, url: str) -> None:
        self._engine = writing_engine(url)
        event.listen(self._engine, "connect", _wait_for_no_disk)
        self._connection = self._engine.connect()

    async def write(self, operation: Callable[[Tx], T]) -> T:
        """See `write_now`."""
        return self.write_now(operation)

    def write_now(self, operation: Callable[[Tx], T]) -> T:
        """Do it in a transaction of its own and return what it returned, or raise as the writer does."""
        try:
            with self._connection.begin():
                return operation(Tx(self._connection, int(self._connection.execute(_TICK).scalar_one())))
        except Exception as error:
            typed = typed_error(error)
            if typed is error:
                raise
            raise typed from error

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()


def _wait_for_no_disk(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def inline_store(home: Path) -> Iterator[Store]:
    """Open a store whose writer has no thread, for one session after the other."""
    store = fresh_store(home)
    store.journal.writer.close()
    store.journal.writer = cast(Writer, WriterInline(store.url))
    try:
        yield store
    finally:
        store.close()


def wipe(store: Store) -> None:
    """Remove every row but the clock's, so that the store is as good as new and its statements stay compiled."""
    tables = [table for table in reversed(CLOCK.metadata.sorted_tables) if table is not CLOCK]
    store.journal.writer.write_now(lambda tx: [tx.connection.execute(table.delete()) for table in tables])


def total_trace(lives: Sequence[Life]) -> list[str]:
    """All runs' effects, one after the other."""
    return [line for life in lives for line in life.trace]
