"""The Paradex connector against the Paradex twin: the whole way over real sockets, signatures checked."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.paradex import stark
from connectors.paradex.auth import PlainCurve
from connectors.paradex.client import ParadexClient
from connectors.registry import sandbox_endpoints
from connectors.settings import Outside, ParadexKeys, Timeouts
from connectors.venue import (
    Accepted,
    CancelRefused,
    CancelTaken,
    FillUpdate,
    NotFound,
    OrderUpdate,
    Rejected,
    Unknown,
    VenueClient,
)
from core.errors import AuthenticationFailed
from core.instrument import Venue
from core.order import Fill, Liquidity, OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce

pytestmark = pytest.mark.e2e

ETH = "ETH/USD"
QUANTITY = Decimal("0.1")
BOUND_S = 10.0
SECRETS = iter(range(1001, 2000))


def new_keys(twins: Any, *, funded: bool = True) -> ParadexKeys:
    """A fresh account of its own for a test, funded in the twin."""
    secret = next(SECRETS)
    account = hex(0x5AFE000 + secret)
    if funded:
        twins.open_account(venue="paradex", account=account, publicKey=hex(stark.public_key(secret)), balance="10000")
    return ParadexKeys(account=account, private_key=SecretStr(hex(secret)))


def client_of(twins: Any, keys: ParadexKeys, outside: Outside, **options: Any) -> ParadexClient:
    endpoints = sandbox_endpoints(Venue.PARADEX, twins.port_base)
    return ParadexClient("par-1", keys, endpoints, outside, Timeouts(command_s=2.0), **options)


@pytest.fixture
async def client(twins: Any, real_outside: Outside) -> AsyncIterator[ParadexClient]:
    twins.control("limits", venue="paradex", per_minute=100_000)
    connected = client_of(twins, new_keys(twins), real_outside)
    await connected.connect()
    yield connected
    await connected.aclose()


async def intent(client: VenueClient, outside: Outside, side: Side, **changes: Any) -> OrderIntent:
    """A marketable order for 0.1 ETH, bounded 1 % through the mid; changes replace fields."""
    book, market = await client.book(ETH), (await client.markets())[ETH]
    assert book.mid is not None
    factor = Decimal("1.01") if side is Side.BUY else Decimal("0.99")
    now = outside.clock()
    fields: dict[str, Any] = {
        "client_order_id": str(uuid.uuid4()), "session_id": "s", "pair_id": "p", "account_id": "par-1",
        "venue": Venue.PARADEX, "symbol": ETH, "side": side, "type": OrderType.MARKET,
        "time_in_force": TimeInForce.IOC, "quantity": QUANTITY,
        "price": (book.mid * factor // market.tick) * market.tick, "reference_price": book.mid,
        "reduce_only": False, "created_at": now, "valid_until": now + timedelta(seconds=10),
    }  # fmt: skip
    return OrderIntent(**(fields | changes))


async def resting(client: VenueClient, outside: Outside) -> OrderIntent:
    """A post-only buy 2 % below the mid, where nobody meets it."""
    book, market = await client.book(ETH), (await client.markets())[ETH]
    assert book.mid is not None
    price = (book.mid * Decimal("0.98") // market.tick) * market.tick
    wanted = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.POST_ONLY, "price": price}
    return await intent(client, outside, Side.BUY, **wanted)


async def until_order(
    client: VenueClient, wanted: OrderIntent, claim: Callable[[OrderReport], bool], venue_order_id: str | None = None
) -> OrderReport:
    async with asyncio.timeout(BOUND_S):
        while True:
            found = await client.order(wanted, venue_order_id)
            if isinstance(found, OrderReport) and claim(found):
                return found
            await asyncio.sleep(0.05)


def is_final(report: OrderReport) -> bool:
    return report.status.is_final


def is_open(report: OrderReport) -> bool:
    return report.status is OrderStatus.ACCEPTED


async def placed(client: VenueClient, wanted: OrderIntent) -> str:
    outcome = await client.place(wanted)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.report.venue_order_id is not None
    return outcome.report.venue_order_id


async def test_market_reads(client: ParadexClient, real_outside: Outside) -> None:
    market = (await client.markets())[ETH]
    book, mark, rate = await client.book(ETH), await client.mark(ETH), await client.funding_rate(ETH)

    assert market.venue_symbol == "ETH-USD-PERP"
    assert market.taker_fee > 0
    assert market.continuous_funding
    assert book.best_bid is not None
    assert book.best_ask is not None
    assert book.mid is not None
    assert book.best_bid < book.best_ask
    assert abs(mark.mark / book.mid - 1) < Decimal("0.01")
    assert rate.interval_s == market.funding_interval_s
    assert abs(await client.server_time() - real_outside.clock()) < timedelta(seconds=3)


async def test_a_fresh_account_has_its_money_and_nothing_else(client: ParadexClient) -> None:
    margin = await client.margin()

    assert (margin.equity, margin.initial, margin.active) == (Decimal(10000), Decimal(0), True)
    assert list(await client.positions()) == []
    assert list(await client.open_orders(ETH)) == []
    assert list(await client.funding_payments(ETH, margin.received_time - timedelta(hours=1))) == []


async def test_a_key_that_does_not_belong_to_the_account_gets_no_token(twins: Any, real_outside: Outside) -> None:
    ours, stranger = new_keys(twins), new_keys(twins, funded=False)
    client = client_of(twins, ParadexKeys(account=ours.account, private_key=stranger.private_key), real_outside)

    with pytest.raises(AuthenticationFailed):
        await client.connect()
    await client.aclose()


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.MARKET])
async def test_an_ioc_fills_and_is_the_same_in_order_fills_and_position(
    client: ParadexClient, real_outside: Outside, order_type: OrderType
) -> None:
    before = real_outside.clock() - timedelta(seconds=2)
    wanted = await intent(client, real_outside, Side.BUY, type=order_type)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)
    fills = await client.fills(ETH, before)
    (position,) = await client.positions()

    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, QUANTITY)
    assert sum(fill.quantity for fill in fills) == QUANTITY
    assert all(fill.side is Side.BUY and fill.venue_order_id == order_id for fill in fills)
    assert all(fill.client_order_id == wanted.client_order_id and fill.fee > 0 for fill in fills)
    assert all(fill.price <= wanted.price for fill in fills)
    assert (position.symbol, position.quantity) == (ETH, QUANTITY)
    assert (await client.margin()).initial > 0


async def test_plain_python_signatures_are_taken_as_well(twins: Any, real_outside: Outside) -> None:
    client = client_of(twins, new_keys(twins), real_outside, curve=PlainCurve())
    await client.connect()
    wanted = await intent(client, real_outside, Side.SELL)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)
    (position,) = await client.positions()
    await client.aclose()

    assert report.filled_quantity == QUANTITY
    assert position.quantity == -QUANTITY


async def test_a_filled_order_is_found_by_client_id_alone(client: ParadexClient, real_outside: Outside) -> None:
    wanted = await intent(client, real_outside, Side.SELL)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final)

    assert (report.venue_order_id, report.filled_quantity) == (order_id, QUANTITY)
    assert report.average_price is not None


async def test_an_ioc_that_meets_nobody_expires_with_nothing_filled(
    client: ParadexClient, real_outside: Outside
) -> None:
    far = await resting(client, real_outside)
    wanted = await intent(client, real_outside, Side.BUY, price=far.price)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)

    assert (report.status, report.filled_quantity) == (OrderStatus.EXPIRED, 0)


async def test_a_post_only_order_rests_until_it_is_cancelled(client: ParadexClient, real_outside: Outside) -> None:
    wanted = await resting(client, real_outside)
    order_id = await placed(client, wanted)
    await until_order(client, wanted, is_open)
    (open_order,) = await client.open_orders(ETH)
    assert (open_order.venue_order_id, open_order.client_order_id) == (order_id, wanted.client_order_id)

    assert isinstance(await client.cancel(wanted, None), CancelTaken)
    report = await until_order(client, wanted, is_final, order_id)
    assert (report.status, report.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert isinstance(await client.cancel(wanted, order_id), CancelRefused)


async def test_cancel_all_clears_the_market(client: ParadexClient, real_outside: Outside) -> None:
    wanted = [await resting(client, real_outside) for _ in range(2)]
    for one in wanted:
        await placed(client, one)
    assert len(await client.open_orders(ETH)) == 2

    assert isinstance(await client.cancel_all(ETH), CancelTaken)
    for one in wanted:
        await until_order(client, one, is_final)
    assert list(await client.open_orders(ETH)) == []


async def test_a_post_only_order_that_would_cross_is_queued_then_rejected_and_never_fills(
    client: ParadexClient, real_outside: Outside
) -> None:
    crossing = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.POST_ONLY}
    wanted = await intent(client, real_outside, Side.BUY, **crossing)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)

    assert (report.status, report.reason) == (OrderStatus.REJECTED, "POST_ONLY_WOULD_CROSS")
    assert list(await client.positions()) == []


async def test_an_order_beyond_the_margin_is_queued_then_rejected(client: ParadexClient, real_outside: Outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY, quantity=Decimal(400))
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)

    assert (report.status, report.reason) == (OrderStatus.REJECTED, "NOT_ENOUGH_MARGIN")


async def test_a_reduce_only_order_without_a_position_ends_without_a_fill(
    client: ParadexClient, real_outside: Outside
) -> None:
    wanted = await intent(client, real_outside, Side.SELL, reduce_only=True)
    order_id = await placed(client, wanted)
    report = await until_order(client, wanted, is_final, order_id)

    assert report.filled_quantity == 0
    assert list(await client.positions()) == []


async def test_an_unknown_order_is_not_found_and_cannot_be_cancelled(
    client: ParadexClient, real_outside: Outside
) -> None:
    wanted = await intent(client, real_outside, Side.BUY)

    assert isinstance(await client.order(wanted, None), NotFound)
    assert isinstance(await client.order(wanted, "999999999"), NotFound)
    assert isinstance(await client.cancel(wanted, None), CancelRefused)
    assert isinstance(await client.cancel(wanted, "999999999"), CancelRefused)


@pytest.mark.parametrize("skew_ms", [-3_600_000, 3_600_000])
async def test_a_client_whose_clock_is_an_hour_off_the_venues_can_trade(
    twins: Any, real_outside: Outside, skew_ms: int
) -> None:
    client = client_of(twins, new_keys(twins), real_outside)
    twins.control("clock", venue="paradex", skew_ms=skew_ms)
    try:
        await client.connect()
        wanted = await intent(client, real_outside, Side.BUY)
        order_id = await placed(client, wanted)
        assert (await until_order(client, wanted, is_final, order_id)).filled_quantity == QUANTITY
    finally:
        twins.control("clock", venue="paradex", skew_ms=0)
        await client.aclose()


async def test_a_token_that_ran_out_rejects_one_order_and_serves_the_next_and_reads(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    first, second = [await intent(client, real_outside, Side.BUY) for _ in range(2)]
    try:
        twins.control("clock", venue="paradex", skew_ms=301_000)
        refused = await client.place(first)
        order_id = await placed(client, second)
        report = await until_order(client, second, is_final, order_id)
        twins.control("clock", venue="paradex", skew_ms=602_000)
        positions = await client.positions()
    finally:
        twins.control("clock", venue="paradex", skew_ms=0)

    assert isinstance(refused, Rejected)
    assert refused.code == "AUTH"
    assert report.filled_quantity == QUANTITY
    assert len(positions) == 1


async def test_a_second_send_of_a_client_id_is_unknown_never_a_second_order(
    client: ParadexClient, real_outside: Outside
) -> None:
    wanted = await resting(client, real_outside)
    await placed(client, wanted)

    assert isinstance(await client.place(wanted), Unknown)
    assert len(await client.open_orders(ETH)) == 1


async def test_an_order_whose_answer_was_lost_is_unknown_and_then_found(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("paradex", "lost_answer", action="place", count=1)

    assert isinstance(await client.place(wanted), Unknown)
    assert (await until_order(client, wanted, is_final)).filled_quantity == QUANTITY


async def test_an_order_that_was_lost_on_the_way_is_unknown_and_then_not_found(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("paradex", "lost_request", action="place", count=1)

    assert isinstance(await client.place(wanted), Unknown)
    assert isinstance(await client.order(wanted, None), NotFound)


async def test_a_venue_out_of_order_leaves_an_order_unknown(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("paradex", "http_5xx", action="place", count=1)

    assert isinstance(await client.place(wanted), Unknown)


async def test_too_many_requests_is_a_rejection(client: ParadexClient, twins: Any, real_outside: Outside) -> None:
    wanted = await intent(client, real_outside, Side.BUY)
    twins.arm("paradex", "http_429", action="place", count=1)
    outcome = await client.place(wanted)

    assert isinstance(outcome, Rejected)
    assert outcome.code == "RATE_LIMITED"


async def test_the_feed_shows_the_market_and_reports_orders_and_fills(
    client: ParadexClient, real_outside: Outside
) -> None:
    await client.feed.start([ETH])
    book, mark = client.feed.book(ETH), client.feed.mark(ETH)
    assert book is not None
    assert book.best_bid is not None
    assert book.best_ask is not None
    assert book.best_bid < book.best_ask
    assert mark is not None
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


async def test_a_resting_order_that_is_hit_is_a_makers_fill_on_its_own_side(
    client: ParadexClient, twins: Any, real_outside: Outside
) -> None:
    before = real_outside.clock() - timedelta(seconds=2)
    book, market = await client.book(ETH), (await client.markets())[ETH]
    assert book.best_bid is not None
    at_best = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.POST_ONLY, "price": book.best_bid - market.tick}
    wanted = await intent(client, real_outside, Side.BUY, **at_best)
    await client.feed.start([ETH])
    order_id = await placed(client, wanted)
    await until_order(client, wanted, is_open, order_id)
    twins.control("price", instrument=ETH, price=str((book.best_bid * Decimal("0.99")).quantize(market.tick)))
    report = await until_order(client, wanted, is_final, order_id)
    fills = await client.fills(ETH, before)
    streamed: list[Fill] = []
    async with asyncio.timeout(BOUND_S):
        while len(streamed) < len(fills):
            await client.feed.wait(1.0)
            streamed += [event.fill for event in client.feed.drain() if isinstance(event, FillUpdate)]

    assert (report.status, report.average_price) == (OrderStatus.FILLED, wanted.price)
    assert sum(fill.quantity for fill in fills) == QUANTITY
    assert {(fill.side, fill.liquidity) for fill in (*fills, *streamed)} == {(Side.BUY, Liquidity.MAKER)}
    assert [fill.trade_id for fill in streamed] == [fill.trade_id for fill in fills]


async def test_the_feeds_book_moves_by_changes_without_a_gap(client: ParadexClient) -> None:
    await client.feed.start([ETH])
    first = client.feed.book(ETH)
    assert first is not None
    assert first.sequence is not None
    async with asyncio.timeout(BOUND_S):
        while (book := client.feed.book(ETH)) is None or (book.sequence or 0) < first.sequence + 3:
            await asyncio.sleep(0.02)

    assert client.feed.health().gaps == 0


async def test_a_missed_book_frame_is_noticed_and_healed_on_the_same_connection(
    client: ParadexClient, twins: Any
) -> None:
    await client.feed.start([ETH])
    twins.arm("paradex", "ws_gap", action="any", count=1)
    async with asyncio.timeout(BOUND_S):
        while client.feed.health().gaps == 0:
            await asyncio.sleep(0.02)
        while client.feed.book(ETH) is None:
            await asyncio.sleep(0.02)

    assert client.feed.health().reconnects == 0


async def test_frames_that_a_half_open_connection_swallowed_are_a_gap_and_are_healed(
    client: ParadexClient, twins: Any
) -> None:
    await client.feed.start([ETH])
    twins.arm("paradex", "half_open", action="any", duration_s=1.0)
    async with asyncio.timeout(BOUND_S):
        while client.feed.health().gaps == 0:
            await asyncio.sleep(0.02)
        while client.feed.book(ETH) is None:
            await asyncio.sleep(0.02)

    assert client.feed.health().reconnects == 0


async def test_the_feed_survives_a_disconnect(client: ParadexClient, twins: Any) -> None:
    await client.feed.start([ETH])
    twins.arm("paradex", "ws_disconnect", action="any", count=2)
    async with asyncio.timeout(BOUND_S):
        while client.feed.health().reconnects == 0 or not client.feed.health().public_up:
            await asyncio.sleep(0.05)
        while client.feed.book(ETH) is None:
            await asyncio.sleep(0.05)


async def test_books_of_the_feed_and_by_rest_agree(client: ParadexClient) -> None:
    await client.feed.start([ETH])
    streamed, read = client.feed.book(ETH), await client.book(ETH)

    assert streamed is not None
    assert streamed.mid is not None
    assert read.mid is not None
    assert abs(streamed.mid / read.mid - 1) < Decimal("0.005")
