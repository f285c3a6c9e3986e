"""Signed history routes of the Backpack twin: fills, orders, funding, settlement, positions.

Duty: filter, render and page rows. Times in filters are milliseconds, ``from`` inclusive, ``to`` exclusive.

Source: docs.backpack.exchange, API reference, "History" (/wapi/v1/history/...).
"""

from __future__ import annotations

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_door import authorise, page_answer, query_members, read_page
from sandbox.dialects.backpack_ledger import PositionRecord, SettlementRow
from sandbox.dialects.backpack_numbers import US_PER_MS, computed, naive_iso, trimmed
from sandbox.dialects.backpack_payload import MARKET_TYPES, Members
from sandbox.dialects.backpack_wire import (
    FILL_TYPES,
    Json,
    fill_json,
    funding_payment_json,
    notes_of,
    order_history_json,
    user_id,
)
from sandbox.margin import initial_fraction
from sandbox.model import Fill

_FILL_TYPES = (
    "User",
    "BookLiquidation",
    "Adl",
    "Backstop",
    "Liquidation",
    "AllLiquidation",
    "CollateralConversion",
    "CollateralConversionAndSpotLiquidation",
)
_LIQUIDATION_TYPES = ("BookLiquidation", "Adl", "Backstop")
_SETTLEMENT_SOURCES = (
    "BackstopLiquidation",
    "FundingPayment",
    "RealizePnl",
    "TradingFees",
    "TradingFeesSystem",
)


class HistoryRoutes:
    """Endpoints of finished facts."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def routes(self) -> list[Route]:
        """Return the routing table."""
        return [
            Route("/wapi/v1/history/fills", self.fills),
            Route("/wapi/v1/history/orders", self.orders),
            Route("/wapi/v1/history/funding", self.funding),
            Route("/wapi/v1/history/settlement", self.settlement),
            Route("/wapi/v1/history/position", self.positions),
        ]

    async def fills(self, request: Request) -> Response:
        """Answer the account's executions."""
        members = query_members(self._twin, request)
        page, symbol, order_id = read_page(members), members.symbol(), members.text("orderId")
        since_ms, until_ms = members.unsigned("from") or 0, members.unsigned("to")
        fill_type = members.choice("fillType", _FILL_TYPES)
        is_perp, strategy = _is_perp(members), members.text("strategyId")
        account_id = authorise(self._twin, request, "fillHistoryQueryAll", [members.signed])
        rows = [
            self._fill_row(fill)
            for fill in self._twin.exchange.fills(account_id, since_us=since_ms * US_PER_MS)
            if is_perp
            and strategy is None
            and (until_ms is None or fill.time_us < until_ms * US_PER_MS)
            and symbol in (None, self._twin.symbol_of(fill.instrument))
            and order_id in (None, str(fill.order_id))
            and _is_of_type(fill, fill_type)
        ]
        return page_answer(rows, page)

    async def orders(self, request: Request) -> Response:
        """Answer the account's orders, live and ended."""
        members = query_members(self._twin, request)
        page, symbol, order_id = read_page(members), members.symbol(), members.text("orderId")
        is_perp, strategy = _is_perp(members), members.text("strategyId")
        account_id = authorise(self._twin, request, "orderHistoryQueryAll", [members.signed])
        rows = [
            order_history_json(order, self._twin.symbol_of(order.instrument))
            for order in self._twin.exchange.order_history(account_id)
            if is_perp
            and strategy is None
            and symbol in (None, self._twin.symbol_of(order.instrument))
            and order_id in (None, str(order.id))
        ]
        return page_answer(rows, page)

    async def funding(self, request: Request) -> Response:
        """Answer funding payments, + = received."""
        members = query_members(self._twin, request)
        page, symbol = read_page(members), members.symbol()
        members.unsigned("subaccountId")
        account_id = authorise(self._twin, request, "fundingHistoryQueryAll", [members.signed])
        rows = [
            funding_payment_json(payment, self._twin.symbol_of(payment.instrument))
            for payment in self._twin.exchange.funding_payments(account_id)
            if symbol in (None, self._twin.symbol_of(payment.instrument))
        ]
        return page_answer(rows, page)

    async def settlement(self, request: Request) -> Response:
        """Answer changes of the USDC balance by their source."""
        members = query_members(self._twin, request)
        page, source = read_page(members), members.choice("source", _SETTLEMENT_SOURCES)
        account_id = authorise(self._twin, request, "settlementHistoryQueryAll", [members.signed])
        rows = [_settlement_row(row) for row in self._twin.ledger.rows(account_id) if source in (None, row.source)]
        return page_answer(rows, page)

    async def positions(self, request: Request) -> Response:
        """Answer positions from flat to flat, open ones included."""
        members = query_members(self._twin, request)
        page, symbol = read_page(members), members.symbol()
        state, is_perp = members.choice("state", ("Open", "Closed")), _is_perp(members)
        account_id = authorise(self._twin, request, "positionHistoryQueryAll", [members.signed])
        rows = [
            self._position_row(record)
            for record in self._twin.ledger.records(account_id)
            if is_perp and symbol in (None, self._twin.symbol_of(record.instrument)) and state in (None, _state(record))
        ]
        return page_answer(rows, page)

    def _fill_row(self, fill: Fill) -> Json:
        order = self._twin.exchange.order(fill.account, order_id=fill.order_id)
        client_id = None if order is None else notes_of(order).client_id
        return fill_json(fill, client_id, self._twin.symbol_of(fill.instrument))

    def _position_row(self, record: PositionRecord) -> Json:
        spec = self._twin.exchange.markets[record.instrument]
        mark = self._twin.exchange.mark(record.instrument)
        leverage = self._twin.exchange.leverage(record.account, record.instrument)
        notional = abs(record.quantity) * mark
        settled = self._twin.ledger.settled(record.account, record.instrument)
        is_open = record.closed_us is None
        paid = settled if is_open else Decimal(0)
        cost = record.entry_price * record.quantity
        return {
            "accountLeverage": str(leverage),
            "closedAt": None if record.closed_us is None else naive_iso(record.closed_us),
            "closedVolume": computed(record.closed_volume),
            "closingPrice": None if record.closing_price is None else trimmed(record.closing_price),
            "cumulativePnlRealized": computed(record.pnl + paid),
            "entryPrice": computed(record.entry_price),
            "fees": trimmed(record.fees),
            "fundingQuantity": trimmed(record.funding),
            "id": str(record.position_id),
            "imf": computed(initial_fraction(spec, leverage, notional)),
            "interest": "0",
            "liquidated": record.is_liquidated,
            "liquidationFees": trimmed(record.liquidation_fees),
            "markPrice": trimmed(mark),
            "netCost": computed(cost),
            "netExposureNotional": computed(notional),
            "netExposureQuantity": trimmed(abs(record.quantity)),
            "netQuantity": trimmed(record.quantity),
            "openedAt": naive_iso(record.opened_us),
            "state": _state(record),
            "symbol": spec.symbol,
            "unrealizedPnl": computed(record.quantity * mark - cost - paid) if is_open else "0",
        }


def _settlement_row(row: SettlementRow) -> Json:
    return {
        "engineSequence": None,
        "positionId": None if row.position is None else str(row.position.position_id),
        "quantity": trimmed(row.quantity),
        "source": row.source,
        "subaccountId": None,
        "timestamp": naive_iso(row.time_us),
        "userId": user_id(row.account),
    }


def _state(record: PositionRecord) -> str:
    return "Open" if record.closed_us is None else "Closed"


def _is_perp(members: Members) -> bool:
    return members.choice("marketType", MARKET_TYPES) in (None, "PERP")


def _is_of_type(fill: Fill, wanted: str | None) -> bool:
    actual = FILL_TYPES[fill.cause]
    if wanted in ("Liquidation", "AllLiquidation"):
        return actual in _LIQUIDATION_TYPES
    return wanted in (None, actual)
