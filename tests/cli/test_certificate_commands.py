"""`hedge session verify` and `explain`: exit codes, words for people, documents for programs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from cli_world import NOW, Machine

from core.instrument import Venue
from core.numbers import decimal
from core.pair import PairStatus
from store import NewPair, PairOutcome


@pytest.fixture
def certified(machine: Machine) -> Machine:
    """A session of two pairs that were held back, each with its certificate."""
    machine.session()
    with machine.store() as store:
        for number in (1, 2):
            plan = NewPair(
                f"p{number}", "s1", number, Venue.PACIFICA, "account1", Venue.PARADEX, "account2", decimal("0.1"),
                None, None, {}, NOW,
            )  # fmt: skip
            store.journal.record_pair.now(plan)
            ended = PairOutcome(PairStatus.CANCELLED, completed_at=NOW)
            store.journal.complete_pair.now(plan.pair_id, ended, "held back: it could meet an own order")
    return machine


def test_verify_says_intact_with_the_head_and_exits_with_0(certified: Machine) -> None:
    found = certified.hedge("session", "verify", "s1")
    document = certified.hedge("session", "verify", "s1", "--json").document
    assert found.code == 0
    assert "2 certificates (0 corrections)" in found.out
    assert found.out.strip().endswith("intact")
    assert (document["intact"], document["certificates"], document["findings"]) == (True, 2, [])
    assert certified.hedge("session", "verify", "s1", "--head", document["head"]).code == 0
    assert certified.hedge("session", "verify", "s1", "--head", "ab" * 32).code == 1


def test_verify_names_the_pair_that_differs_and_exits_with_1(certified: Machine) -> None:
    with closing(sqlite3.connect(certified.home / "hedge.db")) as database, database:
        database.execute("update pairs set planned_quantity = '0.2' where pair_id = 'p2'")
    found = certified.hedge("session", "verify", "s1")
    document = certified.hedge("session", "verify", "s1", "--json").document
    assert found.code == 1
    assert "pair 2: pair: plannedQuantity is '0.2', certified is '0.1'" in found.out
    assert [finding["pairId"] for finding in document["findings"]] == ["p2"]


def test_an_unknown_session_and_an_unknown_pair_are_refused(certified: Machine) -> None:
    assert certified.hedge("session", "verify", "nope").code == 2
    assert certified.hedge("session", "explain", "s1", "nope").code == 2
    assert "no pair number 7" in certified.hedge("session", "explain", "s1", "7").err


def test_explain_tells_a_pair_by_its_id_or_number(certified: Machine) -> None:
    told = certified.hedge("session", "explain", "s1", "2")
    assert told.code == 0
    assert "It ended cancelled with 0 hedged: held back: it could meet an own order." in told.out
    assert certified.hedge("session", "explain", "s1", "p2").out == told.out
    document = certified.hedge("session", "explain", "s1", "p2", "--json").document
    assert [one["position"] for one in document["certificates"]] == [2]
