"""A Cancel that reached only Prefect: the run finds it by asking, however long Prefect cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from flows.cancelling import LOOK_S, REASON, Cancel
from tasks.course import Course
from tests.fakes.clock import START, FakeClock


class Told:
    """What Prefect says when it is asked: the next of these, an exception is raised; the last one again and again."""

    def __init__(self, *answers: bool | Exception) -> None:
        self._answers: Iterator[bool | Exception] = iter(answers)
        self._last: bool | Exception = False
        self.asked = 0

    async def __call__(self) -> bool:
        """Answer."""
        self.asked += 1
        self._last = next(self._answers, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return self._last


async def test_cancel_that_nobody_passed_on_is_found_once_prefect_answers_again() -> None:
    clock, course, cancel = FakeClock(), Course(START), Cancel()
    cancel.attend(course)
    told = Told(False, ConnectionError("away"), TimeoutError(), ValueError("no JSON"), True)
    await cancel.look_out(told, clock.sleep)
    assert (told.asked, course.closing, cancel.is_found) == (5, REASON, True)
    assert (clock() - START).total_seconds() == 5 * LOOK_S


async def test_cancel_that_was_passed_on_ends_the_asking_and_is_not_taken_for_found() -> None:
    clock, course, cancel, told = FakeClock(), Course(START), Cancel(), Told(False)
    cancel.attend(course)
    looking = asyncio.create_task(cancel.look_out(told, clock.sleep))
    clock.later(3 * LOOK_S + 1, cancel.ask)
    await looking
    assert (course.closing, cancel.is_found) == (REASON, False)
    assert told.asked == 4


async def test_course_of_a_story_told_anew_is_closed_at_once_when_the_cancel_came_before() -> None:
    cancel, course = Cancel(), Course(START)
    cancel.ask()
    cancel.attend(course)
    assert course.closing == REASON
