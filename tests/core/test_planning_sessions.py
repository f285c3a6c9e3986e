"""Claims about whole sessions of plans, over random accounts, markets, price paths and fills."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_world import NOW, D, World, account, market, strategy

from core.account import Margin
from core.errors import InvalidStrategy
from core.instrument import Market, Venue
from core.matching import can_close, closable, open_quantity
from core.plan import Nothing, NothingCode, PairPlan, SessionView, plan_pair
from core.pricing import marketable_price, per_leg
from core.risk import Approved, GateFacts, LegFacts, RiskLimits, gate
from core.strategy import Distribution, Strategy, check_against_markets

VENUES = list(Venue)
PAIRS_MAX = 2000


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, Strategy]:
    """Two to five accounts on at least two venues with different grids, and a strategy their markets can carry."""
    placed = draw(st.lists(st.sampled_from(VENUES), min_size=2, max_size=5).filter(lambda at: len(set(at)) > 1))
    accounts = [account(f"a{n}", venue) for n, venue in enumerate(placed)]
    rules: dict[Venue, Market] = {
        venue: market(
            venue,
            lot=draw(st.sampled_from([D("0.0001"), D("0.001"), D("0.002"), D("0.003"), D("0.01")])),
            min_quantity=draw(st.sampled_from([D("0.0001"), D("0.005"), D("0.012")])),
            min_notional=draw(st.sampled_from([D(0), D(10), D(50)])),
        )
        for venue in sorted(set(placed))
    }
    world = World(
        rng=random.Random(draw(st.integers(0, 2**32))),
        accounts=accounts,
        markets={ref.account_id: rules[ref.venue] for ref in accounts},
        step=draw(st.sampled_from([D("0.0005"), D("0.005"), D("0.03")])),
        fill_whole=draw(st.sampled_from([0.3, 0.7, 1.0])),
        fill_nothing=draw(st.sampled_from([0.0, 0.2])),
        depth=draw(st.sampled_from([D(1), D(1000)])),
        equity=draw(st.sampled_from([D(200), D(100_000)])),
    )
    chosen = strategy(
        distribution=draw(st.sampled_from(list(Distribution))),
        order_size_min=draw(st.sampled_from([D(80), D(200)])),
        order_size_max=draw(st.sampled_from([D(200), D(800)])),
        max_position=draw(st.sampled_from([D("0.15"), D("0.4"), D(2)])),
    )
    return world, chosen


def admit(world: World, chosen: Strategy) -> bool:
    """Tell whether a session with this strategy may start at all."""
    marks = {ref.account_id: world.price for ref in world.accounts}
    try:
        check_against_markets(chosen, world.markets, marks)
    except InvalidStrategy:
        return False
    return True


def run(world: World, chosen: Strategy, target: Decimal | None, *, close_after: int | None = None) -> list[PairPlan]:
    """Trade until the planner is done, checking every claim about single plans on the way."""
    plans: list[PairPlan] = []
    for count in range(PAIRS_MAX):
        closing = close_after is not None and count >= close_after
        view = world.view(target, closing=closing)
        plan = plan_pair(view, chosen, world.rng)
        if isinstance(plan, Nothing):
            assert plan.is_done, plan
            return plans
        check_plan(world, chosen, plan)
        world.fill(plan)
        assert all(abs(held) <= chosen.max_position for held in world.positions.values())
        assert sum(world.positions.values()) == 0
        assert can_close([(ref.venue, world.positions[ref.account_id]) for ref in world.accounts])
        world.move()
        plans.append(plan)
    raise AssertionError(f"not done after {PAIRS_MAX} pairs: {world.positions}")


def check_plan(world: World, chosen: Strategy, plan: PairPlan) -> None:
    assert plan.buy.account.venue != plan.sell.account.venue
    assert plan.buy.quantity == plan.sell.quantity == plan.quantity
    for leg, mid in ((plan.buy, plan.buy_mid), (plan.sell, plan.sell_mid)):
        leg.market.check_quantity(leg.quantity)
        bound = marketable_price(leg.market, mid, leg.side, per_leg(chosen.max_slippage))
        assert leg.quantity * min(bound, mid) >= leg.market.min_notional
        held = world.positions[leg.account.account_id]
        if leg.reduce_only:
            assert leg.closing
            assert held * leg.side.sign < 0
            assert leg.quantity <= abs(held)
        else:
            assert held * leg.side.sign >= 0
            assert leg.quantity * mid <= max(chosen.order_size_max, Decimal(200)) * Decimal("1.05")


@settings(max_examples=30, deadline=None)
@given(worlds(), st.sampled_from([D(500), D(3000), D(20_000)]))
def test_a_session_ends_flat_with_its_volume_and_never_passes_a_limit(
    made: tuple[World, Strategy], target: Decimal
) -> None:
    world, chosen = made
    if not admit(world, chosen):
        return

    run(world, chosen, target)

    assert all(held == 0 for held in world.positions.values())
    assert world.generated >= target


@settings(max_examples=25, deadline=None)
@given(worlds(), st.integers(0, 40))
def test_a_session_told_to_close_at_any_moment_ends_flat(made: tuple[World, Strategy], close_after: int) -> None:
    world, chosen = made
    if not admit(world, chosen):
        return

    plans = run(world, chosen, None, close_after=close_after)

    assert all(held == 0 for held in world.positions.values())
    assert len(plans) >= min(close_after, 1)


@settings(max_examples=15, deadline=None)
@given(worlds())
def test_the_gate_approves_what_was_planned_on_the_same_facts(made: tuple[World, Strategy]) -> None:
    """Planner and gate reckon alike: a session is not stopped by a gate that sees nothing new."""
    world, chosen = made
    for count in range(40):
        view = world.view(None, closing=count >= 20)
        plan = plan_pair(view, chosen, world.rng)
        if isinstance(plan, Nothing):
            break
        decision = gate(plan, facts_of(plan, view, chosen), RiskLimits.of(chosen))
        assert isinstance(decision, Approved), decision
        world.fill(plan)
        world.move()


def facts_of(plan: PairPlan, view: SessionView, chosen: Strategy) -> GateFacts:
    """The facts a gate would gather at the very moment of planning."""
    found = []
    for leg, mid in ((plan.buy, plan.buy_mid), (plan.sell, plan.sell_mid)):
        seen = next(a for a in view.accounts if a.account == leg.account)
        assert seen.mark is not None
        price = marketable_price(leg.market, mid, leg.side, per_leg(chosen.max_slippage), mark=seen.mark.mark)
        free = seen.free_margin
        margin = Margin(leg.account.venue, leg.account.account_id, free, free, D(0), D(0), True, NOW)
        found.append(LegFacts(seen.book, seen.mark, margin, seen.exposure, price))
    return GateFacts(NOW, found[0], found[1], session_pnl=D(0), capital=D(1000), naked_usd_seconds=D(0))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(VENUES), st.integers(-9, 9)), min_size=2, max_size=6).map(
        lambda raw: [(venue, Decimal(n)) for venue, n in raw]
    )
)
def test_positions_close_across_venues_exactly_when_no_venue_holds_more_than_half(
    holdings: list[tuple[Venue, Decimal]],
) -> None:
    """Closing greedily by `closable` ends flat if the condition holds, and cannot if it does not."""
    if sum(quantity for _, quantity in holdings) != 0:
        return
    promised = can_close(holdings)

    while open_quantity(holdings) > 0:
        pairs = [(closable(holdings, i, j), i, j) for i in range(len(holdings)) for j in range(len(holdings))]
        quantity, i, j = max(pairs)
        if quantity == 0:
            break
        holdings[i] = (holdings[i][0], holdings[i][1] - quantity)
        holdings[j] = (holdings[j][0], holdings[j][1] + quantity)
        assert can_close(holdings) == promised

    assert (open_quantity(holdings) == 0) == promised


def test_a_thin_venue_caps_what_a_session_trades_there() -> None:
    """2 % of 100 000 is 2000: the session stops opening in time to close within that."""
    accounts = [account("a", Venue.PACIFICA), account("b", Venue.PARADEX)]
    world = World(
        random.Random(3), accounts, {ref.account_id: market(ref.venue) for ref in accounts}, volume_24h=D(100_000)
    )
    chosen = strategy()
    while isinstance(plan := plan_pair(world.view(D(50_000)), chosen, world.rng), PairPlan):
        world.fill(plan)

    assert plan.code is NothingCode.PARTICIPATION
    assert all(held == 0 for held in world.positions.values())
    assert all(D(1500) < volume <= D(2000) for volume in world.volumes.values())


def test_equal_distribution_keeps_account_volumes_together() -> None:
    accounts = [account("a", Venue.PACIFICA), account("b", Venue.PARADEX), account("c", Venue.BACKPACK)]
    world = World(random.Random(5), accounts, {ref.account_id: market(ref.venue) for ref in accounts}, fill_whole=1.0)

    run(world, strategy(), D(60_000))

    volumes = sorted(world.volumes.values())
    assert volumes[-1] - volumes[0] < D("0.1") * volumes[-1]


def test_positions_go_to_the_limit_and_come_back() -> None:
    """A session without a target keeps turning over instead of stopping at its position limit."""
    accounts = [account("a", Venue.PACIFICA), account("b", Venue.PARADEX)]
    world = World(random.Random(7), accounts, {ref.account_id: market(ref.venue) for ref in accounts}, fill_whole=1.0)
    chosen = strategy()
    path = []
    for _ in range(60):
        plan = plan_pair(world.view(None), chosen, world.rng)
        assert isinstance(plan, PairPlan)
        world.fill(plan)
        path.append(abs(world.positions["a"]))

    turns = sum(1 for held in path if held == 0)
    assert turns >= 4
    assert max(path) > D("0.3")


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_plans_the_same_session(seed: int) -> None:
    def once() -> list[PairPlan]:
        accounts = [account("a", Venue.PACIFICA), account("b", Venue.BACKPACK)]
        rules = {ref.account_id: market(ref.venue) for ref in accounts}
        return run(World(random.Random(seed), accounts, rules), strategy(), D(3000))

    assert once() == once()
