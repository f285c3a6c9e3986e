"""Each venue's own book code behind one face: frames in that venue's format go in, proven books come out.

The frames follow the venues' documents: docs.paradex.trade (WebSocket, order_book), docs.backpack.exchange (Streams,
Depth), docs.pacifica.fi (WebSocket, book). No sockets, no clock: the time a frame came is a constant.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from benchmarks.book_tape import Change, Tape, price_text, size_text
from connectors.backpack import parse as backpack_parse
from connectors.backpack import wire as backpack_wire
from connectors.backpack.depth import DepthBook, Joined
from connectors.pacifica.feed import _PublicChannels as PacificaChannels  # where a picture is proven or not
from connectors.paradex.book import LiveBook
from connectors.paradex.wire import BookFrame, rpc_frame, shaped
from connectors.settings import Outside
from core.market import Book

SYMBOL = "ETH/USD"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
BASE = 1_000  # sequence number of step 0
STEP_MS = 250


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame as sent: its text and the last step it tells of."""

    text: str
    step: int


class Receiver(Protocol):
    """A venue's decode, apply and proof."""

    @property
    def wants_snapshot(self) -> bool:
        """Whether a whole book has to be asked for."""

    def take(self, text: str) -> None:
        """Decode and apply one frame."""

    def snapshot(self, text: str) -> None:
        """Take the answer to what was asked for."""

    def book(self) -> Book | None:
        """Return the book if it is proven."""


class ParadexReceiver:
    """LiveBook; a snapshot is a frame of the stream, sent on a new subscription."""

    def __init__(self) -> None:
        self._book = LiveBook(SYMBOL)
        self.wants_snapshot = True

    def take(self, text: str) -> None:
        """Decode and apply one frame."""
        message = rpc_frame(text)
        assert message.params is not None
        if not self._book.apply(shaped(BookFrame, message.params.data, "book frame"), NOW):
            self.wants_snapshot = True
        elif self._book.is_proven:
            self.wants_snapshot = False

    snapshot = take

    def book(self) -> Book | None:
        """Return the book if it is proven."""
        return self._book.view()


class BackpackReceiver:
    """DepthBook; a snapshot is a REST answer that must meet the buffered stream."""

    def __init__(self, snapshot_rows: int) -> None:
        self._book = DepthBook(SYMBOL, snapshot_rows=snapshot_rows)

    @property
    def wants_snapshot(self) -> bool:
        """Whether the book waits for a snapshot."""
        return not self._book.is_live

    def take(self, text: str) -> None:
        """Decode and apply one frame."""
        envelope = backpack_parse.read_frame(text)
        event = backpack_wire.read(backpack_wire.DepthEvent, envelope.payload, "depth event")
        assert self._book.apply(event, NOW) in Joined

    def snapshot(self, text: str) -> None:
        """Join a REST snapshot."""
        self._book.join(backpack_parse.parse_depth(text.encode()), NOW)

    def book(self) -> Book | None:
        """Return the book if it is proven."""
        return self._book.book()


class PacificaReceiver:
    """Full pictures: nothing is ever asked for, the next picture that is not older heals."""

    wants_snapshot = False

    def __init__(self) -> None:
        self._channels = PacificaChannels(Outside(clock=lambda: NOW, sleep=_no_sleep, rng=random.Random(0)))
        self._channels.expect((SYMBOL,))

    def take(self, text: str) -> None:
        """Decode and check one picture."""
        self._channels.received(text)

    def snapshot(self, text: str) -> None:
        """There are none."""
        raise AssertionError("a picture is never asked for")

    def book(self) -> Book | None:
        """Return the book if it is proven."""
        return self._channels.book(SYMBOL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one venue tells a tape: its frames, its snapshot of one step, and the code that reads them.

    shows_all is False where the code may rightly show fewer levels than there are (a cut snapshot).
    """

    name: str
    packets: Callable[[Tape, random.Random], list[Packet]]
    snapshot: Callable[[Tape, int], str]
    receiver: Callable[[], Receiver]
    snapshots_may_be_old: bool
    shows_all: bool = True


def _paradex_packets(tape: Tape, _rng: random.Random) -> list[Packet]:
    return [Packet(_paradex_text(step, "d", tape.changes[step]), step) for step in range(1, len(tape.changes))]


def _paradex_snapshot(tape: Tape, step: int) -> str:
    return _paradex_text(step, "s", _whole(tape, step))


def _paradex_text(step: int, kind: str, changes: tuple[Change, ...]) -> str:
    groups: dict[str, list[dict[str, str]]] = {"inserts": [], "updates": [], "deletes": []}
    for number, (side, ticks, size) in enumerate(changes):
        group = "deletes" if size == 0 else "inserts" if kind == "s" or number % 2 else "updates"
        word = "BUY" if side == "bid" else "SELL"
        groups[group].append({"side": word, "price": price_text(ticks), "size": size_text(size)})
    content = {"seq_no": BASE + step, "market": "ETH-USD-PERP", "last_updated_at": NOW_MS + step, "update_type": kind}
    params = {"channel": "order_book.ETH-USD-PERP.deltas", "data": content | groups}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _backpack_packets(tape: Tape, rng: random.Random) -> list[Packet]:
    """One to three steps to a frame, each step one update id: only the last size of a price is told."""
    packets, first = [], 1
    while first < len(tape.changes):
        last = min(first + rng.randrange(3), len(tape.changes) - 1)
        merged = {change[:2]: change[2] for step in range(first, last + 1) for change in tape.changes[step]}
        rows = {side: [[price_text(t), size_text(n)] for (s, t), n in merged.items() if s == side] for side in _SIDES}
        stamp = (NOW_MS + last) * 1000
        content = {
            "e": "depth", "E": stamp, "T": stamp, "s": "ETH_USDC_PERP",
            "a": rows["ask"], "b": rows["bid"], "U": BASE + first, "u": BASE + last,
        }  # fmt: skip
        packets.append(Packet(json.dumps({"data": content, "stream": "depth.ETH_USDC_PERP"}), last))
        first = last + 1
    return packets


def _backpack_snapshot(tape: Tape, step: int) -> str:
    bids, asks = ([[str(price), str(size)] for price, size in side] for side in tape.pictures[step])
    content = {"asks": asks, "bids": bids[::-1], "lastUpdateId": str(BASE + step), "timestamp": (NOW_MS + step) * 1000}
    return json.dumps(content)


def _pacifica_packets(tape: Tape, _rng: random.Random) -> list[Packet]:
    return [Packet(_pacifica_text(tape, step), step) for step in range(len(tape.pictures))]


def _pacifica_text(tape: Tape, step: int) -> str:
    sides = [[{"p": str(price), "a": str(size), "n": 1} for price, size in side] for side in tape.pictures[step]]
    content = {"s": "ETH", "l": sides, "t": NOW_MS + STEP_MS * step, "li": BASE + step}
    return json.dumps({"channel": "book", "data": content})


def _whole(tape: Tape, step: int) -> tuple[Change, ...]:
    bids, asks = tape.pictures[step]
    sides = (("bid", bids), ("ask", asks))
    return tuple((side, int(price * 10), int(size * 100)) for side, rows in sides for price, size in rows)


async def _no_sleep(_seconds: float) -> None:
    raise AssertionError("nothing sleeps here")


_SIDES = ("bid", "ask")
PACIFICA = Dialect("pacifica", _pacifica_packets, _pacifica_text, PacificaReceiver, snapshots_may_be_old=False)
PARADEX = Dialect("paradex", _paradex_packets, _paradex_snapshot, ParadexReceiver, snapshots_may_be_old=False)
BACKPACK = Dialect(
    "backpack", _backpack_packets, _backpack_snapshot, lambda: BackpackReceiver(1000), snapshots_may_be_old=True
)
BACKPACK_CUT = Dialect(
    "backpack, cut snapshot", _backpack_packets, _backpack_snapshot, lambda: BackpackReceiver(50),
    snapshots_may_be_old=True, shows_all=False,
)  # fmt: skip
DIALECTS = (PACIFICA, PARADEX, BACKPACK, BACKPACK_CUT)
