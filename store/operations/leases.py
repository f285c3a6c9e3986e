"""Leases: who alone may drive a session or an account, and until when. Taken over only after expiry.

A scope is a text such as "session:<id>" or "account:<id>". `attempt` fences off older runs of the same holder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from store.tables import LEASES
from store.writer import Tx


def acquire_lease(tx: Tx, scope: str, holder: str, *, attempt: int, ttl_s: float, now: datetime) -> bool:
    """Take a scope for ttl_s seconds; False while somebody else, or a later attempt of the holder, has it.

    The holder may take its own again, with the same or a later attempt.
    """
    statement = select(LEASES).where(LEASES.c.scope == scope).with_for_update()
    lease = tx.connection.execute(statement).mappings().one_or_none()
    values = {"holder": holder, "attempt": attempt, "expires_at": now + timedelta(seconds=ttl_s)}
    if lease is None:
        tx.connection.execute(insert(LEASES).values(scope=scope, **values))
        return True
    own = lease["holder"] == holder and lease["attempt"] <= attempt
    if not own and lease["expires_at"] > now:
        return False
    tx.connection.execute(update(LEASES).where(LEASES.c.scope == scope).values(**values))
    return True


def acquire_many(
    tx: Tx, scopes: Sequence[str], holder: str, *, attempt: int, ttl_s: float, now: datetime
) -> str | None:
    """Take all scopes or none; return None when all are taken, else the first scope that is not to be had."""
    for scope in sorted(scopes):
        if not _is_free(tx, scope, holder, attempt, now):
            return scope
    for scope in sorted(scopes):
        acquire_lease(tx, scope, holder, attempt=attempt, ttl_s=ttl_s, now=now)
    return None


def renew_lease(tx: Tx, scope: str, holder: str, *, attempt: int, ttl_s: float, now: datetime) -> bool:
    """Extend a lease by ttl_s from now; False when it is not this holder's and attempt's any more: stop ordering."""
    statement = update(LEASES).where(LEASES.c.scope == scope, LEASES.c.holder == holder, LEASES.c.attempt == attempt)
    return tx.connection.execute(statement.values(expires_at=now + timedelta(seconds=ttl_s))).rowcount == 1


def renew_many(tx: Tx, scopes: Sequence[str], holder: str, *, attempt: int, ttl_s: float, now: datetime) -> bool:
    """Extend all leases or none; False when any of them was lost: who must stop ordering keeps nobody else waiting."""
    chosen = select(LEASES).where(LEASES.c.scope.in_(list(scopes))).order_by(LEASES.c.scope).with_for_update()
    held = tx.connection.execute(chosen).mappings().all()
    if len(held) < len(set(scopes)) or any(row["holder"] != holder or row["attempt"] != attempt for row in held):
        return False
    for scope in sorted(scopes):
        renew_lease(tx, scope, holder, attempt=attempt, ttl_s=ttl_s, now=now)
    return True


def release_lease(tx: Tx, scope: str, holder: str, *, attempt: int) -> bool:
    """Give a scope back; False when it was not this holder's and attempt's."""
    statement = delete(LEASES).where(LEASES.c.scope == scope, LEASES.c.holder == holder, LEASES.c.attempt == attempt)
    return tx.connection.execute(statement).rowcount == 1


def release_many(tx: Tx, scopes: Sequence[str], holder: str, *, attempt: int) -> None:
    """Give back every scope that still is this holder's and attempt's."""
    for scope in sorted(scopes):
        release_lease(tx, scope, holder, attempt=attempt)


def _is_free(tx: Tx, scope: str, holder: str, attempt: int, now: datetime) -> bool:
    lease = tx.connection.execute(select(LEASES).where(LEASES.c.scope == scope).with_for_update()).mappings().first()
    if lease is None or lease["expires_at"] <= now:
        return True
    return bool(lease["holder"] == holder and lease["attempt"] <= attempt)
