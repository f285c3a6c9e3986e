"""Writing operators' commands: asked for, taken by the run, finished. Obeys none of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from store.errors import RecordNotFound
from store.records import Command, CommandKind
from store.rows import command_of
from store.tables import COMMANDS
from store.writer import Tx


def add_command(tx: Tx, session_id: str, kind: CommandKind, *, created_by: str, created_at: datetime) -> Command:
    """Write what an operator asks of a session and return it with its number."""
    values = {"session_id": session_id, "kind": kind.value, "created_by": created_by, "created_at": created_at}
    result = tx.connection.execute(insert(COMMANDS).values(**values).returning(COMMANDS.c.command_id))
    return _get(tx, int(result.scalar_one()))


def pending_commands(tx: Tx, session_id: str) -> list[Command]:
    """Return the commands that nobody has taken, oldest first."""
    statement = (
        select(COMMANDS)
        .where(COMMANDS.c.session_id == session_id, COMMANDS.c.taken_at.is_(None), COMMANDS.c.done_at.is_(None))
        .order_by(COMMANDS.c.command_id)
    )
    return [command_of(row) for row in tx.connection.execute(statement).mappings()]


def take_command(tx: Tx, command_id: int, *, at: datetime) -> bool:
    """Claim a command; False when it was taken or finished before."""
    statement = update(COMMANDS).where(
        COMMANDS.c.command_id == command_id, COMMANDS.c.taken_at.is_(None), COMMANDS.c.done_at.is_(None)
    )
    return tx.connection.execute(statement.values(taken_at=at)).rowcount == 1


def finish_command(tx: Tx, command_id: int, outcome: str, *, at: datetime) -> Command:
    """Write what came of a command; the first outcome holds. Raises RecordNotFound."""
    statement = update(COMMANDS).where(COMMANDS.c.command_id == command_id, COMMANDS.c.done_at.is_(None))
    tx.connection.execute(statement.values(done_at=at, outcome=outcome))
    return _get(tx, command_id)


def reopen_commands(tx: Tx, session_id: str) -> int:
    """Put back commands that a run took and did not finish (it died); return how many. For the lease holder only."""
    statement = update(COMMANDS).where(
        COMMANDS.c.session_id == session_id, COMMANDS.c.taken_at.is_not(None), COMMANDS.c.done_at.is_(None)
    )
    return tx.connection.execute(statement.values(taken_at=None)).rowcount


def _get(tx: Tx, command_id: int) -> Command:
    statement = select(COMMANDS).where(COMMANDS.c.command_id == command_id)
    row = tx.connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise RecordNotFound(f"no command {command_id}", commandId=command_id)
    return command_of(row)
