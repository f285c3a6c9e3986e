"""Showing a session where operators look: our own events and totals, and Prefect's artifacts, names and states.

The store's rows are the truth; what Prefect shows is a courtesy and may fail without harm, so every call to it is
guarded here and none stands between two legs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID

from prefect import get_client
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.runtime import flow_run
from prefect.states import Running

from core.errors import MarketDataUnavailable
from core.numbers import ZERO
from store.records import Pair
from tasks.course import Course
from tasks.desk import Desk
from tasks.money import tally

_log = logging.getLogger("hedging.publish")

COURTESY_S = 3.0


class Board:
    """What this run shows in Prefect. Everything it does may fail; it says so in the log once and goes on."""

    def __init__(self) -> None:
        self._progress_id: UUID | None = None
        self._shown: dict[str, object] = {}

    async def progress(self, desk: Desk, course: Course) -> None:
        """Update the volume bar and the run's name, e.g. `eth-usd · pacifica×paradex×backpack · 42%`."""
        share = percent(desk, course)
        if self._shown.get("share") == share:
            return
        self._shown["share"] = share
        async with self._courtesy():
            if self._progress_id is None:
                self._progress_id = await acreate_progress_artifact(
                    progress=share, key="volume", description="Hedged volume against the target"
                )
            elif self._progress_id is not None:
                await aupdate_progress_artifact(self._progress_id, progress=share)
            await self._rename(desk, share)

    async def state(self, name: str) -> None:
        """Show the run as Running under another name, e.g. OperatorPaused."""
        if self._shown.get("state") == name:
            return
        self._shown["state"] = name
        run_id = flow_run.id
        if run_id is None:
            return
        async with self._courtesy(), get_client() as client:
            await client.set_flow_run_state(UUID(run_id), Running(name=name), force=True)

    async def pairs(self, pairs: Sequence[Pair]) -> None:
        """Show the pairs as a table."""
        rows = [pair_row(p) for p in pairs]
        async with self._courtesy():
            await acreate_table_artifact(table=rows, key="pairs", description="Pairs of this session")

    async def summary(self, markdown: str) -> None:
        """Show the final summary."""
        async with self._courtesy():
            await acreate_markdown_artifact(markdown=markdown, key="summary", description="How the session ended")

    async def _rename(self, desk: Desk, share: float) -> None:
        run_id = flow_run.id
        if run_id is None:
            return
        venues = "×".join(dict.fromkeys(ref.venue.value for ref in desk.accounts.values()))
        name = f"{desk.symbol.lower().replace('/', '-')} · {venues} · {share:.0f}%"
        async with get_client() as client:
            await client.update_flow_run(UUID(run_id), name=name)

    @asynccontextmanager
    async def _courtesy(self) -> AsyncIterator[None]:
        """Bound and guard a call to Prefect: its client would wait for minutes, and the lease and limits with it."""
        try:
            async with asyncio.timeout(COURTESY_S):
                yield
        except Exception as error:  # noqa: BLE001  (a picture in Prefect is never worth a session)
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if "complaint" not in self._shown:
            self._shown["complaint"] = True
            _log.warning("Prefect does not take artifacts now (%s); the session goes on", type(error).__name__)


async def publish(desk: Desk, course: Course, *, net_peak_usd: Decimal = ZERO) -> None:
    """Write the session's totals and append a metrics event; the store's events are gapless and replayable.

    While an open position cannot be valued nothing is written: old totals are better than wrong ones.

    net_peak_usd: the largest unhedged notional of the pair just done.
    """
    try:
        sums = tally(desk)
    except MarketDataUnavailable as error:
        desk.notices.append(f"totals are not up to date ({error})")
        return
    totals = course.totals(pnl=sums.net, fees=sums.fees, funding=sums.funding)
    course.series.note(desk.now(), sums.net)
    journal = desk.store.journal
    await journal.update_session_totals(desk.session_id, totals)
    net = sum(desk.positions.values(), ZERO)
    await say(desk, "metrics", "metrics_update", {
        "totalVolume": str(totals.volume_generated), "netPosition": str(net), "pnl": str(totals.pnl),
        "realizedPnl": str(sums.realized), "unrealizedPnl": str(sums.unrealized),
        "fees": str(totals.fees), "fundingPnl": str(totals.funding), "slippage": str(totals.slippage),
        "pairsFilled": totals.pairs_filled, "pairsUnwound": totals.pairs_unwound,
        "positions": {name: str(q) for name, q in desk.positions.items()},
        "lastDecision": course.last_decision,
        "netPeakUsd": str(net_peak_usd),
        "maxNetExposure": str(totals.max_net_exposure_usd),
        "maxDrawdown": _of_capital(desk, course.series.max_drawdown),
        "var95": _of_capital(desk, course.series.value_at_risk()),
        "nakedUsdSeconds": str(totals.naked_usd_seconds),
    })  # fmt: skip


def _of_capital(desk: Desk, loss: Decimal | None) -> str | None:
    """A loss (quote units) as a fraction of the capital the session began with; None where either is not known."""
    return None if loss is None or desk.capital <= 0 else str(loss / desk.capital)


async def say(desk: Desk, channel: str, kind: str, payload: Mapping[str, object]) -> None:
    """Append one event to the session."""
    await desk.store.journal.append_event(desk.session_id, at=desk.now(), channel=channel, type=kind, payload=payload)


def percent(desk: Desk, course: Course) -> float:
    """How far the session is: volume against its target, or time against its duration; 0 to 100."""
    if desk.goal.volume_target is not None:
        return round(float(min(course.volume / desk.goal.volume_target, Decimal(1))) * 100, 1)
    if desk.goal.duration_s is not None:
        elapsed = (desk.now() - course.started_at).total_seconds()
        return round(min(elapsed / desk.goal.duration_s, 1.0) * 100, 1)
    return 0.0


def pair_row(pair: Pair) -> dict[str, object]:
    """One line of the pairs table."""
    plan, outcome = pair.plan, pair.outcome
    return {
        "#": plan.sequence,
        "buy": f"{plan.buy_venue} ({plan.buy_account})",
        "sell": f"{plan.sell_venue} ({plan.sell_account})",
        "status": outcome.status.value,
        "quantity": f"{outcome.quantity:f}",
        "volume USD": f"{outcome.volume:.2f}",
        "slippage bps": "" if outcome.slippage is None else f"{outcome.slippage * 10_000:.2f}",
        "fees USD": f"{outcome.fees:.4f}",
        "leg skew ms": "" if outcome.leg_skew_ms is None else f"{outcome.leg_skew_ms:.0f}",
    }
