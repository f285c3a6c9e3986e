"""The contract every venue keeps, as numbered cards. One card, one claim; the docstring is the card.

Each docstring has: what must be there before, what is done, what is expected, and when the card counts as passed.
A card names the capability rows it proves. Where a venue does not declare them as working, the card is expected to
fail and must fail. `wire` cards need a twin's faults or clock; `reads` cards send nothing and may run on a testnet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from connectors.capabilities import Capability as C
from connectors.venue import (
    Accepted,
    CancelRefused,
    CancelTaken,
    Disconnected,
    FeedEvent,
    FillUpdate,
    NotFound,
    NotSent,
    OrderUpdate,
    Reconnected,
    Rejected,
    Unknown,
)
from core.errors import PrecisionRefused
from core.numbers import ZERO
from core.order import OrderStatus, OrderType, Resting, Side, TimeInForce
from tests.contract.bench import UNKNOWN_ORDER, Bench, until, until_true

A_MOMENT = timedelta(seconds=2)
GAP_BOUND_S = 5.0
MONEY_STEP = Decimal("0.00001")


@dataclass(frozen=True)
class Card:
    """One numbered card."""

    number: str
    rows: tuple[C, ...]
    run: Callable[[Bench], Awaitable[None]]
    wire: bool
    reads: bool

    def __str__(self) -> str:
        return f"{self.number}-{self.run.__name__}"


CARDS: list[Card] = []


def card(number: str, *rows: C, wire: bool = False, reads: bool = False) -> Callable[..., Callable[..., object]]:
    """Enter a function into the suite."""

    def enter(run: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
        CARDS.append(Card(number, rows, run, wire, reads))
        return run

    return enter


# ---- reading ---------------------------------------------------------------------------------------------------------


@card("C01", C.SERVER_TIME, reads=True)
async def connecting(bench: Bench) -> None:
    """Before: keys of an account. Do: connect, read the clock, close twice. Expect: the venue's time.

    Passed when it is aware and within three seconds of ours, and closing again does no harm.
    """
    async with bench.second() as client:
        said = await client.server_time()
        assert abs(said - bench.now()) < timedelta(seconds=3)
    await client.aclose()


@card("C02", C.MARKETS, reads=True)
async def markets_have_a_grid(bench: Bench) -> None:
    """Before: connected. Do: read the markets. Expect: the market by our symbol with grid, margins and own fees.

    Passed when steps are positive, margins ordered, the taker fee known, and the symbol is its own key.
    """
    market = await bench.market()
    assert (market.venue, market.symbol) == (bench.client.venue, bench.symbol)
    assert market.tick > 0
    assert market.lot > 0
    assert market.min_quantity > 0
    assert 0 < market.maintenance_margin < market.initial_margin < 1
    assert market.taker_fee > market.maker_fee
    assert market.funding_interval_s > 0


@card("C03", C.BOOK_SNAPSHOT, reads=True)
async def the_book_is_two_sided_and_fresh(bench: Bench) -> None:
    """Before: connected. Do: read the book by REST. Expect: both sides, best first, not crossed, of now.

    Passed when order, grid and spread are right and it was received just now.
    """
    market, book = await bench.market(), await bench.client.book(bench.symbol)
    bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    assert all(level.quantity > 0 and level.price % market.tick == 0 for level in (*book.bids, *book.asks))
    assert abs(bench.now() - book.received_time) < A_MOMENT


@card("C04", C.MARK_INDEX, reads=True)
async def the_mark_is_near_the_mid(bench: Bench) -> None:
    """Before: connected. Do: read mark and book. Expect: mark and index close to the mid.

    Passed when both are within five percent of it.
    """
    mark, book = await bench.client.mark(bench.symbol), await bench.client.book(bench.symbol)
    assert book.mid is not None
    assert mark.index is not None
    assert abs(mark.mark / book.mid - 1) < Decimal("0.05")
    assert abs(mark.index / book.mid - 1) < Decimal("0.05")


@card("C05", C.FUNDING_NOW, reads=True)
async def the_funding_rate_has_its_interval(bench: Bench) -> None:
    """Before: connected. Do: read the funding rate. Expect: a rate with the interval it is for.

    Passed when the interval is the market's, the rate is plausible, and the hourly rate follows from both.
    """
    rate, market = await bench.client.funding_rate(bench.symbol), await bench.market()
    assert rate.interval_s == market.funding_interval_s
    assert abs(rate.rate) < Decimal("0.05")
    assert rate.hourly * rate.interval_s == rate.rate * 3600
    assert rate.next_at is None or rate.next_at > rate.venue_time


@card("C06", C.MARGIN, C.ACCOUNT_STATUS, reads=True)
async def the_margin_is_read(bench: Bench) -> None:
    """Before: a funded account. Do: read the margin. Expect: its money.

    Passed when there is equity, no more is available than there is, and the account is active.
    """
    margin = await bench.client.margin()
    assert 0 < margin.available <= margin.equity
    assert 0 <= margin.maintenance <= margin.initial
    assert margin.active


@card("C07", C.POSITIONS, C.OPEN_ORDERS, C.FILLS)
async def a_fresh_account_is_flat(bench: Bench) -> None:
    """Before: an account that never traded. Do: read positions, open orders, fills. Expect: nothing, said positively.

    Passed when all three are empty.
    """
    assert len(await bench.client.positions()) == 0
    assert len(await bench.client.open_orders(bench.symbol)) == 0
    assert len(await bench.client.fills(bench.symbol, bench.now() - timedelta(hours=1))) == 0


@card("C08", C.ORDER_LOOKUP, reads=True)
async def an_unknown_order_is_not_found(bench: Bench) -> None:
    """Before: connected. Do: ask for an order that was never sent, by client id and by venue id. Expect: NotFound.

    Passed when both answers are NotFound.
    """
    never_sent = await bench.taking()
    assert isinstance(await bench.client.order(never_sent, None), NotFound)
    assert isinstance(await bench.client.order(never_sent, UNKNOWN_ORDER), NotFound)


# ---- orders ----------------------------------------------------------------------------------------------------------


@card("C10", C.MARKETS)
async def a_price_off_the_tick_is_refused_here(bench: Bench) -> None:
    """Before: connected. Do: place at half a tick. Expect: PrecisionRefused, nothing signed.

    Passed when it is raised and the venue knows no such order.
    """
    good = await bench.resting()
    wrong = replace(good, price=good.price + (await bench.market()).tick / 2)
    with pytest.raises(PrecisionRefused):
        await bench.client.place(wrong)
    assert isinstance(await bench.client.order(wrong, None), NotFound)


@card("C11", C.MARKETS)
async def a_quantity_off_the_lot_is_refused_here(bench: Bench) -> None:
    """Before: connected. Do: place half a lot more. Expect: PrecisionRefused, nothing signed.

    Passed when it is raised and the venue knows no such order.
    """
    good = await bench.resting()
    wrong = replace(good, quantity=good.quantity + (await bench.market()).lot / 2)
    with pytest.raises(PrecisionRefused):
        await bench.client.place(wrong)
    assert isinstance(await bench.client.order(wrong, None), NotFound)


async def _rests(bench: Bench, how_long: TimeInForce) -> None:
    intent = await bench.resting(time_in_force=how_long)
    order_id = await bench.placed(intent)
    listed = await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == 1)
    report = await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED)
    for seen in (*listed, report):
        assert (seen.client_order_id, seen.venue_order_id) == (intent.client_order_id, order_id)
        assert (seen.status, seen.filled_quantity) == (OrderStatus.ACCEPTED, ZERO)
    assert [seen.resting for seen in listed] == [Resting(intent.side, intent.price)]
    assert isinstance(await bench.client.cancel(intent, order_id), CancelTaken)


@card("C12", C.POST_ONLY, C.OPEN_ORDERS, C.ORDER_LOOKUP)
async def a_post_only_order_rests(bench: Bench) -> None:
    """Before: flat. Do: place a post-only buy away from the market. Expect: it rests under both its ids.

    Passed when the open orders and a look-up by client id alone agree.
    """
    await _rests(bench, TimeInForce.POST_ONLY)


@card("C13", C.LIMIT_GTC)
async def a_good_till_cancelled_order_rests(bench: Bench) -> None:
    """Before: flat. Do: place a GTC buy away from the market. Expect: it rests under both its ids.

    Passed when the open orders and a look-up by client id alone agree.
    """
    await _rests(bench, TimeInForce.GTC)


@card("C14", C.POST_ONLY)
async def a_post_only_order_that_would_cross_never_fills(bench: Bench) -> None:
    """Before: flat. Do: place a post-only buy through the book. Expect: refused, or taken and ended by the venue.

    Passed when nothing was filled and the account is flat.
    """
    intent = await bench.taking(time_in_force=TimeInForce.POST_ONLY)
    outcome = await bench.client.place(intent)
    if isinstance(outcome, Accepted):
        report = await bench.ended(intent, outcome.report.venue_order_id)
        assert report.status in (OrderStatus.REJECTED, OrderStatus.EXPIRED)
        assert report.filled_quantity == ZERO
    else:
        assert isinstance(outcome, Rejected)
    assert len(await bench.client.positions()) == 0


@card("C15", C.LIMIT_IOC, C.FILLS, C.ORDER_LOOKUP, C.POSITIONS, C.PRIVATE_ORDERS, C.PRIVATE_FILLS)
async def a_fill_is_the_same_wherever_it_is_read(bench: Bench) -> None:
    """Before: flat, feed live. Do: take with an IOC. Expect: order, fills, position and feed tell the same.

    Passed when quantity, side, ids, prices and fees agree everywhere.
    """
    await bench.client.feed.start([bench.symbol])
    since, intent = bench.now() - A_MOMENT, await bench.taking()
    order_id = await bench.placed(intent)
    report = await bench.ended(intent, order_id)
    seen = await bench.events(
        lambda so_far: (
            sum(e.fill.quantity for e in so_far if isinstance(e, FillUpdate)) == intent.quantity
            and any(isinstance(e, OrderUpdate) and e.report.status.is_final for e in so_far)
        )
    )
    streamed = {event.fill.trade_id: event.fill for event in seen if isinstance(event, FillUpdate)}
    listed = await until(
        lambda: bench.client.fills(bench.symbol, since), lambda found: {f.trade_id for f in found} == set(streamed)
    )
    (position,) = await bench.client.positions()
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, intent.quantity)
    assert (position.symbol, position.quantity) == (bench.symbol, intent.quantity)
    assert sum(fill.quantity for fill in listed) == intent.quantity
    for fill in listed:
        told = streamed[fill.trade_id]
        assert (fill.quantity, fill.price, fill.fee) == (told.quantity, told.price, told.fee)
        assert (fill.side, fill.venue_order_id, fill.client_order_id) == (Side.BUY, order_id, intent.client_order_id)
        assert fill.fee > 0


@card("C16", C.MARKET_BOUNDED)
async def a_market_order_is_never_worse_than_its_bound(bench: Bench) -> None:
    """Before: flat. Do: send one market buy bounded below the market, one bounded above. Expect: none, then all.

    Passed when the first fills nothing and every fill of the second is within its bound.
    """
    since = bench.now() - A_MOMENT
    too_low = await bench.taking(type=OrderType.MARKET, price=(await bench.resting()).price)
    outcome = await bench.client.place(too_low)
    if isinstance(outcome, Accepted):
        assert (await bench.ended(too_low, outcome.report.venue_order_id)).filled_quantity == 0
    else:
        assert isinstance(outcome, Rejected)
    bounded = await bench.taking(type=OrderType.MARKET)
    await bench.filled(bounded)
    fills = await until(
        lambda: bench.client.fills(bench.symbol, since),
        lambda found: sum(f.quantity for f in found) == bounded.quantity,
    )
    assert all(fill.price <= bounded.price for fill in fills)


@card("C17", C.REDUCE_ONLY)
async def reduce_only_opens_nothing(bench: Bench) -> None:
    """Before: flat. Do: send a reduce-only IOC. Expect: refused, or taken and ended by the venue.

    Passed when nothing was filled and the account is flat.
    """
    intent = await bench.taking(reduce_only=True)
    outcome = await bench.client.place(intent)
    if isinstance(outcome, Accepted):
        assert (await bench.ended(intent, outcome.report.venue_order_id)).filled_quantity == 0
    else:
        assert isinstance(outcome, Rejected)
    assert len(await bench.client.positions()) == 0


@card("C18", C.REDUCE_ONLY, C.POSITIONS)
async def a_round_trip_ends_flat(bench: Bench) -> None:
    """Before: flat. Do: buy, then sell the same quantity reduce-only. Expect: both fill.

    Passed when the account is flat and has paid for it.
    """
    before = await bench.client.margin()
    bought = await bench.filled(await bench.taking())
    await bench.filled(await bench.taking(Side.SELL, quantity=bought.filled_quantity, reduce_only=True))
    assert len(await bench.client.positions()) == 0
    assert (await bench.client.margin()).equity < before.equity


@card("C19", C.LIQUIDATION_PRICE)
async def a_short_has_a_liquidation_price_above(bench: Bench) -> None:
    """Before: flat. Do: sell short. Expect: a signed position with entry and liquidation price.

    Passed when the quantity is negative and the liquidation price lies above the entry price.
    """
    sold = await bench.filled(await bench.taking(Side.SELL))
    (position,) = await bench.client.positions()
    assert position.quantity == -sold.filled_quantity
    assert position.liquidation_price is not None
    assert position.liquidation_price > position.entry_price


@card("C20", C.FOK)
async def fill_or_kill_is_all_or_nothing(bench: Bench) -> None:
    """Before: flat. Do: send a fill-or-kill order through the book. Expect: all of it or nothing.

    Passed when the filled quantity is the whole or zero.
    """
    intent = await bench.taking(time_in_force=TimeInForce("fok"))
    report = await bench.ended(intent, await bench.placed(intent))
    assert report.filled_quantity in (0, intent.quantity)


# ---- cancels ---------------------------------------------------------------------------------------------------------


async def _is_cancelled_by(bench: Bench, *, client_id: bool) -> None:
    intent = await bench.resting()
    order_id = await bench.placed(intent)
    await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED, order_id)
    assert isinstance(await bench.client.cancel(intent, None if client_id else order_id), CancelTaken)
    report = await bench.ended(intent, order_id)
    assert (report.status, report.filled_quantity) == (OrderStatus.CANCELLED, ZERO)
    assert isinstance(await bench.client.cancel(intent, None if client_id else order_id), CancelRefused)


@card("C30", C.CANCEL_BY_EITHER_ID)
async def a_venue_id_cancels(bench: Bench) -> None:
    """Before: a resting order. Do: cancel it by venue id, then again. Expect: taken, then refused.

    Passed when the order is cancelled with nothing filled and the second cancel is CancelRefused.
    """
    await _is_cancelled_by(bench, client_id=False)


@card("C31", C.CANCEL_BY_EITHER_ID)
async def a_client_id_cancels(bench: Bench) -> None:
    """Before: a resting order. Do: cancel it by client id, then again. Expect: taken, then refused.

    Passed when the order is cancelled with nothing filled and the second cancel is CancelRefused.
    """
    await _is_cancelled_by(bench, client_id=True)


@card("C32", C.CANCEL_BY_EITHER_ID)
async def cancelling_the_unknown_is_refused(bench: Bench) -> None:
    """Before: connected. Do: cancel an order that was never sent, by either id. Expect: CancelRefused.

    Passed when both answers are CancelRefused.
    """
    never_sent = await bench.resting()
    assert isinstance(await bench.client.cancel(never_sent, None), CancelRefused)
    assert isinstance(await bench.client.cancel(never_sent, UNKNOWN_ORDER), CancelRefused)


@card("C33", C.CANCEL_ALL)
async def cancel_all_leaves_nothing(bench: Bench) -> None:
    """Before: three resting orders. Do: cancel all of the market. Expect: taken.

    Passed when each order has ended as cancelled and none is open.
    """
    intents = [await bench.resting() for _ in range(3)]
    for intent in intents:
        await bench.placed(intent)
    await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == len(intents))
    assert isinstance(await bench.client.cancel_all(bench.symbol), CancelTaken)
    for intent in intents:
        assert (await bench.ended(intent)).status is OrderStatus.CANCELLED
    assert len(await bench.client.open_orders(bench.symbol)) == 0


# ---- the same order twice, answers that do not come ------------------------------------------------------------------


@card("C40", C.UNIQUE_CLIENT_ID)
async def a_client_id_is_never_two_orders(bench: Bench) -> None:
    """Before: a resting order. Do: send the very same intent again. Expect: anything but accepted.

    Passed when the second outcome is not Accepted and one order rests.
    """
    intent = await bench.resting()
    await bench.placed(intent)
    await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED)
    assert not isinstance(await bench.client.place(intent), Accepted)
    assert len(await bench.client.open_orders(bench.symbol)) == 1


@card("C41", C.ORDER_LOOKUP, wire=True)
async def a_lost_answer_is_unknown_and_the_order_is_found(bench: Bench) -> None:
    """Before: the venue will act and cut the answer. Do: take. Expect: Unknown, then the order by client id.

    Passed when it is found filled without being sent again.
    """
    intent = await bench.taking()
    bench.wire.arm("lost_answer", action="place")
    assert isinstance(await bench.client.place(intent), Unknown)
    assert (await bench.ended(intent)).filled_quantity == intent.quantity


@card("C42", C.ORDER_LOOKUP, wire=True)
async def a_lost_request_is_unknown_and_the_order_is_not_found(bench: Bench) -> None:
    """Before: the request will be lost on its way. Do: take. Expect: Unknown, then NotFound.

    Passed when nothing is found and the account is flat.
    """
    intent = await bench.taking()
    bench.wire.arm("lost_request", action="place")
    assert isinstance(await bench.client.place(intent), Unknown)
    assert isinstance(await bench.client.order(intent, None), NotFound)
    assert len(await bench.client.positions()) == 0


@card("C43", C.ORDER_LOOKUP, wire=True)
async def too_many_requests_is_a_no(bench: Bench) -> None:
    """Before: the venue will answer 429. Do: take. Expect: Rejected or NotSent, for it was not taken.

    Passed when the outcome says so and a second client, which was not told to slow down, sees nothing of it.
    """
    intent = await bench.taking()
    bench.wire.arm("http_429", action="place")
    outcome = await bench.client.place(intent)
    assert isinstance(outcome, Rejected | NotSent)
    assert not isinstance(outcome, Rejected) or outcome.code == "RATE_LIMITED"
    async with bench.second() as unhurried:
        assert isinstance(await unhurried.order(intent, None), NotFound)
        assert len(await unhurried.positions()) == 0


@card("C44", C.ORDER_LOOKUP, wire=True)
async def a_server_error_is_unknown(bench: Bench) -> None:
    """Before: the venue will answer 503 instead of acting. Do: take. Expect: Unknown, then NotFound.

    Passed when nothing is found.
    """
    intent = await bench.taking()
    bench.wire.arm("http_5xx", action="place", status=503)
    assert isinstance(await bench.client.place(intent), Unknown)
    assert isinstance(await bench.client.order(intent, None), NotFound)


@card("C45", C.ORDER_LOOKUP, wire=True)
async def a_server_error_after_the_act_is_unknown_and_the_order_is_found(bench: Bench) -> None:
    """Before: the venue will act and then answer 500. Do: take. Expect: Unknown, then the order by client id.

    Passed when it is found filled without being sent again.
    """
    intent = await bench.taking()
    bench.wire.arm("http_5xx", action="place", status=500, when="after")
    assert isinstance(await bench.client.place(intent), Unknown)
    assert (await bench.ended(intent)).filled_quantity == intent.quantity


# ---- streams ---------------------------------------------------------------------------------------------------------


@card("C50", C.BOOK_STREAM, C.BEST_BID_ASK, C.MARK_INDEX, reads=True)
async def the_feed_is_live_once_started(bench: Bench) -> None:
    """Before: connected. Do: start the feed. Expect: book, mark and both streams at once; moving on.

    Passed when the streamed book agrees with REST and the health is good.
    """
    assert bench.client.feed.book(bench.symbol) is None
    await bench.client.feed.start([bench.symbol])
    book, mark, health = (
        bench.client.feed.book(bench.symbol), bench.client.feed.mark(bench.symbol), bench.client.feed.health()
    )  # fmt: skip
    read = await bench.client.book(bench.symbol)
    assert book is not None
    assert mark is not None
    assert book.mid is not None
    assert read.mid is not None
    assert book.best_bid is not None
    assert book.best_ask is not None
    assert book.best_bid < book.best_ask
    assert abs(book.mid / read.mid - 1) < Decimal("0.005")
    assert (health.public_up, health.private_up) == (True, True)


@card("C51", C.PRIVATE_FILLS, C.FILLS, wire=True)
async def a_cut_stream_is_told_and_no_fill_is_lost(bench: Bench) -> None:
    """Before: feed live; for a second the venue will cut every stream at its next frame. Do: take meanwhile.

    Expect: Disconnected, later Reconnected on the same channel, a live book again.
    Passed when what the stream told and fills(since) together are exactly what the order filled.
    """
    await bench.client.feed.start([bench.symbol])
    since, intent = bench.now() - A_MOMENT, await bench.taking()
    bench.wire.arm("ws_disconnect", action="any", duration_s=1.0)
    seen = await bench.events(lambda so_far: any(isinstance(e, Disconnected) for e in so_far))
    report = await bench.filled(intent)

    def is_whole(so_far: Sequence[FeedEvent]) -> bool:
        cut = {e.channel for e in (*seen, *so_far) if isinstance(e, Disconnected)}
        back = {e.channel for e in (*seen, *so_far) if isinstance(e, Reconnected)}
        health = bench.client.feed.health()
        return cut <= back and health.public_up and health.private_up

    seen += await bench.events(is_whole)
    await until_true(lambda: bench.client.feed.book(bench.symbol) is not None)
    streamed = {event.fill.trade_id: event.fill.quantity for event in seen if isinstance(event, FillUpdate)}
    listed = await until(
        lambda: bench.client.fills(bench.symbol, since),
        lambda found: sum(f.quantity for f in found) == report.filled_quantity,
    )
    everything = streamed | {fill.trade_id: fill.quantity for fill in listed}
    assert sum(everything.values()) == report.filled_quantity == intent.quantity


@card("C52", C.BOOK_CONTINUITY, wire=True)
async def a_missing_book_frame_takes_the_book_away(bench: Bench) -> None:
    """Before: feed live; the venue will leave out one frame. Do: watch the book. Expect: None, then live again.

    Passed when it was None, a gap was counted, and a two-sided book came back.
    """
    await bench.client.feed.start([bench.symbol])
    bench.wire.arm("ws_gap", action="any")
    await until_true(lambda: bench.client.feed.book(bench.symbol) is None, bound_s=GAP_BOUND_S, every_s=0)
    await until_true(lambda: bench.client.feed.book(bench.symbol) is not None)
    book = bench.client.feed.book(bench.symbol)
    assert bench.client.feed.health().gaps == 1
    assert book is not None
    assert book.mid is not None


@card("C53", C.PRIVATE_FILLS, C.FILLS, wire=True)
async def a_fill_told_twice_counts_once(bench: Bench) -> None:
    """Before: feed live; the venue will tell a fill twice. Do: take. Expect: one trade id, by stream and REST.

    Passed when the trade ids of both are the same set and add up to the order, each once in the list.
    """
    await bench.client.feed.start([bench.symbol])
    since, intent = bench.now() - A_MOMENT, await bench.taking()
    bench.wire.arm("duplicate_fill_frame", action="any")
    report = await bench.filled(intent)

    def told(so_far: Sequence[FeedEvent]) -> dict[str, Decimal]:
        return {event.fill.trade_id: event.fill.quantity for event in so_far if isinstance(event, FillUpdate)}

    seen = await bench.events(lambda so_far: sum(told(so_far).values(), ZERO) >= report.filled_quantity)
    listed = await until(
        lambda: bench.client.fills(bench.symbol, since), lambda found: {f.trade_id for f in found} == set(told(seen))
    )
    assert len(listed) == len({fill.trade_id for fill in listed})
    assert sum(fill.quantity for fill in listed) == report.filled_quantity == intent.quantity


# ---- time ------------------------------------------------------------------------------------------------------------


async def _trades_with_skew(bench: Bench, by: timedelta) -> None:
    bench.wire.skew(by)
    async with bench.second() as client:
        said = await client.server_time()
        assert abs(said - bench.now() - by) < timedelta(seconds=3)
        there = replace(bench, client=client)
        await there.filled(await there.taking())


@card("C60", C.SERVER_TIME, wire=True)
async def a_venue_an_hour_ahead_takes_orders(bench: Bench) -> None:
    """Before: the venue's clock is an hour ahead. Do: connect and take. Expect: signed in the venue's time.

    Passed when the venue's time is read as such and the order fills whole.
    """
    await _trades_with_skew(bench, timedelta(hours=1))


@card("C61", C.SERVER_TIME, wire=True)
async def a_venue_an_hour_behind_takes_orders(bench: Bench) -> None:
    """Before: the venue's clock is an hour behind. Do: connect and take. Expect: signed in the venue's time.

    Passed when the venue's time is read as such and the order fills whole.
    """
    await _trades_with_skew(bench, -timedelta(hours=1))


@card("C70", C.SELF_TRADE_PREVENTION, wire=True)
async def nothing_of_one_account_ever_met(bench: Bench) -> None:
    """Before: all cards above. Do: ask the venue's own truth. Expect: no fill with one account on both sides.

    Passed when the count is zero. No card provokes it: own orders never meet, not even to see them kept apart.
    """
    assert bench.wire.self_trades() == 0


@card("C80", C.FUNDING_PAYMENTS, wire=True)
async def funding_is_booked(bench: Bench) -> None:
    """Before: flat. Do: buy, let two hours pass, sell, read fills and payments. Expect: payments, oldest first.

    Passed when the money moved by exactly what executions, fees and payments say, none is told twice, one is not zero,
    all were booked while the position was held, and one of zero only beside an execution: a venue that books at each
    execution writes nothing down for the second of two in one moment.
    """
    since, before = bench.now() - A_MOMENT, (await bench.client.margin()).equity
    opened = await bench.filled(await bench.taking())
    bench.wire.pass_time(timedelta(hours=2))
    await bench.filled(await bench.taking(Side.SELL, quantity=opened.filled_quantity, reduce_only=True))
    fills = await until(
        lambda: bench.client.fills(bench.symbol, since),
        lambda found: sum(f.quantity for f in found) == 2 * opened.filled_quantity,
    )
    paid = await until(
        lambda: bench.client.funding_payments(bench.symbol, since),
        lambda found: any(payment.payment != 0 for payment in found),
    )
    moved = (await bench.client.margin()).equity - before
    traded = sum((-fill.side.sign * fill.quantity * fill.price - fill.fee for fill in fills), ZERO)
    assert abs(moved - traded - sum(payment.payment for payment in paid)) <= MONEY_STEP, (moved, traded, paid)
    assert len(paid) == len({payment.payment_id for payment in paid})
    assert [payment.paid_at for payment in paid] == sorted(payment.paid_at for payment in paid)
    executed_at = [fill.venue_time for fill in fills]
    assert all(executed_at[0] <= payment.paid_at <= executed_at[-1] for payment in paid), (executed_at, paid)
    assert all(payment.payment != 0 or payment.paid_at in executed_at for payment in paid), paid
