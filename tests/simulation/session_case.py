"""One random session: what is asked for, what venues do to its orders, what happens beside, when the run dies.

Everything is drawn from the seed alone. Until the calm everything may happen; from then on venues do what they are
asked, an operator acknowledges what is open and stops the session.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from connectors.clock import ClockOffset
from core.instrument import Venue
from core.market_data import VenueState
from core.order import FillCause, OrderIntent, TimeInForce
from store import Store
from store.records import BreachAction, CommandKind
from tests.fakes.venue import HALF, LOST, LOST_ON_THE_WAY, NOT_SENT, NOTHING, REJECTED, WHOLE, Answer, FakeVenue, Script
from tests.fakes.world import SESSION, World, make_world
from tests.simulation.lives import wipe

D = Decimal
CALM_S = 120.0
FLOORS = (
    {"a": Venue.PACIFICA, "b": Venue.PARADEX},
    {"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.BACKPACK},
    {"a": Venue.PACIFICA, "b": Venue.PARADEX, "d": Venue.PACIFICA},
    {"a": Venue.PACIFICA, "b": Venue.PARADEX, "d": Venue.PACIFICA, "e": Venue.PARADEX},
)
# What may become of an order: name, weight, script.
WAYS: tuple[tuple[str, int, Script], ...] = (
    ("partial fill", 6, HALF),
    ("partial fill", 4, Script(share=D("0.13"))),
    ("partial fill in pieces", 4, Script(share=D("0.71"), pieces=4)),
    ("no fill", 4, NOTHING),
    ("refused", 4, REJECTED),
    ("request not sent", 3, NOT_SENT),
    ("request lost", 3, LOST_ON_THE_WAY),
    ("answer lost after fill", 4, LOST),
    ("answer lost before fill", 3, replace(LOST, fill_after_s=1.3)),
    ("arrives late", 3, Script(answer=Answer.UNKNOWN, arrives_after_s=0.5)),
    ("arrives late", 3, Script(answer=Answer.UNKNOWN, arrives_after_s=3.0)),
    ("late fill", 3, Script(fill_after_s=2.5)),
    ("slow answer", 3, Script(answer_after_s=1.5)),
    ("stream silent", 3, Script(events_after_s=None)),
    ("stream late", 3, Script(events_after_s=4.0, rest_after_s=2.0)),
    ("stream says it twice", 4, Script(copies=3, pieces=3)),
    ("stream in wrong order", 4, Script(pieces=3, reordered_s=0.6, copies=2)),
    ("no client id in answers", 2, Script(answer=Answer.UNKNOWN, anonymous=True)),
    ("order history behind", 3, Script(answer=Answer.UNKNOWN, events_after_s=None, not_found=2)),
    ("cancel crosses a fill", 5, Script(cross=D("0.3"), fill_after_s=500)),
    ("cancel crosses a fill", 3, Script(cross=D(1), fill_after_s=500, cancel=Answer.UNKNOWN)),
    ("cancel not sent", 2, Script(fill_after_s=500, cancel=Answer.NOT_SENT)),
)


@dataclass
class Case:
    """A world made ready, with what was counted while it lived. deaths: how many of its runs die.

    naked_budget: dollar-seconds that legs may stand alone, None: what follows from the strategy.
    """

    seed: int
    world: World
    rng: random.Random
    deaths: int
    naked_budget: Decimal | None
    faults: Counter[str] = field(default_factory=Counter)


def draw(seed: int, store: Store) -> Case:
    """Make the case of a seed over a store, whose rows are removed."""
    rng = random.Random(seed)
    floor = rng.choice(FLOORS)
    wipe(store)
    world = make_world(store.home, venues=floor, seed=seed, store=store, **_request(rng))  # type: ignore[arg-type]
    case = Case(seed, world, rng, rng.choice([0, 0, 0, 1, 1, 2, 3]), rng.choice([None, None, D(30)]))
    _drift(world, random.Random(f"{seed}/prices"))
    intensity = rng.choice([0.0, 0.15, 0.35, 0.6])
    for name, venue in world.venues.items():
        venue.otherwise = _faulty(case, venue, random.Random(f"{seed}/orders/{name}"), intensity)
        venue.is_history_dear = random.Random(f"{seed}/dear/{name}").random() < 0.5
    _beside(case, random.Random(f"{seed}/beside"), 0 if intensity == 0.0 else 5)
    _from_outside(case, random.Random(f"{seed}/outside"))
    _operators(case, random.Random(f"{seed}/operators"))
    return case


def _request(rng: random.Random) -> dict[str, object]:
    smallest = rng.choice([50, 100, 200])
    shortest = rng.choice([0.5, 1, 4])
    goals: list[dict[str, object]] = [
        {"volumeTarget": str(rng.choice([600, 1200, 2000]))},
        {"volumeTarget": None, "duration": rng.choice([20_000, 45_000])},
        {"volumeTarget": "1500", "duration": 40_000},
    ]
    strategy = {
        "symbol": "ETH/USD",
        "volumeDistribution": rng.choice(["equal", "weighted"]),
        "priceRange": {"min": "0.0001", "max": rng.choice(["0.0005", "0.002"])},
        "timing": {
            "minInterval": shortest,
            "maxInterval": shortest + rng.choice([1, 5]),
            "orderSize": {"min": smallest, "max": smallest * rng.choice([1, 3])},
        },
        "riskLimits": {
            "maxPositionSize": rng.choice(["0.25", "0.4"]),
            "stopLossThreshold": "0.05",
            "maxSlippage": rng.choice(["0.003", "0.01"]),
        },
        "orderTypes": {
            "primary": rng.choice(["market", "limit"]),
            "fallback": rng.choice(["market", "market", "limit"]),
        },
    }
    return {"strategy": strategy, **rng.choice(goals)}


def _faulty(
    case: Case, venue: FakeVenue, rng: random.Random, intensity: float
) -> Callable[[OrderIntent], Script]:  # fmt: skip
    names, weights, scripts = zip(*WAYS, strict=True)

    def script(intent: OrderIntent) -> Script:
        resting = intent.time_in_force is not TimeInForce.IOC
        delay = rng.choice([0.3, 1.0, 3.0, 8.0]) if resting else 0.0
        if rng.random() >= intensity:
            return replace(WHOLE, fill_after_s=delay)
        (index,) = rng.choices(range(len(WAYS)), weights)
        case.faults[names[index]] += 1
        chosen = scripts[index]
        # What takes does not rest: it fills within moments or never.
        latest = max(chosen.fill_after_s, delay) if resting else min(chosen.fill_after_s, 2.5)
        return replace(chosen, fill_after_s=latest)

    case.world.clock.later(CALM_S, lambda: _calm_down(venue))
    return script


def _calm_down(venue: FakeVenue) -> None:
    venue.otherwise = lambda intent: WHOLE
    for read in ("order", "fills", "positions", "margin"):
        venue.fail(read, 0)


def _drift(world: World, rng: random.Random) -> None:
    """Let the venues' prices wander together, with a little basis, every second."""

    def move() -> None:
        common = 1 + D(rng.randint(-100, 100)) / 100 * D("0.0003")
        for venue in world.venues.values():
            basis = 1 + D(rng.randint(-100, 100)) / 100 * D("0.00007")
            venue.mid = (venue.mid * common * basis).quantize(D("0.1"))
        world.clock.later(1, move)

    world.clock.later(1, move)


def _beside(case: Case, rng: random.Random, most: int) -> None:
    """What happens beside the orders: up to so many things in the first minute."""
    mild: list[tuple[str, Callable[[FakeVenue], None]]] = [
        ("disconnect", lambda v: v.feed.disconnect(rng.uniform(0.5, 12))),
        ("order read fails", lambda v: v.fail("order", rng.randint(1, 6))),
        ("executions read fails", lambda v: v.fail("fills", rng.randint(1, 4))),
        ("positions read fails", lambda v: v.fail("positions", rng.randint(1, 3))),
        ("margin read fails", lambda v: v.fail("margin", rng.randint(1, 3))),
        ("stale book", lambda v: v.freeze(rng.uniform(3, 20))),
        ("clock step", lambda v: v.clock.advance(rng.choice([2.0, 9.0, 30.0]))),
        ("venue's clock is off", lambda v: _shift_clock(v, rng.choice([-4.0, 4.0]))),
        ("maintenance", lambda v: _close(v, 25)),
        ("funding", lambda v: _pay(v, D(rng.randint(-50, 50)) / 100)),
    ]
    for _ in range(rng.randint(0, most)):
        name, action = rng.choice(mild)
        venue = rng.choice(list(case.world.venues.values()))

        def happen(name: str = name, action: Callable[[FakeVenue], None] = action, venue: FakeVenue = venue) -> None:
            case.faults[name] += 1
            action(venue)

        case.world.clock.later(rng.uniform(0.2, 60), happen)


def _from_outside(case: Case, rng: random.Random) -> None:
    """What takes from one leg without an order of the session: once or twice in one session of three, told or not."""
    grave: list[tuple[str, Callable[[FakeVenue], None]]] = [
        ("deleveraging", lambda v: _force(v, rng.choice([D("0.37"), D("0.5"), D(1)]), FillCause.ADL)),
        ("liquidation", lambda v: _force(v, rng.choice([D("0.5"), D(1)]), FillCause.LIQUIDATION)),
        ("undone trade", _bust),
        ("trade by hand", lambda v: _by_hand(v, rng.choice([D("-0.5"), D(-1), D("-1.5"), D("0.3")]))),
    ]
    for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
        name, action = rng.choice(grave)
        venue, silent = rng.choice(list(case.world.venues.values())), rng.random() < 0.3

        def happen(
            name: str = name, action: Callable[[FakeVenue], None] = action, venue: FakeVenue = venue,
            silent: bool = silent,
        ) -> None:  # fmt: skip
            case.faults[f"{name}, {'no stream tells it' if silent else 'told'}"] += 1
            was_up = venue.feed.is_up
            venue.feed.is_up = was_up and not silent
            action(venue)
            venue.feed.is_up = was_up

        case.world.clock.later(rng.uniform(1, 50), happen)


def _shift_clock(venue: FakeVenue, by_s: float) -> None:
    now = venue.clock()
    venue.offset = ClockOffset(timedelta(seconds=by_s), timedelta(0), now)
    venue.clock.later(60, lambda: setattr(venue, "offset", ClockOffset(timedelta(0), timedelta(0), venue.clock())))


def _close(venue: FakeVenue, for_s: float) -> None:
    venue.market_data.state = VenueState.MAINTENANCE
    venue.clock.later(for_s, lambda: setattr(venue.market_data, "state", VenueState.OPEN))


def _pay(venue: FakeVenue, payment: Decimal) -> None:
    """Funding is paid on positions; a flat account gets none."""
    if venue.position:
        venue.pay(payment)


def _force(venue: FakeVenue, share: Decimal, cause: FillCause) -> None:
    lots = (venue.position * share / venue.market.lot).to_integral_value()
    if lots:
        venue.meddle(-lots * venue.market.lot, cause=cause)


def _by_hand(venue: FakeVenue, share: Decimal) -> None:
    """Somebody trades a share of what is held, signed: below zero reduces it, below -1 turns it round."""
    lots = (venue.position * share / venue.market.lot).to_integral_value()
    venue.meddle(lots * venue.market.lot if lots else D("0.02"))


def _bust(venue: FakeVenue) -> None:
    traded = [fill for fill, _ in venue.executions if fill.cause is FillCause.TRADE]
    if traded:
        venue.bust(traded[-1])


def _operators(case: Case, rng: random.Random) -> None:
    """Commands at random moments; after the calm someone looks at every breach, and stops the session."""
    for _ in range(rng.choice([0, 0, 1, 2])):
        kind = rng.choice([CommandKind.PAUSE, CommandKind.PAUSE, CommandKind.STOP, CommandKind.FLATTEN])
        at = rng.uniform(1, 60)
        _ask(case, kind, at)
        if kind is CommandKind.PAUSE:
            _ask(case, CommandKind.RESUME, at + rng.uniform(1, 40))
    case.world.clock.later(CALM_S + 5, lambda: acknowledge(case.world))
    _ask(case, CommandKind.STOP, CALM_S + 10)


def _ask(case: Case, kind: CommandKind, after_s: float) -> None:
    def add() -> None:
        world = case.world
        if after_s < CALM_S:
            case.faults[f"operator: {kind.value}"] += 1
        world.store.journal.add_command.now(SESSION, kind, created_by="ops", created_at=world.clock())

    case.world.clock.later(after_s, add)


def acknowledge(world: World) -> None:
    """A person has looked at every open breach."""
    for breach in world.store.reads.breaches(SESSION, open_only=True):
        world.store.journal.acknowledge_breach.now(SESSION, breach.breach_id, BreachAction.RESOLVE, at=world.clock())
