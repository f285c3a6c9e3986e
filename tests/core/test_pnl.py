"""Results add up to the money that changed hands, and pairs are measured the way the API promises."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_world import NOW, D, account, market

from core.instrument import Venue
from core.market import FundingPayment
from core.order import Fill, Liquidity, Side
from core.plan import LegPlan, PairPlan, Purpose
from core.pnl import Cost, Pnl, account_pnl, naked_usd_seconds, pair_result, session_pnl, total

A, B = Venue.PACIFICA, Venue.PARADEX
VENUES = {"a": A, "b": B}


def fill(account_id: str, side: Side, quantity: str, price: str, *, fee: str = "0", at_ms: int = 0) -> Fill:
    at = NOW + timedelta(milliseconds=at_ms)
    return Fill(
        venue=VENUES[account_id],
        account_id=account_id,
        symbol="ETH/USD",
        trade_id=f"{account_id}-{at_ms}-{quantity}-{price}",
        client_order_id=None,
        venue_order_id="o",
        side=side,
        quantity=D(quantity),
        price=D(price),
        fee=D(fee),
        liquidity=Liquidity.TAKER,
        venue_time=at,
        received_time=at,
    )


def payment(account_id: str, value: str) -> FundingPayment:
    return FundingPayment(VENUES[account_id], account_id, "ETH/USD", "f1", D(value), None, NOW, NOW)


def pair_plan() -> PairPlan:
    buy = LegPlan(account("a", A), market(A), Side.BUY, D("0.2"), reduce_only=False, closing=False)
    sell = LegPlan(account("b", B), market(B), Side.SELL, D("0.2"), reduce_only=False, closing=False)
    return PairPlan("p", "s", 1, Purpose.OPEN, buy, sell, D("0.2"), D(2500), D(2510))


def test_average_cost_with_worked_numbers() -> None:
    """1 at 100 and 1 at 110 cost 105 each; selling 1.5 at 120 realises 22.5 and leaves 0.5 that cost 52.5."""
    cost = Cost()
    for step in (
        fill("a", Side.BUY, "1", "100"), fill("a", Side.BUY, "1", "110"), fill("a", Side.SELL, "1.5", "120")
    ):  # fmt: skip
        cost = cost.after(step)

    assert (cost.quantity, cost.entry_price, cost.realized) == (D("0.5"), D(105), D("22.5"))
    assert cost.unrealized(D(130)) == D("12.5")


def test_a_fill_through_zero_closes_and_opens_anew() -> None:
    """Long 1 at 100, sell 3 at 90: loses 10 and is short 2 at 90."""
    cost = Cost().after(fill("a", Side.BUY, "1", "100")).after(fill("a", Side.SELL, "3", "90"))

    assert (cost.quantity, cost.entry_price, cost.realized) == (D(-2), D(90), D(-10))
    assert cost.unrealized(D(80)) == D(20)


FILLS = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 50), st.integers(2000, 3000)), min_size=1, max_size=20
)


@given(FILLS, st.integers(2000, 3000))
def test_realised_and_unrealised_are_the_money_that_changed_hands(
    steps: list[tuple[Side, int, int]], mark: int
) -> None:
    fills = [fill("a", side, str(Decimal(q) / 100), str(price), at_ms=n) for n, (side, q, price) in enumerate(steps)]
    cash = sum((-f.side.sign * f.quantity * f.price for f in fills), Decimal(0))
    held = sum((f.side.sign * f.quantity for f in fills), Decimal(0))

    result = account_pnl(fills, [], D(mark))

    assert abs(result.realized + result.unrealized - (cash + held * mark)) < Decimal("1e-18")


def test_a_session_adds_up_by_account() -> None:
    fills = [
        fill("a", Side.BUY, "0.2", "2500", fee="0.2"),
        fill("b", Side.SELL, "0.2", "2510", fee="0.25"),
        fill("a", Side.SELL, "0.2", "2520", fee="0.2", at_ms=9),
        fill("b", Side.BUY, "0.2", "2525", fee="0.25", at_ms=9),
    ]

    by_account = session_pnl(fills, [payment("a", "-0.01"), payment("b", "0.03")], {})

    assert by_account["a"] == Pnl(D(4), D(0), D("0.4"), D("-0.01"), D(1004))
    assert by_account["b"] == Pnl(D(-3), D(0), D("0.5"), D("0.03"), D(1007))
    assert total(by_account.values()).net == D("0.12")  # 1 - 0.9 + 0.02


def test_an_open_position_without_a_mark_is_an_error_not_zero() -> None:
    with pytest.raises(ValueError, match="mark"):
        session_pnl([fill("a", Side.BUY, "0.2", "2500")], [], {})


def test_a_filled_pair_with_worked_numbers() -> None:
    """Bought 0.2 at 2501 on average (mid 2500), sold 0.2 at 2509 (mid 2510): each leg paid 0.2. Volume: 0.2 x 2501."""
    fills = [
        fill("a", Side.BUY, "0.1", "2500", fee="0.1"),
        fill("a", Side.BUY, "0.1", "2502", fee="0.1", at_ms=20),
        fill("b", Side.SELL, "0.2", "2509", fee="0.2", at_ms=40),
    ]

    found = pair_result(pair_plan(), fills, completed_at=NOW + timedelta(seconds=5))

    assert (found.quantity, found.volume, found.price) == (D("0.2"), D("500.2"), D(2505))
    assert found.slippage_paid == D("0.4")
    assert found.slippage == D("0.4") / D("500.2")
    assert found.fees == D("0.4")
    assert found.leg_skew_ms == 40
    # 0.1 x 2505 for 20 ms, then 0.2 x 2505 for 20 ms; the mean of both mids values the lone leg
    assert found.naked_usd_seconds == D("15.03")
    assert found.max_net_exposure_usd == D(501)
    assert found.executed_at == NOW + timedelta(milliseconds=40)


def test_the_smaller_filled_side_is_the_volume() -> None:
    fills = [fill("a", Side.BUY, "0.2", "2500"), fill("b", Side.SELL, "0.15", "2510")]

    found = pair_result(pair_plan(), fills, completed_at=NOW + timedelta(seconds=2))

    assert (found.quantity, found.volume) == (D("0.15"), D("376.5"))
    assert found.naked_usd_seconds == D("250.5")  # 0.05 x 2505 for 2 s: what is left naked counts until the end


def test_an_unwound_pair_has_no_volume_but_its_cost_stays() -> None:
    """Bought 0.2 at 2501, nothing sold, taken back at 2498: 0.2 + 0.4 paid against mid."""
    fills = [fill("a", Side.BUY, "0.2", "2501"), fill("a", Side.SELL, "0.2", "2498", at_ms=500)]

    found = pair_result(pair_plan(), fills, completed_at=NOW + timedelta(seconds=5))

    assert (found.quantity, found.volume, found.price, found.slippage) == (0, 0, None, None)
    assert found.slippage_paid == D("0.6")
    assert found.leg_skew_ms is None
    assert found.naked_usd_seconds == D("250.5")  # 0.2 x 2505 for half a second


def test_a_pair_without_fills_has_no_figures() -> None:
    found = pair_result(pair_plan(), [], completed_at=NOW)

    assert (found.quantity, found.volume, found.price, found.executed_at) == (0, 0, None, None)
    assert found.naked_usd_seconds == 0


def test_fills_at_one_moment_leave_nothing_naked() -> None:
    fills = [fill("a", Side.BUY, "0.2", "2500"), fill("b", Side.SELL, "0.2", "2510")]

    found = pair_result(pair_plan(), fills, completed_at=NOW + timedelta(seconds=5))

    assert (found.naked_usd_seconds, found.max_net_exposure_usd) == (0, 0)


def test_the_naked_integral_counts_both_directions_and_no_negative_time() -> None:
    points = [(NOW, D(100)), (NOW + timedelta(seconds=2), D(-50)), (NOW + timedelta(seconds=3), D(0))]

    assert naked_usd_seconds(points, until=NOW + timedelta(seconds=9)) == 250
    assert naked_usd_seconds(points[:1], until=NOW - timedelta(seconds=1)) == 0
    assert naked_usd_seconds([], until=NOW) == 0
