"""Claims about estimates: what scales, what has a sign, what is refused, what is said when something is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_world import NOW, D, account, book, funding, mark, market, strategy

from core.account import FeeTier, Margin
from core.errors import InsufficientAccounts, InvalidStrategy, MarketDataUnavailable, SelfTradeRisk
from core.estimate import AccountFacts, Assumptions, Effort, Estimate, LegDelay, estimate, quantiles, with_fees
from core.instrument import Venue
from core.limits import Severity
from core.market_data import SystemStatus, VenueState
from core.order import OrderType
from core.strategy import Distribution, SessionGoal, Strategy

A, B, C = Venue.PACIFICA, Venue.PARADEX, Venue.BACKPACK
QUICK = Effort(paths=6, pairs_max=600)


def facts(account_id: str, venue: Venue, **changes: object) -> AccountFacts:
    """An account with 10,000 of margin, a deep book and a known funding rate of nothing."""
    margin = Margin(venue, account_id, D(10_000), D(10_000), D(0), D(0), True, NOW)
    base = AccountFacts(
        account(account_id, venue),
        market(venue),
        book(venue, D(2500)),
        mark(venue, D(2500)),
        funding(venue, "0"),
        margin,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def two(**changes: object) -> list[AccountFacts]:
    return [facts("a", A, **changes), facts("b", B, **changes)]


def estimated(
    given_facts: list[AccountFacts],
    chosen: Strategy | None = None,
    *,
    target: str | None = "3000",
    duration_s: float | None = None,
    seed: int = 7,
    effort: Effort = QUICK,
    assumptions: Assumptions | None = None,
) -> Estimate:
    goal = SessionGoal(None if target is None else D(target), duration_s)
    return estimate(given_facts, chosen or strategy(), goal, now=NOW, seed=seed, effort=effort, assumptions=assumptions)


def codes(found: Estimate) -> set[str]:
    return {caution.code for caution in found.cautions}


resting = strategy(primary=OrderType.LIMIT, price_range_min=D("0.0003"), price_range_max=D("0.0005"))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from([OrderType.MARKET, OrderType.LIMIT]))
def test_the_same_seed_gives_the_same_estimate(seed: int, kind: OrderType) -> None:
    chosen = strategy(primary=kind)

    assert estimated(two(), chosen, seed=seed) == estimated(two(), chosen, seed=seed)


def test_another_seed_draws_other_sizes_and_pauses() -> None:
    assert estimated(two(), seed=1).duration_s != estimated(two(), seed=2).duration_s


@settings(max_examples=15, deadline=None)
@given(target=st.integers(2_000, 20_000), seed=st.integers(0, 1000))
def test_taker_fees_are_both_legs_share_of_the_volume(target: int, seed: int) -> None:
    found = estimated(two(), target=str(target), seed=seed)

    legs_fee = 2 * D("0.0004")
    assert found.fees.p50 == pytest.approx(found.volume.p50 * legs_fee, rel=D("0.001"))
    assert found.volume.p10 >= target * D("0.99")
    assert found.maker_share is not None
    assert found.maker_share.p90 == 0


def test_twice_the_volume_costs_twice_the_fees_and_more_time() -> None:
    once, twice = estimated(two(), target="4000"), estimated(two(), target="8000")

    assert twice.fees.p50 == pytest.approx(2 * once.fees.p50, rel=D("0.1"))
    assert twice.slippage.p50 == pytest.approx(2 * once.slippage.p50, rel=D("0.1"))
    assert twice.duration_s.p50 > once.duration_s.p90


def test_the_spread_of_both_books_is_what_slippage_comes_to() -> None:
    found = estimated(two())

    # Half a quote unit from mid on each leg, at 2500.
    assert found.slippage.p50 == pytest.approx(found.volume.p50 * 2 * D("0.5") / 2500, rel=D("0.001"))


def test_a_larger_share_of_maker_fills_means_lower_fees() -> None:
    calm = estimated(two(), resting, assumptions=Assumptions(volatility_daily=0.0))
    lively = estimated(two(), resting, assumptions=Assumptions(volatility_daily=0.5))

    assert calm.maker_share is not None
    assert lively.maker_share is not None
    assert calm.maker_share.p90 == 0 < lively.maker_share.p10
    assert lively.fees.p90 / lively.volume.p90 < calm.fees.p10 / calm.volume.p10


@pytest.mark.parametrize("rate", ["0.001", "-0.001"])
def test_funding_has_the_sign_that_rates_and_positions_give_it(rate: str) -> None:
    """One pair is held for most of an hour. The planner takes the side that receives the rate of account b."""
    one_way = [facts("a", A, funding=funding(A, "0")), facts("b", B, funding=funding(B, rate))]
    chosen = strategy(interval_min_s=3000.0, interval_max_s=3000.0, order_size_min=D(400), order_size_max=D(400))

    found = estimated(one_way, chosen, target=None, duration_s=2000.0)

    notional, hours = D("0.16") * 2500, found.duration_s.p50 / 3600
    assert found.funding is not None
    assert found.funding.p50 == pytest.approx(notional * D("0.001") * hours, rel=D("0.01"))
    assert next(share for share in found.accounts if share.account.account_id == "b").funding == found.funding


def test_the_long_leg_pays_a_positive_rate_and_the_short_leg_receives_it() -> None:
    both = [facts("a", A, funding=funding(A, "0.0005")), facts("b", B, funding=funding(B, "0.001"))]
    chosen = strategy(interval_min_s=3000.0, interval_max_s=3000.0, order_size_min=D(400), order_size_max=D(400))

    found = estimated(both, chosen, target=None, duration_s=2000.0)

    long, short = (share.funding for share in found.accounts)
    assert long is not None
    assert short is not None
    assert long.p90 < 0 < short.p10
    assert -long.p50 < short.p50


def test_equal_rates_on_both_venues_cancel() -> None:
    even = [facts("a", A, funding=funding(A, "0.001")), facts("b", B, funding=funding(B, "0.008", 8 * 3600))]

    found = estimated(even, target=None, duration_s=60.0)

    assert found.funding is not None
    assert found.funding.p10 == found.funding.p90 == 0


def test_an_unknown_rate_leaves_funding_and_cost_unknown_and_says_so() -> None:
    found = estimated([facts("a", A), facts("b", B, funding=None)])

    assert found.funding is None
    assert found.cost is None
    assert found.cost_share is None
    assert "funding_unknown" in codes(found)
    assert found.fees.p50 > 0


def test_cost_is_fees_and_slippage_less_funding() -> None:
    found = estimated(two())

    assert found.cost is not None
    assert found.cost.p50 == pytest.approx(found.fees.p50 + found.slippage.p50, abs=D("0.001"))


def test_a_session_with_a_duration_lasts_that_long_and_closes() -> None:
    found = estimated(two(), target=None, duration_s=120.0)

    assert 120 <= found.duration_s.p10 <= found.duration_s.p90 < 150
    assert "not_flat" not in codes(found)


def test_pauses_between_pairs_make_the_time() -> None:
    slow = estimated(two(), strategy(interval_min_s=60.0, interval_max_s=60.0), target="3000")

    opening = slow.pairs.p50 / 2
    assert slow.duration_s.p50 > opening * 55


def test_a_longer_delay_leaves_legs_alone_for_longer() -> None:
    swift = estimated(two(), assumptions=Assumptions(delay=LegDelay(0.05, 0.1)))
    slow = estimated(two(), assumptions=Assumptions(delay=LegDelay(1.0, 4.0)))

    assert slow.naked_usd_seconds.p10 > swift.naked_usd_seconds.p90
    assert slow.naked_usd_max.p90 <= D(510)


def test_a_session_beyond_the_bound_is_carried_on_in_proportion_and_says_so() -> None:
    effort = Effort(paths=4, pairs_max=80)
    bounded = estimated(two(), target="50000", effort=effort)
    whole = estimated(two(), target="50000", effort=Effort(paths=4, pairs_max=2000))

    assert bounded.pairs_played <= effort.pairs_max
    assert bounded.extrapolated == 4
    assert bounded.is_extrapolated
    assert "extrapolated" in codes(bounded)
    assert not whole.is_extrapolated
    assert bounded.fees.p50 == pytest.approx(whole.fees.p50, rel=D("0.02"))
    assert bounded.duration_s.p50 == pytest.approx(whole.duration_s.p50, rel=D("0.25"))


def test_a_wide_spread_is_told_and_still_reckoned() -> None:
    wide = [facts("a", A), facts("b", B, book=book(B, D(2500), half_spread=D(20)))]
    chosen = strategy(max_slippage=D("0.04"))

    found = estimated(wide, chosen)

    caution = next(c for c in found.cautions if c.code == "spread_wide")
    assert caution.account_id == "b"
    assert found.slippage.p50 > estimated(two(), chosen).slippage.p90


def test_too_little_margin_is_a_critical_caution_with_the_figures() -> None:
    poor = Margin(B, "b", D(30), D(30), D(0), D(0), True, NOW)

    found = estimated([facts("a", A), facts("b", B, margin=poor)])

    caution = next(c for c in found.cautions if c.code == "insufficient_balance")
    assert caution.severity is Severity.CRITICAL
    assert caution.account_id == "b"
    assert "30.00" in caution.text


def test_a_margin_that_was_not_read_is_no_zero_and_is_told() -> None:
    found = estimated([facts("a", A), facts("b", B, margin=None)])

    assert found.volume.p50 >= 2990
    assert {"margin_unknown"} <= codes(found)
    assert "insufficient_balance" not in codes(found)


def test_an_inactive_account_is_told() -> None:
    closed = Margin(B, "b", D(10_000), D(10_000), D(0), D(0), False, NOW)

    assert "account_inactive" in codes(estimated([facts("a", A), facts("b", B, margin=closed)]))


def test_a_stale_book_is_told() -> None:
    old = book(A, D(2500), at=NOW - timedelta(seconds=60))

    assert "book_stale" in codes(estimated([facts("a", A, book=old), facts("b", B)]))


def test_a_venue_that_is_not_open_is_told() -> None:
    closed = SystemStatus(B, VenueState.MAINTENANCE, "back soon", NOW)

    caution = next(c for c in estimated([facts("a", A), facts("b", B, status=closed)]).cautions if "closed" in c.code)
    assert caution.account_id == "b"


def test_resting_orders_that_nothing_reaches_stall_and_say_so() -> None:
    never = replace(resting, fallback=OrderType.LIMIT)

    found = estimated(two(), never, assumptions=Assumptions(volatility_daily=0.0))

    assert found.volume.p90 == 0
    assert "stalls" in codes(found)
    assert found.cost_share is None
    assert found.duration_s.p50 >= 300


def test_a_thin_book_holds_the_planner_up_and_is_told() -> None:
    thin = [facts("a", A), facts("b", B, book=book(B, D(2500), depth=D("0.02")))]

    found = estimated(thin)

    assert "plan_depth" in codes(found)
    assert "stalls" in codes(found)
    assert found.volume.p90 == 0


def test_costs_beyond_the_stop_loss_are_told() -> None:
    small = [facts(n, v, margin=Margin(v, n, D(60), D(60), D(0), D(0), True, NOW)) for n, v in (("a", A), ("b", B))]

    assert "stop_loss" in codes(estimated(small, strategy(stop_loss=D("0.01"))))


def test_naked_time_beyond_the_budget_is_told() -> None:
    # A budget of a hundred largest pairs at the longest delay; a far longer session passes it.
    slow = Assumptions(delay=LegDelay(2.0, 9.0))

    assert "naked_budget" in codes(estimated(two(), target="900000", effort=Effort(2, 200), assumptions=slow))
    assert "naked_budget" not in codes(estimated(two(), assumptions=slow))


def test_fewer_than_two_venues_with_a_book_cannot_be_estimated() -> None:
    with pytest.raises(MarketDataUnavailable, match="b on paradex"):
        estimated([facts("a", A), facts("b", B, book=None)])


def test_a_third_account_without_a_mark_takes_no_leg_and_is_told() -> None:
    found = estimated([facts("a", A), facts("b", B), facts("c", C, mark=None)])

    idle = next(share for share in found.accounts if share.account.account_id == "c")
    assert idle.volume.p90 == 0
    assert "market_data_unknown" in codes(found)


def test_what_a_start_refuses_an_estimate_refuses_in_the_same_words() -> None:
    with pytest.raises(InvalidStrategy, match=r"orderSize\.min"):
        estimated(two(), strategy(order_size_min=D(1), order_size_max=D(2)))
    with pytest.raises(InsufficientAccounts):
        estimated([facts("a", A)])
    with pytest.raises(SelfTradeRisk):
        estimated([facts("a", A), facts("b", A)])


def test_equal_accounts_get_equal_shares_and_their_fees_add_up() -> None:
    found = estimated([facts("a", A), facts("b", B), facts("c", C)], target="20000")

    shares = [share.volume.p50 for share in found.accounts]
    assert max(shares) < min(shares) * D("1.2")
    assert sum(share.fees.p50 for share in found.accounts) == pytest.approx(found.fees.p50, rel=D("0.1"))


def test_weighted_volume_follows_margin() -> None:
    rich = Margin(A, "a", D(40_000), D(40_000), D(0), D(0), True, NOW)
    chosen = strategy(distribution=Distribution.WEIGHTED)

    found = estimated([facts("a", A, margin=rich), facts("b", B), facts("c", C)], chosen, target="20000")

    volume = {share.account.account_id: share.volume.p50 for share in found.accounts}
    assert volume["a"] > volume["b"] * D("1.3")


def test_cutting_deep_books_changes_no_figure() -> None:
    deep = [replace(f, book=_with_far_levels(f)) for f in two()]

    assert estimated(deep) == estimated(two())


def _with_far_levels(given_facts: AccountFacts) -> object:
    seen = given_facts.book
    assert seen is not None
    far = tuple(replace(level, price=level.price + 10) for level in seen.asks)
    return replace(seen, asks=seen.asks + far)


def test_the_fees_of_the_accounts_tier_count() -> None:
    tier = FeeTier(A, "a", "vip", D("0"), D("0.0001"), NOW)

    cheap = [replace(f, market=with_fees(f.market, tier)) for f in two()]

    assert estimated(cheap).fees.p50 == pytest.approx(estimated(two()).fees.p50 / 4, rel=D("0.01"))
    assert with_fees(market(A), None) == market(A)


def test_quantiles_lie_between_neighbours() -> None:
    found = quantiles([Decimal(n) for n in (5, 1, 3, 2, 4)])

    assert (found.p10, found.p50, found.p90) == (D("1.4"), D(3), D("4.6"))
    assert quantiles([D(2)]).p10 == 2


def test_senseless_efforts_and_assumptions_are_refused() -> None:
    for bad in ((0, 10), (5, 4)):
        with pytest.raises(ValueError, match="played"):
            Effort(*bad)
    with pytest.raises(ValueError, match="median"):
        LegDelay(1.0, 0.5)
    with pytest.raises(ValueError, match="volatility"):
        Assumptions(volatility_daily=float("nan"))
