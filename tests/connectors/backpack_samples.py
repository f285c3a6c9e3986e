"""Answers and frames of Backpack as the venue documents and recordings show them, and the pieces to read them with."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from connectors.backpack.client_ids import ClientIds
from connectors.backpack.listing import parse_listing, parse_terms
from connectors.backpack.parse import Facts
from connectors.settings import BackpackKeys
from core.ids import uint32_of
from core.instrument import Venue
from core.order import OrderIntent, OrderType, Side, TimeInForce

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
SEED = bytes(range(32))
KEYS = BackpackKeys(
    api_key="A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", api_secret=SecretStr(base64.b64encode(SEED).decode())
)
ACCOUNT_ID = "acc-1"


def market(symbol: str = "ETH_USDC_PERP", base: str = "ETH", **changes: Any) -> dict[str, Any]:
    return {
        "baseSymbol": base,
        "createdAt": "2025-01-21T06:34:54.691858",
        "filters": {
            "price": {
                "borrowEntryFeeMaxMultiplier": None,
                "maxImpactMultiplier": "1.01",
                "maxMultiplier": "2",
                "maxPrice": "10000",
                "meanMarkPriceBand": {"maxMultiplier": "1.075", "minMultiplier": "0.925"},
                "meanPremiumBand": {"tolerancePct": "0.05"},
                "minImpactMultiplier": "0.99",
                "minMultiplier": "0.25",
                "minPrice": "0.01",
                "tickSize": "0.01",
            },
            "quantity": {"maxQuantity": None, "minQuantity": "0.001", "stepSize": "0.0001"},
        },
        "fundingInterval": 3600000,
        "fundingRateLowerBound": "-100",
        "fundingRateUpperBound": "100",
        "imfFunction": {"base": "0.02", "factor": "0.000075", "type": "sqrt"},
        "marketType": "PERP",
        "mmfFunction": {"base": "0.0135", "factor": "0.0000375", "type": "sqrt"},
        "openInterestLimit": "4000000",
        "orderBookState": "Open",
        "positionLimitWeight": "1",
        "quoteSymbol": "USDC",
        "rwaMarketType": None,
        "symbol": symbol,
        "visible": True,
    } | changes


SPOT = market("ETH_USDC", marketType="SPOT", imfFunction=None, mmfFunction=None, fundingInterval=28800000)
CLOSED = market("SOL_USDC_PERP", "SOL", orderBookState="Closed")
MARKETS = [market(), SPOT, CLOSED, market("kPEPE_USDC_PERP", "kPEPE")]
ACCOUNT = {
    "autoBorrowSettlements": True,
    "autoLend": True,
    "autoRealizePnl": True,
    "autoRepayBorrows": True,
    "borrowLimit": "0",
    "futuresMakerFee": "-0.5",
    "futuresTakerFee": "5",
    "leverageLimit": "20",
    "limitOrders": 0,
    "liquidating": False,
    "positionLimit": "0",
    "spotMakerFee": "8",
    "spotTakerFee": "10",
    "triggerOrders": 0,
}
DEPTH = {
    "asks": [["2999.5", "1.5"], ["3000", "4"]],
    "bids": [["2998", "7"], ["2999", "2"]],
    "lastUpdateId": "1000",
    "timestamp": 1788368290062001,
}
MARK_PRICES = [
    {
        "symbol": "ETH_USDC_PERP",
        "markPrice": "2999.25",
        "indexPrice": "2999.1",
        "fundingRate": "0.0000125",
        "nextFundingTimestamp": 1788285600000,
    }
]
COLLATERAL = {
    "assetsValue": "1000",
    "borrowLiability": "0",
    "collateral": [],
    "imf": "0.05",
    "liabilitiesValue": "0",
    "marginFraction": "0.5",
    "mmf": "0.0135",
    "netEquity": "1000",
    "netEquityAvailable": "900",
    "netEquityLocked": "100",
    "netExposureFutures": "2000",
    "pnlUnrealized": "0",
    "unsettledEquity": "0",
}
POSITION = {
    "breakEvenPrice": "3831.36305",
    "cumulativeFundingPayment": "-0.009218",
    "entryPrice": "3826.8888888888888888888888",
    "estLiquidationPrice": "4100.5",
    "imf": "0.02",
    "markPrice": "3787.46813304",
    "mmf": "0.0125",
    "netCost": "-13.7768",
    "netExposureNotional": "13.634885278944",
    "netExposureQuantity": "0.0036",
    "netQuantity": "-0.0036",
    "pnlRealized": "0",
    "pnlUnrealized": "-0.141914",
    "positionId": "4238420454",
    "subaccountId": None,
    "symbol": "ETH_USDC_PERP",
    "userId": 1813870,
}


def intent(**changes: Any) -> OrderIntent:
    """A buy of 0.5 ETH, IOC at 3000.10."""
    plain = OrderIntent(
        client_order_id="0e6f7b1c-6a53-5d6e-9a0f-1c2d3e4f5a6b",
        session_id="s-1",
        pair_id="p-1",
        account_id=ACCOUNT_ID,
        venue=Venue.BACKPACK,
        symbol="ETH/USD",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.50"),
        price=Decimal("3000.10"),
        reference_price=Decimal("2999.25"),
        reduce_only=False,
        created_at=NOW,
        valid_until=NOW + timedelta(seconds=3),
    )
    return replace(plain, **changes)


def order_row(**changes: Any) -> dict[str, Any]:
    return {
        "clientId": uint32_of(intent().client_order_id),
        "createdAt": NOW_MS,
        "executedQuantity": "0",
        "executedQuoteQuantity": "0",
        "id": "59669287267",
        "orderType": "Limit",
        "postOnly": False,
        "price": "3000.1",
        "quantity": "0.5",
        "reduceOnly": None,
        "selfTradePrevention": "RejectBoth",
        "side": "Bid",
        "status": "New",
        "symbol": "ETH_USDC_PERP",
        "timeInForce": "IOC",
        "triggeredAt": None,
    } | changes


def history_row(**changes: Any) -> dict[str, Any]:
    """An order as history shows it: ISO text without a zone, an expiry reason, no reduceOnly."""
    row = order_row(status="Filled", executedQuantity="0.5", executedQuoteQuantity="1500", expiryReason=None)
    del row["reduceOnly"], row["triggeredAt"]
    return row | {"createdAt": "2026-11-20T12:00:00.250"} | changes


def fill_row(number: int = 9748827, **changes: Any) -> dict[str, Any]:
    return {
        "clientId": str(uint32_of(intent().client_order_id)),
        "fee": "0.004974",
        "feeSymbol": "USDC",
        "isMaker": False,
        "orderId": "59669287267",
        "price": "2999.5",
        "quantity": "0.2",
        "side": "Bid",
        "symbol": "ETH_USDC_PERP",
        "systemOrderType": None,
        "timestamp": "2026-11-20T12:00:00.250",
        "tradeId": number,
    } | changes


def funding_row(hour: int, payment: str = "-0.001301") -> dict[str, Any]:
    return {
        "fundingRate": "0.0001",
        "intervalEndTimestamp": f"2026-11-20T{hour:02d}:00:00",
        "quantity": payment,
        "subaccountId": 0,
        "symbol": "ETH_USDC_PERP",
        "userId": 1813870,
    }


ORDER_ACCEPTED = {
    "E": 1788368290063153, "O": "USER", "Q": "1500", "S": "Bid", "T": 1788368290062001, "V": "RejectBoth",
    "X": "New", "Z": "0", "e": "orderAccepted", "f": "GTC", "i": "59887375336", "o": "LIMIT", "p": "3000.10",
    "q": "0.5", "r": False, "s": "ETH_USDC_PERP", "t": None, "y": True, "z": "0",
    "c": uint32_of(intent().client_order_id),
}  # fmt: skip
ORDER_FILL = ORDER_ACCEPTED | {
    "e": "orderFill", "X": "PartiallyFilled", "L": "2999.50", "l": "0.2", "N": "USDC", "n": "0.29995", "m": True,
    "t": 2888471, "z": "0.2", "Z": "599.9",
}  # fmt: skip


def mark_event(price: str = "2999.25", symbol: str = "ETH_USDC_PERP") -> dict[str, Any]:
    return {
        "e": "markPrice", "E": 1788368290063153, "T": 1788368290062001, "s": symbol, "p": price,
        "i": "2999.1", "f": "0.0000125", "n": 1788285600000,
    }  # fmt: skip


def depth_event(first: int, last: int, *, bids: list[list[str]] = (), asks: list[list[str]] = ()) -> dict[str, Any]:
    return {
        "e": "depth", "E": 1788368290063153, "T": 1788368290062001 + last, "s": "ETH_USDC_PERP",
        "U": first, "u": last, "a": list(asks), "b": list(bids),
    }  # fmt: skip


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def facts(*known: OrderIntent) -> Facts:
    """Facts of the test account: the sample markets, and the ids of the intents given (the plain one by default)."""
    ids = ClientIds()
    for one in known or (intent(),):
        assert ids.remember(one.client_order_id)
    return Facts(ACCOUNT_ID, listing(), ids)


def listing():
    return parse_listing(body(MARKETS), parse_terms(body(ACCOUNT)))
