"""One session played through on books that stand still: the real planner and gate, drawn fills and delays. Pure.

What it leaves out, because nobody knows it beforehand: how prices move between pairs, venues that fail, orders that
are refused. Each path is a function of its seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.account import AccountRef, Margin
from core.exposure import Exposure
from core.instrument import Market
from core.market import Book, FundingRate, Level, Mark
from core.market_data import SystemStatus
from core.numbers import ZERO
from core.order import OrderType, Side
from core.pair import policy_of
from core.plan import LegPlan, Nothing, PairPlan, plan_pair
from core.pricing import marketable_price, passive_price, per_leg
from core.risk import GateFacts, LegFacts, Refused, RiskLimits, gate
from core.strategy import SessionGoal, Strategy
from core.views import AccountView, SessionView

_P90 = 1.2815515655446004  # the standard normal's
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class LegDelay:
    """Seconds from deciding on an order to its execution at the venue, log-normal: half are below the median."""

    median_s: float = 0.15
    p90_s: float = 0.6

    def __post_init__(self) -> None:
        if not 0 < self.median_s <= self.p90_s < math.inf:
            raise ValueError(f"a delay needs 0 < median <= p90, not {self.median_s} and {self.p90_s}")

    def draw(self, rng: random.Random) -> float:
        """Return one delay in seconds."""
        return rng.lognormvariate(math.log(self.median_s), math.log(self.p90_s / self.median_s) / _P90)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no venue tells beforehand.

    volatility_daily: standard deviation of a day's price change, a fraction; it decides how often a resting order is
    reached. stall_s: after so long without a pair a session winds down, and wind_down_s is the time it has for that.
    """

    delay: LegDelay = LegDelay()
    volatility_daily: float = 0.04
    stall_s: float = 300.0
    wind_down_s: float = 600.0

    def __post_init__(self) -> None:
        if not 0 <= self.volatility_daily < math.inf:
            raise ValueError(f"a volatility is a fraction of at least 0, not {self.volatility_daily}")


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account before a session, as just read.

    The market carries the fees that the account pays. book, mark: None while not proven, the account then takes no
    leg. funding, margin, venue_volume_24h: None means not known, which is not zero. status None: the venue says
    nothing of its own state.
    """

    account: AccountRef
    market: Market
    book: Book | None
    mark: Mark | None
    funding: FundingRate | None
    margin: Margin | None
    venue_volume_24h: Decimal | None = None
    status: SystemStatus | None = None


@dataclass(slots=True)
class Holding:
    """What an account has come to on a path; money in quote units, funding positive when received."""

    position: Decimal = ZERO
    volume: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    funding: Decimal | None = ZERO
    maker_volume: Decimal = ZERO


class PathEnd(StrEnum):
    """DONE: goal reached and flat. CUT: more pairs than were to be played. STUCK: could not get flat."""

    DONE = "done"
    CUT = "cut"
    STUCK = "stuck"


@dataclass(slots=True)
class Path:
    """One played session. volume counts a pair once, quote units; naked_* as a session's own sums."""

    holdings: dict[str, Holding]
    end: PathEnd = PathEnd.CUT
    pairs: int = 0
    volume: Decimal = ZERO
    elapsed_s: float = 0.0
    naked_usd_max: Decimal = ZERO
    naked_usd_seconds: Decimal = ZERO
    refusals: dict[str, Refused] = field(default_factory=dict)
    obstacles: dict[str, Nothing] = field(default_factory=dict)
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class _Execution:
    """One leg's fill: average price in quote units, seconds after the pair's start."""

    price: Decimal
    is_maker: bool
    at_s: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The scene that every path of an estimate shares. Build it with `prepare`."""

    facts: Mapping[str, AccountFacts]
    strategy: Strategy
    goal: SessionGoal
    assumptions: Assumptions
    now: datetime
    capital: Decimal

    def play(self, seed: str, *, pairs_max: int) -> Path:
        """Play one session until it is flat, stuck, or `pairs_max` pairs were planned."""
        return _Stage(self, random.Random(f"{seed}/plan"), random.Random(f"{seed}/fills")).play(pairs_max)


def prepare(
    facts: Sequence[AccountFacts], strategy: Strategy, goal: SessionGoal, assumptions: Assumptions, *, now: datetime
) -> Rehearsal:
    """Set the scene; books are cut to what the session's largest order could ever look at."""
    marks = [f.mark.mark for f in facts if f.mark is not None]
    reach = 2 * max([strategy.max_position, *(strategy.order_size_max / price for price in marks)])
    capital = sum((f.margin.equity for f in facts if f.margin is not None), ZERO)
    trimmed = {f.account.account_id: replace(f, book=_trimmed(f.book, reach)) for f in facts}
    return Rehearsal(trimmed, strategy, goal, assumptions, now, capital)


def _trimmed(book: Book | None, reach: Decimal) -> Book | None:
    if book is None:
        return None
    return replace(book, bids=tuple(_until(book.bids, reach)), asks=tuple(_until(book.asks, reach)))


def _until(levels: Sequence[Level], reach: Decimal) -> Iterator[Level]:
    held = ZERO
    for level in levels:
        if held >= reach:
            return
        held += level.quantity
        yield level


class _Stage:
    """One path while it is played. plans and fills have a source of chance each: one does not stir the other."""

    def __init__(self, scene: Rehearsal, plans: random.Random, fills: random.Random) -> None:
        self._scene, self._plans, self._fills = scene, plans, fills
        self._path = Path({name: Holding() for name in scene.facts})
        self._limits = RiskLimits.of(scene.strategy)
        self._policy = policy_of(scene.strategy)
        self._judged: set[tuple[str, str, str]] = set()
        self._closing_since: float | None = None
        self._unwinding = False
        self._progress_at = 0.0

    def play(self, pairs_max: int) -> Path:
        path = self._path
        for _ in range(pairs_max):
            self._watch_goal()
            plan = plan_pair(self._view(), self._scene.strategy, self._plans)
            if isinstance(plan, Nothing):
                if plan.is_done:
                    path.end = PathEnd.DONE
                    return path
                path.obstacles.setdefault(plan.code.value, plan)
                if not self._give_up():
                    return path
                continue
            self._judge(plan)
            if not self._turn(plan):
                if not self._give_up():
                    return path
            elif self._closing_since is None:
                self._pause()
        return path

    def _watch_goal(self) -> None:
        duration = self._scene.goal.duration_s
        if duration is not None and self._closing_since is None and self._path.elapsed_s >= duration:
            self._closing_since = self._path.elapsed_s

    def _give_up(self) -> bool:
        """Nothing can be done on these books: wind down after the patience of a session; False when that fails too."""
        assumed = self._scene.assumptions
        if self._closing_since is not None:
            self._path.end = PathEnd.STUCK
            return False
        self._pass_time(max(0.0, self._progress_at + assumed.stall_s - self._path.elapsed_s))
        self._path.stalled = True
        self._closing_since = self._path.elapsed_s
        return True

    def _pause(self) -> None:
        strategy, duration = self._scene.strategy, self._scene.goal.duration_s
        nap = self._fills.uniform(strategy.interval_min_s, strategy.interval_max_s)
        if duration is not None:
            nap = min(nap, max(0.0, duration - self._path.elapsed_s))
        self._pass_time(nap)

    def _pass_time(self, seconds: float) -> None:
        """Let positions earn or pay their rate evenly; on the whole that is what payments at interval ends come to."""
        self._path.elapsed_s += seconds
        for name, held in self._path.holdings.items():
            if held.position == 0:
                continue
            facts = self._scene.facts[name]
            if facts.funding is None or facts.mark is None or held.funding is None:
                held.funding = None
                continue
            hours = _exactly(seconds) / 3600
            held.funding -= held.position * facts.mark.mark * facts.funding.hourly * hours

    def _view(self) -> SessionView:
        return SessionView(
            session_id="estimate",
            next_sequence=self._path.pairs + 1,
            accounts=tuple(self._account(facts) for facts in self._scene.facts.values()),
            volume_generated=self._path.volume,
            volume_target=self._scene.goal.volume_target,
            closing=self._closing_since is not None,
            unwinding=self._unwinding,
        )

    def _account(self, facts: AccountFacts) -> AccountView:
        held = self._path.holdings[facts.account.account_id]
        return AccountView(
            account=facts.account,
            market=facts.market,
            exposure=Exposure(facts.account, facts.market.symbol, held.position),
            volume=held.volume,
            free_margin=self._free_margin(facts),
            book=facts.book,
            mark=facts.mark,
            funding=facts.funding,
            venue_volume_24h=facts.venue_volume_24h,
        )

    def _free_margin(self, facts: AccountFacts) -> Decimal:
        """What is left of the margin; without a reading the estimate supposes enough, and says so elsewhere."""
        if facts.margin is None:
            return Decimal("Infinity")
        held = self._path.holdings[facts.account.account_id]
        price = facts.mark.mark if facts.mark is not None else ZERO
        taken = abs(held.position) * price * facts.market.initial_margin
        return facts.margin.available - taken - held.fees - held.slippage + (held.funding or ZERO)

    def _judge(self, plan: PairPlan) -> None:
        """Ask the gate once for each kind of pair; a refusal is noted and the path goes on as if it had passed."""
        kind = (plan.purpose.value, plan.buy.account.account_id, plan.sell.account.account_id)
        if kind in self._judged:
            return
        self._judged.add(kind)
        costs = sum((h.fees + h.slippage - (h.funding or ZERO) for h in self._path.holdings.values()), ZERO)
        facts = GateFacts(
            now=self._scene.now,
            buy=self._leg_facts(plan.buy, plan.buy_mid),
            sell=self._leg_facts(plan.sell, plan.sell_mid),
            session_pnl=-costs if self._scene.capital > 0 else ZERO,
            capital=self._scene.capital if self._scene.capital > 0 else Decimal("Infinity"),
            naked_usd_seconds=self._path.naked_usd_seconds,
        )
        decision = gate(plan, facts, self._limits)
        if isinstance(decision, Refused):
            self._path.refusals.setdefault(decision.code.value, decision)

    def _leg_facts(self, leg: LegPlan, mid: Decimal) -> LegFacts:
        facts = self._scene.facts[leg.account.account_id]
        held = self._path.holdings[leg.account.account_id]
        slippage = per_leg(self._scene.strategy.max_slippage)
        mark = facts.mark.mark if facts.mark is not None else None
        margin = facts.margin and replace(facts.margin, available=self._free_margin(facts))
        exposure = Exposure(leg.account, leg.market.symbol, held.position)
        price = marketable_price(leg.market, mid, leg.side, slippage, mark=mark)
        return LegFacts(facts.book, facts.mark, margin, exposure, price, facts.status)

    def _turn(self, plan: PairPlan) -> bool:
        """Fill a pair; False when resting orders were not reached for as long as a session waits."""
        executions = self._execute(plan)
        if executions is None:
            return False
        self._settle(plan, executions)
        self._unwinding = plan.closing
        self._progress_at = self._path.elapsed_s
        return True

    def _execute(self, plan: PairPlan) -> tuple[_Execution, _Execution] | None:
        strategy, assumed = self._scene.strategy, self._scene.assumptions
        if strategy.primary is OrderType.MARKET:
            return self._taken(plan, 0.0)
        while True:
            rested = self._rested(plan)
            if rested is not None:
                return rested
            if strategy.fallback is OrderType.MARKET:
                return self._taken(plan, self._policy.rest_s + self._delay())
            self._pass_time(self._policy.rest_s)
            if self._closing_since is None:
                self._pause()
                self._watch_goal()
                if self._path.elapsed_s - self._progress_at >= assumed.stall_s:
                    return None
            elif self._path.elapsed_s - self._closing_since >= assumed.wind_down_s:
                return None

    def _taken(self, plan: PairPlan, after_s: float) -> tuple[_Execution, _Execution]:
        buy, sell = (_Execution(self._average(leg), False, after_s + self._delay()) for leg in plan.legs)
        return buy, sell

    def _rested(self, plan: PairPlan) -> tuple[_Execution, _Execution] | None:
        """Rest both legs; the first that the price reaches is a maker, the other takes on books that moved with it."""
        strategy, fills = self._scene.strategy, self._fills
        share = _exactly(fills.random())
        offset = strategy.price_range_min + (strategy.price_range_max - strategy.price_range_min) * share
        reached = []
        for leg in plan.legs:
            chance, moment, delay = fills.random(), fills.random() * self._policy.rest_s, self._delay()
            price, mid = self._resting_price(leg, offset)
            if chance < self._reach_chance(abs(float(price / mid) - 1)):
                reached.append((moment, delay, price / mid, leg.side, price))
        if not reached:
            return None
        moment, delay, moved, side, price = min(reached)
        maker = _Execution(price, True, moment)
        other = plan.sell if side is Side.BUY else plan.buy
        taker = _Execution(self._average(other) * moved, False, moment + delay + self._delay())
        return (maker, taker) if side is Side.BUY else (taker, maker)

    def _reach_chance(self, distance: float) -> float:
        """Chance that a driftless random walk comes `distance` (a fraction) to one side while an order rests."""
        spread = self._scene.assumptions.volatility_daily * math.sqrt(self._policy.rest_s / _DAY_S)
        return math.erfc(distance / spread / math.sqrt(2)) if spread > 0 else 0.0

    def _resting_price(self, leg: LegPlan, offset: Decimal) -> tuple[Decimal, Decimal]:
        book = self._scene.facts[leg.account.account_id].book
        assert book is not None
        assert book.mid is not None
        return passive_price(leg.market, book, leg.side, offset), book.mid

    def _average(self, leg: LegPlan) -> Decimal:
        book = self._scene.facts[leg.account.account_id].book
        assert book is not None
        average = book.walk(leg.side, leg.quantity).average
        assert average is not None
        return average

    def _delay(self) -> float:
        return min(self._scene.assumptions.delay.draw(self._fills), self._scene.strategy.max_leg_delay_s)

    def _settle(self, plan: PairPlan, executions: tuple[_Execution, _Execution]) -> None:
        path = self._path
        for leg, mid, done in zip(plan.legs, (plan.buy_mid, plan.sell_mid), executions, strict=True):
            held, notional = path.holdings[leg.account.account_id], plan.quantity * done.price
            held.position += plan.quantity * leg.side.sign
            held.volume += notional
            held.fees += notional * (leg.market.maker_fee if done.is_maker else leg.market.taker_fee)
            held.slippage += (done.price - mid) * leg.side.sign * plan.quantity
            held.maker_volume += notional if done.is_maker else ZERO
        path.pairs += 1
        path.volume += plan.quantity * executions[0].price
        alone = plan.quantity * (plan.buy_mid + plan.sell_mid) / 2
        path.naked_usd_max = max(path.naked_usd_max, alone)
        path.naked_usd_seconds += alone * _exactly(abs(executions[0].at_s - executions[1].at_s))
        self._pass_time(max(done.at_s for done in executions))


def _exactly(number: float) -> Decimal:
    """A drawn number as a decimal, to a millionth."""
    return Decimal(f"{number:.6f}")
