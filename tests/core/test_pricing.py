"""Prices are never worse than their bound, never cross where they should rest, and costs are what the book says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_world import NOW, D, book, funding, market

from core.carry import carry_per_hour, known_carry
from core.instrument import Venue
from core.market import Book, Level
from core.numbers import is_multiple
from core.order import Side
from core.pricing import depth_within, marketable_price, passive_price, per_leg, taking_cost

MARKET = market(Venue.PACIFICA)
BOOK = Book(
    Venue.PACIFICA,
    "ETH/USD",
    bids=(Level(D("2499.5"), D("0.1")), Level(D("2498"), D("1"))),
    asks=(Level(D("2500.5"), D("0.1")), Level(D("2502"), D("1"))),
    sequence=1,
    venue_time=NOW - timedelta(milliseconds=3),
    received_time=NOW,
)


@pytest.mark.parametrize(
    ("side", "mid", "slippage", "mark", "expected"),
    [
        (Side.BUY, "2500", "0.01", None, "2525.0"),
        (Side.SELL, "2500", "0.01", None, "2475.0"),
        (Side.BUY, "2500.03", "0.01", None, "2525.0"),  # 2525.0303 rounds down, toward mid
        (Side.SELL, "2500.03", "0.01", None, "2475.1"),  # 2475.0297 rounds up, toward mid
        (Side.BUY, "2500", "0.2", "2490", "2739.0"),  # the venue's band of 10 % round its mark is tighter
        (Side.SELL, "2500", "0.2", "2490", "2241.0"),
        (Side.BUY, "2500", "0.01", "2490", "2525.0"),  # and here it is not
    ],
)
def test_a_marketable_price_with_worked_numbers(
    side: Side, mid: str, slippage: str, mark: str | None, expected: str
) -> None:
    found = marketable_price(MARKET, D(mid), side, D(slippage), mark=D(mark) if mark else None)

    assert found == D(expected)


@given(
    st.sampled_from(list(Side)),
    st.decimals(1, 100_000, places=3),
    st.decimals(0, D("0.5"), places=4),
    st.sampled_from([D("0.01"), D("0.1"), D("0.25")]),
)
def test_a_marketable_price_is_on_the_grid_and_never_worse_than_its_bound(
    side: Side, mid: Decimal, slippage: Decimal, tick: Decimal
) -> None:
    found = marketable_price(market(Venue.PACIFICA, tick=tick), mid, side, slippage)

    assert is_multiple(found, tick)
    assert not side.is_worse(found, than=mid * (1 + slippage * side.sign))


def test_two_legs_at_their_share_pay_at_most_the_pairs_bound() -> None:
    assert 2 * per_leg(D("0.02")) == D("0.02")


@given(
    st.sampled_from(list(Side)),
    st.decimals(100, 100_000, places=2),
    st.decimals(0, D("0.05"), places=4),
    st.decimals(D("0.1"), 50, places=1),
)
def test_a_resting_price_never_crosses_and_is_at_least_its_offset_away(
    side: Side, mid: Decimal, offset: Decimal, half_spread: Decimal
) -> None:
    seen = book(Venue.PACIFICA, mid, half_spread=half_spread)
    assert seen.best_ask is not None
    assert seen.best_bid is not None

    found = passive_price(MARKET, seen, side, offset)

    assert is_multiple(found, MARKET.tick)
    assert seen.best_bid < found if side is Side.SELL else found < seen.best_ask
    assert not side.is_worse(found, than=mid * (1 - offset * side.sign))


def test_a_resting_price_stays_inside_its_range_when_a_tick_allows_it() -> None:
    """0.5 % under 2500.3 is 2487.7985; down is 2487.7, beyond a range that ends there; up is 2487.8."""
    seen = book(Venue.PACIFICA, D("2500.3"))

    assert passive_price(MARKET, seen, Side.BUY, D("0.005")) == D("2487.7")
    assert passive_price(MARKET, seen, Side.BUY, D("0.005"), offset_max=D("0.005")) == D("2487.8")
    assert passive_price(MARKET, seen, Side.SELL, D("0.005"), offset_max=D("0.005")) == D("2512.8")


def test_a_one_sided_book_has_no_price_to_rest_against() -> None:
    with pytest.raises(ValueError, match="one side"):
        passive_price(MARKET, Book(Venue.PACIFICA, "ETH/USD", (), BOOK.asks, 1, NOW, NOW), Side.BUY, D(0))


def test_depth_counts_levels_up_to_the_limit() -> None:
    assert depth_within(BOOK, Side.BUY, D("2501")) == D("0.1")
    assert depth_within(BOOK, Side.BUY, D("2502")) == D("1.1")
    assert depth_within(BOOK, Side.SELL, D("2500")) == D(0)


def test_the_cost_of_taking_with_worked_numbers() -> None:
    """0.2 bought: 0.1 at 2500.5 and 0.1 at 2502 = 2501.25 on average, 1.25 over mid, 0.25 in all; fee 0.04 %."""
    cost = taking_cost(MARKET, BOOK, Side.BUY, D("0.2"))

    assert cost is not None
    assert cost.average == D("2501.25")
    assert cost.slippage == D("0.25")
    assert cost.fee == D("0.2001")
    assert cost.total == D("0.4501")
    assert cost.slippage_fraction == D("0.25") / D("500.25")


def test_selling_pays_slippage_too() -> None:
    cost = taking_cost(MARKET, BOOK, Side.SELL, D("0.2"))

    assert cost is not None
    assert cost.slippage == D("0.25")


def test_a_book_that_holds_less_has_no_cost() -> None:
    assert taking_cost(MARKET, BOOK, Side.BUY, D("1.2")) is None


def test_carry_compares_rates_on_one_clock() -> None:
    """Long at 0.01 % an hour, short at 0.16 % per 8 hours = 0.02 % an hour: the hedge earns 0.01 % an hour."""
    long_leg = funding(Venue.PACIFICA, "0.0001", 3600)
    short_leg = funding(Venue.PARADEX, "0.0016", 8 * 3600)

    assert carry_per_hour(long_leg, short_leg) == D("0.0001")
    assert carry_per_hour(short_leg, long_leg) == D("-0.0001")


def test_an_unknown_rate_is_no_carry_at_all() -> None:
    assert known_carry(None, funding(Venue.PARADEX, "0.0016")) is None
