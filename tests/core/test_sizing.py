"""Sizes lie on every venue's grid, inside every bound, and can be closed again."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from planning_world import D, account, market

from core.exposure import Exposure
from core.instrument import Venue
from core.numbers import is_multiple
from core.order import Side
from core.sizing import (
    Cap,
    CapCode,
    NoSize,
    SizeRange,
    margin_cap,
    opening_quantity,
    participation_cap,
    position_cap,
    reducing_quantity,
    session_lot,
    smallest_quantity,
    venue_caps,
)

LOT = D("0.001")
SIZES = SizeRange(low=D("0.040"), high=D("0.200"), smallest=D("0.005"), lot=LOT)


def cap(quantity: str, code: CapCode = CapCode.DEPTH) -> Cap:
    return Cap(code, D(quantity), "a")


def test_the_session_lot_lies_on_every_venues_grid() -> None:
    markets = [market(Venue.PACIFICA, lot=D("0.002")), market(Venue.PARADEX, lot=D("0.003"))]

    assert session_lot(markets) == D("0.006")


def test_the_smallest_quantity_follows_the_larger_minimum() -> None:
    """10 x 1.25 / 2500 = 0.005; a minimum quantity of 0.02 rules where it is larger."""
    assert smallest_quantity(market(Venue.PACIFICA), D(2500), lot=LOT) == D("0.005")
    assert smallest_quantity(market(Venue.PACIFICA, min_quantity=D("0.02")), D(2500), lot=LOT) == D("0.02")
    assert smallest_quantity(market(Venue.PACIFICA), D(2499), lot=LOT) == D("0.006")


def test_a_range_in_quote_units_becomes_lots_rounded_down() -> None:
    """100 and 500 at 2490 are 0.0401... and 0.2008...: a pair is never larger than asked for."""
    sizes = SizeRange.at(D(2490), quote_min=D(100), quote_max=D(500), max_position=D(1), smallest=D("0.005"), lot=LOT)

    assert (sizes.low, sizes.high) == (D("0.040"), D("0.200"))


def test_caps_with_worked_numbers() -> None:
    held = Exposure(account("a", Venue.PACIFICA), "ETH/USD", D("0.3"), pending_buy=D("0.05"), pending_sell=D("0.1"))

    assert position_cap(held, Side.BUY, D("0.4")).quantity == D("0.05")
    assert position_cap(held, Side.SELL, D("0.4")).quantity == D("0.6")
    # 2500 x (0.05 x 1.1 + 2 x 0.0004) = 139.5 of margin for one base unit
    assert margin_cap("a", market(Venue.PACIFICA), D(279), D(2500)).quantity == 2
    assert margin_cap("a", market(Venue.PACIFICA), D(-5), D(2500)).quantity == 0
    # 2 % of 100 000 less 1 000 leaves 1 000, half of it to open: 500 / 2500
    share = participation_cap("a", venue_volume_24h=D(100_000), share=D("0.02"), committed=D(1000), price=D(2500))
    assert share.quantity == D("0.2")
    orders = venue_caps("a", market(Venue.PACIFICA, max_quantity=D(3), max_notional=D(5000)), D(2500))
    assert [c.quantity for c in orders] == [3, 2]


def test_the_tightest_cap_is_named_when_nothing_fits() -> None:
    found = opening_quantity(SIZES, [cap("0.1"), cap("0.039", CapCode.MARGIN)], random.Random(1), wanted=None)

    assert isinstance(found, NoSize)
    assert found.cap.code is CapCode.MARGIN
    assert found.least == D("0.040")


def test_the_size_that_just_reaches_the_goal_is_taken_when_it_fits() -> None:
    rng = random.Random(1)

    assert opening_quantity(SIZES, [cap("1")], rng, wanted=D("0.123")) == D("0.123")
    assert opening_quantity(SIZES, [cap("1")], rng, wanted=D("0.001")) == D("0.040")


@given(st.integers(0, 2**32), st.integers(40, 400))
def test_a_drawn_size_lies_on_the_grid_between_its_bounds(seed: int, cap_lots: int) -> None:
    found = opening_quantity(
        SIZES, [cap("1"), Cap(CapCode.DEPTH, cap_lots * LOT, "a")], random.Random(seed), wanted=None
    )

    assert isinstance(found, Decimal)
    assert is_multiple(found, LOT)
    assert SIZES.low <= found <= min(SIZES.high, cap_lots * LOT)


def test_drawn_sizes_cover_the_range_evenly() -> None:
    rng = random.Random(11)
    drawn = [opening_quantity(SIZES, [cap("1")], rng, wanted=None) for _ in range(3220)]

    assert set(drawn) == {n * LOT for n in range(40, 201)}
    lower_half = sum(1 for q in drawn if isinstance(q, Decimal) and q < D("0.120"))
    assert 0.44 < lower_half / len(drawn) < 0.56


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=3),
    st.integers(0, 400),
    st.integers(1, 5),
)
def test_a_reduction_leaves_nothing_or_enough_and_is_the_largest_that_does(
    holding_lots: list[int], limit_lots: int, least_lots: int
) -> None:
    holdings, limit, least = [n * LOT for n in holding_lots], limit_lots * LOT, least_lots * LOT

    found = reducing_quantity(holdings, limit=limit, sizes=SIZES, least=least)

    fitting = [
        n * LOT
        for n in range(least_lots, limit_lots + 1)
        if all(lots == n or (lots - n) * LOT >= SIZES.smallest for lots in holding_lots)
    ]
    assert found == max(fitting, default=Decimal(0))
