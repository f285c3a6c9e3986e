"""The request budget: it spaces out, keeps a reserve for cancels, and refuses before the venue does."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.ratelimit import TokenBucket, retry_after_s
from core.errors import RateLimited
from core.instrument import Venue


def bucket(stepped, **options) -> TokenBucket:
    chosen = {"capacity": 10.0, "per_s": 1.0, "wait_s_max": 5.0} | options
    return TokenBucket(Venue.PACIFICA, outside=stepped.outside(), **chosen)


async def test_a_full_budget_lets_its_capacity_through_at_once(stepped) -> None:
    budget = bucket(stepped)
    for _ in range(10):
        await budget.take()
    assert stepped.slept == []


async def test_an_empty_budget_makes_one_wait_exactly_for_what_is_lacking(stepped) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    await budget.take(3)
    assert sum(stepped.slept) == pytest.approx(3)


async def test_waiting_longer_than_the_bound_is_refused_and_costs_nothing(stepped) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    with pytest.raises(RateLimited) as refused:
        await budget.take(6)
    assert refused.value.details["retry_after_s"] == pytest.approx(6)
    assert stepped.slept == []
    await budget.take(5)


async def test_only_an_urgent_request_may_use_the_reserve(stepped) -> None:
    budget = bucket(stepped, reserve=4.0, wait_s_max=0.0)
    await budget.take(6)
    with pytest.raises(RateLimited):
        await budget.take(1)
    await budget.take(4, urgent=True)


async def test_an_urgent_request_goes_before_those_who_already_wait(stepped) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    order: list[str] = []

    async def spend(name: str, urgent: bool) -> None:
        await budget.take(1, urgent=urgent)
        order.append(name)

    patient = asyncio.create_task(spend("patient", False))
    cancel = asyncio.create_task(spend("cancel", True))
    await asyncio.gather(patient, cancel)
    assert order == ["cancel", "patient"]


@pytest.mark.parametrize(("earlier", "later"), [("order", "question"), ("question", "urgent")])
async def test_a_question_goes_before_orders_and_after_repairs(stepped, earlier: str, later: str) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    order: list[str] = []

    async def spend(rank: str) -> None:
        await budget.take(1, **{rank: True})
        order.append(rank)

    await asyncio.gather(asyncio.create_task(spend(earlier)), asyncio.create_task(spend(later)))
    assert order == [later, earlier]


async def test_a_question_goes_beyond_what_refilled_as_far_as_the_venue_says(stepped) -> None:
    budget = bucket(stepped, reserve=4.0, wait_s_max=0.0)
    await budget.take(10, urgent=True)
    budget.observe(18.0)
    await budget.take(12, question=True)
    assert budget.available == -12
    with pytest.raises(RateLimited):
        await budget.take(1, question=True)
    await budget.take(4, urgent=True)
    with pytest.raises(RateLimited):
        await budget.take(1, urgent=True)


async def test_orders_and_reads_wait_for_the_debt_of_a_question(stepped) -> None:
    budget = bucket(stepped, wait_s_max=60.0)
    await budget.take(10)
    budget.observe(100.0)
    await budget.take(12, question=True)
    await budget.take(1, order=True)
    assert sum(stepped.slept) == pytest.approx(13)


async def test_the_venues_count_is_counted_on_for_a_moment_only(stepped) -> None:
    budget = bucket(stepped, wait_s_max=0.0)
    await budget.take(10)
    budget.observe(100.0)
    await stepped.sleep(3)
    await budget.take(3)
    with pytest.raises(RateLimited):
        await budget.take(12, question=True)


async def test_a_count_from_before_a_pause_is_not_counted_on(stepped) -> None:
    budget = bucket(stepped, wait_s_max=0.0)
    await budget.take(10)
    budget.observe(100.0)
    budget.pause(1)
    await stepped.sleep(1)
    await budget.take(1, question=True)
    with pytest.raises(RateLimited):
        await budget.take(12, question=True)


async def test_a_repair_may_count_longer_on_what_the_venue_said_than_a_question(stepped) -> None:
    budget = bucket(stepped, wait_s_max=0.0)
    await budget.take(10)
    budget.observe(40.0)
    await budget.take(24, question=True)
    await stepped.sleep(10)
    with pytest.raises(RateLimited):
        await budget.take(12, question=True)
    await budget.take(1, urgent=True)


async def test_a_pause_that_the_venue_asked_for_holds_for_questions_too(stepped) -> None:
    budget = bucket(stepped, wait_s_max=0.0)
    await budget.take(10)
    budget.observe(100.0)
    budget.pause(3)
    with pytest.raises(RateLimited):
        await budget.take(1, question=True)


async def test_equals_are_served_in_order_of_arrival(stepped) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    order: list[int] = []

    async def spend(number: int) -> None:
        await budget.take(1)
        order.append(number)

    await asyncio.gather(*(spend(number) for number in range(4)))
    assert order == [0, 1, 2, 3]


async def test_one_who_gives_up_makes_room_for_those_behind(stepped) -> None:
    budget = bucket(stepped, wait_s_max=100.0)
    await budget.take(10)
    waiter = asyncio.create_task(budget.take(5))
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await budget.take(1)
    assert sum(stepped.slept) == pytest.approx(1, abs=0.01)


async def test_retry_after_of_the_venue_stops_everyone(stepped) -> None:
    budget = bucket(stepped)
    budget.pause(3)
    assert budget.available == 0
    await budget.take(urgent=True)
    assert sum(stepped.slept) == pytest.approx(3)


async def test_the_venues_lower_count_is_taken_over_and_a_higher_one_is_not(stepped) -> None:
    budget = bucket(stepped)
    budget.observe(2)
    budget.observe(9)
    assert budget.available == 2


async def test_a_clock_that_steps_back_refills_nothing(stepped) -> None:
    budget = bucket(stepped, wait_s_max=0.0)
    await budget.take(10)
    stepped.now = stepped.now.replace(hour=1)
    assert budget.available == 0


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(costs=st.lists(st.floats(min_value=0.5, max_value=10), min_size=1, max_size=30))
async def test_no_window_ever_spends_more_than_capacity_and_refill(stepped, costs: list[float]) -> None:
    time = type(stepped)()
    budget = bucket(time, wait_s_max=1000.0)
    spent: list[tuple[float, float]] = []
    for cost in costs:
        await budget.take(cost)
        spent.append(((time.now - type(stepped)().now).total_seconds(), cost))
    for start, _ in spent:
        for end, _ in spent:
            inside = sum(cost for at, cost in spent if start <= at <= end)
            assert inside <= 10 + max(end - start, 0) + 0.01


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "7"}, 7.0), ({"retry-after": "soon"}, 2.0), ({}, 2.0)]
)
def test_retry_after_is_read_in_seconds_or_not_at_all(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers, 2.0) == seconds


async def test_reads_that_spent_all_they_may_leave_orders_half_of_the_reserve_and_repairs_the_rest(stepped) -> None:
    budget = bucket(stepped, reserve=4.0, wait_s_max=0.0)
    for _ in range(6):
        await budget.take()
    with pytest.raises(RateLimited):
        await budget.take()
    for _ in range(2):
        await budget.take(order=True)
    with pytest.raises(RateLimited):
        await budget.take(order=True)
    for _ in range(2):
        await budget.take(urgent=True, order=True)


async def test_an_order_goes_before_reads_that_wait(stepped) -> None:
    budget = bucket(stepped)
    await budget.take(10)
    served: list[str] = []

    async def spend(name: str, order: bool) -> None:
        await budget.take(1, order=order)
        served.append(name)

    await asyncio.gather(spend("read", False), spend("order", True))
    assert served == ["order", "read"]
