"""What leaves for Pacifica: grids, words, windows, queries."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from connectors.pacifica import build
from core.errors import PrecisionRefused, VenueRejected
from core.instrument import Market, Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLIENT_ID = "12345678-1234-1234-1234-123456789abc"
BTC = Market(
    Venue.PACIFICA, "BTC/USD", "BTC", "BTC", "USD",
    tick=Decimal("1"), lot=Decimal("0.00001"), min_quantity=Decimal("0.00001"), min_notional=Decimal(10),
    max_quantity=None, max_notional=Decimal(5_000_000), initial_margin=Decimal("0.02"),
    maintenance_margin=Decimal("0.01"), maker_fee=Decimal("0.00015"), taker_fee=Decimal("0.0004"),
    funding_interval_s=3600,
)  # fmt: skip


def intent(**changes: object) -> OrderIntent:
    wanted = OrderIntent(
        CLIENT_ID, "s", "p", "a", Venue.PACIFICA, "BTC/USD", Side.BUY, OrderType.LIMIT, TimeInForce.GTC,
        quantity=Decimal("0.1"), price=Decimal("100000"), reference_price=Decimal("100000"), reduce_only=False,
        created_at=NOW, valid_until=NOW + timedelta(seconds=5),
    )  # fmt: skip
    return replace(wanted, **changes)


def test_an_order_goes_out_in_the_venues_words() -> None:
    command = build.create_order(intent(), BTC)
    assert (command.operation, command.path) == ("create_order", "/api/v1/orders/create")
    assert command.payload == {
        "symbol": "BTC", "price": "100000", "amount": "0.1", "side": "bid", "tif": "GTC", "reduce_only": False,
        "client_order_id": CLIENT_ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "tif", "wire"),
    [
        (OrderType.LIMIT, TimeInForce.GTC, "GTC"),
        (OrderType.LIMIT, TimeInForce.IOC, "IOC"),
        (OrderType.LIMIT, TimeInForce.POST_ONLY, "ALO"),
        (OrderType.MARKET, TimeInForce.IOC, "IOC"),
        (OrderType.MARKET, TimeInForce.GTC, "IOC"),
    ],
)
def test_a_market_order_never_rests_and_is_bounded_by_its_price(type_: OrderType, tif: TimeInForce, wire: str) -> None:
    payload = build.create_order(intent(type=type_, time_in_force=tif, side=Side.SELL), BTC).payload
    assert (payload["tif"], payload["price"], payload["side"]) == (wire, "100000", "ask")


@pytest.mark.parametrize("changes", [{"price": Decimal("100000.5")}, {"quantity": Decimal("0.000001")}])
def test_what_is_off_the_grid_is_refused_before_signing(changes: dict) -> None:
    with pytest.raises(PrecisionRefused):
        build.create_order(intent(**changes), BTC)


def test_small_lots_are_written_without_an_exponent() -> None:
    assert build.create_order(intent(quantity=Decimal("1E-5")), BTC).payload["amount"] == "0.00001"


def test_a_cancel_names_the_order_by_one_id_only() -> None:
    assert build.cancel_order("BTC/USD", CLIENT_ID, None).payload == {"symbol": "BTC", "client_order_id": CLIENT_ID}
    assert build.cancel_order("BTC/USD", CLIENT_ID, "42").payload == {"symbol": "BTC", "order_id": 42}


def test_cancel_all_takes_one_market_reduce_only_orders_included() -> None:
    assert build.cancel_all_orders("kBONK/USD").payload == {
        "all_symbols": False, "exclude_reduce_only": False, "symbol": "kBONK",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left", "window"),
    [(timedelta(seconds=5), 5000), (timedelta(hours=1), 30_000), (timedelta(milliseconds=1), 1), (timedelta(0), None)],
)
def test_the_window_ends_with_the_intent_and_at_the_venues_default(left: timedelta, window: int | None) -> None:
    assert build.expiry_window_ms(intent(valid_until=NOW + left), NOW) == window


@pytest.mark.parametrize("symbol", ["BTC", "BTC/USDC", "/USD", ""])
def test_a_symbol_that_is_not_quoted_in_usd_is_not_guessed_at(symbol: str) -> None:
    with pytest.raises(VenueRejected):
        build.venue_symbol_of(symbol)


def test_symbols_translate_both_ways() -> None:
    assert build.venue_symbol_of(build.symbol_of("kPEPE")) == "kPEPE"


def test_books_are_subscribed_with_a_level_and_prices_once() -> None:
    assert build.public_subscriptions(["BTC/USD"]) == [
        {"source": "prices"},
        {"source": "book", "symbol": "BTC", "agg_level": 1},
    ]
    assert json.loads(build.subscribe_frame({"source": "prices"})) == {
        "method": "subscribe", "params": {"source": "prices"},
    }  # fmt: skip
    assert json.loads(build.ping_frame()) == {"method": "ping"}


def test_milliseconds_are_rounded_down() -> None:
    assert build.millis_of(datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)) == 1999
