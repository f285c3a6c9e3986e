"""Fault scripts: every file is valid, wrong ones are refused by field, and each kind is seen at the wire."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
import pytest
from asgi_socket import connect
from backpack_twin import SOL, Bench
from engine_world import ETH, START_US, Venue, still_world
from pacifica_client import Twin
from paradex_client import Socket as ParadexSocket
from paradex_client import open_world
from test_twins_server import free_port_base

from sandbox import scenarios
from sandbox.clock import ScaledClock, VirtualClock
from sandbox.control import create_control_app
from sandbox.dialects.paradex import create_app as create_paradex
from sandbox.faults import ConnectionDropped, FaultKind
from sandbox.model import OrderKind, OrderRequest, OrderStatus, Side, TimeInForce
from sandbox.scenarios import Scenario, ScenarioError, play, read
from sandbox.server import main_run, serve
from sandbox.world import World

WANTED = {
    "ack_after_fill",
    "ack_before_fill",
    "adl_37_percent",
    "clock_skew",
    "delayed_frames",
    "duplicate_frames",
    "errors_5xx",
    "gap_storm",
    "half_open",
    "liquidation",
    "lost_ack",
    "maintenance",
    "partial_fills",
    "price_shock",
    "reordered_frames",
    "slow_requests",
    "split_fills",
    "stale_mark",
    "storm_429",
    "tradebust",
}


def script(*steps: str) -> Scenario:
    """A script of these lines."""
    return read("about: a script of a test\nsteps:\n" + "".join(f"  - {{{step}}}\n" for step in steps), "test")


# --- reading ------------------------------------------------------------------------------------------


def test_every_file_is_valid_and_can_be_played() -> None:
    assert set(scenarios.names()) == WANTED
    for name in scenarios.names():
        play(still_world(), scenarios.load(name))


def test_every_step_is_one_line() -> None:
    for path in scenarios.FOLDER.glob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(scenarios.load(path.stem).steps) == len(lines) - 2, path.name


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("venue: nowhere, at_s: 0, kind: ws_gap", "steps.0.venue"),
        ("venue: all, at_s: 0, kind: earthquake", "steps.0.kind"),
        ("venue: all, at_s: -1, kind: ws_gap", "steps.0.at_s"),
        ("venue: all, kind: ws_gap", "give at_s or upon"),
        ("venue: all, at_s: 0, upon: fill, kind: ws_gap", "give at_s or upon"),
        ("venue: all, at_s: 0, nth: 2, kind: ws_gap", "nth and after_s go with upon"),
        ("venue: all, at_s: 0, kind: ws_gap, share: '0.5'", "ws_gap does not take share"),
        ("venue: all, at_s: 0, kind: adl, share: '0.5'", "adl happens upon a fill"),
        ("venue: all, upon: fill, kind: adl, share: '1.5'", "steps.0.share"),
        ("venue: all, at_s: 0, kind: ws_gap, colour: red", "steps.0.colour"),
        ("venue: all, at_s: 0, kind: liquidation", "liquidation happens upon a fill"),
        ("venue: all, upon: fill, kind: liquidation, tier: ADL", "steps.0.tier"),
        ("venue: all, at_s: 0, kind: status", "status needs mode"),
        ("venue: all, at_s: 0, kind: status, mode: asleep", "steps.0.mode"),
        ("venue: all, at_s: 0, kind: split_fills, shares: ['0.7', '0.4']", "more than 1"),
        ("venue: all, at_s: 0, kind: price_shock, change: '-1'", "steps.0.change"),
    ],
)
def test_a_wrong_step_is_refused_naming_its_field(step: str, told: str) -> None:
    with pytest.raises(ScenarioError, match="scenario test") as refused:
        script(step)
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["steps: [", "about: no steps at all here", "[]"])
def test_a_file_that_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        read(text, "test")


# --- playing ------------------------------------------------------------------------------------------


async def test_a_step_waits_for_its_time() -> None:
    twin = Twin()
    play(twin.world, script("venue: pacifica, at_s: 10, kind: lost_answer"))

    assert (await twin.limit("2400")).status_code == 200
    twin.world.advance(10_000_000)
    with pytest.raises(ConnectionDropped):
        await twin.limit("2401")
    assert (await twin.limit("2402")).status_code == 200
    assert len((await twin.get("/orders")).json()["data"]) == 3


async def test_a_step_waits_for_its_nth_order() -> None:
    twin = Twin()
    play(twin.world, script("venue: pacifica, upon: order, nth: 2, after_s: 1, kind: http_429"))

    statuses = []
    for price in ("2400", "2401", "2402", "2403"):
        statuses.append((await twin.limit(price)).status_code)
        twin.world.advance(1_000_000)

    assert statuses == [200, 200, 429, 200]


def test_adl_takes_the_share_of_the_position_rounded_down_to_a_lot() -> None:
    venue = Venue("backpack")
    play(venue.world, scenarios.load("adl_37_percent"))
    venue.sell("B", "1", "2500")
    venue.buy("A", "0.0333", "2500")  # the second fill of the venue is the taker's

    venue.world.advance(3_000_000)

    assert venue.held("A") == Decimal("0.0333") - Decimal("0.0123")
    assert venue.exchange.fills("A")[-1].cause == "ADL"
    assert venue.held("B") == Decimal("-0.0333")


def test_a_deleverage_of_a_position_that_is_gone_is_left_out() -> None:
    venue = Venue("backpack")
    play(venue.world, scenarios.load("adl_37_percent"))
    venue.sell("B", "1", "2500")
    venue.buy("A", "0.1", "2500")
    venue.buy("C", "1", "2400")
    venue.sell("A", "0.1", "2400", reduce_only=True)

    venue.world.advance(3_000_000)

    assert venue.held("A") == 0
    assert {fill.cause for fill in venue.exchange.fills("A")} == {"NORMAL"}


def test_a_tradebust_undoes_the_fill_that_caused_it_and_happens_once() -> None:
    venue = Venue("paradex")
    play(venue.world, scenarios.load("tradebust"))
    venue.sell("B", "1", "2500")
    venue.buy("A", "0.1", "2500")

    venue.world.advance(2_000_000)
    assert (venue.held("A"), venue.held("B")) == (0, 0)

    venue.buy("A", "0.1", "2500")
    venue.world.advance(10_000_000)
    assert venue.held("A") == Decimal("0.1")


async def test_a_skewed_clock_shows_at_the_venue_and_comes_back() -> None:
    bench = Bench()
    play(bench.world, script("venue: backpack, at_s: 0, kind: clock_skew, skew_ms: 8000, duration_s: 20"))

    def skew_ms(text: str) -> int:
        return int(text) - bench.world.wall_us() // 1000

    assert skew_ms((await bench.http.get("/api/v1/time")).text) == 8000
    bench.world.advance(20_000_000)
    assert skew_ms((await bench.http.get("/api/v1/time")).text) == 0


def test_thin_books_shrink_every_level_and_grow_back() -> None:
    world = World(seed=1, clock=VirtualClock(START_US))
    exchange = world.exchanges["pacifica"]

    def depth() -> Decimal:
        return sum((level.quantity for level in exchange.book(ETH).asks), Decimal(0))

    world.advance(1_000_000)
    usual = depth()
    play(world, script("venue: all, at_s: 0, kind: thin_book, share: '0.02', duration_s: 5"))
    world.advance(1_000_000)
    assert depth() < usual / 10
    world.advance(10_000_000)
    assert depth() > usual / 3


def test_a_thin_book_fills_a_market_order_over_several_levels() -> None:
    world = World(seed=1, clock=VirtualClock(START_US))
    play(world, scenarios.load("partial_fills"))
    world.advance(1_000_000)
    exchange = world.exchanges["pacifica"]
    exchange.open_account("A", Decimal(10_000))
    venue = Venue("pacifica", accounts="A")

    order = exchange.submit(venue.request("A", Side.BUY, "0.2"))

    assert len(exchange.fills("A")) > 1
    assert order.filled > 0


# --- frames -------------------------------------------------------------------------------------------


async def test_half_open_lets_nothing_through_until_it_ends() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"bookTicker.{SOL}")
        play(bench.world, script("venue: backpack, at_s: 0, kind: half_open, duration_s: 5"))
        await bench.bob.rest("Ask", "1", "150")
        assert await socket.waiting() == []
        assert socket.close_code is None

        bench.world.advance(5_000_000)
        await bench.bob.rest("Ask", "1", "149")
        assert [frame["data"]["a"] for frame in await socket.waiting()] == ["149.00"]


async def test_a_silent_account_stream_shows_the_market_and_says_nothing_of_the_account() -> None:
    bench = Bench()
    async with bench.socket() as socket:
        await socket.subscribe(f"bookTicker.{SOL}")
        await socket.subscribe("account.orderUpdate", client=bench.alice)
        play(bench.world, script("venue: backpack, at_s: 0, kind: account_silence, duration_s: 5"))
        await bench.alice.rest("Ask", "1", "150")
        assert [frame["stream"] for frame in await socket.waiting()] == [f"bookTicker.{SOL}"]

        bench.world.advance(5_000_000)
        await bench.alice.rest("Ask", "1", "149")
        assert {frame["stream"] for frame in await socket.waiting()} == {f"bookTicker.{SOL}", "account.orderUpdate"}


async def test_a_held_fill_frame_comes_seconds_after_the_order_is_filled() -> None:
    wall_us = START_US
    bench = Bench(clock=ScaledClock(lambda: wall_us, 1.0))
    async with bench.socket() as socket:
        await socket.subscribe("account.orderUpdate", client=bench.alice)
        play(bench.world, scenarios.load("ack_before_fill"))
        await bench.alice.rest("Bid", "1", "149")
        taker = OrderRequest(
            bench.bob.public_key, "SOL/USD", Side.SELL, OrderKind.LIMIT, Decimal(1), Decimal(149), TimeInForce.IOC
        )
        assert bench.exchange.submit(taker).status is OrderStatus.FILLED
        at_once = [frame["data"]["e"] for frame in await socket.waiting()]

        wall_us += 3_000_000
        bench.world.sync()
        later = [frame["data"]["e"] for frame in await socket.waiting()]

    assert (at_once, later) == (["orderAccepted"], ["orderFill"])


async def test_a_delayed_pacifica_frame_arrives_later() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        await socket.send(
            {"method": "subscribe", "params": {"source": "account_order_updates", "account": twin.signer.public}}
        )
        await socket.frame_of("subscribe")
        play(twin.world, script("venue: pacifica, at_s: 0, kind: ws_delay, delay_ms: 1000"))
        started = twin.world.now_us()
        await twin.limit("2400", tif="ALO")
        frame = await socket.frame_of("account_order_updates")

    assert frame["data"][0]["oe"] == "make"
    assert twin.world.now_us() - started == 1_000_000


async def test_a_silent_pacifica_account_hears_its_answers_and_no_event() -> None:
    twin = Twin()
    async with connect(twin.app, "/ws") as socket:
        for source in ("account_order_updates", "account_trades"):
            await socket.send({"method": "subscribe", "params": {"source": source, "account": twin.signer.public}})
            await socket.frame_of("subscribe")
        twin.world.faults.arm("pacifica", FaultKind.ACCOUNT_SILENCE)
        twin.quote("2399", "2401")
        await twin.market()
        await socket.send({"method": "ping"})
        assert (await socket.frame())["channel"] == "pong"
        assert twin.exchange.fills(twin.signer.public)


async def test_paradex_rows_wait_in_order_behind_a_held_one() -> None:
    world = open_world()
    exchange = world.exchanges["paradex"]
    async with ParadexSocket(create_paradex(world, exchange)) as socket:
        await socket.subscribe("trades.ETH-USD-PERP")
        play(world, script("venue: paradex, at_s: 0, kind: ws_delay, delay_ms: 1000"))
        venue = Venue("paradex")
        for price in ("2500", "2501"):
            exchange.submit(venue.request("mm", Side.SELL, "1", price))
            exchange.submit(venue.request("mm2", Side.BUY, "1", price))
        await socket.settle()
        assert socket.rows("trades.ETH-USD-PERP") == []

        world.advance(1_000_000)
        await socket.settle()
        assert [row["price"] for row in socket.rows("trades.ETH-USD-PERP")] == ["2500", "2501"]


# --- doors --------------------------------------------------------------------------------------------


async def test_the_control_door_lists_and_plays_scripts() -> None:
    world = still_world()
    transport = httpx.ASGITransport(create_control_app(world, 7100))
    async with httpx.AsyncClient(transport=transport, base_url="http://control/control") as http:
        listed = (await http.get("/scenario")).json()["scenarios"]
        played = await http.post("/scenario", json={"name": "duplicate_frames"})
        unknown = await http.post("/scenario", json={"name": "../secrets"})

    assert set(listed) == WANTED
    assert played.json() == {"playing": "duplicate_frames", "steps": 1}
    assert {fault.kind for fault in world.faults.armed} == {FaultKind.DUPLICATE_FILL_FRAME}
    assert (unknown.status_code, unknown.json()["fields"][0]["field"]) == (422, "name")


async def test_a_share_beyond_one_is_a_422() -> None:
    transport = httpx.ASGITransport(create_control_app(still_world(), 7100))
    async with httpx.AsyncClient(transport=transport, base_url="http://control/control") as http:
        answers = [
            await http.post("/faults", json={"venue": "pacifica", "kind": "thin_book", "share": share})
            for share in ("0", "0.5", "1.1", "much")
        ]

    assert [answer.status_code for answer in answers] == [422, 200, 422, 422]


def test_an_unknown_script_is_told_on_one_line_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    status = main_run(1, 7100, 1.0, "earthquake")

    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (1, 1)
    assert "no scenario earthquake; there are ack_after_fill" in error


async def test_a_served_script_begins_once_the_twins_are_ready(caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    with caplog.at_level("INFO", logger="sandbox"):
        await serve(seed=1, port_base=free_port_base(), speed=1.0, scenario="stale_mark", ready=stop.set, stop=stop)

    assert [text for text in caplog.messages if text.startswith("scenario stale_mark: One venue's mark")]
