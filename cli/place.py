"""Where a command works: the data folder and database of this machine, the wall clock, and how a command ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import HedgeError
from store.home import Home

if TYPE_CHECKING:
    from store import Store

DONE, NOT_CLEAN, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

_UNREACHABLE_CODES = frozenset(
    {"SERVICE_UNAVAILABLE", "STORE_BUSY", "STORE_UNREACHABLE", "STORE_FULL", "VENUE_UNREACHABLE", "VENUE_UNAVAILABLE",
     "VENUE_RATE_LIMITED", "MARKET_DATA_UNAVAILABLE"}
)  # fmt: skip


class NotReachable(HedgeError):
    """Something that the command needs does not answer; nothing is known beyond that."""

    code = "SERVICE_UNAVAILABLE"


def exit_code(error: HedgeError) -> int:
    """Return the exit code of an error: 3 when something could not be reached, 2 for everything refused."""
    return UNREACHABLE if error.code in _UNREACHABLE_CODES else REFUSED


def here() -> Home:
    """The data folder of this machine, from the environment."""
    return Home.from_env(os.environ)


def database_url() -> str | None:
    """The database that HEDGE_DATABASE_URL names; None for SQLite in the data folder."""
    return os.environ.get("HEDGE_DATABASE_URL") or None


@contextmanager
def opened() -> Iterator[Store]:
    """Open the store of this machine and close it again."""
    from store import open_store

    with open_store(here().path, database_url()) as store:
        yield store


def now() -> datetime:
    """The wall clock, UTC."""
    return datetime.now(UTC)  # noqa: TID251
