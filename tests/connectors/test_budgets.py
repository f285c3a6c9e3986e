"""Shared budgets: one bucket for everybody who counts together, in one process and over a lender."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

import pytest

from connectors.budgets import HERE, Budgets, MemoryLender, budget_key, budgets_of
from connectors.ratelimit import ALONE_S, ALONE_SHARE, JointBudget, TokenBucket
from core.credits import Loan, LoanRequest, Terms
from core.errors import RateLimited, VenueUnreachable
from core.instrument import Venue

URL = "https://api.venue.test/v1"
TERMS = Terms(capacity=20, per_s=1, reserve=5)


class BrokenLender(MemoryLender):
    """A lender that cannot be reached while `is_down`."""

    is_down = True

    async def borrow(self, key: str, request: LoanRequest, now: datetime) -> Loan:
        if self.is_down:
            raise VenueUnreachable("no lender")
        return await super().borrow(key, request, now)


def shared(stepped, lender: MemoryLender, name: str, terms: Terms = TERMS) -> TokenBucket:
    """The same budget as another process would see it."""
    return Budgets(stepped.outside(), lender, borrower=name).bucket(Venue.PACIFICA, URL, "key", "k1", terms)


async def test_clients_with_the_same_owner_share_a_bucket_and_others_do_not(stepped) -> None:
    budgets = Budgets(stepped.outside())
    one = budgets.bucket(Venue.PACIFICA, URL, "key", "k1", TERMS)
    assert budgets.bucket(Venue.PACIFICA, URL + "/other/path", "key", "k1", TERMS) is one
    others = [("key", "k2", URL), ("address", "k1", URL), ("key", "k1", "https://test.venue.test")]
    for scope, owner, url in others:
        assert budgets.bucket(Venue.PACIFICA, url, scope, owner, TERMS) is not one


def test_a_key_never_shows_its_owner() -> None:
    key = budget_key(Venue.PACIFICA, "https://user@api.venue.test:8443/x", "key", "top-secret-config-key")
    assert "secret" not in key
    assert budget_key(Venue.PACIFICA, URL, "address", HERE) == "pacifica/api.venue.test/address/here"


def test_a_client_without_shared_budgets_has_its_own(stepped) -> None:
    outside = stepped.outside()
    assert budgets_of(outside) is not budgets_of(outside)


async def test_two_processes_together_spend_no_more_than_the_budget(stepped) -> None:
    lender = MemoryLender()
    buckets = [shared(stepped, lender, name) for name in "ab"]
    start, spent = stepped.now, 0
    while (stepped.now - start).total_seconds() < 60:
        for bucket in buckets:
            try:
                await bucket.take(1, wait_s_max=0.5)
                spent += 1
            except RateLimited:
                await stepped.sleep(0.4)
    assert 60 <= spent <= TERMS.capacity + (stepped.now - start).total_seconds() * TERMS.per_s


async def test_a_429_seen_by_one_process_pauses_the_other(stepped) -> None:
    lender = MemoryLender()
    one, other = shared(stepped, lender, "a"), shared(stepped, lender, "b")
    await one.take()
    one.pause(30)
    with pytest.raises(RateLimited) as refused:
        await other.take(urgent=True)
    assert refused.value.details["retry_after_s"] == pytest.approx(30)


async def test_the_reserve_is_left_to_urgent_requests_of_every_process(stepped) -> None:
    lender = MemoryLender()
    one, other = shared(stepped, lender, "a"), shared(stepped, lender, "b")
    for _ in range(int(TERMS.capacity - TERMS.reserve)):
        await one.take(wait_s_max=0)
    with pytest.raises(RateLimited):
        await other.take(wait_s_max=0)
    await other.take(4, urgent=True, wait_s_max=0)


async def test_an_urgent_request_goes_before_those_who_wait_and_a_patient_one_after(stepped) -> None:
    bucket = shared(stepped, MemoryLender(), "a")
    await bucket.take(20, urgent=True)
    order: list[str] = []

    async def spend(name: str, **rank: bool) -> None:
        await bucket.take(1, wait_s_max=60, **rank)
        order.append(name)

    tasks = [
        asyncio.create_task(spend("patient", patient=True)),
        asyncio.create_task(spend("ordinary")),
        asyncio.create_task(spend("cancel", urgent=True)),
    ]
    await asyncio.gather(*tasks)
    assert order == ["cancel", "ordinary", "patient"]


async def test_a_portion_that_grew_old_is_void(stepped) -> None:
    bucket = shared(stepped, MemoryLender(), "a")
    await bucket.take()
    stepped.now = stepped.now.replace(minute=5)
    assert bucket.available == 0


async def test_borrowing_ahead_spares_the_next_requests_the_lender(stepped) -> None:
    lender = MemoryLender()
    budgets = Budgets(stepped.outside(), lender, borrower="a")
    bucket = budgets.bucket(Venue.PACIFICA, URL, "key", "k1", Terms(100, 1))
    await bucket.take()
    stepped.now = stepped.now.replace(second=30)
    await budgets.borrow_ahead()
    pools = dict(lender.pools)
    for _ in range(3):
        await bucket.take(wait_s_max=0)
    assert lender.pools == pools


async def test_without_its_lender_a_process_uses_a_quarter_and_says_so_once(stepped, caplog) -> None:
    lender = BrokenLender()
    bucket = shared(stepped, lender, "a")
    start, spent = stepped.now, 0
    with caplog.at_level(logging.WARNING):
        while (stepped.now - start).total_seconds() < 60:
            try:
                await bucket.take(1)
                spent += 1
            except RateLimited:
                await stepped.sleep(1)
    seconds = (stepped.now - start).total_seconds()
    assert 0 < spent <= ALONE_SHARE * (TERMS.capacity + seconds * TERMS.per_s)
    assert [r.getMessage() for r in caplog.records if "cannot be shared" in r.getMessage()] == [
        f"venue=pacifica budget={budget_key(Venue.PACIFICA, URL, 'key', 'k1')} cannot be shared (VenueUnreachable); "
        "using 25 % of it without the others"
    ]


async def test_a_lender_that_is_back_is_used_again(stepped) -> None:
    lender = BrokenLender()
    bucket = shared(stepped, lender, "a")
    with pytest.raises(RateLimited):
        await bucket.take(2, wait_s_max=0)
    lender.is_down = False
    await stepped.sleep(ALONE_S)
    await bucket.take(2, wait_s_max=0)


async def test_a_quota_the_venue_states_to_one_process_reaches_the_other(stepped) -> None:
    lender = MemoryLender()
    one, other = shared(stepped, lender, "a"), shared(stepped, lender, "b")
    await one.take()
    one.resize(capacity=60, per_s=10)
    stepped.now = stepped.now.replace(second=10)
    await one.take()
    await other.take(50, urgent=True, wait_s_max=0)


async def test_a_request_that_counts_twice_takes_from_all_or_none(stepped) -> None:
    budgets = Budgets(stepped.outside())
    wide = budgets.bucket(Venue.PARADEX, URL, "address", HERE, Terms(10, 1))
    narrow = budgets.bucket(Venue.PARADEX, URL, "account", "0x1", Terms(2, 1))
    both = JointBudget(wide, narrow)
    await both.take(2)
    with pytest.raises(RateLimited):
        await both.take(2, wait_s_max=0)
    assert (wide.available, narrow.available) == (8, 0)
    both.pause(9)
    assert wide.available == 0


class SlowLender(MemoryLender):
    """A lender whose answers are on their way until `arrived` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()
        self.arrived.set()

    async def borrow(self, key: str, request: LoanRequest, now: datetime) -> Loan:
        loan = await super().borrow(key, request, now)
        await self.arrived.wait()
        return loan


async def test_what_an_urgent_request_spends_while_credits_are_on_their_way_is_not_spent_twice(stepped) -> None:
    lender = SlowLender()
    bucket = shared(stepped, lender, "a", Terms(capacity=20, per_s=0.5))
    await bucket.take(19)
    assert bucket.available == 0
    await stepped.sleep(4)  # three credits are there now
    await bucket.borrow_ahead()
    held = bucket.available
    assert 0 < held < 3
    lender.arrived.clear()
    waiting = asyncio.create_task(bucket.take(3, wait_s_max=60))
    for _ in range(5):
        await asyncio.sleep(0)
    await bucket.take(held, urgent=True)
    lender.arrived.set()
    began = stepped.now
    await waiting
    assert bucket.available >= 0
    spent = 19 + held + 3
    assert spent <= 20 + 0.5 * (4 + (stepped.now - began).total_seconds())
