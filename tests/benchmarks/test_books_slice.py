"""No book that a venue's code calls proven differs from the true one, whatever frames are lost, doubled or late."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from benchmarks.book_check import CLEAN, FAULTS, Faults, run
from benchmarks.book_receivers import BACKPACK, DIALECTS, PACIFICA, PARADEX, Dialect
from benchmarks.book_tape import LEVELS, record
from core.instrument import Venue
from core.market import Book, Level

SEEDS = (11,)
STEPS = 150
HEAVY = Faults("5 % of each", dropped=0.05, doubled=0.05, reordered=0.05)


class TrustingReceiver:
    """Takes every Backpack delta for the next one: what a book looks like that proves nothing."""

    wants_snapshot = True

    def __init__(self) -> None:
        self._sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self._last_id: int | None = None

    def take(self, text: str) -> None:
        """Put the frame's sizes in, whatever its ids say."""
        content = json.loads(text)["data"]
        self._put(content["b"], content["a"])
        self._last_id = content["u"] if self._last_id is not None else None

    def snapshot(self, text: str) -> None:
        """Start from the first snapshot."""
        content = json.loads(text)
        self._sides = ({}, {})
        self._put(content["bids"], content["asks"])
        self._last_id, self.wants_snapshot = int(content["lastUpdateId"]), False

    def book(self) -> Book | None:
        """Show it from the first snapshot on."""
        if self._last_id is None:
            return None
        now = datetime(2026, 11, 20, tzinfo=UTC)
        bids, asks = self._sides
        return Book(
            Venue.BACKPACK, "ETH/USD",
            tuple(Level(price, bids[price]) for price in sorted(bids, reverse=True)),
            tuple(Level(price, asks[price]) for price in sorted(asks)),
            self._last_id, now, now,
        )  # fmt: skip

    def _put(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, rows in zip(self._sides, (bids, asks), strict=True):
            for price, size in rows:
                side[Decimal(price)] = Decimal(size)
                if not Decimal(size):
                    del side[Decimal(price)]


@pytest.mark.parametrize("faults", [*FAULTS, HEAVY], ids=lambda faults: faults.name)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_proven_book_differs_from_the_true_one(dialect: Dialect, faults: Faults) -> None:
    for seed in SEEDS:
        verdict = run(dialect, faults, seed=seed, steps=STEPS)

        assert verdict.corrupt == 0, f"seed {seed}: {verdict}"
        assert verdict.proven > 0, f"seed {seed}: {verdict}"


@pytest.mark.parametrize("dialect", [PACIFICA, PARADEX, BACKPACK], ids=lambda dialect: dialect.name)
def test_an_undisturbed_stream_is_proven_at_every_frame(dialect: Dialect) -> None:
    verdict = run(dialect, CLEAN, seed=SEEDS[0], steps=STEPS)

    assert (verdict.proven, verdict.gaps) == (verdict.frames, 0)


@pytest.mark.parametrize("dialect", [PARADEX, BACKPACK], ids=lambda dialect: dialect.name)
def test_lost_frames_are_noticed_and_the_book_comes_back(dialect: Dialect) -> None:
    verdict = run(dialect, HEAVY, seed=SEEDS[0], steps=STEPS)

    assert verdict.gaps > 0
    assert verdict.gaps - 1 <= verdict.resyncs <= verdict.gaps


def test_the_check_sees_a_book_that_ignores_gaps() -> None:
    lossy = replace(HEAVY, doubled=0.0, reordered=0.0)

    trusting = run(BACKPACK, lossy, seed=SEEDS[0], steps=STEPS, receiver=TrustingReceiver())
    undisturbed = run(
        replace(BACKPACK, snapshots_may_be_old=False), CLEAN, seed=SEEDS[0], steps=STEPS, receiver=TrustingReceiver()
    )

    assert trusting.corrupt > 0
    assert undisturbed.corrupt == 0


def test_a_tape_is_the_same_for_the_same_seed_and_always_a_whole_uncrossed_book() -> None:
    tape = record(SEEDS[0], STEPS)

    assert tape == record(SEEDS[0], STEPS)
    assert tape != record(SEEDS[0] + 1, STEPS)
    for bids, asks in tape.pictures:
        assert (len(bids), len(asks)) == (LEVELS, LEVELS)
        assert bids[0][0] < asks[0][0]
