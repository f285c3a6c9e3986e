"""From Pacifica's order and trade rows, by REST and stream, to our reports and fills. Pure; it never guesses.

Words that drive money (sides, states, liquidity) are closed: a new one is a violation.
Source: docs.pacifica.fi, REST API: Orders, Get trade history; WebSocket: Account order updates, Account trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from connectors.pacifica import wire
from connectors.pacifica.build import symbol_of
from connectors.pacifica.reading import moment, positive, word_of
from core.instrument import Venue
from core.order import Fill, FillCause, Liquidity, OrderReport, OrderStatus, Resting, Side

TRADE_SIDES = {
    "open_long": Side.BUY,
    "close_short": Side.BUY,
    "open_short": Side.SELL,
    "close_long": Side.SELL,
}
_CAUSES = {
    "normal": FillCause.TRADE,
    "market_liquidation": FillCause.LIQUIDATION,
    "backstop_liquidation": FillCause.BACKSTOP,
    "adl_liquidation": FillCause.ADL,
    "settlement": FillCause.SETTLEMENT,
}
_BOOK_SIDES = {"bid": Side.BUY, "ask": Side.SELL}
_LIQUIDITY = {"fulfill_maker": Liquidity.MAKER, "fulfill_taker": Liquidity.TAKER}
_STATUSES = {
    "open": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.ACCEPTED,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
# Events of an order's life that are no reason for its end.
_PLAIN_EVENTS = frozenset(
    {
        "make",
        "fulfill_market",
        "fulfill_limit",
        "adjust",
        "stop_created",
        "stop_triggered",
        "stop_upgrade",
        "stop_parent_order_filled",
        "twap_created",
        "twap_triggered",
    }
)


def taken_report(
    account_id: str, symbol: str, client_order_id: str, venue_order_id: str | None, received: datetime
) -> OrderReport:
    """Report an order that the venue has just taken; it says no more than its id, for a take-profit not even that."""
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        status=OrderStatus.ACCEPTED,
        filled_quantity=Decimal(0),
        average_price=None,
        reason=None,
        venue_time=None,
        received_time=received,
    )


def open_order(account_id: str, row: wire.OpenOrderRow, received: datetime) -> OrderReport:
    """Report a resting order; the venue gives no average price for it."""
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.symbol),
        client_order_id=row.client_order_id,
        venue_order_id=str(row.order_id),
        status=OrderStatus.ACCEPTED,
        filled_quantity=row.filled_amount,
        average_price=None,
        reason=None,
        venue_time=moment(row.updated_at),
        received_time=received,
        resting=_resting(row),
    )


def _resting(row: wire.OpenOrderRow) -> Resting | None:
    """Where it lies in the book; a stop lies in none before it is triggered, and a market order has no price."""
    side = _BOOK_SIDES.get(row.side or "")
    if side is None or not row.price or row.stop_price is not None:
        return None
    return Resting(side, row.price)


def past_order(account_id: str, row: wire.OrderHistoryRow, received: datetime) -> OrderReport:
    """Report an order from the history."""
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.symbol),
        client_order_id=row.client_order_id,
        venue_order_id=str(row.order_id),
        status=order_status(row.order_status, row.reason, row.filled_amount),
        filled_quantity=row.filled_amount,
        average_price=_average(row.average_filled_price, row.filled_amount),
        reason=row.reason,
        venue_time=moment(row.updated_at),
        received_time=received,
    )


def order_from_events(account_id: str, events: Sequence[wire.OrderEventRow], received: datetime) -> OrderReport:
    """Report an order from its events (at least one): the one with the highest history id is its present state."""
    last = max(events, key=lambda row: row.history_id)
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(last.symbol),
        client_order_id=last.client_order_id,
        venue_order_id=str(last.order_id),
        status=order_status(last.order_status, last.event_type, last.filled_amount),
        filled_quantity=last.filled_amount,
        average_price=None,
        reason=_reason(last.event_type),
        venue_time=moment(last.created_at),
        received_time=received,
    )


def order_update(account_id: str, row: wire.OrderUpdateRow, received: datetime) -> OrderReport:
    """Report an order from the account_order_updates channel."""
    return OrderReport(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.s),
        client_order_id=row.I,
        venue_order_id=str(row.i),
        status=order_status(row.os, row.oe, row.f),
        filled_quantity=row.f,
        average_price=_average(row.p, row.f),
        reason=_reason(row.oe),
        venue_time=moment(row.ut),
        received_time=received,
    )


def order_status(word: str, reason: str | None, filled: Decimal) -> OrderStatus:
    """Map the venue's state and reason.

    A resting order cancelled by self-trade prevention ends as "rejected" even after partial fills; with fills it
    is CANCELLED here, because REJECTED says that nothing ever filled.
    """
    status = word_of(_STATUSES, word, "order status")
    if status is OrderStatus.CANCELLED and reason == "expired":
        return OrderStatus.EXPIRED
    if status is OrderStatus.REJECTED and filled > 0:
        return OrderStatus.CANCELLED
    return status


def fill(account_id: str, row: wire.TradeRow, received: datetime) -> Fill:
    """Turn a row of the trade history into a Fill; price is the execution price, fee positive when paid."""
    return Fill(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.symbol),
        trade_id=str(row.history_id),
        client_order_id=row.client_order_id,
        venue_order_id=str(row.order_id),
        side=word_of(TRADE_SIDES, row.side, "trade side"),
        quantity=positive(row.amount, "fill quantity"),
        price=positive(row.price, "fill price"),
        fee=row.fee,
        liquidity=word_of(_LIQUIDITY, row.event_type, "liquidity"),
        venue_time=moment(row.created_at),
        received_time=received,
        cause=word_of(_CAUSES, row.cause, "cause of a fill"),
    )


def fill_update(account_id: str, row: wire.TradeUpdateRow, received: datetime) -> Fill:
    """Turn a row of the account_trades channel into a Fill."""
    return Fill(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.s),
        trade_id=str(row.h),
        client_order_id=row.I,
        venue_order_id=str(row.i),
        side=word_of(TRADE_SIDES, row.ts, "trade side"),
        quantity=positive(row.a, "fill quantity"),
        price=positive(row.p, "fill price"),
        fee=row.f,
        liquidity=word_of(_LIQUIDITY, row.te, "liquidity"),
        venue_time=moment(row.t),
        received_time=received,
        cause=word_of(_CAUSES, row.tc, "cause of a fill"),
    )


def _average(price: Decimal | None, filled: Decimal) -> Decimal | None:
    return price if price is not None and price > 0 and filled > 0 else None


def _reason(event: str) -> str | None:
    return None if event in _PLAIN_EVENTS else event
