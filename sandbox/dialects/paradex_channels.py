"""Paradex's WebSocket channels: their names, and the engine's events as channel rows.

Written from docs.paradex.trade (WebSocket API: Subscription Channels). `read_channel` says whether a name is
a channel and what it needs; `Feed` turns engine events into rows for whoever subscribed. Private channels
send changes only. Must not know sockets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from sandbox.dialects import paradex_market_rows as market_rows
from sandbox.dialects import paradex_rows as rows
from sandbox.dialects.paradex_rows import VENUE, Row
from sandbox.dialects.paradex_views import Best, Views
from sandbox.events import (
    BalanceChanged,
    BookChanged,
    Event,
    FillBusted,
    FillHappened,
    FundingPaid,
    MarkChanged,
    OrderChanged,
    PositionChanged,
    Trade,
)
from sandbox.model import Fill, MarketSpec, OrderChange

SNAPSHOT_DEPTH: Final = 15
ALL: Final = "ALL"
NO_PARAMETERS: Final = "no parameters expected for deltas topic."
_PARAMETERS = re.compile(r"15@(50|100)ms(?:@([0-9]+(?:_[0-9]+)?))?")
_MARKET_CHANNELS: Final = frozenset({"bbo", "trades", "funding_data", "markets_summary"})
_ACCOUNT_CHANNELS: Final = frozenset(
    {"account", "positions", "balance_events", "tradebusts", "transfers", "transaction"}
)
_BOOK_TOPICS: Final = frozenset({"deltas", "snapshot", "bbo"})
_ACCOUNT_MARKET_CHANNELS: Final = frozenset({"orders", "fills", "funding_payments"})


class ChannelError(ValueError):
    """A name that is not a channel; the text is for the error's `data`."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel by name. `market` is a symbol, ALL, or empty; `interval_us` throttles book snapshots."""

    name: str
    topic: str
    market: str
    is_private: bool = False
    interval_us: int = 0


def read_channel(name: str, views: Views) -> Channel:
    """Read a channel name; raise ChannelError for everything this venue does not publish."""
    topic, _, rest = name.partition(".")
    if topic in _ACCOUNT_CHANNELS and not rest:
        return Channel(name, topic, "", is_private=True)
    if topic in _ACCOUNT_MARKET_CHANNELS:
        return Channel(name, topic, _market(rest, views), is_private=True)
    if topic == "markets_summary" and not rest:
        return Channel(name, topic, ALL)
    if topic in _MARKET_CHANNELS:
        market = rest.removesuffix(".interactive") if topic == "bbo" else rest
        return Channel(name, topic, _market(market, views))
    if topic == "order_book":
        return _book_channel(name, rest, views)
    raise ChannelError("invalid channel")


def _market(text: str, views: Views) -> str:
    if text == ALL or any(spec.symbol == text for spec in views.exchange.markets.values()):
        return text
    raise ChannelError("invalid channel")


def _book_channel(name: str, rest: str, views: Views) -> Channel:
    symbol, _, kind = rest.partition(".")
    spec = next((s for s in views.exchange.markets.values() if s.symbol == symbol), None)
    if spec is None:
        raise ChannelError("invalid channel")
    topic, at, parameters = kind.partition("@")
    if topic in ("deltas", "interactive_deltas"):
        _check_delta_name(parameters if at else None, spec, views.world.quirks.text(VENUE, "delta_channels"))
        return Channel(name, "deltas", symbol)
    if topic.startswith(("deltas", "interactive_deltas")):
        raise ChannelError(NO_PARAMETERS)
    if topic != "snapshot":
        raise ChannelError("invalid channel")
    return Channel(name, "snapshot", symbol, interval_us=_interval_ms(parameters, spec) * 1000)


def _check_delta_name(parameters: str | None, spec: MarketSpec, form: str) -> None:
    is_bare = parameters is None
    if form != "both" and is_bare != (form == "bare"):
        raise ChannelError("invalid channel" if is_bare else NO_PARAMETERS)
    if parameters is not None:
        _interval_ms(parameters, spec)


def _interval_ms(parameters: str, spec: MarketSpec) -> int:
    """Read depth, interval and optional price step; only the market's own tick is published."""
    matched = _PARAMETERS.fullmatch(parameters)
    if matched is None or matched[2] not in (None, rows.text(spec.tick).replace(".", "_")):
        raise ChannelError("invalid channel")
    return int(matched[1])


class Subscriber(Protocol):
    """A connection as the feed sees it."""

    @property
    def account(self) -> str:
        """Account of the connection's bearer; empty before auth."""
        ...

    def notify(self, channel: str, row: Row, lane: str) -> None:
        """Queue one notification. `lane` is "book", "fill", "account" or "other", for the fault desk."""
        ...


class Feed:
    """Subscriptions of all connections, and the flow of rows to them."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._channels: dict[str, Channel] = {}
        self._subscribers: dict[str, dict[Subscriber, None]] = defaultdict(dict)
        self._best: dict[str, Best] = {}
        self._scheduled: set[str] = set()
        self._busy_fills: dict[str, list[Fill]] = defaultdict(list)
        self._seq_no = views.world.now_us() * 1000
        self._held_until_us = 0
        views.exchange.subscribe(self._on_event, self._watches)

    def subscribe(self, subscriber: Subscriber, channel: Channel) -> None:
        """Add a subscriber; a book channel starts with the whole book at once."""
        self._channels[channel.name] = channel
        self._subscribers[channel.name][subscriber] = None
        if channel.topic in ("deltas", "snapshot"):
            depth = SNAPSHOT_DEPTH if channel.topic == "snapshot" else None
            self._deliver(partial(subscriber.notify, channel.name, self._snapshot(channel, depth), "book"), "book")

    def unsubscribe(self, subscriber: Subscriber, name: str) -> None:
        """Remove a subscriber."""
        found = self._subscribers.get(name)
        if found is None:
            return
        found.pop(subscriber, None)
        if not found:
            del self._subscribers[name], self._channels[name]

    def next_seq_no(self) -> int:
        """Draw from the stream's own counter, which REST does not share."""
        self._seq_no += 1
        return self._seq_no

    # --- engine events ----------------------------------------------------------------------------
    def _on_event(self, event: Event) -> None:
        match event:
            case BookChanged():
                self._on_book(event)
            case Trade():
                spec = self._spec(event.instrument)
                row = partial(market_rows.trade_row, spec, event, ids=self._views.ids)
                self._publish("trades", spec.symbol, row)
            case MarkChanged() if self._channels:
                spec = self._spec(event.instrument)
                self._publish("markets_summary", spec.symbol, partial(self._views.summary, spec))
                self._publish("funding_data", spec.symbol, partial(self._views.funding, spec))
            case OrderChanged():
                self._on_order(event)
            case FillHappened():
                self._on_fill(event.fill)
            case PositionChanged():
                self._on_position(event)
            case BalanceChanged():
                self._on_balance(event)
            case FundingPaid():
                payment = event.payment
                symbol = self._spec(payment.instrument).symbol
                row = partial(self._views.payment, payment)
                self._publish("funding_payments", symbol, row, account=payment.account)
            case FillBusted():
                row = partial(rows.tradebust_row, event.fill, ids=self._views.ids, time_us=event.undo.time_us)
                self._publish("tradebusts", "", row, account=event.fill.account)

    def _watches(self, instrument: str) -> bool:
        """Whether a channel of the book has a subscriber."""
        symbol = self._spec(instrument).symbol
        return any(c.topic in _BOOK_TOPICS and c.market in (symbol, ALL) for c in self._channels.values())

    def _on_book(self, event: BookChanged) -> None:
        spec = self._spec(event.instrument)
        best = self._views.exchange.best(event.instrument)
        self._publish("deltas", spec.symbol, partial(market_rows.book_delta_row, spec, event, best), lane="book")
        if self._best.get(event.instrument) != best:
            self._best[event.instrument] = best
            row = partial(market_rows.bbo_row, spec, best, seq=event.seq, time_us=event.time_us)
            self._publish("bbo", spec.symbol, row)
        for channel in tuple(self._channels.values()):
            if channel.topic == "snapshot" and channel.market == spec.symbol:
                self._schedule_snapshot(channel)

    def _schedule_snapshot(self, channel: Channel) -> None:
        """Send at most one snapshot for each interval, and the last state always."""
        if channel.name in self._scheduled:
            return
        self._scheduled.add(channel.name)

        def flush() -> None:
            self._scheduled.discard(channel.name)
            if channel.name in self._subscribers:
                self._send(channel.name, self._snapshot(channel, SNAPSHOT_DEPTH), lane="book")

        self._views.world.call_later(channel.interval_us, flush)

    def _snapshot(self, channel: Channel, depth: int | None) -> Row:
        spec = self._views.market(channel.market)
        return market_rows.book_snapshot_row(spec, self._views.exchange.book(spec.instrument, depth))

    def _on_order(self, event: OrderChanged) -> None:
        order = event.order
        row = partial(self._views.order, order, seq_no=self.next_seq_no())
        self._publish("orders", self._spec(order.instrument).symbol, row, account=order.account)
        if event.change in (OrderChange.RESTED, OrderChange.ENDED, OrderChange.AMENDED):
            self._publish_account(order.account)

    def _on_fill(self, fill: Fill) -> None:
        self._busy_fills[fill.account].append(fill)
        symbol = self._spec(fill.instrument).symbol
        self._publish("fills", symbol, partial(self._views.fill, fill), account=fill.account, lane="fill")

    def _on_position(self, event: PositionChanged) -> None:
        row = partial(self._views.position, event.account, event.position, seq_no=self.next_seq_no())
        self._publish("positions", "", row, account=event.account)

    def _on_balance(self, event: BalanceChanged) -> None:
        """Tell the account, and one balance event for each fill of the command just ended."""
        balance = event.balance_before
        for fill in self._busy_fills.pop(event.account, []):
            before, balance = balance, balance + fill.realised_pnl + fill.realised_funding - fill.fee
            row = partial(
                rows.balance_event_row,
                self._spec(fill.instrument),
                fill,
                ids=self._views.ids,
                funding_index=self._views.exchange.funding_index(fill.instrument),
                balance_before=before,
                balance=balance,
            )
            self._publish("balance_events", "", row, account=event.account)
        self._publish_account(event.account)

    def _publish_account(self, account: str) -> None:
        row = partial(self._views.account, account, seq_no=self.next_seq_no())
        self._publish("account", "", row, account=account)

    def _publish(
        self, topic: str, symbol: str, row: Callable[[], Row], *, account: str = "", lane: str = "other"
    ) -> None:
        """Send a row to every channel of the topic that covers the market; render only if anyone listens."""
        for channel in tuple(self._channels.values()):
            if channel.topic == topic and channel.market in (symbol, ALL):
                self._send(channel.name, row(), account=account, lane=lane)

    def _send(self, name: str, row: Row, *, account: str = "", lane: str = "other") -> None:
        lane = "account" if account and lane == "other" else lane
        for subscriber in tuple(self._subscribers.get(name, ())):
            if not account or subscriber.account == account:
                self._deliver(partial(subscriber.notify, name, row, lane), lane)

    def _deliver(self, notify: Callable[[], None], lane: str) -> None:
        """Hand over one row, or hold it as the fault desk says; what follows meanwhile waits behind it."""
        world = self._views.world
        now_us = world.now_us()
        if now_us >= self._held_until_us:
            self._held_until_us = now_us + world.faults.frame_delay_us(VENUE, lane)
        if now_us >= self._held_until_us:
            notify()
        else:
            world.call_later(self._held_until_us - now_us, notify)

    def _spec(self, instrument: str) -> MarketSpec:
        return self._views.exchange.markets[instrument]
