"""Prefect's Cancel, remembered for as long as the run lives: a story that begins anew winds down too."""

from __future__ import annotations

import asyncio
import logging
import signal

from tasks.course import Course

_log = logging.getLogger("hedging.session")

REASON = "cancelled in Prefect"


class Cancel:
    """Whether this run was cancelled, and the course that it then closes."""

    def __init__(self) -> None:
        self._is_asked = False
        self._course: Course | None = None

    def ask(self) -> None:
        """Wind down like stop, now and whenever the story is told again."""
        self._is_asked = True
        if self._course is not None:
            self._course.close(REASON)

    def attend(self, course: Course) -> None:
        """From here on it is this course that is closed; at once when the cancel came before.

        Cancel arrives as SIGTERM with a grace period: the run winds down instead of being torn in mid-order.
        """
        self._course = course
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ask)
        except (NotImplementedError, RuntimeError, ValueError):
            _log.debug("not the main thread: cancel cannot be listened for here")
        if self._is_asked:
            course.close(REASON)
