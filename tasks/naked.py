"""What legs stand alone outside pairs: counted from execution to execution, kept by UTC day, found again by a restart.

What stands alone inside a pair is in that pair's own figures; the session's sum is both, and nothing is in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from core.numbers import ZERO, nearest_to
from core.order import Fill
from core.reduction import reduction_pair_id
from store.naked_records import NakedDay
from tasks.course import Course
from tasks.desk import Desk

_STEP = Decimal("1e-8")


async def begin(desk: Desk, course: Course, at: datetime, *, change: Decimal = ZERO) -> None:
    """Count from a time on what stands alone outside pairs, unless that is counted already.

    change: signed base units that a leg has just lost or gained and that no position shows yet.
    """
    if course.gap.since is None:
        course.gap.open(min(at, desk.now()), _usd(desk, outside(desk) + change))
        await _record(desk, course, course.gap.since or at)


async def count(desk: Desk, course: Course) -> None:
    """Count up to now, execution by execution; it ends where nothing stands alone any more."""
    since = course.gap.since
    if since is None:
        return
    _walk(desk, course, (*_path(desk, since), (desk.now(), outside(desk))))
    await _record(desk, course, since)


async def look(desk: Desk, course: Course) -> None:
    """Count what stands alone outside pairs, and begin now where something does that is not counted yet."""
    if course.gap.since is None and outside(desk) != 0:
        await begin(desk, course, desk.now())
    await count(desk, course)


async def restore(desk: Desk, course: Course, since: datetime | None) -> None:
    """Take up what earlier runs counted; what nobody counted while no run lived is counted now.

    since: from when something stands alone as earlier runs told it, None when they did not.
    """
    known, gap = desk.store.reads.ledger.naked_outside(desk.session_id), course.gap
    gap.by_day = {naked.day: naked.usd_seconds for naked in known}
    if known and known[-1].usd != 0:
        gap.open(known[-1].counted_until, known[-1].usd)
    if gap.since is None:
        if outside(desk) != 0 and desk.fills:
            newest = max(desk.fills, key=lambda f: f.venue_time)
            gap.open(since or newest.venue_time, _usd(desk, outside(desk)))
        return
    if outside(desk) == 0:
        began = gap.since
        _walk(desk, course, _path(desk, began))
        gap.since = None
        await _record(desk, course, began)


def outside(desk: Desk) -> Decimal:
    """Signed base units that stand alone and are not of a pair in progress."""
    alone = reduction_pair_id(desk.session_id)
    reduced = sum((o.signed_filled for o in desk.working.values() if o.intent.pair_id == alone), ZERO)
    return sum(desk.settled.values(), ZERO) + reduced


def _walk(desk: Desk, course: Course, path: Iterable[tuple[datetime, Decimal]]) -> None:
    for at, net in path:
        usd = _usd(desk, net)
        course.max_net_exposure_usd = max(course.max_net_exposure_usd, course.gap.usd, usd)
        course.gap.look(at, usd)
        # Between two executions nothing may stand alone, and something again after the second.
        course.gap.open(at, usd)
    if course.gap.usd == 0:
        course.gap.since = None


def _path(desk: Desk, since: datetime) -> Iterator[tuple[datetime, Decimal]]:
    """What stood alone after each execution outside pairs since a time, in the order of the venues' times."""
    later = [f for f in desk.fills if f.venue_time > since and f.venue_time <= desk.now()]
    if not later:
        return
    mine = {o.intent.client_order_id for o in desk.store.reads.orders_of_pair(reduction_pair_id(desk.session_id))}
    later = sorted((f for f in later if _is_outside(f, mine)), key=lambda f: f.venue_time)
    net = outside(desk) - sum((f.quantity * f.side.sign for f in later), ZERO)
    for fill in later:
        net += fill.quantity * fill.side.sign
        yield fill.venue_time, net


def _is_outside(fill: Fill, reductions: set[str]) -> bool:
    return fill.client_order_id is None or fill.client_order_id in reductions


def _usd(desk: Desk, net: Decimal) -> Decimal:
    """What base units are worth at the highest mark, else at the last execution; zero when neither is known."""
    marks = [mark.mark for mark in desk.marks().values()]
    price = max(marks) if marks else desk.fills[-1].price if desk.fills else ZERO
    # So many digits that times microseconds are kept to the last one.
    return nearest_to(abs(net) * price, _STEP)


async def _record(desk: Desk, course: Course, since: datetime) -> None:
    """Write the days from a time on, and the session's sum with them."""
    gap, until = course.gap, course.gap.since or desk.now()
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    days = {day for day in gap.by_day if day >= first} | {last}
    rows = [
        NakedDay(day, gap.by_day.get(day, ZERO), until, gap.usd if day == last and gap.since is not None else ZERO)
        for day in sorted(days)
    ]
    await desk.store.journal.record_naked(desk.session_id, rows, total=course.naked_usd_seconds)
