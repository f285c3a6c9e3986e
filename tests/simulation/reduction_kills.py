"""Paired reductions under `kill -9`: something takes from one leg, and the run dies at an effect of what follows.

Each effect from the moment on at which the leg was taken is a kill point, before and after it, for each cause, with the
answer to the follower's first order lost or that order filled in part. Required of every cell: the laws of whole
sessions, among them that a reduction only reduces, and that the legs are even again once the next run has lived.

`python -m tests.simulation.reduction_kills` walks all of them and prints what was kept.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from core.instrument import Venue
from core.order import FillCause
from store import SessionStatus, Store
from store.records import CommandKind
from tests.fakes.venue import HALF, LOST, WHOLE, FakeVenue, Script
from tests.fakes.world import SESSION, World, make_world
from tests.simulation.lives import Life, inline_store, wipe
from tests.simulation.session_laws import check
from tests.simulation.session_run import Lived, finish, live

D = Decimal
# Kill points from the moment on at which the leg was taken: they reach beyond the end of what follows.
POINTS = 14
STOP_S = 90.0
LOOK_S = 75.0
MONEY = ("place", "ask", "journal record_", "journal claim_fills", "journal bust_fill", "journal append_event")


def _deleverage(venue: FakeVenue) -> None:
    lots = (venue.position * D("0.37") / venue.market.lot).to_integral_value()
    venue.meddle(-lots * venue.market.lot, cause=FillCause.ADL)


def _sell_by_hand(venue: FakeVenue) -> None:
    venue.meddle(-venue.position)


def _turn_round_by_hand(venue: FakeVenue) -> None:
    venue.meddle(-venue.position * 2)


def _bust(venue: FakeVenue) -> None:
    venue.bust(venue.executions[-1][0])


def _liquidate(venue: FakeVenue) -> None:
    venue.meddle(-venue.position, cause=FillCause.LIQUIDATION)


CAUSES: dict[str, Callable[[FakeVenue], None]] = {
    "deleveraging": _deleverage,
    "undone trade": _bust,
    "liquidation": _liquidate,
    "by hand": _sell_by_hand,
    "turned round by hand": _turn_round_by_hand,
}
FOLLOWERS: dict[str, Script] = {"whole": WHOLE, "half": HALF, "answer lost": LOST}


@dataclass
class Kills:
    """Cells walked by cause and effect, and what was broken."""

    cells: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


@dataclass
class _Told:
    """One lived session: what it left, and at which effect of its first run the leg was taken."""

    lived: Lived
    taken_at: int
    even_at_stop: bool


def walk(
    store: Store, *, causes: Sequence[str] = tuple(CAUSES), fates: Sequence[str] = tuple(FOLLOWERS), every: int = 1,
    only: tuple[str, ...] = MONEY,
) -> Kills:  # fmt: skip
    """Let sessions die at every so many-th kill point of each cause and each fate of the follower's order.

    only: what the effects begin with at which they die.
    """
    kills = Kills()
    for cause, fate in itertools.product(causes, fates):
        first = _live_through(store, cause, FOLLOWERS[fate], None)
        _judge(kills, f"{cause}, {fate}, nobody dies", "none", first)
        effects = first.lived.lives[0].effects
        points = [n for n, effect in enumerate(effects, 1) if n > first.taken_at and effect.startswith(only)][:POINTS]
        for point, before in itertools.islice(itertools.product(points, (True, False)), None, None, every):
            told = _live_through(store, cause, FOLLOWERS[fate], (point, before))
            effect = " ".join(effects[point - 1].split()[:2])
            _judge(kills, f"{cause}, {fate}, dies {'before' if before else 'after'} effect {point}", effect, told)
    return kills


def _judge(kills: Kills, cell: str, effect: str, told: _Told) -> None:
    kills.cells[effect] += 1
    kills.broken += [f"{cell} ({effect}): {law}: {text}" for law, found in check(told.lived).items() for text in found]
    if not told.even_at_stop:
        kills.broken.append(f"{cell} ({effect}): a leg stood alone long after")


def _live_through(store: Store, cause: str, fate: Script, dies: tuple[int, bool] | None) -> _Told:
    wipe(store)
    venues = {"a": Venue.PACIFICA, "b": Venue.PARADEX}
    world = make_world(store.home, venues=venues, store=store, interval=(15, 20), volumeTarget="1000000")
    lives: list[Life] = []
    told, looks_at = _Told(Lived(world), 0, even_at_stop=True), world.clock()

    def take() -> None:
        a, b = world.venues["a"], world.venues["b"]
        if a.position == 0 or any(v.resting for v in world.venues.values()):
            world.clock.later(0.1, take)
            return
        told.taken_at = lives[-1].count
        b.scripts.clear()
        b.script(fate)
        CAUSES[cause](a)
        nonlocal looks_at
        told.even_at_stop, looks_at = False, world.clock() + timedelta(seconds=LOOK_S)
        world.clock.later(LOOK_S, look)
        world.clock.later(STOP_S, lambda: _stop(world))

    def look() -> None:
        """Even at some moment, as far as the session's own goes: what a hand put there beyond zero is not its own."""
        own = {name: v.position - (v.position if _is_turned(v) else 0) for name, v in world.venues.items()}
        told.even_at_stop = sum(own.values()) == 0
        if not told.even_at_stop:
            world.clock.later(0.3, look)

    world.clock.later(1.5, take)

    def drawn() -> Iterator[Life]:
        for number in itertools.count():
            point, before = dies if dies is not None and number == 0 else (None, False)
            lives.append(Life(world.clock, point, before))
            yield lives[-1]

    finish(live(told.lived, drawn(), again=lambda _: False))
    # One that wound down was settled flat, which the laws hold it to; it has no later moment to look at.
    told.even_at_stop |= world.session.status is SessionStatus.COMPLETED and world.clock() < looks_at
    return told


def _is_turned(venue: FakeVenue) -> bool:
    return venue.meddled != 0 and venue.position != 0 and venue.position * venue.meddled > 0


def _stop(world: World) -> None:
    journal = world.store.journal
    journal.add_command.now(SESSION, CommandKind.STOP, created_by="ops", created_at=world.clock())


def main() -> int:
    """Walk everything; returns 1 when a law was broken."""
    started = time.perf_counter()
    with TemporaryDirectory() as folder, inline_store(Path(folder)) as store:
        kills = walk(store)
    for effect, number in sorted(kills.cells.items()):
        print(f"{number:>6}  {effect}")
    print(*kills.broken, sep="\n")
    print(f"{sum(kills.cells.values())} cells, {len(kills.broken)} broken, {time.perf_counter() - started:.0f} s")
    return 1 if kills.broken else 0


if __name__ == "__main__":
    sys.exit(main())
