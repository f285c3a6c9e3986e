"""Paired reduction against the twins' own scenarios over real ports, and the judge of these trials by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.reduction.campaign import laws
from tests.reduction.trial import SYMBOL, Cause, Cell, run_cell
from tests.reduction.trial_truth import Aftermath, Holder, aftermath, points

D = Decimal
HOLDERS = (Holder("a", "pacifica", frozenset({"a1", "a2"})), Holder("b", "paradex", frozenset({"b1", "b2"})))


@pytest.mark.e2e
@pytest.mark.timeout(400)
async def test_the_other_leg_follows_a_deleveraging_within_seconds_and_the_session_goes_on_to_its_end() -> None:
    trial = await run_cell(Cell("backpack", Cause.ADL, is_cut=False), seed=3)
    assert list(laws(trial)) == []


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "cell",
    [
        Cell("pacifica", Cause.LIQUIDATION, is_cut=False),
        Cell("paradex", Cause.BUST, is_cut=False),
        Cell("backpack", Cause.BUST, is_cut=False),
        Cell("pacifica", Cause.TURNED, is_cut=False),
        Cell("paradex", Cause.HAND, is_cut=True),
    ],
    ids=str,
)
async def test_the_other_leg_follows_whatever_took_from_one(cell: Cell) -> None:
    trial = await run_cell(cell, seed=3)
    assert list(laws(trial)) == []


def judged(*rows: tuple[str, float, str, str, str, str]) -> Aftermath | None:
    """What the judge says of executions: account, second, side, quantity, client order id, cause."""
    books: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for number, (account, at_s, side, quantity, client_id, cause) in enumerate(rows):
        books[account].append({
            "id": number, "instrument": SYMBOL, "side": side, "quantity": quantity, "price": "2000",
            "client_id": client_id, "cause": cause, "time_us": int(at_s * 1_000_000),
        })  # fmt: skip
    venues = {h.venue: {"accounts": {h.name: {"fills": books[h.name]}}} for h in HOLDERS}
    state = {"now_us": 60_000_000, "venues": venues}
    return aftermath(state, points(state, HOLDERS, SYMBOL))


PAIR = (("a", 1, "BUY", "0.2", "a1", "NORMAL"), ("b", 1, "SELL", "0.2", "b1", "NORMAL"))


def test_the_judge_counts_what_stood_alone_until_the_other_leg_followed() -> None:
    found = judged(*PAIR, ("a", 10, "SELL", "0.08", "", "ADL"), ("b", 12.5, "BUY", "0.08", "b2", "NORMAL"))
    assert found is not None
    assert (found.taken, found.alone, found.followed_s) == (D("-0.08"), D("-0.08"), 2.5)
    assert (found.naked, found.beyond, found.trimmed) == (D("0.08") * 2000 * D("2.5"), 0, 0)


def test_the_judge_sees_a_leg_that_never_follows_and_one_that_follows_too_far() -> None:
    never = judged(*PAIR, ("a", 10, "SELL", "0.08", "", "LIQUIDATION"), ("b", 11, "BUY", "0.05", "b2", "NORMAL"))
    assert never is not None
    assert (never.followed_s, never.beyond) == (None, 0)
    far = judged(
        *PAIR, ("a", 10, "SELL", "0.08", "", "ADL"), ("b", 11, "BUY", "0.1", "b2", "NORMAL"),
        ("b", 12, "SELL", "0.02", "b2", "NORMAL"),
    )  # fmt: skip
    assert far is not None
    assert far.beyond == D("0.04"), "0.02 past zero, and 0.02 back up"


def test_the_judge_tells_both_legs_trimmed_to_a_lot_from_too_much() -> None:
    found = judged(
        *PAIR, ("a", 10, "SELL", "0.0803", "", "ADL"), ("b", 11, "BUY", "0.085", "b2", "NORMAL"),
        ("a", 11.1, "SELL", "0.0047", "a2", "NORMAL"),
    )  # fmt: skip
    assert found is not None
    assert (found.trimmed, found.beyond) == (D("0.0047"), 0)
    assert found.followed_s == 1.1


def test_the_judge_gives_a_hand_what_it_traded_beyond_the_session() -> None:
    found = judged(*PAIR, ("a", 10, "SELL", "0.5", "web", "NORMAL"), ("b", 11, "BUY", "0.2", "b2", "NORMAL"))
    assert found is not None
    assert (found.taken, found.foreign["a"], found.left["a"], found.beyond) == (D("-0.2"), D("-0.3"), 0, 0)


def test_the_judge_finds_nothing_taken_where_nothing_was() -> None:
    assert judged(*PAIR) is None
    assert judged(*PAIR, ("a", 10, "BUY", "0.5", "web", "NORMAL")) is None
