"""From Backpack's answers to core facts: books, marks, funding, margin, positions, orders, fills. Pure.

Nothing here is guessed: an answer that does not fit is a ProtocolViolation, an unknown status or side as well.
What an error answer means is next door, in verdict.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.backpack import wire
from connectors.backpack.build import PAGE_ROWS
from connectors.backpack.client_ids import ClientIds
from connectors.backpack.listing import QUOTE_ASSET, Listing
from core.account import Margin, Position
from core.errors import ProtocolViolation
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.numbers import ZERO
from core.order import Fill, FillCause, Liquidity, OrderReport, OrderStatus, Resting, Side

SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}

# docs.backpack.exchange, OrderStatus. Trigger orders are never sent from here, but may rest on the account.
STATUSES = {
    "New": OrderStatus.ACCEPTED,
    "PartiallyFilled": OrderStatus.ACCEPTED,
    "TriggerPending": OrderStatus.ACCEPTED,
    "Triggered": OrderStatus.ACCEPTED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "Expired": OrderStatus.EXPIRED,
    "TriggerFailed": OrderStatus.REJECTED,
}

# docs.backpack.exchange, SystemOrderType (history) and the order stream's origin. Only USER is an order of the owner.
SYSTEM_ORDERS = {
    "LiquidatePositionOnBook": FillCause.LIQUIDATION,
    "LiquidatePositionOnBackstop": FillCause.BACKSTOP,
    "LiquidatePositionOnAdl": FillCause.ADL,
}
ORIGINS = {
    "USER": FillCause.TRADE,
    "LIQUIDATION_AUTOCLOSE": FillCause.LIQUIDATION,
    "BACKSTOP_LIQUIDITY_PROVIDER": FillCause.BACKSTOP,
    "ADL_AUTOCLOSE": FillCause.ADL,
}
NOTHING_EXECUTED = frozenset({"triggerPlaced", "triggerFailed"})
_COUNT_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Facts:
    """What turns a row into one account's fact: whose it is, and how the venue's names read here."""

    account_id: str
    listing: Listing
    ids: ClientIds

    def symbol(self, venue_symbol: str) -> str:
        """Return our symbol; a market outside the list keeps the venue's name, so that it is never hidden."""
        return self.listing.symbol_of.get(venue_symbol, venue_symbol)


def parse_server_time(body: bytes) -> datetime:
    """Read GET /api/v1/time: a bare integer of milliseconds as plain text."""
    text = body.strip()
    if not text.isdigit() or len(text) > 15:
        raise ProtocolViolation("backpack: the server time is not an integer of milliseconds", venue="backpack")
    try:
        return wire.sane(wire.EPOCH + int(text) * (timedelta(milliseconds=1)))
    except (OverflowError, ValueError):
        raise ProtocolViolation("backpack: the server time is out of range", venue="backpack") from None


def parse_depth(body: bytes) -> wire.DepthRow:
    """Read a depth snapshot as it is; the best bid comes last on the wire."""
    return wire.read(wire.DepthRow, wire.read_json(body, "depth"), "depth")


def book_of(depth: wire.DepthRow, symbol: str, received_time: datetime) -> Book:
    """Turn a snapshot into a book, bids best first."""
    bids = sorted(((price, size) for price, size in depth.bids if size > 0), reverse=True)
    asks = sorted((price, size) for price, size in depth.asks if size > 0)
    return Book(
        Venue.BACKPACK,
        symbol,
        tuple(Level(price, size) for price, size in bids),
        tuple(Level(price, size) for price, size in asks),
        depth.last_update_id,
        depth.timestamp,
        received_time,
    )


def parse_mark(body: bytes, market: Market, received_time: datetime) -> Mark:
    """Read the mark of one market. The answer carries no time (a cache may hold it for seconds): ours is used."""
    row = _mark_row(body, market)
    return Mark(Venue.BACKPACK, market.symbol, row.mark_price, row.index_price, received_time, received_time)


def parse_funding_rate(body: bytes, market: Market, received_time: datetime) -> FundingRate:
    """Read the running estimate of the current interval (a fraction; positive means longs pay)."""
    row = _mark_row(body, market)
    if row.funding_rate is None:
        raise ProtocolViolation(f"backpack: {market.venue_symbol} has a mark but no funding rate", venue="backpack")
    return FundingRate(
        Venue.BACKPACK,
        market.symbol,
        row.funding_rate,
        market.funding_interval_s,
        row.next_funding_timestamp,
        received_time,
        received_time,
    )


def parse_margin(body: bytes, *, is_liquidating: bool, account_id: str, received_time: datetime) -> Margin:
    """Read GET /api/v1/capital/collateral.

    The maintenance requirement is mmf times exposure, the value at which liquidation begins (mmf / marginFraction
    >= 1). Exposure is the larger of what is stated and what netEquity / marginFraction implies.
    (support.backpack.exchange, Margin; Liquidation)
    """
    row = wire.read(wire.CollateralRow, wire.read_json(body, "collateral"), "collateral")
    exposure = abs(row.net_exposure_futures)
    if row.margin_fraction:
        exposure = max(exposure, row.net_equity / row.margin_fraction)
    return Margin(
        Venue.BACKPACK,
        account_id,
        row.net_equity,
        row.net_equity_available,
        row.net_equity_locked,
        row.mmf * exposure,
        not is_liquidating,
        received_time,
    )


def parse_position_rows(body: bytes) -> list[wire.PositionRow]:
    """Read GET /api/v1/position, leaving out rows of closed positions."""
    rows = wire.read_rows(wire.PositionRow, wire.read_json(body, "positions"), "positions")
    return [row for row in rows if row.net_quantity != 0]


def position_of(row: wire.PositionRow, facts: Facts, received_time: datetime) -> Position:
    """Turn one row into a position; a liquidation price of 0 is the venue's way of saying none was computed."""
    return Position(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(row.symbol),
        row.net_quantity,
        row.entry_price,
        row.pnl_unrealized,
        row.est_liquidation_price or None,
        received_time,
    )


def parse_order(body: bytes) -> wire.OrderRow:
    """Read one order."""
    return wire.read(wire.OrderRow, wire.read_json(body, "order"), "order")


def parse_orders(body: bytes) -> list[wire.OrderRow]:
    """Read a list of orders, resting or historic."""
    return wire.read_rows(wire.OrderRow, wire.read_json(body, "orders"), "orders")


def report_of(
    row: wire.OrderRow, facts: Facts, received_time: datetime, *, venue_time: datetime | None = None
) -> OrderReport:
    """Turn a REST order into a report. The only time in the row is its creation, so venue_time is None by default."""
    return OrderReport(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(row.symbol),
        facts.ids.name(row.client_id),
        row.id,
        status_of(row.status),
        row.executed_quantity,
        _average(row.executed_quantity, row.executed_quote_quantity),
        row.expiry_reason,
        venue_time,
        received_time,
        Resting(SIDES[row.side], row.price) if row.price and row.side in SIDES else None,
    )


def parse_fill_rows(body: bytes) -> list[wire.FillRow]:
    """Read one page of executions."""
    return wire.read_rows(wire.FillRow, wire.read_json(body, "fills"), "fills")


def fill_of(row: wire.FillRow, facts: Facts, received_time: datetime) -> Fill:
    """Turn one execution into a fill. Fees of perpetuals are in USDC; anything else cannot be booked as quote."""
    if row.quantity <= 0 or row.price <= 0:
        raise ProtocolViolation(f"backpack: a fill of order {row.order_id} has no size or price", venue="backpack")
    return Fill(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(row.symbol),
        trade_id(row),
        facts.ids.name_or_wire(row.client_id),
        row.order_id,
        side_of(row.side),
        row.quantity,
        row.price,
        fee_in_quote(row.fee, row.fee_symbol, row.order_id),
        Liquidity.MAKER if row.is_maker else Liquidity.TAKER,
        row.timestamp,
        received_time,
        cause_of(row.system_order_type, SYSTEM_ORDERS),
    )


def trade_id(row: wire.FillRow) -> str:
    """Name one execution uniquely: trade ids count per market, and system fills may lack one (null, once 0)."""
    if row.trade_id:
        return trade_name(row.symbol, row.trade_id, row.order_id)
    when = row.timestamp.isoformat(timespec="microseconds")
    return f"{row.symbol}/system/{row.order_id}/{when}/{row.price}x{row.quantity}"


def trade_name(venue_symbol: str, number: int, order_id: str) -> str:
    """Write the id of one execution, the same for REST and stream."""
    return f"{venue_symbol}/{number}/{order_id}"


def rows_left(headers: Mapping[str, str], offset: int, came: int) -> int:
    """Return how many rows of a history follow a page: by X-Total where given, else any number after a full page."""
    total = headers.get("x-total", "")
    if total.isascii() and total.isdigit() and len(total) <= _COUNT_DIGITS_MAX:
        return max(int(total) - offset - came, 0)
    return PAGE_ROWS if came >= PAGE_ROWS else 0


def parse_funding_rows(body: bytes) -> list[wire.FundingRow]:
    """Read one page of funding payments."""
    return wire.read_rows(wire.FundingRow, wire.read_json(body, "funding history"), "funding history")


def payment_of(row: wire.FundingRow, facts: Facts, received_time: datetime) -> FundingPayment:
    """Turn one row into a payment; market and interval end identify it, as there is one per market and interval."""
    ended = row.interval_end_timestamp
    return FundingPayment(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(row.symbol),
        f"{row.symbol}/{ended.isoformat()}",
        row.quantity,
        row.funding_rate,
        ended,
        received_time,
    )


def read_frame(frame: str | bytes) -> wire.Frame:
    """Read the envelope of a stream frame."""
    return wire.read(wire.Frame, wire.read_json(frame, "stream frame"), "stream frame")


def mark_of(event: wire.MarkEvent, symbol: str, received_time: datetime) -> Mark:
    """Turn a mark price event into a mark."""
    return Mark(Venue.BACKPACK, symbol, event.mark, event.index, event.engine_time, received_time)


def report_of_event(event: wire.OrderEvent, facts: Facts, received_time: datetime) -> OrderReport:
    """Turn an order event into a report of the order's state after it."""
    executed = ZERO if event.event in NOTHING_EXECUTED else event.executed_quantity
    if executed is None:
        raise ProtocolViolation(f"backpack: {event.event} does not say what was executed", venue="backpack")
    return OrderReport(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(event.symbol),
        facts.ids.name(event.client_id),
        event.order_id,
        status_of(event.status),
        executed,
        _average(executed, event.executed_quote_quantity),
        event.expiry_reason,
        event.engine_time,
        received_time,
    )


def fill_of_event(event: wire.OrderEvent, facts: Facts, received_time: datetime) -> Fill | None:
    """Turn an order event into its execution, None when it has none.

    A system fill without a trade id is left to the history: without it the two could not be recognised as one.
    """
    if event.event != "orderFill" or not event.trade_id:
        return None
    quantity, price, fee, maker = event.fill_quantity, event.fill_price, event.fee, event.is_maker
    if not quantity or not price or quantity < 0 or price < 0 or fee is None or maker is None or not event.fee_symbol:
        raise ProtocolViolation(f"backpack: an orderFill of {event.order_id} lacks its execution", venue="backpack")
    return Fill(
        Venue.BACKPACK,
        facts.account_id,
        facts.symbol(event.symbol),
        trade_name(event.symbol, event.trade_id, event.order_id),
        facts.ids.name_or_wire(event.client_id),
        event.order_id,
        side_of(event.side),
        quantity,
        price,
        fee_in_quote(fee, event.fee_symbol, event.order_id),
        Liquidity.MAKER if maker else Liquidity.TAKER,
        event.engine_time,
        received_time,
        cause_of(event.origin, ORIGINS),
    )


def cause_of(text: str | None, known: Mapping[str, FillCause]) -> FillCause:
    """Read why an execution happened. A kind of system order nobody knows yet is still the venue's doing."""
    return FillCause.TRADE if text is None else known.get(text, FillCause.SETTLEMENT)


def side_of(text: str) -> Side:
    """Read a side: a closed set, since it decides about money."""
    try:
        return SIDES[text]
    except KeyError:
        raise ProtocolViolation(f"backpack: unknown side {text[:20]!r}", venue="backpack") from None


def status_of(text: str) -> OrderStatus:
    """Read an order status: a closed set, since it decides about money."""
    try:
        return STATUSES[text]
    except KeyError:
        raise ProtocolViolation(f"backpack: unknown order status {text[:40]!r}", venue="backpack") from None


def fee_in_quote(fee: Decimal, asset: str, order_id: str) -> Decimal:
    """Return a fee that is in the quote asset; raise ProtocolViolation for one in anything else."""
    if asset != QUOTE_ASSET and fee != 0:
        raise ProtocolViolation(f"backpack: fee of order {order_id} is in {asset[:20]}, not in USDC", venue="backpack")
    return fee


def _mark_row(body: bytes, market: Market) -> wire.MarkRow:
    rows = wire.read_rows(wire.MarkRow, wire.read_json(body, "mark prices"), "mark prices")
    for row in rows:
        if row.symbol == market.venue_symbol and row.mark_price <= 0:
            raise ProtocolViolation(f"backpack: a mark price of {row.mark_price}", venue="backpack")
        if row.symbol == market.venue_symbol:
            return row
    raise ProtocolViolation(f"backpack: no mark price of {market.venue_symbol} in the answer", venue="backpack")


def _average(executed: Decimal, executed_quote: Decimal | None) -> Decimal | None:
    """Return the average price, which the venue does not state; None until something filled."""
    if executed < 0:
        raise ProtocolViolation("backpack: a negative executed quantity", venue="backpack")
    if executed == 0 or executed_quote is None or executed_quote == ZERO:
        return None
    return executed_quote / executed
