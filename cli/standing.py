"""How a session stands against its limits on lone legs, and what its books say. Reads the store and the environment."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from cli.place import now
from core.ledger import total
from core.numbers import ZERO, canonical
from flows.day_limit import naked_day_max, naked_limit
from store import Session, Store
from tasks.standing import standing_now


def day_limit() -> Decimal:
    """Return what legs of all sessions of this installation may stand alone in a UTC day, USD x seconds."""
    return naked_day_max(os.environ)


def standing(store: Store, session: Session) -> dict[str, Any]:
    """Return the risk state, what legs stood alone (USD x seconds, open pairs included) and the ledger's residual.

    riskState and riskReason are None before the start and after the end, riskReason while ACTIVE as
    well; residual and equityChange (USD) are None until every account's books were closed.
    """
    limit, reads = naked_limit(session.strategy, session.accounts), store.reads
    still_open = sum((p.outcome.naked_usd_seconds for p in reads.open_pairs(session.session_id)), ZERO)
    books = reads.ledger.books(session.session_id).values()
    closed = [b.statement for b in books if b.statement is not None]
    whole = total(closed) if closed and len(closed) == len(books) else None
    risk = standing_now(session, reads)
    return {
        "riskState": None if risk is None else risk.state.value,
        "riskReason": None if risk is None else risk.reason,
        "nakedUsdSeconds": _two(session.totals.naked_usd_seconds + still_open),
        "nakedLimit": None if limit is None else _two(limit),
        "nakedToday": _two(reads.ledger.naked_on_day_of(now())),
        "nakedDayLimit": _two(day_limit()),
        "equityChange": None if whole is None else f"{whole.closing - whole.opening:.6f}",
        "residual": None if whole is None else canonical(whole.residual),
    }


def _two(value: Decimal) -> str:
    return f"{value:.2f}"
