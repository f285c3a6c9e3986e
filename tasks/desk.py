"""The desk of one session: its accounts' clients, live books, working orders and journal, for the tasks to use.

It turns what the streams say into journalled facts and answers questions about now. It decides nothing: decisions
are core's, and the story of a session is the flow's.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from connectors.settings import Environment, Outside
from connectors.venue import (
    AccountEvent,
    BalanceUpdate,
    Disconnected,
    FillUpdate,
    FundingUpdate,
    MarginUpdate,
    OrderUpdate,
    PositionUpdate,
    Reconnected,
    TradeBusted,
    VenueClient,
)
from core.account import AccountRef, Margin, Position
from core.errors import LeaseLost, MarketDataUnavailable
from core.funding_check import PriceRange
from core.instrument import Market
from core.market import Book, FundingPayment, FundingRate, Mark
from core.market_data import SystemStatus
from core.numbers import ZERO, common_step
from core.order import Fill, FillCause, Order, OrderReport, OrderStatus, Reported, apply
from core.reduction import reduction_pair_id
from core.risk import RiskLimits
from core.strategy import SessionGoal, Strategy
from store import Store, StoreError

_log = logging.getLogger("hedging.desk")

LEASE_TTL_S = 20.0
LEASE_MARGIN_S = 4.0
LEASE_RENEW_S = 5.0
# A run whose steps have not stirred for this long has hung; its lease is let go, so that another one may take over.
LEASE_UNATTENDED_S = 180.0
_LEASE_RETRY_S = 1.0
# Prices this near to a full funding interval are kept; a pair in progress may keep the session from looking sooner.
FUNDING_NEAR_S = 20.0


@dataclass(slots=True)
class Lease:
    """The right to drive a session and its accounts; worthless once the clock passes `expires_at`, or once lost.

    stirred_at: when a step of the run last asked for it.
    """

    scopes: tuple[str, ...]
    holder: str
    attempt: int
    expires_at: datetime
    is_lost: bool = False
    stirred_at: datetime | None = None


@dataclass(slots=True)
class Desk:
    """Everything a session's tasks share.

    settled: signed base units of all ended pairs by account. working: the orders of the pair in progress, by client
    order id. absent_since: when a venue first said, after an order's time, that it knows none of this client order id.
    foreign: executions on these accounts that no order of the session explains (yet); foreign_held: signed
    base units there that are known to be somebody else's, judged: the executions that made them. recheck: something was
    told that the venues' positions must be compared for.
    """

    session_id: str
    environment: Environment
    strategy: Strategy
    goal: SessionGoal
    limits: RiskLimits
    accounts: Mapping[str, AccountRef]
    clients: Mapping[str, VenueClient]
    store: Store
    outside: Outside
    rng: random.Random
    lease: Lease
    markets: dict[str, Market] = field(default_factory=dict)
    settled: dict[str, Decimal] = field(default_factory=dict)
    volumes: dict[str, Decimal] = field(default_factory=dict)
    margins: dict[str, Margin] = field(default_factory=dict)
    funding: dict[str, FundingRate] = field(default_factory=dict)
    working: dict[str, Order] = field(default_factory=dict)
    absent_since: dict[str, datetime] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    foreign: list[Fill] = field(default_factory=list)
    foreign_held: dict[str, Decimal] = field(default_factory=dict)
    judged: set[tuple[str, str]] = field(default_factory=set)
    recheck: bool = False
    seen: set[tuple[str, str]] = field(default_factory=set)
    payments: list[FundingPayment] = field(default_factory=list)
    low_marks: dict[str, Decimal] = field(default_factory=dict)
    capital: Decimal = ZERO
    forced: list[Fill] = field(default_factory=list)
    busts: list[TradeBusted] = field(default_factory=list)
    funding_news: list[FundingPayment] = field(default_factory=list)
    held: dict[str, Position] = field(default_factory=dict)
    statuses: dict[str, SystemStatus] = field(default_factory=dict)
    day_volumes: dict[str, Decimal] = field(default_factory=dict)
    uncapped: set[str] = field(default_factory=set)
    behind: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    funding_prices: dict[tuple[str, datetime], PriceRange] = field(default_factory=dict)

    @property
    def symbol(self) -> str:
        """The market this session trades, e.g. ETH/USD."""
        return self.strategy.symbol

    @property
    def lot(self) -> Decimal:
        """The common lot of all the session's venues, base units."""
        return common_step(*(m.lot for m in self.markets.values()))

    def now(self) -> datetime:
        """The time, from the clock this desk was given."""
        return self.outside.clock()

    def books(self) -> dict[str, Book]:
        """Live books whose continuity is proven, by account; an account without one is absent."""
        found = ((name, client.feed.book(self.symbol)) for name, client in self.clients.items())
        return {name: book for name, book in found if book is not None}

    def marks(self) -> dict[str, Mark]:
        """Last marks by account; an account without one is absent."""
        found = ((name, client.feed.mark(self.symbol)) for name, client in self.clients.items())
        return {name: mark for name, mark in found if mark is not None}

    def mark_prices(self) -> dict[str, Decimal]:
        """Mark prices of all accounts in quote units; raises MarketDataUnavailable when one is missing."""
        marks = self.marks()
        for name, mark in marks.items():
            self.low_marks[name] = min(mark.mark, self.low_marks.get(name, mark.mark))
            self._note_funding_price(name, mark)
        missing = [name for name in self.accounts if name not in marks]
        if missing:
            raise MarketDataUnavailable(f"no mark price for {', '.join(missing)}", accounts=missing)
        return {name: mark.mark for name, mark in marks.items()}

    def _note_funding_price(self, name: str, mark: Mark) -> None:
        """Keep the prices seen around a full funding interval: payments are recomputed from them."""
        span_s = self.markets[name].funding_interval_s
        elapsed_s = self.now().timestamp()
        end = datetime.fromtimestamp(round(elapsed_s / span_s) * span_s, tz=self.now().tzinfo)
        if abs(elapsed_s - end.timestamp()) <= FUNDING_NEAR_S:
            for price in (p for p in (mark.mark, mark.index) if p is not None):
                seen = self.funding_prices.get((name, end), PriceRange(price, price))
                self.funding_prices[name, end] = seen.with_price(price)

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed base units the session itself holds, by account: ended pairs and what filled of the running one."""
        held = dict(self.settled)
        for order in self.working.values():
            held[order.intent.account_id] += order.signed_filled
        return held

    @property
    def expected(self) -> dict[str, Decimal]:
        """What the venues should show by account: the session's own and what is known to be somebody else's."""
        return {name: held + self.foreign_held.get(name, ZERO) for name, held in self.positions.items()}

    @property
    def net(self) -> Decimal:
        """Signed base units that no other leg of the session hedges, long positive."""
        return sum(self.positions.values(), ZERO)

    @property
    def is_flat(self) -> bool:
        """True when the session holds no position on any account."""
        return not any(self.positions.values())

    def require_lease(self) -> None:
        """Raise LeaseLost unless this run may still send orders; asked before every order, without I/O."""
        if self.lease.is_lost or self.now() > self.lease.expires_at - timedelta(seconds=LEASE_MARGIN_S):
            raise LeaseLost(f"session {self.session_id}: the lease ran out; another run may drive it now")

    async def keep_lease(self) -> None:
        """Renew the lease when it is due; called at every step that takes time. Raises LeaseLost."""
        self.lease.stirred_at = self.now()
        if self.lease.is_lost or self.now() > self.lease.expires_at - timedelta(seconds=LEASE_TTL_S - LEASE_RENEW_S):
            await self.renew_lease()

    async def renew_lease(self) -> None:
        """Extend the lease; raise LeaseLost when another run has taken it."""
        lease, now = self.lease, self.now()
        kept = await self.store.journal.renew_many(
            lease.scopes, lease.holder, attempt=lease.attempt, ttl_s=LEASE_TTL_S, now=now
        )
        if not kept or lease.is_lost:
            lease.expires_at, lease.is_lost = now, True
            raise LeaseLost(
                f"session {self.session_id} or one of its accounts is driven by another run; this one stops"
            )
        lease.expires_at = max(lease.expires_at, now + timedelta(seconds=LEASE_TTL_S))

    async def keep_lease_alive(self) -> None:
        """Renew the lease beside the run's steps, so that a venue that hangs does not end it; for a task of the run.

        Returns when the lease is lost (ordering stops at once) or when the run has not stirred for too long.
        """
        self.lease.stirred_at = self.lease.stirred_at or self.now()
        pause = LEASE_RENEW_S
        while True:
            await self.outside.sleep(pause)
            if self.now() - self.lease.stirred_at > timedelta(seconds=LEASE_UNATTENDED_S):
                _log.error("session %s: no step for %.0f s; its lease is let go", self.session_id, LEASE_UNATTENDED_S)
                return
            try:
                await self.renew_lease()
            except LeaseLost as lost:
                _log.error("%s", lost)
                return
            except StoreError as error:
                _log.warning("session %s: the lease could not be renewed (%s)", self.session_id, error)
                pause = _LEASE_RETRY_S
            else:
                pause = LEASE_RENEW_S

    async def borrow_ahead(self) -> None:
        """Have request credits at hand before the legs go out; joins the commit that journals them."""
        if self.outside.budgets is not None:
            await self.outside.budgets.borrow_ahead()

    async def absorb(self) -> None:
        """Take everything the private streams said since the last call: apply to working orders, journal fills."""
        fresh: list[Fill] = []
        for name, client in self.clients.items():
            for event in client.feed.drain():
                if isinstance(event, FillUpdate):
                    fresh.append(event.fill)
                else:
                    self._note(name, event)
        await self.note_fills(fresh)

    def _note(self, name: str, event: OrderUpdate | AccountEvent | Disconnected | Reconnected) -> None:
        """Remember what a stream said; what has to be journalled waits for the beat, never between two legs."""
        match event:
            case OrderUpdate(report):
                self.note_report(report)
            case MarginUpdate(margin):
                known = self.margins.get(name)
                if known is None or margin.received_time >= known.received_time:
                    self.margins[name] = margin
            case PositionUpdate(position):
                if position.symbol == self.symbol:
                    self.held[name] = position
                    self.recheck |= not self.working and position.quantity != self.expected[name]
            case BalanceUpdate():
                pass  # single assets say nothing that the margin does not say
            case FundingUpdate(payment):
                self.funding_news.append(payment)
            case TradeBusted():
                self.busts.append(event)
            case Disconnected(channel, _, reason):
                self.behind.add(name)
                self.notices.append(f"{name}: {channel} stream lost ({reason})")
            case Reconnected():
                self.behind.add(name)
                self.recheck = True
            case _:
                assert_never(event)

    async def note_fills(self, fills: Iterable[Fill]) -> None:
        """Journal executions once each and let them speak for their orders; foreign ones and undoings stay apart."""
        new = [f for f in fills if (f.account_id, f.trade_id) not in self.seen]
        if not new:
            return
        recorded = await self.store.journal.record_fills(new)
        self.seen.update((f.account_id, f.trade_id) for f in new)
        touched = set()
        for fill in recorded:
            if (key := fill.client_order_id) is not None and self._speaks_for(fill, key):
                self.fills.append(fill)
                self.volumes[fill.account_id] += fill.quantity * fill.price
                touched.add(key)
            elif fill.cause is FillCause.TRADE:
                self.foreign.append(fill)
                self.recheck = True
            if fill.cause is not FillCause.TRADE:
                self.forced.append(fill)
        for key in touched:
            self._apply_fills(key)

    def rematch(self) -> None:
        """Give executions that came before their order's venue id was known to the order that explains them."""
        waiting, self.foreign = self.foreign, []
        touched = set()
        for fill in waiting:
            key = self._key_of(fill.account_id, fill.venue_order_id)
            if key is None or not self._speaks_for(fill, key):
                self.foreign.append(fill)
            else:
                self.fills.append(replace(fill, client_order_id=key))
                self.volumes[fill.account_id] += fill.quantity * fill.price
                touched.add(key)
        for key in touched:
            self._apply_fills(key)

    def take_up(self, orders: Iterable[Order]) -> None:
        """Make these the working orders, with everything the known executions say about them.

        A reduction among the last ones that has ended stays the session's: no pair will ever take it up again.
        """
        taken = {o.intent.client_order_id: o for o in orders}
        alone = reduction_pair_id(self.session_id)
        for key, order in self.working.items():
            if key not in taken and order.intent.pair_id == alone and order.status.is_final:
                self.settled[order.intent.account_id] += order.signed_filled
        self.working = taken
        for key in self.working.keys() & {f.client_order_id for f in self.fills}:
            self._apply_fills(key)

    def put_down(self) -> None:
        """The pair has ended: its orders' fills become settled positions."""
        self.settled = self.positions
        self.working = {}

    def note_report(self, report: OrderReport) -> None:
        """Apply what a venue said about one of the working orders; foreign orders are left alone."""
        key = report.client_order_id or self._key_of(report.account_id, report.venue_order_id)
        order = self.working.get(key) if key else None
        if order is not None and key is not None:
            self.working[key] = apply(order, Reported(report))

    async def wait(self, until: datetime) -> None:
        """Sleep until a private stream has something to say or the time comes."""
        timeout = max(0.001, (until - self.now()).total_seconds())
        waits = [asyncio.ensure_future(c.feed.wait(timeout)) for c in self.clients.values()]
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pending in waits:
                pending.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def refresh_margins(self) -> None:
        """Read margins of all accounts; one that cannot be read is forgotten, which closes the gate for it."""
        names = list(self.clients)
        answers = await asyncio.gather(*(self.clients[n].margin() for n in names), return_exceptions=True)
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, Margin):
                self.margins[name] = answer
            elif isinstance(answer, Exception):
                self.margins.pop(name, None)
                self.notices.append(f"{name}: margin could not be read ({answer})")
            else:
                raise answer

    def _speaks_for(self, fill: Fill, key: str) -> bool:
        return key in self.working and self.working[key].intent.side is fill.side

    def _key_of(self, account_id: str, venue_order_id: str | None) -> str | None:
        if venue_order_id is None:
            return None
        for key, order in self.working.items():
            if order.intent.account_id == account_id and order.venue_order_id == venue_order_id:
                return key
        return None

    def _apply_fills(self, key: str) -> None:
        own = [f for f in self.fills if f.client_order_id == key]
        filled = sum((f.quantity for f in own), ZERO)
        paid = sum((f.quantity * f.price for f in own), ZERO)
        last = own[-1]
        report = OrderReport(
            last.venue, last.account_id, last.symbol, key, last.venue_order_id, OrderStatus.ACCEPTED,
            filled, paid / filled, None, last.venue_time, last.received_time,
        )  # fmt: skip
        self.working[key] = apply(self.working[key], Reported(report))


_current: ContextVar[Desk] = ContextVar("desk")


def current() -> Desk:
    """The desk of the session that runs in this context; clients and keys are never parameters of a task."""
    return _current.get()


def sit_down(desk: Desk) -> None:
    """Make a desk the current one of this context."""
    _current.set(desk)
