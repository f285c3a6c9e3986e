"""From what Pacifica sends to our facts. Pure; whatever it cannot read raises ProtocolViolation, never a default.

Source: docs.pacifica.fi, REST API and WebSocket pages. Words that drive money (sides, states, liquidity) are
closed: a new one is a violation, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from connectors.pacifica import wire
from connectors.pacifica.build import QUOTE, symbol_of
from connectors.pacifica.outcomes import read_error
from core.account import Margin, Position
from core.errors import ProtocolViolation
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.numbers import ONE
from core.order import Fill, Liquidity, OrderReport, OrderStatus, Side

FUNDING_INTERVAL_S = 3600
LEVELS_MAX = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION_SIGNS = {"bid": 1, "ask": -1}
_TRADE_SIDES = {
    "open_long": Side.BUY,
    "close_short": Side.BUY,
    "open_short": Side.SELL,
    "close_long": Side.SELL,
}
_LIQUIDITY = {"fulfill_maker": Liquidity.MAKER, "fulfill_taker": Liquidity.TAKER}
_STATUSES = {
    "open": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.ACCEPTED,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
# Events of an order's life that are no reason for its end.
_PLAIN_EVENTS = frozenset({"make", "fulfill_market", "fulfill_limit", "adjust", "stop_created", "stop_triggered"})

ModelT = TypeVar("ModelT", bound=BaseModel)
WordT = TypeVar("WordT")


# ---- answers ---------------------------------------------------------------------------------------------------


def envelope(status: int, headers: Mapping[str, str], body: bytes) -> wire.Envelope:
    """Return the envelope of a positive REST read; raise the VenueError that any other answer stands for."""
    if not 200 <= status < 300:
        raise read_error(status, headers, body)
    answer = _json(wire.Envelope, body)
    if not answer.success:
        raise read_error(status, headers, body)
    return answer


def rows(model: type[ModelT], answer: wire.Envelope) -> list[ModelT]:
    """Read an envelope's list of rows."""
    return _list(model, answer.data)


def account_state(answer: wire.Envelope) -> wire.AccountState:
    """Read GET /account: an object, or a list of exactly one (older answers)."""
    found = answer.data
    if isinstance(found, list):
        if len(found) != 1:
            raise _violation(f"GET /account answered {len(found)} accounts")
        found = found[0]
    return _object(wire.AccountState, found)


def book_snapshot(answer: wire.Envelope) -> wire.BookSnapshot:
    """Read GET /book."""
    return _object(wire.BookSnapshot, answer.data)


def http_date(headers: Mapping[str, str]) -> datetime:
    """Read the Date header (RFC 9110, 6.6.1). It has whole seconds: the venue's clock is at or just after it."""
    try:
        stamp = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        raise _violation("an answer carries no readable Date header") from None
    return stamp.replace(tzinfo=stamp.tzinfo or UTC).astimezone(UTC)


def moment(millis: int) -> datetime:
    """Turn milliseconds since the epoch into an aware UTC time."""
    return _EPOCH + timedelta(milliseconds=millis)


# ---- markets ---------------------------------------------------------------------------------------------------


def markets(listed: Sequence[wire.MarketRow], fees: wire.AccountState) -> dict[str, Market]:
    """Turn GET /info into markets by symbol; spot rows are left out.

    Initial margin is 1/max_leverage (the default setting of every market), maintenance half of it whatever the
    leverage chosen (docs.pacifica.fi, Margin). order sizes there are USD notionals. Whether closing orders may be
    smaller than the minimum is not documented, so it is not assumed.
    """
    return {symbol_of(row.symbol): _market(row, fees) for row in listed if row.instrument_type == "perpetual"}


def _market(row: wire.MarketRow, fees: wire.AccountState) -> Market:
    if min(row.tick_size, row.lot_size) <= 0:
        raise _violation(f"market {row.symbol} has a tick or lot that is not positive")
    return Market(
        venue=Venue.PACIFICA,
        symbol=symbol_of(row.symbol),
        venue_symbol=row.symbol,
        base=row.symbol,
        quote=QUOTE,
        tick=row.tick_size,
        lot=row.lot_size,
        min_quantity=row.lot_size,
        min_notional=row.min_order_size,
        max_quantity=None,
        max_notional=row.max_order_size,
        initial_margin=ONE / row.max_leverage,
        maintenance_margin=ONE / (2 * row.max_leverage),
        maker_fee=fees.maker_fee,
        taker_fee=fees.taker_fee,
        funding_interval_s=FUNDING_INTERVAL_S,
    )


def book(snapshot: wire.BookSnapshot, received: datetime) -> Book:
    """Turn a full book picture into a Book; raises when a side is out of order or the two sides cross.

    Empty levels are left out; a price or size below zero cannot be and raises as well.
    """
    if any(level.p <= 0 or level.a < 0 for side in snapshot.l for level in side):
        raise _violation(f"the {snapshot.s} book holds a level with a price or size below zero")
    bids, asks = (tuple(Level(level.p, level.a) for level in side[:LEVELS_MAX] if level.a > 0) for side in snapshot.l)
    _check_side(bids, "bids", lambda better, worse: better > worse)
    _check_side(asks, "asks", lambda better, worse: better < worse)
    if bids and asks and bids[0].price >= asks[0].price:
        raise _violation(f"the {snapshot.s} book is crossed: bid {bids[0].price}, ask {asks[0].price}")
    return Book(Venue.PACIFICA, symbol_of(snapshot.s), bids, asks, snapshot.li, moment(snapshot.t), received)


def _check_side(levels: Sequence[Level], name: str, is_ordered: Callable[[Decimal, Decimal], bool]) -> None:
    if any(not is_ordered(one.price, two.price) for one, two in pairwise(levels)):
        raise _violation(f"{name} of a book are out of order")


def price_row(listed: Sequence[wire.PriceRow], venue_symbol: str) -> wire.PriceRow:
    """Find one market in GET /info/prices; raises when the venue left it out."""
    for row in listed:
        if row.symbol == venue_symbol:
            return row
    raise _violation(f"the prices hold no {venue_symbol}")


def mark(row: wire.PriceRow, received: datetime) -> Mark:
    """Turn a price row into mark and oracle price (the index the mark is built on)."""
    if row.mark <= 0:
        raise _violation(f"the mark price of {row.symbol} is {row.mark}")
    return Mark(Venue.PACIFICA, symbol_of(row.symbol), row.mark, row.oracle, moment(row.timestamp), received)


def funding_rate(row: wire.PriceRow, received: datetime) -> FundingRate:
    """Turn a price row into the running estimate: a fraction per hour, paid at the next full hour."""
    if row.next_funding is None:
        raise _violation(f"the prices hold no funding rate for {row.symbol}")
    at = moment(row.timestamp)
    next_at = at.replace(minute=0, second=0, microsecond=0) + timedelta(seconds=FUNDING_INTERVAL_S)
    return FundingRate(
        Venue.PACIFICA, symbol_of(row.symbol), row.next_funding, FUNDING_INTERVAL_S, next_at, at, received
    )


# ---- account ---------------------------------------------------------------------------------------------------


def margin(account_id: str, state: wire.AccountState, received: datetime) -> Margin:
    """Turn the account state into Margin. maintenance covers cross positions; isolated ones carry their own.

    The venue has no flag for an account in liquidation: it is one whose equity is below its maintenance margin.
    """
    return Margin(
        venue=Venue.PACIFICA,
        account_id=account_id,
        equity=state.account_equity,
        available=state.available_to_spend,
        initial=state.total_margin_used,
        maintenance=state.cross_mmr,
        active=state.account_equity >= state.cross_mmr,
        received_time=received,
    )


def position(account_id: str, row: wire.PositionRow, mark_price: Decimal | None, received: datetime) -> Position:
    """Turn a position row into a Position; the venue sends no unrealised PnL, so it needs a mark price.

    A liquidation price of zero or less cannot be reached and becomes None.
    """
    quantity = row.amount * _word(_POSITION_SIGNS, row.side, "position side")
    reachable = row.liquidation_price is not None and row.liquidation_price > 0
    return Position(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.symbol),
        quantity=quantity,
        entry_price=row.entry_price,
        unrealized_pnl=None if mark_price is None else (mark_price - row.entry_price) * quantity,
        liquidation_price=row.liquidation_price if reachable else None,
        received_time=received,
    )


def funding_payment(account_id: str, row: wire.FundingRow, received: datetime) -> FundingPayment:
    """Turn a payment row into a FundingPayment; the venue's payout has our sign (positive received)."""
    return FundingPayment(
        venue=Venue.PACIFICA,
        account_id=account_id,
        symbol=symbol_of(row.symbol),
        payment_id=str(row.history_id),
        payment=row.payout,
        rate=row.rate,
        paid_at=moment(row.created_at),
        received_time=received,
    )


# ---- orders and fills ------------------------------------------------------------------------------------------


def taken_report(
    account_id: str, symbol: str, client_order_id: str, venue_order_id: str, received: datetime
) -> OrderReport:
    """Report an order that the venue has just taken; it says no more than its id."""
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
    )


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
    status = _word(_STATUSES, word, "order status")
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
        side=_word(_TRADE_SIDES, row.side, "trade side"),
        quantity=_positive(row.amount, "fill quantity"),
        price=_positive(row.price, "fill price"),
        fee=row.fee,
        liquidity=_word(_LIQUIDITY, row.event_type, "liquidity"),
        venue_time=moment(row.created_at),
        received_time=received,
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
        side=_word(_TRADE_SIDES, row.ts, "trade side"),
        quantity=_positive(row.a, "fill quantity"),
        price=_positive(row.p, "fill price"),
        fee=row.f,
        liquidity=_word(_LIQUIDITY, row.te, "liquidity"),
        venue_time=moment(row.t),
        received_time=received,
    )


# ---- frames ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue confirmed a subscription."""

    source: str
    symbol: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue answered a frame with an error."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Unhandled:
    """A frame of no interest here (pong, unsubscribe, a channel that was not asked for)."""

    channel: str


Frame = (
    Subscribed
    | Refused
    | Unhandled
    | wire.BookSnapshot
    | tuple[wire.PriceRow, ...]
    | tuple[wire.OrderUpdateRow, ...]
    | tuple[wire.TradeUpdateRow, ...]
)


def frame(text: str | bytes) -> Frame:
    """Read one WebSocket frame; raises ProtocolViolation for anything that is not a frame of this venue."""
    try:
        outer = wire.FrameEnvelope.model_validate_json(text)
    except ValidationError:
        error = _json(wire.ErrorFrame, text)
        return Refused(error.code, (error.err or "no text")[:300])
    match outer.channel:
        case "book":
            return _object(wire.BookSnapshot, outer.data)
        case "prices":
            return tuple(_list(wire.PriceRow, outer.data))
        case "account_order_updates":
            return tuple(_list(wire.OrderUpdateRow, outer.data))
        case "account_trades":
            return tuple(_list(wire.TradeUpdateRow, outer.data))
        case "subscribe":
            echo = _object(wire.SubscriptionEcho, outer.data)
            return Subscribed(echo.source, echo.symbol)
        case other:
            return Unhandled(other)


# ---- small readers ---------------------------------------------------------------------------------------------


def _average(price: Decimal | None, filled: Decimal) -> Decimal | None:
    return price if price is not None and price > 0 and filled > 0 else None


def _reason(event: str) -> str | None:
    return None if event in _PLAIN_EVENTS else event


def _word(words: Mapping[str, WordT], word: str, what: str) -> WordT:
    try:
        return words[word]
    except KeyError:
        raise _violation(f"unknown {what} {word[:40]!r}") from None


def _positive(value: Decimal, what: str) -> Decimal:
    if value <= 0:
        raise _violation(f"{what} is {value}")
    return value


def _json(model: type[ModelT], text: str | bytes) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as wrong:
        raise _violation(_brief(model, wrong)) from None


def _object(model: type[ModelT], found: JsonValue) -> ModelT:
    try:
        return model.model_validate(found)
    except ValidationError as wrong:
        raise _violation(_brief(model, wrong)) from None


def _list(model: type[ModelT], found: JsonValue) -> list[ModelT]:
    if not isinstance(found, list):
        raise _violation(f"expected a list of {model.__name__}")
    return [_object(model, each) for each in found]


def _brief(model: type[BaseModel], wrong: ValidationError) -> str:
    """Say where a body differs from its shape without repeating its content."""
    first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{model.__name__}.{'.'.join(str(part) for part in first['loc'])}: {first['msg'][:120]}"


def _violation(what: str) -> ProtocolViolation:
    return ProtocolViolation(f"pacifica: {what}; it is not guessed at", venue="pacifica")
