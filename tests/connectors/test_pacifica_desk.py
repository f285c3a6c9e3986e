"""Pacifica's wider order desk against a small venue: what is signed, in how many requests, and what is concluded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from pacifica_fakes import OPEN_ROW, OTHER_ID, SmallVenue, T, client_of, intent, no, ok

from connectors.pacifica.auth import verifies
from connectors.pacifica.client import PacificaClient
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.account import MarginMode
from core.errors import NotOffered, PrecisionRefused, VenueRejected, VenueUnreachable
from core.order import OrderIntent, OrderStatus, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice


@pytest.fixture
def venue() -> SmallVenue:
    small = SmallVenue()
    small.replies["/account/settings"] = ok({"margin_settings": [{"symbol": "ETH", "isolated": False, "leverage": 7}]})
    return small


@pytest.fixture
async def client(venue: SmallVenue, stepped) -> PacificaClient:
    stepped.now = datetime.fromtimestamp(T / 1000, UTC)
    connected = client_of(venue, stepped.outside())
    await connected.connect()
    venue.requests.clear()
    return connected


def numbered(count: int) -> list[OrderIntent]:
    return [intent(client_order_id=f"12345678-1234-1234-1234-{n:012d}") for n in range(count)]


def answer_all(request: httpx.Request) -> httpx.Response:
    actions = json.loads(request.content)["actions"]
    return ok({"results": [{"success": True, "order_id": 100 + n, "error": None} for n in range(len(actions))]})


def actions_of(request: httpx.Request) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(request.content)["actions"]
    return found


# ---- batches


async def test_a_batch_goes_in_tens_each_action_signed_alone(client, venue) -> None:
    venue.replies["/orders/batch"] = answer_all
    outcomes = await client.desk.place_batch(numbered(12))

    sent = [actions_of(request) for request in venue.asked("/orders/batch")]
    assert [len(actions) for actions in sent] == [10, 2]
    bodies = [action["data"] for actions in sent for action in actions]
    assert all(action["type"] == "Create" for actions in sent for action in actions)
    assert all(verifies("create_order", body) for body in bodies)
    assert len({body["timestamp"] for body in bodies}) == 12
    assert [outcome.report.venue_order_id for outcome in outcomes] == [str(100 + n) for n in (*range(10), 0, 1)]
    assert [o.report.client_order_id for o in outcomes] == [i.client_order_id for i in numbered(12)]


async def test_what_cannot_go_keeps_its_place_in_the_answer(client, venue) -> None:
    venue.replies["/orders/batch"] = answer_all
    first, kill, late, last = numbered(4)
    kill = replace(kill, time_in_force=TimeInForce.FOK)
    late = replace(late, valid_until=late.created_at - timedelta(seconds=1))

    outcomes = await client.desk.place_batch([first, kill, late, last])

    assert [type(outcome) for outcome in outcomes] == [Accepted, NotSent, NotSent, Accepted]
    assert "fok" in outcomes[1].reason
    (request,) = venue.asked("/orders/batch")
    sent = [action["data"]["client_order_id"] for action in actions_of(request)]
    assert sent == [first.client_order_id, last.client_order_id]


async def test_nothing_of_a_batch_is_sent_when_one_order_is_off_the_grid(client, venue) -> None:
    good, bad = numbered(2)
    with pytest.raises(PrecisionRefused):
        await client.desk.place_batch([good, replace(bad, price=Decimal("3000.15"))])
    assert venue.requests == []


async def test_a_batch_without_an_answer_is_unknown_order_by_order(client, venue) -> None:
    venue.replies["/orders/batch"] = httpx.ReadTimeout("no answer")
    assert [type(o) for o in await client.desk.place_batch(numbered(2))] == [Unknown, Unknown]
    venue.replies["/orders/batch"] = httpx.ConnectError("refused")
    assert [type(o) for o in await client.desk.place_batch(numbered(2))] == [NotSent, NotSent]
    assert [type(o) for o in await client.desk.cancel_batch([(intent(), "7")])] == [NotSent]


async def test_cancels_go_by_either_id(client, venue) -> None:
    results = [{"success": True, "order_id": 7}, {"success": False, "error": "Failed to cancel order"}]
    venue.replies["/orders/batch"] = ok({"results": results})
    said = await client.desk.cancel_batch([(intent(), "7"), (intent(client_order_id=OTHER_ID), None)])

    assert [type(outcome) for outcome in said] == [CancelTaken, CancelRefused]
    (request,) = venue.asked("/orders/batch")
    by_id, by_client_id = (action["data"] for action in actions_of(request))
    assert (by_id["order_id"], by_client_id["client_order_id"]) == (7, OTHER_ID)
    assert all(verifies("cancel_order", body) for body in (by_id, by_client_id))


# ---- edits


def resting(**changes: object) -> OrderIntent:
    return intent(time_in_force=TimeInForce.POST_ONLY, **changes)


async def test_an_edit_is_accepted_under_its_new_id(client, venue) -> None:
    venue.replies["/orders/edit"] = ok({"order_id": 8})
    outcome = await client.desk.edit(resting(), "7", resting(price=Decimal(2990), quantity=Decimal("0.6")))

    assert isinstance(outcome, Accepted)
    assert outcome.report.venue_order_id == "8"
    body = venue.sent("/orders/edit")
    assert (body["order_id"], body["price"], body["amount"]) == (7, "2990", "0.6")
    assert verifies("edit_order", body)


@pytest.mark.parametrize(
    "changes",
    [{"time_in_force": TimeInForce.GTC}, {"side": Side.SELL}, {"client_order_id": OTHER_ID}, {"reduce_only": True}],
)
async def test_an_edit_into_something_else_is_not_offered(client, venue, changes) -> None:
    with pytest.raises(NotOffered):
        await client.desk.edit(resting(), "7", replace(resting(), **changes))
    assert venue.requests == []


async def test_an_edit_that_was_refused_may_have_lost_the_order(client, venue) -> None:
    venue.replies["/orders/edit"] = no(422, "PostOnly order would cross the book", 0)
    assert isinstance(await client.desk.edit(resting(), "7", resting(price=Decimal(2900))), Unknown)
    venue.replies["/orders/edit"] = httpx.ReadTimeout("no answer")
    assert isinstance(await client.desk.edit(resting(), "7", resting(price=Decimal(2900))), Unknown)


# ---- fill or kill, triggers


async def test_fill_or_kill_is_not_sent_as_something_else(client, venue) -> None:
    outcome = await client.place(intent(time_in_force=TimeInForce.FOK))
    assert isinstance(outcome, NotSent)
    assert "fok" in outcome.reason
    assert venue.requests == []


def trigger(kind: TriggerKind = TriggerKind.STOP_LOSS, **changes: object) -> TriggerIntent:
    order = intent(side=Side.SELL, reduce_only=True, price=Decimal(2900), time_in_force=TimeInForce.GTC)
    return replace(TriggerIntent(order, kind, Decimal(2950), TriggerPrice.MARK), **changes)


async def test_a_stop_loss_is_a_stop_order_that_names_what_watches_it(client, venue) -> None:
    venue.replies["/orders/stop/create"] = ok({"order_id": 9})
    outcome = await client.desk.place_trigger(trigger())

    assert isinstance(outcome, Accepted)
    assert outcome.report.venue_order_id == "9"
    body = venue.sent("/orders/stop/create")
    assert (body["side"], body["reduce_only"]) == ("ask", True)
    assert body["stop_order"] == {
        "stop_price": "2950", "limit_price": "2900", "amount": "0.5",
        "client_order_id": trigger().order.client_order_id, "trigger_price_type": "mark_price",
    }  # fmt: skip
    assert verifies("create_stop_order", body)


async def test_a_take_profit_is_the_positions_own_and_gets_no_id(client, venue) -> None:
    venue.replies["/positions/tpsl"] = ok(None)
    outcome = await client.desk.place_trigger(trigger(TriggerKind.TAKE_PROFIT, trigger_by=TriggerPrice.LAST))

    assert isinstance(outcome, Accepted)
    assert outcome.report.venue_order_id is None
    body = venue.sent("/positions/tpsl")
    assert body["take_profit"]["trigger_price_type"] == "last_trade_price"
    assert "stop_loss" not in body
    assert verifies("set_position_tpsl", body)


async def test_triggers_the_venue_lacks_are_not_offered(client, venue) -> None:
    opening = replace(trigger().order, reduce_only=False)
    for wrong in (trigger(trigger_by=TriggerPrice.INDEX), trigger(order=opening)):
        with pytest.raises(NotOffered):
            await client.desk.place_trigger(wrong)
    with pytest.raises(PrecisionRefused):
        await client.desk.place_trigger(trigger(trigger_price=Decimal("2950.05")))
    assert venue.requests == []


async def test_a_refused_trigger_is_rejected_and_a_lost_one_unknown(client, venue) -> None:
    venue.replies["/orders/stop/create"] = no(422, "Invalid stop order side", 17)
    assert await client.desk.place_trigger(trigger()) == Rejected("Invalid stop order side", "STOP_ORDER")
    venue.replies["/orders/stop/create"] = httpx.ReadTimeout("no answer")
    assert isinstance(await client.desk.place_trigger(trigger()), Unknown)


async def test_a_waiting_stop_is_listed_apart_and_cancelled_by_its_own_path(client, venue) -> None:
    stop = {**OPEN_ROW, "order_id": 9, "stop_price": "2950", "filled_amount": "0"}
    venue.replies["/orders"] = ok([OPEN_ROW, stop])
    venue.replies["/orders/stop/cancel"] = [ok(None), no(422, "Failed to cancel order", 5)]

    (waiting,) = await client.desk.open_triggers("ETH/USD")

    assert (waiting.venue_order_id, waiting.status) == ("9", OrderStatus.ACCEPTED)
    assert await client.desk.open_triggers("BTC/USD") == []
    assert isinstance(await client.desk.cancel_trigger(trigger(), "9"), CancelTaken)
    assert isinstance(await client.desk.cancel_trigger(trigger(), None), CancelRefused)
    first, second = (json.loads(request.content) for request in venue.asked("/orders/stop/cancel"))
    assert (first["order_id"], second["client_order_id"]) == (9, trigger().order.client_order_id)
    assert all(verifies("cancel_stop_order", body) for body in (first, second))


# ---- leverage and margin mode


async def test_leverage_is_set_and_read_back(client, venue) -> None:
    venue.replies["/account/leverage"] = ok(None)
    held = await client.desk.set_leverage("ETH/USD", Decimal(7))

    assert (held.leverage, held.mode) == (Decimal(7), MarginMode.CROSS)
    body = venue.sent("/account/leverage")
    assert body["leverage"] == 7
    assert verifies("update_leverage", body)


async def test_a_leverage_that_cannot_be_is_refused(client, venue) -> None:
    for wrong in (Decimal("2.5"), Decimal(0)):
        with pytest.raises(VenueRejected):
            await client.desk.set_leverage("ETH/USD", wrong)
    assert venue.requests == []
    venue.replies["/account/leverage"] = no(422, "Cannot decrease leverage with open position.: 3", 11)
    with pytest.raises(VenueRejected, match="Cannot decrease leverage"):
        await client.desk.set_leverage("ETH/USD", Decimal(3))
    venue.replies["/account/leverage"] = httpx.ReadTimeout("no answer")
    with pytest.raises(VenueUnreachable):
        await client.desk.set_leverage("ETH/USD", Decimal(3))


async def test_the_margin_mode_is_set_and_read_back(client, venue) -> None:
    venue.replies["/account/margin"] = ok(None)
    venue.replies["/account/settings"] = ok([{"symbol": "ETH", "isolated": True, "leverage": 3}])
    held = await client.desk.set_margin_mode("ETH/USD", MarginMode.ISOLATED)

    assert (held.leverage, held.mode) == (Decimal(3), MarginMode.ISOLATED)
    assert venue.sent("/account/margin")["is_isolated"] is True


async def test_orders_of_another_account_are_not_sent(client, venue) -> None:
    foreign = replace(intent(), account_id="acc-2")
    assert [type(o) for o in await client.desk.place_batch([foreign])] == [NotSent]
    assert isinstance(await client.desk.edit(foreign, "7", foreign), NotSent)
    assert isinstance(await client.desk.place_trigger(trigger(order=replace(foreign, reduce_only=True))), NotSent)
    assert venue.requests == []


async def test_an_edit_toward_the_other_side_is_not_sent(client, venue) -> None:
    outcome = await client.desk.edit(resting(), "7", resting(price=resting().price + Decimal(1)))
    assert isinstance(outcome, NotSent)
    assert venue.requests == []
