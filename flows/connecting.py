"""Connecting a session's desk to its venues; a request budget that is found spent is waited for, within a bound."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from core.errors import HedgeError, RateLimited
from core.strategy import check_against_markets
from tasks.desk import Desk
from tasks.publish import say

_log = logging.getLogger("hedging.session")

# How long a run waits in all, and between two looks: after a 429 without Retry-After, and when the word is "at once".
BUDGET_S_MAX = 120.0
# The same for a session that has sent orders: a leg may stand alone, and the watchdog has it once the run has ended.
BUDGET_TRADED_S_MAX = 20.0
BUDGET_LOOK_S = 5.0
BUDGET_LOOK_S_MIN = 1.0

T = TypeVar("T")


class BudgetPatience:
    """Waits for spent request budgets as a run begins, or settles: so many seconds in all from the first one on.

    bound_s: BUDGET_S_MAX, or BUDGET_TRADED_S_MAX for a session that has sent orders, unless given.

    Each wait is as long as the venue, or our own count of its credits, says. It is told once for each account.
    """

    def __init__(self, desk: Desk, bound_s: float | None = None) -> None:
        self._desk = desk
        self._bound_s = bound_s
        self._give_up_at: datetime | None = None
        self._told: set[str] = set()

    async def call(self, who: str, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step that sends no order, again each time a budget was spent; raise RateLimited past the bound."""
        while True:
            try:
                answer = await step()
            except RateLimited as spent:
                await self._wait(who, spent)
            else:
                if who in self._told:
                    self._told.discard(who)
                    _log.info("session %s: %s has request credits again", self._desk.session_id, who)
                return answer

    async def _wait(self, who: str, spent: RateLimited) -> None:
        desk, now = self._desk, self._desk.now()
        if self._give_up_at is None:
            has_traded = bool(desk.store.reads.orders_of_session(desk.session_id))
            bound_s = self._bound_s or (BUDGET_TRADED_S_MAX if has_traded else BUDGET_S_MAX)
            self._give_up_at = now + timedelta(seconds=bound_s)
        named = spent.details.get("retry_after_s")
        wait_s = max(float(named), BUDGET_LOOK_S_MIN) if isinstance(named, int | float) else BUDGET_LOOK_S
        if now + timedelta(seconds=wait_s) > self._give_up_at:
            raise spent
        if who not in self._told:
            self._told.add(who)
            left_s = (self._give_up_at - now).total_seconds()
            text = f"{who}: {spent}; waiting for it, at most {left_s:.0f} s"
            _log.warning("session %s: %s", desk.session_id, text)
            await say(desk, "log", "notice", {"text": text, "code": spent.code})
        await desk.outside.sleep(wait_s)
        await desk.keep_lease()


async def connect(desk: Desk, patience: BudgetPatience) -> None:
    """Connect every account and learn the markets; raise InvalidStrategy for a venue that does not list ours."""
    await _each(desk, lambda name: patience.call(name, desk.clients[name].connect))
    listed = await _each(desk, lambda name: patience.call(name, desk.clients[name].markets))
    markets = {name: found.get(desk.symbol) for name, found in listed.items()}
    if None in markets.values():
        check_against_markets(desk.strategy, markets, {})
    desk.markets = {name: market for name, market in markets.items() if market is not None}


async def listen(desk: Desk, patience: BudgetPatience) -> None:
    """Start the streams, and check the strategy against markets and marks."""
    symbol = desk.symbol
    await _each(desk, lambda name: patience.call(name, lambda: desk.clients[name].feed.start([symbol])))
    marks = await _each(desk, lambda name: patience.call(name, lambda: desk.clients[name].mark(symbol)))
    check_against_markets(desk.strategy, dict(desk.markets), {name: mark.mark for name, mark in marks.items()})


async def listen_if_possible(desk: Desk) -> None:
    """Start the streams that start; what is needed to close can be read without the others."""
    names = list(desk.clients)
    starts = (desk.clients[n].feed.start([desk.symbol]) for n in names)
    for name, outcome in zip(names, await asyncio.gather(*starts, return_exceptions=True), strict=True):
        if isinstance(outcome, HedgeError):
            desk.notices.append(f"{name}: its streams do not start ({outcome})")
        elif isinstance(outcome, BaseException):
            raise outcome


async def _each(desk: Desk, ask: Callable[[str], Coroutine[Any, Any, T]]) -> dict[str, T]:
    """Ask for every account at once; the first failure ends the others and is raised."""
    asked = {name: asyncio.create_task(ask(name)) for name in desk.clients}
    try:
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    finally:
        for task in asked.values():
            task.cancel()
        await asyncio.gather(*asked.values(), return_exceptions=True)
