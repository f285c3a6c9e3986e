"""Feeds disturbed frames to a venue's book code and compares every book it calls proven with the true one."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.book_receivers import BASE, Dialect, Packet, Receiver
from benchmarks.book_tape import Tape, record
from core.market import Book

ANSWER_AFTER_FRAMES = 5  # how many frames pass between asking for a snapshot and getting it
OLD_STEPS_MAX = 12  # how old a snapshot from a venue's cache may be
DELAY_FRAMES_MAX = 3


@dataclass(frozen=True, slots=True)
class Faults:
    """What part of the frames is lost, comes twice, or comes late. Snapshots suffer the same, ten times as often."""

    name: str
    dropped: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0


CLEAN = Faults("clean")
FAULTS = (
    CLEAN,
    Faults("1 % dropped", dropped=0.01),
    Faults("1 % doubled", doubled=0.01),
    Faults("1 % reordered", reordered=0.01),
    Faults("1 % of each", dropped=0.01, doubled=0.01, reordered=0.01),
)


@dataclass(slots=True)
class Verdict:
    """One run in frames. corrupt: proven, not the true book. backward: proven, older than the one before."""

    frames: int = 0
    proven: int = 0
    gaps: int = 0
    resyncs: int = 0
    corrupt: int = 0
    backward: int = 0


@dataclass(frozen=True, slots=True)
class _Delivery:
    text: str
    step: int
    is_snapshot: bool = False


def run(dialect: Dialect, faults: Faults, *, seed: int, steps: int, receiver: Receiver | None = None) -> Verdict:
    """Play one seeded tape under faults and judge every book that is shown after a frame."""
    tape = record(seed, steps)
    rng = random.Random(seed + 1)
    return _Play(dialect, faults, tape, receiver or dialect.receiver(), rng).run()


class _Play:
    """One run: the wire (what is still to come, and when), the receiver, the verdict."""

    def __init__(self, dialect: Dialect, faults: Faults, tape: Tape, receiver: Receiver, rng: random.Random) -> None:
        self._dialect, self._faults, self._tape, self._receiver, self._rng = dialect, faults, tape, receiver, rng
        self._wire: dict[int, list[_Delivery]] = {}
        self._answer_at: int | None = None
        self._newest_shown = -1
        self._was_proven = False
        self._verdict = Verdict()

    def run(self) -> Verdict:
        packets = self._dialect.packets(self._tape, self._rng)
        for position, packet in enumerate(packets):
            self._ask_and_answer(position, packet)
            self._send(position, _Delivery(packet.text, packet.step), 1.0)
            for delivery in self._wire.pop(position, ()):
                self._deliver(delivery)
        return self._verdict

    def _ask_and_answer(self, position: int, packet: Packet) -> None:
        """Answer with the book as it stood before this packet, or an older one where the venue caches."""
        if self._answer_at is None:
            if self._receiver.wants_snapshot:
                self._answer_at = position + (ANSWER_AFTER_FRAMES if position else 0)
            if self._answer_at != position:
                return
        elif position < self._answer_at:
            return
        self._answer_at = None
        if not self._receiver.wants_snapshot:
            return
        old = self._rng.randrange(OLD_STEPS_MAX) if self._dialect.snapshots_may_be_old else 0
        step = max(0, self._before(packet) - old)
        self._send(position, _Delivery(self._dialect.snapshot(self._tape, step), step, is_snapshot=True), 10.0)

    def _before(self, packet: Packet) -> int:
        """The step up to which everything has been sent, and within a frame of many steps any of them."""
        return packet.step - 1

    def _send(self, position: int, delivery: _Delivery, weight: float) -> None:
        faults, chance = self._faults, self._rng.random()
        late = position + self._rng.randint(1, DELAY_FRAMES_MAX)
        dropped, doubled, reordered = (part * weight for part in (faults.dropped, faults.doubled, faults.reordered))
        if chance < dropped:
            return
        if chance < dropped + doubled:
            self._wire.setdefault(position, []).append(delivery)
            self._wire.setdefault(late, []).append(delivery)
        elif chance < dropped + doubled + reordered:
            self._wire.setdefault(late, []).append(delivery)
        else:
            self._wire.setdefault(position, []).append(delivery)

    def _deliver(self, delivery: _Delivery) -> None:
        (self._receiver.snapshot if delivery.is_snapshot else self._receiver.take)(delivery.text)
        book = self._receiver.book()
        verdict = self._verdict
        verdict.frames += 1
        verdict.gaps += self._was_proven and book is None
        verdict.resyncs += not self._was_proven and book is not None and self._newest_shown >= 0
        self._was_proven = book is not None
        if book is not None:
            verdict.proven += 1
            step = (book.sequence if book.sequence is not None else -1) - BASE
            verdict.corrupt += not self._is_true(book, step)
            verdict.backward += step < self._newest_shown
            self._newest_shown = max(self._newest_shown, step)

    def _is_true(self, book: Book, step: int) -> bool:
        if not 0 <= step < len(self._tape.pictures):
            return False
        shown = [tuple((level.price, level.quantity) for level in side) for side in (book.bids, book.asks)]
        truth = self._tape.pictures[step]
        if self._dialect.shows_all:
            return shown == list(truth)
        return all(side and side == true[: len(side)] for side, true in zip(shown, truth, strict=True))
