"""What Paradex says beyond trading, read into facts: nothing is guessed, what contradicts itself is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from paradex_fakes import NOW, NOW_MS, VECTORS, eth, fill_row, listing, summary_row

from connectors.paradex import parse, parse_account, parse_market
from connectors.paradex.auth import OrderFields, Signer, StarkKey, best_curve, derived_address
from connectors.paradex.executions import Executions, Known
from connectors.paradex.wire import FillRow, SummaryRow, read_json, shaped
from connectors.paradex.wire_account import AccountDetails, MarginConfig, TransferRow
from connectors.paradex.wire_market import BestRow, Candles, FundingRow, SystemState
from connectors.settings import ParadexKeys
from core.account import MarginMode, TransferKind
from core.errors import ProtocolViolation
from core.market_data import Candle, CandleInterval, VenueState
from core.order import FillCause, Side

MODIFICATION = next(v for v in VECTORS["vectors"] if v["name"] == "modify_order_numeric_id_mainnet")
PROXY_CLASS = 0x3530CC4759D78042F1B543BF797F5F3D647CDE0388C33734CF91B7F7B9314A9
ACCOUNT_CLASS = 0x41CB0280EBADAA75F996D8D92C6F265F6D040BB3BA442E5F86A554F1765244E


# --- identity -----------------------------------------------------------------------------------------


def test_a_change_of_an_order_has_the_published_hash() -> None:
    keys = {"account": MODIFICATION["account"], "private_key": MODIFICATION["signer_private_key"]}
    signer = Signer(StarkKey.of(ParadexKeys.model_validate(keys)), MODIFICATION["chain_id"], best_curve())
    said = MODIFICATION["message"]
    fields = OrderFields(
        int(said["timestamp"]), said["market"], Side.BUY, said["orderType"],
        Decimal(said["size"]).scaleb(-8), Decimal(said["price"]).scaleb(-8),
    )  # fmt: skip

    assert signer.modification_hash(fields, said["id"]) == int(MODIFICATION["message_hash"], 16)


@pytest.mark.parametrize("account", VECTORS["accounts"])
def test_a_main_keys_address_is_derived_and_a_subkeys_is_another(account: dict[str, Any]) -> None:
    def derived(public_key: str) -> int:
        return derived_address(best_curve(), int(public_key, 16), proxy_class=PROXY_CLASS, account_class=ACCOUNT_CLASS)

    assert derived(account["l2_public_key"]) == int(account["l2_address"], 16)
    assert derived(hex(int(account["l2_public_key"], 16) + 1)) != int(account["l2_address"], 16)


# --- why a fill happened ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill_type", "cause"),
    [
        ("", FillCause.TRADE),
        ("FILL", FillCause.TRADE),
        ("RPI", FillCause.TRADE),
        ("BLOCK_TRADE", FillCause.TRADE),
        ("LIQUIDATION", FillCause.LIQUIDATION),
        ("UNWIND_TRANSFER", FillCause.BACKSTOP),
        ("SETTLE_MARKET", FillCause.SETTLEMENT),
        ("SOMETHING_NEW", FillCause.TRADE),
    ],
)
def test_a_fill_tells_why_it_happened(fill_type: str, cause: FillCause) -> None:
    fill = parse.fill(shaped(FillRow, fill_row(fill_type=fill_type), "fill"), "par-1", listing(), None, NOW)

    assert fill.cause is cause
    assert fill.trade_id.startswith(fill_type if fill_type not in ("", "FILL") else fill_row()["id"])


def test_executions_are_remembered_within_a_bound_the_oldest_forgotten_first() -> None:
    known = Executions(kept_max=2)
    for number in ("1", "2", "3"):
        row = shaped(FillRow, fill_row(id=number), "fill")
        known.remember([(number, parse.fill(row, "par-1", listing(), None, NOW))])

    assert known.of("1") is None
    assert known.of("3") == Known("ETH/USD", "3")


# --- markets ------------------------------------------------------------------------------------------


def test_statistics_say_what_the_venue_says_and_none_for_the_rest() -> None:
    row = summary_row(volume_24h="1234567.8", open_interest="42.5", price_change_rate_24h="-0.012")

    said = parse_market.statistics(shaped(SummaryRow, row, "summary"), "ETH/USD", NOW)

    assert (said.volume_quote, said.open_interest, said.change) == (
        Decimal("1234567.8"), Decimal("42.5"), Decimal("-0.012"),
    )  # fmt: skip
    assert (said.volume_base, said.high, said.low) == (None, None, None)


def test_an_empty_change_is_unknown_and_a_missing_volume_no_zero() -> None:
    row = summary_row(volume_24h="5", open_interest="", price_change_rate_24h="")
    said = parse_market.statistics(shaped(SummaryRow, row, "summary"), "ETH/USD", NOW)
    assert (said.change, said.open_interest) == (None, None)

    with pytest.raises(ProtocolViolation):
        parse_market.statistics(shaped(SummaryRow, summary_row(volume_24h=""), "summary"), "ETH/USD", NOW)


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_best_prices_with_an_empty_side_are_none(side: str) -> None:
    row = {
        "market": "ETH-USD-PERP",
        "bid": "1",
        "bid_size": "2",
        "ask": "3",
        "ask_size": "4",
        "last_updated_at": NOW_MS,
    }
    assert parse_market.best(shaped(BestRow, row, "best"), "ETH/USD", NOW) is not None

    assert parse_market.best(shaped(BestRow, {**row, side: ""}, "best"), "ETH/USD", NOW) is None


@pytest.mark.parametrize(("hours", "interval_s"), [(4, 14_400), (None, 28_800)])
def test_a_past_rate_keeps_the_period_it_was_for(hours: int | None, interval_s: int) -> None:
    row = {
        "market": "ETH-USD-PERP", "funding_index": "-7.5", "funding_rate": "0.0001", "funding_period_hours": hours,
        "created_at": NOW_MS,
    }  # fmt: skip

    said = parse_market.past_funding(shaped(FundingRow, row, "funding"), eth(), NOW)

    assert (said.interval_s, said.index, said.rate) == (interval_s, Decimal("-7.5"), Decimal("0.0001"))


def _candle(*numbers: str) -> Candle:
    text = "[" + ",".join([str(NOW_MS), *numbers]) + "]"
    (cells,) = shaped(Candles, read_json(f'{{"results":[{text}]}}', "candles"), "candles").results
    now = NOW + timedelta(seconds=59)
    return parse_market.candle(cells, "ETH/USD", CandleInterval.MINUTE, venue_now=now, received=now)


def test_candles_are_numbers_that_never_become_floats() -> None:
    candle = _candle("0.1", "0.3", "0.1", "0.2", "1e-7")

    assert (candle.open, candle.high, candle.volume) == (Decimal("0.1"), Decimal("0.3"), Decimal("1e-7"))
    assert not candle.is_closed


@pytest.mark.parametrize("numbers", [("2", "1", "1", "1", "1"), ("1", "2", "0", "1", "1"), ("1", "1", "1", "1", "-1")])
def test_a_candle_that_contradicts_itself_is_refused(numbers: tuple[str, ...]) -> None:
    with pytest.raises(ProtocolViolation):
        _candle(*numbers)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ok", VenueState.OPEN),
        ("post_only", VenueState.POST_ONLY),
        ("cancel_only", VenueState.CANCEL_ONLY),
        ("maintenance", VenueState.MAINTENANCE),
        ("paused", VenueState.MAINTENANCE),
        ("half_open", VenueState.UNKNOWN),
    ],
)
def test_the_venues_state_is_open_only_by_its_own_word(word: str, state: VenueState) -> None:
    said = parse_market.system_status(shaped(SystemState, {"status": word}, "state"), NOW)

    assert (said.state, said.text, said.takes_new_risk) == (state, word, word == "ok")


# --- the account --------------------------------------------------------------------------------------


def _transfer(**changes: Any) -> TransferRow:
    row = {
        "id": "t1", "token": "USDC", "amount": "12.5", "kind": "DEPOSIT", "direction": "IN", "status": "COMPLETED",
        "created_at": NOW_MS,
    }  # fmt: skip
    return shaped(TransferRow, row | changes, "transfer")


@pytest.mark.parametrize(
    ("kind", "direction", "ours", "quantity"),
    [
        ("DEPOSIT", "IN", TransferKind.DEPOSIT, "12.5"),
        ("WITHDRAWAL", "OUT", TransferKind.WITHDRAWAL, "-12.5"),
        ("AUTO_WITHDRAWAL", "OUT", TransferKind.WITHDRAWAL, "-12.5"),
        ("VAULT_DEPOSIT", "OUT", TransferKind.OTHER, "-12.5"),
        ("AIRDROP", "IN", TransferKind.OTHER, "12.5"),
        ("SOMETHING_NEW", "IN", TransferKind.OTHER, "12.5"),
    ],
)
def test_a_transfer_has_its_sign_from_its_direction(
    kind: str, direction: str, ours: TransferKind, quantity: str
) -> None:
    said = parse_account.transfer(_transfer(kind=kind, direction=direction), "par-1", NOW)

    assert (said.kind, said.quantity, said.status) == (ours, Decimal(quantity), "COMPLETED")


@pytest.mark.parametrize("change", [{"direction": ""}, {"direction": "SIDEWAYS"}, {"amount": "-1"}])
def test_a_transfer_without_a_direction_has_no_sign_to_guess(change: dict[str, str]) -> None:
    with pytest.raises(ProtocolViolation):
        parse_account.transfer(_transfer(**change), "par-1", NOW)


def _details(**changes: Any) -> AccountDetails:
    row = {"account": "0x01", "kind": "main", "fees": {"maker_rate": "0.00003", "taker_rate": "0.00045"}}
    return shaped(AccountDetails, row | changes, "account info")


def test_the_owners_accounts_are_listed_once_each_whoever_asks() -> None:
    child = _details(account="0x2", kind="subaccount", parent_account="0x0001", username="hedger")

    asked_by_main = parse_account.subaccounts([_details()], [child])
    asked_by_child = parse_account.subaccounts([child], [child])

    wanted = {("0x1", True), ("0x2", False)}
    for found in (asked_by_main, asked_by_child):
        assert {(account.address, account.is_main) for account in found} == wanted
    assert {account.label for account in asked_by_main} == {None, "hedger"}


@pytest.mark.parametrize(
    ("tiers", "name"),
    [({"pro": "VIP 1"}, "VIP 1"), ({"pro": {"tier_name": "VIP 2"}}, "VIP 2"), ({}, "pro"), ({"pro": 7}, "pro")],
)
def test_the_tier_is_named_whatever_shape_it_has(tiers: dict[str, Any], name: str) -> None:
    said = parse_account.fee_tier(_details(volume_tiers=tiers), "par-1", NOW)

    assert (said.tier, said.maker_fee, said.taker_fee) == (name, Decimal("0.00003"), Decimal("0.00045"))


def test_rates_that_are_not_stated_are_no_zero() -> None:
    with pytest.raises(ProtocolViolation):
        parse_account.fee_tier(_details(fees={"maker_rate": "0.1"}), "par-1", NOW)
    with pytest.raises(ProtocolViolation):
        parse_account.own_details([_details()], 2)


@pytest.mark.parametrize("wrong", [{"margin_type": "PORTFOLIO"}, {"leverage": 0}])
def test_a_margin_setting_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    row = {"market": "ETH-USD-PERP", "margin_type": "ISOLATED", "leverage": 10}
    said = parse_account.leverage(shaped(MarginConfig, row, "margin"), "par-1", "ETH/USD", NOW)
    assert (said.leverage, said.mode) == (10, MarginMode.ISOLATED)

    with pytest.raises(ProtocolViolation):
        parse_account.leverage(shaped(MarginConfig, row | wrong, "margin"), "par-1", "ETH/USD", NOW)


def test_a_closed_position_of_the_stream_is_zero_and_an_open_one_signed() -> None:
    row = {
        "market": "ETH-USD-PERP", "side": "SHORT", "status": "OPEN", "size": "-0.5", "average_entry_price": "3000",
        "unrealized_pnl": "1", "liquidation_price": "",
    }  # fmt: skip
    opened = parse_account.position_event(row, "par-1", listing(), NOW)
    closed = parse_account.position_event(
        row | {"status": "CLOSED", "size": "0", "average_entry_price": "0"}, "par-1", listing(), NOW
    )

    assert (opened.quantity, opened.entry_price) == (Decimal("-0.5"), Decimal(3000))
    assert (closed.quantity, closed.symbol) == (Decimal(0), "ETH/USD")
