"""Paired reduction: when one leg was taken from outside, the others follow at once, reduce-only, within a bound.

It looks at nothing but what the session holds by its journal and what the venues show, both anew before each order, so
that a run that died in the middle is simply run again. Orders go the way of every reduction: journalled before the
wire, refused where one could meet an own order, asked about and never resent when no answer came.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from core.errors import MarketDataUnavailable, ReconciliationFailed, SessionHalted, VenueError
from core.numbers import canonical
from core.paired_reduction import followings
from core.pricing import per_leg
from core.reduction import wider
from core.risk import Severity
from core.sizing import send_cushion, smallest_quantity
from tasks.beat import Heart
from tasks.course import Course
from tasks.desk import Desk
from tasks.naked import look
from tasks.publish import publish, say
from tasks.reduce import Reduced, finish_reductions, reduce_once, unfinished

_log = logging.getLogger("hedging.follow")

# Within this a leg must stand hedged again; then the session halts, and goes on trying.
FOLLOW_S = 30.0
_PAUSE_S, _PAUSE_S_MAX = 0.5, 4.0


@dataclass(slots=True)
class Chase:
    """One gap being closed by this run: since when, how wide its orders may trade, how long it waits between rounds."""

    since: datetime
    slippage: Decimal
    pause_s: float = _PAUSE_S


class Follower:
    """Lets legs follow; one per run of a session."""

    def __init__(self, desk: Desk, course: Course, heart: Heart) -> None:
        self._desk, self._course, self._heart = desk, course, heart
        self._chase: Chase | None = None
        self._unfinished_since: datetime | None = None
        self._stood_alone = False

    async def keep_even(self) -> bool:
        """Close a gap that no pair in progress has: True while the bound lasts, to be called again after a beat.

        False when nothing stands alone, when a pair has yet to even its own legs, and beyond the bound: then the
        session is halted, and each call tries once more.
        """
        desk, course = self._desk, self._course
        self._stood_alone |= course.gap.since is not None
        await look(desk, course)
        if desk.net == 0:
            if await self._finish():
                return True
            if course.halted is None or not unfinished(desk):
                await self._even_again()
            return False
        if any(desk.store.reads.open_pairs(desk.session_id)):
            return False
        first, self._stood_alone = self._chase is None, True
        self._chase = chase = self._chase or Chase(desk.now(), per_leg(desk.strategy.max_slippage))
        if first:
            await self._say_it_begins()
        trouble = await self._round(chase)
        await look(desk, course)
        if desk.net == 0 and not unfinished(desk):
            await self._even_again()
            return False
        await publish(desk, course)
        if trouble is None and desk.now() - chase.since <= timedelta(seconds=FOLLOW_S):
            await desk.outside.sleep(chase.pause_s)
            chase.pause_s = min(2 * chase.pause_s, _PAUSE_S_MAX)
            return True
        await self._overdue(trouble or f"no leg could follow within {FOLLOW_S:.0f} s")
        return False

    async def _round(self, chase: Chase) -> str | None:
        """Send what may be sent now; returns why a person is needed, None when another round may do."""
        desk = self._desk
        try:
            await finish_reductions(desk)
            done = await reduce_once(desk, chase.slippage, partial(followings, lot=desk.lot, least=_least(desk)))
        except (VenueError, MarketDataUnavailable) as error:
            desk.notices.append(f"a leg cannot follow now ({error})")
            return None
        except (SessionHalted, ReconciliationFailed) as error:
            return str(error)
        return await self._learn(chase, done)

    async def _finish(self) -> bool:
        """Put down orders that evened everything out before another pair begins; True while that has to wait."""
        desk = self._desk
        if not unfinished(desk):
            return False
        self._unfinished_since = since = self._unfinished_since or desk.now()
        try:
            await finish_reductions(desk)
        except VenueError as error:
            desk.notices.append(f"what a reduction did cannot be read now ({error})")
            return desk.now() - since <= timedelta(seconds=FOLLOW_S)
        except (SessionHalted, ReconciliationFailed) as error:
            await self._overdue(str(error))
            return False
        self._unfinished_since = None
        return desk.net != 0

    async def _learn(self, chase: Chase, done: Reduced) -> str | None:
        desk, course = self._desk, self._course
        desk.notices.extend(done.obstacles)
        if done.own_matches:
            await self._heart.breach("own_fill", Severity.CRITICAL, {"matches": len(done.own_matches)})
            course.close("own orders met; nothing of it counts as volume")
        if done.filled != 0:
            chase.pause_s = _PAUSE_S
        elif done.sent:
            chase.slippage = wider(chase.slippage)
        return None

    async def _say_it_begins(self) -> None:
        desk = self._desk
        text = f"net {canonical(desk.net)} {desk.symbol} is not hedged; the other legs follow, reduce-only"
        _log.warning("session %s: %s", desk.session_id, text)
        self._course.last_decision = text
        await say(desk, "decision", "following", {"text": text})
        await self._heart.announce()

    async def _overdue(self, why: str) -> None:
        desk, course = self._desk, self._course
        if course.halted is None:
            course.halted = why if desk.net == 0 else f"{why}; net {canonical(desk.net)} {desk.symbol} is not hedged"
            held = {name: canonical(q) for name, q in desk.positions.items()}
            details = {"reason": why, "netDelta": canonical(desk.net), "positions": held}
            await self._heart.breach("naked_leg", Severity.CRITICAL, details)
            await self._heart.announce()
        if course.closing is None and course.paused is None:
            await self._heart.pause(course.halted)

    async def _even_again(self) -> None:
        desk, course = self._desk, self._course
        if not self._stood_alone or desk.store.reads.open_pairs(desk.session_id):
            return
        self._stood_alone = False
        self._chase = None
        if course.halted is not None:
            course.halted = None
            course.last_progress_at = desk.now()
            if course.paused is not None and course.closing is not None:
                course.paused = None
        text = f"every leg is hedged again; {canonical(course.gap.spent)} USD seconds stood alone outside pairs so far"
        course.last_decision = text
        await say(desk, "decision", "followed", {"text": text})
        await self._heart.announce()
        await publish(desk, course)


def _least(desk: Desk) -> dict[str, Decimal]:
    """The smallest order each venue takes, base units; where no mark is known, by quantity alone."""
    marks, cushion = desk.marks(), send_cushion(desk.strategy.max_slippage)
    found = {}
    for name, market in desk.markets.items():
        found[name] = market.min_quantity
        if name in marks:
            found[name] = smallest_quantity(market, marks[name].mark, lot=market.lot, cushion=cushion)
    return found


__all__ = ["FOLLOW_S", "Follower"]
