"""Which pair comes next, case by case. Claims about whole sessions are in test_planning_sessions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from planning_world import D, account, account_view, book, funding, market, session_view, strategy

from core.errors import SelfTradeRisk
from core.exposure import Exposure
from core.ids import pair_id
from core.instrument import Venue
from core.order import Side
from core.plan import LegPlan, Nothing, NothingCode, PairPlan, Purpose, SessionView, plan_pair
from core.strategy import Distribution, Strategy

A, B, C = Venue.PACIFICA, Venue.PARADEX, Venue.BACKPACK


def planned(view: SessionView, chosen: Strategy | None = None, seed: int = 1) -> PairPlan:
    found = plan_pair(view, chosen or strategy(), random.Random(seed))
    assert isinstance(found, PairPlan), found
    return found


def refused(view: SessionView, chosen: Strategy | None = None) -> Nothing:
    found = plan_pair(view, chosen or strategy(), random.Random(1))
    assert isinstance(found, Nothing), found
    return found


def names(plan: PairPlan) -> tuple[str, str]:
    return plan.buy.account.account_id, plan.sell.account.account_id


def leg(account_id: str, venue: Venue, side: Side, quantity: str = "0.1") -> LegPlan:
    return LegPlan(account(account_id, venue), market(venue), side, D(quantity), reduce_only=False, closing=False)


def pair_of(buy: LegPlan, sell: LegPlan, quantity: str = "0.1") -> PairPlan:
    return PairPlan("p", "s", 1, Purpose.OPEN, buy, sell, D(quantity), D(2500), D(2500))


@pytest.mark.parametrize(
    ("buy", "sell", "quantity"),
    [
        (leg("a", A, Side.BUY), leg("b", A, Side.SELL), "0.1"),
        (leg("a", A, Side.BUY), leg("a", A, Side.SELL), "0.1"),
        (leg("a", A, Side.BUY), leg("a", B, Side.SELL), "0.1"),
        (leg("a", A, Side.BUY), leg("b", B, Side.SELL, "0.2"), "0.1"),
        (leg("a", A, Side.BUY), leg("b", B, Side.SELL), "0.2"),
        (leg("a", A, Side.BUY, "0"), leg("b", B, Side.SELL, "0"), "0"),
        (leg("a", A, Side.SELL), leg("b", B, Side.BUY), "0.1"),
        (leg("a", A, Side.BUY), leg("b", B, Side.BUY), "0.1"),
    ],
)
def test_a_pair_that_is_not_two_equal_legs_on_two_venues_cannot_be_built(
    buy: LegPlan, sell: LegPlan, quantity: str
) -> None:
    with pytest.raises(SelfTradeRisk):
        pair_of(buy, sell, quantity)


def test_a_built_pair_cannot_be_changed_into_a_bad_one() -> None:
    good = pair_of(leg("a", A, Side.BUY), leg("b", B, Side.SELL))

    with pytest.raises(SelfTradeRisk):
        replace(good, sell=leg("b", A, Side.SELL))


def test_a_plan_carries_its_identity_and_arrival_mids() -> None:
    view = session_view(account_view("a", A), account_view("b", B, price=D(2510)), next_sequence=7)

    plan = planned(view)

    assert (plan.session_id, plan.sequence, plan.pair_id) == ("session", 7, pair_id("session", 7))
    assert {plan.buy_mid, plan.sell_mid} == {D(2500), D(2510)}
    assert plan.purpose is Purpose.OPEN
    assert not plan.closing


def test_equal_distribution_takes_the_two_accounts_that_traded_least() -> None:
    view = session_view(
        account_view("a", A, volume=D(900)), account_view("b", B, volume=D(100)), account_view("c", C, volume=D(500))
    )

    assert set(names(planned(view))) == {"b", "c"}


def test_weighted_distribution_takes_those_that_traded_least_for_their_margin() -> None:
    """900 / 10 000 and 100 / 2 000 are less than 500 / 1 000."""
    view = session_view(
        account_view("a", A, volume=D(900), free_margin=D(10_000)),
        account_view("b", B, volume=D(100), free_margin=D(2_000)),
        account_view("c", C, volume=D(500), free_margin=D(1_000)),
    )

    assert set(names(planned(view, strategy(distribution=Distribution.WEIGHTED)))) == {"a", "b"}


def test_two_accounts_of_one_venue_are_never_paired_however_little_they_traded() -> None:
    view = session_view(account_view("a", A), account_view("a2", A), account_view("b", B, volume=D(10_000)))

    for seed in range(20):
        assert "b" in names(planned(view, seed=seed))


@pytest.mark.parametrize(("rate_a", "rate_b", "buyer"), [("0.0001", "0.0003", "a"), ("0.0003", "0.0001", "b")])
def test_carry_chooses_the_direction(rate_a: str, rate_b: str, buyer: str) -> None:
    """The venue where longs pay less is bought."""
    view = session_view(
        account_view("a", A, funding=funding(A, rate_a)), account_view("b", B, funding=funding(B, rate_b))
    )

    for seed in range(5):
        assert planned(view, seed=seed).buy.account.account_id == buyer


def test_without_funding_rates_chance_chooses_the_direction() -> None:
    view = session_view(account_view("a", A), account_view("b", B))

    assert {names(planned(view, seed=seed)) for seed in range(20)} == {("a", "b"), ("b", "a")}


def test_a_held_direction_is_kept_while_there_is_room() -> None:
    view = session_view(account_view("a", A, "0.1"), account_view("b", B, "-0.1"))

    plan = planned(view)

    assert names(plan) == ("a", "b")
    assert plan.purpose is Purpose.OPEN
    assert plan.quantity <= D("0.3")


def test_at_the_limit_the_direction_turns() -> None:
    view = session_view(account_view("a", A, "0.38"), account_view("b", B, "-0.38"))

    plan = planned(view)

    assert names(plan) == ("b", "a")
    assert plan.purpose is Purpose.CLOSE
    assert plan.closing
    assert plan.buy.reduce_only
    assert plan.sell.reduce_only


def test_a_rotation_goes_on_until_flat() -> None:
    view = session_view(account_view("a", A, "0.1"), account_view("b", B, "-0.1"), unwinding=True)

    assert planned(view).purpose is Purpose.CLOSE


def test_closing_takes_both_positions_whole() -> None:
    view = session_view(account_view("a", A, "0.37"), account_view("b", B, "-0.37"), closing=True)

    plan = planned(view)

    assert names(plan) == ("b", "a")
    assert plan.quantity == D("0.37")


def test_closing_takes_the_longest_against_the_shortest() -> None:
    view = session_view(
        account_view("a", A, "0.3"), account_view("b", B, "-0.2"), account_view("c", C, "-0.1"), closing=True
    )

    plan = planned(view)

    assert names(plan) == ("b", "a")
    assert plan.quantity == D("0.2")


def test_closing_never_strands_both_sides_of_a_hedge_on_one_venue() -> None:
    """Long and short on the first venue, opposite ones elsewhere: closing the others first would leave it stuck."""
    view = session_view(
        account_view("a", A, "0.2"),
        account_view("a2", A, "-0.2"),
        account_view("b", B, "-0.2"),
        account_view("c", C, "0.2"),
        closing=True,
    )

    for seed in range(20):
        assert any(name.startswith("a") for name in names(planned(view, seed=seed)))


def test_the_target_within_reach_of_closing_turns_to_closing() -> None:
    """0.2 open at 2500 closes 500 x 0.995: enough for the 490 that are left, not for 600."""
    accounts = (account_view("a", A, "0.2"), account_view("b", B, "-0.2"))

    near = session_view(*accounts, volume_generated=D(510), volume_target=D(1000))
    far = session_view(*accounts, volume_generated=D(400), volume_target=D(1000))

    assert planned(near).purpose is Purpose.CLOSE
    assert planned(far).purpose is Purpose.OPEN


def test_the_last_pair_is_cut_to_what_the_target_still_needs() -> None:
    """600 to go means 300 opened and closed: 300 / (2500 x 0.995) = 0.1206, rounded up to a lot."""
    view = session_view(account_view("a", A), account_view("b", B), volume_generated=D(400), volume_target=D(1000))

    for seed in range(5):
        assert planned(view, seed=seed).quantity == D("0.121")


def test_flat_with_the_target_reached_is_done() -> None:
    view = session_view(account_view("a", A), account_view("b", B), volume_generated=D(1000), volume_target=D(1000))

    assert refused(view).is_done


def test_flat_and_closing_is_done_whatever_the_target() -> None:
    view = session_view(account_view("a", A), account_view("b", B), volume_target=D(1000), closing=True)

    assert refused(view).is_done


def test_a_remainder_too_small_to_close_is_completed_first() -> None:
    """0.002 is worth 5, the venues' minimum is 10: 0.005 more make it closable."""
    view = session_view(account_view("a", A, "0.002"), account_view("b", B, "-0.002"), closing=True)

    plan = planned(view)

    assert names(plan) == ("a", "b")
    assert plan.purpose is Purpose.COMPLETE
    assert plan.quantity == D("0.005")
    assert not plan.buy.reduce_only


def test_a_net_exposure_stops_planning_until_it_is_unwound() -> None:
    view = session_view(account_view("a", A, "0.2"), account_view("b", B, "-0.1"))

    assert refused(view).code is NothingCode.NET_EXPOSURE


def test_closing_with_a_net_exposure_closes_what_has_a_counterpart_then_says_so() -> None:
    view = session_view(account_view("a", A, "0.2"), account_view("b", B, "-0.1"), closing=True)
    left = session_view(account_view("a", A, "0.1"), account_view("b", B), closing=True)

    assert planned(view).quantity == D("0.1")
    assert refused(left).code is NothingCode.NET_EXPOSURE


def test_positions_that_only_one_venue_holds_are_unmatched() -> None:
    view = session_view(account_view("a", A, "0.1"), account_view("a2", A, "-0.1"), account_view("b", B), closing=True)

    assert refused(view).code is NothingCode.UNMATCHED


def test_an_account_with_orders_in_flight_takes_no_leg() -> None:
    unresolved = Exposure(account("a", A), "ETH/USD", D(0), pending_buy=D("0.1"))
    view = session_view(account_view("a", A, exposure=unresolved), account_view("b", B))

    assert refused(view).code is NothingCode.IN_FLIGHT


@pytest.mark.parametrize("missing", [{"book": None}, {"mark": None}])
def test_an_account_without_market_data_takes_no_leg(missing: dict[str, object]) -> None:
    view = session_view(account_view("a", A, **missing), account_view("b", B))

    assert refused(view).code is NothingCode.MARKET_DATA


def test_an_excluded_venue_takes_no_leg_and_the_others_go_on() -> None:
    accounts = (account_view("a", A), account_view("b", B), account_view("c", C))

    assert set(names(planned(session_view(*accounts, excluded_venues=frozenset({A}))))) == {"b", "c"}
    assert refused(session_view(*accounts[:2], excluded_venues=frozenset({A}))).code is NothingCode.EXCLUDED


def test_margin_that_carries_no_order_is_named() -> None:
    """5 of margin carries 5 / 139.5 = 0.035, below the smallest order of 0.04."""
    view = session_view(account_view("a", A, free_margin=D(5)), account_view("b", B))

    nothing = refused(view)

    assert nothing.code is NothingCode.MARGIN
    assert nothing.text.startswith("account a:")


def test_a_thin_book_waits_instead_of_turning_the_direction() -> None:
    view = session_view(
        account_view("a", A, "0.1", book=book(A, D(2500), depth=D("0.03"))), account_view("b", B, "-0.1")
    )

    assert refused(view).code is NothingCode.DEPTH


def test_sizes_stay_inside_the_book_within_the_slippage_bound() -> None:
    view = session_view(account_view("a", A, book=book(A, D(2500), depth=D("0.06"))), account_view("b", B))

    for seed in range(10):
        assert planned(view, seed=seed).quantity <= D("0.06")
