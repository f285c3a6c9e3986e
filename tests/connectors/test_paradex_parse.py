"""What Paradex says, read: statuses, fills, markets, money. Nonsense is a ProtocolViolation, never a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paradex_fakes import ACCOUNT, CHAIN, CID, NOW, eth, fill_row, listing, market_row, order_row, summary_row

from connectors.paradex import parse
from connectors.paradex.wire import (
    AccountRow,
    BookBody,
    FillRow,
    FundingPaymentRow,
    OrderRow,
    SummaryRow,
    SystemConfig,
    TokenBody,
    page,
    read_json,
    rpc_frame,
    shaped,
)
from core.errors import ProtocolViolation
from core.order import Fill, Liquidity, OrderReport, OrderStatus, Side

MAINNET = "PRIVATE_SN_PARACLEAR_MAINNET"


def _report(**changes: Any) -> OrderReport:
    return parse.order_report(shaped(OrderRow, order_row(**changes), "order"), "par-1", listing(), NOW)


def _fill(own_side: Side | None = None, **changes: Any) -> Fill:
    return parse.fill(shaped(FillRow, fill_row(**changes), "fill"), "par-1", listing(), own_side, NOW)


# --- orders


def test_a_queued_order_is_accepted_with_nothing_filled() -> None:
    report = _report()

    assert report.status is OrderStatus.ACCEPTED
    assert (report.symbol, report.client_order_id, report.filled_quantity) == ("ETH/USD", CID, Decimal(0))
    assert report.average_price is None
    assert report.venue_time == NOW + timedelta(milliseconds=5)


@pytest.mark.parametrize(
    ("status", "remaining", "reason", "expected"),
    [
        ("OPEN", "0.3", "", OrderStatus.ACCEPTED),
        ("UNTRIGGERED", "0.5", "", OrderStatus.ACCEPTED),
        ("CLOSED", "0", "", OrderStatus.FILLED),
        ("CLOSED", "0.3", "REMAINING_IOC_CANCEL", OrderStatus.EXPIRED),
        ("CLOSED", "0.5", "REMAINING_IOC_CANCEL", OrderStatus.EXPIRED),
        ("CLOSED", "0.5", "EMPTY_MARKET", OrderStatus.EXPIRED),
        ("CLOSED", "0.5", "EXPIRED", OrderStatus.EXPIRED),
        ("CLOSED", "0.5", "USER_CANCELED", OrderStatus.CANCELLED),
        ("CLOSED", "0.2", "USER_CANCELED", OrderStatus.CANCELLED),
        ("CLOSED", "0.5", "SELF_TRADE", OrderStatus.CANCELLED),
        ("CLOSED", "0.5", "NOT_ENOUGH_MARGIN", OrderStatus.REJECTED),
        ("CLOSED", "0.5", "POST_ONLY_WOULD_CROSS", OrderStatus.REJECTED),
        ("CLOSED", "0.5", "PRICE_OUTSIDE_BANDS", OrderStatus.REJECTED),
        ("CLOSED", "0.5", "REDUCE_ONLY_WILL_INCREASE", OrderStatus.REJECTED),
        ("CLOSED", "0.2", "NOT_ENOUGH_MARGIN", OrderStatus.CANCELLED),
        ("CLOSED", "0.5", "SOMETHING_NEW", OrderStatus.CANCELLED),
        ("CLOSED", "0.5", "", OrderStatus.CANCELLED),
    ],
)
def test_status_is_derived_from_what_remains_and_why(
    status: str, remaining: str, reason: str, expected: OrderStatus
) -> None:
    report = _report(status=status, remaining_size=remaining, cancel_reason=reason, avg_fill_price="3000")

    assert report.status is expected
    assert report.filled_quantity == Decimal("0.5") - Decimal(remaining)
    assert report.reason == (reason or None)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "HALF_OPEN"},
        {"remaining_size": "0.6"},
        {"remaining_size": "-0.1"},
        {"size": "0", "remaining_size": "0"},
        {"remaining_size": None},
        {"size": 0.5},
        {"size": "NaN"},
        {"size": "1e400000"},
        {"id": ""},
        {"created_at": 10**30},
        {"status": "CLOSED", "remaining_size": "0", "cancel_reason": "USER_CANCELED", "avg_fill_price": ""},
    ],
)
def test_an_impossible_order_is_a_violation(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        _report(**changes)


def test_an_average_price_is_only_told_once_something_filled() -> None:
    assert _report(avg_fill_price="0").average_price is None
    assert _report(status="OPEN", remaining_size="0.4", avg_fill_price="2999.5").average_price == Decimal("2999.5")
    assert _report(status="OPEN", remaining_size="0.4", avg_fill_price="").average_price is None


def test_of_several_orders_under_one_client_id_only_one_may_count() -> None:
    refused = shaped(OrderRow, order_row(id="1", status="CLOSED", cancel_reason="NOT_ENOUGH_MARGIN"), "order")
    filled = shaped(OrderRow, order_row(id="2", status="CLOSED", remaining_size="0"), "order")
    resting = shaped(OrderRow, order_row(id="3", status="OPEN"), "order")
    other = shaped(OrderRow, order_row(id="4", client_id="else", status="OPEN"), "order")

    assert parse.the_order([refused, filled, other], CID, None) is filled
    assert parse.the_order([refused, filled, resting], CID, "3") is resting
    assert parse.the_order([other], CID, None) is None
    assert parse.the_order([refused], CID, None) is refused
    with pytest.raises(ProtocolViolation, match="2 orders under client order id"):
        parse.the_order([filled, resting], CID, None)


# --- fills


def test_a_fill_is_read_to_the_letter() -> None:
    fill = _fill()

    assert fill == Fill(
        venue=fill.venue, account_id="par-1", symbol="ETH/USD", trade_id="8615262148007718462", client_order_id=CID,
        venue_order_id="1795176000000201709460640000", side=Side.BUY, quantity=Decimal("0.2"),
        price=Decimal("3000.00"), fee=Decimal("0.27"), liquidity=Liquidity.TAKER,
        venue_time=NOW + timedelta(milliseconds=3), received_time=NOW,
    )  # fmt: skip


def test_the_own_orders_side_wins_over_the_stated_one() -> None:
    assert _fill(Side.SELL, liquidity="MAKER").side is Side.SELL
    assert _fill(None, liquidity="MAKER").side is Side.BUY


def test_fill_ids_are_unique_across_fill_types() -> None:
    assert _fill(id="7", fill_type="LIQUIDATION").trade_id == "LIQUIDATION:7" != _fill(id="7").trade_id


def test_a_rebate_is_a_negative_fee() -> None:
    assert _fill(fee="-0.05").fee == Decimal("-0.05")


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "LONG"}, {"size": "0"}, {"size": "-1"}, {"price": "0"}, {"liquidity": ""}, {"fee": ""},
        {"fee_currency": "DIME"}, {"created_at": None},
    ],
)  # fmt: skip
def test_an_impossible_fill_is_a_violation(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        _fill(**changes)


# --- markets, fees, chain


def test_a_market_is_read_with_its_own_rules() -> None:
    market = eth()

    assert (market.venue_symbol, market.base, market.quote) == ("ETH-USD-PERP", "ETH", "USD")
    assert (market.tick, market.lot, market.min_notional) == (Decimal("0.01"), Decimal("0.001"), Decimal(10))
    assert (market.initial_margin, market.maintenance_margin) == (Decimal("0.02"), Decimal("0.010"))
    assert (market.maker_fee, market.taker_fee) == (Decimal("0.00003"), Decimal("0.00045"))
    assert (market.funding_interval_s, market.continuous_funding) == (28_800, True)
    assert (market.max_quantity, market.price_band) == (Decimal(500), Decimal("0.05"))


def test_only_perpetuals_of_the_order_book_are_listed() -> None:
    rows = [
        market_row("ETH"),
        market_row("SOL", asset_kind="PERP_OPTION"),
        market_row("XRP", asset_kind="SPOT"),
        market_row("ADA", trading_mode="RFQ_ONLY"),
    ]

    assert list(parse.markets(rows, None)) == ["ETH/USD"]


def test_a_perpetual_whose_rules_cannot_be_read_is_left_out_and_the_rest_kept() -> None:
    broken = [
        market_row("SOL", price_tick_size=""),
        market_row("XRP", delta1_cross_margin_params=None),
        market_row("ADA", order_size_increment="0"),
        market_row("BNB", fee_config=None),
    ]

    assert list(parse.markets([market_row("ETH"), *broken], None)) == ["ETH/USD"]
    with pytest.raises(ProtocolViolation, match="no perpetual"):
        parse.markets(broken, None)


def test_the_accounts_own_fees_win_and_its_address_may_have_leading_zeros() -> None:
    address = int(ACCOUNT["l2_address"], 16)
    rows = [
        {"account": "0x1", "fees": {"maker_rate": "9", "taker_rate": "9"}},
        {"account": f"0x{address:064x}", "fees": {"maker_rate": "0.00002", "taker_rate": "0.0003"}},
    ]
    fees = parse.own_fees(rows, address)

    assert fees == (Decimal("0.00002"), Decimal("0.0003"))
    assert parse.markets([market_row()], fees)["ETH/USD"].taker_fee == Decimal("0.0003")
    assert parse.own_fees(rows[:1], address) is None
    assert parse.own_fees([{"account": hex(address), "fees": {"maker_rate": ""}}], address) is None


@pytest.mark.parametrize(
    ("chain", "decimals", "url", "fits"),
    [
        (CHAIN, 8, "https://api.testnet.paradex.trade", True),
        (CHAIN, 8, "http://127.0.0.1:7102", True),
        (MAINNET, 8, "https://api.prod.paradex.trade", True),
        (MAINNET, 8, "https://api.testnet.paradex.trade", False),
        (MAINNET, 8, "http://127.0.0.1:7102", False),
        (MAINNET, 8, "https://api.prod.paradex.trade.example.com", False),
        (CHAIN, 8, "https://api.prod.paradex.trade", False),
        (CHAIN, 6, "https://api.testnet.paradex.trade", False),
        ("SN_MAIN", 8, "https://api.testnet.paradex.trade", False),
        ("PRIVATE_SN_" + "X" * 21, 8, "https://api.testnet.paradex.trade", False),
    ],
)
def test_the_production_chain_is_signed_for_the_production_host_alone(
    chain: str, decimals: int, url: str, fits: bool
) -> None:
    config = SystemConfig(starknet_chain_id=chain, paraclear_decimals=decimals)

    if fits:
        assert parse.check_system(config, url) == chain
    else:
        with pytest.raises(ProtocolViolation):
            parse.check_system(config, url)


def test_a_summary_gives_mark_and_funding_with_its_period() -> None:
    row = shaped(SummaryRow, summary_row(), "summary")
    mark, rate = parse.mark(row, "ETH/USD", NOW), parse.funding_rate(row, eth(), NOW)

    assert (mark.mark, mark.index) == (Decimal("3000.12"), Decimal("3000.5"))
    assert (rate.rate, rate.interval_s, rate.next_at) == (Decimal("0.00008"), 28_800, None)
    assert rate.hourly == Decimal("0.00001")


def test_a_summary_without_mark_or_rate_is_a_violation() -> None:
    row = shaped(SummaryRow, summary_row(mark_price="", funding_rate=""), "summary")

    with pytest.raises(ProtocolViolation, match="mark price"):
        parse.mark(row, "ETH/USD", NOW)
    with pytest.raises(ProtocolViolation, match="funding rate"):
        parse.funding_rate(row, eth(), NOW)


def test_a_book_is_sorted_best_first_whatever_order_it_came_in() -> None:
    body = {
        "market": "ETH-USD-PERP", "seq_no": 7, "last_updated_at": 1, "bids": [["1", "5"], ["2", "5"]],
        "asks": [["4", "5"], ["3", "1"]],
    }  # fmt: skip
    book = parse.book(shaped(BookBody, body, "book"), "ETH/USD", NOW)

    assert (book.best_bid, book.best_ask, book.sequence) == (Decimal(2), Decimal(3), 7)
    with pytest.raises(ProtocolViolation):
        parse.book(shaped(BookBody, {**body, "bids": [["1", "0"]]}, "book"), "ETH/USD", NOW)


# --- money


def _account(**changes: Any) -> AccountRow:
    row = {
        "account": "0x1", "status": "ACTIVE", "account_value": "1000.5", "free_collateral": "900",
        "initial_margin_requirement": "60", "maintenance_margin_requirement": "30", **changes,
    }  # fmt: skip
    return shaped(AccountRow, row, "account")


def test_margin_is_read_and_only_active_is_active() -> None:
    margin = parse.margin(_account(), "par-1", NOW)

    assert (margin.equity, margin.available, margin.initial, margin.maintenance) == (
        Decimal("1000.5"), Decimal(900), Decimal(60), Decimal(30),
    )  # fmt: skip
    assert margin.active
    assert not any(
        parse.margin(_account(status=status), "par-1", NOW).active for status in ("LIQUIDATION", "RESYNC", "")
    )


def test_a_balance_that_is_missing_is_not_zero() -> None:
    with pytest.raises(ProtocolViolation, match="account_value"):
        _account(account_value="")


def _position(**changes: Any) -> dict[str, Any]:
    return {
        "market": "ETH-USD-PERP", "side": "SHORT", "status": "OPEN", "size": "-0.5", "average_entry_price": "3000",
        "unrealized_pnl": "-1.5", "liquidation_price": "", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("side", "size", "quantity"), [("SHORT", "-0.5", "-0.5"), ("SHORT", "0.5", "-0.5"), ("LONG", "0.5", "0.5")]
)
def test_the_sides_word_signs_a_position(side: str, size: str, quantity: str) -> None:
    (position,) = parse.positions([_position(side=side, size=size)], "par-1", listing(), NOW)

    assert position.quantity == Decimal(quantity)
    assert position.liquidation_price is None


def test_closed_and_empty_positions_are_left_out_and_strange_ones_refused() -> None:
    gone = [_position(status="CLOSED"), _position(size="0")]

    assert parse.positions(gone, "par-1", listing(), NOW) == ()
    for strange in (_position(side="LONG"), _position(side="BOTH"), _position(average_entry_price="")):
        with pytest.raises(ProtocolViolation):
            parse.positions([strange], "par-1", listing(), NOW)


def test_a_position_in_an_unlisted_market_is_shown_under_the_venues_name() -> None:
    (position,) = parse.positions([_position(market="ETH-USD-3000-C")], "par-1", listing(), NOW)

    assert position.symbol == "ETH-USD-3000-C"


def test_a_funding_payment_keeps_its_sign() -> None:
    row = shaped(FundingPaymentRow, {"id": "f1", "market": "ETH-USD-PERP", "payment": "-0.0187", "created_at": 5}, "f")

    assert parse.funding_payment(row, "par-1", "ETH/USD", NOW).payment == Decimal("-0.0187")


# --- shapes


def test_pages_carry_their_cursor_and_must_be_lists() -> None:
    assert page(b'{"results": [{"a": 1}], "next": "c"}', "x").next_cursor == "c"
    assert page(b'{"results": [], "next": ""}', "x").next_cursor is None
    for odd in (b'"\\ud800"', b'"a\\nb"', b"7", b'"' + b"x" * 5000 + b'"'):
        with pytest.raises(ProtocolViolation, match="cursor"):
            page(b'{"results": [], "next": ' + odd + b"}", "x")
    assert page(b'{"results": [], "next": null}', "x").rows == ()
    for wrong in (b"{}", b'{"results": null}', b'{"results": [1]}', b'{"results": [], "next": 3}', b"[]", b"", b"\xff"):
        with pytest.raises(ProtocolViolation):
            page(wrong, "x")


def test_json_numbers_never_become_floats() -> None:
    assert read_json(b'{"a": 0.1}', "x") == {"a": Decimal("0.1")}


def test_a_violation_names_fields_but_repeats_no_content() -> None:
    with pytest.raises(ProtocolViolation) as refused:
        shaped(AccountRow, {"account": "secret-looking", "status": "ACTIVE"}, "account")

    assert "free_collateral" in refused.value.message
    assert "secret-looking" not in refused.value.message


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["BUY", "CLOSED", "1e999", "-0", "NaN", "OPEN", "s", "d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _anything_like(row: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The row with some of its values replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(row)), json_values, max_size=4).map(lambda wrong: {**row, **wrong})


@given(_anything_like(order_row()) | json_values)
@settings(max_examples=150, deadline=None)
def test_garbage_orders_raise_violations_only(raw: object) -> None:
    _only_violations(lambda: parse.order_report(shaped(OrderRow, raw, "order"), "a", listing(), NOW))


@given(_anything_like(fill_row()) | json_values)
@settings(max_examples=150, deadline=None)
def test_garbage_fills_raise_violations_only(raw: object) -> None:
    _only_violations(lambda: parse.fill(shaped(FillRow, raw, "fill"), "a", listing(), None, NOW))


@given(_anything_like(market_row()))
@settings(max_examples=100, deadline=None)
def test_garbage_markets_raise_violations_only(raw: dict[str, Any]) -> None:
    _only_violations(lambda: parse.markets([raw], None))


@given(_anything_like(_position()))
@settings(max_examples=100, deadline=None)
def test_garbage_positions_raise_violations_only(raw: dict[str, Any]) -> None:
    _only_violations(lambda: parse.positions([raw], "a", listing(), NOW))


@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=150, deadline=None)
def test_garbage_bytes_raise_violations_only(body: bytes) -> None:
    _only_violations(lambda: page(body, "x"))
    _only_violations(lambda: rpc_frame(body.decode("latin-1")))


def test_deeply_nested_and_endless_numbers_are_violations() -> None:
    for body in (b"[" * 100_000, b"1" * 10_000, b"1e99999999999999999999"):
        with pytest.raises(ProtocolViolation):
            page(body, "x")


def _only_violations(read: Callable[[], object]) -> None:
    try:
        read()
    except ProtocolViolation:
        return


@pytest.mark.parametrize("token", ["", "a b", "a\n", "\ud83d\ude00", "t\u00f6ken", "x" * 10_001])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        shaped(TokenBody, {"jwt_token": token}, "token")
    assert not token.strip() or token not in str(refused.value)
