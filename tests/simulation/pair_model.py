"""The pair state machine against every venue that could be: a finite model, explored exhaustively.

The model runs the real `core.progress.decide` and `core.order.apply`. What it adds is a venue of which everything is
left open that the protocols leave open: an order arrives now, later within its validity, or never; it fills nothing,
a part or all; the answer comes, is lost, or is a refusal; a cancel crosses a fill; a question is answered late, with
"no such order" while the venue is behind, or not at all; the stream speaks or is silent; and the run may die and be
started again before and after each leg is sent and at every later step. All interleavings of these choices are walked
to a stated depth, and seeded random descents go to the end. The rules of the I/O round it (what is journalled when,
when "no such order" is believed) are those of tasks/place_pair.py.

`python -m tests.simulation.pair_model` walks further than the suite does and prints what it saw.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.account import AccountRef
from core.instrument import Market, Venue
from core.market import Book, Level
from core.numbers import ZERO
from core.order import (
    NeverSent,
    Order,
    OrderIntent,
    OrderReport,
    OrderStatus,
    OrderType,
    OutcomeLost,
    Reported,
    Side,
    TimeInForce,
    apply,
)
from core.pair import Action, Ask, Cancel, Done, Halt, PairFacts, PairPolicy, PairState, Place, Wait, begin
from core.pair_plan import LegPlan, PairPlan, Purpose
from core.progress import decide, is_absent

START = datetime(2026, 1, 1, tzinfo=UTC)
MID, LOT = Decimal(2500), Decimal("0.1")
VENUE_IS_BEHIND = timedelta(seconds=1)
POLICIES = {
    "take": PairPolicy(max_slippage=Decimal("0.005")),
    "rest": PairPolicy(max_slippage=Decimal("0.005"), primary=OrderType.LIMIT),
}


@dataclass(frozen=True, slots=True)
class AtVenue:
    """The truth about one order: copies that arrived, whether one may still arrive, whether it can still fill."""

    intent: OrderIntent
    arrived: int = 0
    may_arrive: bool = False
    is_live: bool = False
    filled: Decimal = ZERO
    changed_at: datetime = START

    def may_still_fill(self, now: datetime) -> bool:
        """Tell whether this order's filled quantity could still grow."""
        return self.is_live or (self.may_arrive and now <= self.intent.valid_until)


@dataclass(frozen=True, slots=True)
class World:
    """One state of run, journal and venues. lives: how often the run may still die."""

    pair: PairState
    venues: tuple[AtVenue, ...]
    now: datetime
    lives: int
    steps: int = 0

    @property
    def true_net(self) -> Decimal:
        """Net position of the pair as the venues know it, long positive."""
        return sum((v.filled * v.intent.side.sign for v in self.venues), ZERO)

    def key(self) -> tuple[object, ...]:
        """What makes two states the same: everything but the number of steps that led here."""
        orders = tuple((o.intent.client_order_id, o.status, o.filled_quantity, o.updated_at) for o in self.pair.orders)
        asked = tuple(sorted((k, v) for k, v in self.pair.last_asked.items()))
        truth = tuple((v.arrived, v.may_arrive, v.is_live, v.filled, v.changed_at) for v in self.venues)
        return (orders, asked, truth, self.now, self.lives)


@dataclass
class Tally:
    """What an exploration has seen."""

    states: int = 0
    transitions: int = 0
    deepest: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What is put to the proof; a test plants a wrong one to see it found."""

    policy: PairPolicy
    decide: Callable[[PairState, PairFacts, PairPolicy], Action] = decide
    is_absent: Callable[[Order, datetime, PairPolicy], bool] = is_absent


def explore(rules: Rules, *, depth: int, restarts: int = 1) -> Tally:
    """Walk every interleaving of at most `depth` steps, breadth first; a state seen before is not walked again."""
    tally = Tally()
    queue = deque([first(restarts)])
    seen = {queue[0].key()}
    while queue:
        world = queue.popleft()
        tally.states += 1
        tally.deepest = max(tally.deepest, world.steps)
        if world.steps >= depth:
            continue
        for after in successors(world, rules, tally):
            tally.transitions += 1
            check(after, tally)
            if (key := after.key()) not in seen:
                seen.add(key)
                queue.append(after)
    return tally


def descend(rules: Rules, seed: int, tally: Tally, *, restarts: int = 3, steps_max: int = 2000) -> None:
    """Walk one random way to the pair's end; that none comes within the bound is a violation as well."""
    rng, world = random.Random(seed), first(restarts)
    for _ in range(steps_max):
        ways = list(successors(world, rules, tally))
        if not ways:
            return
        world = rng.choice(ways)
        check(world, tally)
        tally.transitions += 1
        tally.deepest = max(tally.deepest, world.steps)
    tally.violations.append(f"seed {seed}: no end within {steps_max} steps")


def first(restarts: int) -> World:
    """A planned pair of which nothing was sent."""
    return World(begin(plan(), START, lot=LOT, offset=Decimal("0.0005")), (), START, restarts)


def check(world: World, tally: Tally) -> None:
    """No order is at a venue twice, and nothing is believed filled that is not."""
    for order, truth in zip(world.pair.orders, world.venues, strict=True):
        if truth.arrived + truth.may_arrive > 1:
            tally.violations.append(f"sent twice: {truth}")
        if order.filled_quantity > truth.filled:
            tally.violations.append(f"believed more than true: {order} {truth}")


def successors(world: World, rules: Rules, tally: Tally) -> Iterator[World]:
    """Everything that may come next: what the run does, in each way it may turn out, and the run's death."""
    action = rules.decide(world.pair, facts(world.now), rules.policy)
    step = replace(world, steps=world.steps + 1)
    match action:
        case Done():
            tally.ends[f"done {action.status.value}"] += 1
            if world.true_net != 0 or any(v.may_still_fill(world.now) for v in world.venues):
                tally.violations.append(f"finished and naked: {action} {world}")
            return
        case Halt():
            tally.ends["halt, exposure stated"] += 1
            return
        case Place(intents):
            yield from placed(step, intents)
        case Ask(orders):
            yield from asked(step, orders, rules)
        case Cancel(orders):
            yield from cancelled(step, orders)
        case Wait(until):
            yield from waited(step, until)
    if world.lives and world.pair.orders:
        yield died(step)


def placed(world: World, intents: tuple[OrderIntent, ...]) -> Iterator[World]:
    """Both intents are durable, then each leg is sent; the run may die before or after either."""
    known = {o.intent.client_order_id for o in world.pair.orders}
    assert not known & {i.client_order_id for i in intents}, "an intent was made anew under a used id"
    ways = [list(sent(intent, world.now)) for intent in intents]
    for outcomes in itertools.product(*ways):
        pair = world.pair
        for order, _ in outcomes:
            pair = pair.with_order(order)
        yield replace(world, pair=pair, venues=(*world.venues, *(truth for _, truth in outcomes)))
    if not world.lives:
        return
    silent = [(Order(i), AtVenue(i)) for i in intents]
    crossed = [(Order(i), AtVenue(i, may_arrive=True)) for i in intents]
    for legs in {tuple(pick) for pick in itertools.product(*zip(silent, crossed, strict=True))}:
        pair = world.pair
        for order, _ in legs:
            pair = pair.with_order(order)
        yield died(replace(world, pair=pair, venues=(*world.venues, *(truth for _, truth in legs))))


def sent(intent: OrderIntent, now: datetime) -> Iterator[tuple[Order, AtVenue]]:
    """One leg's ways: refused, never sent, lost on the way there, lost on the way back, taken and filled so far."""
    order = Order(intent)
    yield apply(order, report(order, OrderStatus.REJECTED, ZERO, now)), AtVenue(intent)
    yield apply(order, OutcomeLost(now, "lost")), AtVenue(intent, may_arrive=True, changed_at=now)
    for truth in arrivals(AtVenue(intent, changed_at=now), now):
        yield apply(order, OutcomeLost(now, "lost")), truth
        yield apply(order, report(order, OrderStatus.ACCEPTED, ZERO, now)), truth
        if not truth.is_live:
            yield apply(order, report(order, ended(truth), truth.filled, now)), truth


def arrivals(truth: AtVenue, now: datetime) -> Iterator[AtVenue]:
    """The order reaches the venue: a taking one fills nothing, a part or all and is over; a resting one rests."""
    there = replace(truth, arrived=truth.arrived + 1, may_arrive=False, changed_at=now)
    if truth.intent.time_in_force is TimeInForce.IOC:
        yield from (replace(there, filled=f) for f in portions(truth.intent.quantity))
    else:
        yield replace(there, is_live=True)


def portions(quantity: Decimal) -> Iterator[Decimal]:
    """Nothing, the smallest part, and all."""
    yield from sorted({ZERO, min(LOT, quantity), quantity})


def asked(world: World, orders: tuple[Order, ...], rules: Rules) -> Iterator[World]:
    """The venue is asked about each order: it tells, knows nothing (yet), or does not answer."""
    at = {o.intent.client_order_id: n for n, o in enumerate(world.pair.orders)}
    numbers = [at[o.intent.client_order_id] for o in orders]
    ways = [list(_answers(world, n, rules)) for n in numbers]
    for answers in itertools.product(*ways):
        pair = world.pair
        for n, order in zip(numbers, answers, strict=True):
            pair = pair.with_order(order).asked(order.intent.client_order_id, world.now)
            assert pair.orders[n] == order
        yield replace(world, pair=pair)


def _answers(world: World, n: int, rules: Rules) -> Iterator[Order]:
    order, truth = world.pair.orders[n], world.venues[n]
    yield order
    if truth.arrived:
        yield apply(order, told(order, truth, world.now))
    is_behind = not truth.arrived or world.now - truth.changed_at <= VENUE_IS_BEHIND
    if is_behind and order.status is not OrderStatus.ACCEPTED and rules.is_absent(order, world.now, rules.policy):
        if truth.filled:  # the executions are read as well, and they are complete
            yield apply(order, told(order, truth, world.now))
        else:
            yield apply(order, NeverSent(world.now, "the venue knows no such order, and it can no longer arrive"))


def cancelled(world: World, orders: tuple[Order, ...]) -> Iterator[World]:
    """Each cancel takes, crosses a fill of the rest, or is lost."""
    at = {o.intent.client_order_id: n for n, o in enumerate(world.pair.orders)}
    ways = []
    for order in orders:
        truth = world.venues[at[order.intent.client_order_id]]
        over = replace(truth, is_live=False, changed_at=world.now)
        ways.append([truth, over, replace(over, filled=truth.intent.quantity)] if truth.is_live else [truth])
    for truths in itertools.product(*ways):
        venues, pair = list(world.venues), world.pair
        for order, truth in zip(orders, truths, strict=True):
            venues[at[order.intent.client_order_id]] = truth
            pair = pair.asked("cancel/" + order.intent.client_order_id, world.now)
        yield replace(world, pair=pair, venues=tuple(venues))


def waited(world: World, until: datetime) -> Iterator[World]:
    """Time passes: late orders arrive or run out, resting ones fill, and the streams speak or are silent."""
    ways = []
    for truth in world.venues:
        choices = [truth]
        if truth.may_arrive:
            choices = [truth if world.now <= truth.intent.valid_until else replace(truth, may_arrive=False)]
            if world.now <= truth.intent.valid_until:
                choices += arrivals(truth, world.now)
        elif truth.is_live and truth.filled < truth.intent.quantity:
            choices += [_fill(truth, world.now, f) for f in portions(truth.intent.quantity) if f > truth.filled]
        ways.append(choices)
    for venues in itertools.product(*ways):
        quiet = replace(world, venues=venues, now=until)
        yield quiet
        speaking = world.pair
        for order, truth in zip(world.pair.orders, venues, strict=True):
            if truth.arrived:
                speaking = speaking.with_order(apply(order, told(order, truth, world.now)))
        if speaking != world.pair:
            yield replace(quiet, pair=speaking, now=world.now)


def _fill(truth: AtVenue, now: datetime, filled: Decimal) -> AtVenue:
    return replace(truth, filled=filled, is_live=filled < truth.intent.quantity, changed_at=now)


def died(world: World) -> World:
    """The run dies and is started again: what it had asked is forgotten, what it had not heard is unknown."""
    pair = replace(world.pair, last_asked={}, refused_ids=frozenset())
    for order in pair.orders:
        if order.status in (OrderStatus.INTENDED, OrderStatus.SENT):
            pair = pair.with_order(apply(order, OutcomeLost(world.now, "the run ended before the outcome was known")))
    return replace(world, pair=pair, lives=world.lives - 1)


def told(order: Order, truth: AtVenue, at: datetime) -> Reported:
    """What the venue says about an order that it has."""
    status = OrderStatus.ACCEPTED if truth.is_live else ended(truth)
    return report(order, status, truth.filled, at)


def ended(truth: AtVenue) -> OrderStatus:
    """How an order that is over has ended."""
    return OrderStatus.FILLED if truth.filled == truth.intent.quantity else OrderStatus.EXPIRED


def report(order: Order, status: OrderStatus, filled: Decimal, at: datetime) -> Reported:
    """A venue's report about an order."""
    intent = order.intent
    venue_id = "v" + intent.client_order_id
    return Reported(
        OrderReport(
            intent.venue, intent.account_id, intent.symbol, intent.client_order_id, venue_id, status, filled,
            MID if filled else None, None, at, at,
        )
    )  # fmt: skip


def facts(now: datetime) -> PairFacts:
    """Deep, quiet books: what the model varies is the venues' behaviour, not the market."""
    books = {}
    for name, venue in (("a", Venue.PACIFICA), ("b", Venue.PARADEX)):
        level = (Level(MID - LOT, Decimal(50)),), (Level(MID + LOT, Decimal(50)),)
        books[name] = Book(venue, "ETH/USD", *level, 1, now, now)
    return PairFacts(books, now)


def plan() -> PairPlan:
    """Two lots bought on one venue and sold on another."""
    legs = [
        LegPlan(AccountRef(name, venue, "me"), _market(venue), side, 2 * LOT, False, False)
        for name, venue, side in (("a", Venue.PACIFICA, Side.BUY), ("b", Venue.PARADEX, Side.SELL))
    ]
    return PairPlan("pair", "session", 1, Purpose.OPEN, legs[0], legs[1], 2 * LOT, MID, MID)


def _market(venue: Venue) -> Market:
    return Market(
        venue=venue, symbol="ETH/USD", venue_symbol="ETH", base="ETH", quote="USD", tick=Decimal("0.1"), lot=LOT,
        min_quantity=LOT, min_notional=Decimal(10), max_quantity=None, max_notional=None,
        initial_margin=Decimal("0.02"), maintenance_margin=Decimal("0.01"), maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"), funding_interval_s=3600,
    )  # fmt: skip


def main(depth: int, descents: int) -> int:
    """Explore both ways of opening a pair and print the count of states; exit status 1 on a violation."""
    bad = 0
    for name, policy in POLICIES.items():
        began = time.monotonic()
        tally = explore(Rules(policy), depth=depth)
        print(f"{name}: {tally.states:,} states, {tally.transitions:,} transitions: every way of {depth} steps")
        for seed in range(descents):
            descend(Rules(policy), seed, tally)
        ends = ", ".join(f"{what} {count:,}" for what, count in sorted(tally.ends.items()))
        print(f"{name}: {descents:,} random ways to the end, up to {tally.deepest} steps; ends seen: {ends}")
        print(f"{name}: {len(tally.violations)} violations, {time.monotonic() - began:.0f} s")
        print(*tally.violations[:3], sep="\n")
        bad += len(tally.violations)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else 2000))
