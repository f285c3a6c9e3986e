"""Backpack's JSON shapes of the engine's orders, fills, positions and markets, for REST and history.

Duty: pure rendering. Members that Backpack sends as null are present as null. It must not read an exchange,
check anything, or know about streams.

Source: docs.backpack.exchange, API reference: schemas Market, Order (Limit / Market), OrderHistory, OrderFill,
FuturePositionWithMargin, FundingIntervalRates, PublicTrade.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.dialects.backpack_numbers import computed, milliseconds, naive_iso, trimmed
from sandbox.margin import initial_fraction, maintenance_fraction
from sandbox.model import (
    EndReason,
    Fill,
    FillCause,
    FundingPayment,
    Liquidity,
    MarketSpec,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    SelfTradePrevention,
    Side,
    TimeInForce,
    VenueRules,
)

Json = dict[str, Any]

SETTLEMENT_ASSET = "USDC"
BPS = Decimal(10_000)
IMPACT_BAND = Decimal("0.01")
MARKET_CREATED_AT = "2025-01-21T06:34:54.691858"

SIDE_TO_WIRE: Mapping[Side, str] = {Side.BUY: "Bid", Side.SELL: "Ask"}
SIDE_FROM_WIRE: Mapping[str, Side] = {wire: side for side, wire in SIDE_TO_WIRE.items()}
STP_TO_WIRE: Mapping[SelfTradePrevention, str] = {
    SelfTradePrevention.CANCEL_TAKER: "RejectTaker",
    SelfTradePrevention.CANCEL_MAKER: "RejectMaker",
    SelfTradePrevention.CANCEL_BOTH: "RejectBoth",
}
STP_FROM_WIRE: Mapping[str, SelfTradePrevention] = {wire: stp for stp, wire in STP_TO_WIRE.items()}
SYSTEM_ORDER_TYPES: Mapping[FillCause, str | None] = {
    FillCause.NORMAL: None,
    FillCause.LIQUIDATION: "LiquidatePositionOnBook",
    FillCause.BACKSTOP: "LiquidatePositionOnBackstop",
    FillCause.ADL: "LiquidatePositionOnAdl",
    FillCause.BUST: None,
}
FILL_TYPES: Mapping[FillCause, str] = {
    FillCause.NORMAL: "User",
    FillCause.LIQUIDATION: "BookLiquidation",
    FillCause.BACKSTOP: "Backstop",
    FillCause.ADL: "Adl",
    FillCause.BUST: "User",
}
_STATUSES: Mapping[OrderStatus, str] = {
    OrderStatus.WAITING: "TriggerPending",
    OrderStatus.NEW: "New",
    OrderStatus.OPEN: "New",
    OrderStatus.PARTIALLY_FILLED: "PartiallyFilled",
    OrderStatus.FILLED: "Filled",
}
_EXPIRY_REASONS: Mapping[EndReason, str] = {
    EndReason.IOC_REMAINDER: "ImmediateOrCancel",
    EndReason.FOK_UNFILLED: "FillOrKill",
    EndReason.NO_LIQUIDITY: "InsufficientLiquidity",
    EndReason.SELF_TRADE: "SelfTradePrevention",
    EndReason.POST_ONLY_CROSS: "PostOnlyTaker",
    EndReason.REDUCE_ONLY: "ReduceOnlyNotReduced",
    EndReason.MARGIN: "InsufficientMargin",
    EndReason.PRICE_BAND: "PriceOutOfBounds",
    EndReason.LIQUIDATION: "Liquidation",
}
_TRIGGER_MEMBERS = (
    "stopLossLimitPrice",
    "stopLossTriggerBy",
    "stopLossTriggerPrice",
    "strategyId",
    "takeProfitLimitPrice",
    "takeProfitTriggerBy",
    "takeProfitTriggerPrice",
    "triggerBy",
    "triggerPrice",
    "triggerQuantity",
)


@dataclass(frozen=True, slots=True)
class OrderNotes:
    """The wire spelling of an order that the engine does not keep, stored in the order's tags."""

    client_id: int | None
    time_in_force: str
    post_only: bool | None
    reduce_only: bool | None
    quote_quantity: str | None
    slippage_tolerance: str | None
    slippage_tolerance_type: str | None
    bounded_by: str

    def as_tags(self) -> dict[str, str]:
        """Return the notes as order tags; absent members are left out."""
        tags = {"timeInForce": self.time_in_force, "boundedBy": self.bounded_by}
        if self.client_id is not None:
            tags["clientId"] = str(self.client_id)
        texts = (
            ("quoteQuantity", self.quote_quantity),
            ("slippageTolerance", self.slippage_tolerance),
            ("slippageToleranceType", self.slippage_tolerance_type),
        )
        tags |= {name: text for name, text in texts if text is not None}
        for name, flag in (("postOnly", self.post_only), ("reduceOnly", self.reduce_only)):
            if flag is not None:
                tags[name] = "true" if flag else "false"
        return tags


def notes_of(order: Order) -> OrderNotes:
    """Return the wire spelling of ``order``; orders the venue itself made have none and get defaults."""
    tags = order.tags
    client_id = tags.get("clientId")
    return OrderNotes(
        client_id=None if client_id is None else int(client_id),
        time_in_force=tags.get("timeInForce", _time_in_force(order.tif)),
        post_only=_flag(tags.get("postOnly")),
        reduce_only=_flag(tags.get("reduceOnly")),
        quote_quantity=tags.get("quoteQuantity"),
        slippage_tolerance=tags.get("slippageTolerance"),
        slippage_tolerance_type=tags.get("slippageToleranceType"),
        bounded_by=tags.get("boundedBy", "PriceImpact"),
    )


def order_status(order: Order) -> str:
    """Return the wire status: ``Cancelled`` only when its owner or the venue cancelled it, else ``Expired``."""
    if order.status in _STATUSES:
        return _STATUSES[order.status]
    if order.trigger is not None and order.status is OrderStatus.REJECTED:
        return "TriggerFailed"
    return "Expired" if order.end_reason in _EXPIRY_REASONS else "Cancelled"


def expiry_reason(order: Order) -> str | None:
    """Return the reason of an ``Expired`` order, None for every other status."""
    if order_status(order) != "Expired" or order.end_reason is None:
        return None
    is_unmet_market = order.kind is OrderKind.MARKET and order.end_reason in (
        EndReason.NO_LIQUIDITY,
        EndReason.IOC_REMAINDER,
    )
    return notes_of(order).bounded_by if is_unmet_market else _EXPIRY_REASONS[order.end_reason]


def order_json(order: Order, symbol: str) -> Json:
    """Return ``OrderType`` as the order routes answer it; ``createdAt`` in milliseconds."""
    notes = notes_of(order)
    row = _order_members(order, symbol, notes)
    row |= {
        "createdAt": milliseconds(order.created_us),
        "reduceOnly": notes.reduce_only,
        "relatedOrderId": None,
        "triggeredAt": None if order.triggered_us is None else milliseconds(order.triggered_us),
    }
    return row


def order_history_json(order: Order, symbol: str) -> Json:
    """Return a row of the order history; ``createdAt`` as text without a zone."""
    notes = notes_of(order)
    row = _order_members(order, symbol, notes)
    row |= {
        "createdAt": naive_iso(order.created_us),
        "expiryReason": expiry_reason(order),
        "quoteQuantity": notes.quote_quantity,
        "slippageTolerance": notes.slippage_tolerance,
        "slippageToleranceType": notes.slippage_tolerance_type,
        "systemOrderType": None,
    }
    return row


def fill_json(fill: Fill, client_id: int | None, symbol: str) -> Json:
    """Return a row of the fill history; its ``clientId`` is text, unlike anywhere else."""
    return {
        "clientId": None if client_id is None else str(client_id),
        "fee": trimmed(fill.fee),
        "feeSymbol": SETTLEMENT_ASSET,
        "isMaker": fill.liquidity is Liquidity.MAKER,
        "orderId": str(fill.order_id),
        "price": trimmed(fill.price),
        "quantity": trimmed(fill.quantity),
        "side": SIDE_TO_WIRE[fill.side],
        "symbol": symbol,
        "systemOrderType": SYSTEM_ORDER_TYPES[fill.cause],
        "timestamp": naive_iso(fill.time_us),
        "tradeId": fill.trade_id,
    }


def funding_payment_json(payment: FundingPayment, symbol: str) -> Json:
    """Return a row of the funding history; ``quantity`` in USDC, positive = received."""
    return {
        "fundingRate": trimmed(payment.rate),
        "intervalEndTimestamp": naive_iso(payment.time_us),
        "quantity": trimmed(payment.payment),
        "subaccountId": 0,
        "symbol": symbol,
        "userId": user_id(payment.account),
    }


def market_json(spec: MarketSpec, rules: VenueRules, state: str) -> Json:
    """Return ``Market``; bands as multipliers, funding bounds in basis points."""
    passive = spec.band_passive
    bound = trimmed(rules.funding_rate_cap * BPS)
    return {
        "baseSymbol": spec.base,
        "createdAt": MARKET_CREATED_AT,
        "filters": {
            "price": {
                "borrowEntryFeeMaxMultiplier": None,
                "borrowEntryFeeMinMultiplier": None,
                "maxImpactMultiplier": trimmed(1 + IMPACT_BAND),
                "maxMultiplier": None if passive is None else trimmed(1 + passive),
                "maxPrice": trimmed(spec.max_price),
                "maxPriceUpdateMultiplier": None,
                "meanMarkPriceBand": {
                    "maxMultiplier": trimmed(1 + spec.band_aggressive),
                    "minMultiplier": trimmed(1 - spec.band_aggressive),
                },
                "meanPremiumBand": None,
                "minImpactMultiplier": trimmed(1 - IMPACT_BAND),
                "minMultiplier": None if passive is None else trimmed(1 - passive),
                "minPrice": trimmed(spec.tick),
                "minPriceUpdateMultiplier": None,
                "tickSize": trimmed(spec.tick),
            },
            "quantity": {
                "maxQuantity": None,
                "minQuantity": trimmed(spec.min_quantity),
                "stepSize": trimmed(spec.lot),
            },
        },
        "fundingInterval": rules.funding_period_hours * 3_600_000,
        "fundingRateLowerBound": f"-{bound}",
        "fundingRateUpperBound": bound,
        "imfFunction": _margin_function(spec.imf_base, spec.imf_factor),
        "marketType": "PERP",
        "mmfFunction": _margin_function(spec.mmf_base, spec.mmf_factor),
        "openInterestLimit": "4000000",
        "orderBookState": state,
        "positionLimitWeight": "1",
        "quoteSymbol": SETTLEMENT_ASSET,
        "rwaMarketType": None,
        "symbol": spec.symbol,
        "visible": True,
    }


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """What a position row shows beyond the position itself; money in USDC, signed where it says so."""

    mark: Decimal
    leverage: int
    settled: Decimal  # signed part of the open PnL that was already paid into the balance
    fees: Decimal  # paid since the position was opened
    exposure_quantity: Decimal  # worst case of position and open orders, never negative
    liquidation_price: Decimal | None


def position_json(position: Position, spec: MarketSpec, figures: PositionFigures, account: str) -> Json:
    """Return ``FuturePositionWithMargin``; ``netQuantity`` and ``netCost`` are signed."""
    notional = abs(position.quantity) * figures.mark
    unrealised = position.quantity * figures.mark - position.cost - figures.settled
    liquidation = figures.liquidation_price
    return {
        "breakEvenPrice": computed(break_even_price(position, figures.fees)),
        "cumulativeFundingPayment": trimmed(position.funding),
        "cumulativeInterest": "0",
        "entryPrice": computed(position.cost / position.quantity),
        "estLiquidationPrice": "0" if liquidation is None else computed(liquidation),
        "imf": computed(initial_fraction(spec, figures.leverage, notional)),
        "imfFunction": _margin_function(spec.imf_base, spec.imf_factor),
        "markPrice": trimmed(figures.mark),
        "mmf": computed(maintenance_fraction(spec, notional)),
        "mmfFunction": _margin_function(spec.mmf_base, spec.mmf_factor),
        "netCost": computed(position.cost),
        "netExposureNotional": computed(figures.exposure_quantity * figures.mark),
        "netExposureQuantity": trimmed(figures.exposure_quantity),
        "netQuantity": trimmed(position.quantity),
        "pnlRealized": computed(position.realised_pnl + figures.settled),
        "pnlUnrealized": computed(unrealised),
        "positionId": str(position.id),
        "subaccountId": None,
        "symbol": spec.symbol,
        "userId": user_id(account),
    }


def break_even_price(position: Position, fees: Decimal) -> Decimal:
    """Price at which closing would leave nothing, counting realised PnL, funding and fees since opening."""
    return (position.cost - position.realised_pnl - position.funding + fees) / position.quantity


def user_id(account: str) -> int:
    """Return a stable seven-digit number for an account."""
    return 1_000_000 + zlib.crc32(account.encode()) % 9_000_000


def _order_members(order: Order, symbol: str, notes: OrderNotes) -> Json:
    row: Json = dict.fromkeys(_TRIGGER_MEMBERS)
    row |= {name: order.tags.get(name) for name in ("triggerBy", "triggerPrice", "triggerQuantity")}
    row |= {
        "clientId": notes.client_id,
        "executedQuantity": trimmed(order.filled),
        "executedQuoteQuantity": trimmed(order.filled_notional),
        "id": str(order.id),
        "quantity": None if order.status is OrderStatus.WAITING else trimmed(order.quantity),
        "selfTradePrevention": STP_TO_WIRE[order.stp],
        "side": SIDE_TO_WIRE[order.side],
        "status": order_status(order),
        "symbol": symbol,
        "timeInForce": notes.time_in_force,
    }
    if order.kind is OrderKind.MARKET or order.price is None:
        return row | {
            "orderType": "Market",
            "quoteQuantity": notes.quote_quantity,
            "slippageTolerance": notes.slippage_tolerance,
            "slippageToleranceType": notes.slippage_tolerance_type,
        }
    return row | {
        "orderType": "Limit",
        "postOnly": bool(notes.post_only),
        "price": trimmed(order.price),
    }


def _margin_function(base: Decimal, factor: Decimal) -> Json:
    return {"base": trimmed(base), "factor": trimmed(factor), "type": "sqrt"}


def _time_in_force(tif: TimeInForce) -> str:
    return "GTC" if tif is TimeInForce.POST_ONLY else tif.value


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "true"
