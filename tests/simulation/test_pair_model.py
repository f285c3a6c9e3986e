"""No pair is finished and naked, and no order is sent twice, whatever venues do; planted bugs are found."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.order import Order, OrderStatus, Reported, apply
from core.pair import Action, PairFacts, PairPolicy, PairState
from core.progress import decide
from tests.simulation.pair_model import POLICIES, Rules, Tally, descend, explore, report

TAKE = POLICIES["take"]


@pytest.mark.parametrize(("name", "depth"), [("take", 3), ("rest", 4)])
def test_every_way_of_some_steps_keeps_the_rules(name: str, depth: int) -> None:
    tally = explore(Rules(POLICIES[name]), depth=depth)
    assert tally.violations == []
    assert tally.states > 1000


@pytest.mark.parametrize("name", POLICIES)
def test_random_ways_to_the_end_keep_the_rules_and_see_every_kind_of_end(name: str) -> None:
    tally = Tally()
    for seed in range(250):
        descend(Rules(POLICIES[name]), seed, tally)
    assert tally.violations == []
    assert {"done filled", "done failed", "done unwound", "halt, exposure stated"} <= set(tally.ends)


def test_believing_that_an_order_is_absent_too_early_is_found() -> None:
    def at_once(order: Order, asked_at: datetime, policy: PairPolicy) -> bool:
        return True

    assert violations(Rules(TAKE, is_absent=at_once)) == {"finished and naked"}


def test_taking_silence_for_a_refusal_is_found() -> None:
    def hasty(state: PairState, facts: PairFacts, policy: PairPolicy) -> Action:
        for order in state.orders:
            if order.status is OrderStatus.UNKNOWN:
                refused: Reported = report(order, OrderStatus.REJECTED, order.filled_quantity, facts.now)
                state = state.with_order(apply(order, refused))
        return decide(state, facts, policy)

    assert "finished and naked" in violations(Rules(TAKE, decide=hasty))


def violations(rules: Rules) -> set[str]:
    """The kinds of violations that random ways find."""
    tally = Tally()
    for seed in range(150):
        descend(rules, seed, tally)
    return {text.partition(":")[0] for text in tally.violations}
