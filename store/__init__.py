"""The record: what was intended, sent, filled and paid. Truth while a session runs; sealed into results after.

store = open_store(home)
await store.journal.record_intents(entries)      # durable when it returns; `.now(...)` blocks instead
store.reads.open_orders_of(session_id)
store.seal(session_id); store.load()
store.close()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.pair import PairStatus
    from core.risk import Severity
    from store.errors import (
        BreachNotFound,
        RecordNotFound,
        SegmentCorrupt,
        SessionNotFound,
        StoreBusy,
        StoreClosed,
        StoreError,
        StoreFull,
        WireIdTaken,
    )
    from store.opening import Store, open_store
    from store.records import (
        Account,
        Breach,
        BreachAction,
        Command,
        CommandKind,
        Event,
        JournalEntry,
        JournalOrder,
        Lease,
        NewBreach,
        NewPair,
        NewSession,
        Pair,
        PairOutcome,
        RecordedIntent,
        RowTotals,
        Segment,
        Session,
        SessionStatus,
        SessionTotals,
    )

__all__ = [
    "Account",
    "Breach",
    "BreachAction",
    "BreachNotFound",
    "Command",
    "CommandKind",
    "Event",
    "JournalEntry",
    "JournalOrder",
    "Lease",
    "NewBreach",
    "NewPair",
    "NewSession",
    "Pair",
    "PairOutcome",
    "PairStatus",
    "RecordNotFound",
    "RecordedIntent",
    "RowTotals",
    "Segment",
    "SegmentCorrupt",
    "Session",
    "SessionNotFound",
    "SessionStatus",
    "SessionTotals",
    "Severity",
    "Store",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFull",
    "WireIdTaken",
    "open_store",
]

_HOMES = {"PairStatus": "core.pair", "Severity": "core.risk", "Store": "store.opening", "open_store": "store.opening"}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: a command that wants a path or an error need not load a database library."""
    if name not in __all__:
        raise AttributeError(f"module 'store' has no attribute {name!r}")
    for home in (_HOMES[name],) if name in _HOMES else ("store.records", "store.errors"):
        found = getattr(import_module(home), name, None)
        if found is not None:
            return globals().setdefault(name, found)
    raise AttributeError(f"module 'store' has no attribute {name!r}")
