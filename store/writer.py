"""Group commit: one thread per process that writes, and answers only after the transaction is durable.

Whatever is queued goes into one transaction; each operation has a savepoint of its own, so one that fails takes back
only itself. It knows no table but the clock, and never decides what is written.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine, Executable, literal_column, text, update
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.sql.dml import ReturningUpdate

from core.errors import HedgeError
from store.errors import StoreBusy, StoreClosed, StoreError, StoreFull, StoreUnreachable
from store.tables import CLOCK

T = TypeVar("T")

QUEUE_MAX = 10_000
BATCH_MAX = 256
_QUEUE_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 60.0
_TICK: ReturningUpdate[tuple[int]] = update(CLOCK).values(change=CLOCK.c.change + 1).returning(CLOCK.c.change)
# On Postgres a transaction whose acknowledgement was lost is asked about by its number, and done again if it is not in.
_NUMBERED_TICK: Executable = _TICK.returning(literal_column("pg_current_xact_id()::text"))
_FATE = text("select pg_xact_status(cast(:number as xid8))")
_WRITES_MAX = 2
_FATE_ASKED_MAX = 20
_FATE_PAUSE_S = 0.25
# Sessions ended by an administrator, a crash of another one, a start that is not over, a frozen transaction.
_GONE = ("57P01", "57P02", "57P03", "25P03")


@dataclass(frozen=True, slots=True)
class Tx:
    """One running transaction: its connection and its number, which every sealed row it writes carries."""

    connection: Connection
    change: int


@dataclass(slots=True)
class _Job:
    operation: Callable[[Tx], object]
    future: Future[object]
    outcome: object = None
    error: Exception | None = None

    def answer(self) -> None:
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.outcome)


class Writer:
    """The thread, its connection and its bounded queue. Operations must touch nothing but their transaction."""

    def __init__(self, engine: Engine, *, queue_max: int = QUEUE_MAX, batch_max: int = BATCH_MAX) -> None:
        self._connection = engine.connect()
        self._tick = _NUMBERED_TICK if engine.dialect.name == "postgresql" else _TICK
        self._queue: deque[_Job] = deque()
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: Callable[[Tx], T]) -> T:
        """Return what the operation returned, once it is durable; raise what it raised, or a StoreError.

        A caller that is cancelled while waiting does not know whether it was written.
        """
        try:
            future = self._submit(operation, wait_s=0)
        except StoreBusy:
            future = await asyncio.to_thread(self._submit, operation, wait_s=_QUEUE_TIMEOUT_S)
        return await asyncio.wrap_future(future)

    def write_now(self, operation: Callable[[Tx], T]) -> T:
        """Do the same and block the calling thread meanwhile."""
        return self._submit(operation, wait_s=_QUEUE_TIMEOUT_S).result()

    def write_soon(self, operation: Callable[[Tx], T]) -> Future[T]:
        """Queue the operation without waiting for it; raise StoreBusy when the queue is full, StoreClosed."""
        return self._submit(operation, wait_s=0)

    def close(self) -> None:
        """Write what is queued, then stop; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            raise StoreBusy(f"the journal did not finish writing within {_CLOSE_TIMEOUT_S:.0f} s; is the disk stuck?")
        self._connection.close()

    def _submit(self, operation: Callable[[Tx], T], wait_s: float) -> Future[T]:
        future: Future[object] = Future()
        with self._changed:
            room = self._changed.wait_for(lambda: self._closed or len(self._queue) < self._queue_max, wait_s)
            if self._closed:
                raise StoreClosed("the journal is closed; open the store again before writing")
            if not room:
                raise StoreBusy(f"{self._queue_max} operations wait for the disk; slow down or look at its health")
            self._queue.append(_Job(operation, future))
            self._changed.notify_all()
        return cast("Future[T]", future)

    def _run(self) -> None:
        while jobs := self._take():
            self._write(jobs)
            for job in jobs:
                job.answer()

    def _take(self) -> list[_Job]:
        """Wait for work and take at most one batch of it; empty only when closed and nothing is left."""
        jobs: list[_Job] = []
        with self._changed:
            while not jobs:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return []
                taken = [self._queue.popleft() for _ in range(min(self._batch_max, len(self._queue)))]
                jobs = [job for job in taken if job.future.set_running_or_notify_cancel()]
            self._changed.notify_all()
        return jobs

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write a batch; where the server went away before it was in, write it again on a new connection."""
        for _ in range(_WRITES_MAX):
            error, number = self._try(jobs)
            if error is None:
                return
            if not _is_unreachable(error):
                self._answer_failure(jobs, error)
                return
            is_in = False if number is None else self._is_in(number)
            if is_in:
                return
            if is_in is None:
                break
        told = "nothing was written, try again" if is_in is False else "whether this was written is unknown, read first"
        for job in jobs:
            job.outcome, job.error = None, StoreUnreachable(f"the database server does not answer: {told}")

    def _try(self, jobs: Sequence[_Job]) -> tuple[Exception | None, str | None]:
        """Write a batch once; return what failed, if anything, and the server's number of the transaction."""
        number: str | None = None
        try:
            with self._connection.begin():
                change, *numbers = self._connection.execute(self._tick).one()
                number = next(iter(numbers), None)
                tx = Tx(self._connection, int(change))
                for job in jobs:
                    job.outcome, job.error = None, None
                    _run_alone(job, tx) if len(jobs) > 1 else _run(job, tx)
        except Exception as error:  # noqa: BLE001 - the thread's edge: every caller gets its answer
            return error, number
        return None, number

    def _is_in(self, number: str) -> bool | None:
        """Tell whether a transaction whose connection broke was committed; None when the server does not say."""
        try:
            for _ in range(_FATE_ASKED_MAX):
                with self._connection.begin():
                    fate = self._connection.execute(_FATE, {"number": number}).scalar_one()
                if fate != "in progress":
                    return None if fate is None else bool(fate == "committed")
                with self._changed:
                    self._changed.wait_for(lambda: False, _FATE_PAUSE_S)
        except DBAPIError:
            pass
        return None

    def _answer_failure(self, jobs: Sequence[_Job], error: Exception) -> None:
        """Nothing of the batch is in the database; give each operation its own transaction, or all the same answer."""
        typed = typed_error(error)
        if len(jobs) == 1 or isinstance(typed, StoreBusy):
            for job in jobs:
                job.outcome, job.error = None, typed
            return
        for job in jobs:
            job.outcome, job.error = None, None
            self._write([job])


def typed_error(error: Exception) -> Exception:
    """Translate a database failure into the error tree; anything that is not one is returned as it is."""
    if isinstance(error, HedgeError) or not isinstance(error, StatementError):
        return error
    if isinstance(error.orig, HedgeError):
        return error.orig
    if not isinstance(error, DBAPIError):
        return StoreError(f"a value cannot be recorded: {error.orig}")
    if _is(error, sqlite_code=13, sqlstate="53100"):
        return StoreFull(
            f"the operational store is full ({error.orig}): free disk space or raise the quota, then start again; "
            "everything acknowledged so far is safe"
        )
    if _is(error, sqlite_code=5, sqlstate="55P03") or _is(error, sqlite_code=6, sqlstate="40P01"):
        return StoreBusy(f"the operational store is locked by another process ({error.orig}): find it, or try again")
    if _is_unreachable(error):
        said = next(iter(str(error.orig).splitlines()), "")
        return StoreUnreachable(f"the database server does not answer ({said}): try again, or look at its log")
    return StoreError(f"the operational store refused: {error.orig}")


def _run(job: _Job, tx: Tx) -> None:
    job.outcome = job.operation(tx)


def _run_alone(job: _Job, tx: Tx) -> None:
    """Run in a savepoint. When even the savepoint is gone (a full disk ends the transaction) the batch fails."""
    tx.connection.exec_driver_sql("SAVEPOINT operation")
    try:
        _run(job, tx)
    except Exception as error:  # noqa: BLE001 - belongs to this operation's caller alone
        job.outcome, job.error = None, typed_error(error)
        tx.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT operation")
    tx.connection.exec_driver_sql("RELEASE SAVEPOINT operation")


def _is(error: DBAPIError, *, sqlite_code: int, sqlstate: str) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF == sqlite_code
    return getattr(error.orig, "sqlstate", None) == sqlstate


def _is_unreachable(error: Exception) -> bool:
    """Tell whether the connection broke or could not be made; a server's refusal has a state of another kind."""
    if not isinstance(error, DBAPIError) or isinstance(getattr(error.orig, "sqlite_errorcode", None), int):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return error.connection_invalidated or state in _GONE or str(state).startswith("08")
    return error.connection_invalidated or isinstance(error, OperationalError)
