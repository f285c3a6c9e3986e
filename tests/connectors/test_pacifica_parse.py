"""What Pacifica's answers and frames mean, with samples in the documented shapes; garbage is a ProtocolViolation."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pacifica import frames, outcomes, parse, parse_orders, reading, wire
from connectors.venue import CancelRefused, CancelTaken, NotSent, Rejected, Unknown
from core.errors import (
    AuthenticationFailed,
    HedgeError,
    ProtocolViolation,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
)
from core.order import Liquidity, OrderStatus, Side

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
T = 1748970123456
OK = {"error": None, "code": None, "success": True}

INFO = [
    {
        "symbol": "ETH", "tick_size": "0.1", "min_tick": "0", "max_tick": "1000000", "lot_size": "0.0001",
        "max_leverage": 50, "isolated_only": False, "min_order_size": "10", "max_order_size": "5000000",
        "funding_rate": "0.0000125", "next_funding_rate": "0.0000125", "created_at": T,
        "instrument_type": "perpetual", "base_asset": "ETH", "new_field": [1],
    },
    {
        "symbol": "SOL-USDC", "tick_size": "0.01", "lot_size": "0.01", "max_leverage": 1, "min_order_size": "1",
        "max_order_size": "1000", "instrument_type": "spot",
    },
    {
        "symbol": "kBONK", "tick_size": "0.000001", "lot_size": "1", "max_leverage": 10, "min_order_size": "10",
        "max_order_size": "100000",
    },
]  # fmt: skip
ACCOUNT = {
    "balance": "2000.000000", "fee_level": 0, "maker_fee": "0.00015", "taker_fee": "0.0004",
    "account_equity": "2010.500000", "cross_account_equity": "2010.500000", "available_to_spend": "1990.000000",
    "available_to_withdraw": "1900.000000", "total_margin_used": "20.500000", "cross_mmr": "10.000000",
    "positions_count": 1, "updated_at": T,
}  # fmt: skip
PRICE = {
    "symbol": "ETH", "funding": "0.00001", "next_funding": "0.0000125", "mark": "3000.5", "mid": "3000.4",
    "oracle": "3000.1", "open_interest": "12", "volume_24h": "1000", "yesterday_price": "-1", "timestamp": T,
}  # fmt: skip
BOOK = {
    "s": "ETH", "t": T,
    "l": [
        [{"p": "3000", "a": "1.5", "n": 2}, {"p": "2999.9", "a": "4", "n": 1}],
        [{"p": "3000.2", "a": "0.5", "n": 1}],
    ],
}  # fmt: skip
POSITION = {
    "symbol": "BTC", "side": "ask", "amount": "0.01", "entry_price": "100000", "margin": "0", "funding": "0.0125",
    "isolated": False, "liquidation_price": "118000.5", "created_at": T, "updated_at": T,
}  # fmt: skip
TRADE = {
    "history_id": 9020975, "order_id": 645953, "client_order_id": None, "symbol": "BTC", "amount": "0.01",
    "price": "99000", "entry_price": "98000", "fee": "0.1485", "pnl": "-0.1485", "event_type": "fulfill_maker",
    "side": "open_long", "created_at": T, "cause": "normal",
}  # fmt: skip
UPDATE = {
    "i": 645953, "I": None, "u": "acc", "s": "BTC", "d": "bid", "p": "99000", "ip": "99100", "lp": "99000",
    "a": "0.01", "f": "0.01", "oe": "fulfill_limit", "os": "filled", "ot": "limit", "sp": None, "si": None,
    "r": False, "ct": T, "ut": T, "li": 645960,
}  # fmt: skip
TRADE_UPDATE = {
    "h": 9020975, "i": 645953, "I": "c", "u": "acc", "s": "BTC", "p": "99000", "o": "98000", "a": "0.01",
    "te": "fulfill_taker", "ts": "close_long", "tc": "normal", "f": "0.1485", "n": "-0.1485", "t": T, "li": 645960,
}  # fmt: skip
EVENT = {
    "history_id": 1, "order_id": 5, "client_order_id": "c", "symbol": "BTC", "side": "bid", "price": "99000",
    "initial_amount": "0.01", "filled_amount": "0", "cancelled_amount": "0", "event_type": "make",
    "order_type": "limit", "order_status": "open", "stop_price": None, "created_at": T,
}  # fmt: skip
HISTORY = {
    "order_id": 5, "client_order_id": "c", "symbol": "BTC", "side": "bid", "initial_price": "99000",
    "average_filled_price": "98990", "amount": "0.01", "filled_amount": "0.004", "order_status": "cancelled",
    "order_type": "limit", "reason": "expired", "created_at": T, "updated_at": T,
}  # fmt: skip


def body(data: object, **more: object) -> bytes:
    return json.dumps({**OK, "data": data, **more}).encode()


def enveloped(data: object) -> wire.Envelope:
    return reading.envelope(200, {}, body(data))


# ---- facts


def test_markets_have_grids_margins_and_this_accounts_fees_and_spot_is_left_out() -> None:
    markets = parse.markets(reading.rows(wire.MarketRow, enveloped(INFO)), parse.account_state(enveloped(ACCOUNT)))
    assert sorted(markets) == ["ETH/USD", "kBONK/USD"]
    eth = markets["ETH/USD"]
    assert (eth.tick, eth.lot, eth.min_notional) == (Decimal("0.1"), Decimal("0.0001"), Decimal(10))
    assert (eth.initial_margin, eth.maintenance_margin) == (Decimal("0.02"), Decimal("0.01"))
    assert (eth.maker_fee, eth.taker_fee) == (Decimal("0.00015"), Decimal("0.0004"))
    assert eth.funding_interval_s == 3600


@pytest.mark.parametrize("shape", [ACCOUNT, [ACCOUNT]])
def test_margin_reads_the_account_as_object_or_as_list_of_one(shape: object) -> None:
    margin = parse.margin("a", parse.account_state(enveloped(shape)), NOW)
    assert (margin.equity, margin.available) == (Decimal("2010.5"), Decimal("1990"))
    assert (margin.initial, margin.maintenance, margin.active) == (Decimal("20.5"), Decimal("10"), True)


def test_an_account_below_its_maintenance_margin_is_not_active() -> None:
    state = parse.account_state(enveloped({**ACCOUNT, "account_equity": "9.99"}))
    assert not parse.margin("a", state, NOW).active


@pytest.mark.parametrize("shape", [[], [ACCOUNT, ACCOUNT], None, "x"])
def test_an_account_that_is_not_exactly_one_is_a_violation(shape: object) -> None:
    with pytest.raises(ProtocolViolation):
        parse.account_state(enveloped(shape))


def test_mark_is_mark_and_index_is_oracle() -> None:
    mark = parse.mark(parse.price_row(reading.rows(wire.PriceRow, enveloped([PRICE])), "ETH"), NOW)
    assert (mark.symbol, mark.mark, mark.index) == ("ETH/USD", Decimal("3000.5"), Decimal("3000.1"))
    assert mark.venue_time == datetime(2025, 6, 3, 17, 2, 3, 456000, tzinfo=UTC)


def test_funding_is_the_coming_hours_estimate_per_hour() -> None:
    rate = parse.funding_rate(wire.PriceRow.model_validate(PRICE), NOW)
    assert (rate.rate, rate.interval_s, rate.hourly) == (Decimal("0.0000125"), 3600, Decimal("0.0000125"))
    assert rate.next_at == datetime(2025, 6, 3, 18, tzinfo=UTC)


@pytest.mark.parametrize("leverage", [0, -1, 10_001, 10**400])
def test_a_market_with_a_leverage_that_none_has_is_refused(leverage: int) -> None:
    with pytest.raises(ProtocolViolation):
        reading.rows(wire.MarketRow, enveloped([{**INFO[0], "max_leverage": leverage}]))


def test_a_market_missing_from_the_prices_has_no_default() -> None:
    with pytest.raises(ProtocolViolation):
        parse.price_row([], "ETH")
    with pytest.raises(ProtocolViolation):
        parse.funding_rate(wire.PriceRow.model_validate({**PRICE, "next_funding": None}), NOW)


def test_a_book_keeps_order_and_drops_empty_levels() -> None:
    picture = {**BOOK, "l": [[*BOOK["l"][0], {"p": "2999", "a": "0", "n": 0}], BOOK["l"][1]]}
    book = parse.book(parse.book_snapshot(enveloped(picture)), NOW)
    assert (book.best_bid, book.best_ask, len(book.bids)) == (Decimal(3000), Decimal("3000.2"), 2)


def test_an_empty_book_is_a_book() -> None:
    book = parse.book(parse.book_snapshot(enveloped({**BOOK, "l": [[], []]})), NOW)
    assert (book.bids, book.asks) == ((), ())


@pytest.mark.parametrize(
    "levels",
    [
        [[{"p": "3000", "a": "1"}], [{"p": "2999", "a": "1"}]],
        [[{"p": "3000", "a": "1"}, {"p": "3001", "a": "1"}], []],
        [[], [{"p": "3000", "a": "1"}, {"p": "3000", "a": "1"}]],
        [[], [{"p": "3000", "a": "1"}, {"p": "3001", "a": "-1"}]],
        [[{"p": "0", "a": "1"}], []],
    ],
)
def test_a_crossed_disordered_or_negative_book_is_a_violation(levels: object) -> None:
    with pytest.raises(ProtocolViolation):
        parse.book(parse.book_snapshot(enveloped({**BOOK, "l": levels})), NOW)


def test_a_short_is_negative_and_its_pnl_comes_from_the_mark() -> None:
    row = wire.PositionRow.model_validate(POSITION)
    position = parse.position("a", row, Decimal("99000"), NOW)
    assert (position.quantity, position.unrealized_pnl) == (Decimal("-0.01"), Decimal("10"))
    assert position.liquidation_price == Decimal("118000.5")
    assert parse.position("a", row, None, NOW).unrealized_pnl is None


@pytest.mark.parametrize("price", [None, "-12.5", "0"])
def test_a_liquidation_price_that_cannot_be_reached_is_none(price: str | None) -> None:
    row = wire.PositionRow.model_validate({**POSITION, "liquidation_price": price})
    assert parse.position("a", row, None, NOW).liquidation_price is None


def test_a_fill_takes_the_execution_price_not_the_entry_price() -> None:
    fill = parse_orders.fill("a", wire.TradeRow.model_validate(TRADE), NOW)
    assert (fill.price, fill.quantity, fill.fee) == (Decimal(99000), Decimal("0.01"), Decimal("0.1485"))
    assert (fill.side, fill.liquidity, fill.trade_id) == (Side.BUY, Liquidity.MAKER, "9020975")
    assert (fill.client_order_id, fill.venue_order_id) == (None, "645953")


@pytest.mark.parametrize(
    ("word", "side"),
    [("open_long", Side.BUY), ("close_short", Side.BUY), ("open_short", Side.SELL), ("close_long", Side.SELL)],
)
def test_trade_sides_are_read_as_what_was_done(word: str, side: Side) -> None:
    assert parse_orders.fill("a", wire.TradeRow.model_validate({**TRADE, "side": word}), NOW).side is side


@pytest.mark.parametrize("changes", [{"side": "long"}, {"event_type": "gift"}, {"amount": "0"}, {"price": "-1"}])
def test_a_fill_that_makes_no_sense_is_a_violation(changes: dict) -> None:
    with pytest.raises(ProtocolViolation):
        parse_orders.fill("a", wire.TradeRow.model_validate({**TRADE, **changes}), NOW)


def test_a_payout_is_positive_when_received() -> None:
    row = {"history_id": 7, "symbol": "BTC", "side": "ask", "amount": "0.01", "payout": "0.0125", "rate": "0.0000125",
           "created_at": T}  # fmt: skip
    payment = parse.funding_payment("a", wire.FundingRow.model_validate(row), NOW)
    assert (payment.payment, payment.rate, payment.payment_id) == (Decimal("0.0125"), Decimal("0.0000125"), "7")


@pytest.mark.parametrize(
    ("word", "reason", "filled", "status"),
    [
        ("open", "make", "0", OrderStatus.ACCEPTED),
        ("partially_filled", "fulfill_limit", "1", OrderStatus.ACCEPTED),
        ("filled", None, "1", OrderStatus.FILLED),
        ("cancelled", "cancel", "1", OrderStatus.CANCELLED),
        ("cancelled", "expired", "0", OrderStatus.EXPIRED),
        ("rejected", "post_only_rejected", "0", OrderStatus.REJECTED),
        ("rejected", "self_trade_prevented", "0.5", OrderStatus.CANCELLED),
    ],
)
def test_order_states(word: str, reason: str | None, filled: str, status: OrderStatus) -> None:
    assert parse_orders.order_status(word, reason, Decimal(filled)) is status


def test_a_new_order_state_is_not_guessed_at() -> None:
    with pytest.raises(ProtocolViolation, match="order status"):
        parse_orders.order_status("parked", None, Decimal(0))


def test_history_tells_the_end_of_an_order_with_its_reason() -> None:
    report = parse_orders.past_order("a", wire.OrderHistoryRow.model_validate(HISTORY), NOW)
    assert (report.status, report.reason) == (OrderStatus.EXPIRED, "expired")
    assert (report.filled_quantity, report.average_price) == (Decimal("0.004"), Decimal("98990"))


def test_of_an_orders_events_the_one_with_the_highest_id_counts() -> None:
    events = [
        {**EVENT, "history_id": 3, "event_type": "cancel", "order_status": "cancelled", "filled_amount": "0.004"},
        EVENT,
        {**EVENT, "history_id": 2, "event_type": "fulfill_limit", "order_status": "partially_filled"},
    ]
    report = parse_orders.order_from_events("a", [wire.OrderEventRow.model_validate(event) for event in events], NOW)
    assert (report.status, report.filled_quantity, report.reason) == (
        OrderStatus.CANCELLED,
        Decimal("0.004"),
        "cancel",
    )


def test_an_order_without_fills_has_no_average_price() -> None:
    row = wire.OrderUpdateRow.model_validate({**UPDATE, "f": "0", "p": "0", "os": "open", "oe": "make"})
    report = parse_orders.order_update("a", row, NOW)
    assert (report.average_price, report.reason, report.status) == (None, None, OrderStatus.ACCEPTED)


# ---- frames


def test_frames_of_every_channel_are_read() -> None:
    assert frames.frame(json.dumps({"channel": "book", "data": BOOK})) == wire.BookSnapshot.model_validate(BOOK)
    assert frames.frame(json.dumps({"channel": "prices", "data": [PRICE]})) == (wire.PriceRow.model_validate(PRICE),)
    (update,) = frames.frame(json.dumps({"channel": "account_order_updates", "data": [UPDATE]}))
    assert parse_orders.order_update("a", update, NOW).average_price == Decimal(99000)
    (trade,) = frames.frame(json.dumps({"channel": "account_trades", "data": [TRADE_UPDATE]}))
    fill = parse_orders.fill_update("a", trade, NOW)
    assert (fill.price, fill.side, fill.client_order_id) == (Decimal(99000), Side.SELL, "c")


def test_acknowledgements_errors_and_pongs_are_told_apart() -> None:
    ack = {"channel": "subscribe", "data": {"source": "book", "symbol": "ETH", "extra": False}}
    assert frames.frame(json.dumps(ack)) == frames.Subscribed("book", "ETH")
    assert frames.frame('{"channel":"pong"}') == frames.Unhandled("pong")
    assert frames.frame('{"code":400,"err":"Invalid request"}') == frames.Refused(400, "Invalid request")


def test_numbers_that_are_not_text_or_integers_are_refused() -> None:
    for wrong in (3000.5, True, "NaN", "Infinity", "", None, "1E+99999999", "1E-99999999"):
        with pytest.raises(ProtocolViolation):
            frames.frame(json.dumps({"channel": "prices", "data": [{**PRICE, "mark": wrong}]}))


def test_a_violation_names_the_field_and_not_the_content() -> None:
    with pytest.raises(ProtocolViolation) as wrong:
        frames.frame(json.dumps({"channel": "prices", "data": [{**PRICE, "mark": "sesame"}]}))
    assert "PriceRow.mark" in str(wrong.value)


# ---- answers


def test_the_date_header_is_the_venues_clock() -> None:
    assert reading.http_date({"date": "Fri, 20 Nov 2026 12:00:00 GMT"}) == NOW


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": "Fri, 99 Nov 2026 12:00:00 GMT"}])
def test_an_unreadable_date_is_a_violation(headers: dict[str, str]) -> None:
    with pytest.raises(ProtocolViolation):
        reading.http_date(headers)


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (429, b"Rate limit exceeded", RateLimited),
        (503, b"<html>", VenueUnavailable),
        (504, b"Request timed out", VenueUnavailable),
        (403, b"Beta access required.", AuthenticationFailed),
        (400, b"Verification failed", AuthenticationFailed),
        (404, b'{"success":false,"data":null,"error":"Account not found","code":404}', VenueRejected),
        (200, b'{"success":false,"data":null,"error":"nope","code":1}', VenueRejected),
        (200, b"<html>", ProtocolViolation),
        (200, b"", ProtocolViolation),
        (302, b"", ProtocolViolation),
    ],
)
def test_a_refused_read_raises_what_it_means(status: int, text: bytes, error: type[HedgeError]) -> None:
    with pytest.raises(error):
        reading.envelope(status, {}, text)


def refusal(text: str, code: int | None = None, **more: object) -> bytes:
    return json.dumps({"success": False, "data": None, "error": text, "code": code, **more}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (400, b"Verification failed", "AUTH"),
        (400, refusal("Verification failed: signature does not match.", 400, error_id="signature_verification_failed"),
         "AUTH"),
        (400, refusal("Agent not authorized for account", 400), "AUTH"),
        (400, b"Json deserialize error: missing field `tif` at line 1 column 9", "MALFORMED"),
        (400, refusal("Invalid message", 400), "REQUEST_EXPIRED"),
        (400, refusal("100.5 is not a multiple of tick size 1", 400), "TICK_SIZE"),
        (403, refusal("Beta access required. Signer must redeem a valid beta code.", 403), "AUTH"),
        (422, refusal("Insufficient balance for FAe4: 100 (account value: 1)", 5), "INSUFFICIENT_BALANCE"),
        (422, refusal("Order amount too low for FAe4: 7.8 < 10", 0, error_id="invalid_amount"), "BELOW_MINIMUM"),
        (422, refusal("No position found for reduce-only order: FAe4 BTC", 23), "REDUCE_ONLY"),
        (422, refusal("Price too far from mark: 1 100", 30), "PRICE_BAND"),
        (422, refusal("something new", 120), None),
        (429, b"slow down", "RATE_LIMITED"),
        (200, refusal("No reasonable price found", 25), "NO_LIQUIDITY"),
    ],
)  # fmt: skip
def test_a_positive_refusal_of_an_order_is_rejected(status: int, answer: bytes, code: str | None) -> None:
    outcome = outcomes.refused_order(status, answer)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"Internal server error"),
        (502, b""),
        (503, b"<html>"),
        (504, refusal("Request timed out", 504)),
        (408, b""),
        (409, refusal("conflict", 409)),
        (301, b""),
        (200, b"<html>not json"),
        (200, b""),
        (200, body(None)),
        (200, body({"order": 1})),
        (422, refusal("Duplicate client order id: c", 36)),
        (422, refusal("response dropped", 27)),
        (422, refusal("", 0)),
    ],
)
def test_an_answer_that_proves_nothing_about_an_order_is_unknown(status: int, answer: bytes) -> None:
    assert outcomes.order_id_of(answer) is None
    assert isinstance(outcomes.refused_order(status, answer), Unknown)


@pytest.mark.parametrize("answer", [body({"order_id": 645953}), b'{"order_id":645953}'])
def test_an_order_id_proves_that_the_order_was_taken(answer: bytes) -> None:
    assert outcomes.order_id_of(answer) == "645953"


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (200, body(None), CancelTaken),
        (200, b'{"success":true}', CancelTaken),
        (200, body({"cancelled_count": 2}), CancelTaken),
        (422, refusal("Failed to cancel order", 5), CancelRefused),
        (420, refusal("Failed to cancel order", 5), CancelRefused),
        (400, refusal("Failed to cancel order", 5), CancelRefused),
        (422, refusal("Order not found", 6), CancelRefused),
        (400, b"Verification failed", NotSent),
        (429, b"", NotSent),
        (500, b"", Unknown),
        (504, refusal("Request timed out", 504), Unknown),
        (200, b"<html>", Unknown),
        (409, b"", Unknown),
    ],
)
def test_outcomes_of_a_cancel(status: int, answer: bytes, outcome: type) -> None:
    assert isinstance(outcomes.cancel_outcome(status, answer), outcome)


# ---- garbage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
SAMPLES = {
    wire.MarketRow: INFO[0],
    wire.PriceRow: PRICE,
    wire.BookSnapshot: BOOK,
    wire.AccountState: ACCOUNT,
    wire.PositionRow: POSITION,
    wire.OrderHistoryRow: HISTORY,
    wire.OrderEventRow: EVENT,
    wire.TradeRow: TRADE,
    wire.OrderUpdateRow: UPDATE,
    wire.TradeUpdateRow: TRADE_UPDATE,
}
CHANNELS = {"book": BOOK, "prices": PRICE, "account_order_updates": UPDATE, "account_trades": TRADE_UPDATE}


def only_violations(read: Callable[[], object]) -> None:
    try:
        read()
    except ProtocolViolation:
        return


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_garbage_frames_are_read_or_violations(text: bytes) -> None:
    only_violations(lambda: frames.frame(text))


@given(st.sampled_from(sorted(CHANNELS)), st.data())
def test_frames_with_one_field_replaced_are_read_or_violations(channel: str, data: st.DataObject) -> None:
    sample = CHANNELS[channel]
    spoiled = {**sample, data.draw(st.sampled_from(sorted(sample))): data.draw(JSON)}
    text = json.dumps({"channel": channel, "data": spoiled if channel == "book" else [spoiled]})

    def read() -> None:
        match frames.frame(text):
            case wire.BookSnapshot() as snapshot:
                parse.book(snapshot, NOW)
            case (wire.PriceRow() as row,):
                parse.mark(row, NOW)
                parse.funding_rate(row, NOW)
            case (wire.OrderUpdateRow() as row,):
                parse_orders.order_update("a", row, NOW)
            case (wire.TradeUpdateRow() as row,):
                parse_orders.fill_update("a", row, NOW)

    only_violations(read)


@given(st.sampled_from(list(SAMPLES)), st.data())
def test_rows_with_one_field_replaced_are_read_or_violations(model: type, data: st.DataObject) -> None:
    sample = SAMPLES[model]
    spoiled = {**sample, data.draw(st.sampled_from(sorted(sample))): data.draw(JSON)}

    def read() -> None:
        (row,) = reading.rows(model, wire.Envelope(success=True, data=[spoiled]))
        match row:
            case wire.MarketRow():
                parse.markets([row], wire.AccountState.model_validate(ACCOUNT))
            case wire.PositionRow():
                parse.position("a", row, Decimal(1), NOW)
            case wire.OrderHistoryRow():
                parse_orders.past_order("a", row, NOW)
            case wire.OrderEventRow():
                parse_orders.order_from_events("a", [row], NOW)
            case wire.TradeRow():
                parse_orders.fill("a", row, NOW)

    only_violations(read)


@given(st.integers(100, 599), st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_to_an_order_breaks_the_classifiers(status: int, answer: bytes) -> None:
    assert isinstance(outcomes.refused_order(status, answer), Rejected | Unknown)
    assert isinstance(outcomes.cancel_outcome(status, answer), CancelTaken | CancelRefused | Unknown | NotSent)
    assert isinstance(outcomes.read_error(status, {}, answer), HedgeError)


def test_times_are_aware_utc() -> None:
    assert reading.moment(0) + timedelta(milliseconds=T) == reading.moment(T)
    assert reading.moment(T).tzinfo is UTC
