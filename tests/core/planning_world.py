"""A small world for the planner: markets, books and marks that move, and fills that come whole, in part or not at all.

It keeps positions and volumes the way venues would and checks nothing itself; the tests state the claims.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from core.account import AccountRef
from core.exposure import Exposure
from core.instrument import Market, Venue
from core.market import Book, FundingRate, Level, Mark
from core.numbers import floor_to
from core.order import OrderType
from core.plan import AccountView, PairPlan, SessionView
from core.sizing import session_lot
from core.strategy import Distribution, Strategy

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
D = Decimal


def market(venue: Venue, **changes: object) -> Market:
    """A market with a tick of 0.1, a lot of 0.001 and a minimum of 10 quote units, unless told otherwise."""
    base = Market(
        venue=venue,
        symbol="ETH/USD",
        venue_symbol="ETH",
        base="ETH",
        quote="USD",
        tick=D("0.1"),
        lot=D("0.001"),
        min_quantity=D("0.001"),
        min_notional=D("10"),
        max_quantity=None,
        max_notional=None,
        initial_margin=D("0.05"),
        maintenance_margin=D("0.025"),
        maker_fee=D("0.00015"),
        taker_fee=D("0.0004"),
        funding_interval_s=3600,
        price_band=D("0.1"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def strategy(**changes: object) -> Strategy:
    """The strategy of the demo: 100 to 500 quote units a pair, at most 0.4 base units per account."""
    base = Strategy(
        symbol="ETH/USD",
        distribution=Distribution.EQUAL,
        price_range_min=D("0.001"),
        price_range_max=D("0.01"),
        interval_min_s=1.0,
        interval_max_s=2.0,
        order_size_min=D("100"),
        order_size_max=D("500"),
        max_position=D("0.4"),
        stop_loss=D("0.05"),
        max_slippage=D("0.02"),
        primary=OrderType.MARKET,
        fallback=OrderType.MARKET,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def book(
    venue: Venue,
    mid: Decimal,
    *,
    depth: Decimal = Decimal(1000),
    half_spread: Decimal = Decimal("0.5"),
    at: datetime = NOW,
) -> Book:
    """A symmetric book of five levels on each side, one quote unit apart, sharing `depth` base units per side."""
    share = depth / 5
    return Book(
        venue=venue,
        symbol="ETH/USD",
        bids=tuple(Level(mid - half_spread - n, share) for n in range(5)),
        asks=tuple(Level(mid + half_spread + n, share) for n in range(5)),
        sequence=1,
        venue_time=at,
        received_time=at,
    )


def mark(venue: Venue, price: Decimal, *, at: datetime = NOW) -> Mark:
    """A mark price."""
    return Mark(venue, "ETH/USD", price, None, at, at)


def funding(venue: Venue, rate: str, interval_s: int = 3600) -> FundingRate:
    """A funding rate per interval."""
    return FundingRate(venue, "ETH/USD", D(rate), interval_s, None, NOW, NOW)


def account(account_id: str, venue: Venue) -> AccountRef:
    """An account reference of the one operator."""
    return AccountRef(account_id, venue, "desk")


def account_view(
    account_id: str, venue: Venue, position: str = "0", *, price: Decimal = Decimal(2500), **changes: object
) -> AccountView:
    """An account with plenty of margin and a deep book."""
    ref = account(account_id, venue)
    base = AccountView(
        account=ref,
        market=market(venue),
        exposure=Exposure(ref, "ETH/USD", D(position)),
        volume=D(0),
        free_margin=D(100_000),
        book=book(venue, price),
        mark=mark(venue, price),
        funding=None,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def session_view(*accounts: AccountView, **changes: object) -> SessionView:
    """A session without a target over these accounts."""
    base = SessionView("session", 1, accounts, volume_generated=D(0), volume_target=None)
    return replace(base, **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """Accounts, markets and a price path; `fill` settles a plan whole or in part, equally on both legs."""

    rng: random.Random
    accounts: list[AccountRef]
    markets: dict[str, Market]
    price: Decimal = Decimal(2500)
    step: Decimal = Decimal("0.001")
    fill_whole: float = 0.7
    fill_nothing: float = 0.1
    depth: Decimal = Decimal(1000)
    equity: Decimal = Decimal(100_000)
    volume_24h: Decimal | None = None
    sequence: int = 1
    generated: Decimal = Decimal(0)
    last_closed: bool = False
    lowest: Decimal = Decimal(10**9)
    positions: dict[str, Decimal] = field(default_factory=dict)
    volumes: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for ref in self.accounts:
            self.positions[ref.account_id] = D(0)
            self.volumes[ref.account_id] = D(0)

    def view(self, target: Decimal | None, *, closing: bool = False) -> SessionView:
        """What the planner sees now."""
        self.lowest = min(self.lowest, self.price)
        return SessionView(
            session_id="session",
            next_sequence=self.sequence,
            accounts=tuple(self._account(ref) for ref in self.accounts),
            volume_generated=self.generated,
            volume_target=target,
            closing=closing,
            unwinding=self.last_closed,
        )

    def _account(self, ref: AccountRef) -> AccountView:
        held = self.positions[ref.account_id]
        rules = self.markets[ref.account_id]
        basis = D(1) + D(self.rng.randint(-10, 10)) / 20_000
        price = (self.price * basis).quantize(D("0.1"))
        return AccountView(
            account=ref,
            market=rules,
            exposure=Exposure(ref, "ETH/USD", held),
            volume=self.volumes[ref.account_id],
            free_margin=self.equity - abs(held) * price * rules.initial_margin,
            book=book(ref.venue, price, depth=self.depth),
            mark=mark(ref.venue, price),
            funding=funding(ref.venue, str(D(self.rng.randint(-20, 20)) / 1_000_000)),
            low_price=self.lowest,
            venue_volume_24h=self.volume_24h,
        )

    def fill(self, plan: PairPlan) -> Decimal:
        """Settle a plan and return the quantity that both legs filled."""
        filled = self._filled(plan.quantity)
        for leg in plan.legs:
            self.positions[leg.account.account_id] += filled * leg.side.sign
        self.volumes[plan.buy.account.account_id] += filled * plan.buy_mid
        self.volumes[plan.sell.account.account_id] += filled * plan.sell_mid
        self.generated += filled * min(plan.buy_mid, plan.sell_mid)
        self.sequence += 1
        self.last_closed = plan.closing
        return filled

    def _filled(self, quantity: Decimal) -> Decimal:
        chance = self.rng.random()
        if chance < self.fill_whole:
            return quantity
        if chance < self.fill_whole + self.fill_nothing:
            return D(0)
        lot = session_lot(self.markets.values())
        return floor_to(quantity * D(self.rng.randint(1, 99)) / 100, lot)

    def move(self) -> None:
        """Let the price take one random step."""
        self.price = (self.price * (D(1) + self.step * D(self.rng.randint(-100, 100)) / 100)).quantize(D("0.1"))
