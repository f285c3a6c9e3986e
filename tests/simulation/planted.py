"""Bugs to plant into whole sessions, one for each law: in what is handed in, never in the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import update

from connectors.venue import CancelOutcome, CancelTaken, FillUpdate, NotFound, PlaceOutcome, Unknown
from core.account import Position
from core.numbers import ZERO
from core.order import Fill, OrderIntent, OrderReport, OrderStatus
from core.reduction import reduction_pair_id
from flows.steps import Steps
from store.records import PairOutcome
from store.rows import columns_of
from store.tables import PAIRS
from tasks.place_pair import PairEnd
from tasks.reconcile_fills import Reconciled
from tests.fakes.venue import FakeVenue
from tests.simulation.session_run import Bug


class Wrapped:
    """A client like the venue's own, but for what a bug changes."""

    def __init__(self, venue: FakeVenue) -> None:
        self.fake = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fake, name)


class BelievesItsCancels(Wrapped):
    """Takes an order for cancelled that it never asked the venue to cancel."""

    def __init__(self, venue: FakeVenue) -> None:
        super().__init__(venue)
        self._believed: set[str] = set()

    async def cancel(self, intent: OrderIntent, venue_order_id: str | None) -> CancelOutcome:
        """Ask nobody."""
        self._believed.add(intent.client_order_id)
        return CancelTaken()

    async def order(self, intent: OrderIntent, venue_order_id: str | None) -> OrderReport | NotFound:
        """Say what is believed."""
        answer = await self.fake.order(intent, venue_order_id)
        if isinstance(answer, OrderReport) and intent.client_order_id in self._believed and not answer.status.is_final:
            return replace(answer, status=OrderStatus.CANCELLED)
        return answer


class SendsAgain(Wrapped):
    """Sends an order once more when its answer did not come."""

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Retry blindly."""
        outcome = await self.fake.place(intent)
        return await self.fake.place(intent) if isinstance(outcome, Unknown) else outcome


class ReducesTooMuch(Wrapped):
    """Sends three times of what a reduction asks for, and no venue minds."""

    async def place(self, intent: OrderIntent) -> PlaceOutcome:
        """Take more away than there is."""
        if intent.pair_id == reduction_pair_id(intent.session_id):
            intent = replace(intent, quantity=intent.quantity * 3)
        return await self.fake.place(intent)


class Feed:
    """A feed that changes each execution on its way."""

    def __init__(self, venue: FakeVenue, wrong: Any) -> None:
        self._feed, self._wrong = venue.feed, wrong

    def drain(self) -> tuple[object, ...]:
        """Change what was told."""
        events = self._feed.drain()
        return tuple(FillUpdate(self._wrong(e.fill)) if isinstance(e, FillUpdate) else e for e in events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)


class Misreads(Wrapped):
    """Reads one figure of each execution wrongly, in the stream and by REST."""

    def wrong(self, fill: Fill) -> Fill:
        """Round the price to whole units."""
        return replace(fill, price=fill.price.to_integral_value())

    @property
    def feed(self) -> Feed:
        """Wrong."""
        return Feed(self.fake, self.wrong)

    async def fills(self, symbol: str, since: datetime, *, is_question: bool = False) -> Sequence[Fill]:
        """Wrong as well."""
        return [self.wrong(fill) for fill in await self.fake.fills(symbol, since)]


class ForgetsFees(Misreads):
    """Takes each execution to be free."""

    def wrong(self, fill: Fill) -> Fill:
        """Drop the fee."""
        return replace(fill, fee=ZERO)


class ShowsNoPosition(Wrapped):
    """Answers a position read with nothing: failure turned into a number."""

    async def positions(self) -> Sequence[Position]:
        """Nothing is held, whatever is held."""
        return []


def counts_double(steps: Steps) -> Steps:
    """Count every pair's volume twice, as venues that count both legs would."""

    async def reconcile(end: PairEnd) -> Reconciled:
        found = await steps.reconcile_fills(end)
        return replace(found, result=replace(found.result, volume=found.result.volume * 2))

    return replace(steps, reconcile_fills=reconcile)


def forgets_naked_time(steps: Steps) -> Steps:
    """Spend nothing of the session's budget, however long legs stand alone."""

    async def reconcile(end: PairEnd) -> Reconciled:
        found = await steps.reconcile_fills(end)
        return replace(found, result=replace(found.result, naked_usd_seconds=ZERO))

    return replace(steps, reconcile_fills=reconcile)


class EndsPairsItself:
    """A journal that writes a pair's end past the store's own operation."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    async def complete_pair(self, pair_id: str, outcome: PairOutcome, reason: str | None = None) -> None:
        """Write the outcome and nothing else."""
        mine = update(PAIRS).where(PAIRS.c.pair_id == pair_id)
        write = self._journal.writer.write
        await write(lambda tx: tx.connection.execute(mine.values(**columns_of(outcome), change=tx.change)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


PLANTED: dict[str, Bug] = {
    "own orders never meet": Bug(client=BelievesItsCancels),
    "no order is sent twice": Bug(client=SendsAgain),
    "the journal is the venues' truth": Bug(client=Misreads),
    "it ends flat or says what is left": Bug(client=ShowsNoPosition),
    "naked time is bounded": Bug(steps=forgets_naked_time),
    "volume is what was hedged": Bug(steps=counts_double),
    "a reduction only reduces": Bug(client=ReducesTooMuch),
    "the ledger balances": Bug(client=ForgetsFees),
    "every pair that ended is certified once": Bug(journal=EndsPairsItself),
}
