"""Every cent of a change of equity is explained by bookings, and every planted error leaves a residual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_world import NOW, D

from core.account import Transfer, TransferKind
from core.instrument import Venue
from core.ledger import (
    Entry,
    Name,
    Posting,
    Reading,
    Statement,
    balances,
    book_fills,
    fill_entry,
    funding_entry,
    statement,
    total,
    transfer_entry,
)
from core.market import FundingPayment
from core.order import Fill, FillCause, Liquidity, Side

prices = st.decimals(min_value=1000, max_value=4000, places=2)
quantities = st.decimals(min_value=D("0.001"), max_value=2, places=3)
payments = st.decimals(min_value=-5, max_value=5, places=6)


@dataclass(frozen=True)
class Told:
    """What happened on one account: executions with the mid each is measured against, funding, and the last mark."""

    fills: tuple[tuple[Fill, Decimal, bool], ...]
    funding: tuple[FundingPayment, ...]
    mark: Decimal

    @property
    def change(self) -> Decimal:
        """The change of the venue's equity, reckoned the venue's way: cash flows, and what is left at the mark."""
        cash = sum((-f.side.sign * f.quantity * f.price - f.fee for f, _, _ in self.fills), D(0))
        left = sum((f.side.sign * f.quantity for f, _, _ in self.fills), D(0))
        return cash + left * self.mark + sum((p.payment for p in self.funding), D(0))


def fill(n: int, side: Side, quantity: Decimal, price: Decimal, cause: FillCause = FillCause.TRADE) -> Fill:
    at = NOW + timedelta(seconds=n)
    fee = (quantity * price * D("0.0005")).quantize(D("0.000001"))
    return Fill(
        Venue.PACIFICA, "a", "ETH/USD", f"t{n}", f"c{n}", f"o{n}", side, quantity, price, fee, Liquidity.TAKER, at, at,
        cause,
    )  # fmt: skip


@st.composite
def told(draw: st.DrawFn) -> Told:
    sides = draw(st.lists(st.sampled_from(Side), min_size=1, max_size=8))
    causes = st.sampled_from([FillCause.TRADE] * 6 + [FillCause.ADL, FillCause.LIQUIDATION])
    fills = tuple(
        (fill(n, side, draw(quantities), draw(prices), draw(causes)), draw(prices), draw(st.booleans()))
        for n, side in enumerate(sides)
    )
    booked = tuple(
        FundingPayment(Venue.PACIFICA, "a", "ETH/USD", f"f{n}", value, None, NOW, NOW)
        for n, value in enumerate(draw(st.lists(payments, max_size=4)))
    )
    return Told(fills, booked, draw(prices))


def entries(told: Told) -> list[Entry]:
    arrival = {f.trade_id: (mid, repairs) for f, mid, repairs in told.fills}
    booked = book_fills((f for f, _, _ in told.fills), lambda f: arrival[f.trade_id])
    return booked + [funding_entry(p) for p in told.funding]


def stated(told: Told, booked: list[Entry]) -> Statement:
    opening = Reading(D(10_000), None, NOW)
    closing = Reading(D(10_000) + told.change, told.mark, NOW + timedelta(hours=1))
    return statement("a", "ETH/USD", booked, opening=opening, closing=closing)


@given(told())
def test_bookings_explain_the_whole_change_of_equity(happened: Told) -> None:
    result = stated(happened, entries(happened))
    assert result.residual == 0
    assert result.is_balanced


@given(told())
def test_the_parts_are_what_they_say(happened: Told) -> None:
    result = stated(happened, entries(happened))
    trades = [(f, mid, repairs) for f, mid, repairs in happened.fills if f.cause is FillCause.TRADE]
    beside = {
        r: sum((f.side.sign * f.quantity * (m - f.price) for f, m, x in trades if x is r), D(0)) for r in (False, True)
    }
    assert result.fees == -sum((f.fee for f, _, _ in happened.fills), D(0))
    assert result.funding == sum((p.payment for p in happened.funding), D(0))
    assert (result.slippage, result.legging) == (beside[False], beside[True])


@given(told(), st.integers(min_value=0))
def test_a_missing_fee_a_missing_fill_and_a_doubled_one_leave_a_residual(happened: Told, pick: int) -> None:
    victim = happened.fills[pick % len(happened.fills)][0]
    good = entries(happened)
    without_fee = [
        fill_entry(replace(victim, fee=D(0)), arrival_mid=D(2000), repairs=False)
        if e.reference == victim.trade_id
        else e
        for e in good
    ]
    missing = [e for e in good if e.reference != victim.trade_id]
    other_id = replace(victim, trade_id="again")
    doubled = [*good, fill_entry(other_id, arrival_mid=victim.price, repairs=False)]

    assert not stated(happened, without_fee).is_balanced
    for wrong in (missing, doubled):
        worth = victim.side.sign * victim.quantity * (happened.mark - victim.price) - victim.fee
        assert stated(happened, wrong).is_balanced == (abs(worth) <= stated(happened, wrong).dust)


@given(told(), payments)
def test_funding_that_was_not_booked_leaves_exactly_itself(happened: Told, value: Decimal) -> None:
    extra = FundingPayment(Venue.PACIFICA, "a", "ETH/USD", "late", value, None, NOW, NOW)
    result = stated(replace(happened, funding=(*happened.funding, extra)), entries(happened))
    assert result.residual == value


def test_a_trade_told_twice_is_booked_once() -> None:
    one = fill(1, Side.BUY, D(1), D(2000))
    assert len(book_fills([one, one], lambda _: (D(2000), False))) == 1


def test_an_entry_that_does_not_balance_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not balance"):
        Entry("a", "fill", "t", NOW, (Posting(Name.FEES, "USD", D(1)),))


def test_a_position_held_before_explains_what_its_mark_did() -> None:
    opening, closing = Reading(D(1000), D(2000), NOW), Reading(D(1050), D(2100), NOW)
    result = statement("a", "ETH/USD", [], opening=opening, closing=closing, held_before=D("0.5"))
    assert (result.before, result.residual) == (D(50), D(0))


def test_what_others_traded_explains_what_it_made_and_is_not_the_sessions() -> None:
    """They sell 2 at 2000 and buy 0.5 back at 1990, 0.1 of fee each; what is left is valued at 2010."""
    trades = [
        replace(fill(1, Side.SELL, D(2), D(2000)), fee=D("0.1")),
        replace(fill(2, Side.BUY, D("0.5"), D(1990)), fee=D("0.1")),
    ]
    opening, closing = Reading(D(1000), None, NOW), Reading(D("989.8"), D(2010), NOW)
    result = statement("a", "ETH/USD", [], opening=opening, closing=closing, others=trades)
    assert (result.before, result.basis, result.residual) == (D("-10.2"), D(0), D(0))


def test_what_cannot_be_valued_is_not_zero() -> None:
    left = [fill_entry(fill(1, Side.BUY, D(1), D(2000)), arrival_mid=D(2000), repairs=False)]
    with pytest.raises(ValueError, match="without a mark"):
        statement("a", "ETH/USD", left, opening=Reading(D(1), None, NOW), closing=Reading(D(1), None, NOW))


def test_deposits_are_told_apart_from_profits() -> None:
    deposit = Transfer(Venue.PACIFICA, "a", "d1", TransferKind.DEPOSIT, "USD", D(500), "done", NOW, NOW)
    opening, closing = Reading(D(1000), None, NOW), Reading(D(1500), None, NOW)
    result = statement("a", "ETH/USD", [transfer_entry(deposit)], opening=opening, closing=closing)
    assert (result.transfers, result.price_pnl, result.residual) == (D(500), D(0), D(0))


@given(told(), told())
def test_the_session_is_the_sum_of_its_accounts_and_every_asset_balances(one: Told, other: Told) -> None:
    booked = entries(one)
    whole = total([stated(one, booked), stated(other, entries(other))])
    assert whole.residual == 0
    assert whole.closing - whole.opening == one.change + other.change
    for asset in ("USD", "ETH"):
        assert sum(q for (_, _, a), q in balances(booked).items() if a == asset) == 0
