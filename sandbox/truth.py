"""A venue's own truth as JSON-ready values, for `GET /control/state` and for tests that audit a session.

Duty: describe; decimals as strings, nothing rounded. Must not change anything.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox.model import ZERO, Account, Fill, FundingPayment, Order, Side
from sandbox.venue_state import VenueState

BOOK_DEPTH = 10


def describe(state: VenueState) -> dict[str, object]:
    """Markets, accounts with orders, fills and funding, and the sums that must hold."""
    clients = [a for a in state.accounts.values() if not a.is_internal]
    internal = [a for a in state.accounts.values() if a.is_internal]
    return {
        "venue": state.rules.venue,
        "mode": state.mode().value,
        "self_trades": state.self_trades,
        "self_trades_prevented": state.self_trades_prevented,
        "fees_collected": _text(state.fees_collected),
        "markets": {instrument: _market(state, instrument) for instrument in state.markets},
        "accounts": {a.id: _client(state, a) for a in clients},
        "internal_accounts": {a.id: _account(a) for a in internal},
    }


def _market(state: VenueState, instrument: str) -> dict[str, object]:
    figures, book = state.figures[instrument], state.book(instrument)
    positions = (state.held(account_id, instrument) for account_id in state.accounts)
    return {
        "symbol": state.markets[instrument].symbol,
        "mark": _text(figures.mark),
        "index": _text(figures.index),
        "last": None if figures.last is None else _text(figures.last),
        "funding_rate": _text(figures.rate),
        "funding_index": _text(figures.accrue(state.now_us())),
        "volume_24h": _text(figures.day.statistics(state.now_us()).notional),
        "position_sum": _text(sum(positions, ZERO)),
        "book_seq": book.seq,
        "bids": [[_text(x.price), _text(x.quantity)] for x in book.levels(Side.BUY, BOOK_DEPTH)],
        "asks": [[_text(x.price), _text(x.quantity)] for x in book.levels(Side.SELL, BOOK_DEPTH)],
    }


def _account(account: Account) -> dict[str, object]:
    return {
        "balance": _text(account.balance),
        "deposits": _text(account.deposits),
        "realised_pnl": _text(account.realised_pnl),
        "fees_paid": _text(account.fees_paid),
        "funding_received": _text(account.funding_received),
        "positions": {
            p.instrument: {
                "quantity": _text(p.quantity),
                "entry_price": None if p.entry_price is None else _text(p.entry_price),
                "funding": _text(p.funding),
            }
            for p in account.positions.values()
            if p.quantity
        },
    }


def _client(state: VenueState, account: Account) -> dict[str, object]:
    return _account(account) | {
        "orders": [_order(order) for order in state.orders.of_account(account.id)],
        "fills": [_fill(fill) for fill in state.fills.get(account.id, [])],
        "funding_payments": [_payment(payment) for payment in state.payments.get(account.id, [])],
    }


def _order(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "client_id": order.client_id,
        "instrument": order.instrument,
        "side": order.side.value,
        "kind": order.kind.value,
        "tif": order.tif.value,
        "stp": order.stp.value,
        "reduce_only": order.reduce_only,
        "price": None if order.price is None else _text(order.price),
        "quantity": _text(order.quantity),
        "filled": _text(order.filled),
        "status": order.status.value,
        "end_reason": None if order.end_reason is None else order.end_reason.value,
        "trigger_price": None if order.trigger is None else _text(order.trigger.price),
        "created_us": order.created_us,
        "updated_us": order.updated_us,
    }


def _fill(fill: Fill) -> dict[str, object]:
    return {
        "id": fill.id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_id": fill.client_id,
        "instrument": fill.instrument,
        "side": fill.side.value,
        "price": _text(fill.price),
        "quantity": _text(fill.quantity),
        "liquidity": fill.liquidity.value,
        "fee": _text(fill.fee),
        "realised_pnl": _text(fill.realised_pnl),
        "realised_funding": _text(fill.realised_funding),
        "cause": fill.cause.value,
        "counterparty": fill.counterparty,
        "counterparty_order_id": fill.counterparty_order_id,
        "time_us": fill.time_us,
    }


def _payment(payment: FundingPayment) -> dict[str, object]:
    return {
        "id": payment.id,
        "instrument": payment.instrument,
        "position_quantity": _text(payment.position_quantity),
        "rate": _text(payment.rate),
        "price": _text(payment.price),
        "payment": _text(payment.payment),
        "fill_id": payment.fill_id,
        "time_us": payment.time_us,
    }


def _text(value: Decimal) -> str:
    """Plain decimal text without exponent."""
    return f"{value:f}"
