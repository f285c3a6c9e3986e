"""From an intent to what Pacifica wants to read: operation, path, payload, query. Pure: no keys, no clock, no I/O.

Source: docs.pacifica.fi, REST API (orders, account, positions) and WebSocket (subscriptions).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from core.errors import NotOffered, VenueRejected
from core.instrument import Market
from core.market_data import CandleInterval
from core.numbers import canonical
from core.order import OrderIntent, OrderType, Side, TimeInForce

API = "/api/v1"
QUOTE = "USD"
PAGE_ROWS = 100

EXPIRY_WINDOW_MS_MAX = 30_000

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
SIDES = {Side.BUY: "bid", Side.SELL: "ask"}
_TIFS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.POST_ONLY: "ALO"}


@dataclass(frozen=True, slots=True)
class Command:
    """One signed operation: its type as signed, the path it is posted to, and its payload."""

    operation: str
    path: str
    payload: Mapping[str, JsonValue]


def symbol_of(venue_symbol: str) -> str:
    """Name a market in our words: "ETH" -> "ETH/USD". Every Pacifica perpetual is quoted in USD."""
    return f"{venue_symbol}/{QUOTE}"


def venue_symbol_of(symbol: str) -> str:
    """Name a market in the venue's words: "ETH/USD" -> "ETH" (case matters: kBONK)."""
    base, slash, quote = symbol.rpartition("/")
    if not slash or not base or quote != QUOTE:
        raise VenueRejected(f"pacifica lists no market {symbol!r}; its markets are quoted in USD", venue="pacifica")
    return base


def millis_of(moment: datetime) -> int:
    """Return whole milliseconds since the epoch, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def expiry_window_ms(intent: OrderIntent, now: datetime, doubt: timedelta = timedelta(0)) -> int | None:
    """Return how long the venue may act on the request, None when the intent's time is already over.

    doubt: by how much the venue's clock may be behind what we take it for; the window is that much shorter, so that
    even then it ends when the intent does (but half of what is left is never given away for doubt). The venue
    documents a default of 30 s and no minimum; the window is never longer than that default.
    """
    left = intent.valid_until - now
    left_ms = (left - min(doubt, left / 2)) // timedelta(milliseconds=1)
    return None if left_ms < 1 else min(left_ms, EXPIRY_WINDOW_MS_MAX)


def create_order(intent: OrderIntent, market: Market) -> Command:
    """Build POST /orders/create; raises PrecisionRefused off the market's grid, NotOffered for fill or kill.

    A market intent becomes an IOC limit order at the intent's bound: the venue's own market order measures its
    slippage from the mark price and so has no exact bound. Self-trade prevention cannot be chosen: the venue
    cancels the resting order (docs.pacifica.fi, Self-trade prevention).
    """
    market.check_price(intent.price)
    market.check_quantity(intent.quantity)
    tif = TimeInForce.IOC if intent.type is OrderType.MARKET else intent.time_in_force
    if tif not in _TIFS:
        raise NotOffered(f"pacifica has no {tif} order: it knows GTC, IOC, ALO and TOB", venue="pacifica")
    return Command(
        "create_order",
        f"{API}/orders/create",
        {
            "symbol": market.venue_symbol,
            "price": canonical(intent.price),
            "amount": canonical(intent.quantity),
            "side": SIDES[intent.side],
            "tif": _TIFS[tif],
            "reduce_only": intent.reduce_only,
            "client_order_id": intent.client_order_id,
        },
    )


def cancel_order(symbol: str, client_order_id: str, venue_order_id: str | None) -> Command:
    """Build POST /orders/cancel: by order id where known, else by client order id, never both."""
    which: dict[str, JsonValue] = (
        {"client_order_id": client_order_id} if venue_order_id is None else {"order_id": int(venue_order_id)}
    )
    return Command("cancel_order", f"{API}/orders/cancel", {"symbol": venue_symbol_of(symbol), **which})


def cancel_all_orders(symbol: str) -> Command:
    """Build POST /orders/cancel_all for one market, reduce-only orders included."""
    payload: dict[str, JsonValue] = {
        "all_symbols": False,
        "exclude_reduce_only": False,
        "symbol": venue_symbol_of(symbol),
    }
    return Command("cancel_all_orders", f"{API}/orders/cancel_all", payload)


def trades_query(account: str, symbol: str, *, start: datetime, stop: datetime | None) -> dict[str, str]:
    """Build the query of GET /trades/history for one span (the venue takes at most 30 days), open without a stop."""
    query = {
        "account": account,
        "symbol": venue_symbol_of(symbol),
        "start_time": str(millis_of(start)),
        "limit": str(PAGE_ROWS),
    }
    return query if stop is None else {**query, "end_time": str(millis_of(stop))}


def public_subscriptions(symbols: Sequence[str]) -> list[dict[str, JsonValue]]:
    """List the parameters of the public channels; book needs agg_level, without it the venue stays silent."""
    books: list[dict[str, JsonValue]] = [
        {"source": "book", "symbol": venue_symbol_of(symbol), "agg_level": 1} for symbol in symbols
    ]
    return [{"source": "prices"}, *books]


def private_subscriptions(account: str) -> list[dict[str, JsonValue]]:
    """List the parameters of the account's channels."""
    return [
        {"source": "account_order_updates", "account": account},
        {"source": "account_trades", "account": account},
        {"source": "account_positions", "account": account},
        {"source": "account_info", "account": account},
    ]


def tape_subscriptions(
    symbols: Sequence[str], sources: Collection[str], interval: CandleInterval
) -> list[dict[str, JsonValue]]:
    """List the parameters of the tape's channels: prices once, the others by market, candles with their interval."""
    wanted: list[dict[str, JsonValue]] = [{"source": "prices"}] if "prices" in sources else []
    for source in sorted(set(sources) - {"prices"}):
        length: dict[str, JsonValue] = {"interval": interval.value} if source == "candle" else {}
        wanted += [{"source": source, "symbol": venue_symbol_of(symbol), **length} for symbol in symbols]
    return wanted


def subscribe_frame(params: Mapping[str, JsonValue]) -> str:
    """Write a subscription."""
    return json.dumps({"method": "subscribe", "params": dict(params)}, separators=(",", ":"))


def ping_frame() -> str:
    """Write the venue's own heartbeat; it closes a connection 60 s after the last message (control pings aside)."""
    return '{"method":"ping"}'
