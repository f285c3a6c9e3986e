"""Backpack's wider surface against its twin where it has ways of its own; what all venues share is in the cards."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.backpack.client import BackpackClient
from connectors.registry import sandbox_endpoints
from connectors.settings import BackpackKeys, Outside, Timeouts
from connectors.surface import Channel
from connectors.venue import Accepted, NotFound, Rejected, Unknown
from core.errors import VenueRejected
from core.instrument import Venue
from core.market_data import CandleInterval, VenueState
from core.order import Side, TriggerIntent, TriggerKind, TriggerPrice
from tests.contract.bench import Bench, Twin, until, until_true

D = Decimal
SYMBOL = "ETH/USD"
MINUTE = timedelta(minutes=1)
A_MOMENT = timedelta(seconds=2)


@pytest.fixture
def keys(twins) -> BackpackKeys:
    """The keys of a fresh, funded account."""
    key = SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    twins.open_account(venue="backpack", publicKey=public, balance="10000")
    return BackpackKeys(api_key=public, api_secret=SecretStr(base64.b64encode(bytes(key)).decode()))


@pytest.fixture
async def bench(twins, keys: BackpackKeys, real_outside: Outside) -> AsyncIterator[Bench]:
    """A connected client of that account; the venue is open and in good order again afterwards."""
    endpoints = sandbox_endpoints(Venue.BACKPACK, twins.port_base)

    def another() -> BackpackClient:
        return BackpackClient("acc-1", keys, endpoints, real_outside, Timeouts(command_s=2.0))

    client = another()
    await client.connect()
    door = Twin(Venue.BACKPACK, twins, keys.api_key)
    yield Bench(client, client.capabilities, real_outside, another, door)
    await client.aclose()
    set_mode(twins, "open", instrument=SYMBOL)
    set_mode(twins, "open")
    twins.control("faults", venue="backpack", kind="clear")
    twins.control("clock", venue="backpack", skew_ms=0)


def set_mode(twins, mode: str, **where: str) -> None:
    twins.control("status", venue="backpack", mode=mode, **where)


async def test_in_maintenance_the_status_says_so_and_an_order_is_unknown_until_it_is_asked_about(bench, twins) -> None:
    intent = await bench.taking()
    set_mode(twins, "maintenance")
    status = await bench.client.market_data.system_status()
    assert (status.state, status.takes_new_risk) == (VenueState.MAINTENANCE, False)
    assert isinstance(await bench.client.place(intent), Unknown), "a 503 does not say what became of an order"
    set_mode(twins, "open")
    assert isinstance(await bench.client.order(intent, None), NotFound)


async def test_a_market_that_takes_cancels_only_is_not_listed_as_open_and_refuses_orders(bench, twins) -> None:
    resting, intent = await bench.resting(), await bench.taking()
    order_id = await bench.placed(resting)
    set_mode(twins, "cancel_only", instrument=SYMBOL)
    outcome = await bench.client.place(intent)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "TRADING_PAUSED"
    assert (await bench.client.market_data.system_status()).takes_new_risk, "the venue as a whole is open"
    assert SYMBOL not in await bench.client.markets()
    await bench.client.cancel(resting, order_id)
    assert (await bench.ended(resting, order_id)).filled_quantity == 0


async def test_an_order_after_the_venues_clock_jumped_is_refused_once_and_the_next_read_follows_it(
    bench, twins
) -> None:
    intent = await bench.taking()
    twins.control("clock", venue="backpack", skew_ms=120_000)
    late = await bench.client.place(intent)
    assert isinstance(late, Rejected)
    assert late.code == "REQUEST_EXPIRED"
    assert await bench.client.positions() == ()
    offset = bench.client.clock_offset
    assert offset is not None
    assert abs(offset.offset - timedelta(seconds=120)) <= offset.error + timedelta(milliseconds=2)
    await bench.filled(await bench.taking())


async def test_a_read_after_the_venues_clock_jumped_measures_it_and_asks_once_more(bench, twins) -> None:
    twins.control("clock", venue="backpack", skew_ms=120_000)
    assert await bench.client.positions() == ()


async def test_a_late_leg_is_refused_by_its_window_even_when_the_clocks_differ(bench, twins) -> None:
    twins.control("clock", venue="backpack", skew_ms=-45_000)
    await bench.client.measure_clock()
    twins.arm("backpack", "delay", action="place", count=1, delay_ms=900)
    intent = await bench.taking()
    outcome = await bench.client.place(replace(intent, valid_until=bench.now() + timedelta(milliseconds=500)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "REQUEST_EXPIRED"
    assert await bench.client.positions() == ()


async def test_each_payment_into_the_account_is_a_transfer(bench, twins, keys) -> None:
    twins.open_account(venue="backpack", publicKey=keys.api_key, balance="250")
    found = await bench.client.records.transfers(bench.now() - MINUTE)
    assert [one.quantity for one in found] == [D(10_000), D(250)]
    (held,) = await bench.client.records.balances()
    assert (held.asset, held.total) == ("USDC", D(10_250))


async def test_a_leverage_limit_holds_for_every_market_and_narrows_the_margin(bench) -> None:
    before = (await bench.market()).initial_margin
    await bench.client.desk.set_leverage(SYMBOL, D(4))
    markets = await bench.client.markets()
    assert {market.initial_margin for market in markets.values()} == {D("0.25")}
    assert before < D("0.25")


async def test_a_leverage_beyond_the_venues_is_refused_and_nothing_changes(bench) -> None:
    held = await bench.client.records.leverage(SYMBOL)
    with pytest.raises(VenueRejected, match="leverage"):
        await bench.client.desk.set_leverage(SYMBOL, D(1000))
    assert (await bench.client.records.leverage(SYMBOL)).leverage == held.leverage


async def test_a_trigger_lives_on_the_order_stream_and_leaves_the_book_alone(bench) -> None:
    await bench.client.feed.start([SYMBOL])
    bought = await bench.filled(await bench.taking())
    market, mark = await bench.market(), (await bench.client.mark(SYMBOL)).mark
    below = (mark * D("0.9")).quantize(market.tick)
    order = await bench.taking(Side.SELL, quantity=bought.filled_quantity, price=below, reduce_only=True)
    outcome = await bench.client.desk.place_trigger(
        TriggerIntent(order, TriggerKind.STOP_LOSS, below, TriggerPrice.MARK)
    )
    assert isinstance(outcome, Accepted)
    assert await bench.client.open_orders(SYMBOL) == ()
    (waiting,) = await bench.client.desk.open_triggers(SYMBOL)
    assert waiting.client_order_id == order.client_order_id
    await bench.client.cancel_all(SYMBOL)
    assert await bench.client.desk.open_triggers(SYMBOL) == (), "cancelling all of a market takes triggers too"


async def test_the_tape_comes_back_after_its_connection_was_cut(bench, twins) -> None:
    tape = bench.client.tape
    await tape.start([SYMBOL], [Channel.BEST, Channel.TRADES])
    await until_true(lambda: tape.best(SYMBOL) is not None)
    twins.arm("backpack", "ws_disconnect", action="any", duration_s=0.5)
    await until_true(lambda: tape.best(SYMBOL) is None)
    await until_true(lambda: tape.best(SYMBOL) is not None)
    await bench.filled(await bench.taking())
    await until_true(lambda: len(tape.trades(SYMBOL)) > 0)


async def test_the_tape_and_the_feed_live_on_sockets_of_their_own(bench) -> None:
    await bench.client.feed.start([SYMBOL])
    await bench.client.tape.start([SYMBOL], [Channel.BEST])
    await until_true(lambda: bench.client.tape.best(SYMBOL) is not None)
    await bench.client.tape.aclose()
    assert bench.client.feed.health().public_up
    assert bench.client.feed.book(SYMBOL) is not None


async def test_candles_by_rest_and_by_stream_are_the_same(bench) -> None:
    tape = bench.client.tape
    await tape.start([SYMBOL], [Channel.CANDLES], CandleInterval.MINUTE)
    await bench.filled(await bench.taking())
    await until_true(lambda: tape.candle(SYMBOL) is not None)
    start = tape.candle(SYMBOL).start

    async def read() -> object:
        found = await bench.client.market_data.candles(SYMBOL, CandleInterval.MINUTE, start, start + MINUTE)
        return tape.candle(SYMBOL), found[0] if found else None

    streamed, asked = await until(read, lambda pair: None not in pair and pair[0].volume == pair[1].volume)
    assert (streamed.open, streamed.high, streamed.low, streamed.close) == (
        asked.open, asked.high, asked.low, asked.close
    )  # fmt: skip


async def test_closing_the_client_closes_its_tape(bench) -> None:
    async with bench.second() as client:
        await client.tape.start([SYMBOL], [Channel.BEST])
        await until_true(lambda: client.tape.best(SYMBOL) is not None)
    assert client.tape.best(SYMBOL) is None
    assert not [task for task in asyncio.all_tasks() if "tape" in task.get_name()]
