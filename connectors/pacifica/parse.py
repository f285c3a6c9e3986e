"""From Pacifica's market and account rows to our facts. Pure; what it cannot read raises, never a default.

Source: docs.pacifica.fi, REST API: Markets, Account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from connectors.pacifica import wire
from connectors.pacifica.build import QUOTE, symbol_of
from connectors.pacifica.reading import moment, object_of, violation, word_of
from core.account import Margin, Position
from core.instrument import Market, Venue
from core.market import Book, FundingPayment, FundingRate, Level, Mark
from core.numbers import ONE

FUNDING_INTERVAL_S = 3600
LEVELS_MAX = 50

_POSITION_SIGNS = {"bid": 1, "ask": -1}


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
        raise violation(f"market {row.symbol} has a tick or lot that is not positive")
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
        raise violation(f"the {snapshot.s} book holds a level with a price or size below zero")
    bids, asks = (tuple(Level(level.p, level.a) for level in side[:LEVELS_MAX] if level.a > 0) for side in snapshot.l)
    _check_side(bids, "bids", lambda better, worse: better > worse)
    _check_side(asks, "asks", lambda better, worse: better < worse)
    if bids and asks and bids[0].price >= asks[0].price:
        raise violation(f"the {snapshot.s} book is crossed: bid {bids[0].price}, ask {asks[0].price}")
    return Book(Venue.PACIFICA, symbol_of(snapshot.s), bids, asks, snapshot.li, moment(snapshot.t), received)


def _check_side(levels: Sequence[Level], name: str, is_ordered: Callable[[Decimal, Decimal], bool]) -> None:
    if any(not is_ordered(one.price, two.price) for one, two in pairwise(levels)):
        raise violation(f"{name} of a book are out of order")


def price_row(listed: Sequence[wire.PriceRow], venue_symbol: str) -> wire.PriceRow:
    """Find one market in GET /info/prices; raises when the venue left it out."""
    for row in listed:
        if row.symbol == venue_symbol:
            return row
    raise violation(f"the prices hold no {venue_symbol}")


def mark(row: wire.PriceRow, received: datetime) -> Mark:
    """Turn a price row into mark and oracle price (the index the mark is built on)."""
    if row.mark <= 0:
        raise violation(f"the mark price of {row.symbol} is {row.mark}")
    return Mark(Venue.PACIFICA, symbol_of(row.symbol), row.mark, row.oracle, moment(row.timestamp), received)


def funding_rate(row: wire.PriceRow, received: datetime) -> FundingRate:
    """Turn a price row into the running estimate: a fraction per hour, paid at the next full hour."""
    if row.next_funding is None:
        raise violation(f"the prices hold no funding rate for {row.symbol}")
    at = moment(row.timestamp)
    next_at = at.replace(minute=0, second=0, microsecond=0) + timedelta(seconds=FUNDING_INTERVAL_S)
    return FundingRate(
        Venue.PACIFICA, symbol_of(row.symbol), row.next_funding, FUNDING_INTERVAL_S, next_at, at, received
    )


def book_snapshot(answer: wire.Envelope) -> wire.BookSnapshot:
    """Read GET /book."""
    return object_of(wire.BookSnapshot, answer.data)


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
    quantity = signed_quantity(row.side, row.amount)
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


def signed_quantity(side: str, quantity: Decimal) -> Decimal:
    """Give a position's quantity its sign: bid is long, ask is short."""
    return quantity * word_of(_POSITION_SIGNS, side, "position side")


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


def account_state(answer: wire.Envelope) -> wire.AccountState:
    """Read GET /account: an object, or a list of exactly one (older answers)."""
    found = answer.data
    if isinstance(found, list):
        if len(found) != 1:
            raise violation(f"GET /account answered {len(found)} accounts")
        found = found[0]
    return object_of(wire.AccountState, found)
