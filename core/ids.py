"""Identifiers. A client order id is a pure function of what it stands for, so a restart makes the same one."""

from __future__ import annotations

import hashlib
import uuid

_NAMESPACE = uuid.UUID("6f2c5b0e-2f0a-5d5b-9a57-2f1d0c6a7b11")


def pair_id(session_id: str, sequence: int) -> str:
    """Return the id of the session's n-th pair (n counts from 1)."""
    return str(uuid.uuid5(_NAMESPACE, f"pair/{session_id}/{sequence}"))


def client_order_id(session_id: str, sequence: int, leg: str, attempt: int) -> str:
    """Return the client order id (a UUID text) of one attempt at one leg of one pair.

    The same arguments give the same id on every machine and after every restart; that is what lets a retry
    ask the venue about the order instead of sending a second one.
    """
    return str(uuid.uuid5(_NAMESPACE, f"order/{session_id}/{sequence}/{leg}/{attempt}"))


def uint32_of(client_order_id: str) -> int:
    """Map a client order id onto 1..2^32-1 for venues whose ids are 32-bit integers.

    Two ids may collide; the journal keeps the venue's id unique per account and makes the caller take the
    next attempt when it does.
    """
    digest = hashlib.sha256(client_order_id.encode()).digest()
    return int.from_bytes(digest[:4], "big") or 1
