"""Reads of a session's books. Cannot write."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, RowMapping, bindparam, select, union_all
from sqlalchemy.exc import DBAPIError

from core.instrument import Venue
from core.ledger import Entry, Name, Posting, Statement
from core.numbers import ZERO
from store.ledger_records import Books, Opening
from store.naked_records import NakedDay
from store.naked_tables import NAKED_OUTSIDE
from store.tables import LEDGER, PAIRS, STATEMENTS
from store.writer import typed_error

# Asked at every beat of every session, so written once. Summed in Python, because SQLite would add text as floats.
_SINCE, _UNTIL = bindparam("since", type_=PAIRS.c.created_at.type), bindparam("until", type_=PAIRS.c.created_at.type)
_NAKED = union_all(
    select(PAIRS.c.naked_usd_seconds.label("spent")).where(
        PAIRS.c.created_at >= _SINCE, PAIRS.c.created_at < _UNTIL, PAIRS.c.naked_usd_seconds != ZERO
    ),
    select(NAKED_OUTSIDE.c.usd_seconds.label("spent")).where(
        NAKED_OUTSIDE.c.day >= _SINCE, NAKED_OUTSIDE.c.day < _UNTIL
    ),
)


class LedgerReads:
    """Questions to the books."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def books(self, session_id: str) -> dict[str, Books]:
        """Return each account's books by account id; empty when the session never passed its fund check."""
        return self.books_of([session_id]).get(session_id, {})

    def books_of(self, session_ids: Collection[str]) -> dict[str, dict[str, Books]]:
        """Return the books of several sessions by session id and account id; a session without books is absent."""
        chosen = select(STATEMENTS).where(STATEMENTS.c.session_id.in_(list(session_ids)))
        found: dict[str, dict[str, Books]] = {}
        for row in self._rows(chosen.order_by(STATEMENTS.c.account_id)):
            found.setdefault(row["session_id"], {})[row["account_id"]] = _books_of(row)
        return found

    def entries(self, session_id: str) -> list[Entry]:
        """Return what was booked, oldest first; bookings that hold no more are left out."""
        chosen = select(LEDGER).where(LEDGER.c.session_id == session_id).order_by(LEDGER.c.at, LEDGER.c.posting_id)
        bookings: dict[tuple[str, str, str], list[RowMapping]] = {}
        for row in self._rows(chosen):
            bookings.setdefault((row["account_id"], row["kind"], row["reference"]), []).append(row)
        return [
            Entry(*key, rows[0]["at"], tuple(Posting(Name(r["name"]), r["asset"], r["quantity"]) for r in rows))
            for key, rows in bookings.items()
            if any(row["quantity"] for row in rows)
        ]

    def naked_usd_seconds(self, since: datetime, until: datetime) -> Decimal:
        """Sum what legs of the whole installation stood alone, quote x seconds, in whole UTC days from since to until.

        Of pairs planned in [since, until), and of what stood alone on these days outside pairs.
        """
        return sum((row["spent"] for row in self._rows(_NAKED, since=since, until=until)), ZERO)

    def naked_outside(self, session_id: str) -> list[NakedDay]:
        """Return what legs of a session stood alone outside its pairs, by UTC day, the oldest first."""
        chosen = select(NAKED_OUTSIDE).where(NAKED_OUTSIDE.c.session_id == session_id).order_by(NAKED_OUTSIDE.c.day)
        return [
            NakedDay(row["day"].date(), row["usd_seconds"], row["counted_until"], row["usd"])
            for row in self._rows(chosen)
        ]

    def naked_on_day_of(self, at: datetime) -> Decimal:
        """Sum what legs of all sessions stood alone on the UTC day of a time, quote x seconds.

        Pairs without an end are included, and what stands alone outside pairs as far as its run has counted it.
        """
        return self.naked_usd_seconds(*_day_of(at))

    def residuals_on_day_of(self, at: datetime) -> list[tuple[Decimal, Decimal]]:
        """Return (residual, dust) in quote units of each account whose books were closed on the UTC day of a time."""
        since, until = _day_of(at)
        closed = (STATEMENTS.c.closed_at >= since, STATEMENTS.c.closed_at < until)
        found = self._rows(select(STATEMENTS.c.residual, STATEMENTS.c.dust).where(*closed))
        return [(row["residual"], row["dust"]) for row in found]

    def _rows(self, statement: object, **parameters: object) -> list[RowMapping]:
        try:
            with self._engine.connect() as connection, connection.begin():
                return list(connection.execute(statement, parameters).mappings())  # type: ignore[call-overload]
        except DBAPIError as error:
            raise typed_error(error) from error


def _day_of(at: datetime) -> tuple[datetime, datetime]:
    """The UTC day of a time: its first moment, and the next day's."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day, day + timedelta(days=1)


def _books_of(row: RowMapping) -> Books:
    opening = Opening(
        row["session_id"], row["account_id"], Venue(row["venue"]), row["opening"], row["opening_mark"],
        row["held_before"], tuple(row["elsewhere"]), row["opened_at"],
    )  # fmt: skip
    if row["closing"] is None:
        return Books(opening, None, None)
    names = ("opening", "closing", "basis", "slippage", "legging", "forced", "fees", "funding", "transfers", "before")
    figures = {name: row[name] for name in (*names, "bookings")}
    return Books(opening, Statement(account_id=row["account_id"], **figures), row["closed_at"])
