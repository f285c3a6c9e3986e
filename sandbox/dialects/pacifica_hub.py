"""Pacifica's channels: which connection wants what, and the frames the engine's events become.

Duty: fan out. Books and prices on a fixed beat, everything else when it happens, account_order_updates
before account_trades. Must not read from connections.
Source: docs.pacifica.fi, Websocket: Subscriptions. Book frames are full replacements every 250 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sandbox.candles import CandlePrice
from sandbox.dialects.pacifica_candles import INTERVALS, candle_row
from sandbox.dialects.pacifica_errors import compact
from sandbox.dialects.pacifica_frames import Frames, event_word
from sandbox.dialects.pacifica_rows import AGG_LEVELS, Rows
from sandbox.events import (
    BalanceChanged,
    BookChanged,
    Event,
    FillHappened,
    MarkChanged,
    OrderChanged,
    PositionChanged,
    Trade,
)
from sandbox.exchange import Exchange
from sandbox.model import OrderChange
from sandbox.world import World

BOOK_BEAT_US = 250_000
PRICES_BEAT_US = 500_000
ACCOUNT_SOURCES = frozenset(
    {
        "account_positions",
        "account_info",
        "account_orders",
        "account_order_updates",
        "account_trades",
        "account_leverage",
        "account_margin",
    }
)

CANDLE_SOURCES = {"candle": CandlePrice.LAST, "mark_price_candle": CandlePrice.MARK}
INTERVAL_WORDS = {length: word for word, length in INTERVALS.items()}

Key = tuple[str, str, int]  # source, symbol or account, agg level or interval in microseconds


class Subscriber(Protocol):
    """A connection that takes frames. `kind` is the fault desk's word: "book", "fill" or the channel."""

    def push(self, kind: str, text: str) -> None:
        """Queue one frame; never blocks."""
        ...


class Hub:
    """Subscriptions of all connections of one exchange."""

    def __init__(self, world: World, exchange: Exchange) -> None:
        self._world = world
        self._exchange = exchange
        self._rows = Rows(exchange, names_adl=lambda: world.quirks.text("pacifica", "adl_cause") == "own_word")
        self._frames = Frames(exchange, self._rows)
        self._subscribers: dict[Key, dict[Subscriber, None]] = {}
        self._tops: dict[str, object] = {}
        exchange.subscribe(self._on_event, self._watches)
        world.every(BOOK_BEAT_US, self._send_books)
        world.every(PRICES_BEAT_US, self._send_prices)

    def key_of(self, params: Mapping[str, object]) -> Key | None:
        """Key of a subscription; None for one the venue leaves unanswered."""
        source, symbol = params.get("source"), params.get("symbol")
        if source in ACCOUNT_SOURCES:
            account = params.get("account")
            return (str(source), account, 0) if isinstance(account, str) else None
        if source == "prices":
            return "prices", "", 0
        is_known = any(symbol == spec.symbol for spec in self._exchange.markets.values())
        if is_known and source in CANDLE_SOURCES:
            length = INTERVALS.get(str(params.get("interval")))
            return None if length is None else (str(source), str(symbol), length)
        if not is_known or source not in ("book", "bbo", "trades"):
            return None
        level = params.get("agg_level") if source == "book" else 0
        if source == "book" and level not in AGG_LEVELS:
            return None
        return str(source), str(symbol), level if isinstance(level, int) else 0

    def subscribe(self, key: Key, subscriber: Subscriber) -> None:
        """Add a subscription."""
        self._subscribers.setdefault(key, {})[subscriber] = None

    def unsubscribe(self, key: Key, subscriber: Subscriber) -> None:
        """Remove a subscription, if there."""
        members = self._subscribers.get(key, {})
        members.pop(subscriber, None)
        if not members:
            self._subscribers.pop(key, None)

    def snapshot(self, key: Key) -> str | None:
        """First frame of a channel that starts with one."""
        source, name, level = key
        match source:
            case "account_positions":
                return compact(self._frames.positions(name))
            case "account_orders":
                return compact(self._frames.orders(name))
            case "account_info" if name in self._exchange.accounts:
                return self._account_info(name)
            case "book":
                return self._book(name, level)
            case "prices":
                return self._prices()
            case "bbo":
                instrument = self._exchange.market_by_symbol(name).instrument
                row = self._frames.bbo(instrument, self._world.now_us())
                return compact({"channel": "bbo", "data": row})
            case _:
                return None

    def setting_changed(self, channel: str, row: Mapping[str, object]) -> None:
        """Tell of a leverage or margin-mode change."""
        self._send(channel, str(row["u"]), compact({"channel": channel, "data": row}))

    # --- beats ----------------------------------------------------------------------------------
    def _send_books(self) -> None:
        for key in [k for k in self._subscribers if k[0] == "book"]:
            self._push(key, "book", self._book(key[1], key[2]))

    def _send_prices(self) -> None:
        if ("prices", "", 0) in self._subscribers:
            self._push(("prices", "", 0), "prices", self._prices())

    def _book(self, symbol: str, level: int) -> str:
        spec = self._exchange.market_by_symbol(symbol)
        return compact({"channel": "book", "data": self._rows.book(spec, level)})

    def _prices(self) -> str:
        now = self._world.now_us()
        rows = [self._rows.price(spec, now) for spec in self._exchange.markets.values()]
        return compact({"channel": "prices", "data": rows})

    # --- events ---------------------------------------------------------------------------------
    def _on_event(self, event: Event) -> None:
        if not self._subscribers:
            return
        match event:
            case BookChanged():
                self._on_book(event)
            case Trade():
                self._on_trade(event)
                self._on_candle("candle", event.instrument)
            case MarkChanged():
                self._on_candle("mark_price_candle", event.instrument)
            case OrderChanged():
                self._on_order(event)
            case FillHappened():
                rows = self._frames.fills(event.fill)
                frame = compact({"channel": "account_trades", "data": rows})
                self._send("account_trades", event.fill.account, frame, kind="fill")
            case PositionChanged():
                if self._wants("account_positions", event.account):
                    frame = compact(self._frames.positions(event.account))
                    self._send("account_positions", event.account, frame)
            case BalanceChanged():
                self._send_account_info(event.account)
            case _:
                return

    def _watches(self, instrument: str) -> bool:
        """Whether a subscription needs each change of the book; the channel `book` looks at its own beat."""
        return ("bbo", self._rows.symbol(instrument), 0) in self._subscribers

    def _on_book(self, event: BookChanged) -> None:
        symbol = self._rows.symbol(event.instrument)
        if ("bbo", symbol, 0) not in self._subscribers:
            return
        top = self._exchange.best(event.instrument)
        if self._tops.get(symbol) == top:
            return
        self._tops[symbol] = top
        row = self._frames.bbo(event.instrument, event.time_us)
        self._push(("bbo", symbol, 0), "bbo", compact({"channel": "bbo", "data": row}))

    def _on_trade(self, event: Trade) -> None:
        key = ("trades", self._rows.symbol(event.instrument), 0)
        if key in self._subscribers:
            frame = {"channel": "trades", "data": [self._frames.trade(event)]}
            self._push(key, "trades", compact(frame))

    def _on_candle(self, source: str, instrument: str) -> None:
        symbol = self._rows.symbol(instrument)
        for key in [k for k in self._subscribers if k[:2] == (source, symbol)]:
            candle = self._exchange.newest_candle(instrument, key[2], by=CANDLE_SOURCES[source])
            if candle is not None:
                row = candle_row(symbol, INTERVAL_WORDS[key[2]], candle, is_mark=source != "candle")
                self._push(key, source, compact({"channel": source, "data": row}))

    def _on_order(self, event: OrderChanged) -> None:
        word, account = event_word(event.order, event.change, event.reason), event.order.account
        if word is None:
            return
        if self._wants("account_order_updates", account):
            row = self._frames.order_update(event.order, word)
            frame = compact({"channel": "account_order_updates", "data": [row]})
            self._send("account_order_updates", account, frame)
        if self._wants("account_orders", account):
            self._send("account_orders", account, compact(self._frames.orders(account)))
        if event.change in (OrderChange.RESTED, OrderChange.ENDED):
            self._send_account_info(account)

    def _send_account_info(self, account: str) -> None:
        if self._wants("account_info", account):
            self._send("account_info", account, self._account_info(account))

    def _account_info(self, account: str) -> str:
        row = self._frames.account_info(account, self._world.now_us())
        return compact({"channel": "account_info", "data": row})

    def _wants(self, source: str, name: str) -> bool:
        return (source, name, 0) in self._subscribers

    def _send(self, source: str, name: str, text: str, kind: str | None = None) -> None:
        self._push((source, name, 0), kind or source, text)

    def _push(self, key: Key, kind: str, text: str) -> None:
        for subscriber in tuple(self._subscribers.get(key, ())):
            subscriber.push(kind, text)
