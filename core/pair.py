"""A pair in progress: its plan, every order journalled for it, and the actions that may come next. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.market import Book
from core.numbers import ZERO
from core.order import Order, OrderIntent, OrderType, Side
from core.plan import LegPlan, PairPlan
from core.pricing import per_leg
from core.strategy import Strategy

# An order is valid as long as the pair may wait for its leg, within these bounds: below the lower one the venues' own
# delays and the doubt about their clocks would refuse good orders, above the upper one a late leg is no hedge any more.
# One that takes is given the lower: a lost one is not proven lost before its time is over, and the other leg is alone.
VALIDITY_S_MIN = 2.0
VALIDITY_S_MAX = 5.0


class PairStatus(StrEnum):
    """How a pair stands: `pending` and `partial` while it runs, the rest final."""

    PENDING = "pending"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNWOUND = "unwound"


@dataclass(frozen=True, slots=True)
class PairPolicy:
    """Bounds of one pair. Times in seconds, slippage as a fraction.

    validity_s, taking_validity_s: how long after it was made an order that rests, or takes, may still reach the venue.
    ask_after_s: how long an order may be silent before the venue is asked. proof_after_s: how long after an
    order's validity ended a "no such order" proves that it never arrived. rest_s: how long resting legs wait
    for a first fill. max_leg_delay_s: after this the slippage bound of a repair is widened by `urgency`.
    unknown_bound_s: how long an unknown outcome may stay unknown before the pair halts. repairs_max: orders after the
    first two before the pair halts; retries_max: those that it may have in all, one per unknown bound once halted.
    refusals_max: refusals of a trade within max_leg_delay_s after which it is not tried for the moment.
    """

    max_slippage: Decimal
    primary: OrderType = OrderType.MARKET
    fallback: OrderType = OrderType.MARKET
    ask_after_s: float = 1.0
    proof_after_s: float = 1.0
    validity_s: float = VALIDITY_S_MAX
    taking_validity_s: float = VALIDITY_S_MIN
    rest_s: float = 4.0
    max_leg_delay_s: float = 10.0
    unknown_bound_s: float = 60.0
    urgency: Decimal = Decimal(3)
    repairs_max: int = 8
    retries_max: int = 90
    refusals_max: int = 2


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What is seen now: live books by account id (absent while a feed is not proven) and the time."""

    books: Mapping[str, Book]
    now: datetime


@dataclass(frozen=True, slots=True)
class PairState:
    """A plan and every order journalled for it, in the order they were journalled.

    lot: the session's common lot; a hedged size lies on it, so that any two of its venues can close it later.
    offset: how far from mid resting legs are quoted, a fraction. last_asked: when a venue was last asked about an
    order (by client order id), asked to cancel it ("cancel/" + id), or answered that it knows of none ("absent/" + id).
    refused_ids: client order ids that the journal refused because the venue's short form of them is taken.
    """

    plan: PairPlan
    lot: Decimal
    offset: Decimal
    orders: tuple[Order, ...]
    started_at: datetime
    last_asked: Mapping[str, datetime]
    refused_ids: frozenset[str] = frozenset()

    def of(self, leg: LegPlan) -> tuple[Order, ...]:
        """The orders of one leg (legs are on different accounts, so the account tells)."""
        return tuple(o for o in self.orders if o.intent.account_id == leg.account.account_id)

    def hedged(self, leg: LegPlan) -> Decimal:
        """Base units filled in the leg's direction; an undo counts negative."""
        return sum((o.signed_filled for o in self.of(leg)), ZERO) * leg.side.sign

    def arrival_mid(self, leg: LegPlan) -> Decimal:
        """The mid of the leg's own book when the pair was planned; slippage is measured against it."""
        return self.plan.buy_mid if leg.side is Side.BUY else self.plan.sell_mid

    @property
    def net(self) -> Decimal:
        """Net delta of the pair in base units, long positive; zero when hedged."""
        return sum((o.signed_filled for o in self.orders), ZERO)

    @property
    def status(self) -> PairStatus:
        """The status of a pair that still runs."""
        return PairStatus.PARTIAL if any(o.filled_quantity for o in self.orders) else PairStatus.PENDING

    def with_order(self, order: Order) -> PairState:
        """Return the state with an order added or replaced by client order id."""
        key = order.intent.client_order_id
        if any(o.intent.client_order_id == key for o in self.orders):
            orders = tuple(order if o.intent.client_order_id == key else o for o in self.orders)
        else:
            orders = (*self.orders, order)
        return replace(self, orders=orders)

    def asked(self, key: str, at: datetime) -> PairState:
        """Return the state with the time at which a venue was last asked about an order."""
        return replace(self, last_asked={**self.last_asked, key: at})


@dataclass(frozen=True, slots=True)
class RepairCosts:
    """Expected cost in quote units of the ways out of uneven legs; None where one is not possible now.

    chase completes the lagging leg, unwind takes the leading one back, wait is the chase plus what the spread
    risk of one more second costs at the session's slippage bound.
    """

    chase: Decimal | None
    wait: Decimal | None
    unwind: Decimal | None


@dataclass(frozen=True, slots=True)
class Place:
    """Journal all of these in one commit, then send them at the same moment."""

    intents: tuple[OrderIntent, ...]
    reason: str
    costs: RepairCosts | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venues to cancel these orders; their final state still has to be learnt."""

    orders: tuple[Order, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the venues what became of these orders, by client order id."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a stream speaks or this time comes."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The pair has ended hedged. quantity is the hedged size in base units."""

    status: PairStatus
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """The pair cannot be brought to an end now. net is the known exposure in base units, long positive."""

    net: Decimal
    reason: str


Action = Place | Cancel | Ask | Wait | Done | Halt


def begin(plan: PairPlan, now: datetime, *, lot: Decimal, offset: Decimal) -> PairState:
    """Return the state of a pair of which nothing was sent yet."""
    return PairState(plan, lot, offset, (), now, {})


def policy_of(strategy: Strategy) -> PairPolicy:
    """Derive a pair's bounds from the session's strategy; each leg gets its share of the slippage bound."""
    return PairPolicy(
        max_slippage=per_leg(strategy.max_slippage),
        primary=strategy.primary,
        fallback=strategy.fallback,
        max_leg_delay_s=strategy.max_leg_delay_s,
        validity_s=min(max(strategy.max_leg_delay_s, VALIDITY_S_MIN), VALIDITY_S_MAX),
    )
