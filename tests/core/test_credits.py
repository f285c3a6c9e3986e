"""Shared credits: what all borrowers hold and spend together never exceeds the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.credits import GRACE_S, PORTION_LIFE_S, LoanRequest, Pool, Terms, full_pool, lend, paused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = Terms(capacity=100, per_s=2, reserve=10)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ask(who: str = "a", least: float = 1, most: float = 5, **changes: object) -> LoanRequest:
    return LoanRequest(who, TERMS, least, most, **changes)  # type: ignore[arg-type]


def test_a_portion_is_taken_out_of_the_pool() -> None:
    pool, loan = lend(full_pool(TERMS, NOW), ask(), NOW)
    assert (loan.credits, loan.is_enough, pool.credits) == (5, True, 95)


def test_less_than_the_least_is_not_lent_and_the_wait_is_said() -> None:
    pool, loan = lend(Pool(TERMS, 10, NOW), ask(least=3), NOW)
    assert (loan.credits, loan.is_enough, pool.credits) == (0, False, 10)
    assert loan.wait_s == pytest.approx(1.5)


def test_only_an_urgent_borrower_gets_the_reserve() -> None:
    _, loan = lend(Pool(TERMS, 10, NOW), ask(least=3, is_urgent=True), NOW)
    assert loan.is_enough


def test_what_is_held_leaves_no_room_to_refill() -> None:
    pool, _ = lend(full_pool(TERMS, NOW), ask("a"), NOW)
    pool, _ = lend(pool, ask("b"), at(1))
    assert pool.credits + sum(held.credits for held in pool.held.values()) <= TERMS.capacity


def test_a_portion_of_a_borrower_that_died_comes_back_by_refill() -> None:
    pool, _ = lend(full_pool(TERMS, NOW), ask("dead"), NOW)
    later = at(PORTION_LIFE_S + GRACE_S + 10)
    pool, loan = lend(pool, ask("b", least=90, most=90), later)
    assert loan.credits == 90
    assert set(pool.held) == {"b"}


def test_what_a_borrower_says_it_holds_counts_only_while_the_pool_knows_of_it() -> None:
    _, loan = lend(full_pool(TERMS, NOW), ask(holding=50), NOW)
    assert loan.credits == 5


def test_a_pause_lends_to_nobody_until_it_is_over() -> None:
    pool = paused(paused(full_pool(TERMS, NOW), at(10)), at(3))
    _, refused = lend(pool, ask(is_urgent=True), at(4))
    assert (refused.is_enough, refused.paused_until) == (False, at(10))
    assert refused.wait_s == pytest.approx(6)
    assert lend(pool, ask(), at(10))[1].is_enough


def test_the_venues_own_count_lowers_the_pool_by_what_others_may_still_spend() -> None:
    pool, _ = lend(full_pool(TERMS, NOW), ask("b"), NOW)
    pool, loan = lend(pool, ask("a", least=1, most=1, observed=20, is_urgent=True), NOW)
    assert pool.credits == 20 - 5 - 1
    assert loan.credits == 1


def test_a_quota_the_venue_stated_outranks_what_borrowers_assume() -> None:
    stated = Terms(capacity=300, per_s=5, reserve=10, is_stated=True)
    pool, _ = lend(full_pool(TERMS, NOW), LoanRequest("a", stated, 1, 5), NOW)
    pool, loan = lend(pool, ask("b"), NOW)
    assert (loan.terms.capacity, loan.terms.per_s) == (300, 5)
    assert pool.credits < 100


def test_a_clock_that_steps_back_refills_nothing() -> None:
    pool, _ = lend(Pool(TERMS, 20, NOW), ask(), at(-60))
    pool, _ = lend(pool, ask(), at(0))
    assert pool.credits <= 15


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 3), st.floats(0.1, 30), st.floats(0, 1), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_no_window_sees_more_spent_by_all_borrowers_than_capacity_and_refill(
    steps: list[tuple[str, float, float, float, bool]],
) -> None:
    """Each step: who borrows, after how long, how much, which share of what it has it then spends, how urgent."""
    pool, now = full_pool(TERMS, NOW), 0.0
    hands: dict[str, tuple[float, float]] = {}
    spent: list[tuple[float, float]] = []
    for who, pause, least, share, urgent in steps:
        now += pause
        held, until = hands.get(who, (0.0, 0.0))
        holding = held if now < until else 0.0
        request = LoanRequest(who, TERMS, least, least + 5, holding, urgent)
        pool, loan = lend(pool, request, at(now))
        spent.append((now, loan.credits * share))
        hands[who] = (loan.credits * (1 - share), now + PORTION_LIFE_S)
    for start, _ in spent:
        for end, _ in spent:
            inside = sum(credits for when, credits in spent if start <= when <= end)
            assert inside <= TERMS.capacity + max(end - start, 0) * TERMS.per_s + 1e-6


def test_a_borrower_of_orders_gets_half_of_the_reserve_and_no_more() -> None:
    pool = Pool(TERMS, 10, NOW)
    assert not lend(pool, ask(least=1), NOW)[1].is_enough
    assert lend(pool, ask(least=5, most=5, is_order=True), NOW)[1].credits == 5
    assert not lend(pool, ask(least=6, most=6, is_order=True), NOW)[1].is_enough
    assert lend(pool, ask(least=10, most=10, is_urgent=True), NOW)[1].credits == 10


def test_the_venues_own_word_lets_an_urgent_borrower_beyond_the_pool_which_then_pays_its_debt() -> None:
    empty = Pool(TERMS, 0, NOW)
    pool, loan = lend(empty, ask(least=12, most=12, is_urgent=True, headroom=30), NOW)
    assert (loan.credits, loan.is_enough, pool.credits) == (12, True, -12)
    _, refused = lend(pool, ask("b", least=1), at(5))
    assert (refused.is_enough, refused.wait_s) == (False, pytest.approx(1.5))
    assert lend(pool, ask("b", least=1), at(12))[1].is_enough


def test_what_others_hold_is_not_counted_on_beyond_the_pool() -> None:
    pool, _ = lend(full_pool(TERMS, NOW), ask("b", least=90, most=90), NOW)
    asked = ask(least=12, most=12, is_urgent=True, headroom=100)
    assert not lend(pool, asked, NOW)[1].is_enough
    assert lend(pool, ask(least=12, most=12, is_urgent=True, headroom=102), NOW)[1].is_enough


@pytest.mark.parametrize("headroom", [None, 11.9])
def test_nobody_goes_beyond_the_pool_without_the_venues_word(headroom: float | None) -> None:
    pool, loan = lend(Pool(TERMS, 0, NOW), ask(least=12, most=12, is_urgent=True, headroom=headroom), NOW)
    assert (loan.is_enough, pool.credits) == (False, 0)
