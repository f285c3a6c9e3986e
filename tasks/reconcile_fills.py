"""Reconciling a pair: every fill the orders imply is in the journal, or the session does not go on.

Only what is reconciled counts as volume. The venue's word wins over ours; a fill whose other side was also ours
counts as nothing and halts the session.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from prefect import task

from core.errors import ReconciliationFailed, VenueError
from core.numbers import ZERO, canonical
from core.order import Fill, Order
from core.pair import Done, Halt, PairStatus
from core.pnl import PairResult, pair_result
from core.reconcile import OwnMatch, own_matches
from store.records import PairOutcome
from tasks.desk import Desk, current
from tasks.options import STEP
from tasks.place_pair import PairEnd, keep
from tasks.undone import note_undone

_STREAM_GRACE_S = 1.5
_ROUNDS = 8
_RECENT = 200
_CLOCKS_DIFFER_S = 5.0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A pair's figures after reconciliation, and the own matches found among its fills (there must be none)."""

    status: PairStatus
    result: PairResult
    own_matches: int


@task(name="reconcile-fills", **STEP)
async def reconcile_fills(end: PairEnd) -> Reconciled:
    """Complete the pair's fills from streams and REST, write its outcome, and update the session's positions.

    Raises ReconciliationFailed when orders and fills cannot be brought to agree.
    """
    return await reconcile(current(), end)


async def reconcile(desk: Desk, end: PairEnd) -> Reconciled:
    """Do the work of the task on a desk."""
    fills = await complete_fills(desk, end.state.orders)
    await keep(desk, end.state)
    plan = end.state.plan
    result = pair_result(plan, fills, completed_at=desk.now())
    matches = own_matches_of(desk, end.state.orders)
    status = end.action.status if isinstance(end.action, Done) else PairStatus.PARTIAL
    counted = result if not matches else None
    await desk.store.journal.complete_pair(
        plan.pair_id,
        PairOutcome(
            status=status,
            quantity=result.quantity,
            volume=counted.volume if counted else ZERO,
            price=result.price,
            slippage=result.slippage,
            fees=result.fees,
            leg_skew_ms=result.leg_skew_ms,
            naked_usd_seconds=result.naked_usd_seconds,
            executed_at=result.executed_at,
            completed_at=None if isinstance(end.action, Halt) else desk.now(),
        ),
        end.action.reason,
    )
    return Reconciled(status, result, len(matches))


async def read_fills(desk: Desk, accounts: Sequence[str], since_s: float, *, is_question: bool = False) -> None:
    """Read executions of the last `since_s` seconds by REST and journal those the streams have not brought.

    is_question: a leg may stand alone until they are known (see VenueClient.fills).
    """
    since = desk.now() - timedelta(seconds=since_s)
    asked = (desk.clients[a].fills(desk.symbol, since, is_question=is_question) for a in accounts)
    answers = await asyncio.gather(*asked)
    await desk.note_fills(fill for fills in answers for fill in fills)


async def complete_fills(desk: Desk, orders: Sequence[Order]) -> list[Fill]:
    """Return every execution the orders imply, from streams and REST, one that was undone meanwhile included.

    Raises ReconciliationFailed when some lack.
    """
    for order in orders:
        desk.working.setdefault(order.intent.client_order_id, order)
    started = min((o.intent.created_at for o in orders), default=desk.now())
    desk.rematch()
    missing = _missing(desk, orders)
    grace = desk.now() + timedelta(seconds=_STREAM_GRACE_S)
    while missing and desk.now() < grace:
        await desk.wait(grace)
        await desk.absorb()
        desk.rematch()
        missing = _missing(desk, orders)
    for round_ in range(_ROUNDS):
        if not missing:
            break
        await desk.keep_lease()
        age = (desk.now() - started).total_seconds() + 5
        try:
            await read_fills(desk, sorted({o.intent.account_id for o in missing}), age)
            desk.rematch()
        except VenueError:
            if round_ == _ROUNDS - 1:
                raise
        missing = _missing(desk, orders)
        if missing:
            await desk.outside.sleep(0.25 * 2 ** min(round_, 4))
            await desk.absorb()
    if missing and await note_undone(desk, missing, _filled_by_order(desk)):
        missing = _missing(desk, orders)
    if missing:
        raise ReconciliationFailed(_explain(desk, missing), orders=[o.intent.client_order_id for o in missing])
    ids = {o.intent.client_order_id for o in orders}
    return [f for f in desk.fills if f.client_order_id in ids]


def own_matches_of(desk: Desk, orders: Sequence[Order]) -> list[OwnMatch]:
    """Executions of this session whose other side was an account of the installation, of this session or another."""
    started = min((o.intent.created_at for o in orders), default=desk.now())
    since = started - timedelta(seconds=_CLOCKS_DIFFER_S)
    venues = {o.intent.venue for o in orders}
    others = [f for v in venues for f in desk.store.reads.fills_of_market(v, desk.symbol, since)]
    found = own_matches([*desk.fills[-_RECENT:], *desk.foreign[-_RECENT:], *others])
    return [m for m in found if {m.buy.account_id, m.sell.account_id} & desk.accounts.keys()]


def _filled_by_order(desk: Desk) -> dict[str | None, Decimal]:
    sums: dict[str | None, Decimal] = defaultdict(Decimal)
    for fill in desk.fills:
        sums[fill.client_order_id] += fill.quantity
    return sums


def _missing(desk: Desk, orders: Sequence[Order]) -> list[Order]:
    """Orders whose executions do not add up to what the venue says was filled."""
    sums = _filled_by_order(desk)
    return [o for o in orders if sums[o.intent.client_order_id] != o.filled_quantity]


def _explain(desk: Desk, missing: Sequence[Order]) -> str:
    sums = _filled_by_order(desk)
    parts = (
        f"{o.intent.venue} order {o.intent.client_order_id}: {canonical(o.filled_quantity)} filled, "
        f"executions of {canonical(sums[o.intent.client_order_id])} known"
        for o in missing
    )
    return "orders and executions disagree: " + "; ".join(parts)
