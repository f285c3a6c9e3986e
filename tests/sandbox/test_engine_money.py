"""Money: realised PnL, funding, margin, liquidation, and undone fills."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import ETH, Venue
from hypothesis import given
from hypothesis import strategies as st

from sandbox.events import FillBusted
from sandbox.funding import HOUR_US, index_step, rate_for
from sandbox.model import FillCause, Position, Refusal, RefusalReason, Side
from sandbox.positions import apply_execution, unrealised_pnl

PRICES = st.decimals(min_value=1, max_value=10_000, places=2)
SIZES = st.decimals(min_value="0.001", max_value=100, places=3)


@given(st.lists(st.tuples(st.sampled_from(Side), SIZES, PRICES), max_size=30), PRICES)
def test_realised_plus_unrealised_is_the_cash_flow_at_any_mark(
    executions: list[tuple[Side, Decimal, Decimal]], mark: Decimal
) -> None:
    position, realised, cash, held = Position(ETH), Decimal(0), Decimal(0), Decimal(0)
    for side, quantity, price in executions:
        realised += apply_execution(position, side, quantity, price)
        cash -= side.sign * quantity * price
        held += side.sign * quantity

    assert position.quantity == held
    assert abs(realised + unrealised_pnl(position, mark) - (cash + held * mark)) < Decimal("1e-9")


def test_a_round_trip_realises_the_price_difference() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    venue.buy("B", "1", "2510")
    venue.sell("A", "1", "2510")

    account = venue.exchange.account("A")

    assert account.realised_pnl == 10
    assert account.balance == Decimal(100_000) + 10 - Decimal("1.0") - Decimal("1.004")


def test_a_flip_realises_the_closed_part_and_opens_the_rest_at_the_new_price() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    venue.buy("B", "3", "2520")

    venue.sell("A", "3", "2520")

    (position,) = venue.exchange.positions("A")
    assert (position.quantity, position.entry_price) == (Decimal(-2), Decimal(2520))
    assert venue.exchange.account("A").realised_pnl == 20


@pytest.mark.parametrize(
    ("premium", "hours", "rate"),
    [
        ("0", 1, "0.0000125"),  # 0.01 % / 8
        ("0.0004", 1, "0.0000125"),  # pulled back to the interest inside 0.05 %
        ("0.001", 1, "0.0000625"),  # (0.1 % - 0.05 %) / 8
        ("-0.001", 1, "-0.0000625"),
        ("0", 8, "0.0001"),
        ("9", 1, "0.04"),  # the cap
    ],
)
def test_the_funding_rate_follows_the_published_formula(premium: str, hours: int, rate: str) -> None:
    assert rate_for(Decimal(premium), hours, Decimal("0.04")) == Decimal(rate)


def test_the_continuous_index_grows_as_the_published_example() -> None:
    """Spot 60000, rate 0.0003 for 8 hours, 60 seconds: 0.0375 (docs.paradex.trade, Funding)."""
    assert index_step(Decimal("0.0003"), Decimal(60_000), 60_000_000, 8) == Decimal("0.0375")


@pytest.mark.parametrize(("name", "account", "sign"), [("pacifica", "A", -1), ("backpack", "B", 1)])
def test_hourly_funding_is_paid_by_longs_to_shorts_at_the_full_hour(name: str, account: str, sign: int) -> None:
    venue = Venue(name)
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")

    venue.world.advance(HOUR_US - 1)
    assert venue.exchange.funding_payments(account) == []
    venue.world.advance(1)

    (payment,) = venue.exchange.funding_payments(account)
    assert payment.payment == sign * Decimal("0.0625")  # 2 * 2500 * 0.0000125
    assert payment.time_us % HOUR_US == 0


def test_every_hour_of_a_long_jump_is_paid_once() -> None:
    venue = Venue()
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")

    venue.world.advance(7 * HOUR_US)

    hours = [p.time_us // HOUR_US for p in venue.exchange.funding_payments("A")]
    assert hours == list(range(hours[0], hours[0] + 7))


def test_continuous_funding_accrues_unbooked_and_is_realised_by_the_next_fill() -> None:
    venue = Venue("paradex")
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")

    venue.world.advance(8 * HOUR_US)

    accrued = venue.exchange.unrealised_funding("A", ETH)
    assert accrued == Decimal("-0.5")  # 2 * 2500 * 0.0001
    assert venue.exchange.funding_payments("A") == []
    venue.buy("B", "1", "2500")
    venue.sell("A", "1", "2500")
    (payment,) = venue.exchange.funding_payments("A")
    fill = venue.exchange.fills("A")[-1]
    assert payment.payment == fill.realised_funding == accrued
    assert payment.fill_id == fill.id
    assert venue.exchange.unrealised_funding("A", ETH) == 0


def test_initial_margin_counts_the_worse_side_of_orders_and_position() -> None:
    venue = Venue()
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    before = venue.exchange.margin("A").initial

    venue.sell("A", "1.5", "2600")  # at worst 0.5 short: less than the 1 long that is held
    unchanged = venue.exchange.margin("A").initial
    venue.buy("A", "1", "2400")

    assert before == unchanged == 50
    assert venue.exchange.margin("A").initial == 100


def test_backpack_margin_grows_with_the_square_root_of_size() -> None:
    venue = Venue("backpack", balance="1000000")
    venue.sell("B", "400", "2500")
    venue.buy("A", "400", "2500")

    assert venue.exchange.margin("A").initial == Decimal(1_000_000) * Decimal("0.0935")


def test_lower_leverage_needs_the_margin_for_it() -> None:
    venue = Venue(balance="1000")
    venue.exchange.open_account("rich", Decimal(1_000_000))
    venue.sell("rich", "10", "2500")
    venue.buy("A", "10", "2500")

    with pytest.raises(Refusal) as caught:
        venue.exchange.set_leverage("A", ETH, 5)

    assert caught.value.reason is RefusalReason.MARGIN
    assert venue.exchange.leverage("A", ETH) == 50


def test_an_account_under_maintenance_is_liquidated_and_its_fills_say_so() -> None:
    venue = Venue(balance="1000")
    venue.exchange.open_account("rich", Decimal(10_000_000))
    venue.sell("rich", "15", "2500")
    venue.buy("A", "15", "2500")
    price = venue.exchange.liquidation_price("A", ETH)
    assert price is not None
    venue.buy("rich", "100", "2400")

    venue.exchange.set_prices(ETH, price + 1, price + 1, Decimal(0))
    venue.world.advance(2_000_000)
    assert venue.held("A") == 15
    venue.exchange.set_prices(ETH, price - 1, price - 1, Decimal(0))
    venue.world.advance(2_000_000)

    assert venue.held("A") == 0
    assert not venue.exchange.account("A").is_liquidating
    assert venue.exchange.fills("A")[-1].cause is FillCause.LIQUIDATION
    assert venue.exchange.fills("rich")[-1].cause is FillCause.NORMAL


def test_deleveraging_closes_at_mark_and_keeps_the_sum_at_zero() -> None:
    venue = Venue()
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")
    venue.exchange.set_prices(ETH, Decimal("2550.03"), Decimal(2550), Decimal(0))

    fill = venue.exchange.deleverage("A", ETH, Decimal(1))

    assert (fill.price, fill.cause, venue.held("A")) == (Decimal("2550.0"), FillCause.ADL, Decimal(1))
    assert sum((venue.held(a) for a in venue.exchange.accounts), Decimal(0)) == 0


def test_a_busted_fill_gives_back_position_cash_and_fee_on_both_sides() -> None:
    venue = Venue()
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")
    fill = venue.exchange.fills("A")[0]

    venue.exchange.bust(fill.id)

    for account in "AB":
        assert venue.held(account) == 0
        assert venue.exchange.account(account).balance == 100_000
    assert [e.fill.account for e in venue.events if isinstance(e, FillBusted)] == ["A", "B"]


def test_a_bust_cannot_be_busted() -> None:
    venue = Venue()
    venue.sell("B", "2", "2500")
    venue.buy("A", "2", "2500")
    undo = venue.exchange.bust(venue.exchange.fills("A")[0].id)

    with pytest.raises(Refusal):
        venue.exchange.bust(undo.id)
