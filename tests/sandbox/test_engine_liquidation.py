"""Liquidation goes through its tiers, and every fill says which one made it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import ETH, Venue
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.forced import VENUE_ACCOUNT
from sandbox.model import EndReason, FillCause, Side, Trigger, TriggerWhen

VENUES = ("pacifica", "paradex", "backpack")


def leveraged(name: str, quantity: str = "15", balance: str = "1000", side: Side = Side.BUY) -> Venue:
    """A with a position near its limit against B, who is rich; C's orders catch liquidations at 2 % from 2500."""
    venue = Venue(name, "BC", "10000000")
    venue.exchange.open_account("A", Decimal(balance))
    take, give = (venue.buy, venue.sell) if side is Side.BUY else (venue.sell, venue.buy)
    give("B", quantity, "2500")
    take("A", quantity, "2500")
    give_c = venue.buy if side is Side.BUY else venue.sell
    give_c("C", "500", "2450" if side is Side.BUY else "2550")
    venue.events.clear()
    return venue


def move(venue: Venue, mark: Decimal) -> None:
    """Publish a new mark and index."""
    tick = venue.exchange.markets[ETH].tick
    price = (mark / tick).to_integral_value() * tick
    venue.exchange.set_prices(ETH, price, price, Decimal(0))


def mark_for(venue: Venue, share: str) -> Decimal:
    """Mark at which A's equity is `share` of its maintenance margin."""
    low, high = Decimal(1500), Decimal(2500)
    for _ in range(60):
        middle = (low + high) / 2
        venue.exchange.set_prices(ETH, middle, middle, Decimal(0))
        summary = venue.exchange.margin("A")
        low, high = (low, middle) if summary.equity > Decimal(share) * summary.maintenance else (middle, high)
    venue.exchange.set_prices(ETH, Decimal(2500), Decimal(2500), Decimal(0))
    return low


def causes(venue: Venue, account: str = "A") -> list[FillCause]:
    """Causes of an account's fills after the first."""
    return [f.cause for f in venue.exchange.fills(account)][1:]


@pytest.mark.parametrize(("name", "share"), [("pacifica", "0.9"), ("paradex", "0.9"), ("backpack", "0.9")])
def test_just_under_maintenance_the_book_takes_a_part(name: str, share: str) -> None:
    venue = leveraged(name)
    move(venue, mark_for(venue, share))

    assert venue.exchange.liquidate() == ["A"]

    assert set(causes(venue)) == {FillCause.LIQUIDATION}
    assert set(causes(venue, "C")) <= {FillCause.NORMAL}
    assert venue.exchange.fills("A")[-1].fee > 0


def test_pacifica_closes_a_small_position_at_once_and_a_large_one_in_five_steps() -> None:
    small, large = leveraged("pacifica"), leveraged("pacifica", "100", "6000")
    for venue in (small, large):
        move(venue, mark_for(venue, "0.95"))
        venue.exchange.liquidate()

    assert small.held("A") == 0
    assert large.held("A") == 80


def test_paradex_cuts_the_least_multiple_of_a_fifth_that_heals_the_account() -> None:
    venue = leveraged("paradex")
    move(venue, mark_for(venue, "0.98"))
    before = venue.exchange.margin("A")

    venue.exchange.liquidate()

    cut = 15 - venue.held("A")
    assert cut % 3 == 0
    assert cut > 0
    for fifths in range(1, int(cut) // 3):  # one fifth less would not have been enough
        share = Decimal(fifths) / 5
        equity = before.equity - share * Decimal("0.7") * before.maintenance
        assert before.maintenance * (1 - share) >= Decimal("0.9") * equity


def test_backpack_sells_a_tenth_of_the_first_position_each_time() -> None:
    venue = leveraged("backpack")
    move(venue, mark_for(venue, "0.95"))

    venue.exchange.liquidate()
    venue.exchange.liquidate()

    assert [f.quantity for f in venue.exchange.fills("A")[1:]] == [Decimal("1.5"), Decimal("1.5")]


@pytest.mark.parametrize(("name", "share"), [("pacifica", "0.6"), ("backpack", "0.4")])
def test_deep_under_maintenance_the_backstop_takes_everything_at_mark(name: str, share: str) -> None:
    venue = leveraged(name)
    move(venue, mark_for(venue, share))

    venue.exchange.liquidate()

    fill = venue.exchange.fills("A")[-1]
    assert (fill.cause, fill.counterparty, fill.price) == (
        FillCause.BACKSTOP,
        VENUE_ACCOUNT,
        venue.exchange.mark(ETH),
    )
    assert venue.held("A") == 0
    assert venue.exchange.account("A").balance >= 0


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_bankrupt_account_is_closed_at_its_last_price_and_winners_pay_for_it(name: str, side: Side) -> None:
    venue = leveraged(name, side=side)
    move(venue, Decimal(2500) - side.sign * Decimal(125))

    venue.exchange.liquidate()

    fill, winner = venue.exchange.fills("A")[-1], venue.exchange.fills("B")[-1]
    assert (fill.cause, winner.cause) == (FillCause.ADL, FillCause.ADL)
    assert fill.price == winner.price
    assert (venue.held("A"), venue.held("B")) == (0, 0)
    assert 0 <= venue.exchange.account("A").balance < Decimal(15)  # a tick for each unit at most
    assert fill.counterparty == winner.counterparty == VENUE_ACCOUNT


def test_the_most_profitable_and_leveraged_winner_is_deleveraged_first() -> None:
    venue = Venue("pacifica", "C", "10000000")
    for account, balance in (("A", "600"), ("bold", "700"), ("calm", "1000000")):
        venue.exchange.open_account(account, Decimal(balance))
    for account in ("calm", "bold"):
        venue.sell(account, "4", "2500")
    venue.buy("A", "8", "2500")
    move(venue, Decimal(2400))

    venue.exchange.liquidate()
    assert (venue.held("bold"), venue.held("calm")) == (0, 0)

    order = [f.account for a in ("calm", "bold") for f in venue.exchange.fills(a) if f.cause is FillCause.ADL]
    first = min((f for a in ("calm", "bold") for f in venue.exchange.fills(a)[1:]), key=lambda f: f.seq)
    assert sorted(order) == ["bold", "calm"]
    assert first.account == "bold"


def test_a_loser_never_wins_from_deleveraging() -> None:
    venue = leveraged("pacifica")
    venue.buy("C", "1", "2500", reduce_only=False)
    venue.sell("B", "1", "2500")
    move(venue, Decimal(2375))

    venue.exchange.liquidate()

    assert FillCause.ADL not in causes(venue, "C")


def test_every_order_of_a_liquidated_account_ends_waiting_ones_too() -> None:
    venue = leveraged("pacifica")
    mark = mark_for(venue, "0.9")
    resting = venue.sell("A", "1", "2600")
    waiting = venue.exchange.place_trigger(
        venue.request("A", Side.SELL, "1", reduce_only=True), Trigger(Decimal(2300), TriggerWhen.AT_OR_BELOW)
    )
    move(venue, mark)

    venue.exchange.liquidate()

    assert {resting.end_reason, waiting.end_reason} == {EndReason.LIQUIDATION}


def test_paradex_cancels_what_offsets_nothing_when_equity_is_under_the_initial_margin() -> None:
    venue = leveraged("paradex")
    mark = mark_for(venue, "1.1")
    adding = venue.buy("A", "1", "2400")
    offsetting, excess = venue.sell("A", "10", "2510"), venue.sell("A", "5.5", "2520")
    move(venue, mark)

    venue.exchange.liquidate()

    assert (adding.end_reason, excess.end_reason) == (EndReason.DELEVERAGE, EndReason.DELEVERAGE)
    assert offsetting.is_live


def test_a_healed_account_may_be_liquidated_afresh() -> None:
    venue = leveraged("backpack")
    move(venue, mark_for(venue, "0.95"))
    venue.exchange.liquidate()
    assert venue.exchange.account("A").is_liquidating

    move(venue, Decimal(2500))
    assert venue.exchange.liquidate() == []
    assert not venue.exchange.account("A").is_liquidating

    move(venue, mark_for(venue, "0.95"))
    held = venue.held("A")
    venue.exchange.liquidate()
    step, lot = venue.exchange.fills("A")[-1].quantity, venue.exchange.markets[ETH].lot
    assert held / 10 <= step < held / 10 + lot


@pytest.mark.parametrize("name", VENUES)
@given(fall=st.integers(1, 2400), side=st.sampled_from(Side), quantity=st.integers(1, 18))
@settings(max_examples=25, deadline=None)
def test_liquidation_conserves_positions_and_cash_and_leaves_nobody_under_water_with_a_position(
    name: str, fall: int, side: Side, quantity: int
) -> None:
    venue = leveraged(name, str(quantity), side=side)
    move(venue, Decimal(2500) - side.sign * Decimal(fall) / 10)
    for _ in range(40):
        if not venue.exchange.liquidate():
            break

    accounts = venue.exchange.accounts
    assert sum((venue.held(a) for a in accounts), Decimal(0)) == 0
    summary = venue.exchange.margin("A")
    assert summary.equity >= summary.maintenance or venue.held("A") == 0
    equity = sum((venue.exchange.margin(a).equity for a in accounts), Decimal(0))
    deposits = sum((a.deposits for a in accounts.values()), Decimal(0))
    fees = sum((a.fees_paid for a in accounts.values()), Decimal(0))
    assert abs(equity - (deposits - fees)) < Decimal("0.000001")
