"""Results under `kill -9`: sealing, registering, loading, compacting, retiring, rebuilding die at each of their steps.

Every step completed and every commit of the registry about to happen is a numbered kill point. For each, a copy of a
data folder is worked on by a process that kills itself there; what it left has to be one whole state, and after the
same work was done again, results must equal the operational store: rows and hashes of every table, sums, files.

`python -m tests.simulation.results_kill_walk` walks all of them and prints how many of how many held.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, event

from core.order import OrderStatus, Reported, apply
from core.pair import PairStatus
from store import PairOutcome, SessionStatus, Store, open_store
from store.engine import reading_engine
from store.segments import seal
from store.upkeep import Upkeep, compact, retire
from store.warehouse import content, load, rebuild
from tests.simulation.results_truth import cash_in_results, cash_in_store, told, truth
from tests.store.store_world import NOW, entry, fill, later, new_pair, new_session, report

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.simulation.results_kills", "store_world", "store.warehouse"])
CHILD_TIMEOUT_S = 60
OLD = ("old", "old.2")  # sessions that are over and ripe; one id begins with the other's
LIVE = "s1"
CUTOFF, TODAY = NOW + timedelta(days=30), NOW + timedelta(days=60)
Step = Callable[[str], None]


def _seal(store: Store, at: Step) -> None:
    engine = reading_engine(store.url)
    seal(store.home / "segments", LIVE, engine, store.journal, at=at)
    engine.dispose()


def _load(store: Store, at: Step) -> None:
    load(store.home, store.segments.sealed, at=at)


def _compact(store: Store, at: Step) -> None:
    compact(Upkeep(store.home, store.segments, store.journal, at))


def _retire(store: Store, at: Step) -> None:
    retire(Upkeep(store.home, store.segments, store.journal, at), CUTOFF, TODAY)


def _rebuild(store: Store, at: Step) -> None:
    rebuild(store.home, store.segments.sealed, at=at)


@dataclass(frozen=True)
class Work:
    """One kind of work, how its data folder is prepared, and whether results stay what they were until it is done."""

    name: str
    do: Callable[[Store, Step], None]
    prepare: Callable[[Store], None]
    whole: bool = False


def _unsealed(store: Store) -> None:
    store.load()
    trade(store, LIVE, 3)


def _sealed(store: Store) -> None:
    store.load()
    trade(store, LIVE, 3)
    store.seal(LIVE)


def _merged(store: Store) -> None:
    _sealed(store)
    compact(store.upkeep())
    trade(store, LIVE, 4)
    store.seal(LIVE)
    store.load()


def _loaded(store: Store) -> None:
    _sealed(store)
    store.load()


WORKS = (
    Work("seal and register", _seal, _unsealed, whole=True),
    Work("load, first", _load, lambda store: None),
    Work("load", _load, _sealed),
    Work("compact", _compact, _loaded, whole=True),
    Work("compact again", _compact, _merged, whole=True),
    Work("retain", _retire, _loaded, whole=True),
    Work("retain from merged", _retire, _merged, whole=True),
    Work("rebuild", _rebuild, _loaded, whole=True),
)


@dataclass
class Walk:
    """Kill points walked and held, by work, and what was broken."""

    held: dict[str, list[int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Ready to be printed: how many of how many kill points held."""
        lines = [f"{name:<20}  {ok} of {of}" for name, (ok, of) in self.held.items()]
        ok, of = (sum(column) for column in zip(*self.held.values(), strict=True))
        return "\n".join([*lines, "", f"{ok} of {of} kill points hold", *self.broken])


def trade(store: Store, session_id: str, number: int) -> None:
    """Add one finished pair with an order and two executions to a session."""
    plan, order_id = new_pair(number, session_id=session_id), f"{session_id}-c{number}"
    store.journal.record_pair.now(plan)
    (recorded,) = store.journal.record_intents.now([entry(order_id, session_id=session_id)])
    venue_order_id = f"{session_id}-v{number}"
    store.journal.record_fills.now(
        [
            fill(f"{order_id}-{n}", client_order_id=order_id, venue_order_id=venue_order_id, quantity=f"0.{n}")
            for n in (1, 2)
        ]
    )
    filled = report(OrderStatus.FILLED, filled="0.10", average="2499.5", at=later(3), venue_order_id=venue_order_id)
    store.journal.record_order.now(apply(recorded.order, Reported(filled)))
    outcome = PairOutcome(PairStatus.FILLED, Decimal("0.1"), Decimal("249.95"), completed_at=later(4))
    store.journal.complete_pair.now(plan.pair_id, outcome)


def make_home(home: Path) -> None:
    """Make a data folder with a live session and two that are over, all sealed, nothing loaded."""
    with open_store(home) as store:
        for session_id in (LIVE, *OLD):
            store.journal.create_session.now(new_session(session_id))
            trade(store, session_id, 1)
            store.seal(session_id)
            trade(store, session_id, 2)
            if session_id in OLD:
                for before, after in ((SessionStatus.PENDING, SessionStatus.ACTIVE),
                                      (SessionStatus.ACTIVE, SessionStatus.COMPLETED)):  # fmt: skip
                    store.journal.set_session_status.now(session_id, [before], after, at=later(60))
            store.seal(session_id)


def walk(folder: Path, *, works: Sequence[Work] = WORKS, every: int = 1, first: int = 1) -> Walk:
    """Kill at every so-many-th point of each work, from the given one on, and do the work again."""
    done = Walk()
    base = folder / "base"
    make_home(base)
    for work in works:
        ready = folder / "ready"
        shutil.copytree(base, ready)
        with open_store(ready) as store:
            work.prepare(store)
        points, states = _undisturbed(work, ready, folder / "whole")
        numbers = range(first, len(points) + 1, every)
        done.held[work.name] = [0, len(numbers)]
        for number in numbers:
            broken = _die_and_do_again(work, ready, folder / "dying", number, states)
            done.held[work.name][0] += not broken
            done.broken += [f"{work.name}, point {number} ({points[number - 1]}): {text}" for text in broken]
        shutil.rmtree(ready)
    return done


def _undisturbed(work: Work, ready: Path, home: Path) -> tuple[list[str], set[str]]:
    """Do the work once without dying: its kill points by name, and the whole states of results."""
    shutil.copytree(ready, home)
    points: list[str] = []
    states = {_state(home)}
    with open_store(home) as store, _commits(points.append):
        work.do(store, points.append)
    states.add(_state(home))
    shutil.rmtree(home)
    return points, states


def _die_and_do_again(work: Work, ready: Path, home: Path, number: int, states: set[str]) -> list[str]:
    shutil.copytree(ready, home)
    broken = []
    child = CHILDREN.Process(target=_work_and_die, args=(home, work.name, number))
    child.start()
    child.join(CHILD_TIMEOUT_S)
    if child.exitcode != -signal.SIGKILL:
        broken.append(f"the process was not killed (exit code {child.exitcode})")
    if work.whole and _state(home) not in states:
        broken.append("what was left is neither the results from before nor those from after")
    with open_store(home) as store:
        work.do(store, lambda _: None)
        broken += differences(store, work)
    shutil.rmtree(home)
    return broken


def differences(store: Store, work: Work) -> list[str]:
    """Where results and disk are not what the operational store says, after everything was sealed and loaded."""
    gone = OLD if work.do is _retire else ()
    for session_id in (LIVE, *OLD):
        store.seal(session_id)
    store.load()
    wanted, found = truth(store, gone), told(store.home)
    broken = [f"{name}: {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    if cash_in_results(store.home) != cash_in_store(store, gone):
        broken.append("the sums of executions are not those of the operational store")
    sealed = store.segments.sealed()
    if sealed.retired != set(gone):
        broken.append(f"retired are {sorted(sealed.retired)}")
    left = {path.name for path in (store.home / "segments").iterdir()} - {".lock"}
    registered = {segment.path for segment in sealed.segments}
    if left != registered:
        broken.append(f"files that nobody needs {sorted(left - registered)}, missing {sorted(registered - left)}")
    return broken


def _state(home: Path) -> str:
    return content(home).sha256 if (home / "results.duckdb").exists() else "none"


def _work_and_die(home: Path, name: str, number: int) -> None:
    """Do a work in this process and kill it at a point."""
    (work,) = (one for one in WORKS if one.name == name)
    points: list[str] = []

    def at(step: str) -> None:
        points.append(step)
        if len(points) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_store(home) as store, _commits(at):
        work.do(store, at)


@contextmanager
def _commits(at: Step) -> Iterator[None]:
    """Make each commit of the operational store that is about to happen a step."""

    def say(_: object) -> None:
        at("committing the registry")

    event.listen(Engine, "commit", say)
    try:
        yield
    finally:
        event.remove(Engine, "commit", say)
