"""Backpack's answers become core facts, or a ProtocolViolation; nothing is guessed."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from backpack_samples import (
    ACCOUNT,
    COLLATERAL,
    DEPTH,
    MARK_PRICES,
    MARKETS,
    NOW,
    ORDER_ACCEPTED,
    ORDER_FILL,
    POSITION,
    body,
    facts,
    fill_row,
    funding_row,
    history_row,
    intent,
    listing,
    market,
    order_row,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.backpack import parse, wire
from connectors.backpack.listing import parse_listing, parse_terms
from core.errors import ProtocolViolation, VenueRejected
from core.market import Level
from core.order import FillCause, Liquidity, OrderStatus, Side

ETH = listing().market("ETH/USD")


def test_markets_are_the_usdc_perpetuals_and_the_open_ones_may_be_traded() -> None:
    read = listing()
    assert set(read.open_markets) == {"ETH/USD", "kPEPE/USD"}
    assert set(read.known_markets) == {"ETH/USD", "kPEPE/USD", "SOL/USD"}
    assert read.symbol_of["SOL_USDC_PERP"] == "SOL/USD"
    assert "ETH_USDC" not in read.symbol_of


def test_a_market_carries_grid_margin_and_this_accounts_fees() -> None:
    """Fees are basis points on the wire; the margin base is floored by the account's leverage limit."""
    assert (ETH.venue_symbol, ETH.quote) == ("ETH_USDC_PERP", "USD")
    assert (ETH.tick, ETH.lot, ETH.min_quantity) == (Decimal("0.01"), Decimal("0.0001"), Decimal("0.001"))
    assert (ETH.maker_fee, ETH.taker_fee) == (Decimal("-0.00005"), Decimal("0.0005"))
    assert (ETH.initial_margin, ETH.maintenance_margin) == (Decimal("0.05"), Decimal("0.0135"))
    assert (ETH.funding_interval_s, ETH.price_band) == (3600, Decimal("0.075"))


def test_the_margin_base_stands_where_the_leverage_limit_allows_more() -> None:
    terms = parse_terms(body(ACCOUNT | {"leverageLimit": "100"}))
    assert parse_listing(body(MARKETS), terms).market("ETH/USD").initial_margin == Decimal("0.02")


@pytest.mark.parametrize(
    "broken",
    [
        {"imfFunction": None},
        {"imfFunction": {"type": "cubic", "base": "1", "factor": "1"}},
        {"fundingInterval": None},
        {"filters": {}},
    ],
)
def test_a_market_whose_rules_cannot_be_read_is_not_offered_but_keeps_its_name(broken) -> None:
    read = parse_listing(body([market(), market("X_USDC_PERP", "X", **broken)]), parse_terms(body(ACCOUNT)))
    assert set(read.known_markets) == {"ETH/USD"}
    assert read.symbol_of["X_USDC_PERP"] == "X/USD"


def test_a_list_without_any_readable_perpetual_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        parse_listing(body([market(fundingInterval=None)]), parse_terms(body(ACCOUNT)))


def test_a_market_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(VenueRejected, match="DOGE/USD"):
        listing().market("DOGE/USD")


def test_the_book_turns_the_bids_round() -> None:
    """The REST snapshot has its best bid last."""
    book = parse.book_of(parse.parse_depth(body(DEPTH)), "ETH/USD", NOW)
    assert book.bids[0] == Level(Decimal("2999"), Decimal("2"))
    assert book.asks[0] == Level(Decimal("2999.5"), Decimal("1.5"))
    assert book.sequence == 1000
    assert book.venue_time == datetime(2026, 9, 2, 16, 58, 10, 62001, tzinfo=UTC)


def test_mark_and_funding_come_from_the_row_of_the_market() -> None:
    answer = body([MARK_PRICES[0] | {"symbol": "BTC_USDC_PERP", "markPrice": "1"}, *MARK_PRICES])
    mark = parse.parse_mark(answer, ETH, NOW)
    rate = parse.parse_funding_rate(answer, ETH, NOW)
    assert (mark.mark, mark.index) == (Decimal("2999.25"), Decimal("2999.1"))
    assert (rate.rate, rate.interval_s, rate.hourly) == (Decimal("0.0000125"), 3600, Decimal("0.0000125"))
    assert rate.next_at == datetime(2026, 9, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize("rows", [[], [{"symbol": "ETH_USDC_PERP", "markPrice": "1"}]])
def test_a_missing_funding_rate_is_not_zero(rows) -> None:
    with pytest.raises(ProtocolViolation):
        parse.parse_funding_rate(body(rows), ETH, NOW)


def margin(**changes):
    return parse.parse_margin(body(COLLATERAL | changes), is_liquidating=False, account_id="acc-1", received_time=NOW)


def test_maintenance_is_what_would_begin_a_liquidation() -> None:
    """mmf / marginFraction = 1 exactly when the equity equals mmf * exposure."""
    read = margin()
    assert (read.equity, read.available, read.initial) == (Decimal(1000), Decimal(900), Decimal(100))
    assert read.maintenance == Decimal("0.0135") * 2000
    assert read.active


def test_exposure_is_the_larger_of_stated_and_implied() -> None:
    assert margin(netExposureFutures="-3000").maintenance == Decimal("0.0135") * 3000
    assert margin(marginFraction="0.25").maintenance == Decimal("0.0135") * 4000
    assert margin(marginFraction=None, netExposureFutures="0").maintenance == 0


def test_a_position_keeps_its_sign_and_a_liquidation_price_of_zero_is_none() -> None:
    rows = parse.parse_position_rows(body([POSITION, POSITION | {"netQuantity": "0"}]))
    assert len(rows) == 1
    position = parse.position_of(rows[0], facts(), NOW)
    assert (position.symbol, position.quantity) == ("ETH/USD", Decimal("-0.0036"))
    assert position.liquidation_price == Decimal("4100.5")
    unpriced = parse.parse_position_rows(body([POSITION | {"estLiquidationPrice": "0"}]))[0]
    assert parse.position_of(unpriced, facts(), NOW).liquidation_price is None


def test_a_position_outside_the_list_is_shown_under_the_venues_name() -> None:
    row = parse.parse_position_rows(body([POSITION | {"symbol": "NEW_USDC_PERP"}]))[0]
    assert parse.position_of(row, facts(), NOW).symbol == "NEW_USDC_PERP"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("New", OrderStatus.ACCEPTED),
        ("PartiallyFilled", OrderStatus.ACCEPTED),
        ("Filled", OrderStatus.FILLED),
        ("Cancelled", OrderStatus.CANCELLED),
        ("Expired", OrderStatus.EXPIRED),
        ("TriggerFailed", OrderStatus.REJECTED),
    ],
)
def test_statuses(status, meaning) -> None:
    row = parse.parse_order(body(order_row(status=status)))
    assert parse.report_of(row, facts(), NOW).status is meaning


def test_an_unknown_status_or_side_is_never_guessed() -> None:
    with pytest.raises(ProtocolViolation, match="Melted"):
        parse.report_of(parse.parse_order(body(order_row(status="Melted"))), facts(), NOW)
    with pytest.raises(ProtocolViolation, match="Sideways"):
        parse.side_of("Sideways")


def test_a_partly_filled_and_cancelled_order_tells_what_it_did() -> None:
    row = parse.parse_order(body(order_row(status="Cancelled", executedQuantity="0.2", executedQuoteQuantity="599.9")))
    report = parse.report_of(row, facts(), NOW)
    assert (report.status, report.filled_quantity) == (OrderStatus.CANCELLED, Decimal("0.2"))
    assert report.average_price == Decimal("2999.5")
    assert (report.client_order_id, report.venue_order_id) == (intent().client_order_id, "59669287267")
    assert report.venue_time is None


def test_history_times_without_a_zone_are_utc() -> None:
    row = parse.parse_orders(body([history_row(status="Expired", expiryReason="ImmediateOrCancel")]))[0]
    assert row.created_at == datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
    assert parse.report_of(row, facts(), NOW).reason == "ImmediateOrCancel"


def test_a_fill_of_ours_is_recognised_by_its_client_id_in_text() -> None:
    fill = parse.fill_of(parse.parse_fill_rows(body([fill_row()]))[0], facts(), NOW)
    assert (fill.client_order_id, fill.side, fill.liquidity) == (
        intent().client_order_id,
        Side.BUY,
        Liquidity.TAKER,
    )
    assert (fill.quantity, fill.price, fill.fee) == (Decimal("0.2"), Decimal("2999.5"), Decimal("0.004974"))
    assert fill.venue_time == datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
    assert fill.trade_id == "ETH_USDC_PERP/9748827/59669287267"


def test_a_fill_whose_id_nobody_here_remembers_carries_the_id_of_the_wire() -> None:
    """After a restart it may be ours: the journal keeps the wire form of every order and decides."""
    fill = parse.fill_of(parse.parse_fill_rows(body([fill_row(clientId="7")]))[0], facts(), NOW)
    assert fill.client_order_id == "7"


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (None, FillCause.TRADE),
        ("LiquidatePositionOnBook", FillCause.LIQUIDATION),
        ("LiquidatePositionOnBackstop", FillCause.BACKSTOP),
        ("LiquidatePositionOnAdl", FillCause.ADL),
        ("FutureExpiry", FillCause.SETTLEMENT),
        ("OrderBookClosed", FillCause.SETTLEMENT),
        ("CollateralConversion", FillCause.SETTLEMENT),
        ("SomethingNew", FillCause.SETTLEMENT),
    ],
)
def test_a_system_order_is_never_a_trade_of_ours(kind: str | None, cause: FillCause) -> None:
    row = parse.parse_fill_rows(body([fill_row(systemOrderType=kind)]))[0]
    assert parse.fill_of(row, facts(), NOW).cause is cause


def test_a_fill_of_somebody_else_has_no_client_order_id() -> None:
    fill = parse.fill_of(parse.parse_fill_rows(body([fill_row(clientId=None)]))[0], facts(), NOW)
    assert fill.client_order_id is None


def test_system_fills_without_a_trade_id_stay_apart() -> None:
    rows = parse.parse_fill_rows(body([fill_row(tradeId=None), fill_row(tradeId=0, price="2999.6")]))
    assert len({parse.trade_id(row) for row in rows}) == 2


def test_a_fee_in_another_asset_cannot_be_booked() -> None:
    row = parse.parse_fill_rows(body([fill_row(feeSymbol="ETH")]))[0]
    with pytest.raises(ProtocolViolation, match="USDC"):
        parse.fill_of(row, facts(), NOW)


def test_a_funding_payment_is_negative_when_paid() -> None:
    payment = parse.payment_of(parse.parse_funding_rows(body([funding_row(11)]))[0], facts(), NOW)
    assert (payment.payment, payment.rate) == (Decimal("-0.001301"), Decimal("0.0001"))
    assert payment.paid_at == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert payment.payment_id == "ETH_USDC_PERP/2026-11-20T11:00:00+00:00"


def order_event(value) -> wire.OrderEvent:
    return wire.read(wire.OrderEvent, value, "order event")


def test_stream_and_history_give_one_execution_one_name() -> None:
    streamed = parse.fill_of_event(order_event(ORDER_FILL), facts(), NOW)
    listed = parse.parse_fill_rows(body([fill_row(2888471, orderId="59887375336")]))[0]
    assert streamed.trade_id == parse.trade_id(listed)
    assert (streamed.fee, streamed.liquidity) == (Decimal("0.29995"), Liquidity.MAKER)


def test_an_order_event_reports_the_state_after_it() -> None:
    report = parse.report_of_event(order_event(ORDER_FILL), facts(), NOW)
    assert (report.status, report.filled_quantity) == (OrderStatus.ACCEPTED, Decimal("0.2"))
    assert report.average_price == Decimal("2999.5")
    assert parse.fill_of_event(order_event(ORDER_ACCEPTED), facts(), NOW) is None


def test_an_execution_event_that_lacks_its_execution_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        parse.fill_of_event(order_event(ORDER_FILL | {"L": None}), facts(), NOW)


@pytest.mark.parametrize(
    ("headers", "offset", "came", "left"),
    [({"x-total": "250"}, 100, 100, 50), ({"x-total": "200"}, 100, 100, 0), ({}, 0, 1000, 1000), ({}, 0, 999, 0)],
)
def test_the_rest_of_a_history_is_known_by_its_total_or_by_a_full_page(headers, offset, came, left) -> None:
    assert parse.rows_left(headers, offset, came) == left


@pytest.mark.parametrize("text", ["1e5", "NaN", "Infinity", "", " 1", "1_000", "0x10", None, True, [], 1.5])
def test_what_is_not_a_plain_decimal_is_not_a_number(text) -> None:
    with pytest.raises(ProtocolViolation):
        parse.parse_fill_rows(json.dumps([fill_row(price=text)]).replace("1.5", "NaN").encode())


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.from_regex(r"-?\d+(\.\d+)?"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
ROWS = [order_row(), fill_row(), POSITION, COLLATERAL, ACCOUNT, DEPTH, MARK_PRICES[0], funding_row(1), market()]
READERS = [
    parse.parse_server_time,
    parse.parse_depth,
    lambda raw: parse.parse_mark(raw, ETH, NOW),
    lambda raw: parse.parse_funding_rate(raw, ETH, NOW),
    lambda raw: parse.parse_margin(raw, is_liquidating=False, account_id="a", received_time=NOW),
    lambda raw: [parse.position_of(row, facts(), NOW) for row in parse.parse_position_rows(raw)],
    lambda raw: parse.report_of(parse.parse_order(raw), facts(), NOW),
    lambda raw: [parse.report_of(row, facts(), NOW) for row in parse.parse_orders(raw)],
    lambda raw: [parse.fill_of(row, facts(), NOW) for row in parse.parse_fill_rows(raw)],
    lambda raw: [parse.payment_of(row, facts(), NOW) for row in parse.parse_funding_rows(raw)],
    lambda raw: parse_listing(raw, parse_terms(body(ACCOUNT))),
    parse_terms,
    parse.read_frame,
    lambda raw: parse.report_of_event(order_event(wire.read_json(raw, "x")), facts(), NOW),
    lambda raw: parse.fill_of_event(order_event(wire.read_json(raw, "x")), facts(), NOW),
    lambda raw: wire.read(wire.DepthEvent, wire.read_json(raw, "x"), "x"),
    lambda raw: wire.read(wire.MarkEvent, wire.read_json(raw, "x"), "x"),
]


@settings(max_examples=60, deadline=None)
@given(GARBAGE, st.booleans())
@example(10**400, False)
def test_garbage_is_a_violation_and_nothing_else(value, in_a_list) -> None:
    expect_violation_only(body([value] if in_a_list else value))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b"9" * 15)
def test_bytes_that_are_no_answer_are_a_violation_and_nothing_else(raw) -> None:
    expect_violation_only(raw)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*ROWS, ORDER_FILL]), st.data(), GARBAGE)
def test_a_real_row_with_one_member_spoilt_is_read_or_a_violation(row, choice, value) -> None:
    spoilt = row | {choice.draw(st.sampled_from(sorted(row))): value}
    expect_violation_only(body(spoilt))
    expect_violation_only(body([spoilt]))


def expect_violation_only(raw: bytes) -> None:
    for read in READERS:
        with contextlib.suppress(ProtocolViolation):
            read(raw)


@pytest.mark.parametrize("body", [b"253402300799999", b"32503680000000", b"999999999999999"])
def test_a_clock_of_a_time_that_no_interval_can_be_added_to_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="out of range"):
        parse.parse_server_time(body)
