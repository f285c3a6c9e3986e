"""Whole sessions on a virtual clock, one a seed: everything venues, operators and crashes may do, against every law.

`python -m tests.simulation.whole_sessions 1000` runs the seeds 0 to 999, prints what was seen as a table, and every
violation with its seed as soon as it is found; `python -m tests.simulation.whole_sessions 1 417` runs seed 417 again,
effect by effect, as it was. A third number is how many seconds to take at most.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from store import Store
from tests.simulation.lives import inline_store
from tests.simulation.session_case import Case, acknowledge, draw
from tests.simulation.session_laws import check, kind_of_end
from tests.simulation.session_run import NO_BUG, Bug, Lived, finish, live, lives_of

ENDS_MAX = 3


@dataclass
class Seen:
    """What a campaign saw: sums, and every violation as a sentence that begins with its seed."""

    seeds: int = 0
    pairs: int = 0
    orders: int = 0
    fills: int = 0
    effects: int = 0
    restarts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def take(self, case: Case, told: Lived, broken: dict[str, list[str]]) -> None:
        """Add one session."""
        venues = case.world.venues.values()
        self.seeds += 1
        self.pairs += len(case.world.pairs)
        self.orders += case.world.placed
        self.fills += sum(len(v.executions) for v in venues)
        self.effects += sum(life.count for life in told.lives)
        self.restarts += told.restarts
        self.faults.update(case.faults)
        self.faults["crash"] += sum(life.is_dead for life in told.lives)
        self.ends[kind_of_end(told)] += 1
        for law, sentences in broken.items():
            self.broken[law] += 1
            self.violations += [f"seed {case.seed}: {law}: {text}" for text in sentences]

    def table(self) -> str:
        """The summary, ready to be printed."""
        lines = [f"{self.seeds} seeds, {self.pairs} pairs, {self.orders} orders, {self.fills} fills, "
                 f"{self.effects} effects, {self.restarts} restarts"]  # fmt: skip
        for title, counted in (("faults", self.faults), ("ends", self.ends), ("laws broken", self.broken)):
            lines += ["", f"{title}: {sum(counted.values())}"]
            lines += [f"  {number:>7}  {name}" for name, number in sorted(counted.items(), key=lambda p: (-p[1], p[0]))]
        return "\n".join([*lines, "", f"violations: {len(self.violations)}", *self.violations])


def simulate(seeds: Iterable[int], store: Store, bug: Bug = NO_BUG) -> Seen:
    """Run the sessions of these seeds, one after the other over one store; print violations as they are found."""
    seen = Seen()
    for seed in seeds:
        case, told = run_seed(seed, store, bug)
        known = len(seen.violations)
        seen.take(case, told, check(told))
        for violation in seen.violations[known:]:
            print(violation, flush=True)
    return seen


def run_seed(seed: int, store: Store, bug: Bug = NO_BUG) -> tuple[Case, Lived]:
    """Run the session of one seed to its end."""
    case = draw(seed, store)

    def once_more(told: Lived) -> bool:
        """A person looks at what stands still: acknowledges, and has the session run again, a few times."""
        if told.last is None or case.world.session.status.is_final or len(told.ends) >= ENDS_MAX:
            return False
        acknowledge(case.world)
        return True

    told = Lived(case.world, case.naked_budget)
    return case, finish(live(told, lives_of(case.world, case.rng, case.deaths), bug=bug, again=once_more))


def main() -> int:
    """Run the campaign that the command line asks for; returns 1 when a law was broken."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    limit_s = float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
    started = time.perf_counter()
    with TemporaryDirectory() as folder, inline_store(Path(folder)) as store:
        if count == 1:
            print(*run_seed(first, store)[1].lines, sep="\n")
        in_time = takewhile(lambda _: time.perf_counter() - started < limit_s, range(first, first + count))
        seen = simulate(in_time, store)
    print(seen.table())
    print(f"{time.perf_counter() - started:.0f} s")
    return 1 if seen.violations else 0


if __name__ == "__main__":
    sys.exit(main())
