"""Every way in which a twin takes from one leg, at every venue, with the account's stream and without: a judged table.

    python -m tests.reduction.campaign [--venues pacifica ...] [--causes adl ...] [--seed 3] [--together 2]

Exits with 1 when a law was broken. The laws: the cause is named and the positions stated as the twin has them; the
other leg follows, never beyond what was taken, with reducing orders only; the session goes on, stands still or winds
down as the cause asks, and is completed and flat once told to stop; its books balance with the twins' own balances; own
orders never meet; what somebody else holds is left as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal

from benchmarks.machine import machine, table
from sandbox.markets import VENUES
from store.records import SessionStatus
from tasks.beat import POSITIONS_EVERY_S
from tasks.follow import FOLLOW_S
from tests.reduction.trial import BYSTANDER, STANDS_STILL, SYMBOL, Cause, Cell, Trial, run_cell
from tests.reduction.trial_truth import Aftermath, earned, held, names_used_twice, own_matches, unreduced

ZERO = Decimal(0)
# The product's own bounds: within one a leg must follow, and without a stream positions have to be compared first.
FOLLOWED_S, FOLLOWED_CUT_S = FOLLOW_S, FOLLOW_S + POSITIONS_EVERY_S
COUNTED = Decimal("0.9")
DUST = Decimal("0.00001")
# By how much a mark may differ from that in the equity read beside it, where somebody else's position stays.
SKEW_USD = Decimal("1")
# A remainder off the common lot is closed by an order of the smallest notional, and both legs end on a lot.
TRIMMED_USD, TRIMMED_PRICE = 20, 2500
HEADS = (
    "leg, what took from it", "noticed as", "by", "noticed s", "followed s", "trimmed", "over-reduction",
    "naked USD x s", "counted", "session", "residual", "own matches", "foreign moved",
)  # fmt: skip


def laws(trial: Trial) -> Iterator[str]:
    """Say each law that a trial broke."""
    after, breach, session = trial.after, trial.noticed, trial.session
    if after is None or breach is None or session is None or trial.met is None:
        yield f"it could not be judged: {trial.failed or 'nothing was taken or noticed'}"
        return
    if breach.category != trial.cell.category:
        yield f"{trial.cell.cause} was called {breach.category}"
    shown = {name: breach.details.get(f"position of {name}") for name in after.held}
    if any(text is None or Decimal(str(text)) != after.held[name] for name, text in shown.items()):
        yield f"it stated {shown}, the venues had {after.held}"
    bound_s = FOLLOWED_CUT_S if trial.cell.is_cut else FOLLOWED_S
    if after.followed_s is None or after.followed_s > bound_s:
        yield f"the other leg followed after {after.followed_s} s"
    if after.trimmed * TRIMMED_PRICE > TRIMMED_USD:
        yield f"both legs were trimmed by {after.trimmed}"
    if after.beyond != 0:
        yield f"{after.beyond} were reduced beyond what was taken"
    yield from _orders(trial, after)
    yield from _end(trial, after)


def _orders(trial: Trial, after: Aftermath) -> Iterator[str]:
    until_us = after.taken_us + int((after.followed_s or 0) * 1_000_000)
    if opened := unreduced(trial.state, trial.holders, after.taken_us, until_us):
        yield f"{opened} orders sent meanwhile were not reduce-only"
    if met := own_matches(trial.state):
        yield f"own orders met {met} times"
    if twice := names_used_twice(trial.state):
        yield f"{twice} client order ids were used twice"


def _end(trial: Trial, after: Aftermath) -> Iterator[str]:
    session, met = trial.session, trial.met
    assert session is not None
    assert met is not None
    paused = met.status is SessionStatus.PAUSED
    foreign = sum((abs(held_) for held_ in after.foreign.values()), ZERO)
    if paused is not (trial.cell.category in STANDS_STILL):
        yield f"once even, the session was {met.status} ({met.status_reason})"
    if session.status is not SessionStatus.COMPLETED:
        yield f"it ended {session.status} ({session.status_reason}); {trial.failed}"
    if any(after.left.values()):
        yield f"{after.left} of the session is left"
    if foreign_moved(trial, after) != 0:
        yield f"of what somebody else holds, {foreign_moved(trial, after)} was moved"
    if session.totals.naked_usd_seconds < after.naked_in_all * COUNTED:
        yield f"{session.totals.naked_usd_seconds:.1f} of {after.naked_in_all:.1f} naked USD x s were counted"
    if not trial.summary:
        yield "no summary was told"
    elif abs(Decimal(trial.summary["residual"])) > max(DUST, foreign * SKEW_USD):
        yield f"the books leave {trial.summary['residual']} unexplained"
    elif not foreign:
        own, told = earned(trial.state, [h.venue for h in trial.holders]), Decimal(trial.summary["equityChange"])
        if abs(own - told) > DUST:
            yield f"equity changed by {told}, the twins' balances by {own}"


def foreign_moved(trial: Trial, after: Aftermath) -> Decimal:
    """Base units by which what is somebody else's differs from what their own trades made it, all accounts together."""
    moved = abs(trial.bystander - BYSTANDER)
    for holder in trial.holders:
        there = held(trial.state, holder.venue, SYMBOL) - after.left[holder.name]
        moved += abs(there - after.foreign[holder.name])
    return moved


def row_of(trial: Trial) -> tuple[str, ...]:
    """One line of the table."""
    after, breach, session = trial.after, trial.noticed, trial.session
    if after is None or breach is None or session is None or trial.met is None or trial.taken_at is None:
        return (str(trial.cell), *["?"] * (len(HEADS) - 1))
    return (
        str(trial.cell),
        breach.category,
        heard(trial.heard),
        f"{(breach.created_at - trial.taken_at).total_seconds():.2f}",
        "never" if after.followed_s is None else f"{after.followed_s:.2f}",
        f"{after.trimmed.normalize():f}",
        f"{after.beyond.normalize():f}",
        f"{after.naked:.1f}",
        f"{session.totals.naked_usd_seconds:.1f} of {after.naked_in_all:.1f}",
        f"{_meanwhile(trial)}, {session.status}",
        str(trial.summary.get("residual", "?")),
        str(own_matches(trial.state)),
        f"{foreign_moved(trial, after).normalize():f}",
    )


def heard(told: Sequence[str]) -> str:
    """Name what told the session of it first."""
    if {"FillUpdate", "TradeBusted"} & set(told):
        return "stream"
    return "position on the stream" if "PositionUpdate" in told else "reconciliation"


def _meanwhile(trial: Trial) -> str:
    assert trial.met is not None
    if trial.met.status is SessionStatus.PAUSED:
        return "paused"
    return "went on" if trial.cell.category == "adl" else "wound down"


async def play(cells: Sequence[Cell], *, seed: int, together: int) -> list[Trial]:
    """Run cells, so many at a time; each has twins and a session of its own."""
    lanes = asyncio.Semaphore(together)

    async def one(cell: Cell) -> Trial:
        async with lanes:
            trial = await run_cell(cell, seed=seed)
        print(" | ".join(row_of(trial)), *laws(trial), sep="\n    ", file=sys.stderr, flush=True)
        return trial

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(one(cell)) for cell in cells]
    return [task.result() for task in running]


def main() -> int:
    """Play all cells that were asked for and print the table; 1 when a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venues", nargs="*", choices=VENUES, default=VENUES)
    parser.add_argument("--causes", nargs="*", choices=[c.name.lower() for c in Cause])
    parser.add_argument("--streams", nargs="*", choices=("up", "cut"), default=("up", "cut"))
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--together", type=int, default=2, help="trials at the same time")
    options = parser.parse_args()
    causes = [c for c in Cause if not options.causes or c.name.lower() in options.causes]
    cells = [Cell(v, c, s == "cut") for s, v, c in itertools.product(options.streams, options.venues, causes)]
    started = time.monotonic()
    trials = asyncio.run(play(cells, seed=options.seed, together=options.together))
    print(
        f"{machine()}; seed {options.seed}, {options.together} trials at a time, {time.monotonic() - started:.0f} s\n"
    )
    print(table(HEADS, [row_of(trial) for trial in trials]))
    broken = [f"{trial.cell}: {law}" for trial in trials for law in laws(trial)]
    print(f"\n{len(trials)} trials, {len(broken)} laws broken", *broken, sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
