"""What Backpack keeps about an account, over a scripted transport: money, ended orders, transfers, fees, leverage."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from backpack_samples import ACCOUNT, COLLATERAL, NOW, history_row
from backpack_venue import ScriptedVenue, connected, query

from core.account import MarginMode, TransferKind
from core.errors import NotOffered, ProtocolViolation
from core.order import OrderStatus

D = Decimal
HOUR = timedelta(hours=1)
FREE = {"available": "30", "locked": "5", "staked": "1"}


@pytest.fixture
def venue(stepped) -> ScriptedVenue:
    stepped.now = NOW
    return ScriptedVenue(stepped.clock)


def answer(body: object, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def lent(symbol: str, quantity: str) -> dict[str, str]:
    return {"symbol": symbol, "lendQuantity": quantity, "totalQuantity": quantity, "availableQuantity": "0"}


async def test_a_balance_counts_what_is_lent(stepped, venue) -> None:
    venue.on("GET /api/v1/capital", answer({"USDC": FREE}))
    venue.on(
        "GET /api/v1/capital/collateral", answer(COLLATERAL | {"collateral": [lent("USDC", "64"), lent("SOL", "2")]})
    )
    found = await (await connected(stepped, venue)).records.balances()
    assert [(one.asset, one.total, one.available) for one in found] == [("SOL", D(2), D(0)), ("USDC", D(100), D(30))]


@pytest.mark.parametrize("body", [[], {"USDC": {"available": "1"}}, {"USDC": "5"}])
async def test_balances_that_cannot_be_read_are_not_zero(stepped, venue, body) -> None:
    venue.on("GET /api/v1/capital", answer(body))
    venue.on("GET /api/v1/capital/collateral", answer(COLLATERAL | {"collateral": []}))
    client = await connected(stepped, venue)
    with pytest.raises(ProtocolViolation):
        await client.records.balances()


async def test_ended_orders_are_listed_newest_first_from_all_pages(stepped, venue) -> None:
    newest = history_row(id="4", status="New", createdAt="2026-11-20T11:59:00")
    first = [newest, history_row(id="3", status="Filled", createdAt="2026-11-20T11:58:00")]
    then = [
        history_row(id="2", status="Cancelled", createdAt="2026-11-20T11:57:00"),
        history_row(id="1", status="Expired", createdAt="2026-11-20T09:00:00"),
    ]
    venue.on("GET /wapi/v1/history/orders", answer(first, x_total="5"), answer(then, x_total="5"))
    client = await connected(stepped, venue)
    found = await client.records.order_history("ETH/USD", NOW - HOUR)
    assert [(one.venue_order_id, one.status) for one in found] == [
        ("3", OrderStatus.FILLED), ("2", OrderStatus.CANCELLED)
    ]  # fmt: skip
    pages = [query(one)["offset"] for one in venue.asked("GET /wapi/v1/history/orders")]
    assert pages == ["0", "2"], "a page that reaches beyond the time is the last"


async def test_transfers_are_signed_and_told_by_kind(stepped, venue) -> None:
    row = {"symbol": "USDC", "status": "confirmed", "quantity": "100"}
    deposits = [
        row | {"id": 2, "source": "internal", "createdAt": "2026-11-20T11:40:00"},
        row | {"id": 1, "source": "solana", "createdAt": "2026-11-20T11:20:00"},
        row | {"id": 0, "source": "solana", "createdAt": "2026-11-20T10:20:00"},
    ]
    withdrawals = [
        row | {"id": 9, "isInternal": False, "fee": "1", "createdAt": "2026-11-20T11:30:00"},
        row | {"id": 8, "isInternal": True, "createdAt": "2026-11-20T11:25:00"},
    ]
    venue.on("GET /wapi/v1/capital/deposits", answer(deposits))
    venue.on("GET /wapi/v1/capital/withdrawals", answer(withdrawals))
    found = await (await connected(stepped, venue)).records.transfers(NOW - HOUR)
    assert [(one.transfer_id, one.kind, one.quantity) for one in found] == [
        ("deposit/1", TransferKind.DEPOSIT, D(100)),
        ("withdrawal/8", TransferKind.TRANSFER, D(-100)),
        ("withdrawal/9", TransferKind.WITHDRAWAL, D(-100)),
        ("deposit/2", TransferKind.TRANSFER, D(100)),
    ]
    since_ms = str(int((NOW - HOUR).timestamp() * 1000))
    assert query(venue.asked("GET /wapi/v1/capital/deposits")[0])["from"] == since_ms


async def test_a_rebate_is_a_negative_fee_and_the_rates_name_the_tier(stepped, venue) -> None:
    venue.on("GET /api/v1/account", answer(ACCOUNT | {"futuresMakerFee": "-0.5", "futuresTakerFee": "4"}))
    tier = await (await connected(stepped, venue)).records.fee_tier()
    assert (tier.maker_fee, tier.taker_fee) == (D("-0.00005"), D("0.0004"))
    assert tier.tier == "maker -0.5 bps, taker 4 bps"


async def test_the_leverage_limit_is_that_of_every_market(stepped, venue) -> None:
    venue.on("GET /api/v1/account", answer(ACCOUNT | {"leverageLimit": "7"}))
    records = (await connected(stepped, venue)).records
    for symbol in ("ETH/USD", "kPEPE/USD"):
        held = await records.leverage(symbol)
        assert (held.symbol, held.leverage, held.mode) == (symbol, D(7), MarginMode.CROSS)


async def test_what_the_venue_does_not_list_is_not_offered(stepped, venue) -> None:
    records = (await connected(stepped, venue)).records
    asked = len(venue.requests)
    with pytest.raises(NotOffered, match="subaccount"):
        await records.subaccounts()
    with pytest.raises(NotOffered, match="budget"):
        await records.request_quota()
    assert len(venue.requests) == asked
