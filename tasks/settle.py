"""Settling a session: flat at the venues, funding booked, rows sealed into results, report written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from prefect import task

from core.account import Position
from core.errors import ReconciliationFailed
from core.ledger import Statement
from core.numbers import ZERO, canonical
from core.order import OrderReport
from tasks.books import close_books
from tasks.desk import Desk, current
from tasks.funding import recompute_funding
from tasks.options import STEP
from tasks.reconcile_fills import read_fills

_LATE_S = (0.25, 0.5, 1.0)
_LISTED_S = 10.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the venues say at the end: the session's own base units by account, signed, own orders left, funding booked.

    statements: where each account's change of equity came from; empty unless clean, or when no books were opened.
    """

    positions: dict[str, Decimal]
    open_orders: int
    funding: Decimal
    statements: tuple[Statement, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Flat on every account and nothing resting."""
        return self.open_orders == 0 and not any(self.positions.values())


@task(name="settle", **STEP)
async def settle(started_at: datetime) -> Settlement:
    """Compare the journal with the venues one last time and book funding.

    Raises ReconciliationFailed when a venue's position is not what the journal explains.
    """
    desk = current()
    await read_fills(desk, list(desk.clients), (desk.now() - started_at).total_seconds() + 5)
    await strike_foreign_undone(desk, started_at)
    await book_funding(desk, started_at)
    found = await agreeing_positions(desk)
    await desk.store.journal.record_positions(desk.session_id, list(found.values()))
    mismatch = {n: p.quantity for n, p in found.items() if p.quantity != desk.expected[n]}
    held = desk.positions
    if mismatch:
        raise ReconciliationFailed(
            "; ".join(
                f"account {n}: the venue holds {canonical(q)} {desk.symbol}, the journal explains "
                f"{canonical(desk.expected[n])}"
                for n, q in mismatch.items()
            ),
            accounts=sorted(mismatch),
        )
    resting = await own_open_orders(desk)
    is_clean = not resting and not any(held.values())
    statements = await close_books(desk) if is_clean else ()
    if is_clean:
        await recompute_funding(desk)
    funding = sum((p.payment for p in desk.payments), ZERO)
    return Settlement(held, len(resting), funding, statements)


async def strike_foreign_undone(desk: Desk, started_at: datetime) -> None:
    """Take what somebody else traded, and the venue undid while no run listened, out of the journal and the books.

    One of our own that is undone shows as a difference of positions; of a foreign one only the venue's list tells. An
    execution counts as undone when a list that reaches back to before it, read long after it, does not have it.
    """
    since = max(started_at, desk.now() - timedelta(days=1))
    old_enough = desk.now() - timedelta(seconds=_LISTED_S)
    asked = sorted({f.account_id for f in desk.foreign if since <= f.venue_time and f.received_time <= old_enough})
    margin = timedelta(seconds=5)
    answers = await asyncio.gather(*(desk.clients[name].fills(desk.symbol, since - margin) for name in asked))
    for name, listed in zip(asked, answers, strict=True):
        there = {f.trade_id for f in listed}
        for fill in [f for f in desk.foreign if f.account_id == name and f.trade_id not in there]:
            if fill.symbol == desk.symbol and since <= fill.venue_time and fill.received_time <= old_enough:
                await desk.store.journal.bust_fill(fill.venue, name, fill.trade_id, at=desk.now())
                desk.foreign.remove(fill)


async def book_funding(desk: Desk, since: datetime) -> None:
    """Journal funding payments the venues have booked since a time; never computed, only read."""
    since -= timedelta(seconds=1)
    names = list(desk.clients)
    answers = await asyncio.gather(*(desk.clients[n].funding_payments(desk.symbol, since) for n in names))
    payments = [p for found in answers for p in found]
    new = await desk.store.journal.record_funding(desk.session_id, payments)
    desk.payments.extend(new)


async def read_positions(desk: Desk) -> dict[str, Position]:
    """Read this market's position of every account from the venues; a flat account shows quantity 0, entry price 0."""
    names = list(desk.clients)
    answers = await asyncio.gather(*(desk.clients[n].positions() for n in names))
    return {name: _in_market(desk, name, held) for name, held in zip(names, answers, strict=True)}


async def agreeing_positions(desk: Desk) -> dict[str, Position]:
    """Read positions until they are what the journal explains, a few times; the last reading holds.

    Venues book a fill at once and may show the position a moment later.
    """
    found = await read_positions(desk)
    for pause in _LATE_S:
        if all(position.quantity == desk.expected[name] for name, position in found.items()):
            break
        await desk.outside.sleep(pause)
        await desk.absorb()
        found = await read_positions(desk)
    return found


async def own_open_orders(desk: Desk) -> list[OrderReport]:
    """Read the resting orders of all accounts in this market that are this session's."""
    names = list(desk.clients)
    orders = desk.store.reads.orders_of_session(desk.session_id)
    ours = {o.intent.client_order_id for o in orders}
    # After a restart a client may not know our id behind a venue's short form of it; the venue's own id still tells.
    named = {(o.intent.account_id, o.venue_order_id) for o in orders if o.venue_order_id is not None}
    answers = await asyncio.gather(*(desk.clients[n].open_orders(desk.symbol) for n in names))
    return [
        report
        for found in answers
        for report in found
        if report.client_order_id in ours or (report.account_id, report.venue_order_id) in named
    ]


def _in_market(desk: Desk, name: str, held: Sequence[Position]) -> Position:
    found = [p for p in held if p.symbol == desk.symbol]
    if len(found) > 1:
        raise ReconciliationFailed(
            f"account {name}: the venue shows {len(found)} positions in one market", accounts=[name]
        )
    flat = Position(desk.accounts[name].venue, name, desk.symbol, ZERO, ZERO, None, None, desk.now())
    return found[0] if found else flat
