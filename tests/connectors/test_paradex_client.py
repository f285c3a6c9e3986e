"""The Paradex client against a scripted venue: what it sends, how often, and what it makes of the answers."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from paradex_fakes import (
    ACCOUNT,
    CHAIN,
    CID,
    ENDPOINTS,
    NOW,
    NOW_MS,
    TIMEOUTS,
    ScriptedVenue,
    ShortSleeps,
    fill_row,
    intent,
    keys,
    market_row,
    order_row,
    refuses,
    says,
    summary_row,
)

from connectors.paradex import stark
from connectors.paradex.auth import OrderFields, PlainCurve, Signer, StarkCurve, StarkKey, best_curve
from connectors.paradex.client import ParadexClient
from connectors.venue import Accepted, CancelRefused, CancelTaken, NotFound, NotSent, Rejected, Unknown, VenueClient
from core.errors import (
    AuthenticationFailed,
    PrecisionRefused,
    ProtocolViolation,
    VenueRejected,
    VenueUnavailable,
    VenueUnreachable,
)
from core.instrument import Venue
from core.order import OrderReport, OrderStatus, Side

ORDER_ID = order_row()["id"]
BY_ID = f"/v1/orders/{ORDER_ID}"
BY_CID = f"/v1/orders/by_client_id/{CID}"
NO_ORDER = refuses(400, "ORDER_ID_NOT_FOUND")
NO_CID = refuses(400, "CLIENT_ORDER_ID_NOT_FOUND")
EXPIRED = says(401, {"message": "missing or malformed jwt: token is expired by 3s"})
EMPTY: dict[str, Any] = {"results": [], "next": None}


@pytest.fixture
def venue() -> ScriptedVenue:
    return ScriptedVenue()


@pytest.fixture
def time() -> ShortSleeps:
    return ShortSleeps()


@pytest.fixture
async def client(venue: ScriptedVenue, time: ShortSleeps) -> AsyncIterator[ParadexClient]:
    client = _client(venue, time)
    await client.connect()
    yield client
    await client.aclose()


def _client(venue: ScriptedVenue, time: ShortSleeps, **options: Any) -> ParadexClient:
    return ParadexClient("par-1", keys(), ENDPOINTS, time.outside(), TIMEOUTS, transport=venue.transport, **options)


def _lost(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


def _refused_connection(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


# --- connecting


async def test_it_is_a_venue_client(client: ParadexClient) -> None:
    seam: VenueClient = client

    assert (seam.venue, seam.account_id) == (Venue.PARADEX, "par-1")
    assert client.wire_client_id(CID) == CID


async def test_the_token_is_asked_for_with_a_signature_that_verifies(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    (asked,) = venue.asked(f"POST /v1/auth/{ACCOUNT['l2_public_key']}")
    signer = Signer(StarkKey.of(keys()), CHAIN, best_curve())
    r, s = (int(part) for part in json.loads(asked.headers["paradex-starknet-signature"]))
    message_hash = signer.auth_hash(NOW_MS // 1000, int(asked.headers["paradex-signature-expiration"]))

    assert asked.headers["paradex-timestamp"] == str(NOW_MS // 1000)
    assert stark.verify(int(ACCOUNT["l2_public_key"], 16), message_hash, r, s)


async def test_markets_carry_this_accounts_fees(client: ParadexClient) -> None:
    markets = await client.markets()

    assert set(markets) == {"ETH/USD", "BTC/USD"}
    assert (markets["ETH/USD"].maker_fee, markets["ETH/USD"].taker_fee) == (Decimal("0.00002"), Decimal("0.0003"))


async def test_a_host_with_another_chain_gets_no_signature_at_all(venue: ScriptedVenue, time: ShortSleeps) -> None:
    venue.on("GET /v1/system/config", {"starknet_chain_id": "PRIVATE_SN_PARACLEAR_MAINNET", "paraclear_decimals": 8})
    client = _client(venue, time)

    with pytest.raises(ProtocolViolation, match="refusing to sign"):
        await client.connect()
    await client.aclose()
    assert not any(request.method == "POST" for request in venue.requests)


async def test_an_account_that_was_never_onboarded_is_told_what_to_do(venue: ScriptedVenue, time: ShortSleeps) -> None:
    venue.on(f"POST /v1/auth/{ACCOUNT['l2_public_key']}", refuses(400, "NOT_ONBOARDED"))
    client = _client(venue, time)

    with pytest.raises(AuthenticationFailed, match="onboard the account once"):
        await client.connect()
    await client.aclose()
    assert not venue.asked("POST /v1/onboarding")


async def test_closing_twice_is_harmless(venue: ScriptedVenue, time: ShortSleeps) -> None:
    client = _client(venue, time)
    await client.connect()

    await client.aclose()
    await client.aclose()


# --- placing


async def test_an_order_is_sent_once_with_a_signature_over_exactly_what_it_says(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("POST /v1/orders", says(201, order_row()))

    outcome = await client.place(intent())

    (request,) = venue.asked("POST /v1/orders")
    body = json.loads(request.content)
    assert isinstance(outcome, Accepted)
    assert outcome.report.status is OrderStatus.ACCEPTED
    assert request.headers["authorization"] == "Bearer token-1"
    assert (body["recv_window"], body["client_id"], body["instruction"]) == (4000, CID, "IOC")
    _check_signature(body)


@pytest.mark.parametrize("curve", [best_curve(), PlainCurve()], ids=lambda curve: type(curve).__name__)
async def test_both_curves_send_the_same_bytes(venue: ScriptedVenue, time: ShortSleeps, curve: StarkCurve) -> None:
    venue.on("POST /v1/orders", says(201, order_row()))
    client = _client(venue, time, curve=curve)
    await client.connect()
    await client.place(intent())
    await client.aclose()

    body = json.loads(venue.asked("POST /v1/orders")[0].content)
    assert body["signature"] == _expected_signature(body)


async def test_signed_timestamps_never_repeat_and_follow_the_venues_clock(
    venue: ScriptedVenue, time: ShortSleeps
) -> None:
    venue.on("GET /v1/system/time", {"server_time": str(NOW_MS - 5000)})
    venue.on("POST /v1/orders", says(201, order_row()))
    client = _client(venue, time)
    await client.connect()
    for _ in range(3):
        await client.place(intent())
    await client.aclose()

    stamps = [json.loads(request.content)["signature_timestamp"] for request in venue.asked("POST /v1/orders")]
    assert stamps == [NOW_MS - 5000, NOW_MS - 4999, NOW_MS - 4998]


@pytest.mark.parametrize(
    "changes", [{"price": Decimal("3000.001")}, {"quantity": Decimal("0.0005")}, {"quantity": Decimal(0)}]
)
async def test_off_the_grid_is_refused_before_anything_is_signed_or_sent(
    client: ParadexClient, venue: ScriptedVenue, changes: dict[str, Decimal]
) -> None:
    with pytest.raises(PrecisionRefused):
        await client.place(intent(**changes))
    assert not venue.asked("POST /v1/orders")


async def test_an_order_whose_time_is_up_is_not_sent(
    client: ParadexClient, venue: ScriptedVenue, time: ShortSleeps
) -> None:
    time.now += timedelta(seconds=4)

    assert isinstance(await client.place(intent()), NotSent)
    assert not venue.asked("POST /v1/orders")


async def test_another_accounts_intent_is_never_sent(client: ParadexClient, venue: ScriptedVenue) -> None:
    for wrong in (intent(account_id="par-2"), intent(venue=Venue.BACKPACK)):
        with pytest.raises(ValueError, match="belongs to"):
            await client.place(wrong)
        with pytest.raises(ValueError, match="belongs to"):
            await client.cancel(wrong, None)
    assert not any(request.url.path.startswith("/v1/orders") for request in venue.requests)


async def test_an_unlisted_market_is_refused(client: ParadexClient) -> None:
    with pytest.raises(VenueRejected, match="DOGE/USD"):
        await client.place(intent(symbol="DOGE/USD"))


async def test_a_lost_answer_is_unknown_and_never_sent_again(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("POST /v1/orders", _lost)

    assert isinstance(await client.place(intent()), Unknown)
    assert len(venue.asked("POST /v1/orders")) == 1


async def test_a_connection_that_never_opened_is_not_sent(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("POST /v1/orders", _refused_connection)

    assert isinstance(await client.place(intent()), NotSent)


async def test_a_refused_token_rejects_the_order_and_serves_the_next_with_a_new_one(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("POST /v1/orders", EXPIRED, says(201, order_row()))

    first, second = await client.place(intent()), await client.place(intent())

    sent = [request.headers["authorization"] for request in venue.asked("POST /v1/orders")]
    assert isinstance(first, Rejected)
    assert first.code == "AUTH"
    assert isinstance(second, Accepted)
    assert sent == ["Bearer token-1", "Bearer token-2"]


async def test_no_token_means_not_sent(client: ParadexClient, venue: ScriptedVenue, time: ShortSleeps) -> None:
    time.now += timedelta(seconds=295)
    venue.on(f"POST /v1/auth/{ACCOUNT['l2_public_key']}", _lost)
    late = intent(valid_until=time.now + timedelta(seconds=4))

    assert isinstance(await client.place(late), NotSent)
    assert not venue.asked("POST /v1/orders")


async def test_too_many_requests_rejects_and_the_next_order_waits_out_retry_after(
    client: ParadexClient, venue: ScriptedVenue, time: ShortSleeps
) -> None:
    venue.on("POST /v1/orders", says(429, {"message": "slow down"}, **{"Retry-After": "3"}), says(201, order_row()))

    first, second = await client.place(intent()), await client.place(intent())

    assert isinstance(first, Rejected)
    assert first.code == "RATE_LIMITED"
    assert isinstance(second, Accepted)
    assert sum(time.slept) == pytest.approx(3)


async def test_a_wait_longer_than_the_bound_is_refused_here(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("POST /v1/orders", says(429, {}, **{"Retry-After": "60"}))
    await client.place(intent())

    assert isinstance(await client.place(intent()), NotSent)
    assert len(venue.asked("POST /v1/orders")) == 1


# --- cancelling


async def test_a_cancel_goes_by_venue_id_where_known_else_by_client_id_with_its_market(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"DELETE {BY_ID}", says(204))
    venue.on(f"DELETE {BY_CID}", says(204))
    venue.on("DELETE /v1/orders", says(200))

    assert await client.cancel(intent(), ORDER_ID) == CancelTaken()
    assert await client.cancel(intent(), None) == CancelTaken()
    assert await client.cancel_all("ETH/USD") == CancelTaken()
    assert venue.asked(f"DELETE {BY_CID}")[0].url.query == b"market=ETH-USD-PERP"
    assert venue.asked("DELETE /v1/orders")[0].url.query == b"market=ETH-USD-PERP"


async def test_a_cancel_refused_for_its_token_goes_once_more(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on(f"DELETE {BY_ID}", EXPIRED, says(204))

    assert await client.cancel(intent(), ORDER_ID) == CancelTaken()
    assert len(venue.asked(f"DELETE {BY_ID}")) == 2


async def test_a_closed_order_refuses_its_cancel_and_a_lost_answer_is_unknown(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"DELETE {BY_ID}", refuses(400, "ORDER_IS_CLOSED"), _lost)

    assert isinstance(await client.cancel(intent(), ORDER_ID), CancelRefused)
    assert isinstance(await client.cancel(intent(), ORDER_ID), Unknown)


# --- asking


async def test_an_open_order_is_found_by_its_client_id(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on(f"GET {BY_CID}", order_row(status="OPEN", remaining_size="0.4", avg_fill_price="3000"))

    report = await client.order(intent(), None)

    assert isinstance(report, OrderReport)
    assert (report.status, report.filled_quantity) == (OrderStatus.ACCEPTED, Decimal("0.1"))


async def test_an_order_still_in_the_risk_queue_is_found_in_the_list(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"GET {BY_CID}", NO_CID)
    venue.on("GET /v1/orders", {"results": [order_row(id="9", client_id="else"), order_row()]})

    report = await client.order(intent(), None)

    assert isinstance(report, OrderReport)
    assert report.venue_order_id == ORDER_ID


async def test_a_closed_order_is_found_in_the_history(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on(f"GET {BY_ID}", NO_ORDER)
    closed = order_row(status="CLOSED", remaining_size="0.2", cancel_reason="REMAINING_IOC_CANCEL")
    venue.on("GET /v1/orders-history", {"results": [closed], "next": None})

    report = await client.order(intent(), ORDER_ID)

    assert isinstance(report, OrderReport)
    assert (report.status, report.filled_quantity) == (OrderStatus.EXPIRED, Decimal("0.3"))
    assert venue.asked("GET /v1/orders-history")[0].url.params["client_id"] == CID


async def test_an_order_known_to_exist_is_looked_for_again_before_it_is_not_found(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on(f"GET {BY_ID}", refuses(400, "ORDER_IS_CLOSED"))
    late = {"results": [order_row(status="CLOSED", remaining_size="0")], "next": None}
    venue.on("GET /v1/orders-history", EMPTY, late)

    report = await client.order(intent(), ORDER_ID)

    assert isinstance(report, OrderReport)
    assert report.status is OrderStatus.FILLED


async def test_not_found_counts_from_the_first_question(
    client: ParadexClient, venue: ScriptedVenue, time: ShortSleeps
) -> None:
    """An order that arrives after the open ones were read and before the history was may rest unseen."""
    venue.on(f"GET {BY_CID}", NO_CID)
    venue.on("GET /v1/orders", {"results": []})
    began = time.now

    def slow(_: httpx.Request) -> httpx.Response:
        time.now += timedelta(seconds=20)
        return httpx.Response(200, json=EMPTY)

    venue.on("GET /v1/orders-history", slow)
    outcome = await client.order(intent(), None)
    assert isinstance(outcome, NotFound)
    assert outcome.asked_at == began


async def test_not_found_needs_every_answer(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on(f"GET {BY_CID}", NO_CID)
    venue.on("GET /v1/orders", {"results": []})
    venue.on("GET /v1/orders-history", EMPTY)
    assert isinstance(await client.order(intent(), None), NotFound)

    venue.on("GET /v1/orders-history", _lost)
    with pytest.raises(VenueUnreachable):
        await client.order(intent(), None)
    venue.on("GET /v1/orders-history", says(503))
    with pytest.raises(VenueUnavailable):
        await client.order(intent(), None)
    venue.on(f"GET {BY_CID}", says(500, {"error": "INTERNAL_ERROR"}))
    with pytest.raises(VenueUnavailable):
        await client.order(intent(), None)


async def test_open_orders_are_those_of_the_market_that_still_live(client: ParadexClient, venue: ScriptedVenue) -> None:
    rows = [order_row(), order_row(id="2", market="BTC-USD-PERP"), order_row(id="3", status="CLOSED")]
    venue.on("GET /v1/orders", {"results": rows})

    assert [report.venue_order_id for report in await client.open_orders("ETH/USD")] == [ORDER_ID]


# --- reading


async def test_a_read_refused_for_its_token_is_asked_once_more(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/positions", EXPIRED, says(200, EMPTY))

    assert await client.positions() == ()
    assert venue.tokens == 2


async def test_a_read_refused_twice_is_a_failed_authentication(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/positions", EXPIRED)

    with pytest.raises(AuthenticationFailed):
        await client.positions()
    assert len(venue.asked("GET /v1/positions")) == 2


async def test_positions_that_could_not_be_read_are_not_empty(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/positions", says(200, {}))

    with pytest.raises(ProtocolViolation):
        await client.positions()


async def test_fills_come_from_all_pages_once_each_oldest_first_since_inclusive(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    early, later = fill_row(id="1", created_at=NOW_MS), fill_row(id="2", created_at=NOW_MS + 9)
    before, foreign = fill_row(id="0", created_at=NOW_MS - 1), fill_row(id="3", market="BTC-USD-PERP")
    venue.on("GET /v1/fills", {"results": [later, early], "next": "c1"}, {"results": [early, before, foreign]})

    fills = await client.fills("ETH/USD", NOW + timedelta(microseconds=400))

    first, second = venue.asked("GET /v1/fills")
    assert [fill.trade_id for fill in fills] == ["1", "2"]
    assert first.url.params["start_at"] == str(NOW_MS)
    assert second.url.params["cursor"] == "c1"


async def test_a_makers_fill_takes_its_side_from_the_own_order_even_after_a_restart(
    client: ParadexClient, venue: ScriptedVenue
) -> None:
    venue.on("GET /v1/fills", {"results": [fill_row(side="BUY", liquidity="MAKER")]})
    venue.on("GET /v1/orders-history", {"results": [order_row(side="SELL", status="CLOSED", remaining_size="0")]})

    (fill,) = await client.fills("ETH/USD", NOW)

    assert fill.side is Side.SELL


async def test_a_placed_orders_side_is_remembered_without_asking(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("POST /v1/orders", says(201, order_row()))
    venue.on("GET /v1/fills", {"results": [fill_row(side="SELL", liquidity="MAKER", client_id="")]})
    await client.place(intent(side=Side.BUY))

    (fill,) = await client.fills("ETH/USD", NOW)

    assert fill.side is Side.BUY
    assert not venue.asked("GET /v1/orders-history")


async def test_a_cursor_that_repeats_is_not_followed_for_ever(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/fills", {"results": [], "next": "same"})

    with pytest.raises(ProtocolViolation, match="cursor"):
        await client.fills("ETH/USD", NOW)


async def test_funding_payments_are_read_for_one_market(client: ParadexClient, venue: ScriptedVenue) -> None:
    row = {"id": "f1", "market": "ETH-USD-PERP", "payment": "0.5", "created_at": NOW_MS}
    venue.on("GET /v1/funding/payments", {"results": [row], "next": ""})

    (payment,) = await client.funding_payments("ETH/USD", NOW)

    assert (payment.payment, payment.symbol, payment.rate) == (Decimal("0.5"), "ETH/USD", None)
    assert venue.asked("GET /v1/funding/payments")[0].url.params["market"] == "ETH-USD-PERP"


async def test_book_mark_funding_margin_and_time_are_read(client: ParadexClient, venue: ScriptedVenue) -> None:
    book = {"market": "ETH-USD-PERP", "seq_no": 1, "last_updated_at": NOW_MS, "bids": [["1", "1"]], "asks": []}
    account = {
        "status": "ACTIVE", "account_value": "10", "free_collateral": "9", "initial_margin_requirement": "1",
        "maintenance_margin_requirement": "0.5",
    }  # fmt: skip
    venue.on("GET /v1/orderbook/ETH-USD-PERP", book)
    venue.on("GET /v1/markets/summary", {"results": [summary_row()]})
    venue.on("GET /v1/account", account)

    assert (await client.book("ETH/USD")).best_bid == Decimal(1)
    assert (await client.mark("ETH/USD")).mark == Decimal("3000.12")
    assert (await client.funding_rate("ETH/USD")).interval_s == 28_800
    assert (await client.margin()).available == Decimal(9)
    assert await client.server_time() == NOW


async def test_a_summary_of_another_market_is_not_taken(client: ParadexClient, venue: ScriptedVenue) -> None:
    venue.on("GET /v1/markets/summary", {"results": [summary_row(symbol="BTC-USD-PERP")]})

    with pytest.raises(VenueUnavailable):
        await client.mark("ETH/USD")


async def test_nothing_secret_is_logged(
    venue: ScriptedVenue, time: ShortSleeps, caplog: pytest.LogCaptureFixture
) -> None:
    venue.on("GET /v1/markets", {"results": [market_row("ETH"), market_row("SOL", price_tick_size="")]})
    venue.on("POST /v1/orders", EXPIRED)
    with caplog.at_level(logging.DEBUG):
        client = _client(venue, time)
        await client.connect()
        await client.place(intent())
        await client.aclose()
    body = json.loads(venue.asked("POST /v1/orders")[0].content)
    signature_parts = json.loads(body["signature"])

    for secret in (ACCOUNT["l2_private_key"].removeprefix("0x"), "token-1", *signature_parts):
        assert secret not in caplog.text


def _fields(body: dict[str, Any]) -> OrderFields:
    return OrderFields(
        timestamp_ms=body["signature_timestamp"],
        venue_symbol=body["market"],
        side=Side(body["side"].lower()),
        type=body["type"],
        size=Decimal(body["size"]),
        price=Decimal(body["price"]),
    )


def _expected_signature(body: dict[str, Any]) -> str:
    return Signer(StarkKey.of(keys()), CHAIN, PlainCurve()).sign_order(_fields(body))


def _check_signature(body: dict[str, Any]) -> None:
    message_hash = Signer(StarkKey.of(keys()), CHAIN, PlainCurve()).order_hash(_fields(body))
    r, s = (int(part) for part in json.loads(body["signature"]))
    assert stark.verify(int(ACCOUNT["l2_public_key"], 16), message_hash, r, s)
