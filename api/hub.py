"""Fan-out of sessions' progress: one reader of the store for all watched sessions, each update encoded once.

Knows no socket. A seat is one subscription: its channels, where it stands, and a bounded queue. Offering an update to
a seat never waits, so that nobody who listens can hold up the others, or the session. Several processes on one store
each have a hub of their own and need nothing of each other.

Beside events there are pictures: what a session sees of its markets now (channel `market`, on request only). They
have no sequence and only the newest matters, so a reader who is late gets fewer of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from store import StoreError

_log = logging.getLogger("hedging.api.live")

Channel = Literal["status", "orders", "risk", "metrics", "market"]
CHANNELS: tuple[Channel, ...] = ("status", "orders", "risk", "metrics")
MARKET: Channel = "market"
POLL_S = 0.1
BATCH_MAX = 200
QUEUE_MAX = 1000
FAILURES_MAX = 50

INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
SLOW_READER = 4408


@dataclass(frozen=True, slots=True)
class Update:
    """One update, encoded: `body` is its JSON object without the closing brace, shared by everybody who gets it."""

    sequence: int
    channel: str
    body: str

    def after(self, previous: int) -> str:
        """Return the whole message for a subscriber whose last one was `previous`."""
        return f'{self.body},"previousSequence":{previous}}}'


class Source(Protocol):
    """Where updates come from; both calls block and raise StoreError."""

    def heads(self, session_ids: Collection[str]) -> Mapping[str, int]:
        """Return the last sequence of each session."""
        ...

    def updates(self, session_id: str, after: int, limit: int) -> Sequence[Update]:
        """Return a session's updates after a sequence, in order and without gaps, at most `limit`."""
        ...

    def pictures(self, session_ids: Collection[str]) -> Mapping[str, str]:
        """Return what these sessions see now, one encoded message each; none for a session that never ran."""
        ...


class SeatEnded(Exception):
    """The hub takes no more care of a seat; `code` is the close code that says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Seat:
    """One subscription to one session. Not safe between threads; used inside one event loop."""

    def __init__(self, session_id: str, channels: Collection[str], *, after: int = 0, room: int = QUEUE_MAX) -> None:
        self.session_id = session_id
        self.channels = frozenset(channels)
        self.stand_at(after)
        self._room = room
        self._queue: deque[str] = deque()
        self._picture: str | None = None
        self._changed = asyncio.Event()
        self._end: SeatEnded | None = None

    def stand_at(self, sequence: int) -> None:
        """Begin after a sequence: everything later is wanted."""
        self.position = self._sent = sequence

    def accept(self, update: Update) -> str | None:
        """Move past an update and return its message; None when it is known already or of no interest here."""
        if update.sequence <= self.position:
            return None
        self.position = update.sequence
        if update.channel not in self.channels:
            return None
        text = update.after(self._sent)
        self._sent = update.sequence
        return text

    def offer(self, update: Update) -> None:
        """Queue an update; a seat whose queue is full is ended instead."""
        text = None if self._end else self.accept(update)
        if text is None:
            return
        if len(self._queue) >= self._room:
            self.end(SLOW_READER, "read faster, or subscribe again with since")
            return
        self._queue.append(text)
        self._changed.set()

    def show(self, picture: str) -> None:
        """Replace the picture that waits, if any."""
        if MARKET in self.channels:
            self._picture = picture
            self._changed.set()

    def end(self, code: int, reason: str) -> None:
        """Let the reader know that nothing more comes; the first reason holds."""
        self._end = self._end or SeatEnded(code, reason)
        self._queue.clear()
        self._changed.set()

    async def take(self) -> list[str]:
        """Wait for messages and return all there are, in order; raise SeatEnded."""
        await self._changed.wait()
        if self._end is not None:
            raise self._end
        self._changed.clear()
        texts = [*self._queue, *([] if self._picture is None else [self._picture])]
        self._queue.clear()
        self._picture = None
        return texts


@dataclass(slots=True)
class _Feed:
    head: int
    seats: set[Seat] = field(default_factory=set)
    picture: str | None = None

    @property
    def wants_pictures(self) -> bool:
        return any(MARKET in seat.channels for seat in self.seats)

    def end(self, code: int, reason: str) -> None:
        for seat in self.seats:
            seat.end(code, reason)


class Hub:
    """Reads what is new in watched sessions and hands it to their seats. `run` is its one task."""

    def __init__(
        self, source: Source, *, poll_s: float = POLL_S, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._source = source
        self._poll_s = poll_s
        self._sleep = sleep
        self._feeds: dict[str, _Feed] = {}
        self._watched = asyncio.Event()
        self._failures = 0

    @property
    def seats(self) -> int:
        """How many subscriptions are served live."""
        return sum(len(feed.seats) for feed in self._feeds.values())

    def is_watched(self, session_id: str) -> bool:
        """Tell whether anybody is served a session live."""
        return session_id in self._feeds

    async def history(self, seat: Seat) -> list[str]:
        """Return the next messages the seat has missed, at most a batch's worth; raise StoreError."""
        updates = await asyncio.to_thread(self._source.updates, seat.session_id, seat.position, BATCH_MAX)
        return [text for update in updates if (text := seat.accept(update)) is not None]

    def attach(self, seat: Seat) -> bool:
        """Serve a seat live from where it stands; False when the hub is further on and history must be read first."""
        feed = self._feeds.setdefault(seat.session_id, _Feed(seat.position))
        if feed.head > seat.position:
            return False
        feed.seats.add(seat)
        self._watched.set()
        return True

    def detach(self, seat: Seat) -> None:
        """Serve a seat no longer; safe to call twice."""
        feed = self._feeds.get(seat.session_id)
        if feed is None:
            return
        feed.seats.discard(seat)
        if not feed.seats:
            del self._feeds[seat.session_id]
        if not self._feeds:
            self._watched.clear()

    async def run(self) -> None:
        """Look for news until cancelled; costs nothing while nobody watches."""
        while True:
            await self._watched.wait()
            try:
                await self._turn()
                self._failures = 0
            except Exception as error:  # noqa: BLE001 - the one task of all listeners: it tries again, and says so
                self._failed(error)
            await self._sleep(self._poll_s)

    async def _turn(self) -> None:
        heads = await asyncio.to_thread(self._source.heads, tuple(self._feeds))
        for session_id, feed in list(self._feeds.items()):
            if heads.get(session_id, 0) > feed.head:
                for update in await asyncio.to_thread(self._source.updates, session_id, feed.head, BATCH_MAX):
                    _publish(feed, update)
        await self._look()

    async def _look(self) -> None:
        looking = [session_id for session_id, feed in self._feeds.items() if feed.wants_pictures]
        pictures = await asyncio.to_thread(self._source.pictures, looking) if looking else {}
        for session_id, picture in pictures.items():
            feed = self._feeds.get(session_id)
            if feed is not None and feed.picture != picture:
                feed.picture = picture
                for seat in feed.seats:
                    seat.show(picture)

    def _failed(self, error: Exception) -> None:
        """Try again at the next turn; silence must not look like sessions in which nothing happens."""
        self._failures += 1
        if self._failures == 1:
            expected = isinstance(error, StoreError)
            _log.warning("progress cannot be read (%s); trying again", error, exc_info=None if expected else error)
        if self._failures >= FAILURES_MAX:
            self._failures = 0
            for feed in self._feeds.values():
                feed.end(TRY_AGAIN_LATER, "progress cannot be read now; connect again and subscribe with since")


def _publish(feed: _Feed, update: Update) -> None:
    if update.sequence != feed.head + 1:
        _log.error("event %s follows %s: the record has a gap", update.sequence, feed.head)
        feed.end(INTERNAL_ERROR, "an event is missing in the record; read the session instead")
    feed.head = update.sequence
    for seat in feed.seats:
        seat.offer(update)
