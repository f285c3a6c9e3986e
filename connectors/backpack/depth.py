"""One order book kept from a REST snapshot and stream deltas, with proof of continuity. Pure: it asks nobody.

Rules (docs.backpack.exchange, Streams / Depth): update ids are contiguous per market and shared by snapshot and
stream. Buffer deltas, take a snapshot with id L, drop deltas with u <= L; the first kept one must have
U <= L + 1 <= u; from then on every U is the previous u + 1. Anything else is a gap: the book is not shown until
a new snapshot joins. Quantities are absolute, zero removes the level.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto

from connectors.backpack import wire
from core.errors import ProtocolViolation
from core.instrument import Venue
from core.market import Book, Level

LEVELS_MAX = 50
BUFFER_EVENTS_MAX = 2_000
LEVELS_KEPT_MAX = 20_000


class Joined(Enum):
    """How a snapshot or a delta fitted: the book is live, waits for a snapshot, or was lost and needs one."""

    LIVE = auto()
    WAITING = auto()
    GAP = auto()


class DepthBook:
    """The book of one market. Not live until a snapshot joined the stream."""

    def __init__(self, symbol: str, *, snapshot_rows: int) -> None:
        """snapshot_rows is how many levels a side were asked for: a side that full may go on beyond its last one."""
        self._symbol = symbol
        self._snapshot_rows = snapshot_rows
        self._buffer: deque[tuple[wire.DepthEvent, datetime]] = deque()
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._lowest_bid: Decimal | None = None
        self._highest_ask: Decimal | None = None
        self._last_id: int | None = None
        self._is_chained = False
        self._venue_time: datetime | None = None
        self._received_time: datetime | None = None
        self._shown: Book | None = None

    @property
    def is_live(self) -> bool:
        """True while every update since the snapshot is known."""
        return self._last_id is not None

    def reset(self) -> None:
        """Forget everything, what is buffered too (the connection is gone)."""
        self._unprove()
        self._buffer.clear()

    def apply(self, event: wire.DepthEvent, received_time: datetime) -> Joined:
        """Take one delta. On a gap the book stops being live and this delta is the first of a new buffer.

        It is a gap as well when the price has left the range that the snapshot covered.

        Raises ProtocolViolation for a delta whose ids run backwards.
        """
        if event.last_id < event.first_id:
            raise ProtocolViolation(f"backpack: depth of {self._symbol} has u before U", venue="backpack")
        if self._last_id is None:
            if len(self._buffer) >= BUFFER_EVENTS_MAX:
                self._buffer.clear()
            self._buffer.append((event, received_time))
            return Joined.WAITING
        if event.last_id <= self._last_id:
            return Joined.LIVE
        expected = self._last_id + 1
        if event.first_id > expected or (self._is_chained and event.first_id != expected):
            self._unprove()
            self._buffer.append((event, received_time))
            return Joined.GAP
        self._merge(event, received_time)
        self._is_chained = True
        if self._is_worn():
            self._unprove()
            return Joined.GAP
        return Joined.LIVE

    def join(self, snapshot: wire.DepthRow, received_time: datetime) -> Joined:
        """Put a snapshot under what is buffered: LIVE, or WAITING when the two do not meet (ask for a newer one)."""
        if self._last_id is not None:
            return Joined.LIVE
        while self._buffer and self._buffer[0][0].last_id <= snapshot.last_update_id:
            self._buffer.popleft()
        if self._buffer and self._buffer[0][0].first_id > snapshot.last_update_id + 1:
            return Joined.WAITING
        self._bids = {price: size for price, size in snapshot.bids if size > 0}
        self._asks = {price: size for price, size in snapshot.asks if size > 0}
        self._lowest_bid = min(snapshot.bids)[0] if len(snapshot.bids) >= self._snapshot_rows else None
        self._highest_ask = max(snapshot.asks)[0] if len(snapshot.asks) >= self._snapshot_rows else None
        self._last_id = snapshot.last_update_id
        self._venue_time, self._received_time = snapshot.timestamp, received_time
        self._shown = None
        return self._replay()

    def book(self) -> Book | None:
        """Return the best levels, None unless live and uncrossed."""
        if self._last_id is None or self._venue_time is None or self._received_time is None:
            return None
        if self._shown is None:
            self._shown = Book(
                Venue.BACKPACK,
                self._symbol,
                _best(self._bids, reverse=True),
                _best(self._asks, reverse=False),
                self._last_id,
                self._venue_time,
                self._received_time,
            )
        shown = self._shown
        is_crossed = bool(shown.bids and shown.asks and shown.bids[0].price >= shown.asks[0].price)
        return None if is_crossed else shown

    def _replay(self) -> Joined:
        pending, self._buffer = self._buffer, deque()
        while pending:
            event, received_time = pending.popleft()
            if self.apply(event, received_time) is Joined.GAP:
                self._buffer.extend(pending)
                return Joined.WAITING
        return Joined.LIVE

    def _merge(self, event: wire.DepthEvent, received_time: datetime) -> None:
        """Put absolute quantities in; what lies beyond a full snapshot's last level is known only in part: left out."""
        for price, size in event.bids:
            if self._lowest_bid is None or price >= self._lowest_bid:
                _put(self._bids, price, size)
        for price, size in event.asks:
            if self._highest_ask is None or price <= self._highest_ask:
                _put(self._asks, price, size)
        self._last_id = event.last_id
        self._venue_time, self._received_time = event.engine_time, received_time
        self._shown = None

    def _is_worn(self) -> bool:
        bids_out = self._lowest_bid is not None and not self._bids
        asks_out = self._highest_ask is not None and not self._asks
        return bids_out or asks_out or len(self._bids) + len(self._asks) > LEVELS_KEPT_MAX

    def _unprove(self) -> None:
        self._last_id = None
        self._is_chained = False
        self._bids, self._asks = {}, {}
        self._venue_time = self._received_time = None
        self._shown = None


def _put(side: dict[Decimal, Decimal], price: Decimal, size: Decimal) -> None:
    if size == 0:
        side.pop(price, None)
    else:
        side[price] = size


def _best(side: dict[Decimal, Decimal], *, reverse: bool) -> tuple[Level, ...]:
    return tuple(Level(price, side[price]) for price in sorted(side, reverse=reverse)[:LEVELS_MAX])
