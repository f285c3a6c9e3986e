"""Paradex's tape, late orders and forced trades against the twin over real sockets."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.paradex import stark
from connectors.paradex.client import ParadexClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Outside, ParadexKeys, Timeouts
from connectors.surface import Channel
from connectors.venue import Accepted, NotFound, Rejected
from core.errors import NotOffered, VenueRejected
from core.instrument import Venue
from core.market_data import VenueState
from core.order import OrderIntent, OrderType, Side, TimeInForce

pytestmark = pytest.mark.e2e

ETH = "ETH/USD"
BOUND_S = 10.0
SECRETS = iter(range(9001, 9999))
CHANNELS = (Channel.TRADES, Channel.BEST, Channel.MARK, Channel.STATISTICS, Channel.FUNDING)


def new_client(twins: Any, outside: Outside, binary_version: int | None = None) -> ParadexClient:
    """A client of a fresh funded account."""
    secret = next(SECRETS)
    account = hex(0x5AFE000 + secret)
    twins.control("limits", venue="paradex", per_minute=100_000)
    twins.open_account(venue="paradex", account=account, publicKey=hex(stark.public_key(secret)), balance="10000")
    keys = ParadexKeys(account=account, private_key=SecretStr(hex(secret)))
    endpoints = replace(sandbox_endpoints(Venue.PARADEX, twins.port_base), binary_version=binary_version)
    return ParadexClient("par-1", keys, endpoints, outside, Timeouts(command_s=3.0))


@pytest.fixture
async def client(twins: Any, real_outside: Outside) -> AsyncIterator[ParadexClient]:
    opened = new_client(twins, real_outside)
    await opened.connect()
    yield opened
    await opened.aclose()


async def buying(client: ParadexClient, outside: Outside, **changes: Any) -> OrderIntent:
    """An IOC buy of 0.1 ETH half a percent through the mid."""
    book, market = await client.book(ETH), (await client.markets())[ETH]
    assert book.mid is not None
    now = outside.clock()
    fields: dict[str, Any] = {
        "client_order_id": str(uuid.uuid4()), "session_id": "s", "pair_id": "p", "account_id": "par-1",
        "venue": Venue.PARADEX, "symbol": ETH, "side": Side.BUY, "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC, "quantity": Decimal("0.1"),
        "price": (book.mid * Decimal("1.005") // market.tick) * market.tick, "reference_price": book.mid,
        "reduce_only": False, "created_at": now, "valid_until": now + timedelta(seconds=10),
    }  # fmt: skip
    return OrderIntent(**(fields | changes))


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("binary_version", [None, 0, 2, 3])
async def test_the_tape_says_the_same_in_json_and_in_every_binary_version(
    twins: Any, real_outside: Outside, binary_version: int | None
) -> None:
    client = new_client(twins, real_outside, binary_version)
    await client.connect()
    tape = client.tape
    try:
        await tape.start([ETH], CHANNELS)
        assert isinstance(await client.place(await buying(client, real_outside)), Accepted)
        await until(lambda: tape.trades(ETH) and tape.best(ETH) and tape.mark(ETH) and tape.statistics(ETH))
        await until(lambda: tape.funding_rate(ETH))

        best, mark, day, rate = tape.best(ETH), tape.mark(ETH), tape.statistics(ETH), tape.funding_rate(ETH)
        listed = await client.market_data.trades(ETH)
        read = await client.market_data.statistics(ETH)
        assert best is not None
        assert mark is not None
        assert day is not None
        assert rate is not None
        assert best.bid < best.ask
        assert abs(mark.mark / best.ask - 1) < Decimal("0.01")
        assert abs(day.volume_quote / read.volume_quote - 1) < Decimal("0.01")
        assert rate.interval_s == 8 * 3600
        known = {(trade.price, trade.quantity, trade.aggressor, trade.venue_time) for trade in listed}
        told = {(trade.price, trade.quantity, trade.aggressor, trade.venue_time) for trade in tape.trades(ETH)}
        assert told <= known
        assert {trade.trade_id for trade in tape.trades(ETH)} <= {trade.trade_id for trade in listed}
        assert all(tape.last_heard(channel) is not None for channel in CHANNELS)
    finally:
        await client.aclose()
    assert tape.best(ETH) is None
    assert tape.trades(ETH) == ()


async def test_a_cut_tape_forgets_and_comes_back(client: ParadexClient, twins: Any) -> None:
    tape = client.tape
    await tape.start([ETH], [Channel.BEST])
    await until(lambda: tape.best(ETH))
    heard = tape.last_heard(Channel.BEST)
    twins.arm("paradex", "ws_disconnect", action="any", count=1)

    await until(lambda: tape.best(ETH) is None)
    await until(lambda: tape.best(ETH))

    later = tape.last_heard(Channel.BEST)
    assert heard is not None
    assert later is not None
    assert later > heard


async def test_a_tape_of_candles_or_of_an_unknown_market_is_refused_before_connecting(client: ParadexClient) -> None:
    with pytest.raises(NotOffered):
        await client.tape.start([ETH], [Channel.TRADES, Channel.CANDLES])
    with pytest.raises(VenueRejected):
        await client.tape.start(["DOGE/USD"], [Channel.TRADES])
    await client.tape.aclose()


@pytest.mark.parametrize("skew_ms", [0, 30_000, -30_000])
async def test_a_late_order_is_refused_by_the_venues_clock_wherever_that_stands(
    client: ParadexClient, twins: Any, real_outside: Outside, skew_ms: int
) -> None:
    twins.control("clock", venue="paradex", skew_ms=skew_ms)
    try:
        await client.measure_clock()
        late = await buying(client, real_outside, valid_until=real_outside.clock() + timedelta(milliseconds=600))
        twins.arm("paradex", "delay", action="place", count=1, delay_ms=1000)

        outcome = await client.place(late)

        assert isinstance(outcome, Rejected)
        assert outcome.code == "INVALID_TIMESTAMP"
        assert isinstance(await client.order(late, None), NotFound)
        assert isinstance(await client.place(await buying(client, real_outside)), Accepted)
    finally:
        twins.control("clock", venue="paradex", skew_ms=0)


async def test_a_late_batch_is_refused_order_by_order(client: ParadexClient, twins: Any, real_outside: Outside) -> None:
    soon = real_outside.clock() + timedelta(milliseconds=600)
    orders = [
        await buying(client, real_outside, valid_until=soon),
        await buying(client, real_outside, valid_until=soon + timedelta(seconds=20)),
    ]
    twins.arm("paradex", "delay", action="place", count=1, delay_ms=1000)

    late, in_time = await client.desk.place_batch(orders)

    assert isinstance(late, Rejected)
    assert late.code == "INVALID_TIMESTAMP"
    assert isinstance(in_time, Accepted)


async def test_a_state_that_takes_no_orders_is_told_and_rejects(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    twins.control("status", venue="paradex", mode="cancel_only")
    try:
        status = await client.market_data.system_status()
        outcome = await client.place(await buying(client, real_outside))
    finally:
        twins.control("status", venue="paradex", mode="open")

    assert (status.state, status.takes_new_risk) == (VenueState.CANCEL_ONLY, False)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "SYSTEM_STATUS_CANCEL_ONLY"
