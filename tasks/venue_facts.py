"""What venues say about themselves: clocks, state, the day's volume. Read beside trading, never between legs.

A reading that fails changes nothing: what was known stays and grows old. Nothing is made up in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from connectors.venue import VenueClient
from core.errors import NotOffered, VenueError
from tasks.desk import Desk

T = TypeVar("T")
_log = logging.getLogger("hedging.venue_facts")

CLOCK_EVERY_S = 60.0
STATUS_EVERY_S = 30.0
VOLUME_EVERY_S = 300.0
# An order is valid for 2 to 5 s. With a clock this far off, doubt included, a venue may refuse good orders or take
# late ones, and a book may be older than it looks.
CLOCK_TOLERANCE = timedelta(seconds=1.9)
# A computer's clock drifts by milliseconds in this time; an operator or a time service may set it at any moment.
CLOCK_AGE_MAX = timedelta(minutes=10)
_READ_S_MAX = 10.0


async def measure_clocks(desk: Desk) -> None:
    """Measure every venue's clock anew."""
    await _ask(desk, "the clock could not be measured", lambda client: client.measure_clock())


async def read_statuses(desk: Desk) -> None:
    """Ask every venue whether it is open; one that publishes no such thing is left out."""
    found = await _ask(desk, "the system status could not be read", lambda client: client.market_data.system_status())
    for name, status in found.items():
        known = desk.statuses.get(name)
        if known is None or known.state is not status.state:
            _log.info("%s: %s is %s (%s)", name, status.venue, status.state, status.text)
        desk.statuses[name] = status


async def read_volumes(desk: Desk) -> None:
    """Read the market's 24 h volume at every venue, which caps the session's share; say once where it is not known."""
    symbol = desk.symbol
    found = await _ask(desk, "the 24 h volume could not be read", lambda client: client.market_data.statistics(symbol))
    desk.day_volumes.update({name: statistics.volume_quote for name, statistics in found.items()})
    for name in desk.accounts.keys() - desk.day_volumes.keys() - desk.uncapped:
        desk.uncapped.add(name)
        desk.notices.append(
            f"{name}: the venue's 24 h volume is not known; maxParticipation cannot bound trading there"
        )


def clocks_are_safe(desk: Desk, names: tuple[str, ...]) -> bool:
    """Tell whether these accounts' venues were measured lately and lie, doubt included, within the tolerance."""
    oldest = desk.now() - CLOCK_AGE_MAX
    offsets = [desk.clients[name].clock_offset for name in names]
    return all(o is not None and o.measured_at >= oldest and o.is_safe(tolerance=CLOCK_TOLERANCE) for o in offsets)


def closed_venues(desk: Desk) -> tuple[str, ...]:
    """Name the accounts whose venue last said that it is not open."""
    return tuple(name for name, status in desk.statuses.items() if not status.takes_new_risk)


async def _ask(desk: Desk, failure: str, read: Callable[[VenueClient], Awaitable[T]]) -> Mapping[str, T]:
    """Ask all venues at once within a bound; who does not answer is said and left out, who never offers it left out."""
    names = list(desk.clients)
    answers = await asyncio.gather(*(_within(read(desk.clients[n])) for n in names), return_exceptions=True)
    found: dict[str, T] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, NotOffered):
            continue
        if isinstance(answer, VenueError | TimeoutError):
            desk.notices.append(f"{name}: {failure} ({answer or 'no answer in time'})")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[name] = answer
    return found


async def _within(reading: Awaitable[T]) -> T:
    async with asyncio.timeout(_READ_S_MAX):
        return await reading
