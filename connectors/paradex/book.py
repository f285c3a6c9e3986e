"""One order book kept from a stream of changes. It is either proven whole or says that it is not; it asks nobody."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from decimal import Decimal

from connectors.paradex.wire import BookFrame, LevelChange
from core.errors import ProtocolViolation
from core.instrument import Venue
from core.market import Book, Level

DEPTH_MAX = 50
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class LiveBook:
    """The book of one market. Frames must follow each other by exactly one; a gap makes it unproven at once."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._sequence: int | None = None
        self._venue_time = self._received = _EPOCH
        self._view: Book | None = None

    @property
    def is_proven(self) -> bool:
        """True from a snapshot on, as long as no frame was missed."""
        return self._sequence is not None

    def forget(self) -> None:
        """Drop everything: only a snapshot brings the book back."""
        self._bids.clear()
        self._asks.clear()
        self._sequence = None
        self._view = None

    def apply(self, frame: BookFrame, received: datetime) -> bool:
        """Take a frame; False when it shows that one was missed or that the sides cross, and the book is forgotten.

        Changes before the first snapshot are passed over: they belong to an earlier subscription. A snapshot older
        than a proven book is a repeated or late one: it must not take the book back in time.
        """
        if frame.update_type == "s":
            is_older = self._sequence is not None and frame.seq_no < self._sequence
            self.forget()
            if is_older:
                return False
        elif frame.update_type != "d":
            raise ProtocolViolation(f"paradex: unknown book update type {frame.update_type[:20]!r}", venue="paradex")
        elif self._sequence is None:
            return True
        elif frame.seq_no != self._sequence + 1:
            self.forget()
            return False
        self._sequence = None  # a frame that turns out to be a violation halfway leaves no proven book behind
        self._change(frame)
        self._sequence = frame.seq_no
        self._venue_time, self._received = _EPOCH + timedelta(milliseconds=frame.last_updated_at), received
        self._view = None
        if self._bids and self._asks and max(self._bids) >= min(self._asks):
            self.forget()
            return False
        return True

    def view(self) -> Book | None:
        """Return the top levels, None while unproven; built once for each change that anybody looks at."""
        if self._sequence is None:
            return None
        if self._view is None:
            self._view = Book(
                venue=Venue.PARADEX,
                symbol=self._symbol,
                bids=tuple(Level(p, self._bids[p]) for p in heapq.nlargest(DEPTH_MAX, self._bids)),
                asks=tuple(Level(p, self._asks[p]) for p in heapq.nsmallest(DEPTH_MAX, self._asks)),
                sequence=self._sequence,
                venue_time=self._venue_time,
                received_time=self._received,
            )
        return self._view

    def _change(self, frame: BookFrame) -> None:
        for level in frame.deletes:
            self._side(level).pop(level.price, None)
        for level in (*frame.inserts, *frame.updates):
            if level.price <= 0 or level.size < 0:
                raise ProtocolViolation("paradex: a book level with a price or size below zero", venue="paradex")
            if level.size == 0:
                self._side(level).pop(level.price, None)
            else:
                self._side(level)[level.price] = level.size

    def _side(self, level: LevelChange) -> dict[Decimal, Decimal]:
        if level.side not in ("BUY", "SELL"):
            raise ProtocolViolation(f"paradex: unknown book side {level.side[:20]!r}", venue="paradex")
        return self._bids if level.side == "BUY" else self._asks
