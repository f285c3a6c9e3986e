"""Writing the books of a session: how accounts opened, what was booked, how they closed, and funding recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import insert, select, update

from core.funding_check import FundingDifference
from core.ledger import Entry, Reading, Statement
from core.numbers import ZERO
from store.ledger_records import Opening
from store.rows import columns_of
from store.tables import FUNDING_CHECKS, LEDGER, STATEMENTS
from store.writer import Tx


def record_openings(tx: Tx, openings: Sequence[Opening]) -> None:
    """Write how accounts stood before a session's first order; what was written first holds, whoever comes later."""
    for opening in openings:
        this = statement_id(opening.session_id, opening.account_id)
        if tx.connection.execute(select(STATEMENTS.c.change).where(STATEMENTS.c.statement_id == this)).first() is None:
            values = {**columns_of(opening), "elsewhere": list(opening.elsewhere), "statement_id": this}
            tx.connection.execute(insert(STATEMENTS).values(**values, change=tx.change))


def record_entries(tx: Tx, session_id: str, venues: dict[str, str], entries: Sequence[Entry]) -> None:
    """Make the ledger of a session say exactly these bookings; venues: by account id.

    A posting of a booking that holds no more (its venue undid the fill) stays as a row of quantity zero, so that
    results which have it learn of it.
    """
    wanted = {key: row for entry in entries for key, row in _rows(session_id, venues[entry.account_id], entry).items()}
    chosen = select(LEDGER.c.posting_id, LEDGER.c.quantity).where(LEDGER.c.session_id == session_id)
    known: dict[str, Decimal] = {row.posting_id: row.quantity for row in tx.connection.execute(chosen)}
    for key in known.keys() - wanted.keys():
        _set_quantity(tx, key, known[key], ZERO)
    for key, row in wanted.items():
        if key in known:
            _set_quantity(tx, key, known[key], row["quantity"])
        else:
            tx.connection.execute(insert(LEDGER).values(posting_id=key, **row, change=tx.change))


def record_closing(tx: Tx, session_id: str, statement: Statement, closing: Reading) -> None:
    """Write how an account's books closed; closing them again replaces what was stated before."""
    names = ("basis", "slippage", "legging", "forced", "fees", "funding", "transfers", "before", "bookings")
    values = {name: getattr(statement, name) for name in (*names, "residual", "dust", "closing")}
    this = STATEMENTS.c.statement_id == statement_id(session_id, statement.account_id)
    tx.connection.execute(
        update(STATEMENTS)
        .where(this)
        .values(**values, closed_at=closing.at, closing_mark=closing.mark, change=tx.change)
    )


def record_funding_checks(tx: Tx, session_id: str, found: Sequence[FundingDifference]) -> None:
    """Write funding recomputed beside what was booked; a span checked before is replaced."""
    for check in found:
        key = f"{session_id}:{check.account_id}:{check.at.isoformat()}"
        values = {**columns_of(check), "venue": check.venue.value, "difference": check.difference}
        values |= {"session_id": session_id, "change": tx.change}
        replaced = update(FUNDING_CHECKS).where(FUNDING_CHECKS.c.check_id == key).values(**values)
        if tx.connection.execute(replaced).rowcount == 0:
            tx.connection.execute(insert(FUNDING_CHECKS).values(check_id=key, **values))


def statement_id(session_id: str, account_id: str) -> str:
    """Return the id under which an account's books of a session are kept."""
    return f"{session_id}:{account_id}"


def _rows(session_id: str, venue: str, entry: Entry) -> dict[str, dict[str, object]]:
    booking = f"{session_id}:{entry.account_id}:{entry.kind}:{entry.reference}"
    shared = {"session_id": session_id, "venue": venue, "account_id": entry.account_id, "kind": entry.kind}
    return {
        f"{booking}:{posting.name}:{posting.asset}": {
            **shared, "reference": entry.reference, "name": posting.name.value, "asset": posting.asset,
            "quantity": posting.quantity, "at": entry.at,
        }
        for posting in entry.postings
    }  # fmt: skip


def _set_quantity(tx: Tx, key: str, known: Decimal, quantity: object) -> None:
    if known != quantity:
        this = update(LEDGER).where(LEDGER.c.posting_id == key)
        tx.connection.execute(this.values(quantity=quantity, change=tx.change))
