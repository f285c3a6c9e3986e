"""The fund check: may this session start at all? Reads accounts; changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from prefect import task

from core.account import Margin, Position
from core.errors import AccountNotActive, InsufficientBalance
from core.numbers import canonical
from core.risk import FundFacts, fund_check
from tasks.books import open_books
from tasks.desk import Desk, current
from tasks.options import STEP


@task(name="fund-check", **STEP)
async def check_funds() -> dict[str, str]:
    """Check that every account is active, explained and funded; returns the available margin by account.

    Raises AccountNotActive (in liquidation, or holding a position in this market that is not the session's) and
    InsufficientBalance (details: required and available per account, quote units).
    """
    desk = current()
    names = list(desk.clients)
    margins = await asyncio.gather(*(desk.clients[n].margin() for n in names))
    positions = await asyncio.gather(*(desk.clients[n].positions() for n in names))
    for name, margin, held in zip(names, margins, positions, strict=True):
        _require_active(margin)
        _require_explained(desk, name, held)
    desk.margins = dict(zip(names, margins, strict=True))
    desk.capital = await open_books(desk, margins, positions)
    if desk.is_flat:
        _require_funds(desk)
    return {name: canonical(margin.available) for name, margin in desk.margins.items()}


def _require_active(margin: Margin) -> None:
    if not margin.active:
        raise AccountNotActive(
            f"{margin.venue} says that account {margin.account_id} is not active (liquidation or disabled); "
            "use another account or settle it at the venue first",
            accountId=margin.account_id,
        )


def _require_explained(desk: Desk, name: str, held: Sequence[Position]) -> None:
    """A position the session did not make is somebody else's: netting into it would trade it away."""
    actual = sum((p.quantity for p in held if p.symbol == desk.symbol), Decimal(0))
    expected = desk.expected[name]
    if actual != expected:
        raise AccountNotActive(
            f"account {name} holds {canonical(actual)} {desk.symbol}, of which this session explains "
            f"{canonical(expected)}; close the rest at the venue, use another account, or "
            "acknowledge the breach position_mismatch where there is one: the rest is left alone then",
            accountId=name, actual=canonical(actual), expected=canonical(expected),
        )  # fmt: skip


def _require_funds(desk: Desk) -> None:
    marks = desk.mark_prices()
    facts = [FundFacts(desk.accounts[n], desk.markets[n], marks[n], desk.margins[n]) for n in desk.clients]
    short = fund_check(desk.strategy, desk.goal, facts)
    if short:
        text = "; ".join(
            f"{s.account_id} on {s.venue} needs {s.required:.2f} and has {s.available:.2f}" for s in short
        )  # fmt: skip
        raise InsufficientBalance(
            f"not enough margin: {text} (USD). Deposit, or lower maxPositionSize or orderSize.max",
            accounts={s.account_id: {"required": str(s.required), "available": str(s.available)} for s in short},
        )
