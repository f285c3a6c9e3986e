"""Pacifica's public facts, account records and clock against a small venue: shapes, pages, defaults, refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from pacifica_fakes import ACCOUNT, ACCOUNT_ROW, PRICE_ROW, SmallVenue, T, client_of, history_row, no, ok

from connectors.pacifica.auth import verifies
from connectors.pacifica.client import PacificaClient
from core.account import MarginMode, TransferKind
from core.errors import AuthenticationFailed, NotOffered, ProtocolViolation, VenueRejected, VenueUnreachable
from core.market_data import CandleInterval
from core.order import OrderStatus, Side

ETH = "ETH/USD"
NOW = datetime.fromtimestamp(T / 1000, UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def venue() -> SmallVenue:
    small = SmallVenue()
    small.replies["/info/fees"] = ok([])
    return small


@pytest.fixture
async def client(venue: SmallVenue, stepped) -> PacificaClient:
    stepped.now = NOW
    connected = client_of(venue, stepped.outside())
    await connected.connect()
    venue.requests.clear()
    return connected


# ---- market data


@pytest.mark.parametrize(("yesterday", "change"), [("2500", Decimal("0.2")), ("-1", None), ("0", None), (None, None)])
async def test_a_price_of_yesterday_that_is_none_gives_no_change(client, venue, yesterday, change) -> None:
    day = {"volume_24h": "5000", "yesterday_price": yesterday, "open_interest": "12"}
    venue.replies["/info/prices"] = ok([PRICE_ROW | day])

    said = await client.market_data.statistics(ETH)

    assert (said.change, said.volume_quote, said.open_interest) == (change, Decimal(5000), Decimal(12))
    assert (said.volume_base, said.high, said.low) == (None, None, None)


async def test_a_missing_volume_is_not_zero(client, venue) -> None:
    with pytest.raises(ProtocolViolation, match="no volume"):
        await client.market_data.statistics(ETH)


def trade_row(at: int, event: str = "fulfill_taker", side: str = "open_long", price: str = "3000") -> dict[str, object]:
    return {"event_type": event, "price": price, "amount": "0.1", "side": side, "cause": "normal", "created_at": at}


async def test_trades_come_oldest_first_with_the_taker_as_aggressor(client, venue) -> None:
    rows = [trade_row(T + 2, "fulfill_maker", "close_long"), trade_row(T + 1, side="close_long"), trade_row(T)]
    venue.replies["/trades"] = ok(rows, last_order_id=3)

    trades = await client.market_data.trades(ETH)

    assert [trade.aggressor for trade in trades] == [Side.BUY, Side.SELL, Side.BUY]
    assert [trade.venue_time for trade in trades] == [
        NOW,
        NOW + timedelta(milliseconds=1),
        NOW + timedelta(milliseconds=2),
    ]
    assert {trade.trade_id for trade in trades} == {None}
    assert [trade.venue_time for trade in await client.market_data.trades(ETH, limit=1)] == [trades[-1].venue_time]
    assert len(await client.market_data.trades(ETH, limit=0)) == 0


def candle_row(start: datetime, **changes: object) -> dict[str, object]:
    at = int(start.timestamp() * 1000)
    row = {"t": at, "T": at + 60_000, "s": "ETH", "i": "1m", "o": "3", "c": "2", "h": "4", "l": "1", "v": "7", "n": 3}
    return row | changes


async def test_a_long_span_of_candles_is_asked_in_pieces_and_each_candle_is_told_once(client, venue) -> None:
    until = NOW.replace(second=0, microsecond=0) + MINUTE
    since = until - 1500 * MINUTE
    starts = [since, until - MINUTE]

    def reply(request: httpx.Request) -> httpx.Response:
        first, last = (int(request.url.params[name]) for name in ("start_time", "end_time"))
        rows = [candle_row(start) for start in starts]
        return ok([row for row in rows if first <= int(str(row["t"])) <= last])

    venue.replies["/kline"] = reply

    candles = await client.market_data.candles(ETH, CandleInterval.MINUTE, since, until)

    assert [candle.start for candle in candles] == starts
    assert [candle.is_closed for candle in candles] == [True, False]
    asked = [(int(r.url.params["start_time"]), int(r.url.params["end_time"])) for r in venue.asked("/kline")]
    assert len(asked) == 2
    assert all(end - start <= 1000 * 60_000 for start, end in asked)


async def test_a_candle_outside_the_span_is_left_out_and_one_that_cannot_be_is_refused(client, venue) -> None:
    venue.replies["/kline"] = ok([candle_row(NOW - 5 * MINUTE), candle_row(NOW)])
    assert await client.market_data.candles(ETH, CandleInterval.MINUTE, NOW - MINUTE, NOW) == []
    venue.replies["/kline"] = ok([candle_row(NOW, h="2.5")])
    with pytest.raises(ProtocolViolation, match="embrace"):
        await client.market_data.candles(ETH, CandleInterval.MINUTE, NOW, NOW + MINUTE)


async def test_past_funding_stops_at_the_time_asked_for(client, venue) -> None:
    hour = 3_600_000
    rows = [{"funding_rate": f"0.{n}", "oracle_price": "1", "created_at": T - n * hour} for n in range(1, 6)]
    venue.replies["/funding_rate/history"] = [
        ok(rows[:3], has_more=True, next_cursor="p2"), ok(rows[3:], has_more=True, next_cursor="p3")
    ]  # fmt: skip

    points = await client.market_data.past_funding(ETH, NOW - timedelta(hours=3))

    assert [point.rate for point in points] == [Decimal("0.3"), Decimal("0.2"), Decimal("0.1")]
    assert {(point.interval_s, point.index, point.mark) for point in points} == {(3600, None, None)}
    assert len(venue.asked("/funding_rate/history")) == 2


async def test_there_is_no_system_status(client, venue) -> None:
    with pytest.raises(NotOffered):
        await client.market_data.system_status()
    assert venue.requests == []


# ---- records

MONEY = ACCOUNT_ROW | {
    "balance": "1000.5", "available_to_withdraw": "880", "fee_level": 2,
    "spot_balances": [{"symbol": "SOL", "amount": "3", "available_to_withdraw": "2", "pending_balance": "0"}],
}  # fmt: skip


@pytest.mark.parametrize("shape", [MONEY, [MONEY]])
async def test_balances_and_tier_come_from_the_account_in_either_shape(client, venue, shape) -> None:
    venue.replies["/account"] = ok(shape)

    cash, sol = await client.records.balances()
    tier = await client.records.fee_tier()

    assert (cash.asset, cash.total, cash.available) == ("USDC", Decimal("1000.5"), Decimal(880))
    assert (sol.asset, sol.total, sol.available) == ("SOL", Decimal(3), Decimal(2))
    assert (tier.tier, tier.maker_fee, tier.taker_fee) == ("2", Decimal("0.00015"), Decimal("0.0004"))


async def test_an_account_that_cannot_be_read_has_no_balance(client, venue) -> None:
    venue.replies["/account"] = no(404, "Account not found", 404)
    with pytest.raises(VenueRejected):
        await client.records.balances()
    venue.replies["/account"] = ok([])
    with pytest.raises(ProtocolViolation):
        await client.records.balances()


async def test_the_order_history_holds_ended_orders_of_the_market_since_a_time(client, venue) -> None:
    rows = [
        history_row(4, order_status="open"),
        history_row(3, order_status="cancelled", filled_amount="0", created_at=T + 1),
        history_row(2, symbol="BTC"),
        history_row(1, created_at=T),
        history_row(0, created_at=T - 1),
    ]
    venue.replies["/orders/history"] = ok(rows, has_more=False)

    reports = await client.records.order_history(ETH, NOW)

    assert [(report.venue_order_id, report.status) for report in reports] == [
        ("3", OrderStatus.CANCELLED), ("1", OrderStatus.FILLED),
    ]  # fmt: skip


def change(event: str, change_: str, at: int = T, balance: str = "100") -> dict[str, object]:
    return {"amount": change_, "balance": balance, "pending_balance": "0", "event_type": event, "created_at": at}


async def test_transfers_are_what_did_not_come_from_trading(client, venue) -> None:
    rows = [
        change("something_new", "1", T + 5), change("trade", "-3"), change("funding", "1"),
        change("adl_liquidation", "2"),
        change("subaccount_transfer", "-7", T + 2), change("withdraw", "-5", T + 1), change("deposit", "100"),
        change("deposit", "100"), change("deposit", "9", T - 1),
    ]  # fmt: skip
    venue.replies["/account/balance/history"] = ok(rows, has_more=False)

    found = await client.records.transfers(NOW)

    assert [(entry.kind, entry.quantity, entry.status) for entry in found] == [
        (TransferKind.DEPOSIT, Decimal(100), "deposit"),
        (TransferKind.WITHDRAWAL, Decimal(-5), "withdraw"),
        (TransferKind.TRANSFER, Decimal(-7), "subaccount_transfer"),
        (TransferKind.OTHER, Decimal(1), "something_new"),
    ]


async def test_the_list_of_subaccounts_is_a_signed_question(client, venue) -> None:
    venue.replies["/account/subaccount/list"] = ok({"subaccounts": [{"address": "sub", "balance": "1"}]})

    main, sub = await client.records.subaccounts()

    assert (main.address, main.is_main, sub.address, sub.is_main) == (ACCOUNT, True, "sub", False)
    assert verifies("list_subaccounts", venue.sent("/account/subaccount/list"))
    venue.replies["/account/subaccount/list"] = no(400, "Verification failed", 400)
    with pytest.raises(AuthenticationFailed):
        await client.records.subaccounts()
    venue.replies["/account/subaccount/list"] = httpx.ReadTimeout("no answer")
    with pytest.raises(VenueUnreachable):
        await client.records.subaccounts()


async def test_a_market_that_is_not_listed_is_on_its_defaults(client, venue) -> None:
    listed = {"symbol": "BTC", "isolated": True, "leverage": 3}
    for shape in ({"auto_lend_disabled": None, "margin_settings": [listed], "spot_settings": []}, [listed]):
        venue.replies["/account/settings"] = ok(shape)
        held = await client.records.leverage(ETH)
        assert (held.leverage, held.mode) == (Decimal(50), MarginMode.CROSS)
    with pytest.raises(VenueRejected):
        await client.records.leverage("NOPE/USD")


async def test_the_quota_is_what_the_headers_said_last_in_credits(client, venue) -> None:
    venue.headers = {"ratelimit": '"credits";r=1245;t=32', "ratelimit-policy": '"credits";q=1250;w=60'}

    quota = await client.records.request_quota()

    assert (quota.limit, quota.remaining, quota.scope) == (Decimal(125), Decimal("124.5"), "network address")
    assert quota.resets_at == quota.received_time + timedelta(seconds=32)


async def test_a_quota_nobody_stated_is_not_made_up(client, venue) -> None:
    with pytest.raises(ProtocolViolation, match="quota"):
        await client.records.request_quota()


# ---- clock


async def test_a_difference_within_the_clocks_own_resolution_is_not_followed(client, venue) -> None:
    offset = client.clock_offset
    assert offset is not None
    assert offset.error == timedelta(milliseconds=500)
    assert abs(offset.offset) <= offset.error

    await client.cancel_all(ETH)

    assert abs(venue.sent("/orders/cancel_all")["timestamp"] - T) <= 1000


async def test_the_clock_is_measured_again_and_followed(client, venue) -> None:
    venue.now = lambda: NOW + timedelta(seconds=30)

    offset = await client.measure_clock()

    assert client.clock_offset == offset
    assert abs(offset.offset - timedelta(seconds=30)) <= offset.error
    await client.cancel_all(ETH)
    assert 29_000 <= venue.sent("/orders/cancel_all")["timestamp"] - T <= 30_500


class Dateless(httpx.AsyncBaseTransport):
    """Answers without a Date header."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return ok([PRICE_ROW])


async def test_a_venue_without_a_date_has_no_clock(stepped) -> None:
    with pytest.raises(ProtocolViolation, match="Date"):
        await client_of(Dateless(), stepped.outside()).measure_clock()
