"""Stream names and subscriptions of the Backpack twin: which frame goes to which connection.

Duty: follow the engine's events, render each at most once, and offer it to the connections that subscribed.
It must not touch a socket; a connection is anything with ``offer``.

Source: docs.backpack.exchange, "Streams" (names, update ids shared by depth and bookTicker, one markPrice a
second, snapshot of open positions right after subscribing, account.balanceUpdate without a snapshot).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Protocol

from sandbox.candles import Candle
from sandbox.dialects import backpack_frames as frames
from sandbox.dialects.backpack_account import position_figures
from sandbox.dialects.backpack_candles import INTERVALS, candle_frame
from sandbox.dialects.backpack_context import Twin
from sandbox.dialects.backpack_numbers import US_PER_MS, US_PER_S
from sandbox.dialects.backpack_wire import Json
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
from sandbox.model import BookLevel, FillCause, MarketSpec, Position, Side

DEPTH_WINDOWS_MS = (200, 600, 1000)
_PUBLIC_KINDS = ("bookTicker", "trade", "markPrice", "ticker", "openInterest")
_LIQUIDATION = "liquidation"
_OPEN_INTEREST_US = 60 * US_PER_S
_PRIVATE_BY_SYMBOL = ("account.orderUpdate", "account.positionUpdate")
_BALANCE = "account.balanceUpdate"


class Receiver(Protocol):
    """A connection as the hub sees it."""

    def offer(self, text: str, channel: str) -> None:
        """Take one frame for sending; ``channel`` is ``book``, ``fill`` or ``other``."""


class StreamRefusal(Exception):
    """A stream name that cannot be subscribed; becomes an error frame."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class StreamName:
    """A parsed stream name. ``symbol`` None means all symbols; a silent stream is valid and never sends."""

    text: str
    kind: str
    symbol: str | None
    window_ms: int = 0
    is_silent: bool = False

    @property
    def is_private(self) -> bool:
        """Whether a signature is needed."""
        return self.kind.startswith("account.")


def parse_stream(text: str, twin: Twin) -> StreamName:
    """Return the stream of a name. Raises ``StreamRefusal`` 4005, 4006 or 4008."""
    if text == _BALANCE or text in _PRIVATE_BY_SYMBOL:
        return StreamName(text, text, None)
    for kind in _PRIVATE_BY_SYMBOL:
        if text.startswith(f"{kind}."):
            return StreamName(text, kind, _known(text.removeprefix(f"{kind}."), twin))
    kind, _, rest = text.partition(".")
    if kind == "depth":
        return _parse_depth(text, rest, twin)
    if kind == "kline":
        return _parse_kline(text, rest, twin)
    if text == _LIQUIDATION:
        return StreamName(text, kind, None)
    if kind not in _PUBLIC_KINDS or not rest:
        raise StreamRefusal(4006, "Invalid stream")
    return StreamName(text, kind, _known(rest, twin))


def _parse_depth(text: str, rest: str, twin: Twin) -> StreamName:
    head, _, tail = rest.partition(".")
    if not head.endswith("ms"):
        return StreamName(text, "depth", rest, is_silent=rest not in twin.by_symbol)
    if head not in {f"{window}ms" for window in DEPTH_WINDOWS_MS}:
        raise StreamRefusal(4008, "Invalid depth window")
    window_ms = int(head.removesuffix("ms"))
    return StreamName(text, "depth", tail, window_ms, is_silent=tail not in twin.by_symbol)


def _parse_kline(text: str, rest: str, twin: Twin) -> StreamName:
    interval, _, symbol = rest.partition(".")
    if interval not in INTERVALS or not symbol:
        raise StreamRefusal(4006, "Invalid stream")
    return StreamName(text, "kline", _known(symbol, twin))


def _book_streams(spec: MarketSpec) -> frozenset[tuple[str, str | None]]:
    depths = ("depth", *(f"depth.{window_ms}ms" for window_ms in DEPTH_WINDOWS_MS))
    return frozenset((f"{stream}.{spec.symbol}", None) for stream in (*depths, "bookTicker"))


def _known(symbol: str, twin: Twin) -> str:
    if symbol not in twin.by_symbol:
        raise StreamRefusal(4005, "Invalid market")
    return symbol


class Hub:
    """All subscriptions of one twin."""

    def __init__(self, twin: Twin) -> None:
        """Listen to the twin's exchange and ledger from now on."""
        self._twin = twin
        self._subscribers: dict[tuple[str, str | None], dict[Receiver, None]] = {}
        self._best: dict[str, tuple[BookLevel | None, BookLevel | None]] = {}
        self._mark_sent_us: dict[str, int] = {}
        self._interest_sent_us: dict[str, int] = {}
        self._candles: dict[str, Candle] = {}  # by stream name: the newest that was sent
        self._mergers: dict[str, _DepthMerger] = {}
        self._book_streams = {i: _book_streams(spec) for i, spec in twin.exchange.markets.items()}
        twin.exchange.subscribe(self.on_event, self._watches)
        twin.ledger.notify_settled(self._send_balance)

    def subscribe(self, receiver: Receiver, stream: StreamName, account_id: str | None) -> None:
        """Send a stream to a receiver; a repeated subscription changes nothing but its snapshot."""
        owner = account_id if stream.is_private else None
        self._subscribers.setdefault((stream.text, owner), {})[receiver] = None
        if stream.kind == "account.positionUpdate" and account_id is not None:
            self._send_position_snapshot(receiver, stream, account_id)

    def unsubscribe(self, receiver: Receiver, text: str) -> None:
        """Stop sending the stream of that name, for every account it was signed for."""
        for key in [key for key in self._subscribers if key[0] == text]:
            self._remove(key, receiver)

    def drop(self, receiver: Receiver) -> None:
        """Forget a receiver."""
        for key in list(self._subscribers):
            self._remove(key, receiver)

    def on_event(self, event: Event) -> None:
        """Turn one engine event into frames, in order."""
        match event:
            case BookChanged():
                self._on_book(event)
            case Trade():
                self._on_trade(event)
            case MarkChanged():
                self._on_mark(event)
            case OrderChanged():
                self._on_order(event)
            case FillHappened():
                self._on_fill(event)
            case PositionChanged():
                self._on_position(event)
            case BalanceChanged():
                self._send_balance(event.account)
            case _:
                return

    def _on_trade(self, event: Trade) -> None:
        spec = self._spec(event.instrument)
        self._send(f"trade.{spec.symbol}", None, lambda: frames.trade_frame(spec, event, self._now()))
        for interval, length in INTERVALS.items():
            self._send_candle(f"kline.{interval}.{spec.symbol}", spec, length)

    def _send_candle(self, name: str, spec: MarketSpec, length: int) -> None:
        """Send the running candle of a stream; the one before it once more, closed, when a new one began."""
        newest = None
        if (name, None) in self._subscribers:
            newest = self._twin.exchange.newest_candle(spec.instrument, length)
        if newest is None:
            self._candles.pop(name, None)
            return
        before, now_us = self._candles.get(name), self._now()
        self._candles[name] = newest
        if before is not None and before.begin_us < newest.begin_us:
            closed = self._twin.exchange.candles(
                spec.instrument, length, since_us=before.begin_us, until_us=before.begin_us
            )
            for one in closed:
                self._send(name, None, partial(candle_frame, spec, one, is_closed=True, now_us=now_us))
        self._send(name, None, lambda: candle_frame(spec, newest, is_closed=False, now_us=now_us))

    def _on_fill(self, event: FillHappened) -> None:
        spec, fill = self._spec(event.fill.instrument), event.fill
        self._send_private(
            "account.orderUpdate",
            spec.symbol,
            fill.account,
            lambda: frames.fill_frame(spec, event, self._now()),
            channel="fill",
        )
        if fill.cause is FillCause.LIQUIDATION:
            self._send(_LIQUIDATION, None, lambda: frames.liquidation_frame(spec, fill, self._now()))

    def _watches(self, instrument: str) -> bool:
        """Whether a stream of the book has a subscriber."""
        return not self._subscribers.keys().isdisjoint(self._book_streams[instrument])

    def _on_book(self, event: BookChanged) -> None:
        spec = self._spec(event.instrument)
        levels = {(level.side, level.price): level.quantity for level in event.levels}
        self._send(
            f"depth.{spec.symbol}",
            None,
            lambda: frames.depth_frame(
                spec, levels, first=event.seq, last=event.seq, at_us=event.time_us, now_us=self._now()
            ),
            channel="book",
        )
        for window_ms in DEPTH_WINDOWS_MS:
            self._merge(spec, window_ms, event, levels)
        best = self._twin.exchange.best(event.instrument)
        if self._best.get(event.instrument) == best:
            return
        self._best[event.instrument] = best
        self._send(
            f"bookTicker.{spec.symbol}",
            None,
            lambda: frames.book_ticker_frame(spec, best, update_id=event.seq, at_us=event.time_us, now_us=self._now()),
        )

    def _merge(self, spec: MarketSpec, window_ms: int, event: BookChanged, levels: frames.LevelTotals) -> None:
        name = f"depth.{window_ms}ms.{spec.symbol}"
        pending = self._mergers.get(name)
        if pending is not None:
            pending.add(event, levels)
            return
        if (name, None) not in self._subscribers:
            return
        self._mergers[name] = _DepthMerger(event, levels)
        self._twin.world.call_later(window_ms * US_PER_MS, lambda: self._flush(name, spec))

    def _flush(self, name: str, spec: MarketSpec) -> None:
        merged = self._mergers.pop(name)
        self._send(
            name,
            None,
            lambda: frames.depth_frame(
                spec,
                merged.levels,
                first=merged.first,
                last=merged.last,
                at_us=merged.at_us,
                now_us=self._now(),
            ),
            channel="book",
        )

    def _on_mark(self, event: MarkChanged) -> None:
        spec = self._spec(event.instrument)
        last_us = self._mark_sent_us.get(event.instrument)
        if last_us is not None and event.time_us - last_us < US_PER_S:
            return
        self._mark_sent_us[event.instrument] = event.time_us
        self._send(f"markPrice.{spec.symbol}", None, lambda: frames.mark_price_frame(spec, event, self._now()))
        day = self._twin.exchange.day
        self._send(f"ticker.{spec.symbol}", None, lambda: frames.ticker_frame(spec, day(spec.instrument), self._now()))
        self._send_open_interest(spec, event.time_us)

    def _send_open_interest(self, spec: MarketSpec, at_us: int) -> None:
        """Send it once a minute."""
        last_us = self._interest_sent_us.get(spec.instrument)
        if last_us is not None and at_us - last_us < _OPEN_INTEREST_US:
            return
        self._interest_sent_us[spec.instrument] = at_us
        interest = self._twin.exchange.open_interest(spec.instrument)
        name = f"openInterest.{spec.symbol}"
        self._send(name, None, lambda: frames.open_interest_frame(spec, interest, self._now()))

    def _on_order(self, event: OrderChanged) -> None:
        spec = self._spec(event.order.instrument)
        frame = frames.order_change_frame(spec, event, self._now())
        if frame is not None:
            self._send_private("account.orderUpdate", spec.symbol, event.order.account, lambda: frame)

    def _on_position(self, event: PositionChanged) -> None:
        spec = self._spec(event.position.instrument)
        name = frames.position_event(event.quantity_before, event.position.quantity)
        self._send_private(
            "account.positionUpdate",
            spec.symbol,
            event.account,
            lambda: self._position_frame(spec, event.account, event.position, name, event.time_us),
        )

    def _send_position_snapshot(self, receiver: Receiver, stream: StreamName, account_id: str) -> None:
        for position in self._twin.exchange.positions(account_id):
            spec = self._spec(position.instrument)
            if stream.symbol in (None, spec.symbol):
                frame = self._position_frame(spec, account_id, position, None, position.updated_us)
                receiver.offer(_encode(stream.text, frame), "account")

    def _position_frame(
        self, spec: MarketSpec, account_id: str, position: Position, event: str | None, at_us: int
    ) -> Json:
        figures = position_figures(self._twin, account_id, position, with_liquidation=False)
        return frames.position_frame(spec, position, figures, event=event, at_us=at_us, now_us=self._now())

    def _send_balance(self, account_id: str) -> None:
        now_us = self._now()
        available = self._twin.ledger.cash(account_id)
        self._send(_BALANCE, account_id, lambda: frames.balance_frame(available, at_us=now_us, now_us=now_us))

    def _send_private(
        self,
        kind: str,
        symbol: str,
        account_id: str,
        make: Callable[[], Json],
        *,
        channel: str = "other",
    ) -> None:
        self._send(kind, account_id, make, channel=channel)
        self._send(f"{kind}.{symbol}", account_id, make, channel=channel)

    def _send(self, stream: str, account_id: str | None, make: Callable[[], Json], *, channel: str = "other") -> None:
        receivers = self._subscribers.get((stream, account_id))
        if not receivers:
            return
        text = _encode(stream, make())
        channel = "account" if account_id is not None and channel == "other" else channel
        for receiver in list(receivers):
            receiver.offer(text, channel)

    def _remove(self, key: tuple[str, str | None], receiver: Receiver) -> None:
        receivers = self._subscribers[key]
        receivers.pop(receiver, None)
        if not receivers:
            del self._subscribers[key]

    def _spec(self, instrument: str) -> MarketSpec:
        return self._twin.exchange.markets[instrument]

    def _now(self) -> int:
        return self._twin.world.now_us()


class _DepthMerger:
    """Book changes of one window, the last total of each level winning."""

    def __init__(self, event: BookChanged, levels: frames.LevelTotals) -> None:
        self.first = event.seq
        self.last = event.seq
        self.at_us = event.time_us
        self.levels: dict[tuple[Side, Decimal], Decimal] = dict(levels)

    def add(self, event: BookChanged, levels: frames.LevelTotals) -> None:
        self.last = event.seq
        self.at_us = event.time_us
        self.levels.update(levels)


def _encode(stream: str, payload: Json) -> str:
    return json.dumps({"data": payload, "stream": stream}, separators=(",", ":"), sort_keys=True)
