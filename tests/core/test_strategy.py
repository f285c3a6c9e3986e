"""A strategy that contradicts itself or its markets is refused by the name of the field, with a remedy."""

from __future__ import annotations

from decimal import Decimal

import pytest
from planning_world import D, account, market, strategy

from core.errors import InsufficientAccounts, InvalidStrategy, SelfTradeRisk
from core.instrument import Venue
from core.strategy import SessionGoal, check_accounts, check_against_markets, validate, validate_goal


def test_the_demo_strategy_is_valid() -> None:
    assert validate(strategy()) == strategy()


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("strategy.symbol", {"symbol": "eth-usd"}),
        ("strategy.symbol", {"symbol": ""}),
        ("strategy.priceRange.min", {"price_range_min": D("0.02"), "price_range_max": D("0.01")}),
        ("strategy.priceRange", {"price_range_min": D("-0.001")}),
        ("strategy.priceRange", {"price_range_max": D(1)}),
        ("strategy.priceRange", {"price_range_max": D("NaN")}),
        ("strategy.timing.minInterval", {"interval_min_s": 0.0}),
        ("strategy.timing.minInterval", {"interval_min_s": float("nan")}),
        ("strategy.timing.minInterval", {"interval_min_s": 5.0, "interval_max_s": 4.0}),
        ("strategy.timing.maxInterval", {"interval_max_s": float("inf")}),
        ("strategy.timing.orderSize.min", {"order_size_min": D(0)}),
        ("strategy.timing.orderSize.min", {"order_size_min": D(600)}),
        ("strategy.timing.orderSize.max", {"order_size_max": D("Infinity")}),
        ("strategy.timing.orderSize.max", {"order_size_max": D("1e30")}),
        ("strategy.riskLimits.maxPositionSize", {"max_position": D(0)}),
        ("strategy.riskLimits.stopLossThreshold", {"stop_loss": D(1)}),
        ("strategy.riskLimits.maxSlippage", {"max_slippage": D(0)}),
        ("strategy.riskLimits.maxSlippage", {"max_slippage": D("NaN")}),
        ("strategy.maxLegDelay", {"max_leg_delay_s": -1.0}),
        ("strategy.maxParticipation", {"max_participation": D("1.5")}),
    ],
)
def test_a_bad_value_is_refused_by_its_field(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidStrategy) as refusal:
        validate(strategy(**changes))

    assert refusal.value.details["field"] == field
    assert refusal.value.details["remedy"]


@pytest.mark.parametrize(
    ("field", "goal"),
    [
        ("volumeTarget", SessionGoal(None, None)),
        ("volumeTarget", SessionGoal(D(0), None)),
        ("volumeTarget", SessionGoal(D("NaN"), None)),
        ("duration", SessionGoal(D(100), 0.0)),
    ],
)
def test_a_goal_needs_a_sensible_end(field: str, goal: SessionGoal) -> None:
    with pytest.raises(InvalidStrategy) as refusal:
        validate_goal(goal)

    assert refusal.value.details["field"] == field


def test_one_account_given_twice_is_not_two_accounts() -> None:
    with pytest.raises(InsufficientAccounts):
        check_accounts([account("a", Venue.PACIFICA), account("a", Venue.PACIFICA)])


def test_accounts_of_one_venue_cannot_be_paired() -> None:
    with pytest.raises(SelfTradeRisk):
        check_accounts([account("a", Venue.PACIFICA), account("b", Venue.PACIFICA)])


def test_several_accounts_on_one_venue_are_fine_beside_another_venue() -> None:
    check_accounts([account("a", Venue.PACIFICA), account("b", Venue.PACIFICA), account("c", Venue.PARADEX)])


MARKS = {"a": D(2500), "b": D(2500)}


def test_a_strategy_that_fits_its_markets_is_accepted() -> None:
    check_against_markets(strategy(), {"a": market(Venue.PACIFICA), "b": market(Venue.PARADEX)}, MARKS)


def test_a_symbol_that_a_venue_does_not_list_is_refused() -> None:
    with pytest.raises(InvalidStrategy, match="not listed on the venue of account b") as refusal:
        check_against_markets(strategy(), {"a": market(Venue.PACIFICA), "b": None}, MARKS)

    assert refusal.value.details["field"] == "strategy.symbol"


def test_an_order_size_that_rounds_below_one_common_lot_is_refused_with_the_figure_that_would_do() -> None:
    """100 at 2500 is 0.04; a lot of 0.1 makes it nothing. One lot costs 250."""
    markets = {"a": market(Venue.PACIFICA), "b": market(Venue.BACKPACK, lot=D("0.1"))}

    with pytest.raises(InvalidStrategy, match=r"raise it to at least 250\.01") as refusal:
        check_against_markets(strategy(), markets, MARKS)

    assert refusal.value.details["field"] == "strategy.timing.orderSize.min"


def test_an_order_size_below_a_minimum_notional_with_its_cushion_is_refused() -> None:
    """A minimum of 100 needs 125 so that the position can still be closed after a fall in price."""
    markets = {"a": market(Venue.PACIFICA), "b": market(Venue.PARADEX, min_notional=D(100))}

    with pytest.raises(InvalidStrategy):
        check_against_markets(strategy(order_size_min=D(124)), markets, MARKS)
    check_against_markets(strategy(order_size_min=D(125)), markets, MARKS)


@pytest.mark.parametrize("limit", [Decimal("0.001"), Decimal("0.039")])
def test_a_position_limit_below_the_smallest_order_is_refused(limit: Decimal) -> None:
    markets = {"a": market(Venue.PACIFICA), "b": market(Venue.PARADEX)}

    with pytest.raises(InvalidStrategy, match=r"0\.04") as refusal:
        check_against_markets(strategy(max_position=limit), markets, MARKS)

    assert refusal.value.details["field"] == "strategy.riskLimits.maxPositionSize"
