"""A session's world without a network: a real store, virtual time, and one fake venue per account."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from connectors.settings import Environment, Outside
from core.account import AccountRef
from core.ids import pair_id
from core.instrument import Market, Venue
from core.numbers import ZERO
from core.order import Fill, Side
from core.pair_plan import LegPlan, PairPlan, Purpose
from core.risk import RiskLimits
from store import NewSession, Session, SessionStatus, Store
from store.records import Pair
from store.requests import SessionRequest, parse_request
from tasks.course import Course
from tasks.desk import LEASE_TTL_S, Desk, Lease, sit_down
from tests.fakes.clock import FakeClock
from tests.fakes.empty_store import fresh_store
from tests.fakes.venue import FakeVenue

D = Decimal
SESSION = "session-1"
VENUES = {"a": Venue.PACIFICA, "b": Venue.PARADEX, "c": Venue.BACKPACK}
LOTS = {Venue.PACIFICA: "0.0001", Venue.PARADEX: "0.001", Venue.BACKPACK: "0.001"}


def market(venue: Venue) -> Market:
    """ETH/USD with the lot of the venue, 10 USD at least, 20x."""
    return Market(
        venue=venue, symbol="ETH/USD", venue_symbol="ETH", base="ETH", quote="USD", tick=D("0.1"),
        lot=D(LOTS[venue]), min_quantity=D(LOTS[venue]), min_notional=D(10), max_quantity=None, max_notional=None,
        initial_margin=D("0.05"), maintenance_margin=D("0.025"), maker_fee=D("0.00015"), taker_fee=D("0.0004"),
        funding_interval_s=3600, price_band=D("0.1"),
    )  # fmt: skip


def request_document(accounts: Sequence[str] = ("a", "b"), **changes: object) -> dict[str, object]:
    """A request for a small session; changes replace top-level fields.

    primary and fallback are the order types, interval the seconds between pairs.
    """
    shortest, longest = changes.pop("interval", (1, 3))  # type: ignore[misc]
    order_types = {"primary": changes.pop("primary", "market"), "fallback": changes.pop("fallback", "market")}
    document: dict[str, object] = {
        "name": "a session",
        "accounts": list(accounts),
        "volumeTarget": "3000",
        "strategy": {
            "symbol": "ETH/USD",
            "volumeDistribution": "equal",
            "priceRange": {"min": "0.0001", "max": "0.001"},
            "timing": {"minInterval": shortest, "maxInterval": longest, "orderSize": {"min": 100, "max": 500}},
            "riskLimits": {"maxPositionSize": "0.4", "stopLossThreshold": "0.05", "maxSlippage": "0.005"},
            "orderTypes": order_types,
        },
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


class QuietBoard:
    """Stands where the board in Prefect stands and remembers the states that would be shown."""

    def __init__(self) -> None:
        self.states: list[str] = []

    async def progress(self, desk: Desk, course: Course) -> None:
        """Nothing to draw."""

    async def state(self, name: str) -> None:
        """Remember it."""
        self.states.append(name)

    async def pairs(self, pairs: Sequence[Pair]) -> None:
        """Nothing to draw."""

    async def summary(self, markdown: str) -> None:
        """Nothing to draw."""


@dataclass
class World:
    """Everything a session's run needs, and what outlives a run that dies: the store, the venues and the time."""

    store: Store
    request: SessionRequest
    clock: FakeClock = field(default_factory=FakeClock)
    venues: dict[str, FakeVenue] = field(default_factory=dict)
    seed: int = 7
    attempts: int = 0

    def desk(self, *, lease: bool = True) -> Desk:
        """A run's desk, with the lease taken; it sits down at once."""
        self.attempts += 1
        attempt = self.store.journal.begin_attempt.now(SESSION)
        scopes = (f"session:{SESSION}", *(f"account:{name}" for name in self.venues))
        holder, now = f"{SESSION}/run-{self.attempts}", self.clock()
        if lease:
            taken = self.store.journal.acquire_many.now(scopes, holder, attempt=attempt, ttl_s=LEASE_TTL_S, now=now)
            assert taken is None, f"{taken} is not free"
        for venue in self.venues.values():
            venue.feed.forget()
        strategy, names = self.request.to_strategy(), list(self.venues)
        desk = Desk(
            session_id=SESSION,
            environment=Environment.SANDBOX,
            strategy=strategy,
            goal=self.request.to_goal(),
            limits=RiskLimits.of(strategy),
            accounts={name: venue.ref for name, venue in self.venues.items()},
            clients=dict(self.venues),
            store=self.store,
            outside=Outside(self.clock, self.clock.sleep, random.Random(self.seed)),
            rng=random.Random(self.seed * 1000 + attempt),
            lease=Lease(scopes, holder, attempt, now + timedelta(seconds=LEASE_TTL_S)),
            markets={name: venue.market for name, venue in self.venues.items()},
            settled=dict.fromkeys(names, ZERO),
            volumes=dict.fromkeys(names, ZERO),
        )
        sit_down(desk)
        return desk

    def activate(self) -> None:
        """The session has started."""
        self.store.journal.set_session_status.now(
            SESSION, (SessionStatus.PENDING, SessionStatus.ACTIVE), SessionStatus.ACTIVE, at=self.clock()
        )

    def die(self) -> None:
        """The run is gone; its lease runs out."""
        self.clock.advance(LEASE_TTL_S + 1)

    def plan(
        self,
        quantity: str = "0.1",
        *,
        buy: str = "a",
        sell: str = "b",
        sequence: int = 1,
        purpose: Purpose = Purpose.OPEN,
    ) -> PairPlan:
        """A pair as the planner would make it."""
        closing = purpose is Purpose.CLOSE
        legs = [
            LegPlan(self.venues[name].ref, self.venues[name].market, side, D(quantity), closing, closing)
            for name, side in ((buy, Side.BUY), (sell, Side.SELL))
        ]
        mids = (self.venues[buy].mid, self.venues[sell].mid)
        return PairPlan(
            pair_id(SESSION, sequence), SESSION, sequence, purpose, legs[0], legs[1], D(quantity), mids[0], mids[1]
        )  # fmt: skip

    @property
    def session(self) -> Session:
        """The session's row."""
        return self.store.reads.session(SESSION)

    @property
    def pairs(self) -> list[Pair]:
        """The session's pairs."""
        return self.store.reads.pairs(SESSION, limit=1000)

    @property
    def placed(self) -> int:
        """How many orders the venues were sent."""
        return sum(len(venue.placed) for venue in self.venues.values())

    @property
    def positions(self) -> dict[str, Decimal]:
        """What the venues say."""
        return {name: venue.position for name, venue in self.venues.items()}

    def check_journal(self) -> None:
        """Every execution at the venues is in the journal once, with its order, and nothing else is."""
        told = {(f.account_id, f.trade_id): f for v in self.venues.values() for f, _ in v.executions}
        kept = {(f.account_id, f.trade_id): f for f in self.store.reads.fills_of_session(SESSION)}
        assert kept.keys() == told.keys()
        for key, fill in kept.items():
            assert _figures(fill) == _figures(told[key])
        for order in self.store.reads.orders_of_session(SESSION):
            booked = self.venues[order.intent.account_id].orders.get(order.intent.client_order_id)
            assert order.filled_quantity == (booked.filled if booked else 0)
            assert order.status.is_final
        self.check_venues()

    def check_completed_and_flat(self) -> None:
        """What a green run promises: completed, flat at the venues, nothing resting, every execution in the journal."""
        assert self.session.status is SessionStatus.COMPLETED
        assert set(self.positions.values()) == {D(0)}
        assert all(pair.outcome.completed_at is not None for pair in self.pairs)
        assert not any(venue.resting for venue in self.venues.values())
        self.check_journal()

    def check_venues(self) -> None:
        """Nothing that must never happen has happened."""
        for venue in self.venues.values():
            assert not venue.violations


def make_world(
    folder: Path,
    *,
    venues: dict[str, Venue] | None = None,
    seed: int = 7,
    store: Store | None = None,
    **changes: object,
) -> World:
    """Open a store in a folder, or take an empty one, and write one pending session over fresh venues.

    Close the store when done.
    """
    names = venues or {name: VENUES[name] for name in ("a", "b")}
    request = parse_request(request_document(list(names), **changes))
    world = World(store or fresh_store(folder / "home"), request, seed=seed)
    floors: dict[Venue, list[FakeVenue]] = {venue: [] for venue in Venue}
    for name, venue in names.items():
        ref = AccountRef(name, venue, "desk")
        world.venues[name] = FakeVenue(ref, market(venue), world.clock, floor=floors[venue])
    world.store.journal.create_session.now(
        NewSession(
            session_id=SESSION,
            name=request.name or "",
            symbol=request.strategy.symbol,
            strategy=request.strategy.model_dump(mode="json", by_alias=True),
            accounts=tuple(names),
            environment="sandbox",
            volume_target=request.volume_target,
            duration_s=None if request.duration is None else request.duration / 1000,
            seed=seed,
            created_at=world.clock(),
        )
    )
    return world


def _figures(fill: Fill) -> Fill:
    """The fill without what a journal may know better or later than the stream."""
    return replace(fill, client_order_id=None, received_time=fill.venue_time)
