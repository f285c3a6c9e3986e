"""Prefect's Cancel, remembered for as long as the run lives: a story that begins anew winds down too.

It comes as SIGTERM from the service that runs the session. One that the service did not see, since Prefect's server was
away before, is found by asking Prefect now and then.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from uuid import UUID

from prefect import get_client

from tasks.course import Course

_log = logging.getLogger("hedging.session")

REASON = "cancelled in Prefect"
LOOK_S = 10.0


class Cancel:
    """Whether this run was cancelled, and the course that it then closes. is_found: seen at Prefect, told by nobody."""

    def __init__(self) -> None:
        self.is_found = False
        self._is_asked = False
        self._course: Course | None = None

    def ask(self) -> None:
        """Wind down like stop, now and whenever the story is told again."""
        self._is_asked = True
        if self._course is not None:
            self._course.close(REASON)

    def attend(self, course: Course) -> None:
        """From here on it is this course that is closed; at once when the cancel came before.

        SIGTERM comes with a grace period: the run winds down instead of being torn in mid-order.
        """
        self._course = course
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ask)
        except (NotImplementedError, RuntimeError, ValueError):
            _log.debug("not the main thread: cancel cannot be listened for here")
        if self._is_asked:
            course.close(REASON)

    async def look_out(
        self, is_cancelled: Callable[[], Awaitable[bool]], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:  # fmt: skip
        """Ask every LOOK_S seconds whether the run is cancelled until it is; for a task beside the run.

        Nothing that goes wrong with asking ends it: Prefect may be away for as long as it likes.
        """
        while not self._is_asked:
            await sleep(LOOK_S)
            try:
                async with asyncio.timeout(LOOK_S):
                    self.is_found = await is_cancelled() and not self._is_asked
            except Exception as error:  # noqa: BLE001 - Prefect's client raises whatever its transport does
                _log.debug("Prefect cannot be asked whether the run is cancelled (%s)", type(error).__name__)
            if self.is_found:
                _log.warning("Prefect shows that this run is cancelled: it winds down")
                self.ask()


async def is_cancelled_in_prefect(run_id: str) -> bool:
    """Tell whether Prefect shows a run as cancelled, or being so; raises what its client raises."""
    async with get_client() as client:
        state = (await client.read_flow_run(UUID(run_id))).state
    return state is not None and (state.is_cancelling() or state.is_cancelled())
