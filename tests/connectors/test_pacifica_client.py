"""The Pacifica client against a small venue at the transport's hole: what it asks, sends, and concludes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from pacifica_fakes import (
    ACCOUNT,
    CLIENT_ID,
    EVENT_ROW,
    OPEN_ROW,
    OTHER_ID,
    PRICE_ROW,
    SmallVenue,
    T,
    client_of,
    history_row,
    intent,
    no,
    ok,
    trade_row,
)
from pydantic import SecretStr

from connectors.pacifica.auth import verifies
from connectors.pacifica.client import PacificaClient
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotFound, NotSent, Rejected, Unknown
from core.errors import PrecisionRefused, ProtocolViolation, RateLimited, VenueUnavailable, VenueUnreachable
from core.instrument import Venue
from core.order import OrderStatus


@pytest.fixture
def venue() -> SmallVenue:
    return SmallVenue()


@pytest.fixture
async def client(venue: SmallVenue, stepped) -> PacificaClient:
    stepped.now = datetime.fromtimestamp(T / 1000, UTC)
    connected = client_of(venue, stepped.outside())
    await connected.connect()
    venue.requests.clear()
    return connected


# ---- placing


async def test_an_order_is_sent_once_signed_and_accepted_by_its_id(client, venue) -> None:
    outcome = await client.place(intent())
    assert isinstance(outcome, Accepted)
    report = outcome.report
    assert (report.venue_order_id, report.client_order_id, report.status) == ("7", CLIENT_ID, OrderStatus.ACCEPTED)
    assert report.filled_quantity == 0
    body = venue.sent("/orders/create")
    assert verifies("create_order", body)
    # 4 s are left; the Date header cuts off 0.456 s, so the clock is 0.044 s off by its middle, with 0.5 s of doubt:
    # the window begins as much earlier and ends as much earlier as the venue's clock may be behind.
    assert (body["timestamp"], body["expiry_window"]) == (T - 544, 4000)
    assert (body["tif"], body["price"], body["amount"], body["side"]) == ("IOC", "3000.1", "0.5", "bid")
    assert "type" not in body


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (no(422, "Insufficient balance for x: 1 (account value: 0)", 5), Rejected),
        (httpx.Response(400, text="Verification failed"), Rejected),
        (httpx.Response(429, text="Rate limit exceeded"), Rejected),
        (httpx.Response(500, text="Internal server error"), Unknown),
        (httpx.Response(504, text="Request timed out"), Unknown),
        (httpx.Response(200, text="<html>"), Unknown),
        (no(422, f"Duplicate client order id: {CLIENT_ID}", 36), Unknown),
        (httpx.ReadTimeout("no answer"), Unknown),
        (httpx.RemoteProtocolError("cut"), Unknown),
        (httpx.ConnectError("refused"), NotSent),
    ],
)
async def test_outcomes_of_an_order_and_never_a_second_try(client, venue, reply, outcome) -> None:
    venue.replies["/orders/create"] = reply
    assert isinstance(await client.place(intent()), outcome)
    assert len(venue.asked("/orders/create")) == 1


async def test_what_is_off_the_grid_never_leaves(client, venue) -> None:
    with pytest.raises(PrecisionRefused):
        await client.place(intent(price=Decimal("3000.15")))
    assert venue.requests == []


@pytest.mark.parametrize(
    "changes", [{"symbol": "BTC/USD"}, {"account_id": "acc-2"}, {"venue": Venue.PARADEX}, {"valid_until": None}]
)
async def test_an_intent_that_is_not_ours_or_out_of_time_is_not_sent(client, venue, stepped, changes) -> None:
    if changes.get("valid_until", 0) is None:
        changes = {"valid_until": stepped.now}
    assert isinstance(await client.place(intent(**changes)), NotSent)
    assert venue.requests == []


async def test_a_spent_budget_makes_an_order_not_sent_and_leaves_the_reserve_to_cancels_and_repairs(
    client, venue
) -> None:
    venue.headers = {"ratelimit": '"credits";r=50;t=32', "ratelimit-policy": '"credits";q=1000;w=60'}
    assert isinstance(await client.place(intent()), Accepted)
    assert isinstance(await client.place(intent()), NotSent)
    assert isinstance(await client.cancel(intent(), "7"), CancelTaken)
    assert isinstance(await client.place(intent(reduce_only=True)), Accepted)
    assert isinstance(await client.place(intent(evens_out=True)), Accepted)


async def test_reads_that_spent_their_part_keep_no_order_from_being_sent(client, venue) -> None:
    venue.headers = {"ratelimit": '"credits";r=100;t=32', "ratelimit-policy": '"credits";q=1000;w=60'}
    assert isinstance(await client.place(intent()), Accepted)
    assert isinstance(await client.place(intent()), Accepted)


async def test_no_two_requests_carry_the_same_stamp(client, venue) -> None:
    await client.cancel(intent(), "7")
    await client.cancel(intent(), "7")
    stamps = [json.loads(request.content)["timestamp"] for request in venue.asked("/orders/cancel")]
    assert stamps[0] < stamps[1]


async def test_a_clock_far_off_is_signed_in_the_venues_time(venue, stepped) -> None:
    stepped.now = datetime.fromtimestamp(T / 1000, UTC) - timedelta(minutes=10)
    late = client_of(venue, stepped.outside())
    await late.connect()
    await late.place(intent(created_at=stepped.now, valid_until=stepped.now + timedelta(seconds=5)))
    body = venue.sent("/orders/create")
    assert abs(int(str(body["timestamp"])) - T) < 1500
    ends = datetime.fromtimestamp((body["timestamp"] + body["expiry_window"]) / 1000, UTC)
    assert timedelta(seconds=3) < ends - datetime.fromtimestamp(T / 1000, UTC) < timedelta(seconds=5)


# ---- cancelling


async def test_a_cancel_goes_by_order_id_or_else_by_client_id(client, venue) -> None:
    assert isinstance(await client.cancel(intent(), "7"), CancelTaken)
    assert venue.sent("/orders/cancel")["order_id"] == 7
    venue.requests.clear()
    venue.replies["/orders/cancel"] = no(422, "Failed to cancel order", 5)
    assert isinstance(await client.cancel(intent(), None), CancelRefused)
    body = venue.sent("/orders/cancel")
    assert body["client_order_id"] == CLIENT_ID
    assert verifies("cancel_order", body)


async def test_cancel_all_takes_one_market(client, venue) -> None:
    assert isinstance(await client.cancel_all("ETH/USD"), CancelTaken)
    body = venue.sent("/orders/cancel_all")
    assert (body["symbol"], body["all_symbols"]) == ("ETH", False)
    assert verifies("cancel_all_orders", body)


# ---- asking what became of an order


async def test_a_resting_order_is_found_among_the_open_ones(client, venue) -> None:
    venue.replies["/orders"] = ok([{**OPEN_ROW, "client_order_id": OTHER_ID}, OPEN_ROW], last_order_id=9)
    report = await client.order(intent(), None)
    assert (report.status, report.filled_quantity) == (OrderStatus.ACCEPTED, Decimal("0.2"))


async def test_a_finished_order_is_found_by_its_events(client, venue) -> None:
    venue.replies["/orders/history_by_id"] = ok([EVENT_ROW])
    report = await client.order(intent(), "7")
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.5"))
    assert venue.asked("/orders/history") == []


async def test_a_lost_order_is_found_by_client_id_on_any_page_of_the_history(client, venue) -> None:
    pages = [
        ok([history_row(1), history_row(2)], has_more=True, next_cursor="p2"),
        ok([history_row(3, client_order_id=CLIENT_ID, order_status="cancelled", filled_amount="0.1")], has_more=False),
    ]
    venue.replies["/orders/history"] = pages
    report = await client.order(intent(), None)
    assert (report.status, report.venue_order_id) == (OrderStatus.CANCELLED, "3")
    assert [request.url.params.get("cursor") for request in venue.asked("/orders/history")] == [None, "p2"]


async def test_not_found_needs_every_answer(client, venue) -> None:
    outcome = await client.order(intent(), "7")
    assert isinstance(outcome, NotFound)
    assert len(venue.requests) == 3
    venue.replies["/orders/history"] = httpx.Response(504, text="Request timed out")
    with pytest.raises(VenueUnavailable):
        await client.order(intent(), "7")
    venue.replies["/orders"] = httpx.ReadTimeout("no answer")
    with pytest.raises(VenueUnreachable):
        await client.order(intent(), "7")


async def test_not_found_counts_from_the_first_question(client, venue, stepped) -> None:
    """An order that arrives after the open ones were read and before the history was may rest unseen."""
    began = stepped.now

    def slow(_: httpx.Request) -> httpx.Response:
        stepped.now += timedelta(seconds=20)
        return ok([], has_more=False, next_cursor=None)

    venue.replies["/orders/history"] = slow
    outcome = await client.order(intent(), None)
    assert isinstance(outcome, NotFound)
    assert outcome.asked_at == began


async def test_an_order_by_id_that_belongs_to_another_intent_is_not_ours(client, venue) -> None:
    venue.replies["/orders/history_by_id"] = ok([{**EVENT_ROW, "client_order_id": OTHER_ID}])
    assert isinstance(await client.order(intent(), "7"), NotFound)


async def test_a_newest_first_history_is_read_no_further_than_the_intent(client, venue) -> None:
    hour_ms = 3_600_000
    old = [history_row(2, created_at=T - hour_ms), history_row(1, created_at=T - 2 * hour_ms)]
    venue.replies["/orders/history"] = ok(old, has_more=True, next_cursor="p2")
    assert isinstance(await client.order(intent(), None), NotFound)
    assert len(venue.asked("/orders/history")) == 1


async def test_an_oldest_first_history_is_read_to_its_end(client, venue) -> None:
    hour_ms = 3_600_000
    venue.replies["/orders/history"] = [
        ok([history_row(1, created_at=T - 2 * hour_ms), history_row(2, created_at=T - hour_ms)],
           has_more=True, next_cursor="p2"),
        ok([history_row(3, client_order_id=CLIENT_ID)], has_more=False),
    ]  # fmt: skip
    report = await client.order(intent(), None)
    assert report.venue_order_id == "3"


@pytest.mark.parametrize("cursor", [None, "again"])
async def test_a_history_that_goes_in_circles_is_a_violation_not_a_loop(client, venue, cursor) -> None:
    venue.replies["/orders/history"] = ok([history_row(1)], has_more=True, next_cursor=cursor)
    with pytest.raises(ProtocolViolation):
        await client.order(intent(), None)
    assert len(venue.asked("/orders/history")) <= 2


# ---- fills and payments


async def test_fills_come_from_all_pages_once_each_and_oldest_first(client, venue) -> None:
    venue.replies["/trades/history"] = [
        ok([trade_row(5), trade_row(3)], has_more=True, next_cursor="p2"),
        ok([trade_row(3), trade_row(1), trade_row(9, symbol="BTC")], has_more=False),
    ]
    fills = await client.fills("ETH/USD", datetime.fromtimestamp(T / 1000, UTC))
    assert [fill.trade_id for fill in fills] == ["1", "3", "5"]
    query = venue.asked("/trades/history")[0].url.params
    assert (query["symbol"], query["account"], query["start_time"]) == ("ETH", ACCOUNT, str(T))
    assert "end_time" not in query


async def test_fills_before_the_asked_time_are_left_out_and_the_time_itself_is_not(client, venue) -> None:
    venue.replies["/trades/history"] = ok([trade_row(0), trade_row(1)], has_more=False)
    fills = await client.fills("ETH/USD", datetime.fromtimestamp((T + 1) / 1000, UTC))
    assert [fill.trade_id for fill in fills] == ["1"]


async def test_a_long_time_is_asked_in_spans_the_venue_takes(client, venue) -> None:
    venue.replies["/trades/history"] = ok([], has_more=False)
    assert await client.fills("ETH/USD", datetime.fromtimestamp(T / 1000, UTC) - timedelta(days=70)) == []
    spans = [request.url.params for request in venue.asked("/trades/history")]
    assert len(spans) == 3
    for span in spans:
        assert int(span.get("end_time", T)) - int(span["start_time"]) <= 30 * 86_400_000
    assert [span.get("end_time") for span in spans] == [*(span["start_time"] for span in spans[1:]), None]


async def test_fills_that_cannot_be_read_are_not_an_empty_list(client, venue) -> None:
    venue.replies["/trades/history"] = httpx.Response(503)
    with pytest.raises(VenueUnavailable):
        await client.fills("ETH/USD", datetime.fromtimestamp(T / 1000, UTC))


async def test_funding_payments_are_of_the_market_and_time_asked_for(client, venue) -> None:
    def row(number: int, symbol: str, at: int) -> dict[str, object]:
        return {"history_id": number, "symbol": symbol, "payout": "-0.5", "rate": "0.0000125", "created_at": at}

    venue.replies["/funding/history"] = ok([row(3, "ETH", T + 5), row(2, "BTC", T + 2), row(1, "ETH", T)])
    payments = await client.funding_payments("ETH/USD", datetime.fromtimestamp(T / 1000, UTC))
    assert [(payment.payment_id, payment.payment) for payment in payments] == [
        ("1", Decimal("-0.5")),
        ("3", Decimal("-0.5")),
    ]


# ---- other reads


async def test_markets_are_read_once_a_minute(client, venue, stepped) -> None:
    await client.markets()
    assert venue.requests == []
    stepped.now += timedelta(seconds=61)
    assert list(await client.markets()) == ["ETH/USD"]
    assert len(venue.requests) == 2


async def test_positions_are_empty_only_when_the_venue_says_so(client, venue) -> None:
    venue.replies["/positions"] = ok([], last_order_id=None)
    assert await client.positions() == []
    venue.replies["/positions"] = ok(None)
    with pytest.raises(ProtocolViolation):
        await client.positions()
    venue.replies["/positions"] = httpx.Response(503)
    with pytest.raises(VenueUnavailable):
        await client.positions()


async def test_mark_and_funding_come_from_the_prices(client) -> None:
    mark, rate = await client.mark("ETH/USD"), await client.funding_rate("ETH/USD")
    assert (mark.mark, mark.index) == (Decimal(3000), Decimal(3001))
    assert (rate.rate, rate.interval_s) == (Decimal("0.0000125"), 3600)


@pytest.mark.parametrize(
    ("stamped_ms", "read_ms"),
    [(T, T), (T - 5000, T // 1000 * 1000), (T + 3_600_000, T // 1000 * 1000)],
)
async def test_the_venues_clock_is_its_date_refined_within_the_second(client, venue, stamped_ms, read_ms) -> None:
    venue.replies["/info/prices"] = ok([{**PRICE_ROW, "timestamp": stamped_ms}])
    assert await client.server_time() == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=read_ms)


async def test_a_429_on_a_read_stops_the_next_one_before_it_leaves(client, venue) -> None:
    venue.replies["/positions"] = httpx.Response(429, text="Rate limit exceeded")
    venue.headers = {"retry-after": "30"}
    with pytest.raises(RateLimited):
        await client.positions()
    venue.requests.clear()
    with pytest.raises(RateLimited):
        await client.positions()
    assert venue.requests == []


async def test_a_config_key_goes_along_as_a_header_and_reads_carry_no_body(venue, stepped) -> None:
    keyed = client_of(venue, stepped.outside(), config_key=SecretStr("8chars__key"))
    await keyed.connect()
    assert {request.headers["PF-API-KEY"] for request in venue.requests} == {"8chars__key"}
    assert all(request.content == b"" for request in venue.requests)
    assert "8chars__key" not in repr(keyed)


async def test_the_client_id_goes_over_the_wire_as_it_is(client) -> None:
    assert client.wire_client_id(CLIENT_ID) == CLIENT_ID
