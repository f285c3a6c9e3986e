"""Pacifica's REST rows: long keys, decimal strings, millisecond times.

Duty: render engine facts. Must not decide or keep anything.
Source: docs.pacifica.fi, REST API: Markets, Account, Orders (response fields).
Facts the documents leave open: a flip is shown as a closing and an opening fill with two history ids; `pnl`
is net of the fill's own fee; `funding` and `payout` are signed, positive = received.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.dialects.pacifica_stops import TRIGGER_TAG, TYPE_TAG
from sandbox.events import Trade
from sandbox.exchange import Exchange
from sandbox.model import (
    ZERO,
    BookSnapshot,
    EndReason,
    Fill,
    FillCause,
    FundingPayment,
    FundingPoint,
    Liquidity,
    MarketSpec,
    Order,
    OrderKind,
    OrderStatus,
    Position,
    Side,
)

MICRO = Decimal("0.000001")
BOOK_DEPTH = 10
AGG_LEVELS = (1, 10, 100, 1000, 10000)

STATUSES = {
    OrderStatus.WAITING: "open",
    OrderStatus.NEW: "open",
    OrderStatus.OPEN: "open",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELLED: "cancelled",
    OrderStatus.REJECTED: "rejected",
}
REASONS = {
    EndReason.USER_CANCEL: "cancel",
    EndReason.IOC_REMAINDER: "cancel",
    EndReason.NO_LIQUIDITY: "cancel",
    EndReason.FOK_UNFILLED: "cancel",
    EndReason.POST_ONLY_CROSS: "post_only_rejected",
    EndReason.SELF_TRADE: "self_trade_prevented",
}
CAUSES = {
    FillCause.NORMAL: "normal",
    FillCause.LIQUIDATION: "market_liquidation",
    FillCause.BACKSTOP: "backstop_liquidation",
    FillCause.ADL: "adl_liquidation",
    FillCause.BUST: "settlement",
}
BACKSTOP_WORD = CAUSES[FillCause.BACKSTOP]


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def micro(value: Decimal) -> str:
    """Decimal text with at most six places."""
    return plain(value.quantize(MICRO, ROUND_HALF_UP))


def money(value: Decimal) -> str:
    """Decimal text with exactly six places."""
    return f"{value.quantize(MICRO, ROUND_HALF_UP):f}"


def ms(time_us: int) -> int:
    """Milliseconds since the epoch."""
    return time_us // 1000


def side_word(side: Side) -> str:
    """bid or ask."""
    return "bid" if side is Side.BUY else "ask"


def order_type(order: Order) -> str:
    """limit or market, or the kind of a trigger order (stop_limit, take_profit_market, ...)."""
    word = order.tags.get(TYPE_TAG)
    if word is not None and order.trigger is not None:
        return word
    return "market" if order.kind is OrderKind.MARKET else "limit"


def stop_price(order: Order) -> str | None:
    """Trigger price as text; None for an order that never waited."""
    return None if order.trigger is None else plain(order.trigger.price)


def order_status(order: Order) -> str:
    """Status word; an order that self-trade prevention ended counts as rejected."""
    return "rejected" if order.end_reason is EndReason.SELF_TRADE else STATUSES[order.status]


def end_word(reason: EndReason | None) -> str | None:
    """Reason of an order's end; forced ones share a word."""
    return None if reason is None else REASONS.get(reason, "force_cancel")


def limit_price(order: Order) -> Decimal:
    """Price of a limit order; a market order shows its average, or zero."""
    return order.price if order.price is not None else (order.average_price or ZERO).quantize(MICRO)


def cancelled_quantity(order: Order) -> Decimal:
    """What will never fill."""
    return ZERO if order.is_live else order.remaining


@dataclass(frozen=True, slots=True)
class FillPart:
    """One row of a fill: a flip gives two."""

    history_id: int
    direction: str
    quantity: Decimal
    entry_price: Decimal
    fee: Decimal
    pnl: Decimal


def fill_parts(fill: Fill) -> list[FillPart]:
    """Split a fill into its closing and its opening part."""
    before, entry = fill.position_before, fill.entry_before or ZERO
    closing = min(abs(before), fill.quantity) if before * fill.side.sign < 0 else ZERO
    opening = fill.quantity - closing
    close_fee = (fill.fee * closing / fill.quantity).quantize(MICRO, ROUND_HALF_UP)
    parts = []
    if closing:
        word = "close_long" if before > 0 else "close_short"
        parts.append(FillPart(fill.id, word, closing, entry, close_fee, fill.realised_pnl - close_fee))
    if opening:
        held = ZERO if closing else abs(before)
        basis = (held * entry + opening * fill.price) / (held + opening)
        fee = fill.fee - close_fee
        word = "open_long" if fill.side is Side.BUY else "open_short"
        parts.append(FillPart(fill.id + len(parts), word, opening, basis, fee, -fee))
    return parts


def trade_direction(trade: Trade) -> str:
    """The taker's direction of a public trade."""
    before = trade.taker_position_before
    if before * trade.side.sign < 0 and trade.quantity <= abs(before):
        return "close_long" if before > 0 else "close_short"
    return "open_long" if trade.side is Side.BUY else "open_short"


def event_type(liquidity: Liquidity) -> str:
    """fulfill_maker or fulfill_taker."""
    return f"fulfill_{liquidity.value.lower()}"


class Rows:
    """Renders one exchange's facts."""

    def __init__(self, exchange: Exchange, *, names_adl: Callable[[], bool] = lambda: True) -> None:
        """`names_adl`: whether deleveraging has a word of its own at present, or shares the backstop's."""
        self._exchange = exchange
        self._names_adl = names_adl

    def cause(self, cause: FillCause) -> str:
        """Word of what made a fill happen."""
        return CAUSES[cause] if cause is not FillCause.ADL or self._names_adl() else BACKSTOP_WORD

    def symbol(self, instrument: str) -> str:
        """The venue's name of a market."""
        return self._exchange.markets[instrument].symbol

    def market(self, spec: MarketSpec, created_us: int) -> dict[str, object]:
        """Row of /info."""
        points = self._exchange.funding_points(spec.instrument)
        rate = self._exchange.funding_rate(spec.instrument)
        return {
            "symbol": spec.symbol,
            "tick_size": plain(spec.tick),
            "lot_size": plain(spec.lot),
            "min_tick": "0",
            "max_tick": plain(spec.max_price),
            "max_leverage": spec.max_leverage,
            "isolated_only": False,
            "min_order_size": plain(spec.min_notional),
            "max_order_size": plain(spec.max_notional),
            "funding_rate": plain(points[-1].rate if points else rate),
            "next_funding_rate": plain(rate),
            "created_at": ms(created_us),
            "instrument_type": "perpetual",
            "base_asset": spec.base,
        }

    def price(self, spec: MarketSpec, now_us: int) -> dict[str, object]:
        """Row of /info/prices and of the prices channel. `mid` falls back to mark without both sides."""
        exchange, instrument = self._exchange, spec.instrument
        bid, ask = exchange.best(instrument)
        mark = exchange.mark(instrument)
        mid = (bid.price + ask.price) / 2 if bid and ask else mark
        points = exchange.funding_points(instrument)
        rate = exchange.funding_rate(instrument)
        return {
            "symbol": spec.symbol,
            "funding": plain(points[-1].rate if points else rate),
            "next_funding": plain(rate),
            "mark": micro(mark),
            "mid": micro(mid),
            "oracle": micro(exchange.index(instrument)),
            "open_interest": plain(exchange.open_interest(instrument)),
            "volume_24h": micro(exchange.volume_24h(instrument)),
            "yesterday_price": micro(exchange.day_open(instrument)),
            "timestamp": ms(now_us),
        }

    def book(self, spec: MarketSpec, agg_level: int) -> dict[str, object]:
        """Full book, ten levels a side, levels merged to `agg_level` ticks."""
        step = spec.tick * agg_level
        snapshot = self._exchange.book(spec.instrument, BOOK_DEPTH if agg_level == 1 else None)
        return {
            "s": spec.symbol,
            "l": [_levels(snapshot, Side.BUY, step), _levels(snapshot, Side.SELL, step)],
            "t": ms(snapshot.time_us),
        }

    def public_trade(self, trade: Trade) -> dict[str, object]:
        """Row of /trades."""
        return {
            "event_type": "fulfill_taker",
            "price": plain(trade.price),
            "amount": plain(trade.quantity),
            "side": trade_direction(trade),
            "cause": "normal",
            "created_at": ms(trade.time_us),
        }

    def funding_point(self, point: FundingPoint) -> dict[str, object]:
        """Row of /funding_rate/history."""
        return {
            "oracle_price": micro(point.index_price),
            "bid_impact_price": micro(point.mark_price),
            "ask_impact_price": micro(point.mark_price),
            "funding_rate": plain(point.rate),
            "next_funding_rate": plain(point.rate),
            "created_at": ms(point.time_us),
        }

    def account(self, account_id: str, now_us: int) -> dict[str, object]:
        """Object of /account."""
        exchange = self._exchange
        summary, spec = exchange.margin(account_id), next(iter(exchange.markets.values()))
        withdrawable = max(ZERO, summary.equity - max(summary.initial, summary.exposure / 10))
        return {
            "balance": money(summary.balance),
            "fee_level": 0,
            "maker_fee": plain(spec.maker_fee),
            "taker_fee": plain(spec.taker_fee),
            "account_equity": money(summary.equity),
            "cross_account_equity": money(summary.equity),
            "spot_market_value": "0",
            "spot_collateral": "0",
            "available_to_spend": money(summary.free),
            "available_to_withdraw": money(min(withdrawable, max(ZERO, summary.balance))),
            "pending_balance": "0",
            "pending_interest": "0",
            "total_margin_used": money(summary.initial),
            "cross_mmr": money(summary.maintenance),
            "positions_count": len(exchange.positions(account_id)),
            "orders_count": len(exchange.open_orders(account_id)),
            "stop_orders_count": len(exchange.waiting_orders(account_id)),
            "spot_balances": [],
            "updated_at": ms(now_us),
        }

    def position(self, account_id: str, position: Position) -> dict[str, object]:
        """Row of /positions."""
        return {
            "symbol": self.symbol(position.instrument),
            "side": side_word(Side.BUY if position.quantity > 0 else Side.SELL),
            "amount": plain(abs(position.quantity)),
            "entry_price": micro(position.entry_price or ZERO),
            "margin": "0",
            "funding": micro(position.funding),
            "isolated": False,
            "liquidation_price": self.liquidation_price(account_id, position.instrument),
            "created_at": ms(position.opened_us),
            "updated_at": ms(position.updated_us),
            "li": position.seq,
        }

    def liquidation_price(self, account_id: str, instrument: str) -> str | None:
        """Liquidation price as text; may be negative."""
        price = self._exchange.liquidation_price(account_id, instrument)
        return None if price is None else micro(price)

    def open_order(self, order: Order) -> dict[str, object]:
        """Row of /orders."""
        return {
            "order_id": order.id,
            "client_order_id": order.client_id,
            "symbol": self.symbol(order.instrument),
            "side": side_word(order.side),
            "price": plain(limit_price(order)),
            "initial_amount": plain(order.quantity),
            "filled_amount": plain(order.filled),
            "cancelled_amount": plain(cancelled_quantity(order)),
            "stop_price": stop_price(order),
            "order_type": order_type(order),
            "stop_parent_order_id": None,
            "trigger_price_type": order.tags.get(TRIGGER_TAG),
            "reduce_only": order.reduce_only,
            "created_at": ms(order.created_us),
            "updated_at": ms(order.updated_us),
        }

    def past_order(self, order: Order) -> dict[str, object]:
        """Row of /orders/history."""
        return {
            "order_id": order.id,
            "client_order_id": order.client_id,
            "symbol": self.symbol(order.instrument),
            "side": side_word(order.side),
            "initial_price": plain(limit_price(order)),
            "average_filled_price": micro(order.average_price or ZERO),
            "amount": plain(order.quantity),
            "filled_amount": plain(order.filled),
            "order_status": order_status(order),
            "order_type": order_type(order),
            "stop_price": stop_price(order),
            "stop_parent_order_id": None,
            "reduce_only": order.reduce_only,
            "reason": end_word(order.end_reason),
            "created_at": ms(order.created_us),
            "updated_at": ms(order.updated_us),
        }

    def order_event(self, order: Order, word: str) -> dict[str, object]:
        """Row of /orders/history_by_id."""
        return {
            "history_id": order.seq,
            "order_id": order.id,
            "client_order_id": order.client_id,
            "symbol": self.symbol(order.instrument),
            "side": side_word(order.side),
            "price": plain(limit_price(order)),
            "initial_amount": plain(order.quantity),
            "filled_amount": plain(order.filled),
            "cancelled_amount": plain(cancelled_quantity(order)),
            "event_type": word,
            "order_type": order_type(order),
            "order_status": order_status(order),
            "stop_price": stop_price(order),
            "stop_parent_order_id": None,
            "reduce_only": order.reduce_only,
            "created_at": ms(order.updated_us),
        }

    def fills(self, fill: Fill) -> list[dict[str, object]]:
        """Rows of /trades/history."""
        return [
            {
                "history_id": part.history_id,
                "order_id": fill.order_id,
                "client_order_id": fill.client_id,
                "symbol": self.symbol(fill.instrument),
                "amount": plain(part.quantity),
                "price": plain(fill.price),
                "entry_price": micro(part.entry_price),
                "fee": micro(part.fee),
                "pnl": micro(part.pnl),
                "event_type": event_type(fill.liquidity),
                "side": part.direction,
                "created_at": ms(fill.time_us),
                "cause": self.cause(fill.cause),
            }
            for part in fill_parts(fill)
        ]

    def funding_payment(self, payment: FundingPayment) -> dict[str, object]:
        """Row of /funding/history."""
        return {
            "history_id": payment.id,
            "symbol": self.symbol(payment.instrument),
            "side": side_word(Side.BUY if payment.position_quantity > 0 else Side.SELL),
            "amount": plain(abs(payment.position_quantity)),
            "payout": micro(payment.payment),
            "rate": plain(payment.rate),
            "created_at": ms(payment.time_us),
        }


def _levels(snapshot: BookSnapshot, side: Side, step: Decimal) -> list[dict[str, object]]:
    """Merge levels to `step`: the bid bucket shows its highest, the ask bucket its lowest price."""
    merged: list[tuple[Decimal, Decimal, Decimal, int]] = []  # bucket, price, quantity, orders
    for level in snapshot.bids if side is Side.BUY else snapshot.asks:
        bucket = level.price // step
        if merged and merged[-1][0] == bucket:
            _, price, quantity, orders = merged[-1]
            merged[-1] = (bucket, price, quantity + level.quantity, orders + level.orders)
        elif len(merged) == BOOK_DEPTH:
            break
        else:
            merged.append((bucket, level.price, level.quantity, level.orders))
    return [{"p": plain(price), "a": plain(quantity), "n": orders} for _, price, quantity, orders in merged]
