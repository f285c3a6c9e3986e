"""The books of a session as frozen values: how an account opened, and what was stated of it. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.instrument import Venue
from core.ledger import Statement


@dataclass(frozen=True, slots=True)
class Opening:
    """An account before the session's first order: equity in quote units, signed base units held.

    elsewhere: the other markets in which it held positions. Their value moves its equity, and no session explains that.
    """

    session_id: str
    account_id: str
    venue: Venue
    opening: Decimal
    opening_mark: Decimal | None
    held_before: Decimal
    elsewhere: tuple[str, ...]
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """An account's books in a session; statement and closed_at are None until the session was settled."""

    opening: Opening
    statement: Statement | None
    closed_at: datetime | None
