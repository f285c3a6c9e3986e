"""Writing the API's keys. Sees digests only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from store.api_records import ApiKey, Scope
from store.api_rows import api_key_of
from store.errors import RecordNotFound
from store.tables import API_KEYS
from store.writer import Tx


def create_api_key(tx: Tx, key: ApiKey) -> ApiKey:
    """Write a new key."""
    tx.connection.execute(
        insert(API_KEYS).values(
            key_id=key.key_id, name=key.name, secret_sha256=key.secret_sha256, scopes=sorted(key.scopes),
            created_at=key.created_at, revoked_at=None, last_used_at=None,
        )
    )  # fmt: skip
    return key


def create_first_api_key(tx: Tx, key: ApiKey) -> bool:
    """Write a key only while no valid one may administer keys; False when there is one."""
    valid = select(API_KEYS).where(API_KEYS.c.revoked_at.is_(None))
    if any(Scope.ADMIN in api_key_of(row).scopes for row in tx.connection.execute(valid).mappings()):
        return False
    create_api_key(tx, key)
    return True


def revoke_api_key(tx: Tx, key_id: str, *, at: datetime) -> ApiKey:
    """Make a key useless from now on; the first time holds. Raises RecordNotFound."""
    this = API_KEYS.c.key_id == key_id
    tx.connection.execute(update(API_KEYS).where(this, API_KEYS.c.revoked_at.is_(None)).values(revoked_at=at))
    row = tx.connection.execute(select(API_KEYS).where(this)).mappings().one_or_none()
    if row is None:
        raise RecordNotFound(f"no API key {key_id}; list the keys to see which exist", keyId=key_id)
    return api_key_of(row)
