"""What the scripts' further kinds do: to the engine, to answers, and to frames of each venue."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest
from asgi_socket import connect
from backpack_twin import SOL, Bench
from engine_world import ETH, START_US, Venue, still_world
from pacifica_client import Twin
from paradex_client import Socket as ParadexSocket
from paradex_client import open_world

from sandbox import scenarios
from sandbox.clock import VirtualClock
from sandbox.control import create_control_app
from sandbox.dialects.paradex import create_app as create_paradex
from sandbox.market_makers import MAKER_ACCOUNT
from sandbox.model import FillCause, Order, OrderKind, OrderRequest, Side, TimeInForce, VenueMode
from sandbox.scenarios import Scenario, play, read
from sandbox.world import World


def script(*steps: str) -> Scenario:
    """A script of these lines."""
    return read("about: a script of a test\nsteps:\n" + "".join(f"  - {{{step}}}\n" for step in steps), "test")


def market_buy(world: World, venue: str, quantity: str) -> Order:
    """Let a client take from the makers."""
    exchange = world.exchanges[venue]
    exchange.open_account("A", Decimal(1_000_000))
    return exchange.submit(OrderRequest("A", ETH, Side.BUY, OrderKind.MARKET, Decimal(quantity), tif=TimeInForce.IOC))


@pytest.mark.parametrize("venue", ["pacifica", "paradex", "backpack"])
def test_an_order_fills_in_the_scripts_pieces_and_no_lot_is_lost(venue: str) -> None:
    world = still_world()
    exchange = world.exchanges[venue]
    exchange.open_internal_account(MAKER_ACCOUNT)
    exchange.quote(MAKER_ACCOUNT, ETH, {}, {Decimal(2500): Decimal(50)})
    play(world, scenarios.load("split_fills"))

    order = market_buy(world, venue, "0.131")

    pieces = [f.quantity for f in exchange.fills("A")]
    lot = exchange.markets[ETH].lot
    assert len(pieces) == 4
    assert sum(pieces) == order.filled == Decimal("0.131")
    assert all(piece % lot == 0 for piece in pieces)
    assert abs(pieces[0] - Decimal("0.0655")) < lot


def test_a_split_ends_and_never_touches_two_clients_trades() -> None:
    venue = Venue()
    play(venue.world, script("venue: pacifica, at_s: 0, kind: split_fills, shares: ['0.5'], duration_s: 5"))
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")
    assert len(venue.exchange.fills("A")) == 1

    venue.exchange.open_internal_account("mm")
    venue.exchange.quote("mm", ETH, {}, {Decimal(2500): Decimal(5)})
    venue.buy("A", "1", "2500")
    assert len(venue.exchange.fills("A")) == 3
    venue.world.advance(6_000_000)
    venue.buy("A", "1", "2500")
    assert len(venue.exchange.fills("A")) == 4


@pytest.mark.parametrize(("tier", "cause"), [("BOOK", FillCause.LIQUIDATION), ("BACKSTOP", FillCause.BACKSTOP)])
def test_a_liquidation_takes_one_step_of_its_tier_though_the_account_is_healthy(tier: str, cause: FillCause) -> None:
    venue = Venue("backpack")
    venue.buy("C", "5", "2400")
    play(venue.world, script(f"venue: backpack, upon: fill, nth: 2, after_s: 2, kind: liquidation, tier: {tier}"))
    venue.sell("B", "1", "2500")
    venue.buy("A", "1", "2500")

    venue.world.advance(2_000_000)

    assert venue.exchange.fills("A")[-1].cause is cause
    assert abs(venue.held("A")) == (Decimal("0.9") if tier == "BOOK" else 0)
    assert sum((venue.held(a) for a in venue.exchange.accounts), Decimal(0)) == 0


def test_maintenance_closes_and_opens_each_venue_in_turn() -> None:
    world = still_world()
    play(world, scenarios.load("maintenance"))
    seen = []
    for _ in range(12):
        world.advance(10_000_000)
        seen.append(tuple(world.exchanges[v].mode() for v in ("pacifica", "paradex", "backpack")))

    opened = (VenueMode.OPEN,) * 3
    assert seen[0] == (VenueMode.OPEN, VenueMode.CANCEL_ONLY, VenueMode.OPEN)
    assert seen[2] == (VenueMode.OPEN, VenueMode.POST_ONLY, VenueMode.OPEN)
    assert seen[5] == (VenueMode.OPEN, VenueMode.OPEN, VenueMode.MAINTENANCE)
    assert seen[8] == (VenueMode.CANCEL_ONLY, VenueMode.OPEN, VenueMode.OPEN)
    assert seen[11] == opened


def test_a_price_shock_moves_every_venue_once() -> None:
    world = World(seed=1, clock=VirtualClock(START_US))
    before = {name: exchange.mark(ETH) for name, exchange in world.exchanges.items()}
    play(world, script("venue: all, at_s: 0, kind: price_shock, change: '-0.1'"))

    for name, exchange in world.exchanges.items():
        assert abs(exchange.mark(ETH) / before[name] - Decimal("0.9")) < Decimal("0.002")


async def test_a_slow_answer_comes_late_though_the_order_is_already_in_the_book() -> None:
    twin = Twin()
    play(twin.world, script("venue: pacifica, at_s: 0, kind: slow_answer, delay_ms: 2000"))

    answer = await twin.limit("2400", tif="ALO")

    [order] = twin.exchange.open_orders(twin.signer.public)
    assert answer.status_code == 200
    assert twin.world.now_us() - order.created_us == 2_000_000


async def test_a_backpack_frame_is_overtaken_by_the_next_one() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"bookTicker.{SOL}")
        play(bench.world, script("venue: backpack, at_s: 0, kind: ws_reorder, count: 1"))
        await bench.bob.rest("Ask", "1", "150")
        assert await socket.waiting() == []
        await bench.bob.rest("Ask", "1", "149")
        assert [frame["data"]["a"] for frame in await socket.waiting()] == ["149.00", "150.00"]


async def test_a_pacifica_frame_is_overtaken_by_the_next_one() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(
            {"method": "subscribe", "params": {"source": "account_order_updates", "account": twin.signer.public}}
        )
        await socket.frame_of("subscribe")
        play(twin.world, script("venue: pacifica, at_s: 0, kind: ws_reorder, count: 1"))
        for price in ("2400", "2401"):
            await twin.limit(price, tif="ALO")
        frames = [await socket.frame_of("account_order_updates") for _ in range(2)]

    assert [Decimal(frame["data"][0]["ip"]) for frame in frames] == [2401, 2400]


async def test_a_paradex_frame_is_overtaken_by_the_next_one() -> None:
    world = open_world()
    exchange = world.exchanges["paradex"]
    async with ParadexSocket(create_paradex(world, exchange)) as socket:
        await socket.subscribe("trades.ETH-USD-PERP")
        play(world, script("venue: paradex, at_s: 0, kind: ws_reorder, count: 1"))
        venue = Venue("paradex")
        for price in ("2500", "2501"):
            exchange.submit(venue.request("mm", Side.SELL, "1", price))
            exchange.submit(venue.request("mm2", Side.BUY, "1", price))
        await socket.settle()

    assert [row["price"] for row in socket.rows("trades.ETH-USD-PERP")] == ["2501", "2500"]


async def test_the_control_door_sets_a_venues_status() -> None:
    world = still_world()
    transport = httpx.ASGITransport(create_control_app(world, 7100))
    async with httpx.AsyncClient(transport=transport, base_url="http://control/control") as http:
        one = await http.post("/status", json={"venue": "paradex", "mode": "post_only", "instrument": ETH})
        whole = await http.post("/status", json={"venue": "backpack", "mode": "maintenance"})
        wrong = await http.post("/status", json={"venue": "backpack", "mode": "asleep"})

    assert (one.json()["mode"], one.json()["markets"][ETH]) == ("open", "post_only")
    assert set(whole.json()["markets"].values()) == {"maintenance"}
    assert (wrong.status_code, wrong.json()["fields"][0]["field"]) == (422, "mode")
    assert world.exchanges["backpack"].mode() is VenueMode.MAINTENANCE


async def test_the_control_door_plays_steps_of_ones_own() -> None:
    world = still_world()
    transport = httpx.ASGITransport(create_control_app(world, 7100))
    steps = [{"venue": "paradex", "at_s": 0, "kind": "status", "mode": "cancel_only", "duration_s": 3}]
    async with httpx.AsyncClient(transport=transport, base_url="http://control/control") as http:
        played = await http.post("/scenario", json={"steps": steps})
        both = await http.post("/scenario", json={"name": "lost_ack", "steps": steps})
        neither = await http.post("/scenario", json={})

    assert played.json()["steps"] == 1
    assert (both.status_code, neither.status_code) == (422, 422)
    assert world.exchanges["paradex"].mode() is VenueMode.CANCEL_ONLY
    world.advance(3_000_000)
    assert world.exchanges["paradex"].mode() is VenueMode.OPEN
