"""The cards of the wider order desk: batches, edits, triggers, fill-or-kill, orders that come too late.

Same rules as in cards.py. Only the seams are used: `client.desk` and the outcomes of connectors.venue. Twins share one
price path, so a card that moves it puts it back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connectors.capabilities import Capability as C
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.numbers import ZERO, floor_to
from core.order import (
    FillCause,
    OrderIntent,
    OrderReport,
    OrderStatus,
    Side,
    TimeInForce,
    TriggerIntent,
    TriggerKind,
    TriggerPrice,
)
from tests.contract.bench import Bench, until, until_true
from tests.contract.cards import A_MOMENT, card

VALID_FOR = timedelta(milliseconds=700)
LATE_MS = 1_200
FALL = Decimal("0.98")
STOP = Decimal("0.99")
FLOOR = Decimal("0.97")
ASIDE = timedelta(milliseconds=300)


def _truth(bench: Bench, client_order_id: str) -> list[dict[str, Any]]:
    """What the twin's engine itself knows of an order; ids that a venue shortens are told by the client."""
    wire_id = bench.client.wire_client_id(client_order_id)
    accounts = bench.wire.door.state()["venues"][str(bench.client.venue)]["accounts"]
    return [o for account in accounts.values() for o in account["orders"] if o["client_id"] == wire_id]


@asynccontextmanager
async def _price_at(bench: Bench, share: Decimal) -> AsyncIterator[None]:
    """Move the twins' common price to a share of what it is, put it back, and wait until the venue's book shows it.

    A venue may show its book late. The wait is for the fall to be seen and to be over: the next card would else price
    its orders by a market that is gone.
    """
    before = Decimal(bench.wire.door.state()["reference"][bench.symbol])
    halfway = before * (1 + share) / 2
    bench.wire.door.control("price", instrument=bench.symbol, price=str(before * share))
    try:
        yield
        await _mid(bench, lambda mid: mid < halfway)
    finally:
        bench.wire.door.control("price", instrument=bench.symbol, price=str(before))
        await _mid(bench, lambda mid: mid > halfway)


async def _mid(bench: Bench, claim: Callable[[Decimal], bool]) -> None:
    await until(lambda: bench.client.book(bench.symbol), lambda book: book.mid is not None and claim(book.mid))


async def _stop_loss(bench: Bench) -> TriggerIntent:
    """Open a long and return a stop-loss for all of it, one percent below the mark, never below three percent."""
    bought = await bench.filled(await bench.taking())
    market, mark = await bench.market(), (await bench.client.mark(bench.symbol)).mark
    order = await bench.taking(
        Side.SELL,
        time_in_force=TimeInForce.GTC,
        quantity=bought.filled_quantity,
        price=floor_to(mark * FLOOR, market.tick),
        reduce_only=True,
    )
    trigger_price = floor_to(mark * STOP, market.tick)
    return TriggerIntent(order, TriggerKind.STOP_LOSS, trigger_price, TriggerPrice.MARK)


async def _waits(bench: Bench, trigger: TriggerIntent) -> str:
    """Place a trigger that has to be accepted and listed as waiting; return the venue's id."""
    outcome = await bench.surface.desk.place_trigger(trigger)
    assert isinstance(outcome, Accepted), outcome
    listed = await until(lambda: bench.surface.desk.open_triggers(bench.symbol), lambda found: len(found) == 1)
    assert listed[0].status is OrderStatus.ACCEPTED
    assert listed[0].venue_order_id is not None
    assert outcome.report.venue_order_id in (None, listed[0].venue_order_id)
    return str(listed[0].venue_order_id)


# ---- batches ---------------------------------------------------------------------------------------------------------


@card("O01", C.BATCH_PLACE)
async def a_batch_is_answered_order_by_order(bench: Bench) -> None:
    """Before: flat. Do: send two resting orders and between them a post-only one that would cross, as one batch.

    Expect: three outcomes in the same order, each about its own order.
    Passed when the first and third rest under their own ids and the second never filled.
    """
    first, crossing, third = [
        await bench.resting(), await bench.taking(time_in_force=TimeInForce.POST_ONLY), await bench.resting()
    ]  # fmt: skip
    outcomes = await bench.surface.desk.place_batch([first, crossing, third])
    assert len(outcomes) == 3
    for intent, outcome in ((first, outcomes[0]), (third, outcomes[2])):
        assert isinstance(outcome, Accepted), outcome
        report = await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED)
        assert report.venue_order_id == outcome.report.venue_order_id
    if isinstance(outcomes[1], Accepted):
        assert (await bench.ended(crossing, outcomes[1].report.venue_order_id)).filled_quantity == ZERO
    else:
        assert isinstance(outcomes[1], Rejected), outcomes[1]
    assert len(await bench.client.positions()) == 0
    resting = await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == 2)
    assert {report.client_order_id for report in resting} == {first.client_order_id, third.client_order_id}
    assert isinstance(await bench.client.cancel_all(bench.symbol), CancelTaken)


@card("O10", C.BATCH_PLACE)
async def a_batch_whose_orders_could_meet_is_not_sent(bench: Bench) -> None:
    """Before: flat. Do: send a resting buy and a sell at its price as one batch. Expect: NotSent for both.

    Passed when nothing rests afterwards: own orders never meet, and the venue's prevention is not relied on.
    """
    buy = await bench.resting()
    sell = replace(await bench.resting(), side=Side.SELL, price=buy.price)
    outcomes = await bench.surface.desk.place_batch([buy, sell])
    assert [type(outcome) for outcome in outcomes] == [NotSent, NotSent]
    assert len(await bench.client.open_orders(bench.symbol)) == 0


@card("O02", C.BATCH_CANCEL)
async def a_batch_of_cancels_is_answered_order_by_order(bench: Bench) -> None:
    """Before: two resting orders. Do: cancel one by venue id, one never sent, one by client id, as one batch.

    Expect: taken, refused, taken, in the same order.
    Passed when both orders have ended as cancelled with nothing filled.
    """
    first, never_sent, third = [await bench.resting() for _ in range(3)]
    first_id = await bench.placed(first)
    await bench.placed(third)
    await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == 2)
    outcomes = await bench.surface.desk.cancel_batch([(first, first_id), (never_sent, None), (third, None)])
    assert [type(outcome) for outcome in outcomes] == [CancelTaken, CancelRefused, CancelTaken]
    for intent in (first, third):
        report = await bench.ended(intent)
        assert (report.status, report.filled_quantity) == (OrderStatus.CANCELLED, ZERO)


# ---- edits -----------------------------------------------------------------------------------------------------------


@card("O03", C.EDIT, wire=True)
async def an_edit_moves_price_and_quantity(bench: Bench) -> None:
    """Before: one resting order. Do: edit it to a lower price and a larger quantity. Expect: Accepted.

    Passed when one order rests, the venue's own truth shows new price and quantity, and it is cancelled by its new id.
    """
    market, intent = await bench.market(), await bench.resting()
    order_id = await bench.placed(intent)
    await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED)
    replacement = replace(intent, price=intent.price - 10 * market.tick, quantity=intent.quantity + 3 * market.lot)
    outcome = await bench.surface.desk.edit(intent, order_id, replacement)
    assert isinstance(outcome, Accepted), outcome
    (resting,) = await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == 1)
    assert resting.venue_order_id == outcome.report.venue_order_id
    (live,) = [o for o in _truth(bench, intent.client_order_id) if o["status"] == "OPEN"]
    assert (Decimal(live["price"]), Decimal(live["quantity"])) == (replacement.price, replacement.quantity)
    assert isinstance(await bench.client.cancel(replacement, resting.venue_order_id), CancelTaken)
    await until(lambda: bench.client.open_orders(bench.symbol), lambda found: len(found) == 0)


# ---- triggers --------------------------------------------------------------------------------------------------------


@card("O04", C.STOP_ORDERS, wire=True)
async def a_stop_loss_goes_off_by_price(bench: Bench) -> None:
    """Before: a long. Do: place a stop-loss one percent below, let the price fall two. Expect: it waits, then sells.

    Passed when it waited while the price was away, and the position is closed by a trade at its bound or better.
    """
    since, trigger = bench.now() - A_MOMENT, await _stop_loss(bench)
    await _waits(bench, trigger)
    assert [p.quantity for p in await bench.client.positions()] == [trigger.order.quantity]
    async with _price_at(bench, FALL):
        await until(bench.client.positions, lambda found: len(found) == 0)
    await until(lambda: bench.surface.desk.open_triggers(bench.symbol), lambda found: len(found) == 0)
    sold = await until(
        lambda: bench.client.fills(bench.symbol, since),
        lambda found: sum(f.quantity for f in found if f.side is Side.SELL) == trigger.order.quantity,
    )
    for fill in sold:
        assert fill.cause is FillCause.TRADE
        assert fill.side is Side.BUY or fill.price >= trigger.order.price


@card("O05", C.STOP_ORDERS, wire=True)
async def a_cancelled_trigger_never_goes_off(bench: Bench) -> None:
    """Before: a long with a stop-loss. Do: cancel it, again, let the price fall. Expect: taken, refused, no sale.

    Passed when no trigger waits and the position is what it was.
    """
    trigger = await _stop_loss(bench)
    order_id = await _waits(bench, trigger)
    assert isinstance(await bench.surface.desk.cancel_trigger(trigger, order_id), CancelTaken)
    await until(lambda: bench.surface.desk.open_triggers(bench.symbol), lambda found: len(found) == 0)
    assert isinstance(await bench.surface.desk.cancel_trigger(trigger, order_id), CancelRefused)
    async with _price_at(bench, FALL):
        await _mark_below(bench, trigger.trigger_price)
        await bench.outside.sleep(ASIDE.total_seconds())
        (position,) = await bench.client.positions()
    assert position.quantity == trigger.order.quantity


async def _mark_below(bench: Bench, price: Decimal) -> None:
    await until(lambda: bench.client.mark(bench.symbol), lambda mark: mark.mark < price)


# ---- fill or kill, too late ------------------------------------------------------------------------------------------


@card("O06", C.FOK)
async def a_fill_or_kill_that_cannot_fill_whole_fills_nothing(bench: Bench) -> None:
    """Before: flat. Do: send a fill-or-kill below the market, then one through it. Expect: nothing, then all.

    Passed when the first ended with nothing filled, nothing rests, and the second filled whole.
    """
    killed = await bench.resting(time_in_force=TimeInForce.FOK)
    outcome = await bench.client.place(killed)
    if isinstance(outcome, Accepted):
        assert (await bench.ended(killed, outcome.report.venue_order_id)).filled_quantity == ZERO
    else:
        assert isinstance(outcome, Rejected), outcome
    assert len(await bench.client.open_orders(bench.symbol)) == 0
    await bench.filled(await bench.taking(time_in_force=TimeInForce.FOK))


@card("O07", C.ORDER_VALIDITY, wire=True)
async def a_leg_that_comes_too_late_is_refused(bench: Bench) -> None:
    """Before: requests will take longer on their way than the order is worth. Do: take. Expect: the venue refuses.

    Passed when the venue's engine never executed it, the account is flat, and the next order in time fills.
    """
    now = bench.now()
    intent = await bench.taking(created_at=now, valid_until=now + VALID_FOR)
    bench.wire.arm("delay", action="place", delay_ms=LATE_MS)
    outcome = await bench.client.place(replace(intent, valid_until=bench.now() + VALID_FOR))
    assert isinstance(outcome, Rejected), outcome
    assert await _never_filled(bench, intent)
    assert len(await bench.client.positions()) == 0
    await bench.filled(await bench.taking())


@card("O08", C.ORDER_VALIDITY)
async def an_order_whose_time_is_up_is_not_sent(bench: Bench) -> None:
    """Before: connected. Do: place an order that was worth something until a second ago. Expect: NotSent.

    Passed when the outcome says so and nothing is filled.
    """
    intent = await bench.taking(valid_until=bench.now() - timedelta(seconds=1))
    assert isinstance(await bench.client.place(intent), NotSent)
    assert len(await bench.client.positions()) == 0


async def _never_filled(bench: Bench, intent: OrderIntent) -> bool:
    said = await bench.client.order(intent, None)
    listed = not isinstance(said, OrderReport) or said.filled_quantity == ZERO
    return listed and all(Decimal(order["filled"]) == ZERO for order in _truth(bench, intent.client_order_id))


# ---- answers that do not come ----------------------------------------------------------------------------------------


@card("O09", C.BATCH_PLACE, wire=True)
async def a_lost_answer_to_a_batch_leaves_every_order_unknown(bench: Bench) -> None:
    """Before: the venue will act and cut the answer. Do: send a batch of two. Expect: Unknown for each.

    Passed when both are found at the venue by client id, without being sent again.
    """
    intents = [await bench.resting() for _ in range(2)]
    bench.wire.arm("lost_answer", action="place")
    outcomes = await bench.surface.desk.place_batch(intents)
    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    for intent in intents:
        await bench.reported(intent, lambda found: found.status is OrderStatus.ACCEPTED)
    assert isinstance(await bench.client.cancel_all(bench.symbol), CancelTaken)
    await until_true(lambda: all(o["status"] == "CANCELLED" for i in intents for o in _truth(bench, i.client_order_id)))
