"""Nothing is traded without an approval, and every check that guards it can refuse."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta

import pytest
from planning_world import NOW, D, account, book, mark, market, strategy

from core.account import Margin
from core.exposure import Exposure
from core.instrument import Venue
from core.market_data import SystemStatus, VenueState
from core.order import Side
from core.plan import LegPlan, PairPlan, Purpose
from core.risk import (
    Approved,
    GateFacts,
    LegFacts,
    OwnOrder,
    RefusalCode,
    Refused,
    RiskLimits,
    Severity,
    crossing,
    gate,
)

A, B = Venue.PACIFICA, Venue.PARADEX
LIMITS = RiskLimits.of(strategy())


def margin(account_id: str, venue: Venue, available: str = "1000", *, active: bool = True) -> Margin:
    return Margin(venue, account_id, D(available), D(available), D(0), D(0), active, NOW)


def leg(account_id: str, venue: Venue, side: Side, quantity: str, *, closing: bool) -> LegPlan:
    return LegPlan(account(account_id, venue), market(venue), side, D(quantity), reduce_only=closing, closing=closing)


def pair_plan(quantity: str = "0.1", purpose: Purpose = Purpose.OPEN) -> PairPlan:
    closing = purpose is Purpose.CLOSE
    buy, sell = (
        leg("a", A, Side.BUY, quantity, closing=closing),
        leg("b", B, Side.SELL, quantity, closing=closing),
    )
    return PairPlan("p", "s", 3, purpose, buy, sell, D(quantity), D(2500), D(2500))


def leg_facts(account_id: str, venue: Venue, position: str = "0") -> LegFacts:
    price = D(2510) if venue is A else D(2490)
    held = Exposure(account(account_id, venue), "ETH/USD", D(position))
    return LegFacts(book(venue, D(2500)), mark(venue, D(2500)), margin(account_id, venue), held, price)


def gate_facts(*, buy: dict[str, object] | None = None, sell: dict[str, object] | None = None) -> GateFacts:
    return GateFacts(
        now=NOW,
        buy=replace(leg_facts("a", A), **(buy or {})),  # type: ignore[arg-type]
        sell=replace(leg_facts("b", B), **(sell or {})),  # type: ignore[arg-type]
        session_pnl=D(0),
        capital=D(2000),
        naked_usd_seconds=D(0),
    )


def verdict(facts: GateFacts, plan: PairPlan | None = None, limits: RiskLimits = LIMITS) -> RefusalCode | None:
    decision = gate(plan or pair_plan(), facts, limits)
    return decision.code if isinstance(decision, Refused) else None


def own_order(side: Side, price: str, **changes: object) -> OwnOrder:
    return replace(OwnOrder(A, "ETH/USD", "z", "id-1", side, D(price), D(1)), **changes)  # type: ignore[arg-type]


def status(state: VenueState) -> SystemStatus:
    return SystemStatus(A, state, "as the venue says", NOW)


def test_a_sound_plan_is_approved_and_the_approval_says_what_it_is() -> None:
    decision = gate(pair_plan(), gate_facts(), LIMITS)

    assert isinstance(decision, Approved)
    assert decision.plan == pair_plan()
    assert str(decision) == "approved pair 3: open 0.1 ETH/USD, buy a on pacifica, sell b on paradex"


def test_an_approval_cannot_be_made_changed_or_copied_elsewhere() -> None:
    decision = gate(pair_plan(), gate_facts(), LIMITS)
    assert isinstance(decision, Approved)

    with pytest.raises(TypeError, match="only the risk gate"):
        Approved(object(), pair_plan(), gate_facts(), LIMITS, ())
    with pytest.raises(AttributeError):
        decision.plan = pair_plan("9")
    with pytest.raises(AttributeError):
        copy.copy(decision)


def test_the_digest_tells_facts_apart() -> None:
    first = gate(pair_plan(), gate_facts(), LIMITS)
    again = gate(pair_plan(), gate_facts(), LIMITS)
    other = gate(pair_plan(), replace(gate_facts(), session_pnl=D("-0.01")), LIMITS)

    assert isinstance(first, Approved)
    assert isinstance(again, Approved)
    assert isinstance(other, Approved)
    assert first.facts_digest == again.facts_digest != other.facts_digest


OLD = NOW - timedelta(seconds=6)
CROWDED = Exposure(account("a", A), "ETH/USD", D("0.2"), pending_buy=D("0.15"))


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        (RefusalCode.LEASE_LOST, replace(gate_facts(), lease_held=False)),
        (RefusalCode.HALTED, replace(gate_facts(), halted=True)),
        (RefusalCode.CLOCK_UNSAFE, replace(gate_facts(), clock_safe=False)),
        (RefusalCode.VENUE_CLOSED, gate_facts(sell={"status": status(VenueState.CANCEL_ONLY)})),
        (RefusalCode.VENUE_CLOSED, gate_facts(buy={"status": status(VenueState.UNKNOWN)})),
        (RefusalCode.BOOK_MISSING, gate_facts(buy={"book": None})),
        (RefusalCode.BOOK_MISSING, gate_facts(sell={"book": replace(book(B, D(2500)), asks=())})),
        (RefusalCode.BOOK_STALE, gate_facts(sell={"book": book(B, D(2500), at=OLD)})),
        (RefusalCode.SPREAD_WIDE, gate_facts(buy={"book": book(A, D(2500), half_spread=D(13))})),
        (RefusalCode.SPREAD_WIDE, gate_facts(buy={"book": book(A, D(2500), half_spread=D(-1))})),
        (RefusalCode.MARK_MISSING, gate_facts(sell={"mark": None})),
        (RefusalCode.MARK_STALE, gate_facts(buy={"mark": mark(A, D(2500), at=NOW - timedelta(seconds=31))})),
        (RefusalCode.OFF_GRID, gate_facts(buy={"price": D("2510.05")})),
        (RefusalCode.PRICE_BAND, gate_facts(buy={"price": D("2750.1")})),
        (RefusalCode.PRICE_BAND, gate_facts(sell={"price": D("2249.9")})),
        (RefusalCode.DEPTH_THIN, gate_facts(sell={"book": book(B, D(2500), depth=D("0.09"))})),
        (RefusalCode.POSITION_LIMIT, gate_facts(buy={"exposure": CROWDED})),
        (RefusalCode.ACCOUNT_INACTIVE, gate_facts(buy={"margin": margin("a", A, active=False)})),
        (RefusalCode.MARGIN_UNKNOWN, gate_facts(sell={"margin": None})),
        (RefusalCode.MARGIN_SHORT, gate_facts(buy={"margin": margin("a", A, "14.00")})),
        (RefusalCode.STOP_LOSS, replace(gate_facts(), session_pnl=D(-100))),
        (RefusalCode.NAKED_BUDGET, replace(gate_facts(), naked_usd_seconds=D(500_000))),
        (RefusalCode.NAKED_DAY_BUDGET, replace(gate_facts(), naked_today=D(5_000_000))),
        (RefusalCode.SELF_CROSS, replace(gate_facts(), own_orders=(own_order(Side.SELL, "2510"),))),
    ],
)
def test_each_check_refuses(code: RefusalCode, facts: GateFacts) -> None:
    assert verdict(facts) is code


def test_a_refusal_is_one_line_with_its_figures() -> None:
    decision = gate(pair_plan(), gate_facts(buy={"margin": margin("a", A, "14.00")}), LIMITS)

    # 0.1 x 2510 x 0.05 x 1.1 = 13.805, and 2 x 0.0004 x 251 = 0.2008 of fees
    assert str(decision) == (
        "refused (margin_short, warning): a on pacifica: needs 14.01 of margin with cushion and fees, "
        "14.00 is available"
    )
    assert isinstance(decision, Refused)
    assert decision.details["requested"] == "14.0058"
    assert decision.details["accountId"] == "a"
    assert verdict(gate_facts(buy={"margin": margin("a", A, "14.01")})) is None


def test_a_limit_that_is_just_met_is_kept() -> None:
    held = Exposure(account("a", A), "ETH/USD", D("0.2"), pending_buy=D("0.1"))

    assert verdict(gate_facts(buy={"exposure": held})) is None
    assert verdict(replace(gate_facts(), session_pnl=D("-99.99"))) is None
    assert verdict(gate_facts(buy={"book": book(A, D(2500), at=NOW - timedelta(seconds=5))})) is None


def test_the_cost_of_both_legs_together_is_bounded() -> None:
    """Half spreads of 2 at 2500 on both sides: each leg pays 0.08 %, both together 0.16 %."""
    facts = gate_facts(
        buy={"book": book(A, D(2500), half_spread=D(2))}, sell={"book": book(B, D(2500), half_spread=D(2))}
    )

    assert verdict(facts, limits=replace(LIMITS, max_slippage=D("0.0017"))) is None
    # The shares are of the cheaper leg's volume, 2498: 4 / 2498 = 0.1601 %, with each leg inside its own half.
    assert verdict(facts, limits=replace(LIMITS, max_slippage=D("0.001601"))) is RefusalCode.COST_HIGH
    assert verdict(facts, limits=replace(LIMITS, max_slippage=D("0.0015"))) is RefusalCode.DEPTH_THIN


CLOSING = pair_plan(purpose=Purpose.CLOSE)
SHORT = {"exposure": Exposure(account("a", A), "ETH/USD", D("-0.1")), "margin": None}
LONG = {"exposure": Exposure(account("b", B), "ETH/USD", D("0.1")), "margin": None}


def test_closing_is_never_refused_for_losses_or_margin() -> None:
    facts = gate_facts(buy=SHORT, sell=LONG)

    assert (
        verdict(replace(facts, session_pnl=D(-999), naked_usd_seconds=D(10**9), naked_today=D(10**9)), CLOSING) is None
    )


def test_closing_is_allowed_while_a_breach_waits_for_a_person() -> None:
    assert verdict(replace(gate_facts(buy=SHORT, sell=LONG), halted=True), CLOSING) is None


def test_a_venue_that_says_it_is_open_or_says_nothing_is_no_obstacle() -> None:
    assert verdict(gate_facts(buy={"status": status(VenueState.OPEN)})) is None
    assert verdict(gate_facts(buy={"status": None})) is None


def test_what_passes_by_itself_does_not_end_a_session() -> None:
    for facts in (
        replace(gate_facts(), clock_safe=False),
        gate_facts(buy={"status": status(VenueState.MAINTENANCE)}),
    ):
        decision = gate(pair_plan(), facts, LIMITS)
        assert isinstance(decision, Refused)
        assert decision.severity is Severity.WARNING


def test_closing_more_than_is_held_is_refused() -> None:
    less = {"exposure": Exposure(account("a", A), "ETH/USD", D("-0.09"))}
    in_flight = {"exposure": Exposure(account("a", A), "ETH/USD", D("-0.1"), pending_buy=D("0.01"))}

    assert verdict(gate_facts(buy=less, sell=LONG), CLOSING) is RefusalCode.POSITION_LIMIT
    assert verdict(gate_facts(buy=in_flight, sell=LONG), CLOSING) is RefusalCode.POSITION_LIMIT


def test_closing_still_needs_a_lease_fresh_books_and_the_firewall() -> None:
    facts = gate_facts(buy=SHORT, sell=LONG)

    assert verdict(replace(facts, lease_held=False), CLOSING) is RefusalCode.LEASE_LOST
    assert verdict(gate_facts(buy=SHORT | {"book": None}, sell=LONG), CLOSING) is RefusalCode.BOOK_MISSING
    resting = own_order(Side.SELL, "2505")
    assert verdict(replace(facts, own_orders=(resting,)), CLOSING) is RefusalCode.SELF_CROSS


def test_completing_a_remainder_is_allowed_after_a_stop_loss() -> None:
    facts = replace(gate_facts(), session_pnl=D(-999))

    assert verdict(facts, pair_plan("0.005", Purpose.COMPLETE)) is None


@pytest.mark.parametrize(
    ("side", "price", "own", "meets"),
    [
        (Side.BUY, "2510", own_order(Side.SELL, "2510"), True),
        (Side.BUY, "2510", own_order(Side.SELL, "2509.9"), True),
        (Side.BUY, "2510", own_order(Side.SELL, "2510.1"), False),
        (Side.SELL, "2490", own_order(Side.BUY, "2490"), True),
        (Side.SELL, "2490", own_order(Side.BUY, "2489.9"), False),
        (Side.BUY, "2510", own_order(Side.BUY, "2520"), False),
        (Side.BUY, "2510", own_order(Side.SELL, "2500", venue=B), False),
        (Side.BUY, "2510", own_order(Side.SELL, "2500", symbol="BTC/USD"), False),
        (Side.BUY, "2510", own_order(Side.SELL, "2500", remaining=D(0)), False),
        (Side.BUY, "2510", own_order(Side.SELL, "2500", account_id="a"), True),
    ],
)
def test_the_firewall_sees_every_own_order_that_could_match(side: Side, price: str, own: OwnOrder, meets: bool) -> None:
    found = crossing(A, "ETH/USD", side, D(price), (own,))

    assert found == (own if meets else None)


def test_facts_of_another_account_are_a_mistake_not_a_decision() -> None:
    with pytest.raises(ValueError, match="facts of account b"):
        gate(pair_plan(), replace(gate_facts(), buy=leg_facts("b", B)), LIMITS)


def test_what_a_person_must_look_at_is_critical() -> None:
    lost = gate(pair_plan(), replace(gate_facts(), lease_held=False), LIMITS)
    thin = gate(pair_plan(), gate_facts(sell={"book": book(B, D(2500), depth=D("0.09"))}), LIMITS)

    assert isinstance(lost, Refused)
    assert isinstance(thin, Refused)
    assert (lost.severity, thin.severity) == (Severity.CRITICAL, Severity.WARNING)
