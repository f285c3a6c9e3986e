"""Own orders that met across two sessions are found by comparing with every execution of the installation."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.order import Fill, Liquidity, OrderIntent, Side
from tasks.place_pair import open_pair
from tasks.reconcile_fills import reconcile
from tests.fakes.venue import WHOLE, Script
from tests.fakes.world import World

D = Decimal


@pytest.mark.parametrize(
    ("change", "matches"),
    [
        ({}, 1),
        ({"side": Side.BUY}, 0),
        ({"price": D("2499")}, 0),
        ({"liquidity": Liquidity.TAKER}, 0),
    ],
)
async def test_execution_whose_other_side_another_session_booked_counts_no_volume(
    world: World, change: dict[str, object], matches: int
) -> None:
    """An account of another session, z, sold what a bought: same venue, price, quantity and time."""
    venue = world.venues["a"]

    def meet(intent: OrderIntent) -> Script:
        now = world.clock()
        met = Fill(
            venue.venue, "z", "ETH/USD", "z-1", None, "z-order", Side.SELL, intent.quantity, D("2500.1"), D(0),
            Liquidity.MAKER, now, now,
        )  # fmt: skip
        world.store.journal.record_fills.now([replace(met, **change)])  # type: ignore[arg-type]
        return WHOLE

    venue.otherwise = meet
    desk = world.desk()
    reconciled = await reconcile(desk, await open_pair(desk, world.plan(), {}))
    assert reconciled.own_matches == matches
    (pair,) = world.pairs
    assert (pair.outcome.volume == 0) is bool(matches)


async def test_matches_between_other_sessions_are_theirs_to_report(world: World) -> None:
    now = world.clock()
    sold = Fill(
        world.venues["a"].venue, "y", "ETH/USD", "y-1", None, "y-order", Side.SELL, D("0.3"), D("2500.1"), D(0),
        Liquidity.MAKER, now, now,
    )  # fmt: skip
    bought = replace(sold, account_id="z", trade_id="z-1", venue_order_id="z", side=Side.BUY, liquidity=Liquidity.TAKER)
    await world.store.journal.record_fills([sold, bought])
    desk = world.desk()
    reconciled = await reconcile(desk, await open_pair(desk, world.plan(), {}))
    assert reconciled.own_matches == 0
