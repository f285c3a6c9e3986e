"""Backpack's wider order desk over a scripted transport: batches, triggers, leverage, and what is not offered."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from backpack_samples import ACCOUNT, KEYS, MARK_PRICES, NOW, intent, order_row
from backpack_venue import ScriptedVenue, connected
from nacl.signing import VerifyKey

from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.account import MarginMode
from core.errors import NotOffered, PrecisionRefused, VenueRejected, VenueUnreachable
from core.ids import uint32_of
from core.order import OrderIntent, OrderStatus, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice

D = Decimal
BATCH, ORDER, ACCOUNT_PATH = "POST /api/v1/orders", "POST /api/v1/order", "PATCH /api/v1/account"


@pytest.fixture
def venue(stepped) -> ScriptedVenue:
    stepped.now = NOW
    return ScriptedVenue(stepped.clock)


def several(number: int) -> list[OrderIntent]:
    """Bids at one price, none of which could meet another."""
    return [intent(client_order_id=f"order-{n}", time_in_force=TimeInForce.POST_ONLY) for n in range(number)]


def taking_all(request: httpx.Request) -> httpx.Response:
    """Answer each order of a batch with its own row."""
    rows = [
        {"operation": "Ok"} | order_row(clientId=one["clientId"], id=str(one["clientId"]))
        for one in json.loads(request.content)
    ]
    return httpx.Response(200, json=rows)


def trigger(**changes: object) -> TriggerIntent:
    """A stop-loss of a long: it sells once the mark has fallen to 2900, never below 2850."""
    order = intent(side=Side.SELL, price=D(2850), reduce_only=True, time_in_force=TimeInForce.IOC)
    plain = TriggerIntent(order, TriggerKind.STOP_LOSS, D(2900), TriggerPrice.MARK)
    return replace(plain, **changes)


# ---- batches ---------------------------------------------------------------------------------------------------------


async def test_a_batch_signs_the_instruction_once_for_each_order(stepped, venue) -> None:
    venue.on(BATCH, taking_all)
    client = await connected(stepped, venue)
    outcomes = await client.desk.place_batch(several(2))
    assert [type(one) for one in outcomes] == [Accepted, Accepted]
    (sent,) = venue.asked(BATCH)
    body = json.loads(sent.content)
    pairs = ["instruction=orderExecute&" + "&".join(f"{k}={_text(part[k])}" for k in sorted(part)) for part in body]
    stamp, window = sent.headers["X-Timestamp"], sent.headers["X-Window"]
    text = "&".join(pairs) + f"&timestamp={stamp}&window={window}"
    VerifyKey(base64.b64decode(KEYS.api_key)).verify(text.encode(), base64.b64decode(sent.headers["X-Signature"]))
    assert {part["selfTradePrevention"] for part in body} == {"RejectBoth"}
    assert [part["clientId"] for part in body] == [uint32_of("order-0"), uint32_of("order-1")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def test_a_long_batch_becomes_several_requests_with_one_outcome_an_order(stepped, venue) -> None:
    venue.on(BATCH, taking_all)
    client = await connected(stepped, venue)
    outcomes = await client.desk.place_batch(several(45))
    assert [len(json.loads(sent.content)) for sent in venue.asked(BATCH)] == [20, 20, 5]
    named = [one.report.client_order_id for one in outcomes if isinstance(one, Accepted)]
    assert named == [f"order-{n}" for n in range(45)]


async def test_orders_that_could_meet_each_other_are_never_sent_together(stepped, venue) -> None:
    client = await connected(stepped, venue)
    buy, sell = intent(client_order_id="b"), intent(client_order_id="s", side=Side.SELL)
    outcomes = await client.desk.place_batch([buy, replace(sell, price=buy.price)])
    assert [type(one) for one in outcomes] == [NotSent, NotSent]
    assert venue.asked(BATCH) == []


async def test_an_order_off_the_grid_stops_the_batch_before_anything_is_signed(stepped, venue) -> None:
    client = await connected(stepped, venue)
    with pytest.raises(PrecisionRefused):
        await client.desk.place_batch([*several(21), intent(client_order_id="odd", price=D("3000.001"))])
    assert venue.asked(BATCH) == []


async def test_an_order_whose_32_bits_stand_for_another_is_left_out_of_the_batch(stepped, venue) -> None:
    venue.on(BATCH, taking_all)
    client = await connected(stepped, venue)
    assert uint32_of("order-19537") == uint32_of("order-32133")
    outcomes = await client.desk.place_batch([intent(client_order_id=f"order-{n}") for n in (19537, 32133)])
    assert [type(one) for one in outcomes] == [Accepted, NotSent]


async def test_a_batch_is_worth_what_its_first_order_to_expire_is_worth(stepped, venue) -> None:
    venue.on(BATCH, taking_all)
    client = await connected(stepped, venue)
    first, second = several(2)
    await client.desk.place_batch([first, replace(second, valid_until=NOW + timedelta(seconds=1))])
    assert venue.asked(BATCH)[0].headers["X-Window"] == "999"
    late = replace(first, client_order_id="late", valid_until=NOW - timedelta(seconds=1))
    assert [type(one) for one in await client.desk.place_batch([late])] == [NotSent]


async def test_an_answer_that_did_not_come_leaves_each_order_of_the_batch_unknown(stepped, venue) -> None:
    venue.on(BATCH, httpx.ReadTimeout("t"))
    client = await connected(stepped, venue)
    assert [type(one) for one in await client.desk.place_batch(several(2))] == [Unknown, Unknown]
    assert len(venue.asked(BATCH)) == 1


async def test_an_empty_batch_asks_nothing(stepped, venue) -> None:
    assert await (await connected(stepped, venue)).desk.place_batch([]) == ()


# ---- triggers --------------------------------------------------------------------------------------------------------


async def test_a_trigger_is_sent_with_its_price_and_quantity_and_always_reduces(stepped, venue) -> None:
    venue.on("GET /api/v1/markPrices", httpx.Response(200, json=MARK_PRICES))
    waiting = order_row(side="Ask", status="TriggerPending", triggerPrice="2900", quantity=None)
    venue.on(ORDER, httpx.Response(200, json=waiting))
    client = await connected(stepped, venue)
    outcome = await client.desk.place_trigger(trigger())
    assert isinstance(outcome, Accepted)
    assert (outcome.report.status, outcome.report.filled_quantity) == (OrderStatus.ACCEPTED, 0)
    sent = json.loads(venue.asked(ORDER)[0].content)
    assert {"triggerPrice": "2900", "triggerBy": "MarkPrice", "triggerQuantity": "0.5"}.items() <= sent.items()
    assert (sent["price"], sent["reduceOnly"], sent["selfTradePrevention"]) == ("2850", True, "RejectBoth")
    assert "quantity" not in sent


@pytest.mark.parametrize(
    ("side", "kind", "price", "is_sent"),
    [
        (Side.SELL, TriggerKind.STOP_LOSS, "2900", True),
        (Side.SELL, TriggerKind.STOP_LOSS, "3100", False),
        (Side.SELL, TriggerKind.TAKE_PROFIT, "3100", True),
        (Side.SELL, TriggerKind.TAKE_PROFIT, "2900", False),
        (Side.BUY, TriggerKind.STOP_LOSS, "3100", True),
        (Side.BUY, TriggerKind.STOP_LOSS, "2900", False),
        (Side.BUY, TriggerKind.TAKE_PROFIT, "2900", True),
        (Side.BUY, TriggerKind.TAKE_PROFIT, "3100", False),
    ],
)
async def test_a_trigger_whose_price_is_passed_is_not_sent(stepped, venue, side, kind, price, is_sent) -> None:
    venue.on("GET /api/v1/markPrices", httpx.Response(200, json=MARK_PRICES))
    venue.on(ORDER, httpx.ReadTimeout("t"))
    client = await connected(stepped, venue)
    order = replace(trigger().order, side=side, price=D(price))
    outcome = await client.desk.place_trigger(trigger(order=order, kind=kind, trigger_price=D(price)))
    assert type(outcome) is (Unknown if is_sent else NotSent)
    assert len(venue.asked(ORDER)) == is_sent


async def test_a_trigger_price_off_the_grid_is_refused_before_it_is_signed(stepped, venue) -> None:
    client = await connected(stepped, venue)
    with pytest.raises(PrecisionRefused):
        await client.desk.place_trigger(trigger(trigger_price=D("2900.001")))


async def test_waiting_triggers_are_listed_apart_from_resting_orders(stepped, venue) -> None:
    rows = [order_row(id="1"), order_row(id="2", status="TriggerPending", triggerPrice="2900")]
    venue.on("GET /api/v1/orders", httpx.Response(200, json=rows))
    client = await connected(stepped, venue)
    assert [one.venue_order_id for one in await client.desk.open_triggers("ETH/USD")] == ["2"]
    assert [one.venue_order_id for one in await client.open_orders("ETH/USD")] == ["1"]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (httpx.Response(202), CancelTaken),
        (httpx.Response(400, json={"code": "INVALID_CLIENT_REQUEST", "message": "Order not found"}), CancelRefused),
        (httpx.ReadTimeout("t"), Unknown),
    ],
)
async def test_a_trigger_is_cancelled_like_an_order(stepped, venue, reply, outcome) -> None:
    venue.on("DELETE /api/v1/order", reply)
    client = await connected(stepped, venue)
    assert type(await client.desk.cancel_trigger(trigger(), "77")) is outcome
    assert json.loads(venue.asked("DELETE /api/v1/order")[0].content) == {"symbol": "ETH_USDC_PERP", "orderId": "77"}


# ---- leverage, and what is not offered -------------------------------------------------------------------------------


async def test_the_leverage_that_the_venue_holds_afterwards_is_returned(stepped, venue) -> None:
    venue.on(ACCOUNT_PATH, httpx.Response(200))
    client = await connected(stepped, venue)
    venue.on("GET /api/v1/account", httpx.Response(200, json=ACCOUNT | {"leverageLimit": "4"}))
    held = await client.desk.set_leverage("ETH/USD", D("5.0"))
    assert held.leverage == D(4), "what the venue says counts, not what was asked for"
    assert json.loads(venue.asked(ACCOUNT_PATH)[0].content) == {"leverageLimit": "5"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(400, json={"code": "MAX_LEVERAGE_REACHED", "message": "too high"}), VenueRejected),
        (httpx.Response(500), VenueUnreachable),
        (httpx.ReadTimeout("t"), VenueUnreachable),
    ],
)
async def test_a_leverage_that_was_not_set_for_certain_raises(stepped, venue, reply, error) -> None:
    venue.on(ACCOUNT_PATH, reply)
    client = await connected(stepped, venue)
    with pytest.raises(error):
        await client.desk.set_leverage("ETH/USD", D(5))


async def test_edits_batch_cancels_and_isolated_margin_are_not_offered(stepped, venue) -> None:
    desk = (await connected(stepped, venue)).desk
    with pytest.raises(NotOffered, match="changes an order"):
        await desk.edit(intent(), "1", intent(price=D(2999)))
    with pytest.raises(NotOffered, match="cancels several"):
        await desk.cancel_batch([(intent(), "1")])
    with pytest.raises(NotOffered, match="share the collateral"):
        await desk.set_margin_mode("ETH/USD", MarginMode.ISOLATED)


async def test_a_batch_refused_as_a_whole_is_a_no_to_each(stepped, venue) -> None:
    venue.on(
        BATCH, httpx.Response(400, json={"code": "INVALID_CLIENT_REQUEST", "message": "Quantity decimal too long"})
    )
    client = await connected(stepped, venue)
    assert [type(one) for one in await client.desk.place_batch(several(2))] == [Rejected, Rejected]
