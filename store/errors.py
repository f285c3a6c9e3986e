"""Failures of the store, as part of the one error tree. Each message says what, which, and what to do.

HedgeError
└── StoreError              the database did not do what was asked; nothing was acknowledged
    ├── StoreFull           STORE_FULL: disk or quota is full
    ├── StoreBusy           STORE_BUSY: another process holds the database, or the writer's queue stays full
    │   └── StoreUnreachable STORE_UNREACHABLE: the database server does not answer, or went away
    ├── StoreClosed         STORE_CLOSED: the journal was closed before this could be written
    ├── SegmentCorrupt      SEGMENT_CORRUPT: a registered segment is missing or is not what was registered
    ├── WireIdTaken         WIRE_ID_TAKEN: the venue's id of an order is in use on that account; take the next attempt
    └── RecordNotFound      NOT_FOUND
        ├── SessionNotFound SESSION_NOT_FOUND
        └── BreachNotFound  BREACH_NOT_FOUND
"""

from __future__ import annotations

from core.errors import HedgeError


class StoreError(HedgeError):
    """The database did not do what was asked; nothing was acknowledged."""

    code = "STORE_ERROR"


class StoreFull(StoreError):
    """The disk, or the size the database may have, is full. Free space; nothing acknowledged so far is lost."""

    code = "STORE_FULL"


class StoreBusy(StoreError):
    """Somebody else holds the database for longer than the busy timeout, or the writer cannot keep up."""

    code = "STORE_BUSY"


class StoreUnreachable(StoreBusy):
    """The database server does not answer, or went away and was not back in time. What was asked for may be repeated.

    Whether a write was done is unknown where the message says so: read first, or write the same once more.
    """

    code = "STORE_UNREACHABLE"


class StoreClosed(StoreError):
    """The journal was closed; what was asked for has not been written."""

    code = "STORE_CLOSED"


class SegmentCorrupt(StoreError):
    """A registered segment is missing, or its bytes are not those that were registered."""

    code = "SEGMENT_CORRUPT"


class WireIdTaken(StoreError):
    """The id an order would carry on the wire is in use on that account; plan it again with the next attempt."""

    code = "WIRE_ID_TAKEN"


class RecordNotFound(StoreError):
    """No such record."""

    code = "NOT_FOUND"


class SessionNotFound(RecordNotFound):
    """No session with this id."""

    code = "SESSION_NOT_FOUND"


class BreachNotFound(RecordNotFound):
    """No breach with this id."""

    code = "BREACH_NOT_FOUND"
