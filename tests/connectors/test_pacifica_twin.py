"""The Pacifica connector against the Pacifica twin: the whole way over real sockets, signatures checked."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import base58
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.pacifica.client import PacificaClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Outside, PacificaKeys, Timeouts
from connectors.venue import (
    Accepted,
    CancelRefused,
    CancelTaken,
    FillUpdate,
    NotFound,
    OrderUpdate,
    Rejected,
    Unknown,
)
from core.errors import VenueRejected
from core.instrument import Venue
from core.order import OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce

pytestmark = pytest.mark.e2e

ETH = "ETH/USD"
QUANTITY = Decimal("0.1")
BOUND_S = 10.0
SECRETS = iter(range(1, 200))


def new_keys(twins, *, funded: bool = True) -> PacificaKeys:
    """A fresh account of its own for a test, funded in the twin."""
    key = SigningKey(next(SECRETS).to_bytes(32, "big"))
    account = base58.b58encode(bytes(key.verify_key)).decode()
    if funded:
        twins.open_account(venue="pacifica", publicKey=account, balance="10000")
    return PacificaKeys(account=account, secret_key=SecretStr(base58.b58encode(bytes(key)).decode()))


def client_of(twins, keys: PacificaKeys, outside: Outside) -> PacificaClient:
    endpoints = sandbox_endpoints(Venue.PACIFICA, twins.port_base)
    return PacificaClient("acc-1", keys, endpoints, outside, Timeouts(command_s=2.0))


@pytest.fixture
async def client(twins, real_outside) -> AsyncIterator[PacificaClient]:
    twins.control("limits", venue="pacifica", per_minute=100_000)
    connected = client_of(twins, new_keys(twins), real_outside)
    await connected.connect()
    yield connected
    await connected.aclose()


async def intent(client: PacificaClient, outside: Outside, side: Side, **changes: object) -> OrderIntent:
    """A marketable IOC for 0.1 ETH, bounded 1 % through the mid; changes replace fields."""
    book, market = await client.book(ETH), (await client.markets())[ETH]
    factor = Decimal("1.01") if side is Side.BUY else Decimal("0.99")
    price = (book.mid * factor // market.tick) * market.tick
    now = outside.clock()
    fields: dict[str, object] = {
        "client_order_id": str(uuid.uuid4()), "session_id": "s", "pair_id": "p", "account_id": "acc-1",
        "venue": Venue.PACIFICA, "symbol": ETH, "side": side, "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC, "quantity": QUANTITY, "price": price, "reference_price": book.mid,
        "reduce_only": False, "created_at": now, "valid_until": now + timedelta(seconds=10),
    }  # fmt: skip
    return OrderIntent(**(fields | changes))


async def resting(client: PacificaClient, outside: Outside) -> OrderIntent:
    """A post-only buy 5 % below the mid, where nobody meets it."""
    book, market = await client.book(ETH), (await client.markets())[ETH]
    price = (book.mid * Decimal("0.95") // market.tick) * market.tick
    return await intent(client, outside, Side.BUY, time_in_force=TimeInForce.POST_ONLY, price=price)


async def until_order(
    client: PacificaClient, wanted: OrderIntent, claim: Callable[[OrderReport], bool], venue_order_id: str | None = None
) -> OrderReport:
    async with asyncio.timeout(BOUND_S):
        while True:
            found = await client.order(wanted, venue_order_id)
            if isinstance(found, OrderReport) and claim(found):
                return found
            await asyncio.sleep(0.05)


def is_final(report: OrderReport) -> bool:
    return report.status.is_final


async def placed(client: PacificaClient, wanted: OrderIntent) -> str:
    outcome = await client.place(wanted)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.report.venue_order_id is not None
    return outcome.report.venue_order_id


async def test_market_reads(client, real_outside) -> None:
    market = (await client.markets())[ETH]
    assert market.venue_symbol == "ETH"
    assert market.taker_fee > 0
    assert market.initial_margin == 2 * market.maintenance_margin
    book, mark, rate = await client.book(ETH), await client.mark(ETH), await client.funding_rate(ETH)
    assert book.best_bid < book.best_ask
    assert abs(mark.mark / book.mid - 1) < Decimal("0.01")
    assert rate.interval_s == 3600
    assert rate.next_at > rate.venue_time
    assert abs(await client.server_time() - real_outside.clock()) < timedelta(seconds=3)


async def test_a_fresh_account_has_its_money_and_nothing_else(client) -> None:
    margin = await client.margin()
    assert (margin.equity, margin.initial, margin.active) == (Decimal(10000), Decimal(0), True)
    assert await client.positions() == []
    assert await client.open_orders(ETH) == []


async def test_an_unfunded_account_is_refused_at_connect(twins, real_outside) -> None:
    stranger = client_of(twins, new_keys(twins, funded=False), real_outside)
    with pytest.raises(VenueRejected, match="Account not found"):
        await stranger.connect()
    await stranger.aclose()


@pytest.mark.parametrize("type_", [OrderType.LIMIT, OrderType.MARKET])
async def test_an_ioc_fills_and_is_the_same_in_order_fills_and_position(client, real_outside, type_) -> None:
    before = real_outside.clock() - timedelta(seconds=2)
    wanted = await intent(client, real_outside, Side.BUY, type=type_)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, QUANTITY)
    fills = await client.fills(ETH, before)
    assert sum(fill.quantity for fill in fills) == QUANTITY
    assert all(fill.side is Side.BUY and fill.venue_order_id == order_id for fill in fills)
    assert all(fill.client_order_id == wanted.client_order_id and fill.fee > 0 for fill in fills)
    assert all(fill.price <= wanted.price for fill in fills)
    (position,) = await client.positions()
    assert (position.symbol, position.quantity) == (ETH, QUANTITY)
    assert (await client.margin()).initial > 0


async def test_a_filled_order_is_found_by_client_id_alone(client, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.SELL)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final)
    assert (report.venue_order_id, report.filled_quantity) == (order_id, QUANTITY)
    assert report.average_price is not None
    (position,) = await client.positions()
    assert position.quantity == -QUANTITY


async def test_a_post_only_order_rests_until_it_is_cancelled(client, real_outside) -> None:
    wanted = await resting(client, real_outside)
    order_id = await placed(client, wanted)
    (open_order,) = await client.open_orders(ETH)
    assert (open_order.venue_order_id, open_order.client_order_id) == (order_id, wanted.client_order_id)
    assert (await until_order(client, wanted, lambda report: True)).status is OrderStatus.ACCEPTED
    assert isinstance(await client.cancel(wanted, None), CancelTaken)
    report = await until_order(client, wanted, is_final, order_id)
    assert (report.status, report.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert isinstance(await client.cancel(wanted, order_id), CancelRefused)


async def test_cancel_all_clears_the_market(client, real_outside) -> None:
    for _ in range(2):
        await placed(client, await resting(client, real_outside))
    assert len(await client.open_orders(ETH)) == 2
    assert isinstance(await client.cancel_all(ETH), CancelTaken)
    assert await client.open_orders(ETH) == []


async def test_a_post_only_order_that_would_cross_never_fills(client, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY, time_in_force=TimeInForce.POST_ONLY)
    outcome = await client.place(wanted)
    if isinstance(outcome, Accepted):
        report = await until_order(client, wanted, is_final, outcome.report.venue_order_id)
        assert report.status is OrderStatus.REJECTED
    else:
        assert isinstance(outcome, Rejected)
    assert await client.positions() == []


async def test_an_unknown_order_is_not_found_and_cannot_be_cancelled(client, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    assert isinstance(await client.order(wanted, None), NotFound)
    assert isinstance(await client.order(wanted, "999999999"), NotFound)
    assert isinstance(await client.cancel(wanted, None), CancelRefused)


async def test_a_reduce_only_order_without_a_position_is_rejected(client, real_outside) -> None:
    outcome = await client.place(await intent(client, real_outside, Side.SELL, reduce_only=True))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "REDUCE_ONLY"


async def test_an_order_beyond_the_margin_is_rejected(client, real_outside) -> None:
    outcome = await client.place(await intent(client, real_outside, Side.BUY, quantity=Decimal(400)))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "INSUFFICIENT_BALANCE"


async def test_a_wrong_key_is_rejected_as_such(twins, real_outside) -> None:
    ours, agent = new_keys(twins), new_keys(twins, funded=False)
    unbound = PacificaKeys(account=ours.account, secret_key=agent.secret_key, agent_wallet=agent.account)
    client = client_of(twins, unbound, real_outside)
    await client.connect()
    outcome = await client.place(await intent(client, real_outside, Side.BUY))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "AUTH"
    await client.aclose()


@pytest.mark.parametrize("skew_ms", [-3_600_000, 3_600_000])
async def test_a_client_whose_clock_is_an_hour_off_the_venues_can_trade(twins, real_outside, skew_ms: int) -> None:
    client = client_of(twins, new_keys(twins), real_outside)
    twins.control("clock", venue="pacifica", skew_ms=skew_ms)
    try:
        await client.connect()
        wanted = await intent(client, real_outside, Side.BUY)
        order_id = await placed(client, wanted)
        assert (await until_order(client, wanted, is_final, order_id)).filled_quantity == QUANTITY
    finally:
        twins.control("clock", venue="pacifica", skew_ms=0)
        await client.aclose()


async def test_a_second_send_of_a_client_id_is_unknown_never_a_second_order(client, real_outside) -> None:
    wanted = await resting(client, real_outside)
    await placed(client, wanted)
    assert isinstance(await client.place(wanted), Unknown)
    assert len(await client.open_orders(ETH)) == 1


async def test_an_order_whose_answer_was_lost_is_unknown_and_then_found(client, twins, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("pacifica", "lost_answer", action="place", count=1)
    assert isinstance(await client.place(wanted), Unknown)
    report = await until_order(client, wanted, is_final)
    assert report.filled_quantity == QUANTITY


async def test_an_order_that_was_lost_on_the_way_is_unknown_and_then_not_found(client, twins, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("pacifica", "lost_request", action="place", count=1)
    assert isinstance(await client.place(wanted), Unknown)
    assert isinstance(await client.order(wanted, None), NotFound)


async def test_a_venue_out_of_order_leaves_an_order_unknown(client, twins, real_outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("pacifica", "http_5xx", action="place", count=1)
    assert isinstance(await client.place(wanted), Unknown)


async def test_the_feed_shows_the_market_and_reports_orders_and_fills(client, real_outside) -> None:
    await client.feed.start([ETH])
    book, mark = client.feed.book(ETH), client.feed.mark(ETH)
    assert book.best_bid < book.best_ask
    assert mark.mark > 0
    assert client.feed.health().public_up
    assert client.feed.health().private_up
    wanted = await intent(client, real_outside, Side.BUY)
    order_id = await placed(client, wanted)
    orders: list[OrderReport] = []
    filled = Decimal(0)
    async with asyncio.timeout(BOUND_S):
        while filled < QUANTITY or not any(is_final(report) for report in orders):
            await client.feed.wait(1.0)
            for event in client.feed.drain():
                match event:
                    case OrderUpdate(report):
                        orders.append(report)
                    case FillUpdate(fill):
                        assert (fill.side, fill.venue_order_id) == (Side.BUY, order_id)
                        filled += fill.quantity
    assert filled == QUANTITY
    assert orders[-1].client_order_id == wanted.client_order_id
    assert orders[-1].filled_quantity == QUANTITY


async def test_the_feed_survives_a_disconnect(client, twins, real_outside) -> None:
    await client.feed.start([ETH])
    twins.arm("pacifica", "ws_disconnect", action="any", count=2)
    async with asyncio.timeout(BOUND_S):
        while client.feed.health().reconnects == 0 or not client.feed.health().public_up:
            await asyncio.sleep(0.05)
        while client.feed.book(ETH) is None:
            await asyncio.sleep(0.05)


async def test_books_of_the_feed_and_by_rest_agree(client) -> None:
    await client.feed.start([ETH])
    streamed, read = client.feed.book(ETH), await client.book(ETH)
    assert abs(streamed.mid / read.mid - 1) < Decimal("0.005")
    assert isinstance(streamed.venue_time, datetime)
