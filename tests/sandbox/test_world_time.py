"""Time, prices and market makers: seeded, ordered, never backwards."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from engine_world import ETH, START_US, still_world

from sandbox.clock import ScaledClock, VirtualClock
from sandbox.events import Event
from sandbox.faults import FaultKind
from sandbox.market_makers import FLOW_ACCOUNT, MAKER_ACCOUNT
from sandbox.model import OrderKind, OrderRequest, Side, TimeInForce
from sandbox.world import World


def live_world(seed: int) -> World:
    return World(seed=seed, clock=VirtualClock(START_US))


def let_pass(world: World, seconds: int) -> None:
    """Let time pass in steps short enough that no tick is skipped."""
    for _ in range(seconds):
        world.advance(1_000_000)


def session_log(seed: int) -> list[Event]:
    """Ten seconds of a live world in which a client trades."""
    world, log = live_world(seed), []
    exchange = world.exchanges["pacifica"]
    exchange.subscribe(log.append)
    exchange.open_account("A", Decimal(10_000))
    for step in range(20):
        world.advance(500_000)
        side = Side.BUY if step % 2 else Side.SELL
        exchange.submit(OrderRequest("A", ETH, side, OrderKind.MARKET, Decimal("0.5"), tif=TimeInForce.IOC))
    return log


def test_the_same_seed_and_the_same_orders_give_the_same_event_log() -> None:
    assert session_log(7) == session_log(7)


def test_another_seed_gives_another_log() -> None:
    assert session_log(7) != session_log(8)


def test_prices_move_gently_and_books_follow_with_different_spreads() -> None:
    world = live_world(3)
    start = world.reference(ETH)
    spreads = {}

    let_pass(world, 20)

    moved_bps = abs(world.reference(ETH) / start - 1) * 10_000
    assert 0 < moved_bps < 40
    for name, exchange in world.exchanges.items():
        bid, ask = exchange.best(ETH)
        assert bid is not None
        assert ask is not None
        mid = (bid.price + ask.price) / 2
        assert abs(mid / exchange.mark(ETH) - 1) * 10_000 < 3
        spreads[name] = (ask.price - bid.price) / mid * 10_000
    assert len(set(spreads.values())) == 3
    assert all(0 < bps < 6 for bps in spreads.values())


def test_a_marketable_order_of_a_few_hundred_dollars_fills_at_once() -> None:
    world = live_world(5)

    for name, exchange in world.exchanges.items():
        exchange.open_account("A", Decimal(10_000))
        for _ in range(6):
            world.advance(1_000_000)
            order = exchange.submit(
                OrderRequest("A", ETH, Side.BUY, OrderKind.MARKET, Decimal("0.1"), tif=TimeInForce.IOC)
            )
            assert order.remaining == 0, name


def test_a_resting_order_near_the_touch_is_filled_by_the_market() -> None:
    world = live_world(5)
    exchange = world.exchanges["paradex"]
    exchange.open_account("A", Decimal(10_000))
    bid, _ = exchange.best(ETH)
    assert bid is not None
    exchange.submit(OrderRequest("A", ETH, Side.BUY, OrderKind.LIMIT, Decimal("0.5"), bid.price))

    let_pass(world, 20)

    assert exchange.fills("A")


def test_makers_and_background_flow_never_meet_themselves() -> None:
    world = live_world(2)

    let_pass(world, 20)

    for exchange in world.exchanges.values():
        assert exchange.self_trades == 0
        assert exchange.state()["self_trades_prevented"] == 0
        assert exchange.account(FLOW_ACCOUNT).positions or exchange.account(MAKER_ACCOUNT).positions


def test_timers_run_in_order_of_their_due_time_at_that_time() -> None:
    world, seen = still_world(), []
    world.call_later(3_000, lambda: seen.append(("late", world.now_us() - START_US)))
    world.call_later(1_000, lambda: seen.append(("early", world.now_us() - START_US)))

    world.advance(5_000)

    assert seen == [("early", 1_000), ("late", 3_000)]


def test_a_long_jump_does_not_replay_every_tick() -> None:
    world, ticks = still_world(), []
    world.every(250_000, lambda: ticks.append(world.now_us()))

    world.advance(10 * 3_600_000_000)

    assert len(ticks) < 5
    assert ticks[-1] == world.now_us()


def test_a_stale_mark_stands_still_while_the_other_venues_move() -> None:
    world = still_world()
    world.faults.arm("paradex", FaultKind.STALE_MARK)
    before = world.exchanges["paradex"].mark(ETH)

    world.set_reference(ETH, Decimal(3000))

    assert world.exchanges["paradex"].mark(ETH) == before
    assert abs(world.exchanges["pacifica"].mark(ETH) - 3000) < 1


def test_drift_moves_the_reference_price() -> None:
    world = live_world(1)
    world.paths[ETH].drift_bps_per_min = 600.0

    let_pass(world, 20)

    assert world.reference(ETH) > Decimal(2500) * Decimal("1.01")


def test_a_scaled_clock_runs_faster_than_the_wall_and_can_be_advanced() -> None:
    wall = [1_000_000]
    clock = ScaledClock(lambda: wall[0], speed=60.0)

    wall[0] += 1_000_000
    clock.advance(5_000_000)

    assert clock.now_us() == 1_000_000 + 60_000_000 + 5_000_000
    assert clock.wall_us() == 2_000_000


def test_changing_speed_does_not_make_time_jump() -> None:
    wall = [0]
    clock = ScaledClock(lambda: wall[0], speed=10.0)
    wall[0] = 1_000_000

    clock.set_speed(2.0)

    assert clock.now_us() == 10_000_000
    wall[0] = 2_000_000
    assert clock.now_us() == 12_000_000


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_can_neither_stop_nor_go_back(speed: float) -> None:
    clock = ScaledClock(lambda: 0)

    with pytest.raises(ValueError, match="speed"):
        clock.set_speed(speed)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


async def test_sleeping_in_a_real_world_ends_when_venue_time_is_reached() -> None:
    wall = [START_US]
    world = World(seed=1, clock=ScaledClock(lambda: wall[0]), with_makers=False)
    sleeper = asyncio.create_task(world.sleep(200_000))
    await asyncio.sleep(0)

    world.sync()
    await asyncio.sleep(0)
    assert not sleeper.done()
    wall[0] += 200_000
    world.sync()

    await asyncio.wait_for(sleeper, 1)
