"""The wider order desk of Paradex: what is signed and sent, what never leaves, what an answer means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import fast_stark_crypto
import httpx
import pytest
from paradex_fakes import (
    ACCOUNT,
    CHAIN,
    CID,
    ENDPOINTS,
    NOW,
    TIMEOUTS,
    ScriptedVenue,
    ShortSleeps,
    intent,
    keys,
    order_row,
    refuses,
    says,
)

from connectors.paradex.auth import OrderFields, Signer, StarkKey, best_curve
from connectors.paradex.client import ParadexClient
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.account import MarginMode
from core.errors import PrecisionRefused, VenueRejected, VenueUnreachable
from core.order import OrderIntent, OrderType, Side, TimeInForce, TriggerIntent, TriggerKind, TriggerPrice

ORDER_ID = order_row()["id"]
BATCH = "/v1/orders/batch"
MARGIN = {"account": "0x1", "configs": [{"market": "ETH-USD-PERP", "margin_type": "CROSS", "leverage": 50}]}


@pytest.fixture
def venue() -> ScriptedVenue:
    return ScriptedVenue()


@pytest.fixture
async def client(venue: ScriptedVenue) -> AsyncIterator[ParadexClient]:
    opened = ParadexClient("par-1", keys(), ENDPOINTS, ShortSleeps().outside(), TIMEOUTS, transport=venue.transport)
    await opened.connect()
    yield opened
    await opened.aclose()


def resting(**changes: Any) -> OrderIntent:
    """A GTC limit buy of 0.5 ETH at 3000.01."""
    return intent(**({"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC} | changes))


def stop(**changes: Any) -> TriggerIntent:
    """A stop-loss that sells 0.5 ETH below 2950, not below 2900."""
    order = resting(side=Side.SELL, price=Decimal(2900), reduce_only=True)
    plain = TriggerIntent(order, TriggerKind.STOP_LOSS, Decimal(2950), TriggerPrice.MARK)
    return replace(plain, **changes)


def sent(venue: ScriptedVenue, route: str) -> list[Any]:
    return [json.loads(request.content) for request in venue.asked(route)]


def _lost(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


def is_signed(body: dict[str, Any], *, changes_id: str | None = None) -> bool:
    """Check a body's signature against its own texts."""
    key = StarkKey.of(keys())
    signer = Signer(key, CHAIN, best_curve())
    side = Side.BUY if body["side"] == "BUY" else Side.SELL
    fields = OrderFields(
        body["signature_timestamp"], body["market"], side, body["type"], Decimal(body["size"]), Decimal(body["price"])
    )
    digest = signer.order_hash(fields) if changes_id is None else signer.modification_hash(fields, changes_id)
    r, s = (int(part) for part in json.loads(body["signature"]))
    return bool(fast_stark_crypto.verify(int(ACCOUNT["l2_public_key"], 16), digest, r, s))


# --- batches ------------------------------------------------------------------------------------------


async def test_a_batch_is_one_request_of_orders_signed_one_by_one(client: ParadexClient, venue: ScriptedVenue) -> None:
    intents = [resting(client_order_id=f"cid-{n}", quantity=Decimal("0.1") * (n + 1)) for n in range(3)]
    rows = [order_row(id=f"7{n}", client_id=f"cid-{n}") for n in range(3)]
    venue.on(f"POST {BATCH}", says(201, {"orders": rows[::-1], "errors": []}))

    outcomes = await client.desk.place_batch(intents)

    (bodies,) = sent(venue, f"POST {BATCH}")
    assert [body["client_id"] for body in bodies] == ["cid-0", "cid-1", "cid-2"]
    assert all(is_signed(body) and body["stp"] == "EXPIRE_BOTH" and body["recv_window"] == 4000 for body in bodies)
    assert len({body["signature_timestamp"] for body in bodies}) == 3
    assert [o.report.venue_order_id for o in outcomes if isinstance(o, Accepted)] == ["70", "71", "72"]


async def test_more_than_ten_orders_are_several_requests(client: ParadexClient, venue: ScriptedVenue) -> None:
    def take(request: httpx.Request) -> httpx.Response:
        rows = [order_row(client_id=body["client_id"]) for body in json.loads(request.content)]
        return httpx.Response(201, json={"orders": rows, "errors": []})

    venue.on(f"POST {BATCH}", take)

    outcomes = await client.desk.place_batch([resting(client_order_id=f"cid-{n}") for n in range(23)])

    assert [len(bodies) for bodies in sent(venue, f"POST {BATCH}")] == [10, 10, 3]
    assert [o.report.client_order_id for o in outcomes if isinstance(o, Accepted)] == [f"cid-{n}" for n in range(23)]


async def test_a_lost_answer_leaves_a_whole_batch_unknown_and_it_is_never_sent_again(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"POST {BATCH}", _lost)

    outcomes = await client.desk.place_batch([resting(client_order_id=f"cid-{n}") for n in range(2)])

    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    assert len(venue.asked(f"POST {BATCH}")) == 1


async def test_one_order_off_the_grid_keeps_the_whole_batch_here(client: ParadexClient, venue: ScriptedVenue) -> None:
    with pytest.raises(PrecisionRefused):
        await client.desk.place_batch([resting(), resting(client_order_id="x", price=Decimal("3000.001"))])

    assert venue.asked(f"POST {BATCH}") == []


async def test_what_cannot_be_sent_stays_here_and_the_rest_of_the_batch_goes(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"POST {BATCH}", says(201, {"orders": [order_row(client_id="good")], "errors": []}))
    late = resting(client_order_id="late", valid_until=NOW - timedelta(seconds=1))
    kill = resting(client_order_id="kill", time_in_force=TimeInForce.FOK)

    outcomes = await client.desk.place_batch([late, resting(client_order_id="good"), kill])

    assert [type(outcome) for outcome in outcomes] == [NotSent, Accepted, NotSent]
    assert [[body["client_id"] for body in bodies] for bodies in sent(venue, f"POST {BATCH}")] == [["good"]]


async def test_a_client_id_twice_in_one_batch_is_a_defect_of_the_caller(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    with pytest.raises(ValueError, match="twice"):
        await client.desk.place_batch([resting(), resting()])
    with pytest.raises(ValueError, match="belongs to"):
        await client.desk.place_batch([resting(account_id="another")])
    assert venue.asked(f"POST {BATCH}") == []


async def test_a_batch_of_cancels_names_venue_ids_where_known_else_client_ids(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    rows = [
        {"id": "71", "status": "QUEUED_FOR_CANCELLATION"},
        {"id": "72", "client_id": "b", "status": "ALREADY_CLOSED"},
    ]
    venue.on(f"DELETE {BATCH}", {"results": rows})

    outcomes = await client.desk.cancel_batch(
        [(resting(client_order_id="a"), "71"), (resting(client_order_id="b"), None)]
    )

    assert sent(venue, f"DELETE {BATCH}") == [{"order_ids": ["71"], "client_order_ids": ["b"]}]
    assert outcomes == (CancelTaken(), CancelRefused("ALREADY_CLOSED"))


async def test_a_batch_of_cancels_refused_for_its_token_goes_once_more(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    taken = {"results": [{"id": "71", "status": "QUEUED_FOR_CANCELLATION"}]}
    venue.on(f"DELETE {BATCH}", says(401, {"message": "token is expired by 3s"}), says(200, taken))

    assert await client.desk.cancel_batch([(resting(), "71")]) == (CancelTaken(),)
    assert len({r.headers["authorization"] for r in venue.asked(f"DELETE {BATCH}")}) == 2


# --- fill or kill -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order_type", OrderType)
async def test_a_fill_or_kill_is_never_sent_as_something_else(
    client: ParadexClient, venue: ScriptedVenue, order_type: OrderType
) -> None:
    outcome = await client.place(intent(type=order_type, time_in_force=TimeInForce.FOK))

    assert isinstance(outcome, NotSent)
    assert "fill-or-kill" in outcome.reason
    assert venue.asked("POST /v1/orders") == []


# --- edits --------------------------------------------------------------------------------------------


async def test_an_edit_is_signed_as_a_change_of_that_order(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on(f"PUT /v1/orders/{ORDER_ID}", order_row(size="0.7", remaining_size="0.7", status="OPEN"))
    wanted = resting(price=Decimal("2990.5"), quantity=Decimal("0.7"))

    outcome = await client.desk.edit(resting(), ORDER_ID, wanted)

    (body,) = sent(venue, f"PUT /v1/orders/{ORDER_ID}")
    assert (body["id"], body["price"], body["size"]) == (ORDER_ID, "2990.5", "0.7")
    assert is_signed(body, changes_id=ORDER_ID)
    assert not is_signed(body)
    assert isinstance(outcome, Accepted)
    assert outcome.report.venue_order_id == ORDER_ID


@pytest.mark.parametrize(
    "change",
    [
        {"side": Side.SELL},
        {"time_in_force": TimeInForce.POST_ONLY},
        {"reduce_only": True},
        {"client_order_id": "another"},
        {"valid_until": NOW},
    ],
)
async def test_an_edit_that_the_venue_could_not_carry_out_as_meant_is_not_sent(
    client: ParadexClient, venue: ScriptedVenue, change: dict[str, Any]
) -> None:
    outcome = await client.desk.edit(resting(), ORDER_ID, resting(**change))

    assert isinstance(outcome, NotSent)
    assert venue.asked(f"PUT /v1/orders/{ORDER_ID}") == []


async def test_an_edit_of_a_closed_order_is_rejected_and_a_lost_answer_is_unknown(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"PUT /v1/orders/{ORDER_ID}", refuses(400, "ORDER_IS_CLOSED"), _lost)

    first, second = [await client.desk.edit(resting(), ORDER_ID, resting()) for _ in range(2)]

    assert isinstance(first, Rejected)
    assert first.code == "ORDER_IS_CLOSED"
    assert isinstance(second, Unknown)


# --- triggers -----------------------------------------------------------------------------------------


async def test_a_trigger_is_signed_and_carries_price_bound_and_prevention(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("POST /v1/orders", says(201, order_row(status="UNTRIGGERED", side="SELL")))

    outcome = await client.desk.place_trigger(stop())

    (body,) = sent(venue, "POST /v1/orders")
    assert (body["type"], body["trigger_price"], body["price"]) == ("STOP_LOSS_LIMIT", "2950", "2900")
    assert (body["stp"], body["flags"], body["instruction"]) == ("EXPIRE_BOTH", ["REDUCE_ONLY"], "GTC")
    assert is_signed(body)
    assert isinstance(outcome, Accepted)


@pytest.mark.parametrize(
    "trigger",
    [
        stop(trigger_by=TriggerPrice.LAST),
        stop(trigger_by=TriggerPrice.INDEX),
        stop(order=replace(stop().order, reduce_only=False)),
        stop(order=replace(stop().order, time_in_force=TimeInForce.IOC)),
        stop(order=replace(stop().order, type=OrderType.MARKET)),
        stop(order=replace(stop().order, time_in_force=TimeInForce.FOK)),
    ],
)
async def test_a_trigger_that_the_venue_cannot_hold_as_meant_is_not_sent(
    client: ParadexClient, venue: ScriptedVenue, trigger: TriggerIntent
) -> None:
    assert isinstance(await client.desk.place_trigger(trigger), NotSent)
    assert venue.asked("POST /v1/orders") == []


async def test_a_trigger_price_off_the_tick_is_refused_here(client: ParadexClient, venue: ScriptedVenue) -> None:
    with pytest.raises(PrecisionRefused):
        await client.desk.place_trigger(stop(trigger_price=Decimal("2950.001")))
    assert venue.asked("POST /v1/orders") == []


async def test_waiting_orders_are_the_desks_and_resting_ones_the_clients(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    rows = [order_row(id="1", status="UNTRIGGERED"), order_row(id="2", status="OPEN", client_id="other")]
    venue.on("GET /v1/orders", {"results": rows})

    assert [report.venue_order_id for report in await client.desk.open_triggers("ETH/USD")] == ["1"]
    assert [report.venue_order_id for report in await client.open_orders("ETH/USD")] == ["2"]


async def test_a_trigger_is_cancelled_by_either_id(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("DELETE /v1/orders/71", says(204))
    venue.on(f"DELETE /v1/orders/by_client_id/{CID}", refuses(400, "ORDER_IS_CLOSED"))

    assert await client.desk.cancel_trigger(stop(), "71") == CancelTaken()
    assert isinstance(await client.desk.cancel_trigger(stop(), None), CancelRefused)


# --- margin -------------------------------------------------------------------------------------------


async def test_leverage_is_set_in_the_mode_that_is(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/account/margin", MARGIN)
    venue.on(
        "POST /v1/account/margin/ETH-USD-PERP",
        {"account": "0x1", "market": "ETH-USD-PERP", "leverage": 7, "margin_type": "CROSS"},
    )

    said = await client.desk.set_leverage("ETH/USD", Decimal(7))

    assert sent(venue, "POST /v1/account/margin/ETH-USD-PERP") == [{"leverage": 7, "margin_type": "CROSS"}]
    assert (said.leverage, said.mode) == (7, MarginMode.CROSS)


async def test_a_mode_that_is_refused_says_the_venues_words(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/account/margin", MARGIN)
    venue.on("POST /v1/account/margin/ETH-USD-PERP", refuses(400, "VALIDATION_ERROR", "isolated margin is off"))

    with pytest.raises(VenueRejected, match="isolated margin is off"):
        await client.desk.set_margin_mode("ETH/USD", MarginMode.ISOLATED)


async def test_a_lost_answer_about_leverage_is_not_taken_for_success(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("GET /v1/account/margin", MARGIN)
    venue.on("POST /v1/account/margin/ETH-USD-PERP", _lost)

    with pytest.raises(VenueUnreachable):
        await client.desk.set_leverage("ETH/USD", Decimal(7))


@pytest.mark.parametrize("leverage", [Decimal("2.5"), Decimal(0), Decimal(-3)])
async def test_leverage_is_a_whole_number_from_one(
    client: ParadexClient, venue: ScriptedVenue, leverage: Decimal
) -> None:
    with pytest.raises(PrecisionRefused):
        await client.desk.set_leverage("ETH/USD", leverage)
    assert venue.asked("GET /v1/account/margin") == []


async def test_an_edit_toward_the_other_side_is_not_sent(client: ParadexClient, venue: ScriptedVenue) -> None:
    outcome = await client.desk.edit(resting(), ORDER_ID, resting(price=resting().price + Decimal(1)))
    assert isinstance(outcome, NotSent)
    assert venue.asked(f"PUT /v1/orders/{ORDER_ID}") == []
