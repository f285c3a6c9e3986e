"""Payloads of Backpack's streams, rendered from engine events.

Duty: pure rendering of one event into one payload; times are integer microseconds, prices and quantities are
strings padded to the market's tick and step. It must not know connections or subscriptions.

Source: docs.backpack.exchange, "Streams": bookTicker, depth, trade, markPrice, account.orderUpdate,
account.positionUpdate, account.balanceUpdate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sandbox.dialects.backpack_numbers import computed, milliseconds, padded, trimmed
from sandbox.dialects.backpack_wire import (
    SETTLEMENT_ASSET,
    SIDE_TO_WIRE,
    STP_TO_WIRE,
    Json,
    PositionFigures,
    break_even_price,
    expiry_reason,
    notes_of,
    order_status,
)
from sandbox.events import FillHappened, MarkChanged, OrderChanged, Trade
from sandbox.margin import initial_fraction, maintenance_fraction
from sandbox.matching import CAUSE_TAG
from sandbox.model import (
    BookLevel,
    Fill,
    FillCause,
    Liquidity,
    MarketSpec,
    Order,
    OrderChange,
    OrderKind,
    Position,
    Side,
)
from sandbox.statistics import DayStatistics

_CENT = Decimal("0.01")

LevelTotals = Mapping[tuple[Side, Decimal], Decimal]

_ORIGINS: Mapping[FillCause, str] = {
    FillCause.NORMAL: "USER",
    FillCause.LIQUIDATION: "LIQUIDATION_AUTOCLOSE",
    FillCause.BACKSTOP: "BACKSTOP_LIQUIDITY_PROVIDER",
    FillCause.ADL: "ADL_AUTOCLOSE",
    FillCause.BUST: "USER",
}


def depth_frame(spec: MarketSpec, levels: LevelTotals, *, first: int, last: int, at_us: int, now_us: int) -> Json:
    """Return a depth payload: absolute sizes, zero for a removed level, update ids ``first`` to ``last``."""
    return {
        "E": now_us,
        "T": at_us,
        "U": first,
        "a": _rows(spec, levels, Side.SELL),
        "b": _rows(spec, levels, Side.BUY),
        "e": "depth",
        "s": spec.symbol,
        "u": last,
    }


def book_ticker_frame(
    spec: MarketSpec,
    best: tuple[BookLevel | None, BookLevel | None],
    *,
    update_id: int,
    at_us: int,
    now_us: int,
) -> Json:
    """Return a bookTicker payload; a side without orders has null price and size."""
    bid, ask = best
    return {
        "A": None if ask is None else padded(ask.quantity, spec.lot),
        "B": None if bid is None else padded(bid.quantity, spec.lot),
        "E": now_us,
        "T": at_us,
        "a": None if ask is None else padded(ask.price, spec.tick),
        "b": None if bid is None else padded(bid.price, spec.tick),
        "e": "bookTicker",
        "s": spec.symbol,
        "u": update_id,
    }


def trade_frame(spec: MarketSpec, trade: Trade, now_us: int) -> Json:
    """Return a trade payload; ``m`` tells whether the buyer was the maker."""
    is_buyer_taker = trade.side is Side.BUY
    buyer, seller = trade.taker_order_id, trade.maker_order_id
    if not is_buyer_taker:
        buyer, seller = seller, buyer
    return {
        "E": now_us,
        "T": trade.time_us,
        "a": str(seller),
        "b": str(buyer),
        "e": "trade",
        "m": not is_buyer_taker,
        "p": padded(trade.price, spec.tick),
        "q": padded(trade.quantity, spec.lot),
        "s": spec.symbol,
        "t": trade.id,
    }


def mark_price_frame(spec: MarketSpec, event: MarkChanged, now_us: int) -> Json:
    """Return a markPrice payload; ``n`` (next funding) is in milliseconds, unlike all other times."""
    return {
        "E": now_us,
        "T": event.time_us,
        "e": "markPrice",
        "f": trimmed(event.funding_rate),
        "i": trimmed(event.index),
        "n": milliseconds(event.next_funding_us),
        "p": trimmed(event.mark),
        "s": spec.symbol,
    }


def ticker_frame(spec: MarketSpec, day: DayStatistics, now_us: int) -> Json:
    """Return a ticker payload of the last 24 hours; it has no engine time."""
    return {
        "E": now_us,
        "V": trimmed(day.notional.quantize(_CENT)),
        "c": padded(day.close, spec.tick),
        "e": "ticker",
        "h": padded(day.high, spec.tick),
        "l": padded(day.low, spec.tick),
        "n": day.trades,
        "o": padded(day.open, spec.tick),
        "s": spec.symbol,
        "v": trimmed(day.quantity.quantize(spec.lot)),
    }


def open_interest_frame(spec: MarketSpec, interest: Decimal, now_us: int) -> Json:
    """Return an openInterest payload, base units."""
    return {"E": now_us, "e": "openInterest", "o": trimmed(interest), "s": spec.symbol}


def liquidation_frame(spec: MarketSpec, fill: Fill, now_us: int) -> Json:
    """Return a liquidation payload; ``S`` is the side of the liquidating order."""
    return {
        "E": now_us,
        "S": SIDE_TO_WIRE[fill.side],
        "T": fill.time_us,
        "e": "liquidation",
        "p": padded(fill.price, spec.tick),
        "q": padded(fill.quantity, spec.lot),
        "s": spec.symbol,
    }


def order_change_frame(spec: MarketSpec, event: OrderChanged, now_us: int) -> Json | None:
    """Return an orderUpdate payload, or None for changes Backpack says nothing about.

    Resting is no event of its own (the order was accepted before), and fills come with their execution.
    """
    name = _order_event(event)
    if name is None:
        return None
    cause = FillCause(event.order.tags.get(CAUSE_TAG, FillCause.NORMAL))
    frame = _order_members(spec, event.order, origin=_ORIGINS[cause])
    frame |= {"E": now_us, "T": event.time_us, "e": name, "t": None}
    reason = expiry_reason(event.order)
    if name == "orderExpired" and reason is not None:
        frame["R"] = reason
    return frame


def fill_frame(spec: MarketSpec, event: FillHappened, now_us: int) -> Json:
    """Return the orderFill payload of one execution, the order's state right after it."""
    fill = event.fill
    return _order_members(spec, event.order, origin=_ORIGINS[fill.cause]) | {
        "E": now_us,
        "L": padded(fill.price, spec.tick),
        "N": SETTLEMENT_ASSET,
        "T": fill.time_us,
        "e": "orderFill",
        "l": padded(fill.quantity, spec.lot),
        "m": fill.liquidity is Liquidity.MAKER,
        "n": trimmed(fill.fee),
        "t": fill.trade_id,
    }


def position_frame(
    spec: MarketSpec,
    position: Position,
    figures: PositionFigures,
    *,
    event: str | None,
    at_us: int,
    now_us: int,
) -> Json:
    """Return a positionUpdate payload; ``event`` None makes the snapshot that follows a subscription."""
    notional = abs(position.quantity) * figures.mark
    unrealised = position.quantity * figures.mark - position.cost - figures.settled
    is_open = bool(position.quantity)
    entry = position.cost / position.quantity if is_open else Decimal(0)
    frame: Json = {
        "B": computed(entry),
        "E": now_us,
        "M": trimmed(figures.mark),
        "P": computed(unrealised),
        "Q": padded(figures.exposure_quantity, spec.lot),
        "T": at_us,
        "b": computed(break_even_price(position, figures.fees)) if is_open else "0",
        "f": computed(initial_fraction(spec, figures.leverage, notional)),
        "i": position.id,
        "l": "0",
        "m": computed(maintenance_fraction(spec, notional)),
        "n": computed(figures.exposure_quantity * figures.mark),
        "p": computed(position.realised_pnl + figures.settled),
        "q": padded(position.quantity, spec.lot),
        "s": spec.symbol,
    }
    return frame if event is None else frame | {"e": event}


def position_event(before: Decimal, after: Decimal) -> str:
    """Return the name of a position change from ``before`` to ``after`` (signed quantities)."""
    if not before and after:
        return "positionOpened"
    return "positionAdjusted" if after else "positionClosed"


def balance_frame(available: Decimal, *, at_us: int, now_us: int) -> Json:
    """Return a balanceUpdate payload of the USDC balance."""
    return {
        "A": trimmed(available),
        "E": now_us,
        "L": "0",
        "S": "0",
        "T": at_us,
        "a": SETTLEMENT_ASSET,
        "e": "balanceUpdate",
    }


def _order_event(event: OrderChanged) -> str | None:
    match event.change:
        case OrderChange.ACCEPTED | OrderChange.TRIGGERED:
            return "orderAccepted"
        case OrderChange.WAITING:
            return "triggerPlaced"
        case OrderChange.SHRUNK | OrderChange.AMENDED:
            return "orderModified"
        case OrderChange.ENDED:
            return {"Expired": "orderExpired", "TriggerFailed": "triggerFailed"}.get(
                order_status(event.order), "orderCancelled"
            )
        case OrderChange.RESTED | OrderChange.FILLED:
            return None


def _order_members(spec: MarketSpec, order: Order, *, origin: str) -> Json:
    notes = notes_of(order)
    frame: Json = {
        "O": origin,
        "S": SIDE_TO_WIRE[order.side],
        "V": STP_TO_WIRE[order.stp],
        "X": order_status(order),
        "Z": trimmed(order.filled_notional),
        "f": notes.time_in_force,
        "i": str(order.id),
        "o": order.kind.value,
        "q": padded(order.quantity, spec.lot),
        "r": bool(notes.reduce_only),
        "s": spec.symbol,
        "z": padded(order.filled, spec.lot),
    }
    if order.trigger is not None:
        tags = order.tags
        frame |= {"P": tags["triggerPrice"], "B": tags["triggerBy"], "Y": tags["triggerQuantity"]}
    if notes.client_id is not None:
        frame["c"] = notes.client_id
    if order.kind is OrderKind.LIMIT and order.price is not None:
        frame |= {
            "Q": format(order.price * order.quantity, "f"),
            "p": padded(order.price, spec.tick),
            "y": bool(notes.post_only),
        }
    elif notes.quote_quantity is not None:
        frame["Q"] = notes.quote_quantity
    return frame


def _rows(spec: MarketSpec, levels: LevelTotals, side: Side) -> list[list[str]]:
    chosen: Iterable[tuple[Decimal, Decimal]] = (
        (price, quantity) for (of_side, price), quantity in levels.items() if of_side is side
    )
    return [[padded(price, spec.tick), padded(quantity, spec.lot)] for price, quantity in sorted(chosen)]
