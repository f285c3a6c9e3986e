"""The Backpack client over a scripted transport: what it asks, in which order, and what it concludes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from backpack_samples import (
    ACCOUNT,
    COLLATERAL,
    DEPTH,
    KEYS,
    MARK_PRICES,
    NOW,
    NOW_MS,
    POSITION,
    fill_row,
    funding_row,
    history_row,
    intent,
    order_row,
)
from backpack_venue import ABSENT, ScriptedVenue, connected, query

from connectors.clock import ROUNDS
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotFound, NotSent, Rejected, Unknown
from core.errors import AuthenticationFailed, ProtocolViolation, VenueRejected, VenueUnavailable, VenueUnreachable
from core.ids import uint32_of
from core.order import OrderStatus, OrderType, Side


@pytest.fixture
def venue(stepped) -> ScriptedVenue:
    stepped.now = NOW
    return ScriptedVenue(stepped.clock)


async def test_connecting_learns_clock_fees_and_markets(stepped, venue) -> None:
    client = await connected(stepped, venue)
    markets = await client.markets()
    assert set(markets) == {"ETH/USD", "kPEPE/USD"}
    assert markets["ETH/USD"].taker_fee == Decimal("0.0005")
    assert await client.server_time() == NOW


async def test_keys_that_the_venue_refuses_fail_at_connecting(stepped, venue) -> None:
    venue.on("GET /api/v1/account", httpx.Response(400, json={"code": "INVALID_SIGNATURE", "message": "no"}))
    with pytest.raises(AuthenticationFailed):
        await connected(stepped, venue)


async def test_requests_are_signed_in_the_venues_time(stepped, venue) -> None:
    venue = ScriptedVenue(stepped.clock, skew=timedelta(seconds=7))
    stepped.now = NOW
    await connected(stepped, venue)
    assert int(venue.asked("GET /api/v1/account")[0].headers["X-Timestamp"]) == NOW_MS + 7000


async def test_market_reads(stepped, venue) -> None:
    venue.on("GET /api/v1/depth", httpx.Response(200, json=DEPTH))
    venue.on("GET /api/v1/markPrices", httpx.Response(200, json=MARK_PRICES))
    client = await connected(stepped, venue)
    assert (await client.book("ETH/USD")).best_bid == Decimal(2999)
    assert (await client.mark("ETH/USD")).mark == Decimal("2999.25")
    assert (await client.funding_rate("ETH/USD")).interval_s == 3600
    assert query(venue.asked("GET /api/v1/depth")[0]) == {"symbol": "ETH_USDC_PERP", "limit": "50"}


async def test_margin_is_inactive_during_a_liquidation(stepped, venue) -> None:
    venue.on("GET /api/v1/capital/collateral", httpx.Response(200, json=COLLATERAL))
    client = await connected(stepped, venue)
    assert (await client.margin()).active
    venue.on("GET /api/v1/account", httpx.Response(200, json=ACCOUNT | {"liquidating": True}))
    assert not (await client.margin()).active


async def test_positions_are_read_with_their_liquidation_price(stepped, venue) -> None:
    """Asked for all at once the venue writes 0 for it."""

    def positions(request: httpx.Request) -> httpx.Response:
        alone = "symbol" in query(request)
        return httpx.Response(200, json=[POSITION | {"estLiquidationPrice": "4100.5" if alone else "0"}])

    venue.on("GET /api/v1/position", positions)
    (position,) = await (await connected(stepped, venue)).positions()
    assert (position.symbol, position.liquidation_price) == ("ETH/USD", Decimal("4100.5"))


async def test_a_position_that_is_absent_when_asked_for_by_symbol_is_flat(stepped, venue) -> None:
    venue.on("GET /api/v1/position", httpx.Response(200, json=[POSITION]), ABSENT)
    assert await (await connected(stepped, venue)).positions() == ()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(404, text="not found"), VenueRejected),
        (ABSENT, VenueRejected),
        (httpx.Response(503, text="closed"), VenueUnavailable),
        (httpx.Response(200, text="<html>"), ProtocolViolation),
        (httpx.ReadTimeout("t"), VenueUnreachable),
    ],
)
async def test_positions_that_could_not_be_read_are_not_flat(stepped, venue, reply, error) -> None:
    venue.on("GET /api/v1/position", reply)
    client = await connected(stepped, venue)
    with pytest.raises(error):
        await client.positions()


async def test_a_position_is_not_flat_because_the_second_question_failed(stepped, venue) -> None:
    venue.on("GET /api/v1/position", httpx.Response(200, json=[POSITION]), httpx.Response(404, text="not found"))
    client = await connected(stepped, venue)
    with pytest.raises(VenueRejected):
        await client.positions()


async def test_the_offset_is_measured_within_half_a_round_trip_and_kept(stepped, venue) -> None:
    venue = ScriptedVenue(stepped.clock, skew=timedelta(seconds=90))

    def slowly(_: httpx.Request) -> httpx.Response:
        stepped.now += timedelta(milliseconds=40)
        said = httpx.Response(200, text=str(venue.now_ms()))
        stepped.now += timedelta(milliseconds=10)
        return said

    venue.on("GET /api/v1/time", slowly)
    client = await connected(stepped, venue)
    found = await client.measure_clock()
    assert client.clock_offset == found
    assert abs(found.offset - timedelta(seconds=90)) <= found.error
    assert found.error == timedelta(milliseconds=25.5), "half the round trip and half the answer's millisecond"


@pytest.mark.parametrize(
    ("valid_s", "round_trip_ms", "window"), [(3.0, 0, "2999"), (3.0, 400, "2799"), (3600.0, 0, "60000")]
)
async def test_the_window_is_what_is_left_less_what_the_clock_may_be_wrong_by(
    stepped, venue, valid_s: float, round_trip_ms: int, window: str
) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        stepped.now += timedelta(milliseconds=round_trip_ms / 2)
        said = httpx.Response(200, text=str(venue.now_ms()))
        stepped.now += timedelta(milliseconds=round_trip_ms / 2)
        return said

    venue.on("GET /api/v1/time", slowly)
    venue.on("POST /api/v1/order", httpx.Response(200, json=order_row(status="Filled", executedQuantity="0.5")))
    client = await connected(stepped, venue)
    await client.place(intent(valid_until=stepped.now + timedelta(seconds=valid_s)))
    assert venue.asked("POST /api/v1/order")[0].headers["X-Window"] == window


@pytest.mark.parametrize("left_ms", [0, 200])
async def test_an_order_worth_less_than_the_clock_is_sure_of_is_not_sent(stepped, venue, left_ms: int) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        stepped.now += timedelta(milliseconds=400)
        return httpx.Response(200, text=str(venue.now_ms()))

    venue.on("GET /api/v1/time", slowly)
    client = await connected(stepped, venue)
    outcome = await client.place(intent(valid_until=stepped.now + timedelta(milliseconds=left_ms)))
    assert isinstance(outcome, NotSent)
    assert venue.asked("POST /api/v1/order") == []


async def test_an_order_is_sent_once_with_what_is_left_of_its_validity(stepped, venue) -> None:
    venue.on("POST /api/v1/order", httpx.Response(200, json=order_row(status="Filled", executedQuantity="0.5")))
    outcome = await (await connected(stepped, venue)).place(intent())
    assert isinstance(outcome, Accepted)
    (sent,) = venue.asked("POST /api/v1/order")
    assert sent.headers["X-Window"] == "2999", "three seconds, less the half millisecond the clock may be wrong by"
    assert sent.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(sent.content)["clientId"] == uint32_of(intent().client_order_id)


@pytest.mark.parametrize(
    "reply",
    [httpx.ReadTimeout("t"), httpx.RemoteProtocolError("cut"), httpx.Response(503, text="maintenance")],
)
async def test_an_order_whose_answer_was_lost_is_unknown_and_never_repeated(stepped, venue, reply) -> None:
    venue.on("POST /api/v1/order", reply)
    assert isinstance(await (await connected(stepped, venue)).place(intent()), Unknown)
    assert len(venue.asked("POST /api/v1/order")) == 1


async def test_an_order_whose_connection_never_opened_was_not_sent(stepped, venue) -> None:
    venue.on("POST /api/v1/order", httpx.ConnectError("refused"))
    assert isinstance(await (await connected(stepped, venue)).place(intent()), NotSent)


async def test_an_order_that_is_no_longer_valid_is_not_sent(stepped, venue) -> None:
    client = await connected(stepped, venue)
    assert isinstance(await client.place(intent(valid_until=NOW)), NotSent)
    assert not venue.asked("POST /api/v1/order")


async def test_an_order_whose_client_id_is_taken_by_another_is_not_sent(stepped, venue) -> None:
    venue.on("POST /api/v1/order", httpx.Response(400, json={"code": "INVALID_ORDER", "message": "no"}))
    client = await connected(stepped, venue)
    assert isinstance(await client.place(intent(client_order_id="order-19537")), Rejected)
    assert isinstance(await client.place(intent(client_order_id="order-32133")), NotSent)
    assert len(venue.asked("POST /api/v1/order")) == 1


async def test_too_many_requests_is_a_refusal_and_slows_down(stepped, venue) -> None:
    venue.on("POST /api/v1/order", httpx.Response(429, headers={"retry-after": "3"}, text="slow down"))
    client = await connected(stepped, venue)
    outcome = await client.place(intent())
    assert isinstance(outcome, Rejected)
    assert outcome.code == "RATE_LIMITED"
    assert isinstance(await client.place(intent(client_order_id="next")), NotSent)
    assert sum(stepped.slept) >= 3 - 0.01


async def test_a_cancel_is_a_delete_with_a_signed_body(stepped, venue) -> None:
    venue.on("DELETE /api/v1/order", httpx.Response(202))
    client = await connected(stepped, venue)
    assert await client.cancel(intent(), "77") == CancelTaken()
    assert venue.asked("DELETE /api/v1/order")[0].content == b'{"symbol":"ETH_USDC_PERP","orderId":"77"}'
    venue.on("DELETE /api/v1/order", ABSENT)
    assert isinstance(await client.cancel(intent(), None), CancelRefused)


async def test_cancel_all_is_taken_even_when_there_was_nothing(stepped, venue) -> None:
    venue.on("DELETE /api/v1/orders", httpx.Response(200, json=[]))
    assert await (await connected(stepped, venue)).cancel_all("ETH/USD") == CancelTaken()


def nothing_known(venue: ScriptedVenue) -> None:
    venue.on("GET /api/v1/order", ABSENT)
    venue.on("GET /wapi/v1/history/orders", httpx.Response(200, json=[]))
    venue.on("GET /wapi/v1/history/fills", httpx.Response(200, json=[]))


async def test_a_resting_order_is_found_first(stepped, venue) -> None:
    venue.on("GET /api/v1/order", httpx.Response(200, json=order_row()))
    report = await (await connected(stepped, venue)).order(intent(), None)
    assert report.status is OrderStatus.ACCEPTED
    assert not venue.asked("GET /wapi/v1/history/orders")


async def test_an_order_that_ended_is_found_in_history_by_its_client_id(stepped, venue) -> None:
    nothing_known(venue)
    other = history_row(clientId=7, id="1")
    venue.on("GET /wapi/v1/history/orders", httpx.Response(200, json=[other, history_row()]))
    report = await (await connected(stepped, venue)).order(intent(), None)
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.5"))
    assert report.average_price == Decimal(3000)


async def test_an_old_order_with_the_same_client_id_is_not_taken_for_ours(stepped, venue) -> None:
    nothing_known(venue)
    old = {"createdAt": "2026-11-19T12:00:00"}
    venue.on("GET /api/v1/order", httpx.Response(200, json=order_row(createdAt=NOW_MS - 86_400_000)))
    venue.on("GET /wapi/v1/history/orders", httpx.Response(200, json=[history_row(**old)]))
    assert isinstance(await (await connected(stepped, venue)).order(intent(), None), NotFound)


async def test_history_is_paged_until_before_the_intent(stepped, venue) -> None:
    nothing_known(venue)
    page = [history_row(clientId=n) for n in range(1000)]
    venue.on(
        "GET /wapi/v1/history/orders",
        httpx.Response(200, json=page),
        httpx.Response(200, json=[*page[:999], history_row(createdAt="2026-11-20T11:00:00")]),
    )
    await (await connected(stepped, venue)).order(intent(), None)
    assert [query(r)["offset"] for r in venue.asked("GET /wapi/v1/history/orders")] == ["0", "1000"]


async def test_executions_speak_when_history_lags(stepped, venue) -> None:
    nothing_known(venue)
    venue.on(
        "GET /wapi/v1/history/fills",
        httpx.Response(200, json=[fill_row(1), fill_row(2, quantity="0.1"), fill_row(3, clientId="7")]),
    )
    report = await (await connected(stepped, venue)).order(intent(), None)
    assert (report.status, report.filled_quantity) == (OrderStatus.ACCEPTED, Decimal("0.3"))
    whole = await (await connected(stepped, venue)).order(intent(quantity=Decimal("0.3")), None)
    assert whole.status is OrderStatus.FILLED


async def test_not_found_counts_from_the_first_question(stepped, venue) -> None:
    """An order that arrives after the resting ones were asked and before history was may rest unseen."""
    nothing_known(venue)
    client = await connected(stepped, venue)
    began = stepped.now

    def slow(_: httpx.Request) -> httpx.Response:
        stepped.now += timedelta(seconds=20)
        return httpx.Response(200, json=[])

    venue.on("GET /wapi/v1/history/fills", slow)
    outcome = await client.order(intent(), None)
    assert isinstance(outcome, NotFound)
    assert outcome.asked_at == began


async def test_an_order_is_not_found_only_when_everything_answered(stepped, venue) -> None:
    nothing_known(venue)
    client = await connected(stepped, venue)
    assert isinstance(await client.order(intent(), None), NotFound)
    for where in ("GET /api/v1/order", "GET /wapi/v1/history/orders", "GET /wapi/v1/history/fills"):
        nothing_known(venue)
        venue.on(where, httpx.ReadTimeout("t"))
        with pytest.raises(VenueUnreachable):
            await client.order(intent(), None)


async def test_a_plain_404_is_not_a_positive_no(stepped, venue) -> None:
    nothing_known(venue)
    venue.on("GET /api/v1/order", httpx.Response(404, text="not found"))
    client = await connected(stepped, venue)
    with pytest.raises(VenueRejected):
        await client.order(intent(), None)


async def test_open_orders_know_ours_from_others(stepped, venue) -> None:
    venue.on("GET /api/v1/orders", httpx.Response(200, json=[order_row(), order_row(clientId=7, id="8")]))
    venue.on("POST /api/v1/order", httpx.ReadTimeout("t"))
    client = await connected(stepped, venue)
    await client.place(intent())
    assert [report.client_order_id for report in await client.open_orders("ETH/USD")] == [
        intent().client_order_id,
        None,
    ]


async def test_fills_are_read_in_full_once_each_and_oldest_first(stepped, venue) -> None:
    first = [fill_row(n) for n in range(1, 1001)]
    second = [fill_row(1000), fill_row(1001, timestamp="2026-11-20T12:00:00.100")]
    venue.on("GET /wapi/v1/history/fills", httpx.Response(200, json=first), httpx.Response(200, json=second))
    fills = await (await connected(stepped, venue)).fills("ETH/USD", NOW)
    assert len(fills) == 1001
    assert fills[0].trade_id.split("/")[1] == "1001"
    asked = [query(request) for request in venue.asked("GET /wapi/v1/history/fills")]
    assert [(one["from"], one["offset"]) for one in asked] == [(str(NOW_MS), "0"), (str(NOW_MS), "1000")]


async def test_pages_shorter_than_asked_for_do_not_end_a_history_that_says_it_has_more(stepped, venue) -> None:
    venue.on(
        "GET /wapi/v1/history/fills",
        httpx.Response(200, headers={"X-Total": "2"}, json=[fill_row(1)]),
        httpx.Response(200, headers={"X-Total": "2"}, json=[fill_row(2)]),
    )
    assert len(await (await connected(stepped, venue)).fills("ETH/USD", NOW)) == 2


async def test_a_history_without_end_is_refused(stepped, venue) -> None:
    venue.on("GET /wapi/v1/history/fills", httpx.Response(200, headers={"X-Total": "999999"}, json=[fill_row(1)]))
    client = await connected(stepped, venue)
    with pytest.raises(ProtocolViolation, match="shorter"):
        await client.fills("ETH/USD", NOW)


async def test_fills_of_an_unreadable_page_are_not_left_out(stepped, venue) -> None:
    venue.on("GET /wapi/v1/history/fills", httpx.Response(200, json=[fill_row(1), fill_row(2, side="?")]))
    client = await connected(stepped, venue)
    with pytest.raises(ProtocolViolation):
        await client.fills("ETH/USD", NOW)


async def test_funding_payments_since_a_time_are_oldest_first(stepped, venue) -> None:
    rows = [funding_row(hour, f"0.{hour}") for hour in (11, 10, 9, 8)]
    venue.on("GET /wapi/v1/history/funding", httpx.Response(200, json=rows))
    client = await connected(stepped, venue)
    payments = await client.funding_payments("ETH/USD", datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert [payment.paid_at.hour for payment in payments] == [9, 10, 11]
    assert payments[-1].payment == Decimal("0.11")


@pytest.mark.parametrize(("text", "code"), [("Request has expired", "REQUEST_EXPIRED"), ("Invalid timestamp", "AUTH")])
async def test_a_time_that_was_not_taken_makes_the_clock_be_read_again(stepped, venue, text: str, code: str) -> None:
    late = httpx.Response(400, json={"code": "INVALID_CLIENT_REQUEST", "message": text})
    venue.on("POST /api/v1/order", late)
    venue.on("GET /api/v1/orders", httpx.Response(200, json=[]))
    client = await connected(stepped, venue)
    outcome = await client.place(intent())
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    before = len(venue.asked("GET /api/v1/time"))
    await client.open_orders("ETH/USD")
    await client.open_orders("ETH/USD")
    assert len(venue.asked("GET /api/v1/time")) == before + ROUNDS


async def test_no_request_shows_the_secret_and_the_venue_id_is_the_32_bit_form(stepped, venue) -> None:
    client = await connected(stepped, venue)
    secret = KEYS.api_secret.get_secret_value()
    assert all(secret not in str(request.headers) + str(request.url) for request in venue.requests)
    assert client.wire_client_id(intent().client_order_id) == str(uint32_of(intent().client_order_id))


async def test_a_market_order_in_a_closed_market_may_still_leave_it(stepped, venue) -> None:
    """A market that is not open is not offered, but its rules are known, so that a position can be reduced."""
    row = order_row(symbol="SOL_USDC_PERP", side="Ask")
    venue.on("POST /api/v1/order", httpx.Response(200, json=row))
    leaving = intent(symbol="SOL/USD", side=Side.SELL, type=OrderType.MARKET, reduce_only=True)
    assert isinstance(await (await connected(stepped, venue)).place(leaving), Accepted)
