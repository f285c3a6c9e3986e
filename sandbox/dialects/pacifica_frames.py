"""Pacifica's WebSocket rows: short keys.

Duty: render engine events as channel payloads. Must not decide or keep anything.
Source: docs.pacifica.fi, Websocket: Subscriptions (Prices, Orderbook, BBO, Trades, Account ...).
"""

from __future__ import annotations

from sandbox.dialects.pacifica_rows import (
    Rows,
    cancelled_quantity,
    end_word,
    event_type,
    fill_parts,
    limit_price,
    micro,
    money,
    ms,
    order_status,
    order_type,
    plain,
    side_word,
    stop_price,
    trade_direction,
)
from sandbox.dialects.pacifica_stops import TYPE_TAG
from sandbox.events import Trade
from sandbox.exchange import Exchange
from sandbox.model import ZERO, EndReason, Fill, Order, OrderChange, OrderKind, Position, Side


def event_word(order: Order, change: OrderChange, reason: EndReason | None) -> str | None:
    """The `oe` word of an order's change; None for changes the venue does not tell."""
    match change:
        case OrderChange.ACCEPTED:
            return None
        case OrderChange.WAITING:
            return "stop_created"
        case OrderChange.TRIGGERED:
            return "stop_triggered"
        case OrderChange.RESTED:
            return "make"
        case OrderChange.FILLED:
            return "fulfill_market" if order.kind is OrderKind.MARKET else "fulfill_limit"
        case OrderChange.AMENDED | OrderChange.SHRUNK:
            return "adjust"
        case OrderChange.ENDED:
            return end_word(reason)


class Frames:
    """Renders one exchange's events."""

    def __init__(self, exchange: Exchange, rows: Rows) -> None:
        self._exchange = exchange
        self._rows = rows

    def order_update(self, order: Order, word: str) -> dict[str, object]:
        """Row of account_order_updates."""
        return {
            "i": order.id,
            "I": order.client_id,
            "u": order.account,
            "s": self._rows.symbol(order.instrument),
            "d": side_word(order.side),
            "p": micro(order.average_price or ZERO),
            "ip": plain(limit_price(order)),
            "lp": plain(order.last_price or ZERO),
            "a": plain(order.quantity),
            "f": plain(order.filled),
            "oe": word,
            "os": order_status(order),
            "ot": order_type(order),
            "sp": stop_price(order),
            "si": None,
            "r": order.reduce_only,
            "ct": ms(order.created_us),
            "ut": ms(order.updated_us),
            "li": order.seq,
        }

    def fills(self, fill: Fill) -> list[dict[str, object]]:
        """Rows of account_trades."""
        return [
            {
                "h": part.history_id,
                "i": fill.order_id,
                "I": fill.client_id,
                "u": fill.account,
                "s": self._rows.symbol(fill.instrument),
                "p": plain(fill.price),
                "o": micro(part.entry_price),
                "a": plain(part.quantity),
                "te": event_type(fill.liquidity),
                "ts": part.direction,
                "tc": self._rows.cause(fill.cause),
                "f": micro(part.fee),
                "n": micro(part.pnl),
                "t": ms(fill.time_us),
                "li": fill.seq,
            }
            for part in fill_parts(fill)
        ]

    def positions(self, account_id: str) -> dict[str, object]:
        """Payload and `li` of account_positions: always the full set."""
        rows = [
            {
                "s": self._rows.symbol(p.instrument),
                "d": side_word(Side.BUY if p.quantity > 0 else Side.SELL),
                "a": plain(abs(p.quantity)),
                "p": micro(p.entry_price or ZERO),
                "m": "0",
                "f": micro(p.funding),
                "i": False,
                "l": self._rows.liquidation_price(account_id, p.instrument),
                "t": ms(p.updated_us),
                "li": p.seq,
            }
            for p in self._held(account_id)
        ]
        return {"channel": "account_positions", "data": rows, "li": self._exchange.last_seq}

    def orders(self, account_id: str) -> dict[str, object]:
        """Payload and `li` of account_orders: always the full list."""
        rows = [
            {
                "i": order.id,
                "I": order.client_id,
                "s": self._rows.symbol(order.instrument),
                "d": side_word(order.side),
                "p": plain(limit_price(order)),
                "a": plain(order.quantity),
                "f": plain(order.filled),
                "c": plain(cancelled_quantity(order)),
                "ot": order_type(order),
                "ro": order.reduce_only,
                "sp": stop_price(order),
                "st": order.tags.get(TYPE_TAG),
                "t": ms(order.updated_us),
            }
            for order in self._open(account_id)
        ]
        return {"channel": "account_orders", "data": rows, "li": self._exchange.last_seq}

    def account_info(self, account_id: str, now_us: int) -> dict[str, object]:
        """Payload of account_info."""
        row = self._rows.account(account_id, now_us)
        summary = self._exchange.margin(account_id)
        return {
            "ae": money(summary.equity),
            "as": row["available_to_spend"],
            "aw": row["available_to_withdraw"],
            "b": row["balance"],
            "f": 0,
            "mu": row["total_margin_used"],
            "cm": row["cross_mmr"],
            "oc": row["orders_count"],
            "pb": "0",
            "pc": row["positions_count"],
            "sc": row["stop_orders_count"],
            "sb": [],
            "t": ms(now_us),
        }

    def trade(self, trade: Trade) -> dict[str, object]:
        """Row of the trades channel."""
        return {
            "h": trade.id,
            "s": self._rows.symbol(trade.instrument),
            "a": plain(trade.quantity),
            "p": plain(trade.price),
            "d": trade_direction(trade),
            "tc": "normal",
            "t": ms(trade.time_us),
            "li": trade.seq,
        }

    def bbo(self, instrument: str, now_us: int) -> dict[str, object]:
        """Payload of the bbo channel; an empty side shows zero."""
        bid, ask = self._exchange.best(instrument)
        return {
            "s": self._rows.symbol(instrument),
            "i": self._exchange.last_seq,
            "t": ms(now_us),
            "b": plain(bid.price) if bid else "0",
            "B": plain(bid.quantity) if bid else "0",
            "a": plain(ask.price) if ask else "0",
            "A": plain(ask.quantity) if ask else "0",
            "li": self._exchange.last_seq,
        }

    def _open(self, account_id: str) -> list[Order]:
        if not self._is_known(account_id):
            return []
        return [*self._exchange.open_orders(account_id), *self._exchange.waiting_orders(account_id)]

    def _is_known(self, account_id: str) -> bool:
        return account_id in self._exchange.accounts

    def _held(self, account_id: str) -> list[Position]:
        return self._exchange.positions(account_id) if self._is_known(account_id) else []
