"""What a session's end does with its books: complete only when every cent is explained, or a person said so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from core.errors import SessionHalted
from core.ledger import Statement, total
from core.numbers import canonical
from core.risk import Severity
from tasks.beat import Heart
from tasks.books import markets_elsewhere
from tasks.desk import Desk

CATEGORY = "ledger_residual"


async def require_balanced(desk: Desk, heart: Heart, statements: Sequence[Statement]) -> None:
    """Let the session end, or open a critical breach with the figures and raise SessionHalted.

    An account that holds positions in other markets has an equity that moves by itself; its residual is a warning. A
    residual that an operator acknowledged with these same figures is let pass.
    """
    off = {s.account_id: s for s in statements if not s.is_balanced}
    if not off:
        return
    elsewhere = await markets_elsewhere(desk, list(off))
    found = {name: s for name, s in off.items() if not elsewhere[name]}
    if len(found) < len(off):
        moved = {n: figures(s) | {"elsewhere": ", ".join(elsewhere[n])} for n, s in off.items() if elsewhere[n]}
        await heart.breach(f"{CATEGORY}_elsewhere", Severity.WARNING, moved)
    details = {name: figures(s) for name, s in found.items()}
    if not found or _is_accepted(desk, details):
        return
    await heart.breach(CATEGORY, Severity.CRITICAL, details)
    told = "; ".join(f"account {n}: {canonical(s.residual)} of its change of equity" for n, s in found.items())
    raise SessionHalted(f"the books do not balance: nothing explains {told}", accounts=details)


def figures(statement: Statement) -> dict[str, str]:
    """Return a statement for people and documents; costs are negative, quote units."""
    names = ("opening", "closing", "basis", "slippage", "legging", "forced", "fees", "funding", "transfers", "before")
    told = {name: canonical(getattr(statement, name)) for name in (*names, "residual")}
    return told | {"bookings": str(statement.bookings)}


def books_summary(desk: Desk, statements: Sequence[Statement]) -> dict[str, str]:
    """Return what the summary tells of the books (nothing where none were opened) and of the installation's day."""
    naked = desk.store.reads.ledger.naked_on_day_of(desk.now())
    told = {"nakedUsdSecondsToday": f"{naked:.2f}"}
    if not statements:
        return told
    whole = total(statements)
    return told | {
        "equityChange": f"{whole.closing - whole.opening:.6f}",
        "explained": f"{whole.explained:.6f}",
        "residual": canonical(whole.residual),
    }


def _is_accepted(desk: Desk, details: Mapping[str, object]) -> bool:
    """Tell whether a person has acknowledged exactly this residual, figure for figure."""
    wanted = json.dumps(details, sort_keys=True)
    return any(
        breach.category == CATEGORY and not breach.is_open and json.dumps(breach.details, sort_keys=True) == wanted
        for breach in desk.store.reads.breaches(desk.session_id)
    )
