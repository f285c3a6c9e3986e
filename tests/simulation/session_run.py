"""A whole session over fake venues and virtual time, run again after each death until it has ended.

It runs the flow's own story; only Prefect, the record of results, and the reports are left out. The same case gives
the same effects at the same times, line for line.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from unittest.mock import patch

from connectors.settings import Environment
from connectors.venue import VenueClient
from core.errors import LeaseLost
from flows.hedging_session import hedging_session
from flows.steps import PLAIN, NoBoard, Steps
from tasks.desk import Desk, sit_down
from tasks.options import TRANSIENT
from tests.fakes.venue import Crash, FakeVenue
from tests.fakes.world import SESSION, World
from tests.simulation.lives import Life, MortalClient, MortalStore, total_trace

T = TypeVar("T")

# Beyond this many runs, or this much virtual time, a session that does not end is a violation of its own.
RUNS_MAX = 12
VIRTUAL_S_MAX = 2400.0


class Endless(Exception):
    """The session did not end in time."""


@dataclass(frozen=True)
class Bug:
    """A bug to plant, through what is handed in: clients and journal are wrapped, steps replaced. Plain: none."""

    client: Callable[[FakeVenue], object] = lambda venue: venue
    journal: Callable[[object], object] = lambda journal: journal
    steps: Callable[[Steps], Steps] = lambda steps: steps


NO_BUG = Bug()


@dataclass
class Lived:
    """Every run of one session: the lives, and how each ended (None: the story was told to its end).

    naked_budget: dollar-seconds that legs may stand alone, None: what follows from the strategy.
    """

    world: World
    naked_budget: Decimal | None = None
    lives: list[Life] = field(default_factory=list)
    ends: list[BaseException | None] = field(default_factory=list)

    @property
    def last(self) -> BaseException | None:
        """How the last run ended."""
        return self.ends[-1]

    @property
    def restarts(self) -> int:
        """How often the session was run again."""
        return len(self.ends) - 1

    @property
    def lines(self) -> list[str]:
        """Everything that was done, when, and how each run ended; the same seed gives the same lines."""
        return [*total_trace(self.lives), *(f"{type(end).__name__}: {end}" for end in self.ends)]


class DeafLoop(asyncio.SelectorEventLoop):
    """An event loop that takes no signals: SIGTERM ends the simulation, and not the session that it is just at."""

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Refuse, as on systems without signals."""
        raise NotImplementedError


def finish(story: Coroutine[Any, Any, T]) -> T:
    """Run a session's story in an event loop of its own and return what came of it."""
    with asyncio.Runner(loop_factory=DeafLoop) as runner:
        return runner.run(story)


async def live(told: Lived, lives: Iterator[Life], *, again: Callable[[Lived], bool], bug: Bug = NO_BUG) -> Lived:
    """Run the session; once more after a death, a failure that passes, a lost lease, and when `again` says so."""
    world = told.world
    while True:
        life = next(lives)
        told.lives.append(life)
        told.ends.append(await _one_run(told, life, bug))
        over = world.session.status.is_final and not isinstance(told.last, Crash)
        passing = isinstance(told.last, (Crash, LeaseLost, *TRANSIENT)) and not over
        if len(told.ends) >= RUNS_MAX or isinstance(told.last, Endless) or not (passing or again(told)):
            return told
        world.die()


async def _one_run(told: Lived, life: Life, bug: Bug) -> BaseException | None:
    story: Callable[..., Awaitable[Any]] = hedging_session.fn
    run = asyncio.ensure_future(story(Environment.SANDBOX, SESSION))
    clock, started = told.world.clock, told.world.clock()

    def enough() -> None:
        if not run.done():
            run.cancel("endless")

    clock.later(VIRTUAL_S_MAX, enough)
    with _over(told, life, bug):
        (ended,) = await asyncio.gather(run, return_exceptions=True)
        await _bury()
    if isinstance(ended, asyncio.CancelledError):
        return Endless(f"the run of {started} did not end within {VIRTUAL_S_MAX:.0f} virtual seconds")
    return ended if isinstance(ended, BaseException) else None


async def _bury() -> None:
    """What a dead run left running is dead as well."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def _over(told: Lived, life: Life, bug: Bug) -> Iterator[None]:
    """Let the story find this world: its store, its desk, its steps without Prefect, a board that is silent."""
    world = told.world
    store = MortalStore(world.store, life, bug.journal(world.store.journal))

    @asynccontextmanager
    async def open_desk(*_: object) -> AsyncIterator[Desk]:
        desk = world.desk()
        wrapped: dict[str, Any] = {n: MortalClient(_client(bug.client(v)), life, n) for n, v in world.venues.items()}
        desk.store, desk.clients = store, wrapped  # type: ignore[assignment]
        if told.naked_budget is not None:
            desk.limits = replace(desk.limits, naked_usd_seconds_max=told.naked_budget)
        sit_down(desk)
        yield desk
        lease = desk.lease
        await world.store.journal.release_many(lease.scopes, lease.holder, attempt=lease.attempt)

    edge = {
        "accounts_for": _nothing,
        "home": _nothing,
        "outlive_readers": _nothing,
        "open_home_store": lambda: store,
        "record_what_ended": _nothing_later,
        "write_results": _nothing_later,
        "open_desk": open_desk,
        "PREFECT": bug.steps(PLAIN),
        "Board": NoBoard,
    }
    with patch.multiple("flows.hedging_session", **edge), patch("flows.story.put_on_record", _nothing_later):
        yield


def _client(wrapped: object) -> VenueClient:
    return wrapped  # type: ignore[return-value]


def _nothing(*_: object) -> None:
    return None


async def _nothing_later(*_: object) -> None:
    return None


def lives_of(world: World, rng: random.Random, deaths: int) -> Iterator[Life]:
    """So many runs that die at a random effect, then runs that do not."""
    for _ in range(deaths):
        yield Life(world.clock, rng.choice([rng.randint(1, 30), rng.randint(1, 250)]), rng.random() < 0.5)
    while True:
        yield Life(world.clock)
