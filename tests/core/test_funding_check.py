"""Funding recomputed agrees with what venues book, and every wrong payment stands out with the money at stake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.funding_check import PriceRange, check_index, check_intervals
from core.instrument import Venue
from core.market import FundingPayment
from core.market_data import PastFunding
from core.order import Fill, Liquidity, Side

D = Decimal
HOUR = datetime(2026, 3, 1, 13, tzinfo=UTC)
MARK = PriceRange(D(2500), D(2500))


def fill(side: Side, quantity: str, at: datetime, number: int = 0) -> Fill:
    return Fill(
        Venue.PACIFICA, "a", "ETH/USD", f"t{number}", None, "v", side, D(quantity), D(2500), D(0), Liquidity.TAKER,
        at, at,
    )  # fmt: skip


def paid(quote: str, at: datetime, number: int = 0) -> FundingPayment:
    return FundingPayment(Venue.PACIFICA, "a", "ETH/USD", f"f{number}", D(quote), None, at, at)


def rate(at: datetime, value: str = "0.0000125") -> PastFunding:
    return PastFunding(Venue.PACIFICA, "ETH/USD", D(value), 3600, None, None, at, at)


def sample(second: float, index: str) -> PastFunding:
    at = HOUR + timedelta(seconds=second)
    return PastFunding(Venue.PARADEX, "ETH/USD", D("0.0001"), 28_800, D(index), None, at, at)


@pytest.mark.parametrize(("side", "booked"), [(Side.BUY, "-0.03125"), (Side.SELL, "0.03125")])
def test_payment_of_position_price_and_rate_agrees(side: Side, booked: str) -> None:
    held = [fill(side, "1", HOUR - timedelta(minutes=5))]
    (found,) = check_intervals(held, [rate(HOUR)], [paid(booked, HOUR)], {HOUR: MARK}, "a")
    assert found.is_agreed
    assert found.expected == D(booked)
    assert found.difference == 0


@pytest.mark.parametrize("booked", ["0.03125", "-0.0315", "-0.0310", "0", "-0.0625"])
def test_payment_that_is_off_stands_out_with_the_money_at_stake(booked: str) -> None:
    held = [fill(Side.BUY, "1", HOUR - timedelta(minutes=5))]
    payments = [paid(booked, HOUR)] if D(booked) else []
    (found,) = check_intervals(held, [rate(HOUR)], payments, {HOUR: MARK}, "a")
    assert not found.is_agreed
    assert found.difference == D(booked) - D("-0.03125")


def test_payment_for_a_position_that_was_not_held_stands_out() -> None:
    gone = [fill(Side.BUY, "1", HOUR - timedelta(minutes=5)), fill(Side.SELL, "1", HOUR - timedelta(minutes=1), 1)]
    (found,) = check_intervals(gone, [rate(HOUR)], [paid("-0.03125", HOUR)], {HOUR: MARK}, "a")
    assert not found.is_agreed
    assert found.expected == 0


def test_fill_at_the_full_hour_may_count_as_before_or_after() -> None:
    held = [fill(Side.BUY, "1", HOUR + timedelta(milliseconds=300))]
    for payments in ([], [paid("-0.03125", HOUR)]):
        (*found,) = check_intervals(held, [rate(HOUR)], payments, {HOUR: MARK}, "a")
        assert all(f.is_agreed for f in found)


def test_price_that_moved_around_the_hour_allows_what_it_moved_and_no_more() -> None:
    held = [fill(Side.BUY, "1", HOUR - timedelta(minutes=5))]
    seen = {HOUR: PriceRange(D(2500), D(2600))}
    inside, outside = paid("-0.0325", HOUR), paid("-0.0326", HOUR)
    assert check_intervals(held, [rate(HOUR)], [inside], seen, "a")[0].is_agreed
    assert not check_intervals(held, [rate(HOUR)], [outside], seen, "a")[0].is_agreed


def test_interval_whose_price_nobody_saw_is_not_judged() -> None:
    held = [fill(Side.BUY, "1", HOUR - timedelta(minutes=5))]
    assert check_intervals(held, [rate(HOUR)], [paid("-9", HOUR)], {}, "a") == []


SAMPLES = [sample(n, str(D("7") + n * D("0.001"))) for n in range(101)]


def at(second: float) -> datetime:
    return HOUR + timedelta(seconds=second)


def test_holding_pays_its_share_of_the_index_whenever_the_venue_books_it() -> None:
    fills = [fill(Side.BUY, "2", at(10)), fill(Side.SELL, "1", at(50), 1), fill(Side.SELL, "1", at(90), 2)]
    whole = [paid("-0.08", at(50)), paid("-0.04", at(90), 1)]
    pro_rata = [paid("-0.04", at(50)), paid("-0.08", at(90), 1)]
    for payments in (whole, pro_rata):
        (found,) = check_index(fills, SAMPLES, payments, "a")
        assert found.expected == D("-0.12")
        assert found.is_agreed
        assert found.position == 2


@pytest.mark.parametrize("booked", ["0.12", "0", "-0.1202", "-0.24"])
def test_holding_whose_funding_is_off_stands_out(booked: str) -> None:
    fills = [fill(Side.BUY, "2", at(10)), fill(Side.SELL, "2", at(70), 1)]
    payments = [paid(booked, at(70))] if D(booked) else []
    (found,) = check_index(fills, SAMPLES, payments, "a")
    assert not found.is_agreed
    assert found.difference == D(booked) + D("0.12")


def test_payments_belong_to_the_holding_that_earned_them() -> None:
    fills = [
        fill(Side.BUY, "1", at(10)), fill(Side.SELL, "1", at(20), 1),
        fill(Side.SELL, "1", at(20), 2), fill(Side.BUY, "1", at(40), 3),
    ]  # fmt: skip
    payments = [paid("-0.01", at(20)), paid("0.02", at(40), 1)]
    first, second = check_index(fills, SAMPLES, payments, "a")
    assert (first.booked, second.booked) == (D("-0.01"), D("0.02"))
    assert first.is_agreed
    assert second.is_agreed


def test_holding_beyond_the_samples_or_not_ended_is_not_judged() -> None:
    early = [fill(Side.BUY, "1", at(-10)), fill(Side.SELL, "1", at(20), 1)]
    still = [fill(Side.BUY, "1", at(10))]
    assert check_index(early, SAMPLES, [], "a") == []
    assert check_index(still, SAMPLES, [], "a") == []
