"""What every beat of every session asks: statements written once, because building one costs more than running it."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, select

from store.tables import BREACHES, COMMANDS

OF_SESSION: BindParameter[str] = bindparam("session_id")
BREACHES_OF_SESSION = (
    select(BREACHES).where(BREACHES.c.session_id == OF_SESSION).order_by(BREACHES.c.created_at, BREACHES.c.breach_id)
)
OPEN_BREACHES = BREACHES_OF_SESSION.where(BREACHES.c.acknowledged_at.is_(None))
PENDING_COMMANDS = (
    select(COMMANDS)
    .where(COMMANDS.c.session_id == OF_SESSION, COMMANDS.c.taken_at.is_(None), COMMANDS.c.done_at.is_(None))
    .order_by(COMMANDS.c.command_id)
)
