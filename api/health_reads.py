"""How accounts are now, read from their venues side by side. What cannot be read is None with a reason, never zero."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from api.context import Services
from core.account import Margin, Position
from core.errors import HedgeError, VenueError
from core.market import Mark
from flows.accounts import Account

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """One account as just read; reasons say what could not be read, by what was asked."""

    account: Account
    margin: Margin | None
    positions: Sequence[Position] | None
    marks: Mapping[str, Mark]
    reasons: Mapping[str, str]
    as_of: datetime

    @property
    def reason(self) -> str | None:
        """All reasons in one sentence, None when everything was read."""
        return "; ".join(f"{what}: {why}" for what, why in self.reasons.items()) or None


async def account_health(here: Services, account: Account) -> AccountHealth:
    """Read margin, positions and the marks of what is held."""
    reasons: dict[str, str] = {}
    try:
        reader = await here.pool.reader(account)
    except VenueError as error:
        return AccountHealth(account, None, None, {}, {"venue": _why(error)}, here.now())
    margin, positions = await asyncio.gather(
        _known(reader.margin(), "margin", reasons), _known(reader.positions(), "positions", reasons)
    )
    symbols = sorted({p.symbol for p in positions or () if p.quantity})
    found = await asyncio.gather(*(_known(reader.mark(s), f"mark of {s}", reasons) for s in symbols))
    marks = {symbol: mark for symbol, mark in zip(symbols, found, strict=True) if mark is not None}
    return AccountHealth(account, margin, positions, marks, reasons, here.now())


async def _known(answer: Awaitable[T], what: str, reasons: dict[str, str]) -> T | None:
    try:
        return await answer
    except VenueError as error:
        reasons[what] = _why(error)
        return None


def _why(error: HedgeError) -> str:
    return f"could not be read ({error.code})"
