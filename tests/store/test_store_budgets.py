"""Request budgets in the store: all processes together never spend more than there is."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from store_world import BUDGET, NOW, borrow_and_die, later, run_child, run_children, spend_for

from connectors.budgets import Budgets
from connectors.ratelimit import TokenBucket
from connectors.settings import Outside
from core.credits import GRACE_S, PORTION_LIFE_S, LoanRequest
from core.errors import RateLimited
from core.instrument import Venue
from store import Store, open_store
from store.budgets import StoreLender
from store.tables import BUDGETS

SECONDS = 3.0


class Hands:
    """A clock under the test's hand; sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> datetime:
        return later(self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    def bucket(self, store: Store) -> TokenBucket:
        outside = Outside(self.clock, self.sleep, random.Random(1))
        lender = StoreLender(store.journal, self.clock)
        return Budgets(outside, lender).bucket(Venue.PACIFICA, "http://venue.test", "key", "k1", BUDGET)


def ask(who: str, least: float, *, is_urgent: bool = False) -> LoanRequest:
    return LoanRequest(who, BUDGET, least, least, is_urgent=is_urgent)


def test_processes_together_never_exceed_the_budget_in_any_window(store: Store, tmp_path: Path) -> None:
    answers = run_children(spend_for, tmp_path / "home", store.url, SECONDS, count=2)

    spent = sorted(moment for answer in answers if isinstance(answer, list) for moment in answer)
    assert len(spent) > BUDGET.capacity - BUDGET.reserve
    for first, start in enumerate(spent):
        for last in range(first, len(spent)):
            assert last - first + 1 <= BUDGET.capacity + (spent[last] - start) * BUDGET.per_s + 1


def test_a_borrower_that_dies_takes_its_portion_with_it_and_no_more(tmp_path: Path) -> None:
    assert run_child(borrow_and_die, tmp_path / "home") == -9

    with open_store(tmp_path / "home") as store:
        borrow = store.journal.borrow_credits
        left = BUDGET.capacity - 4
        assert not borrow.now("k", ask("b", left + 1, is_urgent=True), NOW).is_enough
        assert borrow.now("k", ask("b", left, is_urgent=True), NOW).credits == left
        void = later(PORTION_LIFE_S + GRACE_S + BUDGET.capacity / BUDGET.per_s)
        assert borrow.now("k", ask("c", BUDGET.capacity, is_urgent=True), void).credits == BUDGET.capacity


async def test_a_pause_seen_by_one_process_reaches_the_others(store: Store, tmp_path: Path) -> None:
    hands = Hands()
    with open_store(tmp_path / "home", store.url) as elsewhere:
        one, other = hands.bucket(store), hands.bucket(elsewhere)
        await one.take()
        one.pause(20)
        # The next write is durable after the pause, which was queued before it.
        await store.journal.append_event("s1", at=NOW, channel="status", type="tick", payload={})
        with pytest.raises(RateLimited) as refused:
            await other.take(urgent=True)
    assert refused.value.details["retry_after_s"] == pytest.approx(20)


async def test_most_requests_write_nothing(store: Store) -> None:
    bucket = Hands().bucket(store)
    before = store.journal.borrow_credits.now("other", ask("x", 1), NOW)
    assert before.is_enough
    await bucket.take()
    rows = await store.journal.writer.write(lambda tx: tx.change)
    for _ in range(3):
        await bucket.take(wait_s_max=0)
    assert await store.journal.writer.write(lambda tx: tx.change) == rows + 1


async def test_a_store_that_does_not_answer_leaves_a_quarter_and_a_log_line(store: Store, caplog) -> None:
    hands = Hands()
    bucket = hands.bucket(store)
    store.journal.close()
    with caplog.at_level(logging.WARNING):
        await bucket.take(1, wait_s_max=10)
        bucket.pause(1)
    assert hands.seconds >= 1 / (BUDGET.per_s / 4)
    texts = [record.getMessage() for record in caplog.records]
    assert sum("cannot be shared (StoreClosed)" in text for text in texts) == 1
    assert sum("could not be shared" in text for text in texts) == 1


async def test_no_owner_stands_in_the_store(store: Store) -> None:
    await Hands().bucket(store).take()
    rows = await store.journal.writer.write(lambda tx: tx.connection.execute(select(BUDGETS)).all())
    assert len(rows) == 1
    assert "/k1" not in str(rows)
