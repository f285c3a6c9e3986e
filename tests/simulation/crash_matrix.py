"""The crash matrix: a session of one pair dies at each of its effects, and is run again.

Every effect is a numbered kill point, twice: the run dies before it takes place, and after it took place but before
its answer was heard. Each is crossed with what may be the matter with a leg just then. Required of every cell: the laws
of whole sessions (one venue order for a client order id, the journal is the venues' truth, the ledger balances, flat or
exposure stated), and that the next run sends nothing before it has asked about what the dead one may have sent.

`python -m tests.simulation.crash_matrix` walks all of it and prints the matrix.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from core.instrument import Venue
from core.order import OrderIntent, Side, TimeInForce
from store import Store
from tests.fakes.venue import LOST, WHOLE, Script
from tests.fakes.world import SESSION, World, make_world
from tests.simulation.lives import Life, inline_store, wipe
from tests.simulation.session_laws import check, kind_of_end
from tests.simulation.session_run import NO_BUG, Bug, Lived, finish, live

D = Decimal
MONEY = ("place", "ask", "cancel", "journal record_", "journal complete_pair")


@dataclass(frozen=True)
class Trouble:
    """What is the matter with the first order of a leg: how both legs are placed, and what becomes of it."""

    name: str
    primary: str
    script: Script


TROUBLES = (
    Trouble("answer lost", "market", LOST),
    Trouble("fill before the answer", "market", Script(answer_after_s=1.2)),
    Trouble("partial fill", "market", Script(share=D("0.37"), pieces=2)),
    Trouble("cancel crosses a fill", "limit", Script(fill_after_s=500, cross=D("0.4"))),
)


@dataclass(frozen=True)
class Cell:
    """One death: what is the matter with which leg, at which effect, before or after it."""

    trouble: Trouble
    leg: Side
    point: int
    before: bool

    def __str__(self) -> str:
        when = "before" if self.before else "after"
        return f"{self.trouble.name}, {self.leg} leg, {when} effect {self.point}"


@dataclass
class Matrix:
    """Cells by effect and column, those that kept every rule, and what was broken."""

    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The matrix, ready to be printed: how many of how many cells kept every rule."""
        columns = list(dict.fromkeys(column for _, column in self.cells))
        width = max(len(row) for row, _ in self.cells) + 2
        lines = [" " * width + "  ".join(columns)]
        for row in sorted({row for row, _ in self.cells}):
            shown = [f"{self.kept[row, c]}/{self.cells[row, c]}" if self.cells[row, c] else "-" for c in columns]
            lines.append(f"{row:<{width}}" + "  ".join(f"{s:<{len(c)}}" for s, c in zip(shown, columns, strict=True)))
        total = f"{sum(self.kept.values())} of {sum(self.cells.values())} cells keep every rule"
        ends = ", ".join(f"{kind} {number}" for kind, number in sorted(self.ends.items()))
        return "\n".join([*lines, "", total, f"ends: {ends}", *self.broken])


def walk(
    store: Store, *, every: int = 1, of: Sequence[str] = (), troubles: Iterable[Trouble] = TROUBLES, bug: Bug = NO_BUG
) -> Matrix:
    """Let a session die at each kill point of each column. of: only at effects that begin so; every: so many-th."""
    matrix = Matrix()
    for trouble, leg in itertools.product(troubles, Side):
        effects = _live_through(store, trouble, leg, iter([]), bug).lives[0].effects
        numbers = [number for number, effect in enumerate(effects, 1) if not of or effect.startswith(tuple(of))]
        for point, before in itertools.islice(itertools.product(numbers, (True, False)), None, None, every):
            cell = Cell(trouble, leg, point, before)
            _try(store, cell, _kind(effects[point - 1]), matrix, bug)
    return matrix


def _try(store: Store, cell: Cell, effect: str, matrix: Matrix, bug: Bug) -> None:
    left: list[str] = []
    told = _live_through(store, cell.trouble, cell.leg, _dying(cell, left), bug)
    key = effect, f"{cell.trouble.name}, {cell.leg}"
    broken = [f"{law}: {text}" for law, texts in check(told).items() for text in texts]
    broken += _sent_without_asking(told, left)
    matrix.cells[key] += 1
    matrix.kept[key] += not broken
    matrix.ends[kind_of_end(told)] += 1
    matrix.broken += [f"{cell} ({effect}): {text}" for text in broken]


def _dying(cell: Cell, left: list[str]) -> Iterator[Callable[[World], Life]]:
    yield lambda world: Life(world.clock, cell.point, cell.before)

    def looking(world: World) -> Life:
        left.extend(o.intent.client_order_id for o in world.store.reads.open_orders_of(SESSION))
        return Life(world.clock)

    yield looking


def _sent_without_asking(told: Lived, left: list[str]) -> Iterator[str]:
    """Orders of the dead run without an end, about which nobody asked before the next run sent its first order.

    A cancel is a question too (its end is told), and one of which the venue lists executions to the full needs none.
    """
    if len(told.lives) < 2:
        return
    said = list(itertools.takewhile(lambda effect: not effect.startswith("place"), told.lives[1].effects))
    if len(said) == len(told.lives[1].effects):
        return
    asked = {effect.split()[2] for effect in said if effect.startswith(("ask", "cancel"))}
    booked = {key: order for venue in told.world.venues.values() for key, order in venue.orders.items()}
    for order_id in left:
        if order_id not in asked and not (order_id in booked and booked[order_id].rest == 0):
            yield f"an order was sent before anybody asked about {order_id}"


def _live_through(
    store: Store, trouble: Trouble, leg: Side, lives: Iterator[Callable[[World], Life]], bug: Bug
) -> Lived:  # fmt: skip
    """One session of one pair and its close; runs beyond the given lives do not die."""
    wipe(store)
    world = make_world(
        store.home, venues={"a": Venue.PACIFICA, "b": Venue.PARADEX}, store=store, interval=(1, 1),
        primary=trouble.primary, volumeTarget="100",
    )  # fmt: skip
    script = _first_of(leg, trouble.script)
    for venue in world.venues.values():
        venue.otherwise = script

    def drawn() -> Iterator[Life]:
        for life in itertools.chain(lives, itertools.repeat(lambda world: Life(world.clock))):
            yield life(world)

    return finish(live(Lived(world), drawn(), again=lambda _: False, bug=bug))


def _first_of(leg: Side, script: Script) -> Callable[[OrderIntent], Script]:
    """The script for a leg's first order; everything else fills at once, what rests after a second."""
    pending = [leg]

    def decide(intent: OrderIntent) -> Script:
        takes = intent.time_in_force is TimeInForce.IOC
        if pending and intent.side is leg and not (takes and script.cross):
            pending.clear()
            return script
        return WHOLE if takes else replace(WHOLE, fill_after_s=1.0)

    return decide


def _kind(effect: str) -> str:
    """What an effect is, without ids and figures."""
    first, second, *rest = [*effect.split(), ""]
    if first == "journal":
        return f"journal {second}"
    return f"{first} {rest[1]}" if first == "place" else first


def main() -> int:
    """Walk the whole matrix; returns 1 when a rule was broken."""
    started = time.perf_counter()
    with TemporaryDirectory() as folder, inline_store(Path(folder)) as store:
        matrix = walk(store)
    print(matrix.table())
    print(f"{time.perf_counter() - started:.0f} s")
    return 1 if matrix.broken else 0


if __name__ == "__main__":
    sys.exit(main())
