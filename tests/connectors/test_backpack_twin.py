"""The Backpack connector against its twin: the same wire protocol, real sockets, checked signatures."""

from __future__ import annotations

import asyncio
import base64
import random
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr

from connectors.backpack.client import BackpackClient
from connectors.registry import sandbox_endpoints
from connectors.settings import BackpackKeys, Outside, Timeouts
from connectors.venue import (
    Accepted,
    CancelRefused,
    CancelTaken,
    Disconnected,
    FillUpdate,
    NotFound,
    OrderUpdate,
    Reconnected,
    Rejected,
    Unknown,
)
from core.errors import AuthenticationFailed, PrecisionRefused
from core.instrument import Venue
from core.numbers import ceil_to, floor_to
from core.order import Liquidity, OrderIntent, OrderReport, OrderStatus, OrderType, Side, TimeInForce

SYMBOL = "ETH/USD"
BALANCE = "100000"
BOUND_S = 10.0


def fresh_keys() -> BackpackKeys:
    key = SigningKey.generate()
    return BackpackKeys(
        api_key=base64.b64encode(bytes(key.verify_key)).decode(),
        api_secret=SecretStr(base64.b64encode(bytes(key)).decode()),
    )


def unconnected(twins, keys: BackpackKeys) -> BackpackClient:
    outside = Outside(lambda: datetime.now(UTC), asyncio.sleep, random.Random(1))
    return BackpackClient("acc-1", keys, sandbox_endpoints(Venue.BACKPACK, twins.port_base), outside, Timeouts())


@pytest.fixture
def keys() -> BackpackKeys:
    """The keys of the test's own account."""
    return fresh_keys()


@pytest.fixture
async def client(twins, keys) -> AsyncIterator[BackpackClient]:
    """A connected client of a fresh, well funded account."""
    opened = await connected(twins, keys, BALANCE)
    yield opened
    await opened.aclose()


async def connected(twins, keys: BackpackKeys, balance: str) -> BackpackClient:
    twins.open_account(venue="backpack", publicKey=keys.api_key, balance=balance)
    opened = unconnected(twins, keys)
    await opened.connect()
    return opened


async def want(client: BackpackClient, side: Side, **changes) -> OrderIntent:
    """An IOC order of 0.05 ETH that crosses the book by half a percent, or rests far away when post-only."""
    market = (await client.markets())[SYMBOL]
    book = await client.book(SYMBOL)
    rests = changes.get("time_in_force") is TimeInForce.POST_ONLY
    distance = Decimal("0.03") if rests else Decimal("-0.005")
    if side is Side.BUY:
        reference, price = book.best_ask, floor_to(book.best_ask * (1 - distance), market.tick)
    else:
        reference, price = book.best_bid, ceil_to(book.best_bid * (1 + distance), market.tick)
    now = datetime.now(UTC)
    plain = OrderIntent(
        client_order_id=str(uuid.uuid4()),
        session_id="s-1",
        pair_id="p-1",
        account_id="acc-1",
        venue=Venue.BACKPACK,
        symbol=SYMBOL,
        side=side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.05"),
        price=price,
        reference_price=reference,
        reduce_only=False,
        created_at=now,
        valid_until=now + timedelta(seconds=5),
    )
    return replace(plain, **changes)


async def until(ask: Callable[[], object], claim: Callable[[object], bool]) -> object:
    """Ask again until the claim holds; history may lag behind the engine."""
    async with asyncio.timeout(BOUND_S):
        while True:
            answer = await ask()
            if claim(answer):
                return answer
            await asyncio.sleep(0.05)


def is_final(answer: object) -> bool:
    return isinstance(answer, OrderReport) and answer.status.is_final


async def filled(client: BackpackClient, intent: OrderIntent) -> OrderReport:
    outcome = await client.place(intent)
    assert isinstance(outcome, Accepted), outcome
    report = await until(lambda: client.order(intent, outcome.report.venue_order_id), is_final)
    assert isinstance(report, OrderReport)
    assert report.filled_quantity > 0
    return report


async def test_public_facts(client) -> None:
    market = (await client.markets())[SYMBOL]
    assert (market.venue_symbol, market.quote, market.funding_interval_s) == ("ETH_USDC_PERP", "USD", 3600)
    assert market.taker_fee > 0
    assert 0 < market.maintenance_margin < market.initial_margin < 1
    book, mark, rate = await client.book(SYMBOL), await client.mark(SYMBOL), await client.funding_rate(SYMBOL)
    assert book.best_bid < book.best_ask
    assert list(book.bids) == sorted(book.bids, key=lambda level: -level.price)
    assert abs(mark.mark / book.mid - 1) < Decimal("0.05")
    assert rate.next_at is not None
    assert abs(await client.server_time() - datetime.now(UTC)) < timedelta(minutes=5)


async def test_a_new_account_is_flat_and_funded(client) -> None:
    margin = await client.margin()
    assert (margin.equity, margin.available, margin.active) == (Decimal(BALANCE), Decimal(BALANCE), True)
    assert (margin.initial, margin.maintenance) == (0, 0)
    assert await client.positions() == ()
    assert await client.open_orders(SYMBOL) == ()
    assert await client.fills(SYMBOL, datetime.now(UTC) - timedelta(hours=1)) == ()
    assert await client.funding_payments(SYMBOL, datetime.now(UTC) - timedelta(hours=1)) == ()


async def test_keys_the_venue_does_not_know_fail_at_connecting(twins) -> None:
    stranger = unconnected(twins, fresh_keys())
    with pytest.raises(AuthenticationFailed):
        await stranger.connect()
    await stranger.aclose()


async def test_a_round_trip_fills_and_ends_flat(client) -> None:
    started = datetime.now(UTC) - timedelta(seconds=1)
    opening = await want(client, Side.BUY)
    report = await filled(client, opening)
    (position,) = await client.positions()
    assert (position.symbol, position.quantity) == (SYMBOL, report.filled_quantity)
    margin = await client.margin()
    assert margin.initial > 0
    assert 0 < margin.maintenance < margin.initial

    closing = await want(client, Side.SELL, quantity=report.filled_quantity, reduce_only=True)
    closed = await filled(client, closing)
    assert closed.filled_quantity == report.filled_quantity
    assert await client.positions() == ()

    fills = await until(lambda: client.fills(SYMBOL, started), lambda found: len(found) >= 2)
    bought = [fill for fill in fills if fill.client_order_id == opening.client_order_id]
    sold = [fill for fill in fills if fill.client_order_id == closing.client_order_id]
    assert len(bought) + len(sold) == len(fills)
    assert sum(fill.quantity for fill in bought) == sum(fill.quantity for fill in sold) == report.filled_quantity
    assert all(fill.side is Side.BUY and fill.price <= opening.price for fill in bought)
    assert all(fill.fee > 0 and fill.liquidity is Liquidity.TAKER for fill in fills)
    assert [fill.venue_time for fill in fills] == sorted(fill.venue_time for fill in fills)
    assert len({fill.trade_id for fill in fills}) == len(fills)
    margin = await client.margin()
    assert margin.equity < Decimal(BALANCE)
    assert await client.fills(SYMBOL, fills[-1].venue_time + timedelta(seconds=1)) == ()


async def test_a_post_only_order_rests_until_it_is_cancelled(client) -> None:
    resting = await want(client, Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.POST_ONLY)
    outcome = await client.place(resting)
    assert isinstance(outcome, Accepted)
    assert outcome.report.status is OrderStatus.ACCEPTED
    (open_order,) = await client.open_orders(SYMBOL)
    assert open_order.client_order_id == resting.client_order_id
    by_client_id = await client.order(resting, None)
    assert isinstance(by_client_id, OrderReport)
    assert by_client_id.venue_order_id == outcome.report.venue_order_id

    assert await client.cancel(resting, None) == CancelTaken()
    ended = await until(lambda: client.order(resting, None), is_final)
    assert (ended.status, ended.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert isinstance(await client.cancel(resting, outcome.report.venue_order_id), CancelRefused)


async def test_cancel_all_leaves_nothing_resting(client) -> None:
    for side in Side:
        resting = await want(client, side, type=OrderType.LIMIT, time_in_force=TimeInForce.POST_ONLY)
        assert isinstance(await client.place(resting), Accepted)
    assert len(await client.open_orders(SYMBOL)) == 2
    assert await client.cancel_all(SYMBOL) == CancelTaken()
    await until(lambda: client.open_orders(SYMBOL), lambda found: found == ())


async def test_a_post_only_order_that_would_cross_is_refused(client) -> None:
    crossing = replace(await want(client, Side.BUY), type=OrderType.LIMIT, time_in_force=TimeInForce.POST_ONLY)
    outcome = await client.place(crossing)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "INVALID_ORDER"
    assert isinstance(await client.order(crossing, None), NotFound)


async def test_an_order_the_venue_never_saw_is_not_found(client) -> None:
    assert isinstance(await client.order(await want(client, Side.SELL), None), NotFound)


async def test_an_order_beyond_the_margin_is_refused(twins) -> None:
    poor = await connected(twins, fresh_keys(), "50")
    outcome = await poor.place(await want(poor, Side.BUY, quantity=Decimal(1)))
    await poor.aclose()
    assert isinstance(outcome, Rejected)
    assert outcome.code == "INSUFFICIENT_MARGIN"


async def test_a_quantity_off_the_grid_never_reaches_the_venue(client) -> None:
    with pytest.raises(PrecisionRefused):
        await client.place(await want(client, Side.BUY, quantity=Decimal("0.05000001")))


async def test_an_ioc_order_never_pays_more_than_its_bound(client) -> None:
    """A bound below the best ask takes nothing: the order ends at once, unfilled."""
    market, book = (await client.markets())[SYMBOL], await client.book(SYMBOL)
    bound = floor_to(book.best_bid * Decimal("0.99"), market.tick)
    outcome = await client.place(await want(client, Side.BUY, price=bound))
    assert isinstance(outcome, Accepted)
    assert (outcome.report.status, outcome.report.filled_quantity) == (OrderStatus.EXPIRED, 0)


async def test_a_deleveraging_is_seen_as_a_fill_that_is_not_ours(client, keys, twins) -> None:
    """The venue takes a leg away: the position shrinks, and the execution carries no client order id of ours."""
    opening = await want(client, Side.BUY)
    report = await filled(client, opening)
    await client.feed.start([SYMBOL])
    fault(twins, kind="adl", account=keys.api_key, instrument=SYMBOL)
    assert await client.positions() == ()
    fills = await until(
        lambda: client.fills(SYMBOL, opening.created_at - timedelta(seconds=1)),
        lambda found: any(fill.side is Side.SELL for fill in found),
    )
    taken = [fill for fill in fills if fill.side is Side.SELL]
    assert sum(fill.quantity for fill in taken) == report.filled_quantity
    assert all(fill.client_order_id is None for fill in taken)


async def test_the_feed_shows_books_marks_orders_and_fills(client) -> None:
    await client.feed.start([SYMBOL])
    assert client.feed.book(SYMBOL).best_bid < client.feed.book(SYMBOL).best_ask
    assert client.feed.mark(SYMBOL).mark > 0
    health = client.feed.health()
    assert health.public_up
    assert health.private_up
    before = client.feed.book(SYMBOL).sequence

    opening = await want(client, Side.BUY)
    outcome = await client.place(opening)
    assert isinstance(outcome, Accepted)
    seen: list[object] = []
    async with asyncio.timeout(BOUND_S):
        while not any(isinstance(e, OrderUpdate) and e.report.status.is_final for e in seen):
            await client.feed.wait(1.0)
            seen += client.feed.drain()
    streamed = [event.fill for event in seen if isinstance(event, FillUpdate)]
    assert {fill.client_order_id for fill in streamed} == {opening.client_order_id}
    listed = await until(
        lambda: client.fills(SYMBOL, opening.created_at - timedelta(seconds=1)),
        lambda found: len(found) == len(streamed),
    )
    assert {fill.trade_id for fill in listed} == {fill.trade_id for fill in streamed}
    assert sum(fill.quantity for fill in listed) == sum(fill.quantity for fill in streamed)
    assert sum(fill.fee for fill in listed) == sum(fill.fee for fill in streamed)
    await until_true(lambda: client.feed.book(SYMBOL) is not None and client.feed.book(SYMBOL).sequence > before)


async def test_the_streamed_book_equals_the_one_by_rest(client) -> None:
    await client.feed.start([SYMBOL])
    async with asyncio.timeout(BOUND_S):
        while True:
            asked = await client.book(SYMBOL)
            streamed = client.feed.book(SYMBOL)
            if streamed is not None and streamed.sequence == asked.sequence:
                break
            await asyncio.sleep(0.01)
    assert streamed.bids == asked.bids
    assert streamed.asks == asked.asks


async def test_a_lost_answer_is_unknown_and_the_order_is_found_by_its_client_id(client, twins) -> None:
    fault(twins, kind="lost_answer")
    opening = await want(client, Side.BUY)
    assert isinstance(await client.place(opening), Unknown)
    report = await until(lambda: client.order(opening, None), is_final)
    assert report.client_order_id == opening.client_order_id
    assert report.filled_quantity > 0


async def test_a_lost_request_is_unknown_and_never_found(client, twins) -> None:
    fault(twins, kind="lost_request")
    opening = await want(client, Side.BUY)
    assert isinstance(await client.place(opening), Unknown)
    assert isinstance(await client.order(opening, None), NotFound)


async def test_an_error_after_the_engine_acted_is_unknown_and_the_order_is_found(client, twins) -> None:
    fault(twins, kind="http_5xx", status=503, when="after")
    opening = await want(client, Side.BUY)
    assert isinstance(await client.place(opening), Unknown)
    report = await until(lambda: client.order(opening, None), is_final)
    assert report.filled_quantity > 0


async def test_being_told_to_slow_down_is_a_refusal(client, twins) -> None:
    fault(twins, kind="http_429")
    opening = await want(client, Side.BUY)
    outcome = await client.place(opening)
    assert isinstance(outcome, Rejected)
    assert outcome.code == "RATE_LIMITED"
    assert isinstance(await client.order(opening, None), NotFound)


async def test_a_book_gap_is_noticed_and_healed(client, twins) -> None:
    await client.feed.start([SYMBOL])
    fault(twins, kind="ws_gap")
    await until_true(lambda: client.feed.health().gaps >= 1)
    await until_true(lambda: client.feed.book(SYMBOL) is not None)


async def test_a_cut_stream_is_told_and_comes_back(client, twins) -> None:
    await client.feed.start([SYMBOL])
    fault(twins, kind="ws_disconnect")
    seen: list[object] = []
    async with asyncio.timeout(BOUND_S):
        while not any(isinstance(event, Reconnected) for event in seen):
            await client.feed.wait(1.0)
            seen += client.feed.drain()
    assert isinstance(seen[0], Disconnected)
    await until_true(lambda: client.feed.book(SYMBOL) is not None)


def test_nothing_of_one_account_ever_met(twins) -> None:
    """Looks back on everything above: the twin counts fills between two orders of one account."""
    state = httpx.get(f"{twins.control_url}/control/state", timeout=10, trust_env=False).json()
    assert state["venues"]["backpack"]["self_trades"] == 0


async def until_true(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not claim():
            await asyncio.sleep(0.02)


def fault(twins, **what: object) -> None:
    answer = httpx.post(
        f"{twins.control_url}/control/faults",
        json={"venue": "backpack", "count": 1, **what},
        timeout=10,
        trust_env=False,
    )
    assert answer.status_code < 300, answer.text
