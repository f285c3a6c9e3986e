"""The measure of the leg-risk benchmark, proven on logs whose integral is known and on the real engine's executions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from benchmarks import leg_risk
from benchmarks.leg_risk_truth import Intent, intents_of, measure
from core.order import Side
from sandbox.clock import VirtualClock
from sandbox.model import OrderKind, OrderRequest, TimeInForce
from sandbox.model import Side as EngineSide
from sandbox.world import World

D = Decimal
SECOND = 1_000_000
BEGUN = 1_795_000_000 * SECOND


def fill(at_s: str, side: str, quantity: str, *, price: str = "2000", client_id: str | None = None) -> dict[str, Any]:
    return {
        "id": f"{at_s}{side}{quantity}", "trade_id": 1, "order_id": 1, "client_id": client_id, "instrument": "ETH/USD",
        "side": side, "price": price, "quantity": quantity, "liquidity": "TAKER", "fee": "0.1", "cause": "NORMAL",
        "time_us": BEGUN + int(D(at_s) * SECOND),
    }  # fmt: skip


def state(until_s: str, pacifica: list[dict[str, Any]], paradex: list[dict[str, Any]]) -> dict[str, Any]:
    def account(fills: list[dict[str, Any]]) -> dict[str, Any]:
        held = sum((D(f["quantity"]) * (1 if f["side"] == "BUY" else -1) for f in fills), D(0))
        return {"fills": fills, "positions": {"ETH/USD": {"quantity": str(held)}} if held else {}}

    return {
        "now_us": BEGUN + int(D(until_s) * SECOND),
        "venues": {
            "pacifica": {"accounts": {"a": account(pacifica)}},
            "paradex": {"accounts": {"b": account(paradex)}},
        },
    }


def test_a_leg_alone_for_two_and_a_half_seconds_counts_its_notional_for_so_long() -> None:
    found = measure(state("60", [fill("1", "BUY", "0.1")], [fill("3.5", "SELL", "0.1")]), [], "ETH/USD")

    assert found.naked_usd_seconds == D("0.1") * 2000 * D("2.5")
    assert (found.stretch_s, found.residual_usd, found.turnover_usd) == (D("2.5"), 0, 400)
    assert found.span_s == D("2.5")


def test_a_short_leg_alone_counts_as_much_as_a_long_one_and_never_pays_it_back() -> None:
    log = state(
        "60",
        [fill("1", "BUY", "0.1"), fill("10", "BUY", "0.1")],
        [fill("2", "SELL", "0.2")],
    )

    found = measure(log, [], "ETH/USD")

    assert found.naked_usd_seconds == 200 * 1 + 200 * 8  # long for a second, then short for eight
    assert found.stretch_s == 9  # it passed through even legs without stopping there


def test_what_is_left_alone_counts_until_the_state_was_read_and_is_left_over() -> None:
    found = measure(state("11", [fill("1", "BUY", "0.1")], []), [], "ETH/USD")

    assert found.naked_usd_seconds == 200 * 10
    assert (found.residual_usd, found.stretch_s) == (200, None)


def test_even_legs_of_one_moment_are_never_naked_whatever_their_prices() -> None:
    log = state("60", [fill("1", "BUY", "0.1", price="2001")], [fill("1", "SELL", "0.1", price="1999")])

    assert measure(log, [], "ETH/USD").naked_usd_seconds == 0


def test_partial_fills_count_by_what_is_uneven_at_each_time() -> None:
    log = state("60", [fill("0", "BUY", "0.1")], [fill("1", "SELL", "0.04"), fill("3", "SELL", "0.06")])

    assert measure(log, [], "ETH/USD").naked_usd_seconds == 200 * 1 + 120 * 2


def test_other_markets_do_not_count() -> None:
    log = state("60", [fill("1", "BUY", "0.1") | {"instrument": "BTC/USD"}], [])
    log["venues"]["pacifica"]["accounts"]["a"]["positions"] = {"BTC/USD": {"quantity": "0.1"}}

    assert measure(log, [], "ETH/USD").turnover_usd == 0


def test_an_execution_that_the_log_lacks_is_not_measured_over() -> None:
    log = state("60", [fill("1", "BUY", "0.1")], [])
    log["venues"]["pacifica"]["accounts"]["a"]["positions"]["ETH/USD"]["quantity"] = "0.3"

    with pytest.raises(ValueError, match=r"pacifica: the fills add up to 0\.1 ETH/USD, the position is 0\.3"):
        measure(log, [], "ETH/USD")


def test_an_intent_executed_by_two_orders_is_a_duplicate_and_no_even_pair() -> None:
    lines = [
        {"pair": 1, "venue": "pacifica", "side": "buy", "quantity": 0.1, "id": "x"},
        {"pair": 1, "venue": "pacifica", "side": "buy", "quantity": 0.1, "id": "y"},
        {"pair": 1, "venue": "paradex", "side": "sell", "quantity": 0.1, "id": "z"},
    ]
    sold = [fill("1", "SELL", "0.1", client_id="z")]
    twice = [fill("1", "BUY", "0.1", client_id="x"), fill("2", "BUY", "0.1", client_id="y")]
    completed = [fill("1", "BUY", "0.04", client_id="x"), fill("2", "BUY", "0.06", client_id="y")]

    doubled = measure(state("9", twice, sold), intents_of(lines), "ETH/USD")
    mended = measure(state("9", completed, sold), intents_of(lines), "ETH/USD")

    assert (doubled.duplicates, doubled.even_pairs, doubled.unexplained) == (1, 0, 0)
    assert (mended.duplicates, mended.even_pairs, mended.unexplained) == (0, 1, 0)


def test_a_leg_that_was_taken_back_makes_no_pair_and_a_stranger_is_unexplained() -> None:
    wanted = [
        Intent(1, "pacifica", Side.BUY, D("0.1"), frozenset({"x", "back"})),
        Intent(1, "paradex", Side.SELL, D("0.1"), frozenset({"z"})),
    ]
    log = state("9", [fill("1", "BUY", "0.1", client_id="x"), fill("2", "SELL", "0.1", client_id="back")], [])

    found = measure(log, wanted, "ETH/USD")

    assert (found.even_pairs, found.duplicates, found.unexplained) == (0, 0, 0)
    assert measure(log, wanted[1:], "ETH/USD").unexplained == 2


def test_the_engines_own_state_measures_as_the_clock_says() -> None:
    world = World(seed=3, clock=VirtualClock(BEGUN), with_makers=False)
    for venue in ("pacifica", "paradex"):
        world.exchanges[venue].open_internal_account("maker")
        world.exchanges[venue].open_account("own", D(10_000))

    def meet(venue: str, side: EngineSide, client_id: str) -> None:
        exchange = world.exchanges[venue]
        price, quantity = exchange.mark("ETH/USD").quantize(D(1)), D("0.1")
        rest, take = ("maker", side.opposite, TimeInForce.GTC, None), ("own", side, TimeInForce.IOC, client_id)
        for account, way, tif, key in (rest, take):
            exchange.submit(OrderRequest(account, "ETH/USD", way, OrderKind.LIMIT, quantity, price, tif, client_id=key))

    meet("pacifica", EngineSide.BUY, "x")
    world.advance(4 * SECOND)
    meet("paradex", EngineSide.SELL, "z")
    world.advance(SECOND)
    truth = {
        "now_us": world.now_us(),
        "venues": {venue: world.exchanges[venue].state() for venue in ("pacifica", "paradex")},
    }
    found = measure(truth, intents_of([
        {"pair": 1, "venue": "pacifica", "side": "buy", "quantity": "0.1", "id": "x"},
        {"pair": 1, "venue": "paradex", "side": "sell", "quantity": "0.1", "id": "z"},
    ]), "ETH/USD")  # fmt: skip

    assert found.naked_usd_seconds == found.turnover_usd / 2 * 4
    assert (found.even_pairs, found.unexplained, found.residual_usd, found.stretch_s) == (1, 0, 0, 4)


@pytest.mark.parametrize("name", leg_risk.names()[1:])
def test_every_scenario_of_the_benchmark_can_be_read(name: str) -> None:
    assert leg_risk.load(name).steps
