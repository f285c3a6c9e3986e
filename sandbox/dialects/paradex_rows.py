"""An account's facts as Paradex's JSON rows, and how ids, decimals and times are spelled.

Written from docs.paradex.trade (REST API schemas Order, Fill, Position, Account,
BalanceEvent ...). Pure rendering: decimals become text, microseconds become milliseconds. Must not decide or
read a clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from core.numbers import canonical
from sandbox.dialects.paradex_errors import cancel_reason
from sandbox.model import (
    Account,
    Fill,
    FillCause,
    FundingPayment,
    MarginSummary,
    MarketSpec,
    Order,
    OrderStatus,
    Position,
)

Row = dict[str, object]

VENUE: Final = "paradex"
COLLATERAL: Final = "USDC"
FIRST_TIER: Final = "Tier 0"
COLLATERAL_ADDRESS: Final = "0x6f373b346561036d98ea10fb3e60d2f459c872b1933b50b21fe6ef4fda3b75e"
EIGHT_PLACES: Final = Decimal("0.00000001")
INDEX_PLACES: Final = Decimal("0.000000000001")


def text(value: Decimal | None) -> str:
    """Write a decimal with at most eight places; "" stands for no value."""
    if value is None:
        return ""
    return canonical(value.quantize(EIGHT_PLACES, rounding=ROUND_HALF_EVEN))


def fine_text(value: Decimal) -> str:
    """Write a rate or a funding index with at most twelve places."""
    return canonical(value.quantize(INDEX_PLACES, rounding=ROUND_HALF_EVEN))


def millis(time_us: int) -> int:
    """Return whole milliseconds."""
    return time_us // 1000


@dataclass(frozen=True, slots=True)
class Serials:
    """Wire ids: the engine's numbers behind the second at which the twin started.

    A restarted twin counts from the beginning again; the prefix keeps its ids apart from the earlier ones.
    Order ids have 28 digits, more than a 64-bit integer holds, as the venue's have.
    """

    epoch_s: int

    def order(self, number: int) -> str:
        """Spell an order id."""
        return f"{self.epoch_s}{number:018d}"

    def event(self, number: int) -> str:
        """Spell the id of a fill, trade or payment."""
        return f"{self.epoch_s}{number:09d}"

    def order_number(self, wire_id: str) -> int | None:
        """Read the engine's number back; None for a text that is not an id of this twin."""
        if not (wire_id.isascii() and wire_id.isdigit() and len(wire_id) <= 40):
            return None
        number = int(wire_id[-18:])
        return number if self.order(number) == wire_id else None


def order_row(spec: MarketSpec, order: Order, *, ids: Serials, seq_no: int, published_us: int) -> Row:
    """Render an order. Filled quantity is not a field: it is size minus remaining_size."""
    return {
        "id": ids.order(order.id),
        "account": order.account,
        "market": spec.symbol,
        "side": order.side.value,
        "type": order_type(order),
        "size": text(order.quantity),
        "remaining_size": text(order.remaining),
        "price": text(order.price or Decimal(0)),
        "avg_fill_price": text(order.average_price),
        "status": order_status(order),
        "cancel_reason": cancel_reason(order.end_reason),
        "client_id": order.client_id or "",
        "instruction": order.tags.get("instruction", "IOC"),
        "flags": json.loads(order.tags.get("flags", "[]")),
        "stp": order.tags.get("stp", "EXPIRE_TAKER"),
        "trigger_price": text(order.trigger.price if order.trigger else Decimal(0)),
        "timestamp": int(order.tags.get("timestamp", millis(order.created_us))),
        "created_at": millis(order.created_us),
        "last_updated_at": millis(order.updated_us),
        "received_at": millis(order.created_us),
        "published_at": millis(published_us),
        "seq_no": seq_no,
    }


def order_type(order: Order) -> str:
    """Return LIMIT or MARKET; an order of the venue itself (a forced close) carries no client's words."""
    return order.tags.get("type", order.kind.value)


def order_status(order: Order) -> str:
    """Return NEW, UNTRIGGERED, OPEN or CLOSED; cancel_reason and remaining_size tell why and how far."""
    if order.status is OrderStatus.WAITING:
        return "UNTRIGGERED"
    if order.status is OrderStatus.NEW:
        return "NEW"
    return "OPEN" if order.is_live else "CLOSED"


def fill_row(spec: MarketSpec, fill: Fill, *, ids: Serials, underlying_price: Decimal) -> Row:
    """Render a fill; `side` is the account's own side, `realized_funding` what this fill settled."""
    return {
        "id": ids.event(fill.id),
        "order_id": ids.order(fill.order_id),
        "client_id": fill.client_id or "",
        "account": fill.account,
        "market": spec.symbol,
        "side": fill.side.value,
        "price": text(fill.price),
        "size": text(fill.quantity),
        "remaining_size": text(fill.order_remaining),
        "liquidity": fill.liquidity.value,
        "fee": text(fill.fee),
        "fee_currency": COLLATERAL,
        "fill_type": "FILL" if fill.cause in (FillCause.NORMAL, FillCause.BUST) else "LIQUIDATION",
        "flags": [],
        "realized_pnl": text(fill.realised_pnl),
        "realized_funding": text(fill.realised_funding),
        "underlying_price": text(underlying_price),
        "orderbook_seq_no": fill.seq,
        "created_at": millis(fill.time_us),
    }


def position_row(
    account: str,
    spec: MarketSpec,
    position: Position,
    *,
    mark: Decimal,
    unrealised_funding: Decimal,
    leverage: int,
    liquidation_price: Decimal | None,
    seq_no: int,
    ids: Serials,
) -> Row:
    """Render a position: size is signed, unrealized_pnl includes the funding that runs unbooked."""
    is_open = position.quantity != 0
    entry = position.entry_price or Decimal(0)
    price_pnl = (mark - entry) * position.quantity
    return {
        "id": f"{account}-{spec.symbol}",
        "account": account,
        "market": spec.symbol,
        "side": "SHORT" if position.quantity < 0 else "LONG",
        "status": "OPEN" if is_open else "CLOSED",
        "size": text(position.quantity),
        "average_entry_price": text(entry),
        "average_entry_price_usd": text(entry),
        "average_exit_price": "",
        "cost": text(position.cost),
        "cost_usd": text(position.cost),
        "leverage": str(leverage),
        "liquidation_price": text(liquidation_price if liquidation_price and liquidation_price > 0 else None),
        "unrealized_pnl": text(price_pnl + unrealised_funding),
        "unrealized_funding_pnl": text(unrealised_funding),
        "realized_positional_pnl": text(position.realised_pnl),
        "realized_positional_funding_pnl": text(position.funding),
        "cached_funding_index": fine_text(position.funding_index),
        "last_fill_id": ids.event(position.last_fill_id) if position.last_fill_id else "",
        "created_at": millis(position.opened_us),
        "closed_at": 0 if is_open else millis(position.updated_us),
        "last_updated_at": millis(position.updated_us),
        "seq_no": seq_no,
    }


def account_row(account: Account, margin: MarginSummary, *, seq_no: int, now_us: int) -> Row:
    """Render margin. Free collateral is the smaller of value above the requirement and the cash balance."""
    return {
        "account": account.id,
        "status": "LIQUIDATION" if account.is_liquidating else "ACTIVE",
        "account_value": text(margin.equity),
        "total_collateral": text(margin.balance),
        "free_collateral": text(min(margin.equity - margin.initial, margin.balance)),
        "initial_margin_requirement": text(margin.initial),
        "maintenance_margin_requirement": text(margin.maintenance),
        "margin_cushion": text(margin.equity - margin.maintenance),
        "settlement_asset": COLLATERAL,
        "seq_no": seq_no,
        "updated_at": millis(now_us),
    }


def balance_row(account: Account, *, now_us: int) -> Row:
    """Render the one collateral token."""
    return {"token": COLLATERAL, "size": text(account.balance), "last_updated_at": millis(now_us)}


def balance_event_row(
    spec: MarketSpec, fill: Fill, *, ids: Serials, funding_index: Decimal, balance_before: Decimal, balance: Decimal
) -> Row:
    """Render what one fill did to the cash balance."""
    return {
        "type": "FILL",
        "status": "SUCCESS",
        "market": spec.symbol,
        "fill_id": ids.event(fill.id),
        "fees": text(fill.fee),
        "realized_pnl": text(fill.realised_pnl),
        "realized_funding": text(fill.realised_funding),
        "funding_index": fine_text(funding_index),
        "settlement_asset_name": COLLATERAL,
        "settlement_asset_address": COLLATERAL_ADDRESS,
        "settlement_asset_price": "1",
        "settlement_asset_balance_before": text(balance_before),
        "settlement_asset_balance_after": text(balance),
        "created_at": millis(fill.time_us),
    }


def funding_payment_row(spec: MarketSpec, payment: FundingPayment, *, ids: Serials) -> Row:
    """Render a booking of funding; payment > 0 was received. fill_id is empty when no fill caused it."""
    return {
        "id": ids.event(payment.id),
        "account": payment.account,
        "market": spec.symbol,
        "payment": text(payment.payment),
        "index": fine_text(payment.index),
        "fill_id": ids.event(payment.fill_id) if payment.fill_id is not None else "",
        "created_at": millis(payment.time_us),
    }


def tradebust_row(fill: Fill, *, ids: Serials, time_us: int) -> Row:
    """Render the notice that a fill was undone on chain."""
    return {"account": fill.account, "busted_fill_id": ids.event(fill.id), "created_at": millis(time_us)}


def transfer_row(transfer_id: str, account: str, paid_in: Decimal, *, time_us: int) -> Row:
    """Render money that came from outside; nothing leaves a twin."""
    return {
        "id": transfer_id,
        "account": account,
        "token": COLLATERAL,
        "amount": text(abs(paid_in)),
        "kind": "DEPOSIT" if paid_in > 0 else "WITHDRAWAL",
        "direction": "IN" if paid_in > 0 else "OUT",
        "status": "COMPLETED",
        "bridge": "",
        "txn_hash": "",
        "external_chain": "",
        "external_account": "",
        "external_txn_hash": "",
        "counterparty": "",
        "socialized_loss_factor": "0",
        "auto_withdrawal_fee": "0",
        "vault_address": "",
        "failure_reason": "",
        "created_at": millis(time_us),
        "last_updated_at": millis(time_us),
    }


def volume_tier_row(kind: str, rates: dict[str, str]) -> Row:
    """Render the first fee tier of a profile (pro: orders by API; retail: the interactive ones)."""
    return {
        "fee_rates": rates,
        "kind": kind,
        "min_volume": "0",
        "min_volume_duration": "14d",
        "nft_min_volume": "0",
        "sort_order": 0,
        "tier_name": FIRST_TIER,
    }
