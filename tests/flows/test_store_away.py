"""A session whose database server goes away: it waits, begins anew when the server is back, and gives up at a bound.

What was asked of the run before, and what was written although nobody heard so, is not forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import SessionHalted
from flows.cancelling import REASON, Cancel
from flows.hedging_session import STORE_LOOKS_MAX, STORE_LOSSES_MAX, completed, outlasting
from flows.steps import PLAIN
from flows.story import run_session
from store import Session, SessionStatus
from store.errors import StoreUnreachable
from tests.fakes.world import SESSION, QuietBoard, World

Make = Callable[..., World]


@dataclass
class FakeSession:
    """Only what is asked of a session."""

    status: SessionStatus = SessionStatus.ACTIVE


@dataclass
class FakeReads:
    """Reads of a server that is away for the next `away` questions."""

    away: int = 0

    def session(self, session_id: str) -> FakeSession:
        """Answer, or be away."""
        if self.away > 0:
            self.away -= 1
            raise StoreUnreachable("away")
        return FakeSession()


@dataclass
class FakeStore:
    """Only what is asked of a store while it is waited for."""

    reads: FakeReads = field(default_factory=FakeReads)


@dataclass
class Story:
    """A story that loses its store at each of the next `losses` tellings."""

    store: FakeStore
    losses: int
    away_for: int = 0
    told: int = 0
    slept: list[float] = field(default_factory=list)

    async def drive(self) -> dict[str, Any]:
        """Tell it from the start."""
        self.told += 1
        if self.told <= self.losses:
            self.store.reads.away = self.away_for
            raise StoreUnreachable(f"away at telling {self.told}")
        return {"status": "completed"}

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once."""
        self.slept.append(seconds)


async def end_of(story: Story) -> dict[str, Any]:
    return await outlasting(story.store, "s1", story.drive, not_completed, story.sleep)  # type: ignore[arg-type]


async def not_completed(session: Session) -> dict[str, Any]:
    """Nobody may take it for completed."""
    raise AssertionError(session)


async def test_session_begins_anew_once_the_server_answers_again() -> None:
    story = Story(FakeStore(), losses=2, away_for=3)
    assert await end_of(story) == {"status": "completed"}
    assert story.told == 3
    assert len(story.slept) == 2 * 4, "it was told again while the server was away"


async def test_server_that_stays_away_ends_the_run_with_what_was_lost() -> None:
    story = Story(FakeStore(), losses=1, away_for=10_000)
    with pytest.raises(StoreUnreachable, match="telling 1"):
        await end_of(story)
    assert (story.told, len(story.slept)) == (1, STORE_LOOKS_MAX)


async def test_server_that_goes_away_again_and_again_ends_the_run() -> None:
    story = Story(FakeStore(), losses=10_000)
    with pytest.raises(StoreUnreachable, match=f"telling {STORE_LOSSES_MAX}"):
        await end_of(story)


async def test_what_is_no_loss_of_the_server_ends_the_run_at_once() -> None:
    async def halted() -> dict[str, Any]:
        raise SessionHalted("naked")

    with pytest.raises(SessionHalted):
        await outlasting(FakeStore(), "s1", halted, not_completed)  # type: ignore[arg-type]


async def test_cancel_hidden_by_the_loss_of_the_server_ends_the_run_as_a_cancel() -> None:
    """It is torn down by the cancel, and the store is lost while it gives its lease back."""
    store, began, told = FakeStore(), asyncio.Event(), []

    async def drive() -> dict[str, Any]:
        told.append(1)
        try:
            began.set()
            await asyncio.get_running_loop().create_future()
        finally:
            store.reads.away = 3
            raise StoreUnreachable("away while the lease is given back")

    async def no_time(seconds: float) -> None:
        assert seconds > 0

    running = asyncio.create_task(outlasting(store, "s1", drive, not_completed, no_time))  # type: ignore[arg-type]
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (len(told), store.reads.away) == (1, 0), "what ended it is noted only once the server answers"


async def test_cancel_in_prefect_is_obeyed_by_the_story_that_begins_anew(make: Make) -> None:
    """SIGTERM came, and the database went away before the run was flat: it must not go on trading."""
    world, cancel = make(volumeTarget="1000000"), Cancel()

    async def lost() -> dict[str, str]:
        cancel.ask()
        raise StoreUnreachable("away")

    tellings = iter([replace(PLAIN, check_funds=lost), PLAIN])

    async def drive() -> dict[str, Any]:
        world.die()
        board: Any = QuietBoard()
        return await run_session(world.desk(), world.session, next(tellings), board, cancel=cancel)

    summary = await outlasting(world.store, SESSION, drive, not_completed, world.clock.sleep)
    assert (summary["reason"], summary["pairsFilled"]) == (REASON, 0)
    world.check_completed_and_flat()


@pytest.mark.parametrize("is_on_record", [False, True], ids=["at the commit", "after its last word"])
async def test_run_that_completed_while_the_server_went_away_ends_green_with_its_summary(
    make: Make, is_on_record: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last commit was done and its answer lost; driven again, the session could only be refused."""
    world, told = make(volumeTarget="1500"), []
    write, is_lost = world.store.journal.writer.write, [False]

    async def lose_the_answer(operation: Any) -> Any:
        answer = await write(operation)
        ends = world.store.reads.last_event(SESSION, "status", type="settled") if is_on_record else world.session
        if not is_lost[0] and ends is not None and world.session.status is SessionStatus.COMPLETED:
            is_lost[0] = True
            raise StoreUnreachable("whether it was written is unknown")
        return answer

    async def drive() -> dict[str, Any]:
        told.append(1)
        board: Any = QuietBoard()
        return await run_session(world.desk(), world.session, PLAIN, board)

    monkeypatch.setattr(world.store.journal.writer, "write", lose_the_answer)
    store = world.store
    summary = await outlasting(store, SESSION, drive, lambda session: completed(store, session), world.clock.sleep)
    assert (len(told), is_lost, summary["status"]) == (1, [True], "completed")
    assert Path(summary["report"]).is_file()
    kinds = [event.type for event in store.reads.events_since(SESSION, 0)]
    assert kinds.count("settled") == 1
    world.check_completed_and_flat()
