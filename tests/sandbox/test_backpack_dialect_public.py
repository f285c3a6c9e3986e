"""The Backpack twin's public REST answers: shapes, orders of rows, units and number formats."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from backpack_twin import SOL, START_MS, Bench
from hypothesis import given
from hypothesis import strategies as st

from sandbox.dialects.backpack_context import BackpackSwitches
from sandbox.dialects.backpack_numbers import computed, naive_iso, padded, trimmed


async def test_system_routes_answer_status_ping_and_time() -> None:
    bench = Bench()
    assert (await bench.http.get("/api/v1/status")).json() == {"message": None, "status": "Ok"}
    ping = await bench.http.get("/api/v1/ping")
    assert (ping.text, ping.headers["content-type"]) == ("pong", "text/plain; charset=utf-8")
    assert (await bench.http.get("/api/v1/time")).text == str(START_MS)


async def test_markets_are_perpetuals_with_filters_and_margin_functions() -> None:
    bench = Bench()
    rows = (await bench.http.get("/api/v1/markets", params={"marketType": "PERP"})).json()
    by_symbol = {row["symbol"]: row for row in rows}
    assert set(by_symbol) == {"ETH_USDC_PERP", "BTC_USDC_PERP", SOL}
    sol = by_symbol[SOL]
    assert sol["filters"]["price"]["tickSize"] == "0.01"
    assert sol["filters"]["quantity"] == {"maxQuantity": None, "minQuantity": "0.01", "stepSize": "0.01"}
    assert sol["imfFunction"] == {"base": "0.02", "factor": "0.000075", "type": "sqrt"}
    assert (sol["fundingInterval"], sol["marketType"], sol["orderBookState"]) == (3_600_000, "PERP", "Open")
    assert sol["filters"]["price"]["borrowEntryFeeMaxMultiplier"] is None
    assert (await bench.http.get("/api/v1/market", params={"symbol": SOL})).json() == sol
    assert (await bench.http.get("/api/v1/markets", params={"marketType": "SPOT"})).json() == []


async def test_assets_are_listed_and_nothing_can_be_withdrawn() -> None:
    """Common client libraries read the assets before anything else."""
    bench = Bench()
    rows = (await bench.http.get("/api/v1/assets")).json()
    assert [row["symbol"] for row in rows] == ["USDC", "ETH", "BTC", "SOL"]
    assert not any(token["withdrawEnabled"] or token["depositEnabled"] for row in rows for token in row["tokens"])
    assert (await bench.http.get("/api/v1/securities")).json() == []


async def test_json_keys_come_in_alphabetical_order() -> None:
    text = (await Bench().http.get("/api/v1/market", params={"symbol": SOL})).text
    assert text.index('"baseSymbol"') < text.index('"filters"') < text.index('"visible"')


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/market", "Invalid market symbol"),
        ("/api/v1/depth", "Invalid market symbol"),
        ("/api/v1/ticker", "Invalid market symbol"),
        ("/api/v1/fundingRates", "Invalid market symbol"),
        ("/api/v1/trades", "Invalid market symbol"),
        ("/api/v1/markPrices", "Symbol not found"),
    ],
)
async def test_an_unknown_symbol_is_a_json_400(path: str, message: str) -> None:
    answer = await Bench().http.get(path, params={"symbol": "DOGE_USDC_PERP"})
    assert answer.status_code == 400
    assert answer.json() == {"code": "INVALID_CLIENT_REQUEST", "message": message}


async def test_depth_lists_both_sides_ascending_with_trimmed_numbers() -> None:
    bench = Bench()
    for side, price in (("Bid", "149.50"), ("Bid", "149.90"), ("Ask", "150.20"), ("Ask", "151.00")):
        await bench.bob.rest(side, "1.50", price)
    book = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()
    assert book["bids"] == [["149.5", "1.5"], ["149.9", "1.5"]]
    assert book["asks"] == [["150.2", "1.5"], ["151", "1.5"]]
    assert book["lastUpdateId"] == "4"
    assert book["timestamp"] == START_MS * 1000


async def test_a_depth_limit_keeps_the_best_levels_of_each_side() -> None:
    bench = Bench(with_makers=True)
    full = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()
    five = (await bench.http.get("/api/v1/depth", params={"symbol": SOL, "limit": "5"})).json()
    assert len(full["bids"]) > 5
    assert five["bids"] == full["bids"][-5:]
    assert five["asks"] == full["asks"][:5]
    assert Decimal(five["bids"][-1][0]) < Decimal(five["asks"][0][0])


async def test_a_lagging_snapshot_can_be_switched_on() -> None:
    bench = Bench(BackpackSwitches(depth_lag_us=500_000))
    await bench.bob.rest("Bid", "1", "149")
    bench.world.advance(1_000_000)
    await bench.bob.rest("Bid", "1", "149.5")
    book = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()
    assert (book["lastUpdateId"], book["bids"]) == ("1", [["149", "1"]])
    bench.world.advance(500_000)
    book = (await bench.http.get("/api/v1/depth", params={"symbol": SOL})).json()
    assert book["lastUpdateId"] == "2"


async def test_mark_prices_are_an_array_with_next_funding_in_milliseconds() -> None:
    bench = Bench()
    rows = (await bench.http.get("/api/v1/markPrices", params={"symbol": SOL})).json()
    assert len(rows) == 1
    assert (rows[0]["markPrice"], rows[0]["indexPrice"]) == ("150", "150")
    assert rows[0]["nextFundingTimestamp"] == (START_MS // 3_600_000 + 1) * 3_600_000
    assert len((await bench.http.get("/api/v1/markPrices")).json()) == 3


async def test_funding_rates_begin_with_the_interval_in_progress() -> None:
    bench = Bench()
    bench.world.advance(2 * 3_600_000_000)
    rows = (await bench.http.get("/api/v1/fundingRates", params={"symbol": SOL})).json()
    ends = [row["intervalEndTimestamp"] for row in rows]
    assert ends == ["2023-11-15T01:00:00", "2023-11-15T00:00:00", "2023-11-14T23:00:00"]
    assert rows[0]["fundingRate"] == "0.0000125"
    page = await bench.http.get("/api/v1/fundingRates", params={"symbol": SOL, "limit": "1", "offset": "1"})
    assert page.json() == [rows[1]]


async def test_trades_come_newest_first_with_the_buyers_role() -> None:
    bench = Bench()
    await bench.trade("1", "150")
    await bench.alice.rest("Bid", "2", "149")
    await bench.bob.order("Ask", "0.5", "149", timeInForce="IOC")
    rows = (await bench.http.get("/api/v1/trades", params={"symbol": SOL})).json()
    assert [(row["price"], row["quantity"], row["isBuyerMaker"]) for row in rows] == [
        ("149", "0.5", True),
        ("150", "1", False),
    ]
    assert rows[0]["quoteQuantity"] == "74.5"
    assert rows[0]["timestamp"] == START_MS + 200
    older = await bench.http.get("/api/v1/trades/history", params={"symbol": SOL, "offset": "1"})
    assert older.json() == rows[1:]


async def test_ticker_figures_are_strings_and_the_change_is_a_fraction() -> None:
    bench = Bench()
    await bench.trade("1", "151.5")
    row = (await bench.http.get("/api/v1/ticker", params={"symbol": SOL})).json()
    assert row["firstPrice"] == "150"
    assert (row["lastPrice"], row["high"], row["low"]) == ("151.5", "151.5", "150")
    assert (row["priceChange"], row["priceChangePercent"], row["trades"]) == ("1.5", "0.01", "1")
    assert all(isinstance(value, str) for value in row.values())
    assert row in (await bench.http.get("/api/v1/tickers")).json()


async def test_open_interest_counts_base_units() -> None:
    bench = Bench()
    await bench.trade("1.5")
    rows = (await bench.http.get("/api/v1/openInterest", params={"symbol": SOL})).json()
    assert rows == [{"openInterest": "1.5", "symbol": SOL, "timestamp": START_MS + 100}]


@given(st.decimals(min_value=0, max_value=10**9, places=8))
def test_trimmed_numbers_keep_their_value_without_exponent_or_trailing_zeros(value: Decimal) -> None:
    text = trimmed(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert not (("." in text) and text.endswith(("0", ".")))


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from(["1", "0.1", "0.01", "0.00001"]))
def test_padded_numbers_have_the_places_of_their_step(steps: int, step: str) -> None:
    value = steps * Decimal(step)
    text = padded(value, Decimal(step))
    assert Decimal(text) == value
    assert len(text.partition(".")[2]) == len(step.partition(".")[2])


def test_computed_figures_are_cut_to_twelve_places() -> None:
    assert computed(Decimal(1) / 3) == "0.333333333333"
    assert computed(Decimal("-0.0000000000001")) == "0"


def test_history_times_have_no_zone_and_milliseconds_only_when_needed() -> None:
    at = int(datetime(2025, 7, 27, 17, 39, tzinfo=UTC).timestamp()) * 1_000_000
    assert naive_iso(at) == "2025-07-27T17:39:00"
    assert naive_iso(at + 92_999) == "2025-07-27T17:39:00.092"
