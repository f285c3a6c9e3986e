"""Whatever comes instead of an answer, the readers of the wider surface say ProtocolViolation and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from backpack_samples import COLLATERAL, NOW, listing, mark_event
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.backpack import parse_account, parse_market, wire, wire_account, wire_market
from core.errors import ProtocolViolation
from core.market_data import CandleInterval

ETH = listing().market("ETH/USD")
CAPITAL = json.dumps(COLLATERAL).encode()
TICKER = {
    "symbol": "ETH_USDC_PERP", "priceChangePercent": "-0.02", "high": "3050", "low": "2900", "volume": "1",
    "quoteVolume": "3000",
}  # fmt: skip
TRADE = {"id": 7, "isBuyerMaker": False, "price": "3000", "quantity": "0.1", "timestamp": 1_795_176_000_000}
CANDLE = {
    "start": "2026-11-20 11:58:00", "open": "1", "high": "2", "low": "1", "close": "2", "volume": "1", "trades": "3"
}  # fmt: skip
READERS: dict[str, Callable[[bytes], object]] = {
    "ticker": lambda body: parse_market.parse_statistics(body, b"[]", ETH, NOW),
    "open interest": lambda body: parse_market.parse_statistics(json.dumps(TICKER).encode(), body, ETH, NOW),
    "trades": lambda body: parse_market.parse_trades(body, "ETH/USD", NOW),
    "candles": lambda body: parse_market.parse_candles(
        body, "ETH/USD", CandleInterval.MINUTE, now=NOW, received_time=NOW
    ),
    "funding rates": parse_market.parse_funding_rows,
    "status": lambda body: parse_market.parse_status(body, NOW),
    "balances": lambda body: parse_account.parse_balances(body, CAPITAL, "a", NOW),
    "deposits": lambda body: parse_account.parse_deposits(body, "a", NOW),
    "withdrawals": lambda body: parse_account.parse_withdrawals(body, "a", NOW),
}
EVENTS = [
    wire_market.TradeEvent, wire_market.BestEvent, wire_market.TickerEvent, wire_market.CandleEvent,
    wire_market.PriceEvent, wire_market.OpenInterestEvent, wire_account.PositionEvent, wire_account.BalanceEvent,
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40)
@given(junk=JSON)
def test_junk_is_read_as_nothing_or_refused(name: str, junk: object) -> None:
    with suppress(ProtocolViolation):
        READERS[name](json.dumps(junk).encode())


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 10_000, b'{"a": NaN}', b"null", b"7"])
def test_what_is_no_answer_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        READERS[name](body)


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.__name__)
@settings(max_examples=40)
@given(junk=JSON)
def test_a_junk_event_is_refused(model: type[wire.Wire], junk: object) -> None:
    with pytest.raises(ProtocolViolation):
        wire.read(model, junk, "event")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("ticker", TICKER | {"priceChangePercent": "NaN"}),
        ("ticker", TICKER | {"priceChangePercent": "1e9"}),
        ("ticker", TICKER | {"high": "0"}),
        ("ticker", TICKER | {"volume": None}),
        ("trades", [TRADE | {"price": "0"}]),
        ("trades", [TRADE | {"quantity": "-1"}]),
        ("trades", [TRADE | {"price": "Infinity"}]),
        ("trades", [TRADE | {"timestamp": "soon"}]),
        ("candles", [CANDLE | {"low": "-1"}]),
        ("candles", [CANDLE | {"start": "yesterday"}]),
        ("funding rates", [{"symbol": "X", "fundingRate": None, "intervalEndTimestamp": "2026-11-20T12:00:00"}]),
        ("balances", {"USDC": {"available": "1", "locked": "0"}}),
        ("deposits", [{"id": 1, "status": "x", "symbol": "USDC", "quantity": "", "createdAt": "2026-11-20T12:00:00"}]),
    ],
)
def test_a_number_or_time_that_cannot_be_is_refused(name: str, rows: object) -> None:
    with pytest.raises(ProtocolViolation):
        READERS[name](json.dumps(rows).encode())


def test_numbers_of_the_documents_and_of_the_wire_read_the_same() -> None:
    """The documents print some numbers bare where the wire has text."""
    texts = mark_event()
    bare = texts | {"p": 2999.25, "i": 2999.1, "f": 0.0000125}
    read = [wire.read(wire_market.PriceEvent, wire.read_json(json.dumps(one), "e"), "e") for one in (texts, bare)]
    assert read[0] == read[1]
