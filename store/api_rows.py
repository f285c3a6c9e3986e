"""Rows to values for what the API keeps. Pure translation."""

from __future__ import annotations

from sqlalchemy import RowMapping

from store.api_records import ApiKey, Scope, Start, StartState


def api_key_of(row: RowMapping) -> ApiKey:
    """Read a key."""
    return ApiKey(
        key_id=row["key_id"],
        name=row["name"],
        secret_sha256=row["secret_sha256"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


def start_of(row: RowMapping) -> Start:
    """Read a line of the outbox of starts."""
    return Start(
        session_id=row["session_id"],
        attempt=row["attempt"],
        state=StartState(row["state"]),
        is_first=row["is_first"],
        created_at=row["created_at"],
        claimed_by=row["claimed_by"],
        claimed_until=row["claimed_until"],
        flow_run_id=row["flow_run_id"],
        ended_at=row["ended_at"],
        reason=row["reason"],
    )
