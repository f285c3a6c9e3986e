"""The journal: every write of the operational store, in one list. Acknowledges only what is durable.

`await journal.record_fills(fills)` returns once the transaction that holds the fills is on disk;
`journal.record_fills.now(fills)` does the same and blocks the calling thread (signal handlers, command line, hooks).
Each operation's arguments, answer and errors are documented at its function in `store.operations`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy import Engine

from store.operations import (
    accounts,
    api_keys,
    breaches,
    budgets,
    commands,
    events,
    facts,
    fills,
    foreign_orders,
    idempotency,
    leases,
    ledger,
    naked,
    orders,
    pairs,
    rate_windows,
    segments,
    sessions,
    starts,
    tickets,
    upkeep,
    views,
)
from store.writer import Tx, Writer

P = ParamSpec("P")
T = TypeVar("T")


class BoundOperation(Generic[P, T]):
    """One operation of one journal: awaited, or called as `.now(...)` or `.soon(...)`."""

    def __init__(self, writer: Writer, function: Callable[Concatenate[Tx, P], T]) -> None:
        self._writer = writer
        self._function = function

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Write and return once it is durable."""
        return await self._writer.write(lambda tx: self._function(tx, *args, **kwargs))

    def now(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Write and block until it is durable."""
        return self._writer.write_now(lambda tx: self._function(tx, *args, **kwargs))

    def soon(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue it and return at once; the future ends when it is durable or failed."""
        return self._writer.write_soon(lambda tx: self._function(tx, *args, **kwargs))


class Operation(Generic[P, T]):
    """Makes a function of a transaction a method of the journal."""

    def __init__(self, function: Callable[Concatenate[Tx, P], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, journal: Journal, owner: type[Journal]) -> BoundOperation[P, T]:
        return BoundOperation(journal.writer, self._function)


class Journal:
    """All writes. One per process; closing it writes what is queued."""

    register_account = Operation(accounts.register_account)

    create_session = Operation(sessions.create_session)
    set_session_status = Operation(sessions.set_session_status)
    begin_attempt = Operation(sessions.begin_attempt)
    set_flow_run = Operation(sessions.set_flow_run)
    update_session_totals = Operation(sessions.update_session_totals)

    record_pair = Operation(pairs.record_pair)
    complete_pair = Operation(pairs.complete_pair)

    record_intents = Operation(orders.record_intents)
    record_order = Operation(orders.record_order)
    record_fills = Operation(fills.record_fills)
    claim_fills = Operation(fills.claim_fills)
    bust_fill = Operation(fills.bust_fill)

    record_funding = Operation(facts.record_funding)
    record_positions = Operation(facts.record_positions)

    record_openings = Operation(ledger.record_openings)
    record_entries = Operation(ledger.record_entries)
    record_closing = Operation(ledger.record_closing)
    record_funding_checks = Operation(ledger.record_funding_checks)

    record_foreign_orders = Operation(foreign_orders.record_foreign_orders)
    record_naked = Operation(naked.record_naked)

    record_breach = Operation(breaches.record_breach)
    acknowledge_breach = Operation(breaches.acknowledge_breach)

    append_event = Operation(events.append_event)
    put_view = Operation(views.put_view)

    add_command = Operation(commands.add_command)
    take_command = Operation(commands.take_command)
    finish_command = Operation(commands.finish_command)
    reopen_commands = Operation(commands.reopen_commands)

    acquire_lease = Operation(leases.acquire_lease)
    acquire_many = Operation(leases.acquire_many)
    renew_lease = Operation(leases.renew_lease)
    renew_many = Operation(leases.renew_many)
    release_lease = Operation(leases.release_lease)
    release_many = Operation(leases.release_many)

    borrow_credits = Operation(budgets.borrow_credits)
    pause_budget = Operation(budgets.pause_budget)

    register_segments = Operation(segments.register_segments)
    replace_segments = Operation(upkeep.replace_segments)
    retire_sessions = Operation(upkeep.retire_sessions)

    create_api_key = Operation(api_keys.create_api_key)
    create_first_api_key = Operation(api_keys.create_first_api_key)
    revoke_api_key = Operation(api_keys.revoke_api_key)
    count_call = Operation(rate_windows.count_call)
    begin_call = Operation(idempotency.begin_call)
    hold_call = Operation(idempotency.hold_call)
    answer_call = Operation(idempotency.answer_call)
    forget_call = Operation(idempotency.forget_call)
    create_ticket = Operation(tickets.create_ticket)
    redeem_ticket = Operation(tickets.redeem_ticket)
    open_start = Operation(starts.open_start)
    open_restart = Operation(starts.open_restart)
    end_untraded = Operation(starts.end_untraded)
    claim_starts = Operation(starts.claim_starts)
    finish_start = Operation(starts.finish_start)
    refuse_start = Operation(starts.refuse_start)

    def __init__(self, engine: Engine) -> None:
        self.writer = Writer(engine)

    def close(self) -> None:
        """Write what is queued, then stop; safe to call twice."""
        self.writer.close()
