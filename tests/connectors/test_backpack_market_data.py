"""Backpack's public facts by REST over a scripted transport: what is asked for, what it means, what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from backpack_samples import NOW
from backpack_venue import ScriptedVenue, connected, query

from core.errors import ProtocolViolation, VenueRejected, VenueUnavailable
from core.market_data import CandleInterval, VenueState
from core.order import Side

D = Decimal
HOUR = timedelta(hours=1)
TICKER = {
    "symbol": "ETH_USDC_PERP", "firstPrice": "3000", "lastPrice": "2912.9", "priceChange": "-87.1",
    "priceChangePercent": "-0.029032", "high": "3050", "low": "2900", "volume": "1200.5", "quoteVolume": "3600000.25",
    "trades": "812",
}  # fmt: skip
INTEREST = [{"symbol": "ETH_USDC_PERP", "openInterest": "5012.3", "timestamp": 1_795_176_000_000}]


@pytest.fixture
def venue(stepped) -> ScriptedVenue:
    stepped.now = NOW
    return ScriptedVenue(stepped.clock)


def answer(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def candle(minute: int, price: str | None = "3000") -> dict[str, object]:
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    start = datetime(2026, 11, 20, 11, minute)
    return prices | {
        "start": str(start), "end": str(start + timedelta(minutes=1)), "volume": "0" if price is None else "1.5",
        "quoteVolume": "0", "trades": "0" if price is None else "3",
    }  # fmt: skip


def rate(hour: int, value: str = "0.0000125") -> dict[str, str]:
    return {
        "symbol": "ETH_USDC_PERP", "fundingRate": value, "intervalEndTimestamp": f"2026-11-20T{hour:02d}:00:00"
    }  # fmt: skip


async def test_statistics_join_the_day_and_the_open_interest(stepped, venue) -> None:
    venue.on("GET /api/v1/ticker", answer(TICKER))
    venue.on("GET /api/v1/openInterest", answer(INTEREST))
    said = await (await connected(stepped, venue)).market_data.statistics("ETH/USD")
    assert (said.volume_quote, said.volume_base, said.open_interest) == (D("3600000.25"), D("1200.5"), D("5012.3"))
    assert (said.change, said.high, said.low, said.venue_time) == (D("-0.029032"), D(3050), D(2900), None)


async def test_what_the_statistics_do_not_tell_is_none(stepped, venue) -> None:
    venue.on("GET /api/v1/ticker", answer(TICKER | {"priceChangePercent": "N/A"}))
    venue.on("GET /api/v1/openInterest", answer([INTEREST[0] | {"openInterest": None}]))
    said = await (await connected(stepped, venue)).market_data.statistics("ETH/USD")
    assert (said.change, said.open_interest) == (None, None)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(204), VenueUnavailable),
        (
            httpx.Response(400, json={"code": "INVALID_CLIENT_REQUEST", "message": "Invalid market symbol"}),
            VenueRejected,
        ),
        (answer(TICKER | {"priceChangePercent": "much"}), ProtocolViolation),
        (answer(TICKER | {"volume": None}), ProtocolViolation),
    ],
)
async def test_statistics_that_cannot_be_read_are_not_guessed(stepped, venue, reply, error) -> None:
    venue.on("GET /api/v1/ticker", reply)
    venue.on("GET /api/v1/openInterest", answer(INTEREST))
    client = await connected(stepped, venue)
    with pytest.raises(error):
        await client.market_data.statistics("ETH/USD")


async def test_trades_come_oldest_first_with_the_takers_side(stepped, venue) -> None:
    rows = [
        {"id": 7 + n, "isBuyerMaker": n == 1, "price": "3000", "quantity": "0.1", "quoteQuantity": "300",
         "timestamp": 1_795_176_000_000 + n}
        for n in (2, 1, 0)
    ]  # fmt: skip
    venue.on("GET /api/v1/trades", answer(rows))
    client = await connected(stepped, venue)
    trades = await client.market_data.trades("ETH/USD", limit=5_000)
    assert [(trade.trade_id, trade.aggressor) for trade in trades] == [
        ("7", Side.BUY), ("8", Side.SELL), ("9", Side.BUY)
    ]  # fmt: skip
    assert query(venue.asked("GET /api/v1/trades")[0]) == {"symbol": "ETH_USDC_PERP", "limit": "1000"}


async def test_candles_without_a_trade_are_left_out_and_only_the_last_may_run(stepped, venue) -> None:
    venue.on("GET /api/v1/klines", answer([candle(57), candle(58, None), candle(59)]))
    stepped.now = NOW - timedelta(seconds=20)
    client = await connected(stepped, venue)
    found = await client.market_data.candles("ETH/USD", CandleInterval.MINUTE, NOW - HOUR, NOW)
    assert [(one.start.minute, one.is_closed) for one in found] == [(57, True), (59, False)]
    assert (found[0].volume, found[0].start.tzinfo) == (D("1.5"), UTC)


async def test_a_candle_is_closed_once_the_venue_lists_a_later_one_or_its_time_is_up(stepped, venue) -> None:
    venue.on("GET /api/v1/klines", answer([candle(58), candle(59)]))
    found = await (await connected(stepped, venue)).market_data.candles(
        "ETH/USD", CandleInterval.MINUTE, NOW - HOUR, NOW
    )
    assert [one.is_closed for one in found] == [True, True]


async def test_candles_are_asked_for_in_seconds_and_a_thousand_at_a_time(stepped, venue) -> None:
    venue.on("GET /api/v1/klines", answer([candle(59), candle(12)]))
    client = await connected(stepped, venue)
    since = NOW - timedelta(minutes=1500)
    found = await client.market_data.candles("ETH/USD", CandleInterval.MINUTE, since, NOW)
    spans = [(query(one)["startTime"], query(one)["endTime"]) for one in venue.asked("GET /api/v1/klines")]
    begin = int(since.timestamp())
    assert spans == [(str(begin), str(begin + 60_000)), (str(begin + 60_000), str(begin + 90_000))]
    assert [one.start.minute for one in found] == [12, 59], "each once, in order, whatever a page repeats"


async def test_past_funding_leaves_the_running_interval_out(stepped, venue) -> None:
    venue.on("GET /api/v1/fundingRates", answer([rate(13, "0.5"), rate(12), rate(11, "-0.0001"), rate(10)]))
    found = await (await connected(stepped, venue)).market_data.past_funding("ETH/USD", NOW - HOUR)
    assert [(one.at, one.rate, one.interval_s) for one in found] == [
        (NOW - HOUR, D("-0.0001"), 3600), (NOW, D("0.0000125"), 3600)
    ]  # fmt: skip
    assert all(one.index is None for one in found), "this venue has no funding index"


async def test_a_first_row_that_is_settled_already_is_kept(stepped, venue) -> None:
    venue.on("GET /api/v1/fundingRates", answer([rate(12), rate(11)]))
    found = await (await connected(stepped, venue)).market_data.past_funding("ETH/USD", NOW - HOUR)
    assert [one.at for one in found] == [NOW - HOUR, NOW]


@pytest.mark.parametrize(
    ("body", "state", "text"),
    [
        ({"status": "Ok", "message": None}, VenueState.OPEN, "Ok"),
        ({"status": "Maintenance", "message": "until 12"}, VenueState.MAINTENANCE, "Maintenance: until 12"),
        ({"status": "Degraded"}, VenueState.UNKNOWN, "Degraded"),
    ],
)
async def test_only_ok_takes_new_risk(stepped, venue, body, state, text) -> None:
    venue.on("GET /api/v1/status", answer(body))
    said = await (await connected(stepped, venue)).market_data.system_status()
    assert (said.state, said.text, said.takes_new_risk) == (state, text, state is VenueState.OPEN)


async def test_a_market_that_is_not_listed_is_refused_without_asking(stepped, venue) -> None:
    client = await connected(stepped, venue)
    asked = len(venue.requests)
    with pytest.raises(VenueRejected, match="DOGE/USD"):
        await client.market_data.trades("DOGE/USD")
    assert len(venue.requests) == asked
