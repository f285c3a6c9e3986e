"""A session's certificates after its run: what the gate saw, why each order was sent, and a story a person can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.steps import PLAIN
from flows.story import run_session
from store.explanation import Explanation, explanation_of
from store.verification import verify
from tests.fakes.venue import HALF
from tests.fakes.world import SESSION, QuietBoard, World

Make = Callable[..., World]


async def told(make: Make, **changes: Any) -> World:
    """A session that was run to its end; the first sell fills by half."""
    world = make(volumeTarget="600", **changes)
    world.venues["b"].script(HALF)
    await run_session(world.desk(), world.session, PLAIN, QuietBoard())  # type: ignore[arg-type]
    world.check_completed_and_flat()
    return world


def uneven(world: World) -> Explanation:
    """The explanation of the first pair that took more than two orders."""
    found = [explanation_of(world.store, SESSION, pair.plan.pair_id) for pair in world.pairs]
    return next(one for one in found if len(one.document["orders"]) > 2)  # type: ignore[arg-type]


async def test_every_pair_of_a_run_is_certified_and_everything_agrees_with_store_and_results(make: Make) -> None:
    world = await told(make)
    found = verify(world.store, SESSION)
    assert found.findings == ()
    assert found.certificates == found.results == len(world.pairs) >= 2


async def test_a_certificate_holds_what_the_gate_saw_and_each_verdict_with_value_and_bound(make: Make) -> None:
    world = await told(make)
    (certificate,) = world.store.certificates.of_pair(world.pairs[0].plan.pair_id)
    decision: Any = certificate.content()["pair"]["decision"]  # type: ignore[index]
    for side, account in (("buy", world.pairs[0].plan.buy_account), ("sell", world.pairs[0].plan.sell_account)):
        leg = decision["facts"]["legs"][side]
        assert leg["accountId"] == account
        assert len(leg["book"]["sha256"]) == 64
        assert float(leg["book"]["bestBid"]) < float(leg["book"]["bestAsk"])
        assert leg["margin"]["active"] is True
        assert leg["takerFee"] == "0.0004"
    checks = {(check["check"], check["accountId"]): check for check in decision["checks"]}
    assert all(check["passed"] for check in checks.values())
    assert {name for name, _ in checks} >= {
        "lease", "clock", "self_cross", "venue", "book_age_s", "spread", "mark_age_s", "grid", "price_band", "depth",
        "cost", "position", "margin", "stop_loss", "naked_budget", "naked_day_budget",
    }  # fmt: skip
    assert checks["cost", None]["bound"] == decision["limits"]["maxSlippage"] == "0.005"
    assert decision["choice"]["purpose"] == "open"
    assert decision["choice"]["candidates"] == 2


async def test_uneven_legs_leave_the_three_costs_and_the_naked_time_in_the_certificate(make: Make) -> None:
    document: Any = uneven(await told(make)).document
    (repair,) = [order["decision"] for order in document["orders"] if "costs" in order["decision"]]
    assert repair["costs"].keys() == {"chase", "wait", "unwind"}
    assert float(repair["costs"]["wait"]) > float(repair["costs"]["chase"])
    assert float(repair["net"]) > 0
    assert float(document["pair"]["nakedUsdSeconds"]) >= 0
    assert [order["decision"]["reason"] for order in document["orders"]].count("take both legs") == 2


async def test_a_pair_is_told_in_sentences(make: Make) -> None:
    world = await told(make)
    text = "\n".join(uneven(world).sentences)
    for words in (
        "opens a hedge of", "It was chosen because among the 2 ways to pair", "The gate saw pacifica at", "checks at",
        "all passed",
        "to take both legs; it ended", "The legs stood uneven by", "completing the lagging leg about",
        "taking the leg back about", "It ended filled with", "of slippage", "of fees",
    ):  # fmt: skip
        assert words in text, text
    assert "unknown" not in text, text
    assert explanation_of(world.store, SESSION, "1").pair_id == world.pairs[0].plan.pair_id
