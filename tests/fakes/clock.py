"""Virtual time: a clock that stands still until everybody who could act is asleep. No test ever really waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 12, tzinfo=UTC)

# Turns of the event loop that every task gets to run in before time moves.
_TURNS = 12


class FakeClock:
    """A clock, a sleep and an alarm over one virtual time line.

    Time moves only while somebody sleeps here, straight to the next moment at which something is due. Whatever waits
    for something else (a thread that writes to the database, say) sees time stand still.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._numbers = itertools.count()
        self._alarms: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._is_armed = False

    def __call__(self) -> datetime:
        """The time."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until virtual time has moved by `seconds`."""
        await self.wait(asyncio.get_running_loop().create_future(), seconds)

    async def wait(self, woken: asyncio.Future[None], seconds: float) -> bool:
        """Wait for a future, at most `seconds` of virtual time; False when the time was up first."""
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._numbers), alarm))
        self._arm()
        try:
            await asyncio.wait((woken, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        return woken.done()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something when virtual time has moved by `seconds` (somebody must sleep for it to move)."""
        heapq.heappush(self._alarms, (self._now + timedelta(seconds=seconds), next(self._numbers), action))

    def advance(self, seconds: float) -> None:
        """Move time by hand, doing what falls due on the way."""
        self._move_to(self._now + timedelta(seconds=seconds))

    def _arm(self) -> None:
        if not self._is_armed:
            self._is_armed = True
            asyncio.get_running_loop().call_soon(self._turn, _TURNS)

    def _turn(self, left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(self._turn, left - 1)
            return
        self._is_armed = False
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return
        due = [heap[0][0] for heap in (self._sleepers, self._alarms) if heap]
        self._move_to(min(due))
        if self._sleepers:
            self._arm()

    def _move_to(self, when: datetime) -> None:
        while self._alarms and self._alarms[0][0] <= when:
            at, _, action = heapq.heappop(self._alarms)
            self._now = max(self._now, at)
            action()
        self._now = max(self._now, when)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            alarm = heapq.heappop(self._sleepers)[2]
            if not alarm.done():
                alarm.set_result(None)
